"""Frame notes as a score, to be described, written or packed."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import DRUMS, FRAMES_PER_QUARTER
from m4mcli.score.score import NOTE, Score, TimeSignature, Track

VELOCITY = 64


def score_of(notes: NDArray[np.void]) -> Score:
    """FRAME_NOTE rows in 4/4 as a score in frames, a track without name for each instrument."""
    tracks = []
    for instrument in np.unique(notes["instrument"]).tolist():
        part = notes[notes["instrument"] == instrument]
        rows = np.full(len(part), VELOCITY, NOTE)
        for name, field in (("onset", "frame"), ("duration", "duration"), ("pitch", "pitch")):
            rows[name] = part[field]
        tracks.append(Track("", instrument % DRUMS, instrument == DRUMS, rows))
    return Score(FRAMES_PER_QUARTER, tuple(tracks), time_signatures=(TimeSignature(0, 4, 4),))
