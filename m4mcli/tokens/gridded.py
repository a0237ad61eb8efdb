"""Music on the grid of a scheme's settings, step by step as MidiTok 3.1 prepares it, on whole arrays.

Times are in ticks of the new grid: as many to a quarter note as the finest time signature needs. What falls away or
moves is what falls away or moves there; ids can only be equal if this is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.score import Score, Track
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.times import Times, closest, time_ticks

DEFAULT_BPM = 120
MICROSECONDS = 60_000_000
COMMON = (4, 4)


@dataclass(frozen=True)
class GridPart:
    """A track on the grid: `program` is -1 for drums; arrays of a note each, velocity and length as steps.

    `onset` and `duration` are in ticks; `length` is the place of the duration among the settings' values, -1 where
    durations are not told so. `source` is the number of the (first) track that it comes from.
    """

    program: int
    source: int
    onset: Times
    duration: Times
    pitch: Times
    velocity: Times
    length: Times

    @property
    def end(self) -> Times:
        """Where each note ends, in ticks."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Gridded:
    """A piece on the grid: `tpq` ticks to a quarter note; signatures as (tick, numerator, denominator).

    `tempos` are rows of (tick, step), `keys` of (tick, fifths, minor). Each kind is empty where the settings have no
    tokens for it; but there is always a signature at tick 0. `dropped` counts notes outside the pitches and programs.
    """

    tpq: int
    signatures: tuple[tuple[int, int, int], ...]
    tempos: tuple[tuple[int, int], ...]
    keys: tuple[tuple[int, int, int], ...]
    parts: tuple[GridPart, ...]
    dropped: int

    @property
    def last(self) -> int:
        """The last tick at which something begins."""
        ticks = [int(p.onset[-1]) for p in self.parts]
        ticks += [rows[-1][0] for rows in (self.signatures, self.tempos, self.keys) if rows]
        return max(ticks, default=0)

    def bar_ticks(self, last: int) -> Times:
        """The first tick of each bar that begins at or before `last`."""
        ends = [*(tick for tick, _, _ in self.signatures[1:]), last + 1]
        found = [
            np.arange(tick, end, self.tpq * 4 * n // d) for (tick, n, d), end in zip(self.signatures, ends, strict=True)
        ]
        return np.concatenate(found)


@dataclass(frozen=True)
class Sections:
    """Stretches of one beat length: the tick where each but the last ends, ticks of a beat in each."""

    ends: Times
    beats: Times

    def of(self, ticks: Times) -> Times:
        """The section of each tick."""
        if len(self.beats) == 1:
            return np.zeros(len(ticks), np.int64)
        return np.searchsorted(self.ends, ticks, side="right")


def sections(signatures: Sequence[tuple[int, int, int]], tpq: int) -> Sections:
    """The stretches between changes of the signature's denominator."""
    ends, beats = [], [tpq * 4 // signatures[0][2]]
    for tick, _, denominator in signatures[1:]:
        if tpq * 4 // denominator != beats[-1]:
            ends.append(tick)
            beats.append(tpq * 4 // denominator)
    return Sections(np.array(ends, np.int64), np.array(beats, np.int64))


def gridded(score: Score, settings: Settings, *, binned: bool = True) -> Gridded:
    """The piece on the settings' grid; `binned` says that durations are told as values, not by where notes end."""
    signatures = _known_signatures(score, settings)
    tpq = max(settings.per_beat * max(d for _, _, d in signatures) // 4, 1)
    scale = tpq / score.tpq
    if tpq != score.tpq:
        # These alone are cut off, not rounded, in MidiTok.
        signatures = [(int(tick * scale), n, d) for tick, n, d in signatures]
    signatures = _on_bars(signatures, tpq, settings) if settings.use_time_signatures else signatures
    found = sections(signatures, tpq)
    # One beat longer than its positions: a finer signature was replaced in its own bar, and left its ticks behind.
    uneven = len(found.beats) > 1 or int(found.beats[0]) > settings.per_beat
    grid = _Grid(settings, tpq, scale, found, uneven, binned)
    parts, dropped = grid.parts(score)
    return Gridded(tpq, tuple(signatures), grid.tempos(score), grid.keys(score), tuple(parts), dropped)


def _known_signatures(score: Score, settings: Settings) -> list[tuple[int, int, int]]:
    if not settings.use_time_signatures:
        return [(0, *COMMON)]
    known = set(settings.time_signatures)
    every = [(s.tick, s.numerator, s.denominator) for s in score.time_signatures]
    found = [row for row in every if row[1:] in known]
    return found if found and found[0][0] == 0 else [(0, *COMMON), *found]


def _on_bars(found: list[tuple[int, int, int]], tpq: int, settings: Settings) -> list[tuple[int, int, int]]:
    """Signatures moved on to the next bar line; of several at one bar line the last, and none that changes nothing."""
    placed: list[tuple[int, int, int]] = []
    for tick, n, d in found:
        if placed and placed[-1][1:] == (n, d):
            continue
        if placed:
            before, of, by = placed[-1]
            bar = tpq * 4 // by * of
            tick = before + -(-max(tick - before, 0) // bar) * bar
            if tick == before:
                placed.pop()
                if placed and placed[-1][1:] == (n, d):
                    continue
        placed.append((tick, n, d))
    if placed and settings.unique_signatures and placed[0][1:] == COMMON:
        placed[0] = (0, *COMMON)
    elif not placed or placed[0][0] != 0:
        placed.insert(0, (0, *COMMON))
    return placed


@dataclass(frozen=True)
class _Grid:
    """How times go to the grid: `uneven` where positions are not all of one tick."""

    settings: Settings
    tpq: int
    scale: float
    sections: Sections
    uneven: bool
    binned: bool

    def scaled(self, ticks: NDArray[np.integer]) -> Times:
        """Ticks of the file in ticks of the grid, halves up; nothing is changed where both are the same."""
        return np.asarray(np.floor(ticks * self.scale + 0.5), np.int64)

    def placed(self, ticks: Times) -> Times:
        """Ticks on the positions of their section, where a position is more than one of them."""
        if not self.uneven or not len(ticks):
            return ticks
        # A position is as many ticks as the section's denominator leaves it, at least one.
        step = np.maximum(self.sections.beats // self.settings.per_beat, 1)
        where = self.sections.of(ticks)
        start = np.concatenate([np.zeros(1, np.int64), self.sections.ends])[where]
        return np.asarray(np.round((ticks - start) / step[where]) * step[where] + start, np.int64)

    def parts(self, score: Score) -> tuple[list[GridPart], int]:
        """The tracks that have notes left, those of one instrument merged in a single stream; how many notes fell."""
        settings = self.settings
        dropped = 0
        groups: dict[int, list[tuple[int, Track]]] = {}
        for number, track in enumerate(score.tracks):
            program = DRUM_PROGRAM if track.is_drum else track.program
            groups.setdefault(program if settings.single else number, []).append((number, track))
        known = set(settings.program_list)
        parts = []
        for tracks in groups.values():
            number, first = tracks[0]
            program = DRUM_PROGRAM if first.is_drum else first.program
            count = sum(len(track.notes) for _, track in tracks)
            if settings.programs and program not in known:
                dropped += count
                continue
            part = self.part([track for _, track in tracks], program, number)
            dropped += count - len(part.onset)
            if len(part.onset):
                parts.append(part)
        return parts, dropped

    def part(self, tracks: list[Track], program: int, number: int) -> GridPart:
        """One track, or several merged, on the grid."""
        settings = self.settings
        columns = [self._columns(track) for track in tracks]
        onset, duration, pitch, velocity = columns[0]
        if len(columns) > 1:
            onset, duration, pitch, velocity = (np.concatenate(c) for c in zip(*columns, strict=True))
            order = np.lexsort((velocity, pitch, duration, onset))
            onset, duration, pitch, velocity = (c[order] for c in (onset, duration, pitch, velocity))
        drums = program == DRUM_PROGRAM and settings.drum_pitches is not None
        low, high = settings.drum_pitches if drums and settings.drum_pitches else settings.pitches
        kept = (pitch >= low) & (pitch <= high)
        if not kept.all():
            onset, duration, pitch, velocity = (c[kept] for c in (onset, duration, pitch, velocity))
        if settings.velocities:
            velocity = closest(velocity_steps(settings.velocities), velocity)
        length = np.full(len(onset), -1, np.int64)
        if self.binned or not settings.durations:
            onset = self.placed(onset)
        if self.binned and settings.durations:
            duration, length = self._lengths(onset, duration)
        elif settings.durations and self.uneven:
            onset, duration = self._on_and_off(onset, duration)
        found = (onset, duration, pitch, velocity, length)
        return GridPart(program, number, *(self._unique(found) if settings.unique_notes else found))

    def _columns(self, track: Track) -> tuple[Times, Times, Times, Times]:
        """Onset, duration, pitch and velocity in the order of the track, the times on the grid."""
        onset, duration = track.notes["onset"], track.notes["duration"]
        pitch, velocity = track.notes["pitch"].astype(np.int64), track.notes["velocity"].astype(np.int64)
        if self.scale != 1.0:
            onset, duration = self.scaled(onset), np.maximum(self.scaled(duration), 1)
        return onset, duration, pitch, velocity

    def _lengths(self, onset: Times, duration: Times) -> tuple[Times, Times]:
        """Each duration as the closest value, in ticks and as its place among the values."""
        spans, beats = self.settings.resolution, self.sections.beats
        if len(beats) == 1:
            ticks = time_ticks(spans, int(beats[0]))
            length = closest(ticks, duration)
            return ticks[length], length
        where, length = self.sections.of(onset), np.zeros(len(onset), np.int64)
        rounded = np.zeros(len(onset), np.int64)
        for section, beat in enumerate(beats.tolist()):
            here = where == section
            ticks = time_ticks(spans, beat)
            length[here] = closest(ticks, duration[here])
            rounded[here] = ticks[length[here]]
        return rounded, length

    def _on_and_off(self, onset: Times, duration: Times) -> tuple[Times, Times]:
        start, end = self.placed(onset), self.placed(onset + duration)
        step = np.maximum(self.sections.beats // self.settings.per_beat, 1)[self.sections.of(start)]
        return start, np.where(end <= start, step, end - start)

    def _unique(self, found: tuple[Times, ...]) -> tuple[Times, ...]:
        onset, duration, pitch, velocity, _ = found
        order = np.lexsort((velocity, duration, pitch, onset))
        ordered = [column[order] for column in found]
        again = (np.diff(ordered[0]) == 0) & (np.diff(ordered[2]) == 0)
        kept = np.concatenate([np.ones(min(len(onset), 1), np.bool_), ~again])
        return tuple(column[kept] for column in ordered)

    def tempos(self, score: Score) -> tuple[tuple[int, int], ...]:
        """(tick, step) of the tempi, the last of each tick, one at tick 0."""
        settings = self.settings
        if not settings.tempos:
            return ()
        bpm = tempo_steps(settings)
        default = int(np.argmin(np.abs(bpm - DEFAULT_BPM)))
        ticks = np.array([t.tick for t in score.tempos], np.int64)
        if not len(ticks):
            return ((0, default),)
        microseconds = np.array([t.microseconds for t in score.tempos], np.int64)
        # The closest is sought among lengths of a quarter note, as there.
        step = len(bpm) - 1 - closest((MICROSECONDS / bpm)[::-1], microseconds)
        ticks = self.placed(ticks if self.scale == 1.0 else self.scaled(ticks))
        rows = list({tick: (tick, s) for tick, s in zip(ticks.tolist(), step.tolist(), strict=True)}.values())
        if settings.unique_tempos:
            rows = [row for i, row in enumerate(rows) if i == 0 or row[1] != rows[i - 1][1]]
        if settings.unique_tempos and MICROSECONDS / int(MICROSECONDS / bpm[rows[0][1]]) == bpm[default]:
            rows[0] = (0, rows[0][1])
        elif rows[0][0] != 0:
            rows.insert(0, (0, default))
        return tuple(rows)

    def keys(self, score: Score) -> tuple[tuple[int, int, int], ...]:
        """(tick, fifths, minor) of the key signatures, the last of each tick, one at tick 0."""
        if not self.settings.key_signatures:
            return ()
        found = sorted(score.key_signatures, key=lambda key: key.tick)
        ticks = np.array([key.tick for key in found], np.int64)
        ticks = self.placed(ticks if self.scale == 1.0 else self.scaled(ticks))
        rows = {tick: (tick, key.fifths, int(key.minor)) for tick, key in zip(ticks.tolist(), found, strict=True)}
        return tuple(rows.values()) if 0 in rows else ((0, 0, 0), *rows.values())


def velocity_steps(count: int) -> Times:
    """The velocities that tokens tell, evenly spread up to 127."""
    return np.linspace(0, 127, count + 1, dtype=np.intc)[1:].astype(np.int64)


def tempo_steps(settings: Settings) -> NDArray[np.float64]:
    """The tempi that tokens tell, in quarter notes a minute."""
    spread = np.geomspace if settings.log_tempos else np.linspace
    return np.asarray(spread(*settings.tempo_range, settings.tempos).round(2), np.float64)
