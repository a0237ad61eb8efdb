"""Lengths of time as tokens: the values that a resolution gives, the closest to a length, and sums of several.

A value is (beats, positions, positions to a beat), as in MidiTok: 1.2.8 is a beat and two eighths of one.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from m4mcli.tokens.settings import Spans

Times = NDArray[np.int64]


@lru_cache(maxsize=64)
def time_values(spans: Spans) -> tuple[tuple[int, int, int], ...]:
    """All values of a resolution but 0, the longest last."""
    values = [(beat, place, n) for first, last, n in spans for beat in range(first, last) for place in range(n)]
    _, last, per_beat = max(spans)
    return (*values[1:], (last, 0, per_beat))


def labels(spans: Spans) -> tuple[str, ...]:
    """The values as they are written: `1.2.8`."""
    return tuple(".".join(map(str, value)) for value in time_values(spans))


@lru_cache(maxsize=256)
def time_ticks(spans: Spans, beat: int) -> Times:
    """The values in ticks, where a beat has `beat` ticks."""
    ticks = np.array([(beats * n + place) * beat // n for beats, place, n in time_values(spans)], np.int64)
    ticks.flags.writeable = False
    return ticks


def closest(steps: NDArray[np.number], values: NDArray[np.number]) -> Times:
    """For each value the place of the closest step, of two as close the higher one; `steps` are sorted."""
    places = np.searchsorted(steps, values)
    below = steps[np.maximum(places - 1, 0)]
    above = steps[np.minimum(places, len(steps) - 1)]
    lower = (places == len(steps)) | (np.abs(values - below) < np.abs(values - above))
    return np.asarray(places - lower, np.int64)


def summed(spans: Spans, beat: int, lengths: Times) -> tuple[Times, Times, Times]:
    """Lengths in ticks as sums of values, each the longest that fits: (place in `lengths`, value, ticks before it).

    Ordered by length and place in its sum. What is shorter than the shortest value is left over.
    """
    ticks = time_ticks(spans, beat)
    found: list[tuple[Times, Times, Times]] = []
    rest, done, open_ = lengths.copy(), np.zeros_like(lengths), np.flatnonzero(lengths >= ticks[0])
    while len(open_):
        value = np.searchsorted(ticks, rest[open_], side="right") - 1
        found.append((open_, value, done[open_]))
        done[open_] += ticks[value]
        rest[open_] -= ticks[value]
        open_ = open_[rest[open_] >= ticks[0]]
    if not found:
        return lengths[:0], lengths[:0], lengths[:0]
    if len(found) == 1:
        return found[0]
    place, value, before = (np.concatenate(columns) for columns in zip(*found, strict=True))
    order = np.argsort(place, kind="stable")
    return place[order], value[order], before[order]
