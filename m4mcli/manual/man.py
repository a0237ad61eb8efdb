"""The manual pages for `man`: m4m(1), one page for each command, one for each other page of the manual.

`python -m m4mcli.manual.man` writes `commands/man/` in the checkout, from `commands/*.md` and the command tree; with
`--check` it only says whether the files there are the current ones (status 1 if not).
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from m4mcli import __version__
from m4mcli.cli import COMMANDS
from m4mcli.command_tree import Page, Parameter, pages
from m4mcli.manual.generated import finish
from m4mcli.manual.roff import code, converted, literal, prose, section, term

TOPICS = 7
"""The section for pages that are no commands."""

FOLDER = "commands/man"
SYNOPSIS_BLOCK = re.compile(r"<!-- generated: synopsis -->.*?<!-- end -->\n", re.DOTALL)
OPTIONS_BLOCK = re.compile(r"<!-- generated: options -->.*?<!-- end -->\n", re.DOTALL)


def command_page(page: Page, markdown: str) -> str:
    """The page of a command: its prose, with synopsis and options from the command tree."""
    title, _, body = _parts(SYNOPSIS_BLOCK.sub("", markdown))
    before, after = re.split(OPTIONS_BLOCK, body, maxsplit=1) if OPTIONS_BLOCK.search(body) else (body, "")
    return _finished(
        _head(title.replace(" ", "-"), 1, page.summary),
        [section("Synopsis"), *_synopsis(page)],
        _described(before),
        [section("Options"), *_options(page)],
        converted(after, _link),
        _see_also(page.name),
    )


def topic_page(name: str, markdown: str) -> str:
    """A page that is no command's: formats, pipelines and the like; m4m itself is in section 1."""
    title, summary, body = _parts(markdown)
    if name == "m4m":
        synopsis = [section("Synopsis"), ".PP", r"\fBm4m\fR \fICOMMAND\fR [\fIOPTIONS\fR] [\fIFILE\fR]..."]
        commands = [line for n, entry in COMMANDS.items() for line in term(_named(n), prose(entry.summary, _link))]
        described = _described(body)
        return _finished(
            _head("m4m", 1, summary), synopsis, [section("Commands"), *commands], described, _see_also(name)
        )
    head = _head(f"m4m-{name}", TOPICS, title[:1].lower() + title[1:])
    return _finished(head, _described(f"{summary}\n\n{body}"), _see_also(name))


def _parts(markdown: str) -> tuple[str, str, str]:
    """The title of a page, the paragraph below it, and the rest."""
    title, _, rest = markdown.partition("\n\n")
    summary, _, body = rest.partition("\n\n")
    return title.removeprefix("# "), summary, body


def _head(name: str, number: int, summary: str) -> list[str]:
    """What every page begins with. There is no date: the same source gives the same bytes."""
    line = " ".join(summary.split()).rstrip(".")
    return [
        "'\\\" t",
        f'.TH {literal(name).upper()} {number} "" "m4m {__version__}" "m4m manual"',
        section("Name"),
        rf"{literal(name)} \- {prose(line, _link)}",
    ]


def _described(markdown: str) -> list[str]:
    """Prose under the heading Description, unless it begins with a heading of its own."""
    made = converted(markdown, _link)
    return made if made[:1] and made[0].startswith(".SH") else [section("Description"), *made] if made else []


def _synopsis(page: Page) -> Iterator[str]:
    """The usage line and the examples; of a group, those of its parts."""
    for one in page.parts or (page,):
        name = f"m4m {page.name} {one.name}" if page.parts else f"m4m {page.name}"
        yield from (".PP", rf"\fB{literal(name)}\fR {literal(one.usage.removeprefix(name).strip())}")
    for one in page.parts or (page,):
        examples = one.text.partition("Examples:\n")[2].splitlines()
        yield from code([line.strip() for line in examples if line.strip()])


def _options(page: Page) -> Iterator[str]:
    """Operands and options; of a group, those of its parts under headings of their own."""
    for part in page.parts:
        yield f".SS m4m {page.name} {part.name}"
        yield from _options(part)
    if not page.parts:
        yield from (line for parameter in (*page.operands, *page.options) for line in _option(parameter))


def _option(parameter: Parameter) -> Iterator[str]:
    value = "|".join(parameter.choices) or parameter.metavar
    flags = ", ".join(rf"\fB{literal(flag)}\fR" for flag in parameter.flags)
    name = f"{flags} " * bool(flags) + rf"\fI{literal(value)}\fR" * bool(value)
    yield from term(name.strip(), literal(parameter.help))


def _link(words: str, target: str) -> str:
    """A page of the manual by its name, anything else by its text; addresses of the web are told."""
    found = re.fullmatch(r"(?:\./)?([a-z0-9-]+)\.md(?:#.*)?", target)
    if found:
        return _named(found[1])
    return f"{words} <{literal(target)}>" if target.startswith("http") else words


def _named(page: str) -> str:
    if page == "m4m":
        return r"\fBm4m\fR(1)"
    return rf"\fBm4m\-{literal(page)}\fR({1 if page in COMMANDS else TOPICS})"


def _see_also(page: str) -> list[str]:
    others = ("m4m", "formats", "pipelines", "reliability", *(COMMANDS if page == "m4m" else ()))
    return [section("See also"), ".PP", ", ".join(_named(name) for name in others if name != page)]


def _finished(*sections: Sequence[str]) -> str:
    """The page; a paragraph right below a heading needs no macro."""
    lines = [line for part in sections for line in part]
    kept = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if not (line == ".PP" and before.startswith((".SH", ".SS")))
    ]
    return "\n".join([*kept, ""])


def manual(root: Path) -> dict[str, bytes]:
    """The content of every page by its path below the checkout `root`."""
    tree = {page.name: page for page in pages(COMMANDS)}
    wanted = {}
    for source in sorted((root / "commands").glob("*.md")):
        name, text = source.stem, source.read_text("utf-8")
        made = command_page(tree[name], text) if name in tree else topic_page(name, text)
        number = 1 if name in tree or name == "m4m" else TOPICS
        file = f"m4m.{number}" if name == "m4m" else f"m4m-{name}.{number}"
        wanted[f"{FOLDER}/man{number}/{file}"] = made.encode()
    return wanted


def main(arguments: Sequence[str], root: Path) -> int:
    """Write the pages in the checkout `root`, or check them; returns the exit status."""
    return finish(root, manual(root), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path()))
