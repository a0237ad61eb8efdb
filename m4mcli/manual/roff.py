"""The Markdown that the manual is written in, as the man macros of roff that man-db and mandoc read.

Known are headings, paragraphs, lists, fenced and indented code, tables, and `code`, **bold**, *emphasis* and links in a
line; a table of two columns becomes a list of terms. HTML comments are left out.
"""

import re
from collections.abc import Callable, Iterator

SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)]+)\)")
ITEM = re.compile(r"(?:[-*]|(\d+\.)) +")
COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)

Link = Callable[[str, str], str]
"""Roff for a link, from its text (roff already) and its target."""


def literal(text: str) -> str:
    """Text as it stands, in roff: nothing in it is obeyed, and what is copied from a terminal is what was written."""
    return "".join(SPECIAL.get(character, character) for character in text)


def prose(text: str, link: Link) -> str:
    """A line or paragraph with its marks for code, bold, emphasis and links."""
    parts, position = [], 0
    for found in INLINE.finditer(text):
        parts.append(_plain(text[position : found.start()]))
        code, strong, emphasis, words, target = found.groups()
        if code is not None:
            parts.append(rf"\fB{literal(code)}\fR")
        elif strong is not None:
            parts.append(rf"\fB{_plain(strong)}\fR")
        elif emphasis is not None:
            parts.append(rf"\fI{_plain(emphasis)}\fR")
        else:
            parts.append(link(prose(words, link), target))
        position = found.end()
    return "".join([*parts, _plain(text[position:])])


def _plain(text: str) -> str:
    """Words, in which a hyphen may be a hyphen."""
    return text.replace("\\", r"\e").replace("\N{EN DASH}", r"\(en")


def shielded(line: str) -> str:
    """A line of text that roff does not take for a request."""
    return rf"\&{line}" if line[:1] in (".", "'") or line.startswith(r"\(aq") else line


def section(title: str) -> str:
    """A heading."""
    return f".SH {_plain(title).upper()}"


def code(lines: list[str]) -> Iterator[str]:
    """Lines as they stand, indented."""
    yield from (".PP", ".RS 4", ".nf", *(shielded(literal(line)) or r"\&" for line in lines), ".fi", ".RE")


def term(name: str, text: str) -> Iterator[str]:
    """A term, in roff, and what it means."""
    yield from (".TP", shielded(name), shielded(text) or r"\&")


def converted(markdown: str, link: Link) -> list[str]:
    """The lines of roff for Markdown: blocks between blank lines."""
    lines = COMMENT.sub("", markdown).splitlines()
    out: list[str] = []
    while lines:
        taken, made = _block(lines, link)
        out += made
        lines = lines[taken:]
    return out


def _block(lines: list[str], link: Link) -> tuple[int, list[str]]:
    """How many lines the first block takes, and its roff."""
    first = lines[0]
    if not first.strip():
        return 1, []
    if first.startswith("```"):
        end = next(i for i, line in enumerate(lines[1:], 1) if line.startswith("```"))
        return end + 1, list(code(lines[1:end]))
    if first.startswith("#"):
        marks, _, title = first.partition(" ")
        return 1, [section(title) if len(marks) < 3 else f".SS {_plain(title)}"]
    if first.startswith("    "):
        count = _while(lines, lambda line: line.startswith("    "))
        return count, list(code([line[4:] for line in lines[:count]]))
    if first.startswith("|"):
        count = _while(lines, lambda line: line.startswith("|"))
        return count, _table([_cells(line) for line in lines[:count]], link)
    if found := ITEM.match(first):
        count = 1 + _while(lines[1:], lambda line: line.startswith("  "))
        text = " ".join([first[found.end() :], *(line.strip() for line in lines[1:count])])
        mark = found[1] or r"\(bu"
        return count, [f".IP {mark} {len(found[1] or '-') + 2}", shielded(prose(text, link))]
    count = _while(lines, lambda line: bool(line.strip()) and line[:3] != "```" and not ITEM.match(line))
    return count, [".PP", shielded(prose(" ".join(lines[:count]), link))]


def _while(lines: list[str], holds: Callable[[str], bool]) -> int:
    """How many lines from the first on are such."""
    return next((i for i, line in enumerate(lines) if not holds(line)), len(lines))


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _table(rows: list[list[str]], link: Link) -> list[str]:
    """A table: with two columns as a list of terms, with more as tbl sets it."""
    heads, body = rows[0], rows[2:]
    if len(heads) == 2:
        return [line for left, right in body for line in term(prose(left, link), prose(right, link))]
    cells = [[rf"\fB{_plain(head)}\fR" if head else r"\&" for head in heads]]
    cells += [[prose(cell, link) or r"\&" for cell in row] for row in body]
    # Cells between T{ and T} are broken into lines as their columns need; adjusted, they would be full of holes.
    lines = ["@".join(f"T{{\n{shielded(cell)}\nT}}" for cell in row) for row in cells]
    return [".PP", ".na", ".TS", "tab(@);", f"{' '.join(['lx'] * len(heads))}.", *lines, ".TE", ".ad"]
