"""The subcommands: options in, music or JSON out; one module each."""
