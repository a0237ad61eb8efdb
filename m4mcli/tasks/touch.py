"""Velocities for new notes of a track that is there: as loud as it is played around them, with its own accents."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAMES_PER_QUARTER
from m4mcli.tasks.ground import Ground

NEAREST = 16
"""Notes to each side of the new ones that tell how loud a track is there."""
DOUBT = 3
"""Notes of no accent that are counted with those of each kind, so that few do not make an accent."""


def touched(new: NDArray[np.void], like: NDArray[np.void], ground: Ground, is_drum: bool) -> NDArray[np.int64]:
    """Velocities (n,) of `new` NOTE rows that come among the rows `like` (m > 0), both in order of onset.

    The level goes in a straight line from that of the notes before to that of the notes behind. To it comes how much
    louder or softer the track's notes are at that place of the bar; of drums, also how much each sound is.
    """
    level = _level(new["onset"], like)
    accents = _accents(_places(new, ground, is_drum), _places(like, ground, is_drum), like["velocity"])
    loud: NDArray[np.int64] = np.clip(np.rint(level + accents), 1, 127).astype(np.int64)
    return loud


def _level(onsets: NDArray[np.int64], like: NDArray[np.void]) -> NDArray[np.float64]:
    if not len(onsets):
        return np.zeros(0)
    first, last = int(onsets.min()), int(onsets.max())
    before = like["velocity"][like["onset"] < first][-NEAREST:]
    behind = like["velocity"][like["onset"] > last][:NEAREST]
    sides = [side for side in (before, behind) if len(side)] or [like["velocity"]]
    ends = float(sides[0].mean()), float(sides[-1].mean())
    level: NDArray[np.float64] = np.interp(onsets, (first, max(last, first + 1)), ends)
    return level


def _places(notes: NDArray[np.void], ground: Ground, is_drum: bool) -> NDArray[np.int64]:
    """What the accent of each note hangs on, as a number: its sixteenth in the bar, and its sound if it is a drum's."""
    frame = np.floor(notes["onset"] * FRAMES_PER_QUARTER / ground.tpq + 0.5).astype(np.int64)
    place = ground.metre[np.clip(frame, 0, ground.length - 1), 0].astype(np.int64)
    places: NDArray[np.int64] = place * 128 + (notes["pitch"] if is_drum else 0)
    return places


def _accents(new: NDArray[np.int64], old: NDArray[np.int64], velocity: NDArray[np.int16]) -> NDArray[np.float64]:
    """How much louder than the mean (n,) notes at such places are: by their sound, and by their sound at that place."""
    away = velocity - velocity.mean()
    by_sound = _of(new % 128, old % 128, away)
    return by_sound + _of(new, old, away - _of(old % 128, old % 128, away))


def _of(wanted: NDArray[np.int64], kinds: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the values of each kind wanted (n,), drawn towards 0 by DOUBT."""
    known, index = np.unique(kinds, return_inverse=True)
    means = np.bincount(index, values, len(known)) / (np.bincount(index, minlength=len(known)) + DOUBT)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, means[at], 0.0)
