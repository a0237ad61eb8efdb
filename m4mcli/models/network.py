"""What generation needs of a network, whichever runtime computes it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """Sizes of a network's state: `window` is the number of frames it was trained on."""

    width: int
    layers: int
    heads: int
    circle: int
    alignment: str
    window: int

    def empty_past(self, batch: int) -> tuple[Floats, ...]:
        """Keys and values of no frames."""
        size = self.width // self.heads
        return tuple(np.zeros((batch, self.heads, 0, size), np.float32) for _ in range(2 * self.layers))


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
    """The three step functions over numpy arrays."""

    @property
    def shape(self) -> Shape:
        """Sizes."""

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        """What the reference gives to the target; notes (B, F, S, 5), metre (B, F, 3), position (B, F).

        In the aligned form one array (B, F, width) to add to the target's frames, in the cross form keys and values
        (B, heads, F, size) of each layer.
        """

    def frame_step(
        self, inputs: FrameInputs, past: tuple[Floats, ...], memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, tuple[Floats, ...]]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), present keys and values.

        `memory` is what `encode` gives in the cross form; without it nothing is given.
        """

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Logits of instrument, tone, octave, duration, each (B, values)."""
