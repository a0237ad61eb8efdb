"""What the notes say about beats: every group of notes that begin together, described by numbers.

A group stands out as a beat by what it is (many notes, loud, long, low) and by what is around it (the times to its
neighbours, how long its bass note stays the lowest, whether the harmony is new, whether something begins as far before
as after). Times are seconds; transposing the
music by some semitones changes the answers little, and only through the register.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.clock import seconds_at
from m4mcli.score.score import Score

Array = NDArray[np.float64]

TOGETHER_S = 0.035
"""Notes that begin within this time of the first of them are one group: a chord as fingers play it."""

NEIGHBOURS = (1, 2, 3)
CONTEXT = 16
"""Groups on either side that a group is compared with."""

LONGEST_REIGN_S = 3.0
WINDOWS_S = (0.5, 1.0, 2.0)
"""Before and after an onset, for what is new in the harmony."""

LAGS_S = np.geomspace(0.12, 3.6, 20)
"""Times before and after an onset at which is looked for others."""

LAG_SLACK, LAG_SLACK_S = 0.06, 0.012
"""How far others may be from there: this share of the lag, and this time."""

SHORTEST_S, LONGEST_S = 0.02, 4.0
PLAIN_FEATURES = 40
FEATURES = PLAIN_FEATURES + 2 * 3 * len(LAGS_S)
"""The plain features come first; the rest are what is heard at each of LAGS_S."""


@dataclass(frozen=True)
class Onsets:
    """Groups of notes that begin together, in rising order: `seconds` (n,), `features` (n, FEATURES), and how much of
    each pitch class begins (n, 12)."""

    seconds: Array
    features: NDArray[np.float32]
    classes: Array


def onsets_of(score: Score, stretch: float = 1.0) -> Onsets:
    """The onsets of all notes of a piece, drums included, as if it took `stretch` times as long; grouped as it is."""
    sounding = [track.notes for track in score.tracks if len(track.notes)]
    if not sounding:
        return Onsets(np.zeros(0), np.zeros((0, FEATURES), np.float32), np.zeros((0, 12)))
    notes = np.concatenate(sounding)
    begin = seconds_at(score, notes["onset"])
    end = seconds_at(score, notes["onset"] + notes["duration"])
    order = np.argsort(begin, kind="stable")
    pitch, velocity = notes["pitch"].astype(np.float64), notes["velocity"].astype(np.float64)
    return describe(begin[order], (end - begin)[order], pitch[order], velocity[order], stretch)


def describe(begin: Array, duration: Array, pitch: Array, velocity: Array, stretch: float = 1.0) -> Onsets:
    """The onsets of notes (n,) in order of their beginnings, in seconds, MIDI pitches and velocities; `stretch` as in
    `onsets_of`."""
    starts = _group_starts(begin)
    begin, duration = begin * stretch, duration * stretch
    counts = np.diff(np.append(starts, len(begin)))
    group = np.repeat(np.arange(len(starts)), counts)
    seconds = np.add.reduceat(begin, starts) / counts
    by_pitch = np.lexsort((pitch, group))
    low, high = by_pitch[starts], by_pitch[starts + counts - 1]
    lengths = (np.maximum.reduceat(duration, starts), duration[low], duration[high])
    loudness = (
        np.maximum.reduceat(velocity, starts),
        np.add.reduceat(velocity, starts) / counts,
        velocity[low],
        velocity[high],
    )
    size = np.log(counts)
    columns = [*_distances(seconds), size, _against_context(size)]
    columns += [_against_context(v) / 16 for v in loudness]
    columns += _register(pitch[low], pitch[high])
    for length in map(_log_seconds, lengths):
        columns += [length, _against_context(length)]
    back, ahead = _reigns(pitch[low], seconds)
    columns += [(pitch[low] < 48).astype(np.float64), np.log(back + 0.05), np.log(ahead + 0.05)]
    classes = np.zeros((len(seconds), 12))
    np.add.at(classes, (group, pitch.astype(np.int64) % 12), np.log1p(np.clip(duration, 0, 2) / 0.1))
    columns += _novelty(seconds, classes)
    columns.append(np.log(1 + _first(seconds, seconds + 1) - _first(seconds, seconds - 1)) - 2)
    for weight in (np.log1p(counts), np.log1p(5 * ahead), np.log1p(5 * lengths[0])):
        columns += _echoes(seconds, weight)
    return Onsets(seconds, np.stack(columns, axis=1).astype(np.float32), classes)


def _group_starts(begin: Array) -> NDArray[np.int64]:
    starts = [0]
    first = float(begin[0])
    for i, second in enumerate(begin.tolist()):
        if second - first > TOGETHER_S:
            starts.append(i)
            first = second
    return np.array(starts, np.int64)


def _first(seconds: Array, of: Array) -> NDArray[np.int64]:
    return np.searchsorted(seconds, of)


def _log_seconds(seconds: Array) -> Array:
    return np.asarray(np.log(np.clip(seconds, SHORTEST_S, LONGEST_S)) + 1.5)


def _against_context(values: Array) -> Array:
    """Each value less the mean of those around it."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    at = np.arange(len(values))
    start, stop = np.maximum(at - CONTEXT, 0), np.minimum(at + CONTEXT + 1, len(values))
    return np.asarray(values - (sums[stop] - sums[start]) / (stop - start))


def _distances(seconds: Array) -> list[Array]:
    """Times to the groups before and after, the mean of one, two and three steps; the nearest ones linear too."""
    columns, n = [], len(seconds)
    for k in NEIGHBOURS:
        before, after = np.full(n, 2.0 * k), np.full(n, 2.0 * k)
        before[k:] = after[:-k] = seconds[k:] - seconds[:-k]
        columns += [_log_seconds(before / k), _log_seconds(after / k)]
    gaps = np.concatenate(([2.0], np.diff(seconds), [2.0]))
    return [*columns, np.clip(gaps[:-1], 0, 2), np.clip(gaps[1:], 0, 2)]


def _register(low: Array, high: Array) -> list[Array]:
    """Lowest and highest pitch, against their contexts, and against one and two groups before and after."""
    columns = [(low - 55) / 12, (high - 70) / 12, _against_context(low) / 12, _against_context(high) / 12]
    for k in NEIGHBOURS[:2]:
        for line in (low, high):
            rise, fall = np.zeros(len(line)), np.zeros(len(line))
            rise[k:] = line[k:] - line[:-k]
            fall[:-k] = line[:-k] - line[k:]
            columns += [np.clip(rise / 12, -2, 2), np.clip(fall / 12, -2, 2)]
    return columns


def _reigns(low: Array, seconds: Array) -> tuple[Array, Array]:
    """How long before and after each group nothing as low begins, in seconds."""
    back = _since_as_low(low.tolist(), seconds.tolist())
    return back, _since_as_low(low.tolist()[::-1], (-seconds).tolist()[::-1])[::-1]


def _since_as_low(low: list[float], seconds: list[float]) -> Array:
    since = np.full(len(low), LONGEST_REIGN_S)
    lower: list[int] = []
    for i, pitch in enumerate(low):
        while lower and low[lower[-1]] > pitch:
            lower.pop()
        if lower:
            since[i] = min(LONGEST_REIGN_S, seconds[i] - seconds[lower[-1]])
        lower.append(i)
    return since


def _novelty(seconds: Array, classes: Array) -> list[Array]:
    """How unlike the pitch classes after an onset are to those before it, and the share of its own that are new."""
    sums = np.concatenate((np.zeros((1, 12)), np.cumsum(classes, axis=0)))
    now = sums[np.arange(len(seconds))]
    columns = []
    for window in WINDOWS_S:
        before = now - sums[_first(seconds, seconds - window)]
        after = sums[_first(seconds, seconds + window)] - now
        norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        columns.append(1 - (before * after).sum(axis=1) / (norms + 1e-6))
    before = now - sums[_first(seconds, seconds - 1.0)]
    fresh = ((classes > 0) & (before < 1e-9)).sum(axis=1)
    return [*columns, fresh / np.maximum(1, (classes > 0).sum(axis=1))]


def _echoes(seconds: Array, weight: Array) -> list[Array]:
    """The weight of what begins at each of LAGS_S before each onset, and after it: a picture of what recurs."""
    sums = np.concatenate(([0.0], np.cumsum(weight)))
    columns = []
    for lag in LAGS_S:
        slack = LAG_SLACK * lag + LAG_SLACK_S
        for place in (seconds - lag, seconds + lag):
            found = sums[_first(seconds, place + slack)] - sums[_first(seconds, place - slack)]
            columns.append(np.log1p(found))
    return columns
