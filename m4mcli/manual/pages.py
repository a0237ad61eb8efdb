"""The synopsis and the table of options in the manual pages `commands/*.md`, from the command tree.

`python -m m4mcli.manual.pages` rewrites what stands between the markers `<!-- generated: NAME -->` and `<!-- end -->`;
with `--check` it only says whether that is current (status 1 if not). For a command without a page
one with nothing but these blocks is made: the rest is written by hand.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from m4mcli.cli import COMMANDS
from m4mcli.command_tree import Page, Parameter, pages
from m4mcli.manual.generated import finish

BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def synopsis(page: Page) -> str:
    """The usage line, as a block of code; a group has one for each of its parts."""
    return "\n" + "".join(f"    {one.usage}\n" for one in page.parts or (page,)) + "\n"


def options(page: Page) -> str:
    """Operands and options, as a table; a group has one for each of its parts."""
    if page.parts:
        return (
            "".join(f"\n### m4m {page.name} {part.name}\n{options(part)}".rstrip("\n") + "\n" for part in page.parts)
            + "\n"
        )
    rows = [f"| {_shown(p)} | {_cell(p.help)} |" for p in (*page.operands, *page.options)]
    return "\n".join(["", "| | |", "|---|---|", *rows, "", ""])


BLOCKS = {"synopsis": synopsis, "options": options}


def filled(text: str, page: Page) -> str:
    """The text of a manual page with its generated blocks made anew; blocks that it lacks are put at its end."""
    found = {match[2] for match in BLOCK.finditer(text)}
    lacking = "".join(f"\n<!-- generated: {name} -->\n<!-- end -->\n" for name in BLOCKS if name not in found)
    return BLOCK.sub(lambda match: f"{match[1]}{BLOCKS[match[2]](page)}{match[3]}", text + lacking)


def _shown(parameter: Parameter) -> str:
    value = "|".join(parameter.choices) or parameter.metavar
    names = ", ".join(f"`{flag}`" for flag in parameter.flags) or f"`{parameter.metavar}`"
    return f"{names} `{value}`".replace("|", "\\|") if parameter.flags and value else names


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: Sequence[str], root: Path) -> int:
    """Write or check the generated parts of every page in the checkout `root`; returns the exit status."""
    wanted = {}
    for page in pages(COMMANDS):
        name = f"commands/{page.name}.md"
        text = (root / name).read_text("utf-8") if (root / name).exists() else f"# m4m {page.name}\n\n{page.summary}\n"
        wanted[name] = filled(text, page).encode()
    return finish(root, wanted, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path()))
