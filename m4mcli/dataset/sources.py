"""Which files of a corpus are packed, and what is known of each before it is read.

A source is a folder or an archive; its name is the source's name. How it is laid out says which files are pieces, to
which split each belongs, and which belong together (`m4mcli.dataset.layouts`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from m4mcli.dataset.layouts import LAYOUTS, layout_of
from m4mcli.dataset.tree import ENDINGS, Tree, contents, open_tree, source_name
from m4mcli.errors import USAGE, M4mError


@dataclass(frozen=True)
class Item:
    """One piece to pack: the file or archive it lies in, its name below its source, its source.

    `split` is empty where nothing says it. `shift_quarters`: by how much its music is moved. `group`: pieces with the
    same one stay together. `form`: how the bytes become music (`m4mcli.dataset.forms`). `member`: the file in an
    archive, and `place` how many lie before it. `text`: the piece itself, where one file holds many.
    """

    path: Path
    name: str
    source: str
    split: str = ""
    shift_quarters: float = 0.0
    group: str = ""
    form: str = ""
    member: str = ""
    text: str = ""
    place: int = 0


def find_items(place: Path, pattern: str = "", name: str = "", layout: str = "") -> list[Item]:
    """The pieces of a source, in order; `name` is the source's, the folder's unless given.

    `pattern` says which files (those that the layout names unless given), `layout` overrules what is recognised.
    Raises M4mError where there is no such folder or archive, nothing in it, or a table of it that cannot be read.
    """
    tree = open_tree(place)
    chosen = LAYOUTS[layout] if layout else layout_of(tree)
    items = list(_items(tree, name or source_name(place), pattern, chosen.name))
    if not items:
        what = f"no files like {pattern}" if pattern else f"no {chosen.about}"
        archives = any(name.lower().endswith(ENDINGS) for name in tree.names)
        hint = "name the archives in it" if archives else "name a folder of music, or give --glob"
        raise M4mError(f"{place}: {what}", hint)
    return items


def _items(tree: Tree, name: str, pattern: str, layout: str) -> Iterator[Item]:
    for found in LAYOUTS[layout].find(tree, pattern):
        part = found.source.strip("/")
        source = f"{name}/{part}" if part and part != name else name
        path = tree.path if tree.is_archive else tree.path / found.file
        group = f"{name}:{found.group}" if found.group else ""
        member = tree.prefix + found.file if tree.is_archive and not found.text else ""
        at = tree.places[found.file] if member else 0
        yield Item(
            path, found.name, source, found.split, found.shift_quarters, group, found.form, member, found.text, at
        )


def reading_order(items: Sequence[Item]) -> list[int]:
    """The numbers of the items such that those of one archive that follow each other come as they lie in it."""
    runs = groupby(range(len(items)), lambda i: items[i].path if items[i].member else None)
    return [i for _, run in runs for i in sorted(run, key=lambda i: items[i].place)]


def with_bytes(items: Sequence[Item]) -> Iterator[tuple[Item, bytes | None]]:
    """The items, in `reading_order`, those in archives with their bytes: each archive is read once, from its start."""
    start = 0
    while start < len(items):
        item, stop = items[start], start + 1
        if not item.member:
            yield item, None
        else:
            while stop < len(items) and items[stop].member and items[stop].path == item.path:
                stop += 1
            members = items[start:stop]
            yield from zip(members, contents(item.path, [one.member for one in members]), strict=True)
        start = stop


def key_of(items: Sequence[Item], settings: tuple[object, ...]) -> str:
    """A hash of all that decides what a pack of these pieces holds: their facts, sizes, dates, and settings."""
    digest = hashlib.sha256(repr(settings).encode())
    states: dict[Path, tuple[int, ...]] = {}
    for item in items:
        if item.path not in states:
            try:
                state = item.path.stat()
                states[item.path] = (state.st_size, state.st_mtime_ns)
            except OSError:
                states[item.path] = ()
        digest.update(repr((item, states[item.path])).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def check_layout(name: str) -> None:
    """Raise M4mError (status 2) where there is no such layout."""
    if name and name not in LAYOUTS:
        raise M4mError(f"no layout {name!r}", f"one of: {', '.join(LAYOUTS)}", USAGE)
