"""The vocabularies of the schemes in `commands/tokens.md`, from the code.

`python -m m4mcli.manual.vocabularies` rewrites what stands between the markers `<!-- generated: SCHEME -->` and
`<!-- end -->`; with `--check` it only says whether that is current (status 1 if not).
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from m4mcli.manual.generated import finish
from m4mcli.tokens.schemes import NAMES, open_scheme

PAGE = "commands/tokens.md"
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(name: str) -> str:
    """The vocabulary of a scheme with its own settings, as a block of code."""
    lines = open_scheme(name).vocabulary.page().splitlines()
    return "\n" + "".join(f"    {line}\n" for line in lines) + "\n"


def filled(text: str) -> str:
    """The text of the page with its tables made anew; those that it lacks are put at its end."""
    found = {match[2] for match in BLOCK.finditer(text)}
    lacking = "".join(f"\n## {n}\n\n<!-- generated: {n} -->\n<!-- end -->\n" for n in NAMES if n not in found)
    return BLOCK.sub(lambda match: f"{match[1]}{table(match[2])}{match[3]}", text + lacking)


def main(arguments: Sequence[str], root: Path) -> int:
    """Write or check the page in the checkout `root`; returns the exit status."""
    text = (root / PAGE).read_text("utf-8") if (root / PAGE).exists() else "# The schemes of m4m tokenize\n"
    return finish(root, {PAGE: filled(text).encode()}, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path()))
