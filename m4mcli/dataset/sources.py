"""Which files of a folder are packed, and what is known of each before it is read.

A source is a folder; its name is the source's name. `train/`, `valid/` and `test/` below it decide the split; otherwise
one file in ten is for validation, by the hash of its path. A `manifest.jsonl` in the folder may tell, for each `path`,
`split`, `source` (the part of the source that the file belongs to: `scores/chorales`) and `shift_quarters` (a pickup:
the music is moved so that the bars fall where they should).
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m4mcli.errors import USAGE, M4mError

SPLITS = ("train", "valid", "test")
PATTERN = "**/*.mid"


@dataclass(frozen=True)
class Item:
    """One file to pack: path, place below the source's folder, source, split, quarters by which its music is moved."""

    path: Path
    name: str
    source: str
    split: str
    shift_quarters: float = 0.0


def find_items(folder: Path, pattern: str = PATTERN, name: str = "") -> list[Item]:
    """The music files of a source folder, in order of their names; `name` is the source's, the folder's unless given.

    Raises M4mError where there is no such folder, no such file in it, or a manifest that cannot be read.
    """
    if not folder.is_dir():
        raise M4mError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}", "name a folder of music")
    folder = folder.resolve()
    name = name or folder.name
    facts = _manifest(folder)
    items = []
    for path in sorted(_matching(folder, pattern)):
        place = path.relative_to(folder).as_posix()
        head, _, rest = place.partition("/")
        split, inner = (head, rest) if head in SPLITS and rest else ("", place)
        fact = facts.get(inner, {})
        part = str(fact.get("source") or "").strip("/")
        source = f"{name}/{part}" if part and part != name else name
        split = split or str(fact.get("split") or _split_of(place))
        items.append(Item(path, inner, source, split, float(fact.get("shift_quarters") or 0)))
    if not items:
        raise M4mError(f"{folder}: no files like {pattern}", "name a folder of music, or give --glob")
    return items


def _matching(folder: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in folder.glob(pattern) if path.is_file()]
    except (ValueError, NotImplementedError) as error:  # the second is what pathlib says of an absolute pattern
        raise M4mError(
            f"--glob {pattern!r} is no pattern below a folder", "write for example '**/*.mid'", USAGE
        ) from error


def _manifest(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "manifest.jsonl"
    if not path.exists():
        return {}
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        for line in lines:
            float(line.get("shift_quarters") or 0)
        return {line["path"]: line for line in lines}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise M4mError(f"{path}: not a manifest: {error}", "one JSON object to a line, each with a path") from error


def _split_of(place: str) -> str:
    return "valid" if hashlib.sha256(os.fsencode(place)).digest()[0] % 10 == 0 else "train"


def key_of(items: Sequence[Item], settings: tuple[object, ...]) -> str:
    """A hash of all that decides what a pack of these files holds: their facts, sizes, dates, and settings."""
    digest = hashlib.sha256(repr(settings).encode())
    for item in items:
        try:
            state = item.path.stat()
            facts: tuple[object, ...] = (state.st_size, state.st_mtime_ns)
        except OSError:
            facts = ()
        line = repr((str(item.path), item.name, item.source, item.split, item.shift_quarters, *facts))
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
