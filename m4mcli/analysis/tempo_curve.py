"""The beats of a performance from what its onsets may be: the likeliest path through beats and their distances.

A dynamic programme over time steps of 20 ms whose states are the distance to the next beat (a hidden semi-Markov
model, as the bar pointer of Whiteley, Cemgil and Godsill 2006 with jumps of tempo at beats only). A beat gains the log
odds of an onset near it, costs something where there is none, and a change of distance costs in proportion to its
logarithm, up to a limit: rubato is gradual, a new tempo is sudden.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_network import INTERVALS_S, Opinion

Array = NDArray[np.float64]

STEPS_PER_SECOND = 50
INTERVALS = np.unique(np.rint(np.geomspace(8, 160, 64)).astype(np.int64))
"""Distances between beats in time steps: 160 ms to 3.2 s."""

BEAT_GAIN = 2.0
"""What a beat on an onset gains beyond its log odds: where the network is not sure of any, there are beats all the
same."""

CHANGE_COST, JUMP_COST = 12.0, 9.0
"""Nats for a distance e times as long or short as the one before, and for any other distance."""

NO_ONSET_COST = 2.5
REACH, OFF_COST = 2, 0.15
"""A beat is on an onset at most REACH time steps away, and costs this for each."""

INTERVAL_WEIGHT = 1.0
"""What a second of the network's opinion on distances counts."""

LEAST_LOG_CHANCE, MOST_LOG_ODDS = -6.0, 9.0
SNAP_S = 0.05
MARGIN_S = 0.1


@dataclass(frozen=True)
class TrackedBeats:
    """Beats in rising order: `seconds` (m,), and `onset` (m,), the index of the onset that each is on, or -1."""

    seconds: Array
    onset: NDArray[np.int64]


def likeliest_beats(seconds: Array, held: Opinion) -> TrackedBeats:
    """The beats of a piece from its onsets (n,) in seconds, n >= 1, and what the network holds of them.

    They begin near the first onset and end near the last.
    """
    start = seconds[0] - MARGIN_S
    steps = np.rint((seconds - start) * STEPS_PER_SECOND).astype(np.int64)
    gain = _gains(steps, held)
    frames = _path(gain, steps, _interval_gains(held))
    beats = start + frames / STEPS_PER_SECOND
    after = np.clip(np.searchsorted(seconds, beats), 0, len(seconds) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(seconds[before] - beats) < np.abs(seconds[after] - beats), before, after)
    heard = np.abs(seconds[nearest] - beats) < SNAP_S
    placed = np.where(heard, seconds[nearest], beats)
    kept = np.concatenate(([True], np.diff(placed) > 0))
    return TrackedBeats(placed[kept], np.where(heard, nearest, -1)[kept])


def _gains(steps: NDArray[np.int64], held: Opinion) -> Array:
    """What a beat gains at each time step, up to a little after the last onset."""
    gain = np.full(steps[-1] + 1 + round(MARGIN_S * STEPS_PER_SECOND), -NO_ONSET_COST)
    odds = np.minimum(held.beat.astype(np.float64) + BEAT_GAIN, MOST_LOG_ODDS)
    for off in range(-REACH, REACH + 1):
        np.maximum.at(gain, np.clip(steps + off, 0, len(gain) - 1), odds - OFF_COST * abs(off))
    return gain


def _interval_gains(held: Opinion) -> Array:
    """What each of INTERVALS gains in a time step around each onset, (n, intervals)."""
    place = np.interp(np.log(INTERVALS / STEPS_PER_SECOND), np.log(INTERVALS_S), np.arange(len(INTERVALS_S)))
    lower = np.minimum(place.astype(np.int64), len(INTERVALS_S) - 2)
    share = place - lower
    chance = held.interval[:, lower] * (1 - share) + held.interval[:, lower + 1] * share
    return np.asarray(np.maximum(chance, LEAST_LOG_CHANCE) * (INTERVAL_WEIGHT / STEPS_PER_SECOND), np.float64)


def _path(gain: Array, steps: NDArray[np.int64], interval_gain: Array) -> NDArray[np.int64]:
    """The time steps of the beats on the best path; the first and the last are less than a beat from the ends."""
    length, count, longest = len(gain), len(INTERVALS), int(INTERVALS[-1])
    ratio = np.log(INTERVALS[:, None] / INTERVALS[None, :])
    change = np.maximum(-CHANGE_COST * np.abs(ratio), -JUMP_COST)
    which = np.arange(count)
    current = np.clip(np.searchsorted(steps, np.arange(length), side="right") - 1, 0, len(steps) - 1)
    # A ring of the last `longest` steps: what a beat there, with each distance to the next, is worth; counted
    # without the interval gains up to it, so that those of a whole distance are one difference of sums.
    ring = np.zeros((longest, count))
    arrived = np.full((longest, count), -np.inf)
    chosen = np.zeros((length, count), np.int8)
    so_far = np.zeros(count)
    for now in range(length):
        worth = ring[(now - INTERVALS) % longest, which] + so_far + gain[now]
        options = change + worth
        best = options.argmax(axis=1)
        chosen[now] = best
        arrived[now % longest] = worth - so_far
        ring[now % longest] = options[which, best] - so_far
        so_far = so_far + interval_gain[current[now]]
    last = np.arange(max(0, length - longest), length)
    final = np.where(last[:, None] + INTERVALS >= length, arrived[last % longest] + so_far, -np.inf)
    row, k = np.unravel_index(final.argmax(), final.shape)
    at, distance = int(last[row]), int(k)
    found = []
    while at >= 0:
        found.append(at)
        at -= int(INTERVALS[distance])
        if at >= 0:
            distance = int(chosen[at, distance])
    return np.array(found[::-1], np.int64)
