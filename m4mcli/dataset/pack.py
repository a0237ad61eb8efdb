"""A pack: many pieces as frame notes and bars in flat arrays that training maps into memory.

Its files are `notes.npy` (PACK_NOTE rows of all pieces, one after another), `bars.npy` (PACK_BAR rows), `pieces.jsonl`
(one line a piece: name, source, split, length, first and count of its rows, its tracks, what `facts` tells of it, and
the groups that `groups` put it in) and `manifest.json` (counts per source and split, hash of all the rest). A source
may have parts: `scores/chorales` is part of `scores`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.fields import MAX_NOTES, thinned
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, FRAMES_PER_QUARTER, in_order
from m4mcli.score.metre import Bar
from m4mcli.score.score import Score, joined

PACK_NOTE = np.dtype([*[(n, FRAME_NOTE[n].str) for n in FRAME_NOTE.names or ()], ("track", "u1"), ("velocity", "u1")])
MAX_PACKED_TRACKS = 255
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
    notes = packed_notes(score)
    length = int((notes["frame"] + notes["duration"]).max()) if len(notes) else 0
    return PackedPiece(name, source, split, length, tracks, notes, packed_bars(bars, score.tpq, length))


def packed_bars(bars: Iterable[Bar], tpq: int, length: int) -> NDArray[np.void]:
    """PACK_BAR rows of the bars that begin in a piece of so many frames."""
    ticks = np.array([(b.tick, b.tick + b.length, b.beat_length) for b in bars], np.float64).reshape(-1, 3)
    frames = np.floor(ticks * FRAMES_PER_QUARTER / tpq + 0.5)
    frames = frames[frames[:, 0] < length]
    rows = np.zeros(len(frames), PACK_BAR)
    rows["frame"], rows["length"] = frames[:, 0], frames[:, 1] - frames[:, 0]
    rows["beat"] = np.maximum(1, frames[:, 2])
    return rows


def packed_notes(score: Score) -> NDArray[np.void]:
    """PACK_NOTE rows by frame, instrument, pitch, track: of notes doubled in a track the longest, full frames thinned.

    At most MAX_NOTES notes of a track begin in a frame, and tracks behind MAX_PACKED_TRACKS are left out.
    """
    played = [(i, t) for i, t in enumerate(score.tracks[:MAX_PACKED_TRACKS]) if len(t.notes)]
    if not played:
        return np.zeros(0, PACK_NOTE)
    rows = joined([track for _, track in played])
    counts = [len(track.notes) for _, track in played]
    notes = np.zeros(len(rows), PACK_NOTE)
    start = np.floor(rows["onset"] * FRAMES_PER_QUARTER / score.tpq + 0.5)
    end = np.floor((rows["onset"] + rows["duration"]) * FRAMES_PER_QUARTER / score.tpq + 0.5)
    notes["frame"] = start
    notes["duration"] = np.maximum(1, end - start)
    notes["pitch"], notes["velocity"] = rows["pitch"], rows["velocity"]
    notes["instrument"] = np.repeat([DRUMS if t.is_drum else t.program for _, t in played], counts)
    notes["track"] = np.repeat([i for i, _ in played], counts)
    return _thinned_tracks(_each_once(notes))


def _each_once(notes: NDArray[np.void]) -> NDArray[np.void]:
    """Notes in order, of those alike in frame, instrument, pitch and track the longest."""
    # One number for each place in the order sorts several times faster than a key for each field.
    place = notes["frame"].astype(np.int64) << 24 | notes["instrument"].astype(np.int64) << 16
    place |= notes["pitch"].astype(np.int64) << 8 | notes["track"]
    order = np.lexsort((-notes["duration"], place))
    place = place[order]
    return np.take(notes, order[np.concatenate(([True], place[1:] != place[:-1]))])


def _thinned_tracks(notes: NDArray[np.void]) -> NDArray[np.void]:
    if len(notes) <= MAX_NOTES or not (notes["frame"][MAX_NOTES:] == notes["frame"][:-MAX_NOTES]).any():
        return notes
    track = notes["track"]
    parts = [thinned(np.compress(track == one, notes)) for one in np.flatnonzero(np.bincount(track) > MAX_NOTES)]
    if sum(map(len, parts)) == int((np.bincount(track)[np.bincount(track) > MAX_NOTES]).sum()):
        return notes
    parts.append(np.compress((np.bincount(track) <= MAX_NOTES)[track], notes))
    return _each_once(np.concatenate(parts))


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
            raise M4mError(f"{folder}: not a pack", "make one with m4m dataset build")
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


def with_facts(pack: Pack) -> list[dict[str, Any]]:
    """The lines of a pack's pieces. Raises M4mError where they tell nothing of the music, as in early packs."""
    if any("thash" not in line or "group" not in line for line in pack.pieces):
        raise M4mError("a pack that tells nothing of its pieces", "make it again with m4m dataset build")
    return pack.pieces
