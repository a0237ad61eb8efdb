"""What the notes say about bars, once the beats are known: every beat described by what begins in it.

A beat stands out as the first of a bar by the onset on it (how loud, long, low, how new the harmony), by how much
begins in it, and by which earlier beats it resembles: those of the same place in other bars.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_evidence import PLAIN_FEATURES, Onsets

Array = NDArray[np.float64]

ON_BEAT_S = 0.07


@dataclass(frozen=True)
class Detail:
    """How closely a beat is looked at: the `parts` of it whose onsets are counted, and how many beats `back` it is
    compared."""

    parts: int
    back: tuple[int, ...]

    @property
    def features(self) -> int:
        """The numbers that describe a beat."""
        return PLAIN_FEATURES + 2 + self.parts + 2 * len(self.back)


COARSE = Detail(4, (1, 2, 3, 4, 6, 8))
FINE = Detail(12, (1, 2, 3, 4, 6, 8, 12, 16))


def describe_beats(onsets: Onsets, beats: Array, detail: Detail) -> NDArray[np.float32]:
    """What is known (m, features) of the beats (m,) in seconds, in rising order, m >= 1, of a piece with at least one
    onset."""
    m = len(beats)
    after = np.clip(np.searchsorted(onsets.seconds, beats), 0, len(onsets.seconds) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(onsets.seconds[before] - beats) < np.abs(onsets.seconds[after] - beats), before, after)
    heard = np.abs(onsets.seconds[nearest] - beats) < ON_BEAT_S
    intervals = np.diff(beats, append=beats[-1] + (beats[-1] - beats[-2] if m > 1 else 0.5))
    rhythm = _rhythm(onsets.seconds, beats, intervals, detail.parts)
    tones = _tones(onsets, beats)
    columns = [
        onsets.features[nearest, :PLAIN_FEATURES] * heard[:, None],
        heard[:, None],
        np.log(intervals)[:, None],
        np.log1p(rhythm),
        _likeness(tones, detail.back),
        _likeness(rhythm, detail.back),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _rhythm(seconds: Array, beats: Array, intervals: Array, parts: int) -> Array:
    """How many onsets begin in each part of each beat (m, parts), the first part being around the beat itself."""
    edges = beats[:, None] + intervals[:, None] * (np.arange(parts + 1) - 0.5) / parts
    return np.asarray(np.diff(np.searchsorted(seconds, edges), axis=1), np.float64)


def _tones(onsets: Onsets, beats: Array) -> Array:
    """How much of each pitch class begins in each beat, (m, 12)."""
    sums = np.concatenate((np.zeros((1, 12)), np.cumsum(onsets.classes, axis=0)))
    places = np.searchsorted(onsets.seconds, np.append(beats, np.inf) - ON_BEAT_S / 2)
    return np.asarray(np.diff(sums[places], axis=0))


def _likeness(rows: Array, distances: tuple[int, ...]) -> Array:
    """The cosine between each row and those at these distances before it (m, distances); 0 where there is none."""
    norms = np.linalg.norm(rows, axis=1) + 1e-9
    found = np.zeros((len(rows), len(distances)))
    for i, back in enumerate(distances):
        if back < len(rows):
            found[back:, i] = (rows[back:] * rows[:-back]).sum(axis=1) / (norms[back:] * norms[:-back])
    return found
