"""Keep instruments at the rate at which they are to play, while they are written.

A model that writes on from its own notes tends to fall silent, or never to stop: each rest makes the next one likelier.
Here what was written lately is counted, and an instrument that has played too little becomes likelier, one that has
played too much less likely, the more so the farther it is off.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.fields import END, ONSET, SIZES
from m4mcli.generation.window import REFERENCE
from m4mcli.models.network import Floats, FrameInputs, Integers, Network, Past, Shape

MEMORY = 64
"""Frames after which what was written counts 1/e."""
FORCE = 1.0
"""Nats for each e-fold by which an instrument is off its rate."""
MOST = 3.0
"""Nats at most."""


@dataclass(frozen=True)
class Steady:
    """A Network whose instrument logits lean towards `rates` (130,), notes per frame of each instrument (0: not told).

    That of END is the rate of all together (0: the sum of those told). The count of each sample is carried behind the
    other network's cache, and what is added to its logits behind the hidden states.
    """

    network: Network
    rates: NDArray[np.float64]

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
        """Hidden states (B, F, width + 130), circles, and the past with the counts (B, 131)."""
        if inputs.stream.flat[0] == REFERENCE:
            return self.network.frame_step(inputs, past, memory)
        past, carried = past.taken()
        hidden, circles, past = self.network.frame_step(inputs, past, memory)
        count = np.zeros((len(hidden), SIZES[0] + 1), np.float32) if carried is None else carried
        leans = []
        for frame in range(hidden.shape[1]):
            count = _one_more(count, inputs.notes[:, frame])
            leans.append(self._lean(count))
        return np.concatenate((hidden, np.stack(leans, axis=1)), axis=-1), circles, past.carrying(count)

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Logits of instrument and tone, and the note's state."""
        hidden, lean = hidden[:, : -SIZES[0]], hidden[:, -SIZES[0] :]
        first, tone, state = self.network.note_step(hidden, circles, notes, chosen, classes)
        return first + lean, tone, state

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """As the other network."""
        return self.network.note_rest(state, notes, chosen)

    def _lean(self, count: Floats) -> Floats:
        """What is added to the instruments, and to END (B, 130), after a count (B, 131) of notes and frames."""
        due, in_all = self.rates * count[:, -1:], (self.rates[END] or self.rates.sum()) * count[:, -1]
        lean = np.where(self.rates > 0, np.log((due + 0.5) / (count[:, :-1] + 0.5)), 0)
        lean[:, END] = np.log((count[:, :END].sum(axis=1) + 0.5) / (in_all + 0.5))
        out: Floats = np.clip(FORCE * lean, -MOST, MOST).astype(np.float32)
        return out


def _one_more(count: Floats, notes: Integers) -> Floats:
    """The count (B, 131) of notes by instrument, and of frames, after one more frame with the notes (B, S, 5)."""
    struck = (notes[..., 0] >= 0) & (notes[..., 4] == ONSET)
    after = count * np.float32(np.exp(-1 / MEMORY))
    rows, slots = np.nonzero(struck)
    np.add.at(after, (rows, notes[rows, slots, 0]), 1)
    after[:, -1] += 1
    return after
