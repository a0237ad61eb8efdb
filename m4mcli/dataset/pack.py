"""A pack: many pieces as frame notes and bars in flat arrays that training maps into memory.

Its files are `notes.npy` (PACK_NOTE rows of all pieces, one after another), `bars.npy` (PACK_BAR rows), `pieces.jsonl`
(one line a piece: name, source, split, length, first and count of its rows, its tracks) and `manifest.json` (counts per
source and split, hash of all the rest). A source may have parts: `scores/chorales` is part of `scores`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.fields import thinned
from m4mcli.frames.frames import FRAME_NOTE, frame_of, in_order, track_frames
from m4mcli.score.metre import Bar
from m4mcli.score.score import Score

PACK_NOTE = np.dtype([*[(n, FRAME_NOTE[n].str) for n in FRAME_NOTE.names or ()], ("track", "u1")])
PACK_BAR = np.dtype([("frame", "i4"), ("length", "i2"), ("beat", "i2")])


@dataclass(frozen=True)
class PackedTrack:
    """A track of a packed piece: `role` is melody, chord, or empty."""

    name: str
    program: int
    is_drum: bool
    role: str = ""


@dataclass(frozen=True)
class PackedPiece:
    """One piece: notes ordered by frame, instrument, pitch; bars in frames."""

    name: str
    source: str
    split: str
    length: int
    tracks: tuple[PackedTrack, ...]
    notes: NDArray[np.void]
    bars: NDArray[np.void]

    def part(self, *roles: str) -> NDArray[np.void]:
        """FRAME_NOTE rows of the tracks with one of the roles."""
        chosen = [i for i, t in enumerate(self.tracks) if t.role in roles]
        return self.of_tracks(chosen)

    def of_tracks(self, tracks: Iterable[int]) -> NDArray[np.void]:
        """FRAME_NOTE rows of the given tracks."""
        rows = self.notes[np.isin(self.notes["track"], list(tracks))]
        notes = np.zeros(len(rows), FRAME_NOTE)
        for name in FRAME_NOTE.names or ():
            notes[name] = rows[name]
        return in_order(notes)

    def metre(self) -> NDArray[np.int32]:
        """(length, 3): position in the bar, bar length, beat length, in frames."""
        metre = np.zeros((self.length, 3), np.int32)
        metre[:, 1:] = (16, 4)
        for bar in self.bars:
            start, stop = int(bar["frame"]), min(int(bar["frame"]) + int(bar["length"]), self.length)
            if stop > start:
                metre[start:stop, 0] = np.arange(stop - start)
                metre[start:stop, 1:] = (bar["length"], bar["beat"])
        return metre


def pack_piece(
    score: Score, bars: Iterable[Bar], roles: Iterable[str], *, name: str, source: str, split: str
) -> PackedPiece:
    """A score as a packed piece. `roles` names each track's role, in order; a track without notes is kept, empty."""
    tracks = tuple(PackedTrack(t.name, t.program, t.is_drum, r) for t, r in zip(score.tracks, roles, strict=True))
    parts = []
    for i, track in enumerate(score.tracks[:255]):
        frames = thinned(track_frames([track], score.tpq))
        part = np.zeros(len(frames), PACK_NOTE)
        for field in FRAME_NOTE.names or ():
            part[field] = frames[field]
        part["track"] = i
        parts.append(part)
    notes = np.concatenate(parts) if parts else np.zeros(0, PACK_NOTE)
    notes = notes[np.lexsort((notes["pitch"], notes["instrument"], notes["frame"]))]
    length = int((notes["frame"] + notes["duration"]).max()) if len(notes) else 0
    rows = [
        (f, frame_of(b.tick + b.length, score.tpq) - f, max(1, frame_of(b.beat_length, score.tpq)))
        for b in bars
        if (f := frame_of(b.tick, score.tpq)) < length
    ]
    return PackedPiece(name, source, split, length, tracks, notes, np.array(rows, PACK_BAR))


def within(source: str, name: str) -> bool:
    """Whether the source is the named one, or a part of it: `scores/chorales` is within `scores`."""
    return source == name or source.startswith(f"{name}/")


def is_pack(folder: Path) -> bool:
    """Whether a folder holds a finished pack."""
    return (folder / "manifest.json").is_file() and (folder / "pieces.jsonl").is_file()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_pack(folder: Path, pieces: Iterable[PackedPiece]) -> dict[str, Any]:
    """Write a pack; returns its manifest. The same pieces in the same order give the same hash."""
    from m4mcli.dataset.writer import PackWriter

    writer = PackWriter(folder)
    for piece in pieces:
        writer.add(piece)
    return writer.finish()


class Pack:
    """A pack on disk, read piece by piece through memory maps."""

    def __init__(self, folder: Path) -> None:
        if not is_pack(folder):
            raise M4mError(f"{folder}: not a pack", "make one with m4m dataset")
        self.folder = folder
        self.pieces = read_lines(folder / "pieces.jsonl")
        self._notes = np.load(folder / "notes.npy", mmap_mode="r")
        self._bars = np.load(folder / "bars.npy", mmap_mode="r")

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> PackedPiece:
        p = self.pieces[index]
        (n0, n), (b0, b) = p["notes"], p["bars"]
        return PackedPiece(
            p["name"],
            p["source"],
            p["split"],
            p["length"],
            tuple(PackedTrack(**t) for t in p["tracks"]),
            np.array(self._notes[n0 : n0 + n]),
            np.array(self._bars[b0 : b0 + b]),
        )

    def select(self, split: str, sources: Iterable[str] | None = None) -> Iterator[PackedPiece]:
        """The pieces of a split, of the named sources and their parts (of all unless given)."""
        wanted = None if sources is None else tuple(sources)
        for i, p in enumerate(self.pieces):
            if p["split"] == split and (wanted is None or any(within(p["source"], name) for name in wanted)):
                yield self[i]
