"""The music that a network over tokens is trained on: folders of files as they are, or a pack."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from m4mcli.dataset.forms import moved, read_form
from m4mcli.dataset.pack import Pack, PackedPiece, is_pack, within
from m4mcli.dataset.sources import Item, find_items
from m4mcli.dataset.splits import Shares
from m4mcli.dataset.tree import SPLITS
from m4mcli.errors import M4mError
from m4mcli.frames.frames import FRAMES_PER_QUARTER
from m4mcli.score.read import read_source
from m4mcli.score.score import NOTE, Score, TimeSignature, Track

HELD = 4096
"""Pieces that are kept in memory once they were read."""

VELOCITY = 64
"""Of the notes of a pack that does not tell it."""


@dataclass(frozen=True)
class Place:
    """A piece of a corpus: its source and split."""

    name: str
    source: str
    split: str


class Corpus:
    """Pieces by number; each is read when it is asked for."""

    def __init__(self, folder: Path, sources: Sequence[str] = ()) -> None:
        """All of a pack or a folder; with `sources` only these.

        A folder is one source, or, where its folders have `train` or `valid` in them, holds one in each. Raises
        M4mError where there is no music.
        """
        self.folder = folder
        self.pack = Pack(folder) if is_pack(folder) else None
        self.items = [] if self.pack else _items(folder, sources)
        if self.pack is not None:
            self.places = [Place(p["name"], p["source"], p["split"]) for p in self.pack.pieces]
        else:
            self.places = [Place(i.name, i.source, i.split or _split_of(i)) for i in self.items]
        self.score = lru_cache(HELD)(self._score)

    def select(self, split: str, source: str = "") -> list[int]:
        """The numbers of the pieces of a split, of a source if one is named."""
        return [i for i, p in enumerate(self.places) if p.split == split and (not source or within(p.source, source))]

    def _score(self, number: int) -> Score | None:
        """The piece; None for a file that cannot be read."""
        if self.pack is not None:
            return unpacked(self.pack[number])
        item = self.items[number]
        try:
            data = item.text.encode() if item.text else read_source(str(item.path))[0]
            score = read_form(data, item.form, item.name)
        except (M4mError, OSError):
            return None
        return moved(score, round(item.shift_quarters * score.tpq))


def _split_of(item: Item) -> str:
    """One piece in ten is for validation, by the hash of its group or name."""
    return Shares().split_of(hashlib.sha256(os.fsencode(item.group or item.name)).hexdigest())


def _items(folder: Path, sources: Sequence[str]) -> list[Item]:
    folders = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if folder.is_file():
        raise M4mError(f"{folder}: a file, not a folder of music", "make a pack of it with m4m dataset build")
    several = [p for p in folders if any((p / split).is_dir() for split in SPLITS)]
    if any((folder / split).is_dir() for split in SPLITS) or not several:
        return find_items(folder)
    wanted = {s.partition("/")[0] for s in sources}
    found = [item for p in several if not wanted or p.name in wanted for item in find_items(p)]
    if not found:
        inside = [p.name for p in several]
        raise M4mError(f"{folder}: holds none of {', '.join(sources)}", f"it holds {', '.join(inside)}")
    return found


def unpacked(piece: PackedPiece) -> Score:
    """A packed piece as a score, in frames."""
    tracks = []
    for i, track in enumerate(piece.tracks):
        rows = piece.notes[piece.notes["track"] == i]
        notes = np.empty(len(rows), NOTE)
        notes["onset"], notes["duration"] = rows["frame"], rows["duration"]
        notes["pitch"], notes["velocity"] = rows["pitch"], VELOCITY
        if "velocity" in (rows.dtype.names or ()):
            notes["velocity"] = np.where(rows["velocity"] > 0, rows["velocity"], VELOCITY)
        tracks.append(Track(track.role or track.name, track.program, track.is_drum, notes))
    signatures, last = [], (0, 0)
    for bar in piece.bars.tolist():
        frame, length, beat = bar
        if (length, beat) != last and beat and length % beat == 0:
            signatures.append(TimeSignature(frame, *_signature(length, beat)))
            last = (length, beat)
    return Score(FRAMES_PER_QUARTER, tuple(tracks), time_signatures=tuple(signatures))


def _signature(length: int, beat: int) -> tuple[int, int]:
    """Bars of `length` frames in beats of `beat` frames: 12 in beats of 6 are 6/8."""
    unit = beat // 3 if beat % 3 == 0 else beat
    return length // unit, 4 * FRAMES_PER_QUARTER // unit
