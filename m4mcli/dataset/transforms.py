"""Changes of pieces as data, for recipes: a part of the piece, another key, another tempo, louder or softer.

Each is drawn anew whenever a piece is used. What is left empty changes nothing, and draws nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.frames.frames import DRUMS, in_order

LOUDEST = 127


@dataclass(frozen=True)
class Transforms:
    """What may change in a piece.

    `crop_bars`: least and most bars of the part that is used, from a bar line drawn at random. `transpose`: lowest and
    highest number of semitones, as far as the pitches allow; drums keep their sounds. `tempo`: factors of which one is
    drawn; 2 is twice as fast, each note half as long. In 16ths only halves and doubles keep all rhythms. `velocity`:
    least and most that is added; notes without velocity stay so.
    """

    crop_bars: tuple[int, ...] = ()
    transpose: tuple[int, ...] = ()
    tempo: tuple[float, ...] = ()
    velocity: tuple[int, ...] = ()

    def faults(self) -> Iterator[str]:
        """What is wrong with them, if anything, told as `name must be ...`."""
        for name in ("crop_bars", "transpose", "velocity"):
            span = getattr(self, name)
            if span and (len(span) != 2 or span[0] > span[1]):
                yield f"{name} must be two numbers, the least and the most"
        if self.crop_bars and self.crop_bars[0] < 1:
            yield "crop_bars must be 1 or more"
        if any(not 0 < factor < float("inf") for factor in self.tempo):
            yield "tempo must be factors above 0"

    def applied(self, piece: PackedPiece, rng: np.random.Generator) -> PackedPiece:
        """The piece, changed by chance. Cropped first: tempo and key are those of the part."""
        if self.crop_bars:
            piece = cropped(piece, int(rng.integers(self.crop_bars[0], self.crop_bars[1] + 1)), rng)
        if self.tempo:
            piece = at_tempo(piece, float(rng.choice(self.tempo)))
        if self.transpose:
            piece = transposed(piece, int(rng.integers(self.transpose[0], self.transpose[1] + 1)))
        if self.velocity:
            piece = louder(piece, int(rng.integers(self.velocity[0], self.velocity[1] + 1)))
        return piece


def cropped(piece: PackedPiece, count: int, rng: np.random.Generator) -> PackedPiece:
    """So many bars of the piece from a bar line at random, the whole where it has no more; notes end with the part."""
    if len(piece.bars) <= count:
        return piece
    first = int(rng.integers(0, len(piece.bars) - count + 1))
    bars = piece.bars[first : first + count].copy()
    start = int(bars["frame"][0])
    stop = min(int(bars["frame"][-1]) + int(bars["length"][-1]), piece.length)
    notes = piece.notes[(piece.notes["frame"] >= start) & (piece.notes["frame"] < stop)].copy()
    notes["duration"] = np.minimum(notes["duration"], stop - notes["frame"])
    notes["frame"] -= start
    bars["frame"] -= start
    return replace(piece, length=stop - start, notes=notes, bars=bars)


def at_tempo(piece: PackedPiece, factor: float) -> PackedPiece:
    """The piece so many times as fast, on the nearest frames; of notes that then fall together the longest."""
    if factor == 1:
        return piece
    notes, bars = piece.notes.copy(), piece.bars.copy()
    for rows, lasting in ((notes, "duration"), (bars, "length")):
        start, stop = _scaled(rows["frame"], factor), _scaled(rows["frame"] + rows[lasting], factor)
        rows["frame"], rows[lasting] = start, np.maximum(1, stop - start)
    bars["beat"] = np.maximum(1, _scaled(bars["beat"], factor))
    length = int((notes["frame"] + notes["duration"]).max()) if len(notes) else 0
    parts = [in_order(notes[notes["track"] == track]) for track in np.unique(notes["track"])]
    notes = np.concatenate(parts) if parts else notes
    notes = np.take(notes, np.lexsort((notes["track"], notes["pitch"], notes["instrument"], notes["frame"])))
    return replace(piece, length=length, notes=notes, bars=bars[bars["frame"] < length])


def _scaled(frames: NDArray[np.integer], factor: float) -> NDArray[np.int64]:
    return np.floor(frames / factor + 0.5).astype(np.int64)


def transposed(piece: PackedPiece, semitones: int) -> PackedPiece:
    """The piece moved by semitones, by as many of them as keep its pitches within 0 to 127."""
    pitched = piece.notes["instrument"] != DRUMS
    if not pitched.any() or not semitones:
        return piece
    notes = piece.notes.copy()
    pitch = notes["pitch"][pitched].astype(np.int64)
    step = int(np.clip(semitones, -pitch.min(), 127 - pitch.max()))
    notes["pitch"][pitched] = pitch + step
    return replace(piece, notes=notes)


def louder(piece: PackedPiece, by: int) -> PackedPiece:
    """The piece with so much added to its velocities, within 1 to 127."""
    if "velocity" not in (piece.notes.dtype.names or ()):
        return piece  # packs of early versions have none
    notes = piece.notes.copy()
    told = notes["velocity"] > 0
    notes["velocity"][told] = np.clip(notes["velocity"][told].astype(np.int64) + by, 1, LOUDEST)
    return replace(piece, notes=notes)
