"""A hole in a piece and what is around it: what is known, in which manner it plays, and what a model is asked."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.canonical import shifted
from m4mcli.frames.fields import thinned
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order
from m4mcli.generation.request import Request
from m4mcli.generation.rules import Part, Rules
from m4mcli.generation.window import part_of
from m4mcli.tasks.manner import (
    KIT,
    Manner,
    part_like,
    rates_like,
    usual_part,
)

BESIDE = 128
"""Frames to each side of a hole that show its manner."""
BEYOND = 3
"""Semitones by which a part in the hole may leave the range that it has around it."""
CLOSE = 32
"""An instrument that sounds in so many frames before a hole and behind it is to sound in the hole."""


@dataclass(frozen=True)
class Around:
    """A hole and what is around it. FRAME_NOTE rows of the whole piece, `metre` (length, 3), `hidden` (length,).

    `aside` are the notes of the tracks that stay, `kept` those of the tracks to be written, which are silent where
    `hidden`, `written` what was written for earlier holes. `instruments` (programs, or DRUMS) are to be written in the
    frames of the `hole`, from its start to before its stop; those `wanted` must sound there, as must those that sound
    right before it and right behind it. `stood` is what is not to come back, if they played something there.
    """

    aside: NDArray[np.void]
    kept: NDArray[np.void]
    written: NDArray[np.void]
    instruments: tuple[int, ...]
    metre: NDArray[np.int32]
    hidden: NDArray[np.bool_]
    hole: tuple[int, int]
    wanted: tuple[int, ...] = ()
    stood: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, FRAME_NOTE))

    def moved(self, semitones: int) -> "Around":
        """All of it transposed."""
        parts = self.aside, self.kept, self.written, self.stood
        aside, kept, written, stood = (shifted(x, semitones) for x in parts)
        return replace(self, aside=aside, kept=kept, written=written, stood=stood)

    @property
    def reference(self) -> NDArray[np.void]:
        """What the model is given."""
        return in_order(np.concatenate((self.aside, self.kept)))

    def stood_so(self, notes: NDArray[np.void]) -> bool:
        """Whether notes written for the hole are those that stood there: the same beginnings of the same pitches."""
        first, last = self.hole
        old = self.stood[(self.stood["frame"] >= first) & (self.stood["frame"] < last)]
        where = ["frame", "instrument", "pitch"]
        return bool(len(old)) and np.array_equal(np.unique(old[where]), np.unique(notes[where]))

    @property
    def known(self) -> NDArray[np.void]:
        """What the tracks to be written play elsewhere."""
        return in_order(np.concatenate((self.kept, self.written)))


def stretches(around: Around, most: int) -> list[tuple[int, int]]:
    """The hole in stretches (start, stop) of at most so many frames, cut at bar lines where that can be."""
    start, last = around.hole
    found = []
    while last - start > most:
        lines = start + 1 + np.flatnonzero(around.metre[start + 1 : start + most + 1, 0] == 0)
        stop = int(lines[-1]) if len(lines) else start + most
        found.append((start, stop))
        start = stop
    return [*found, (start, last)]


def manner_around(around: Around, shift: int) -> Manner:
    """What the frames beside a hole show of each instrument, in a piece that was moved by `shift` semitones."""
    first, last = around.hole
    start, stop = max(0, first - BESIDE), min(len(around.hidden), last + BESIDE)
    known, seen = around.known, ~around.hidden[start:stop]
    at = known["frame"] - start
    inside = (at >= 0) & (at < stop - start)
    heard = known[inside & seen[np.clip(at, 0, stop - start - 1)]] if stop > start else known[:0]
    bounds = max(0, shift), min(127, 127 + shift)
    parts = []
    for i in around.instruments:
        own = heard[heard["instrument"] == i]
        own = own if len(own) else known[known["instrument"] == i]
        parts.append(_in_register(part_like(own, i, bounds), own) if len(own) else usual_part(i, shift, bounds))
    drums = np.concatenate((around.aside, known))
    sounds = tuple(sorted({int(p) for p in drums["pitch"][drums["instrument"] == DRUMS]})) or KIT
    rules = Rules(around.instruments, *bounds, drum_sounds=sounds, parts=tuple(parts))
    length = max(1, int(seen.sum()))
    return Manner(heard, length, rules, _wanted(around), rates_like(heard, length, around.instruments))


def _in_register(part: Part, own: NDArray[np.void]) -> Part:
    """A part that leaves the range of its own notes by no more than BEYOND: it is known from both sides."""
    lowest, highest = int(own["pitch"].min()) - BEYOND, int(own["pitch"].max()) + BEYOND
    return replace(part, lowest=max(part.lowest, lowest), highest=min(part.highest, highest))


def _wanted(around: Around) -> tuple[int, ...]:
    """The instruments that are asked for or sound right before the hole and right behind it."""
    first, last = around.hole
    known = around.known
    sides = [part_of(known, first - CLOSE, first)["instrument"], part_of(known, last, last + CLOSE)["instrument"]]
    sides = [side for side in sides if len(side)]
    beside = {i for i in around.instruments if sides and all(i in side for side in sides)}
    return tuple(sorted(beside.union(around.wanted)))


def window_around(around: Around, size: int) -> tuple[int, int]:
    """First frame, at a bar line, and end of what is read: a window of `size` frames with the hole in its middle.

    The hole takes up half of it at most.
    """
    (first, last), length = around.hole, len(around.metre)
    begin = min(first - (size - (last - first)) // 2, length - size)
    bar_lines = np.flatnonzero(around.metre[: first + 1, 0] == 0)
    start = int(next((f for f in bar_lines if f >= begin), first))
    return start, min(length, start + size)


def request_around(around: Around, size: int) -> tuple[Request, int]:
    """What is asked of the model, and the frame of the piece with which it begins."""
    start, stop = window_around(around, size)
    known = thinned(around.known)
    fixed_notes = known[(known["frame"] >= start) & (known["frame"] < stop)]
    fixed_notes["frame"] -= start
    frames = np.arange(start, stop)
    request = Request(
        reference=part_of(around.reference, start, stop),
        metre=around.metre[start:stop],
        length=stop - start,
        begin=np.ones(stop - start, bool),
        fixed=(frames < around.hole[0]) | (frames >= around.hole[1]),
        fixed_notes=fixed_notes,
    )
    return request, start
