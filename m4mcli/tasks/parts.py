"""What several parts that were written together have to keep: their end, and one note at a time where that is so."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import in_order
from m4mcli.generation.rules import Rules
from m4mcli.tasks.manner import one_at_a_time


def bounded(notes: NDArray[np.void], rules: Rules, stop: int) -> NDArray[np.void]:
    """FRAME_NOTE rows of the parts that the rules name, none lasting beyond the frame `stop`.

    In monophonic parts each note ends where the next one begins.
    """
    cut = in_order(notes)
    cut["duration"] = np.minimum(cut["duration"], stop - cut["frame"])
    own = [(part, cut[cut["instrument"] == part.instrument]) for part in rules.parts]
    parts = [one_at_a_time(rows) if part.monophonic else rows for part, rows in own if len(rows)]
    return in_order(np.concatenate(parts)) if parts else cut[:0]
