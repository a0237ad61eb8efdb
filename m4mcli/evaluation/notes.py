"""Notes as the figures see them: whole frames for what sounds, unrounded onsets for what lies in a window.

Every figure takes FRAME_NOTE rows. Where music was not made in frames, `timed_notes` keeps the onset as it was, so that
a note just before a window stays outside it although its frame is the window's first.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from m4mcli.frames.frames import DRUMS, FRAME_NOTE, sounding

TIMED_NOTE = np.dtype([*[(name, FRAME_NOTE[name].str) for name in FRAME_NOTE.names or ()], ("onset", "f8")])
"""A FRAME_NOTE that also knows its unrounded onset, in frames."""

Figures = dict[str, float | None]
"""Figures by name; None where there is nothing to measure."""


def timed_notes(onset: ArrayLike, end: ArrayLike, pitch: ArrayLike, drum: ArrayLike = False) -> NDArray[np.void]:
    """TIMED_NOTE rows from onsets and ends in (broken) frames, pitches, and whether each note is a drum's (n,)."""
    onset = np.asarray(onset, np.float64)
    notes = np.zeros(len(onset), TIMED_NOTE)
    notes["onset"] = onset
    notes["frame"] = np.rint(onset)
    notes["duration"] = np.maximum(1, np.rint(np.asarray(end, np.float64)) - notes["frame"])
    notes["pitch"] = pitch
    notes["instrument"] = np.where(drum, DRUMS, 0)
    return notes


def onsets(notes: NDArray[np.void]) -> NDArray[np.float64]:
    """Onsets in frames (n,), unrounded where the notes tell them."""
    name = "onset" if "onset" in (notes.dtype.names or ()) else "frame"
    return notes[name].astype(np.float64)


def pitch_classes(notes: NDArray[np.void], length: int) -> NDArray[np.bool_]:
    """Which pitch classes sound in each frame: (length, 12)."""
    roll = sounding(notes, length)
    return np.stack([roll[:, pc::12].any(axis=1) for pc in range(12)], axis=1)
