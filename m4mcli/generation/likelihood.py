"""How likely a given part is under a network: the logits of every decision in it, read in one pass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.decisions import row_classes, target_rows
from m4mcli.frames.fields import END
from m4mcli.frames.frames import DRUMS
from m4mcli.generation.request import Piece, Request
from m4mcli.generation.sampling import log_softmax
from m4mcli.generation.window import Window
from m4mcli.models.network import Network


@dataclass(frozen=True)
class Decisions:
    """Logits (r, values) and the values that were taken (r,) of each field: instrument, tone, octave, duration.

    The instrument field has a row for every note and every END, the others one for every note (octave: pitched notes).
    """

    logits: tuple[NDArray[np.float32], ...]
    taken: tuple[NDArray[np.int64], ...]

    def nats(self) -> tuple[float, ...]:
        """Summed negative log likelihood of each field."""
        return tuple(
            float(-np.take_along_axis(log_softmax(x), y[:, None], axis=1).sum()) if len(y) else 0.0
            for x, y in zip(self.logits, self.taken, strict=True)
        )

    @property
    def notes(self) -> int:
        """How many notes the part has."""
        return len(self.taken[1])


def teacher_forced(network: Network, request: Request, notes: NDArray[np.void]) -> Decisions:
    """Every decision of a part (FRAME_NOTE rows) of at most one window's length, each given all that came before it."""
    length = request.length
    frame, fields = target_rows(notes, length)
    first, classes = row_classes(frame, fields)
    piece = Piece(np.random.default_rng(0))
    piece.add(notes)
    window = Window(network, request, 0, 1)
    hidden, circles = window.read_to(length - 1, [piece])
    count = np.arange(len(frame)) - first
    slots = np.full((len(frame), max(1, int(count.max(initial=0))), 4), -1, np.int64)
    for k in range(slots.shape[1]):
        has = np.flatnonzero(count > k)
        slots[has, k] = fields[first[has] + k]
    chosen = np.where((fields[:, 0] == END)[:, None], -1, fields[:, :3])
    chosen[:, 0] = np.where(fields[:, 0] == END, -1, fields[:, 0])
    first_two = network.note_step(hidden[0, frame], circles[0, frame], slots, chosen[:, 0], classes)
    logits = *first_two[:2], *network.note_rest(first_two[2], slots, chosen)
    note, pitched = fields[:, 0] != END, fields[:, 0] < DRUMS
    rows = (np.ones(len(frame), bool), note, pitched, note)
    return Decisions(
        tuple(x[r] for x, r in zip(logits, rows, strict=True)),
        tuple(fields[r, i] for i, r in enumerate(rows)),
    )
