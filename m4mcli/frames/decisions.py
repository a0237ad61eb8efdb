"""A part as the model's decisions: each frame's notes in order, field by field, and the END behind them."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.fields import END, MAX_NOTES, note_fields
from m4mcli.frames.frames import DRUMS, in_order


def target_rows(notes: NDArray[np.void], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The decisions of a target: every note of every frame and an END behind them. Frames (r,) and fields (r, 4).

    A frame that holds MAX_NOTES notes has no END: there the limit ends it.
    """
    notes = in_order(notes[(notes["frame"] >= 0) & (notes["frame"] < length)])
    count = np.bincount(notes["frame"], minlength=length)
    open_frames = np.flatnonzero(count < MAX_NOTES)
    frame = np.concatenate((notes["frame"].astype(np.int64), open_frames))
    ends = np.zeros((len(open_frames), 4), np.int64)
    ends[:, 0] = END
    fields = np.concatenate((note_fields(notes), ends))
    order = np.argsort(frame, kind="stable")
    return frame[order], fields[order]


def row_classes(frame: NDArray[np.int64], fields: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """First row of each row's frame (r,), and pitch classes (r, 12, 3): written so far, last written, first written."""
    first = np.searchsorted(frame, frame, side="left")
    one = np.zeros((len(frame), 12), np.float32)
    pitched = np.flatnonzero(fields[:, 0] < DRUMS)
    one[pitched, fields[pitched, 1]] = 1
    total = np.concatenate((np.zeros((1, 12), np.float32), np.cumsum(one, axis=0, dtype=np.float32)))
    index = np.arange(len(frame))
    written = (total[index] - total[first] > 0).astype(np.float32)
    inside = (index > first)[:, None]
    last = np.where(inside, one[np.maximum(index - 1, 0)], 0)
    return first, np.stack((written, last, np.where(inside, one[first], 0)), axis=-1).astype(np.float32)
