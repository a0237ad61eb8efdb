"""Windows of melodies for autoencoders: so many 16ths from a bar line on, all of it in 4/4."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.melody_events import BAR, HOLD, OFF, bar_starts, melody_events, padded
from m4mcli.score.score import Score

FEWEST = 2
"""Notes that each bar of a window has on average, at least."""

Windows = NDArray[np.int16]


def melody_windows(score: Score, length: int, hop: int = BAR) -> Windows:
    """The windows of a melody (n, length), one every `hop` events where a bar of 4/4 begins.

    Those with fewer than FEWEST notes a bar are left out, and those in which a whole bar is silent.
    """
    events = melody_events(score)
    starts = [s for s in bar_starts(score, length) if s + length < len(events) + BAR]
    events = padded(events, length + BAR)
    rests = silent(events)
    found, following = [], 0
    for start in starts:
        window = events[start : start + length]
        if start < following or len(window) < length or (window < OFF).sum() < FEWEST * length // BAR:
            continue
        if not rests[start : start + length].reshape(-1, BAR).all(axis=1).any():
            found.append(window)
            following = start + hop
    return np.array(found, np.int16).reshape(-1, length)


def silent(events: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where nothing sounds (n,)."""
    told = np.where(events == HOLD, -1, np.arange(len(events)))
    last = np.maximum.accumulate(told)
    found: NDArray[np.bool_] = (last < 0) | (events[np.maximum(last, 0)] == OFF)
    return found
