"""Pieces with chords and keys written beside them by people: what analysis is learnt from and measured on.

A source is a folder with `train/` and `valid/`, and in them for each piece `NAME.mid`, `NAME.chords.tsv`,
`NAME.keys.tsv` and `NAME.bars.tsv`. The tables have a heading; their first columns are start and end in quarters from
the file's beginning and a Harte label (`A:min7/b3`, a key as `A:min`), or where a bar begins.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from m4mcli.errors import M4mError
from m4mcli.score.read import read_score, read_source
from m4mcli.score.score import Score, Track

Label = tuple[float, float, str]
"""Start and end in quarters, and what holds there."""

CHORD_TRACK = re.compile(r"chords?", re.IGNORECASE)
MELODY_TRACK = re.compile(r"melody", re.IGNORECASE)
LEAD_SHEETS = ("nottingham", "openewld")
"""Sources of a melody with chords written in, which are inputs of two kinds."""

ROMAN = re.compile(r"([A-Ga-g])([b#]*)\.")
"""How the first numeral of a DCML table names the piece's key: `c#.i`."""


@dataclass(frozen=True)
class LabelledPiece:
    """A piece with its chords, its local keys, and the quarters at which its bars begin; `key` is that of the whole
    piece, None where it is not told."""

    name: str
    source: str
    score: Score
    chords: tuple[Label, ...]
    keys: tuple[Label, ...]
    bars: tuple[float, ...]
    key: str | None

    def inputs(self) -> dict[str, Score]:
        """What is given to find the labels in: its kinds by name, nothing in it that says the answer.

        Key signatures, markers, lyrics and names are taken out, and chord tracks but for `melody and chords`.
        """
        sounding = [track for track in self.score.tracks if len(track.notes)]
        if self.source in LEAD_SHEETS:
            both = {"melody": sounding[:1], "melody and chords": sounding[:2]}
            return {kind: self._only(tracks) for kind, tracks in both.items() if len(sounding) > 1}
        played = [t for t in sounding if not CHORD_TRACK.fullmatch(t.name.strip())]
        tune = [t for t in played if MELODY_TRACK.fullmatch(t.name.strip())]
        kinds = {"all": self._only(played)}
        return kinds | {"melody": self._only(tune)} if len(tune) == 1 < len(played) else kinds

    def _only(self, tracks: list[Track]) -> Score:
        bare = tuple(replace(track, name="", lyrics=()) for track in tracks)
        return replace(self.score, tracks=bare, key_signatures=(), markers=())


def labelled_pieces(folder: Path, source: str, split: str) -> Iterator[LabelledPiece]:
    """The pieces of a source's split, in order of their names. Raises M4mError where there are none."""
    paths = sorted((folder / source / split).glob("*.chords.tsv"))
    if not paths:
        raise M4mError(f"{folder / source / split}: no *.chords.tsv", "name a folder of labelled sources")
    for path in paths:
        name = path.name.removesuffix(".chords.tsv")
        data, shown = read_source(str(path.with_name(f"{name}.mid")))
        rows = _rows(path)
        keys = _labels(_rows(path.with_name(f"{name}.keys.tsv")))
        bars = tuple(float(row[0]) for row in _rows(path.with_name(f"{name}.bars.tsv")))
        score = read_score(data, shown).score
        yield LabelledPiece(name, source, score, _apart(_labels(rows)), keys, bars, _whole_key(rows, keys))


def sources_in(folder: Path, split: str) -> list[str]:
    """The sources of a folder that have labelled pieces in a split. Raises M4mError where there is none."""
    found = sorted(p.name for p in folder.iterdir() if any((p / split).glob("*.chords.tsv"))) if folder.is_dir() else []
    if not found:
        raise M4mError(f"{folder}: no */{split}/*.chords.tsv in it", "name a folder of labelled sources")
    return found


def _rows(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.reader(lines, delimiter="\t") if row][1:]


def _labels(rows: list[list[str]]) -> tuple[Label, ...]:
    return tuple((float(row[0]), float(row[1]), row[2]) for row in rows)


def _apart(labels: tuple[Label, ...]) -> tuple[Label, ...]:
    """The labels, each ended where the next begins; what is then empty is left out."""
    ends = [start for start, _, _ in labels[1:]]
    cut = ((start, min(end, ends[i]) if i < len(ends) else end, label) for i, (start, end, label) in enumerate(labels))
    return tuple((start, end, label) for start, end, label in cut if end > start)


def _whole_key(rows: list[list[str]], keys: tuple[Label, ...]) -> str | None:
    """The key that the first numeral names, or that which lasts longest."""
    first = ROMAN.match(rows[0][4]) if rows and len(rows[0]) > 4 else None
    if first:
        return f"{first[1].upper()}{first[2]}:{'maj' if first[1].isupper() else 'min'}"
    lasting: dict[str, float] = {}
    for start, end, key in keys:
        lasting[key] = lasting.get(key, 0.0) + end - start
    return max(lasting, key=lambda key: lasting[key]) if lasting else None
