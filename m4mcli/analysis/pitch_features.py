"""What sounds in each unit of a bar, by pitch class: the pictures that chords are read from.

A unit is a part of a beat, an eighth note in common metres. Every picture is a vector over the 12 pitch classes;
transposing the music rotates it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import BeatGrid
from m4mcli.score.metre import COMPOUND
from m4mcli.score.score import Score

Array = NDArray[np.float32]

AUDIBLE = 0.25
"""The share of a unit that a note must fill to be its bass or its top."""

NOTHING = 128
"""The lowest pitch of silence."""

NEIGHBOURS = (-2, -1, 0, 1, 2)
NOW = 2
"""The place of the picture of the unit itself."""

AHEAD, AROUND = (4, 8), 32
"""Units of the means that look ahead and back, and to each side."""

DOWNBEAT, MIDDLE, BEAT, HALF, PART = range(5)
"""Places in the bar: its first beat, the beat in the middle of an even bar, any other beat, the second half of a beat,
any other part of one."""

PLACES = 5
PICTURES = 34
SCALARS = PLACES + 4


@dataclass(frozen=True)
class Units:
    """The units of a piece: `ticks` (n + 1,) where they begin and the last ends, and for each the number of its `beat`
    and `bar` and its `place` in the bar (n,)."""

    ticks: NDArray[np.int64]
    beat: NDArray[np.int64]
    bar: NDArray[np.int64]
    place: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.place)

    @cached_property
    def half(self) -> NDArray[np.int64]:
        """The number of each unit's half bar (n,); a bar of an odd number of beats has one."""
        return np.cumsum((self.place == DOWNBEAT) | (self.place == MIDDLE))


def units_of(grid: BeatGrid, end: int) -> Units:
    """The beats of a piece that ends at tick `end`, cut into units: 3 in compound metres, 4 in halves, else 2, or 1
    where the beat is an eighth or shorter."""
    beats = grid.beat_ticks
    if not len(beats):
        nothing = np.zeros(0, np.int64)
        return Units(np.zeros(1, np.int64), nothing, nothing, nothing)
    starts = np.array([s.tick for s in grid.signatures])
    cuts = np.array([_parts(s.numerator, s.denominator) for s in grid.signatures])
    parts = cuts[np.clip(np.searchsorted(starts, beats, side="right") - 1, 0, None)]
    edges = np.append(beats, max(end, int(beats[-1]) + 1))
    beat = np.repeat(np.arange(len(beats)), parts)
    part = np.arange(len(beat)) - np.repeat(np.cumsum(parts) - parts, parts)
    ticks = edges[beat] + np.diff(edges)[beat] * part // parts[beat]
    bar = np.cumsum(grid.downbeat) - int(grid.downbeat[0])
    bar_first = np.searchsorted(bar, np.arange(bar[-1] + 1))
    count = np.diff(np.append(bar_first, len(beats)))[bar]
    index = np.arange(len(beats)) - bar_first[bar]
    place = np.where(
        index == 0, DOWNBEAT, np.where((count % 2 == 0) & (2 * index == count) & (count > 2), MIDDLE, BEAT)
    )
    within = np.where(2 * part == parts[beat], HALF, PART)
    return Units(np.append(ticks, edges[-1]), beat, bar[beat], np.where(part == 0, place[beat], within))


def _parts(numerator: int, denominator: int) -> int:
    if denominator >= 8:
        return 3 if numerator in COMPOUND else 1
    return 2 if denominator == 4 else 4


def pitch_roll(score: Score, ticks: NDArray[np.int64]) -> Array:
    """The share of each unit that each pitch fills: (n, 128), at most 1. Drums do not count."""
    n = len(ticks) - 1
    steps = np.zeros((n + 2, 128), np.float32)
    for track in score.tracks:
        notes = track.notes
        if track.is_drum or not len(notes) or not n:
            continue
        places = np.arange(n + 1, dtype=np.float64)
        start = np.interp(notes["onset"], ticks, places)
        stop = np.interp(notes["onset"] + notes["duration"], ticks, places)
        # A note that begins at a of the unit i fills 1 - a of it: a step of 1 - a there, of a at the next one.
        for edge, sign in ((start, 1), (stop, -1)):
            whole = np.floor(edge).astype(np.int64)
            rest = edge - whole
            np.add.at(steps, (whole, notes["pitch"]), sign * (1 - rest))
            np.add.at(steps, (whole + 1, notes["pitch"]), sign * rest)
    roll: Array = np.clip(np.cumsum(steps, axis=0, dtype=np.float64)[:n], 0, 1).astype(np.float32)
    roll[roll < 1e-4] = 0
    return roll


def onset_roll(score: Score, ticks: NDArray[np.int64]) -> Array:
    """Which pitch classes begin in each unit: (n, 12) of 0 and 1. Drums do not count."""
    n = len(ticks) - 1
    begun = np.zeros((n, 12), np.float32)
    for track in score.tracks:
        if not track.is_drum and n:
            unit = np.clip(np.searchsorted(ticks, track.notes["onset"], side="right") - 1, 0, n - 1)
            begun[unit, track.notes["pitch"] % 12] = 1
    return begun


def folded(roll: Array) -> Array:
    """A roll over pitches (n, 128) as one over pitch classes (n, 12): the fullest octave of each."""
    padded = np.zeros((len(roll), 132), np.float32)
    padded[:, :128] = roll
    return np.asarray(padded.reshape(-1, 11, 12).max(axis=1), np.float32)


def _one_hot(pitch: NDArray[np.int64], audible: NDArray[np.bool_]) -> Array:
    classes = np.zeros((len(pitch), 12), np.float32)
    classes[np.flatnonzero(audible), pitch[audible] % 12] = 1
    return classes


def _group_mean(sums: Array, group: NDArray[np.int64], shift: int = 0) -> Array:
    """The mean over each unit's group (beat, bar; `group` rises), or over the group `shift` places on."""
    numbers, first = np.unique(group, return_index=True)
    edges = np.append(first, len(group))
    means = (sums[edges[1:]] - sums[edges[:-1]]) / np.diff(edges)[:, None]
    wanted = np.searchsorted(numbers, group) + shift
    inside = (wanted >= 0) & (wanted < len(numbers))
    return np.asarray(np.where(inside[:, None], means[np.clip(wanted, 0, len(numbers) - 1)], 0), np.float32)


def _group_lowest(lowest: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    numbers, first = np.unique(group, return_index=True)
    return np.asarray(np.minimum.reduceat(lowest, first)[np.searchsorted(numbers, group)])


def _mean(sums: Array, start: int, stop: int) -> Array:
    """The mean over the units t + start to t + stop of each t, as far as there are any."""
    n = len(sums) - 1
    t = np.arange(n)
    a, b = np.clip(t + start, 0, n), np.clip(t + stop, 0, n)
    return np.asarray((sums[b] - sums[a]) / np.maximum(b - a, 1)[:, None], np.float32)


def _moved(rows: Array, by: int) -> Array:
    moved = np.zeros_like(rows)
    n = len(rows)
    if abs(by) < n:
        moved[max(0, -by) : n - max(0, by)] = rows[max(0, by) : n - max(0, -by)]
    return moved


def _sums(rows: Array) -> Array:
    return np.concatenate((np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)))


def pictures(score: Score, units: Units) -> tuple[Array, Array]:
    """The pictures of each unit (n, PICTURES, 12), and what does not turn with the key (n, SCALARS).

    Pictures: the pitch classes in the unit (NOW) and its neighbours, their means in its beat, half bar and bar, those
    before and after, in some units ahead and back, far around, and in the whole piece; those of the piece's lower half
    of notes; the bass, and the lowest note of the beat, the half bar and the bar; the top; what begins. Scalars: the
    place in the bar, how many notes sound, here and in the piece, how much of the bar is silent, whether the unit is.
    """
    n = len(units)
    if not n:
        return np.zeros((0, PICTURES, 12), np.float32), np.zeros((0, SCALARS), np.float32)
    roll = pitch_roll(score, units.ticks)
    heard = np.asarray(roll >= AUDIBLE)
    some = np.asarray(heard.any(axis=1))
    made = [*_classes(folded(roll), units), *_lower_half(roll, units), *_basses(heard, some, units)]
    top = _one_hot(127 - heard[:, ::-1].argmax(axis=1), some)
    made += [top, _group_mean(_sums(top), units.half), onset_roll(score, units.ticks)]
    voices = np.asarray(np.minimum(roll.sum(axis=1), 12) / 4)
    silent = (~some).astype(np.float32)
    plain = (voices, np.full(n, voices.mean()), _group_mean(_sums(silent[:, None]), units.bar)[:, 0], silent)
    place = np.eye(PLACES, dtype=np.float32)[units.place]
    return np.stack(made, axis=1), np.column_stack((place, *plain)).astype(np.float32)


def _classes(chroma: Array, units: Units) -> list[Array]:
    sums = _sums(chroma)
    whole = chroma.sum(axis=0) / max(float(chroma.sum()), 1e-9) * 3
    return [
        *(_moved(chroma, by) for by in NEIGHBOURS),
        *(_group_mean(sums, group) for group in (units.beat, units.half, units.bar)),
        *(_group_mean(sums, group, shift) for group in (units.half, units.bar) for shift in (-1, 1)),
        _group_mean(sums, units.beat, 1),
        *(_mean(sums, *span) for ahead in AHEAD for span in ((0, ahead), (-ahead, 0))),
        _mean(sums, -AROUND, AROUND),
        np.broadcast_to(whole, chroma.shape),
    ]


def _lower_half(roll: Array, units: Units) -> list[Array]:
    total = np.cumsum(roll.sum(axis=0, dtype=np.float64))
    middle = int(np.searchsorted(total, total[-1] / 2))
    low = folded(np.where(np.arange(128) < middle, roll, 0))
    sums = _sums(low)
    return [low, _group_mean(sums, units.half), _group_mean(sums, units.bar)]


def _basses(heard: NDArray[np.bool_], some: NDArray[np.bool_], units: Units) -> list[Array]:
    lowest = np.where(some, heard.argmax(axis=1), NOTHING)
    bass = _one_hot(lowest, some)
    sums = _sums(bass)
    groups = (units.beat, units.half, units.bar)
    deepest = [_group_lowest(lowest, group) for group in groups]
    return [
        *(_moved(bass, by) for by in (-1, 0, 1)),
        *(_group_mean(sums, group) for group in groups),
        *(_one_hot(pitch, pitch < NOTHING) for pitch in deepest),
    ]
