"""A pack: many pieces as frame notes and bars in flat arrays that training maps into memory.

    PACK/notes.npy       PACK_NOTE rows of all pieces, one after another
    PACK/bars.npy        PACK_BAR rows of all pieces
    PACK/pieces.jsonl    one line a piece: name, source, split, length, first and count of its rows, its tracks
    PACK/manifest.json   counts per source, hash of the arrays
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

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
    tracks = tuple(
        PackedTrack(t.name, t.program, t.is_drum, r) for t, r in zip(score.tracks, roles, strict=True)
    )
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


def write_pack(folder: Path, pieces: Iterable[PackedPiece]) -> dict[str, object]:
    """Write a pack; returns its manifest. The same pieces in the same order give the same hash."""
    folder.mkdir(parents=True, exist_ok=True)
    notes, bars, lines, counts = [], [], [], {}
    first_note = first_bar = 0
    for p in pieces:
        notes.append(p.notes)
        bars.append(p.bars)
        line = {"name": p.name, "source": p.source, "split": p.split, "length": p.length}
        line |= {"notes": [first_note, len(p.notes)], "bars": [first_bar, len(p.bars)]}
        line["tracks"] = [asdict(t) for t in p.tracks]
        lines.append(json.dumps(line))
        first_note, first_bar = first_note + len(p.notes), first_bar + len(p.bars)
        count = counts.setdefault(f"{p.source}/{p.split}", {"pieces": 0, "frames": 0, "notes": 0})
        for field, n in (("pieces", 1), ("frames", p.length), ("notes", len(p.notes))):
            count[field] += n
    all_notes = np.concatenate(notes) if notes else np.zeros(0, PACK_NOTE)
    all_bars = np.concatenate(bars) if bars else np.zeros(0, PACK_BAR)
    np.save(folder / "notes.npy", all_notes)
    np.save(folder / "bars.npy", all_bars)
    text = "\n".join(lines) + "\n"
    (folder / "pieces.jsonl").write_text(text)
    digest = hashlib.sha256(all_notes.tobytes() + all_bars.tobytes() + text.encode()).hexdigest()
    manifest: dict[str, object] = {"m4m": 1, "kind": "pack", "sources": counts, "sha256": digest}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return manifest


class Pack:
    """A pack on disk, read piece by piece through memory maps."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "pieces.jsonl").exists():
            raise M4mError(f"{folder}: not a pack", "make one with m4m dataset")
        self.pieces = [json.loads(line) for line in (folder / "pieces.jsonl").read_text().splitlines()]
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
        """The pieces of a split, of the named sources (all unless given)."""
        wanted = None if sources is None else set(sources)
        for i, p in enumerate(self.pieces):
            if p["split"] == split and (wanted is None or p["source"] in wanted):
                yield self[i]
