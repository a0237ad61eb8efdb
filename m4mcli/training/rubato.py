"""Performances made from scores: rubato, late and early fingers, dynamics. For training beat trackers on more music.

Real performances get a little more of the first, so that no two of a piece are the same. The tempo of each beat
wanders (first-order autoregression), slows down to some phrase ends, and is not the same from piece to piece; onsets,
chords and lengths are uneven. Where a score has one velocity only, the performance has a dynamic curve, a louder top
voice and slight accents.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import grid_of
from m4mcli.score.clock import seconds_at
from m4mcli.score.score import Score

Array = NDArray[np.float64]

FEWEST_BEATS = 24
STEADINESS = 0.8
RATES = (1.7, 9.0)
"""Onsets a second: a score played slower or faster than this is brought there, whatever tempo it names."""

RUBATO, RUBATO_CHANCES = (0.0, 0.03, 0.06, 0.12), (0.15, 0.25, 0.3, 0.3)
"""How much the tempo of a made performance wanders, and how often."""

WARPS = (0.0, 0.0, 0.02, 0.05)
"""How much more that of a real one does."""

FAR_S = 1000.0


@dataclass(frozen=True)
class Performance:
    """Notes in seconds, in order of their beginnings, (n,) each; and beats (m,) with the downbeats among them."""

    begin: Array
    duration: Array
    pitch: Array
    velocity: Array
    beats: Array
    downbeat: NDArray[np.bool_]

    def stretched(self, factor: float) -> "Performance":
        """The same, `factor` times as long."""
        times = (self.begin * factor, self.duration * factor)
        return Performance(*times, self.pitch, self.velocity, self.beats * factor, self.downbeat)


def notes_in_seconds(score: Score) -> tuple[Array, Array, Array, Array]:
    """Beginnings and durations in seconds, pitches and velocities of all notes, in order of their beginnings."""
    notes = np.concatenate([track.notes for track in score.tracks])
    begin = seconds_at(score, notes["onset"])
    duration = seconds_at(score, notes["onset"] + notes["duration"]) - begin
    order = np.argsort(begin, kind="stable")
    columns = (begin, duration, notes["pitch"].astype(np.float64), notes["velocity"].astype(np.float64))
    begin, duration, pitch, velocity = (column[order] for column in columns)
    return begin, duration, pitch, velocity


def written(score: Score) -> Performance | None:
    """A score as it stands, on its own grid; None where it has too few beats."""
    grid = grid_of(score)
    beats = seconds_at(score, grid.beat_ticks)
    if len(beats) < FEWEST_BEATS or np.diff(beats).min() <= 0:
        return None
    return Performance(*notes_in_seconds(score), beats, grid.downbeat)


def rewarped(music: Performance, rng: np.random.Generator) -> Performance:
    """A real performance (two beats at least) whose tempo wanders a little more than it does."""
    return _with_tempo(music, _tempo_curve(len(music.beats) - 1, rng.choice(WARPS), rng))


def performed(music: Performance, rng: np.random.Generator) -> Performance:
    """A performance of a written piece with two beats at least."""
    onsets, group = np.unique(music.begin, return_inverse=True)
    on_beat = np.isin(onsets, music.beats)
    played = _with_tempo(music, _tempo_curve(len(music.beats) - 1, rng.choice(RUBATO, p=RUBATO_CHANCES), rng))
    rate = len(onsets) / max(1.0, float(np.ptp(played.begin)))
    played = played.stretched(float(np.exp(rng.normal(0, 0.15)) * (rate / np.clip(rate, *RATES))))
    duration = played.duration * rng.uniform(0.5, 1.05) * np.exp(rng.normal(0, 0.15, len(group)))
    uneven = rng.normal(0, rng.uniform(0, 0.018), len(onsets))[group]
    start = played.begin + uneven + rng.normal(0, rng.uniform(0, 0.012), len(group))
    steady = music.velocity.std() < 3
    velocity = _dynamics(music.pitch, group, on_beat, rng) if steady else music.velocity
    lead = 0.1 - start.min()
    order = np.argsort(start, kind="stable")
    return Performance(
        (start + lead)[order],
        np.maximum(duration, 0.02)[order],
        music.pitch[order],
        velocity[order],
        played.beats + lead,
        music.downbeat,
    )


def _with_tempo(music: Performance, curve: Array) -> Performance:
    """The same where each interval between beats is exp(curve) times as long, (beats - 1,), and beyond them all the
    nearest is."""
    intervals = np.diff(music.beats)
    played = np.concatenate(([0.0], np.cumsum(intervals * np.exp(curve))))
    outside = np.exp(curve[[0, -1]]) * FAR_S
    knots = np.concatenate(([music.beats[0] - FAR_S], music.beats, [music.beats[-1] + FAR_S]))
    moved = np.concatenate(([-outside[0]], played, [played[-1] + outside[1]]))
    begin = np.interp(music.begin, knots, moved)
    duration = np.interp(music.begin + music.duration, knots, moved) - begin
    return replace(music, begin=begin, duration=duration, beats=played)


def _tempo_curve(beats: int, amount: float, rng: np.random.Generator) -> Array:
    """The logarithm of how much longer than written each beat is; `amount` is about its standard deviation."""
    steps = rng.normal(0, 1.4 * amount * np.sqrt(1 - STEADINESS**2), beats)
    curve = np.zeros(beats)
    for i in range(1, beats):
        curve[i] = STEADINESS * curve[i - 1] + steps[i]
    for end in rng.choice(beats, max(1, beats // 24)):
        start = max(0, int(end) + 1 - int(rng.integers(1, 5)))
        depth = min(0.8, rng.uniform(0.1, 0.6) * amount / 0.08)
        curve[start : end + 1] += np.linspace(0, depth, end + 2 - start)[1:]
    return np.asarray(curve + rng.normal(0, 0.4 * amount, beats))


def _dynamics(pitch: Array, group: NDArray[np.int64], on_beat: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    top = np.zeros(len(on_beat))
    np.maximum.at(top, group, pitch)
    curve = np.cumsum(rng.normal(0, 1.5, len(on_beat)))
    level = np.clip(curve - curve.mean(), -25, 25) + on_beat * rng.uniform(0, 6)
    velocity = 64 + level[group] + 8 * (pitch == top[group]) + rng.normal(0, rng.uniform(3, 9), len(pitch))
    return np.asarray(np.clip(np.rint(velocity), 1, 127))
