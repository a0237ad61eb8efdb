"""`python -m m4mcli` is `m4m`."""

from m4mcli.cli import main

if __name__ == "__main__":
    main()
