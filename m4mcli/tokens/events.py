"""Music on the grid as rows of ids, in MidiTok's order: what `remi`, `tsd` and `midilike` have in common.

A row is what stands together: a note, a chord, a tempo, a signature. Rows at one time come in the order of signatures,
tempi, keys, and then track by track chords and notes. Each scheme puts its own marks of time between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.tokens.chords import chords_of
from m4mcli.tokens.gridded import Gridded, GridPart
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.times import Times, summed, time_ticks
from m4mcli.tokens.vocabulary import Vocabulary

NONE = -1
NO_PROGRAM = -2
WIDTH = 4

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Rows by time: ids (n, WIDTH) with NONE where a row has fewer, and for each row the end of what it begins.

    `program` is NO_PROGRAM for what belongs to no instrument. `signature` marks time signatures. `group` numbers the
    different times, from 0.
    """

    time: Times
    ids: Ids
    end: Times
    program: Times
    signature: NDArray[np.bool_]

    @property
    def first(self) -> NDArray[np.bool_]:
        """Which rows are the first of their time."""
        return np.concatenate([np.ones(min(len(self.time), 1), np.bool_), np.diff(self.time) != 0])


@dataclass(frozen=True)
class Writer:
    """Rows of one scheme: `on` and `drum_on` name the fields of pitches; with `off` notes end by rows of their own."""

    vocabulary: Vocabulary
    settings: Settings
    on: str = "Pitch"
    drum_on: str = "PitchDrum"
    off: str = ""
    drum_off: str = ""

    def rows(self, grid: Gridded, parts: Sequence[GridPart]) -> Rows:
        """All rows of these tracks, with the piece's tempi and signatures, by time."""
        blocks = [self._globals(grid)]
        for part in parts:
            if self.settings.chords and part.program != DRUM_PROGRAM:
                blocks.append(self._chords(grid, part))
            blocks.append(self._notes(part))
            if self.off and self.settings.durations:
                blocks[-1] = _alternating(blocks[-1], self._ends(part))
        whole = [np.concatenate(columns) for columns in zip(*blocks, strict=True)]
        # Notes end before chords begin, where there are chord tokens: MidiTok sorts so.
        key = whole[0] * 4 + whole[5] if self.off and self.settings.chords else whole[0]
        order = np.argsort(key, kind="stable")
        time, ids, end, program, signature = (column[order] for column in whole[:5])
        if self.settings.program_changes and self.settings.single:
            ids[:, 0] = np.where(_changed(program), self._program_ids(program), ids[:, 0])
        return Rows(time, ids, end, program, signature.astype(np.bool_))

    def _globals(self, grid: Gridded) -> "_Block":
        v = self.vocabulary
        found: list[tuple[int, int, int, int]] = []
        if self.settings.use_time_signatures:
            place = {s: i for i, s in reversed(list(enumerate(self.settings.time_signatures)))}
            place.setdefault((4, 4), NONE)
            start = v.start("TimeSig")
            found += [(t, start + place[n, d] if place[n, d] >= 0 else NONE, 1, 0) for t, n, d in grid.signatures]
        if grid.tempos:
            start = v.start("Tempo")
            found += [(tick, start + step, 0, 0) for tick, step in grid.tempos]
        if grid.keys:
            start = v.start("KeySig")
            found += [(tick, start + 2 * (fifths + 7) + minor, 0, 0) for tick, fifths, minor in grid.keys]
        rows = np.array(found, np.int64).reshape(-1, 4)
        ids = np.full((len(rows), WIDTH), NONE, np.int64)
        ids[:, 1] = rows[:, 1]
        # A signature is no end of silence in MIDI-like tokens.
        end = np.where(rows[:, 2] > 0, NONE, rows[:, 0]) if self.off else rows[:, 0]
        return rows[:, 0], ids, end, np.full(len(rows), NO_PROGRAM), rows[:, 2], np.zeros(len(rows), np.int64)

    def _notes(self, part: GridPart) -> "_Block":
        s, v, n = self.settings, self.vocabulary, len(part.onset)
        ids = np.full((n, WIDTH), NONE, np.int64)
        self._put_program(ids, part)
        drums = part.program == DRUM_PROGRAM and s.drum_pitches is not None
        ids[:, 1] = self._pitch_ids(part, self.drum_on if drums else self.on, drums)
        if s.velocities:
            ids[:, 2] = part.velocity + v.start("Velocity")
        if s.durations and not self.off:
            ids[:, 3] = part.length + v.start("Duration")
        return part.onset, ids, part.end, np.full(n, part.program), np.zeros(n, np.int64), np.full(n, 2)

    def _ends(self, part: GridPart) -> "_Block":
        n = len(part.onset)
        ids = np.full((n, WIDTH), NONE, np.int64)
        self._put_program(ids, part)
        drums = part.program == DRUM_PROGRAM and self.settings.drum_pitches is not None
        ids[:, 1] = self._pitch_ids(part, self.drum_off if drums else self.off, drums)
        return part.end, ids, part.end, np.full(n, part.program), np.zeros(n, np.int64), np.ones(n, np.int64)

    def _chords(self, grid: Gridded, part: GridPart) -> "_Block":
        start = self.vocabulary.start("Chord")
        found = np.array(chords_of(part, grid, self.settings), np.int64).reshape(-1, 2)
        ids = np.full((len(found), WIDTH), NONE, np.int64)
        self._put_program(ids, part)
        ids[:, 1] = found[:, 1] + start
        zeros = np.zeros(len(found), np.int64)
        return found[:, 0], ids, found[:, 0], np.full(len(found), part.program), zeros, zeros + 2

    def _pitch_ids(self, part: GridPart, name: str, drums: bool) -> Ids:
        low = self.settings.drum_pitches[0] if drums and self.settings.drum_pitches else self.settings.pitches[0]
        return part.pitch + (self.vocabulary.start(name) - low)

    def _put_program(self, ids: Ids, part: GridPart) -> None:
        if self.settings.programs and not self.settings.program_changes:
            ids[:, 0] = self._program_ids(np.array([part.program]))[0]

    def _program_ids(self, programs: Times) -> Ids:
        table = np.full(130, NONE, np.int64)
        start = self.vocabulary.start("Program")
        for place, program in enumerate(self.settings.program_list):
            table[program] = start + place
        return np.asarray(table[np.where(programs == NO_PROGRAM, 128, programs)], np.int64)


_Block = tuple[Times, Ids, Times, Times, Times, Times]
"""Columns of `Rows`, and what comes first at one time."""


def _alternating(first: _Block, second: _Block) -> _Block:
    """A row of the first, the row of the second at its place, the next of the first, ..."""
    columns = []
    for a, b in zip(first, second, strict=True):
        both = np.empty((2 * len(a), *a.shape[1:]), np.int64)
        both[0::2], both[1::2] = a, b
        columns.append(both)
    time, ids, end, program, signature, order = columns
    return time, ids, end, program, signature, order


def _changed(program: Times) -> NDArray[np.bool_]:
    """Which rows have another instrument than the last row before that has one."""
    has = np.flatnonzero(program != NO_PROGRAM)
    changed = np.zeros(len(program), np.bool_)
    if len(has):
        changed[has] = np.concatenate([np.ones(1, np.bool_), np.diff(program[has]) != 0])
    return changed


def silences(
    rows: Rows, grid: Gridded, settings: Settings, before: Times, time: Times
) -> tuple[Times, NDArray[np.bool_]]:
    """For each time: from when the gap before it is told, and whether as a rest; `before` is the time before it."""
    if not settings.rests:
        return before, np.zeros(len(time), np.bool_)
    heard = np.concatenate([np.zeros(1, np.int64), np.maximum.accumulate(np.maximum(rows.end, 0))])
    until = heard[np.flatnonzero(rows.first)]
    shortest = np.array([time_ticks(settings.rest_resolution, b)[0] for b in beats_at(grid, time).tolist()], np.int64)
    rest = (time != before) & (time - until >= shortest)
    return np.where(rest, np.maximum(until, before), before), rest


def beats_at(grid: Gridded, time: Times) -> Times:
    """Ticks of a beat under the last signature before each time."""
    ticks = np.array([tick for tick, _, _ in grid.signatures], np.int64)
    beats = np.array([grid.tpq * 4 // d for _, _, d in grid.signatures], np.int64)
    return beats[np.maximum(np.searchsorted(ticks, time) - 1, 0)]


def sums(spans: tuple[tuple[int, int, int], ...], beats: Times, lengths: Times) -> tuple[Times, Times, Times]:
    """`summed` for lengths whose beats differ."""
    different = np.unique(beats).tolist()
    if len(different) == 1:
        return summed(spans, different[0], lengths)
    found = []
    for beat in different:
        here = np.flatnonzero(beats == beat)
        place, value, before = summed(spans, beat, lengths[here])
        found.append((here[place], value, before))
    place, value, before = (
        (np.concatenate(columns) for columns in zip(*found, strict=True)) if found else (lengths,) * 3
    )
    order = np.argsort(place, kind="stable")
    return place[order], value[order], before[order]


def laid_out(blocks: Sequence[tuple[Times, Ids, Times]]) -> tuple[Ids, Times]:
    """Rows of (place, ids, time) by place, those of earlier blocks first, as one sequence; the time of each id."""
    place = np.concatenate([block[0] for block in blocks])
    ids = np.concatenate([block[1] for block in blocks])
    time = np.concatenate([block[2] for block in blocks])
    order = np.argsort(place, kind="stable")
    ids = ids[order]
    kept = ids >= 0
    return ids[kept], np.repeat(time[order], kept.sum(1))


def alone(ids: Ids, width: int) -> Ids:
    """Rows of one id each."""
    rows = np.full((len(ids), width), NONE, np.int64)
    rows[:, 0] = ids
    return rows
