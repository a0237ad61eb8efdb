"""What generation needs of a network, whichever runtime computes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from m4mcli.models.room import ROOM, put

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


NEVER = np.float32(-1e9)
"""A score that no attention is left of."""


@dataclass(frozen=True)
class Past:
    """Keys and values of the `length` frames that were read, and what else is carried from step to step.

    `arrays` have for each layer keys (B, heads, size, room) and values (B, heads, room, size), as the products want
    them, on the host or on the device. A step writes its own behind them, in place where there is room: a past may be
    given to one step only. `beside` are arrays (B, ...) of those who wrap a network.
    """

    arrays: tuple[Any, ...]
    length: int = 0
    beside: tuple[Floats, ...] = ()

    def followed(self, new: Sequence[Floats]) -> "Past":
        """The past with keys (B, heads, size, F) and values (B, heads, F, size) of F more frames."""
        arrays = (put(old, x, 3 - i % 2, self.length) for i, (old, x) in enumerate(zip(self.arrays, new, strict=True)))
        return replace(self, arrays=tuple(arrays), length=self.length + new[1].shape[2])

    def penalty(self, frames: int) -> Floats:
        """What closes to so many new frames what they may not see (F, room + F): empty room, and later frames."""
        room = self.arrays[1].shape[2] if isinstance(self.arrays[1], np.ndarray) else self.arrays[1].shape()[2]
        out = np.full((frames, room + frames), NEVER, np.float32)
        out[:, : self.length] = 0
        for frame in range(frames):
            out[frame, room : room + frame + 1] = 0
        return out

    def repeated(self, batch: int) -> "Past":
        """The past of one piece as that of so many."""
        arrays = (x if isinstance(x, np.ndarray) else x.numpy() for x in self.arrays)
        return replace(self, arrays=tuple(np.repeat(x, batch, axis=0) for x in arrays))

    def taken(self) -> tuple["Past", Floats | None]:
        """The past without what was carried last, and that."""
        return replace(self, beside=self.beside[:-1]), self.beside[-1] if self.beside else None

    def carrying(self, more: Floats) -> "Past":
        """The past with one more array beside it."""
        return replace(self, beside=(*self.beside, more))


@dataclass(frozen=True)
class Shape:
    """Sizes of a network's state: `window` is the number of frames it was trained on."""

    width: int
    layers: int
    heads: int
    circle: int
    alignment: str
    window: int

    def empty_past(self, batch: int) -> Past:
        """Keys and values of no frames."""
        sizes = [self.width // self.heads, ROOM]
        shapes = [(batch, self.heads, *sizes), (batch, self.heads, *sizes[::-1])]
        return Past(tuple(np.zeros(shape, np.float32) for shape in shapes * self.layers))


@dataclass(frozen=True)
class FrameInputs:
    """F frames of B pieces: arrays as m4mcli.networks.steps.FrameStep takes them."""

    notes: Integers
    kind: Integers
    stream: Integers
    metre: Integers
    harmony: Floats
    position: Integers
    reference: Floats


class Network(Protocol):
    """The step functions over numpy arrays."""

    @property
    def shape(self) -> Shape:
        """Sizes."""

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        """What the reference gives to the target; notes (B, F, S, 5), metre (B, F, 3), position (B, F).

        In the aligned form one array (B, F, width) to add to the target's frames, in the cross form keys and values
        (B, heads, F, size) of each layer.
        """

    def frame_step(
        self, inputs: FrameInputs, past: Past, memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, Past]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), and the past with these frames.

        `memory` is what `encode` gives in the cross form; without it nothing is given.
        """

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Logits (B, values) of instrument and tone of the next note, and its state (B, n).

        Hidden states (B, width) and circles (B, 12, circle) of the frame; notes (B, K, 4) written in it, classes
        (B, 12, 3) of these; chosen (B,) is the instrument for which the tone is asked, -1: none.
        """

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """Logits (B, values) of octave and duration of a note in the state that note_step gave.

        Notes as there; chosen (B, 3) are instrument, tone and octave, -1 where the octave is asked.
        """
