"""Ticks to seconds, through the tempo changes of a piece."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.score import Score

DEFAULT_MICROSECONDS = 500_000
"""What a quarter note lasts until a file names a tempo: 120 to the minute."""


def seconds_at(score: Score, ticks: NDArray[np.integer]) -> NDArray[np.float64]:
    """The time in seconds of each tick. Of several tempi at one tick the last counts."""
    tempos = {0: DEFAULT_MICROSECONDS} | {t.tick: t.microseconds for t in score.tempos}
    starts = np.array(sorted(tempos))
    rates = np.array([tempos[tick] for tick in starts.tolist()]) / (1e6 * score.tpq)
    begun = np.concatenate([[0.0], np.cumsum(np.diff(starts) * rates[:-1])])
    piece = np.clip(np.searchsorted(starts, ticks, side="right") - 1, 0, None)
    return np.asarray(begun[piece] + (ticks - starts[piece]) * rates[piece], np.float64)
