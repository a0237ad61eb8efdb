"""Velocities for a generated part: the input's own dynamics, shaped by the metre."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metre import Bar
from m4mcli.score.score import Score
from m4mcli.tasks.placement import bar_beats, has_pickup

UNDER = 0.88
"""A generated part's loudness beside the input's."""

DOWNBEAT, BEAT, OFF_BEAT = 5, 0, -5
"""What the metre adds to the velocity of a note that begins on a barline, on another beat, elsewhere."""

DEFAULT = 80
"""The input's velocity where it has no notes."""


def velocities(onsets: NDArray[np.int64], bars: Sequence[Bar], like: Score) -> NDArray[np.int64]:
    """Velocities 1-127 (n,) for notes that begin at the ticks `onsets` (n,) in a piece with these bars.

    The mean of the input's velocities from a bar before to a bar after (of the nearest note where none is played), a
    little softer, with accents of the metre. Pitched notes count, drums where there are no others. Kept far enough from
    1 and 127 for the accents to be heard. At least one bar is needed.
    """
    onsets = np.asarray(onsets, np.int64)
    base = np.clip(UNDER * _local_mean(onsets, bars, like), 1 - OFF_BEAT, 127 - DOWNBEAT)
    return np.rint(base + _accents(onsets, bars, like.tpq)).astype(np.int64)


def _local_mean(onsets: NDArray[np.int64], bars: Sequence[Bar], like: Score) -> NDArray[np.float64]:
    parts = [t.notes for t in like.tracks if len(t.notes) and not t.is_drum]
    parts = parts or [t.notes for t in like.tracks if len(t.notes)]
    if not parts:
        return np.full(len(onsets), float(DEFAULT))
    notes = np.concatenate(parts)
    notes = notes[np.argsort(notes["onset"], kind="stable")]
    sums = np.concatenate(([0.0], np.cumsum(notes["velocity"], dtype=np.float64)))
    reach = float(np.median([bar.length for bar in bars]))
    first = np.searchsorted(notes["onset"], onsets - reach, side="left")
    last = np.searchsorted(notes["onset"], onsets + reach, side="right")
    alone = np.interp(onsets, notes["onset"], notes["velocity"])
    mean: NDArray[np.float64] = np.where(last > first, (sums[last] - sums[first]) / np.maximum(last - first, 1), alone)
    return mean


def _accents(onsets: NDArray[np.int64], bars: Sequence[Bar], tpq: int) -> NDArray[np.int64]:
    beats = [tick for index in range(len(bars)) for tick in bar_beats(bars, index, tpq)]
    on_beat = np.isin(onsets, beats)
    on_barline = np.isin(onsets, [bar.tick for bar in bars[has_pickup(bars, tpq) :]])
    return np.where(on_barline, DOWNBEAT, np.where(on_beat, BEAT, OFF_BEAT))
