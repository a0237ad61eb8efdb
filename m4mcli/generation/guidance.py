"""How strictly what is given is followed: the network with it and without it, and the step from one to the other.

Logits are `free + strictness * (bound - free)`, classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): at 1
the network as it is, above 1 more of what the reference makes likely, at 0 as if nothing were given. The network must
have been trained with silent references (`silent_reference` in its recipe).
"""

from dataclasses import dataclass, replace

import numpy as np

from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.request import Piece, Request
from m4mcli.generation.window import Window
from m4mcli.models.network import Floats, FrameInputs, Integers, Network, Past, Shape


@dataclass(frozen=True)
class Guided:
    """A Network whose note_step takes the states of a GuidedWindow: those with the reference, then those without."""

    network: Network
    strictness: float

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self.network.shape

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        """As the other network."""
        return self.network.encode(notes, metre, position)

    def frame_step(
        self, inputs: FrameInputs, past: Past, memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, Past]:
        """As the other network."""
        return self.network.frame_step(inputs, past, memory)

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Logits of instrument and tone, and the state (B, 2 n), from hidden (B, 2 width), both halves."""
        hidden, circles = (np.concatenate(np.split(x, 2, axis=-1)) for x in (hidden, circles))
        notes, chosen = (np.concatenate((x, x)) for x in (notes, chosen))
        twice = np.concatenate((classes, classes))
        *logits, state = self.network.note_step(hidden, circles, notes, chosen, twice)
        first, tone = map(self._guided, logits)
        return first, tone, np.concatenate(np.split(state, 2), axis=-1)

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """Logits of octave and duration, each (B, values)."""
        states = np.concatenate(np.split(state, 2, axis=-1))
        notes, chosen = (np.concatenate((x, x)) for x in (notes, chosen))
        octave, duration = map(self._guided, self.network.note_rest(states, notes, chosen))
        return octave, duration

    def _guided(self, logits: Floats) -> Floats:
        bound, free = np.split(logits, 2)
        guided: Floats = free + self.strictness * (bound - free)
        return guided


class GuidedWindow:
    """Two windows over the same frames, one of which is given nothing; their states side by side in the last axis."""

    def __init__(self, network: Network, request: Request, start: int, batch: int) -> None:
        nothing = replace(request, reference=np.zeros(0, FRAME_NOTE))
        self.bound, self.free = (Window(network, r, start, batch) for r in (request, nothing))
        self.stop = self.bound.stop

    def read_to(self, frame: int, pieces: list[Piece]) -> tuple[Floats, Floats]:
        """As Window.read_to, hidden (B, F, 2 width) and circles (B, F, 12, 2 circle)."""
        states = [window.read_to(frame, pieces) for window in (self.bound, self.free)]
        hidden, circles = (np.concatenate(x, axis=-1) for x in zip(*states, strict=True))
        return hidden, circles
