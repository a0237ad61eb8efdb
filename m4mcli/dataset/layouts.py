"""How the corpora that people have on disk are laid out: which files are pieces, their splits, what belongs together.

Each layout knows a corpus by its files, never by the name of its folder alone, and keeps to the split that the corpus
comes with. What none of them knows is `folders`: all music, collections of ABC tune by tune, with `train/`, `valid/`
and `test/` as splits and a `manifest.jsonl` that may say more.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from m4mcli.dataset.chorales import chorales_in, finest
from m4mcli.dataset.tree import SPLITS, Tree, read_each
from m4mcli.dataset.tunes import tunes_in
from m4mcli.errors import USAGE, M4mError
from m4mcli.score.midi_form import decode_text

MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
SUFFIXES = (*MIDI_SUFFIXES, ".json", ".abc")
MOST = 0.9
"""The share of a corpus's files that must look as its layout says."""

SPLIT_NAMES = {name: name for name in SPLITS} | {"validation": "valid", "val": "valid", "dev": "valid"}
SONG = re.compile(r"(?:^|/)(\d{3})/\1\.mid$")
GAME = re.compile(r"(?:^|/)(\d{3})_[^/]+_\d\d_[^/]*\.mid$")
DIGEST = re.compile(r"(?:^|/)(?:(TR[A-Z0-9]{16})/)?[0-9a-f]{32}\.mid$")
TAKE = re.compile(r"(?:\.\d+)?\.midi?$", re.IGNORECASE)
ANOTHER_TAKE = re.compile(r"[^/]/[^/]+\.\d+\.mid$")
TAKES = 0.1
"""The share of files in clean_midi that are at least another take of a song: Artist/Title.1.mid."""
CHORALE_FILE = re.compile(r"(?:^|/)(?:[^/]*(?:jsb|chorale)[^/]*|train|valid|test)\.json$", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """One piece of a corpus: its file below the corpus, its name, and what `Item` says of it."""

    file: str
    name: str
    split: str = ""
    source: str = ""
    group: str = ""
    shift_quarters: float = 0.0
    form: str = ""
    text: str = ""


@dataclass(frozen=True)
class Layout:
    """One layout: what it finds, in words, whether a corpus has it, and the pieces of one that has.

    `find` takes the pattern that the user gave, or nothing.
    """

    name: str
    about: str
    recognise: Callable[[Tree], bool]
    find: Callable[[Tree, str], Iterator[Found]]


def matching(tree: Tree, pattern: str, suffixes: tuple[str, ...] = SUFFIXES) -> list[str]:
    """The names of a corpus that are like a pattern (`**/*.mid`), or have one of the suffixes. Raises M4mError."""
    if not pattern:
        return [name for name in tree.names if name.lower().endswith(suffixes)]
    try:
        if pattern.startswith("/"):
            raise ValueError
        parts = re.findall(r"\*\*/|\[!?[^]/]+\]|.", pattern, re.DOTALL)
        regex = re.compile("".join(map(_as_regex, parts)))
    except (ValueError, re.error):
        hint = "write for example '**/*.mid'"
        raise M4mError(f"--glob {pattern!r} is no pattern below a folder", hint, USAGE) from None
    return [name for name in tree.names if regex.fullmatch(name)]


def _as_regex(part: str) -> str:
    """A part of a glob pattern as a regular expression: `**/`, `*`, `?`, `[a-m]`, `[!x]` or a character."""
    wild = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    if len(part) > 1 and part[0] == "[":
        inside = re.sub(r"([\[\\&|~])", r"\\\1", part[1:-1])
        return f"[^{inside[1:]}]" if inside[0] == "!" else f"[{inside}]"
    return wild.get(part, re.escape(part))


def _in_split(name: str) -> tuple[str, str]:
    """The split that the first folder of a name is, if it is one, and the rest of the name."""
    head, _, rest = name.partition("/")
    return (head, rest) if head in SPLITS and rest else ("", name)


def _folders(tree: Tree, pattern: str) -> Iterator[Found]:
    facts = _manifest(tree)
    files = matching(tree, pattern)
    texts = read_each(tree, [file for file in files if file.lower().endswith(".abc")])
    for file in files:
        split, name = _in_split(file)
        fact = facts.get(name, {})
        split = split or str(fact.get("split") or "")
        if split not in ("", *SPLITS):
            raise M4mError(f"{tree.path / 'manifest.jsonl'}: {name} in the split {split!r}", "train, valid or test")
        group = fact.get("group")
        found = Found(
            file,
            name,
            split,
            str(fact.get("source") or ""),
            "" if group is None else str(group),
            float(fact.get("shift_quarters") or 0),
        )
        if file not in texts:
            yield found
            continue
        for place, text in tunes_in(decode_text(texts[file])):
            yield replace(found, name=f"{name}#{place}", form="abc", text=text)


def _manifest(tree: Tree) -> dict[str, dict[str, Any]]:
    if "manifest.jsonl" not in tree.names:
        return {}
    try:
        text = tree.read("manifest.jsonl").decode("utf-8")
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        for line in lines:
            float(line.get("shift_quarters") or 0)
        return {line["path"]: line for line in lines}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{tree.path / 'manifest.jsonl'}: not a manifest: {error}"
        raise M4mError(what, "one JSON object to a line, each with a path") from error


def _rows(tree: Tree, table: str, *columns: str) -> list[dict[str, str]]:
    """The rows of a table of the corpus, whose columns must be there, that name a file of the corpus."""
    rows = list(csv.DictReader(io.StringIO(tree.read(table).decode("utf-8-sig", "replace"))))
    if lacking := [c for c in columns if rows and c not in rows[0]]:
        raise M4mError(f"{tree.path / table}: no column {lacking[0]}", "give --layout folders to do without it")
    return rows


def _tabled(tree: Tree, table: str, pattern: str, group: Callable[[dict[str, str]], str], form: str) -> Iterator[Found]:
    """The files that a table of Magenta's names, in its order of splits and files."""
    rows = {row["midi_filename"]: row for row in _rows(tree, table, "midi_filename", "split")}
    for file in matching(tree, pattern, MIDI_SUFFIXES):
        if file in rows:
            row = rows[file]
            yield Found(file, file, SPLIT_NAMES.get(row["split"], ""), group=group(row), form=form)


def _maestro_table(tree: Tree) -> str:
    return next((n for n in tree.names if re.fullmatch(r"maestro-v[\d.]+\.csv", n)), "")


def _groove_table(tree: Tree) -> str:
    found = (n for n in tree.names if n == "info.csv" or re.fullmatch(r"e-gmd-v[\d.]+\.csv", n))
    name = next(found, "")
    return name if name and b"beat_type" in tree.read(name)[:500] else ""


def _maestro(tree: Tree, pattern: str) -> Iterator[Found]:
    def group(row: dict[str, str]) -> str:
        return f"{row.get('canonical_composer', '')}: {row.get('canonical_title', '')}"

    return _tabled(tree, _maestro_table(tree), pattern, group, "")


def _groove(tree: Tree, pattern: str) -> Iterator[Found]:
    # E-GMD has each performance on many kits, under one id.
    return _tabled(tree, _groove_table(tree), pattern, lambda row: row.get("id", ""), "roland-drums")


def _mostly(expression: re.Pattern[str]) -> Callable[[Tree], bool]:
    def recognise(tree: Tree) -> bool:
        files = [name for name in tree.names if name.lower().endswith(MIDI_SUFFIXES)]
        return bool(files) and sum(bool(expression.search(f)) for f in files) >= MOST * len(files)

    return recognise


def _is_pop909(tree: Tree) -> bool:
    songs = {match[1] for name in tree.names if (match := SONG.search(name))}
    return bool(songs) and any(name.endswith("/beat_midi.txt") for name in tree.names)


def _pop909(tree: Tree, pattern: str) -> Iterator[Found]:
    for file in matching(tree, pattern, MIDI_SUFFIXES):
        split, name = _in_split(file)
        # Other takes of a song lie in its folder's `versions/`; they come when a pattern asks for them.
        song = next((part for part in PurePosixPath(name).parts if re.fullmatch(r"\d{3}", part)), "")
        if pattern or SONG.search(name):
            yield Found(file, name, split, group=song)


def _nes(tree: Tree, pattern: str) -> Iterator[Found]:
    for file in matching(tree, pattern, MIDI_SUFFIXES):
        split, name = _in_split(file)
        match = GAME.search(name)
        yield Found(file, name, split, group=match[1] if match else "", form="nes")


def _lakh(tree: Tree, pattern: str) -> Iterator[Found]:
    for file in matching(tree, pattern, MIDI_SUFFIXES):
        split, name = _in_split(file)
        match = DIGEST.search(name)
        # In lmd_matched one recording's folder holds all its files; in clean_midi, Title.1.mid is Title.mid once more.
        group = (match[1] or "") if match else TAKE.sub("", name).casefold()
        yield Found(file, name, split, group=group)


def _is_lakh(tree: Tree) -> bool:
    if _mostly(DIGEST)(tree):
        return True
    files = {name for name in tree.names if name.lower().endswith(MIDI_SUFFIXES)}
    others = [name for name in files if ANOTHER_TAKE.search(name)]
    return len(others) > TAKES * len(files) and sum(TAKE.sub(".mid", n) in files for n in others) > len(others) / 2


def _symphonynet(tree: Tree, pattern: str) -> Iterator[Found]:
    for file in matching(tree, pattern, MIDI_SUFFIXES):
        yield Found(file, file, source=file.partition("/")[0])


def _is_symphonynet(tree: Tree) -> bool:
    heads = {name.partition("/")[0].lower() for name in tree.names if name.lower().endswith(MIDI_SUFFIXES)}
    return heads == {"classical", "contemporary"}


def _nottingham(tree: Tree, pattern: str) -> Iterator[Found]:
    # MIDI/melody and MIDI/chords hold the parts of the tunes in MIDI once more.
    for file in matching(tree, pattern or "MIDI/*.mid"):
        yield Found(file, PurePosixPath(file).name)


def _is_nottingham(tree: Tree) -> bool:
    return any(n.startswith("MIDI/melody/") for n in tree.names) or (
        any(n.startswith("ABC_cleaned/") for n in tree.names) and any(n.startswith("MIDI/") for n in tree.names)
    )


def _chorales(tree: Tree, pattern: str) -> Iterator[Found]:
    files = matching(tree, pattern) if pattern else finest(_chorale_files(tree))
    for file in files:
        for split, number, form, text in chorales_in(file, tree.read(file)):
            yield Found(file, f"{file}#{split or 'piece'}-{number:03}", split, form=form, text=text)


def _chorale_files(tree: Tree) -> list[str]:
    return [name for name in tree.names if CHORALE_FILE.search(name)]


def _is_chorales(tree: Tree) -> bool:
    if any(name.lower().endswith(MIDI_SUFFIXES) for name in tree.names):
        return False
    return any(next(chorales_in(file, tree.read(file)), None) is not None for file in _chorale_files(tree)[:1])


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout("maestro", "MAESTRO: a table maestro-v*.csv", lambda t: bool(_maestro_table(t)), _maestro),
        Layout("groove", "Groove or E-GMD: a table of beats", lambda t: bool(_groove_table(t)), _groove),
        Layout("pop909", "POP909: 001/001.mid", _is_pop909, _pop909),
        Layout("nes-mdb", "NES-MDB: 000_Game_00_Title.mid", _mostly(GAME), _nes),
        Layout("lakh", "Lakh MIDI dataset: files named by their MD5, or Artist/Title.1.mid", _is_lakh, _lakh),
        Layout("symphonynet", "SymphonyNet: classical/ and contemporary/", _is_symphonynet, _symphonynet),
        Layout("nottingham", "Nottingham: MIDI/*.mid", _is_nottingham, _nottingham),
        Layout("jsb", "JSB chorales: JSON of steps", _is_chorales, _chorales),
        Layout("folders", f"music ({', '.join(SUFFIXES)})", lambda t: True, _folders),
    )
}
"""All layouts, in the order in which they are tried."""


def layout_of(tree: Tree) -> Layout:
    """The layout that a corpus has; a `manifest.jsonl` makes it `folders`."""
    if "manifest.jsonl" in tree.names:
        return LAYOUTS["folders"]
    return next(layout for layout in LAYOUTS.values() if layout.recognise(tree))
