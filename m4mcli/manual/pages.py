"""The synopsis and the table of options in the manual pages `commands/*.md`, from the command tree.

`python -m m4mcli.manual.pages` rewrites what stands between the markers `<!-- generated: NAME -->` and `<!-- end -->`;
with `--check` it only says whether that is current (status 1 if not). A command without a page gets an error, not a
page: the rest of it is written by hand.
"""

import re
import sys
from collections.abc import Sequence

from m4mcli.cli import COMMANDS
from m4mcli.command_tree import Page, Parameter, pages
from m4mcli.errors import M4mError
from m4mcli.manual.generated import ROOT, finish

BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def synopsis(page: Page) -> str:
    """The usage line, as a block of code."""
    return f"\n    {page.usage}\n\n"


def options(page: Page) -> str:
    """Operands and options, as a table."""
    rows = [f"| {_shown(p)} | {_cell(p.help)} |" for p in (*page.operands, *page.options)]
    return "\n".join(["", "| | |", "|---|---|", *rows, "", ""])


BLOCKS = {"synopsis": synopsis, "options": options}


def filled(text: str, page: Page) -> str:
    """The page's text with its generated blocks made anew. Raises M4mError if one of BLOCKS is missing."""
    missing = set(BLOCKS) - {match[2] for match in BLOCK.finditer(text)}
    if missing:
        raise M4mError(f"commands/{page.name}.md has no block {', '.join(sorted(missing))}", "see commands/quantize.md")
    return BLOCK.sub(lambda match: f"{match[1]}{BLOCKS[match[2]](page)}{match[3]}", text)


def _shown(parameter: Parameter) -> str:
    value = "|".join(parameter.choices) or parameter.metavar
    names = ", ".join(f"`{flag}`" for flag in parameter.flags) or f"`{parameter.metavar}`"
    return f"{names} `{value}`".replace("|", "\\|") if parameter.flags and value else names


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Write or check the generated parts of every page; returns the exit status."""
    wanted = {}
    for page in pages(COMMANDS):
        path = ROOT / "commands" / f"{page.name}.md"
        if not path.exists():
            raise M4mError(f"commands/{page.name}.md is missing", "every command has a page")
        wanted[path] = filled(path.read_text("utf-8"), page).encode()
    return finish(wanted, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
