"""The beginning of a part that is given: its notes in the ticks of the piece that it is to go on in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import frame_of
from m4mcli.score.score import Score, Track


@dataclass(frozen=True)
class Prompt:
    """The beginning of a part: NOTE rows in the piece's ticks, the frame at which they end, their program."""

    notes: NDArray[np.void]
    frames: int
    program: int


def prompt_of(prompt: Score, tracks: Sequence[Track], tpq: int, length: int) -> Prompt:
    """The notes, at least one, of some tracks of a prompt, for a piece of `length` frames, `tpq` to the quarter."""
    notes = np.concatenate([t.notes for t in tracks])
    scale = tpq / prompt.tpq
    ends = np.rint((notes["onset"] + notes["duration"]) * scale).astype(np.int64)
    notes["onset"] = np.rint(notes["onset"] * scale)
    notes["duration"] = np.maximum(1, ends - notes["onset"])
    last = int((notes["onset"] + notes["duration"]).max())
    notes = notes[np.lexsort((notes["pitch"], notes["onset"]))]
    return Prompt(notes, min(length, max(1, frame_of(last, tpq))), tracks[0].program)
