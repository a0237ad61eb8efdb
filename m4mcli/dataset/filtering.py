"""Smaller packs: the pieces of a pack that are as they are wanted, and for each of the others why it is not.

What is asked of a piece is told by its line in the pack (`m4mcli.dataset.facts`), so that no music is read again.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from m4mcli.dataset.build import check_out, put
from m4mcli.dataset.pack import Pack, within
from m4mcli.dataset.writer import PackWriter
from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.frames import DRUMS
from m4mcli.theory.instruments import FAMILIES, parse_instruments

Line = dict[str, Any]
Range = tuple[float, float]
ANY: Range = (0.0, inf)
PLACED = ("name", "source", "split", "length", "notes", "bars", "tracks")
"""What the writer of a pack tells of a piece itself."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of a piece; all of it must hold.

    Bars, notes and seconds lie in a range. `on_grid` is the least share of onsets on the grid. `drums`: with or
    without. `programs`: nothing else plays but drums. `having`: of each of these sets one plays (128: drums). `keys`
    are names of keys, or modes. `metres`: all bars are in one of them. `sources` and `splits`: one of them.
    """

    bars: Range = ANY
    notes: Range = ANY
    seconds: Range = ANY
    on_grid: float = 0.0
    drums: bool | None = None
    programs: frozenset[int] = frozenset()
    having: tuple[frozenset[int], ...] = ()
    keys: frozenset[str] = frozenset()
    metres: frozenset[str] = frozenset()
    sources: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()

    def refusal(self, line: Line) -> str:
        """Why a piece is not wanted, in a few words; empty where it is."""
        return next(self._refusals(line), "")

    def _refusals(self, line: Line) -> Iterator[str]:
        if self.sources and not any(within(line["source"], name) for name in self.sources):
            yield "another source"
        if self.splits and line["split"] not in self.splits:
            yield "another split"
        sizes = {"bars": (self.bars, line["bars"][1]), "notes": (self.notes, line["notes"][1])}
        sizes["seconds"] = (self.seconds, line["seconds"])
        for name, ((least, most), size) in sizes.items():
            if size < least:
                yield f"too few {name}"
            if size > most:
                yield f"too many {name}"
        if line["on_grid"] < self.on_grid:
            yield "off the grid"
        yield from self._instruments(set(line["instruments"]))
        key = line["key"] or "none"
        if self.keys and not self.keys & {key, key.partition(" ")[2]}:
            yield "another key"
        if self.metres and not self.metres >= set(line["metres"]):
            yield "another metre"

    def _instruments(self, played: set[int]) -> Iterator[str]:
        if self.drums is not None and (DRUMS in played) != self.drums:
            yield "no drums" if self.drums else "drums"
        if self.programs and not self.programs >= played - {DRUMS}:
            yield "other instruments"
        if not all(one_of & played for one_of in self.having):
            yield "an instrument is lacking"


def parse_range(text: str, what: str) -> Range:
    """`8-64`, `8-` or `-64` as a range, `8` as from 8 to 8. Raises M4mError (status 2)."""
    low, dash, high = text.partition("-")
    try:
        least = float(low) if low else 0.0
        most = (float(high) if high else inf) if dash else least
        if not text or text == "-" or not 0 <= least <= most:
            raise ValueError
    except ValueError:
        raise M4mError(f"{what} {text!r} is no range", "write 8-64, 8- or -64", USAGE) from None
    return least, most


def parse_choices(text: str) -> tuple[frozenset[int], ...]:
    """For each word of a list, the programs that it stands for: a family of General MIDI (bass), an instrument, drums.

    Raises M4mError (status 2).
    """
    families = {name.lower(): frozenset(range(8 * i, 8 * i + 8)) for i, name in enumerate(FAMILIES)}
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    return tuple(families.get(word) or frozenset(parse_instruments(word)) for word in words)


def filtered(lines: Sequence[Line], wanted: Wanted, *, unique: bool, no_leaks: bool) -> dict[int, str]:
    """For each piece by its number why it is left out, empty where it stays.

    `no_leaks`: pieces to train on go whose group has others that are kept for valid or test. `unique`: of pieces that
    are the same music the first stays, one that is not for training before others.
    """
    why = {i: wanted.refusal(line) for i, line in enumerate(lines)}
    if no_leaks:
        held_out = {lines[i]["group"] for i in why if not why[i] and lines[i]["split"] != "train"}
        for i in why:
            if not why[i] and lines[i]["split"] == "train" and lines[i]["group"] in held_out:
                why[i] = "its group is in another split"
    if unique:
        seen: set[int] = set()
        for i in sorted(why, key=lambda i: (lines[i]["split"] == "train", i)):
            if not why[i]:
                why[i] = "a copy" if lines[i]["copy_of"] in seen else ""
                seen.add(lines[i]["copy_of"])
    return why


def filter_pack(folder: Path, out: Path, why: dict[int, str]) -> dict[str, Any]:
    """Write the pieces of a pack that stay to the pack OUT, those that do not to OUT/refused.jsonl; the manifest.

    Raises M4mError where nothing stays, and where OUT is no place for a pack.
    """
    check_out(out)
    pack = Pack(folder)
    if all(why.values()):
        (commonest, count), *_ = Counter(why.values()).most_common()
        raise M4mError(f"none of {len(why)} pieces is as wanted", f"{count} of them: {commonest}")
    place = out.with_name(f"{out.name}.building")
    shutil.rmtree(place, ignore_errors=True)
    writer = PackWriter(place)
    firsts: dict[tuple[str, int], int] = {}
    kept = 0
    for i, reason in why.items():
        line = pack.pieces[i]
        if reason:
            writer.refuse({"source": line["source"], "name": line["name"], "reason": reason})
            continue
        facts = {name: value for name, value in line.items() if name not in PLACED}
        for name in ("group", "copy_of"):
            facts[name] = firsts.setdefault((name, facts[name]), kept)
        writer.add(pack[i], facts)
        kept += 1
    groups, originals = (sum(name == what for name, _ in firsts) for what in ("group", "copy_of"))
    about = {"pieces": kept, "groups": groups, "copies": kept - originals, "torn_groups": _torn(pack, why)}
    manifest = writer.finish(about=about)
    put(place, out)
    return manifest


def _torn(pack: Pack, why: dict[int, str]) -> int:
    """How many groups lie in several splits."""
    splits: dict[int, set[str]] = {}
    for i, reason in why.items():
        if not reason:
            splits.setdefault(pack.pieces[i]["group"], set()).add(pack.pieces[i]["split"])
    return sum(len(found) > 1 for found in splits.values())
