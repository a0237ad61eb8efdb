"""Toy music, toy sizes and a toy network for the tests of networks, training and generation. No torch here."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PACK_BAR, PACK_NOTE, PackedPiece, PackedTrack, write_pack
from m4mcli.frames.fields import SIZES
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order
from m4mcli.generation.request import Request
from m4mcli.models.network import Floats, FrameInputs, Integers, Past, Shape
from m4mcli.networks.config import FoundationConfig
from m4mcli.training.batches import Example
from m4mcli.training.recipe import Recipe, find_recipe, read_recipe

MELODY, CHORD = PackedTrack("Melody", 0, False, "melody"), PackedTrack("Chords", 0, False, "chord")


def toy_recipe(*settings: str) -> Recipe:
    """The shipped recipe `toy`, changed."""
    return read_recipe(find_recipe("toy"), settings)


def toy_sizes() -> FoundationConfig:
    """The sizes of the recipe's network."""
    sizes = toy_recipe().network
    assert isinstance(sizes, FoundationConfig)
    return sizes


def melody(length: int, seed: int = 0) -> NDArray[np.void]:
    """A walk on the scale of C, a note on every second frame or so."""
    rng = np.random.default_rng(seed)
    scale = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76]
    rows, frame, step = [], 0, 4
    while frame < length:
        step = int(np.clip(step + rng.integers(-2, 3), 0, len(scale) - 1))
        duration = int(rng.choice((1, 2, 2, 4)))
        rows.append((frame, 0, scale[step], min(duration, length - frame)))
        frame += duration
    return np.array(rows, FRAME_NOTE)


def chords(length: int, seed: int = 0) -> NDArray[np.void]:
    """A triad on the scale of C every half bar."""
    rng = np.random.default_rng(seed)
    triads = [(36, 40, 43), (38, 41, 45), (40, 43, 47), (41, 45, 48), (43, 47, 50), (45, 48, 52)]
    rows = [
        (frame, 0, pitch, min(8, length - frame))
        for frame in range(0, length, 8)
        for pitch in triads[int(rng.integers(len(triads)))]
    ]
    return np.array(rows, FRAME_NOTE)


def band(length: int, seed: int = 0) -> NDArray[np.void]:
    """Anything: several instruments and drums, long notes and short ones."""
    rng = np.random.default_rng(seed)
    count = 2 * length
    notes = np.zeros(count, FRAME_NOTE)
    notes["frame"] = rng.integers(0, length, count)
    notes["instrument"] = rng.choice((0, 33, 48, DRUMS), count)
    notes["pitch"] = rng.integers(30, 90, count)
    notes["duration"] = rng.choice((1, 2, 3, 4, 8, 16), count)
    notes["duration"] = np.minimum(notes["duration"], length - notes["frame"])
    return in_order(notes)


def metre(length: int, bar: int = 16) -> NDArray[np.int32]:
    """Bars of one length from the first frame on."""
    t = np.arange(length)
    return np.stack([t % bar, np.full(length, bar), np.full(length, 4)], axis=1).astype(np.int32)


def example(
    length: int, seed: int = 0, *, given: bool = True, told: bool = True, target: NDArray[np.void] | None = None
) -> Example:
    """A window to train on: chords, or another target, under a melody."""
    target = chords(length, seed) if target is None else target
    reference = melody(length, seed) if given else None
    return Example(reference, target, target, np.ones(length, bool), metre(length) if told else None, length)


def request(length: int, reference: NDArray[np.void] | None = None, **changes: object) -> Request:
    """All frames open, nothing fixed."""
    told = {"reference": reference, "metre": metre(length), "length": length}
    told |= {"begin": np.ones(length, bool), "fixed": np.zeros(length, bool)}
    return Request(**{**told, **changes})  # type: ignore[arg-type]


def piece(name: str, split: str, length: int, seed: int) -> PackedPiece:
    """A melody with chords, as it is packed."""
    return packed(name, split, length, [(MELODY, melody(length, seed)), (CHORD, chords(length, seed))])


def band_piece(length: int, seed: int = 0) -> PackedPiece:
    """Anything, a track for each instrument, as it is packed."""
    notes = band(length, seed)
    tracks = [PackedTrack(str(i), i % DRUMS, i == DRUMS) for i in np.unique(notes["instrument"]).tolist()]
    parts = [(t, notes[notes["instrument"] == (DRUMS if t.is_drum else t.program)]) for t in tracks]
    return packed("band", "train", length, parts)


def packed(name: str, split: str, length: int, tracks: list[tuple[PackedTrack, NDArray[np.void]]]) -> PackedPiece:
    """Tracks in bars of 16 frames, as they are packed."""
    parts = []
    for track, (_, notes) in enumerate(tracks):
        part = np.zeros(len(notes), PACK_NOTE)
        for field in FRAME_NOTE.names or ():
            part[field] = notes[field]
        part["track"] = track
        parts.append(part)
    rows = np.concatenate(parts)
    rows = rows[np.lexsort((rows["pitch"], rows["instrument"], rows["frame"]))]
    bars = np.array([(frame, 16, 4) for frame in range(0, length, 16)], PACK_BAR)
    return PackedPiece(name, "tunes", split, length, tuple(track for track, _ in tracks), rows, bars)


def toy_pack(folder: Path) -> Path:
    """A pack of eight pieces, of the source that the recipe `toy` names."""
    pieces = [piece(f"p{i}", "valid" if i >= 6 else "train", 96 + 16 * i, i) for i in range(8)]
    write_pack(folder, pieces)
    return folder


class FakeNetwork:
    """A Network in numpy with random weights: its logits depend on all that it is told, by frames in order.

    `widest` is the longest cache that it was ever given.
    """

    def __init__(self, window: int = 64, alignment: str = "none", seed: int = 0) -> None:
        self._shape = Shape(8, 1, 1, 4, alignment, window)
        rng = np.random.default_rng(seed)
        self.notes, self.metre = rng.normal(size=(5, 8)), rng.normal(size=(3, 8))
        self.harmony, self.decide = rng.normal(size=(12 * 12, 8)), rng.normal(size=(8, sum(SIZES)))
        self.written = rng.normal(size=(4 + 3 + 36, 8))
        self.widest = 0

    @property
    def shape(self) -> Shape:
        return self._shape

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        return (np.sin(notes.sum(axis=2) @ self.notes + metre @ self.metre).astype(np.float32),)

    def frame_step(
        self, inputs: FrameInputs, past: Past, memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, Past]:
        used = inputs.notes[..., :1] >= 0
        x = np.sin((inputs.notes * used).sum(axis=2) @ self.notes + inputs.metre @ self.metre + inputs.kind[..., None])
        x = x + inputs.harmony.reshape(*inputs.kind.shape, -1) @ self.harmony + inputs.reference
        values = x[:, None].astype(np.float32)
        now = past.followed((values.swapaxes(2, 3), values))
        self.widest = max(self.widest, now.length)
        count = np.arange(1, now.length + 1)[:, None]
        mean = (np.cumsum(now.arrays[1][:, 0, : now.length], axis=1) / count)[:, past.length :]
        circles = np.zeros((*inputs.kind.shape, 12, 4), np.float32)
        return (x + mean).astype(np.float32), circles, now

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        told = np.concatenate((notes.sum(axis=1), np.zeros((len(notes), 3)), classes.reshape(len(classes), -1)), axis=1)
        state = (hidden + told @ self.written).astype(np.float32)
        first, *_ = self._logits(state)
        _, tone, *_ = self._logits(state + (chosen[:, None] * self.written[4]).astype(np.float32))
        return first, tone, state

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        _, _, octave, duration = self._logits(state + (chosen @ self.written[4:7]).astype(np.float32))
        return octave, duration

    def _logits(self, state: Floats) -> list[Floats]:
        logits = (2 * np.sin(state) @ self.decide).astype(np.float32)
        return np.split(logits, np.cumsum(SIZES)[:-1], axis=1)
