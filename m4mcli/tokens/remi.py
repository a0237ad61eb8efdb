"""The scheme `remi`: bars and positions in them, notes as pitch, velocity, duration.

    piece     (Rest* bar*)* ...
    bar       Bar TimeSig place*
    place     Position [Tempo] [KeySig] ([Program] [Chord] | [Program] Pitch Velocity Duration)*

With the settings of MidiTok's REMI the ids are MidiTok's (REMI+ with programs and signatures). Y.-S. Huang and Y.-H.
Yang, Pop Music Transformer, 2020; D. von Rütte et al., FIGARO, 2022.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.tokens.decoding import (
    BAR,
    BAR_END,
    CHORD,
    KEY,
    POSITION,
    REST,
    SIGNATURE,
    TEMPO,
    Heads,
    Meanings,
    Notes,
    Words,
    among,
    note_starts,
    told_heads,
    told_notes,
    use,
    use_programs,
)
from m4mcli.tokens.events import NONE, WIDTH, Ids, Rows, Writer, alone, beats_at, laid_out, silences, sums
from m4mcli.tokens.gridded import Gridded, GridPart
from m4mcli.tokens.music import within
from m4mcli.tokens.settings import Settings
from m4mcli.tokens.times import Times, time_ticks
from m4mcli.tokens.vocabulary import Field, Vocabulary, labelled
from m4mcli.tokens.words import more_fields, note_fields, special_fields


def remi_vocabulary(settings: Settings) -> Vocabulary:
    """The fields of the scheme, in MidiTok's order."""
    bars = ("None", "End") if settings.bar_ends else ("None",)
    positions = settings.per_beat * max(n for n, _ in settings.signatures)
    return Vocabulary(
        (
            *special_fields(settings),
            labelled("Bar", bars, "a bar begins" + (", or ends" if settings.bar_ends else "")),
            *note_fields(settings),
            Field("Position", positions, "place in the bar, in positions"),
            *more_fields(settings),
        )
    )


def remi_ids(grid: Gridded, parts: Sequence[GridPart], writer: Writer) -> tuple[Ids, Times]:
    """The ids of one sequence, and the tick at which each stands."""
    rows = writer.rows(grid, parts)
    if not len(rows.time):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    v, settings = writer.vocabulary, writer.settings
    first = rows.first
    time = rows.time[first]
    before = np.concatenate([np.full(1, -1), time[:-1]])
    start, rest = silences(rows, grid, settings, before, time)
    blocks: list[tuple[Times, Ids, Times]] = []
    skipped = np.full(len(time), -1, np.int64)
    if rest.any():
        place, value, passed = sums(settings.rest_resolution, beats_at(grid, time[rest]), (time - start)[rest])
        which = np.flatnonzero(rest)[place]
        rested = start[which] + passed
        blocks.append((3 * which, alone(value + v.start("Rest"), WIDTH + 1), rested))
        ends = rested + _rest_ticks(grid, settings, time[which], value)
        np.maximum.at(skipped, which, ends)
    bars, signatures = _bars(grid, rows, settings, v)
    group = np.searchsorted(time, bars)
    # A rest passes over the bar lines that it crosses.
    silent = skipped[np.minimum(group, len(time) - 1)]
    kept = (group == len(time)) | (bars > silent)
    blocks.append((3 * group[kept] + 1, signatures[kept], bars[kept]))
    blocks.append(_placed(grid, rows, settings, v, bars, kept))
    return laid_out(blocks)


def _rest_ticks(grid: Gridded, settings: Settings, time: Times, value: Times) -> Times:
    beats = beats_at(grid, time)
    ticks = np.zeros(len(value), np.int64)
    for beat in np.unique(beats).tolist():
        here = beats == beat
        ticks[here] = time_ticks(settings.rest_resolution, beat)[value[here]]
    return ticks


def _bars(grid: Gridded, rows: Rows, settings: Settings, v: Vocabulary) -> tuple[Times, Ids]:
    """The first tick of each bar, and its row: Bar and what it says of the metre."""
    last = int(rows.time[-1])
    if settings.trailing_bars:
        last = max(last, int(rows.end.max()))
    bars = grid.bar_ticks(last)
    ids = np.full((len(bars), WIDTH + 1), NONE, np.int64)
    ids[:, 1] = v.start("Bar")
    if settings.bar_ends:
        ids[1:, 0] = v.start("Bar") + 1
    if settings.use_time_signatures:
        told = rows.ids[rows.signature, 1]
        ticks = rows.time[rows.signature]
        ids[:, 2] = told[np.maximum(np.searchsorted(ticks, bars, side="right") - 1, 0)]
    return bars, ids


def _placed(
    grid: Gridded, rows: Rows, settings: Settings, v: Vocabulary, bars: Times, kept: NDArray[np.bool_]
) -> tuple[Times, Ids, Times]:
    """The rows with their positions; a signature that its bar has told already is no row of its own."""
    group = np.cumsum(rows.first) - 1
    bar = np.searchsorted(bars, rows.time, side="right") - 1
    own = ~rows.signature | ~kept[bar]
    sounding = np.flatnonzero(~rows.signature)
    ids = np.full((len(rows.time), WIDTH + 1), NONE, np.int64)
    ids[:, 1:] = rows.ids
    if len(sounding):
        where = group[sounding]
        leads = sounding[np.concatenate([np.ones(1, np.bool_), np.diff(where) != 0])]
        ticks = np.array([tick for tick, _, _ in grid.signatures], np.int64)
        beats = np.array([grid.tpq * 4 // d for _, _, d in grid.signatures], np.int64)
        step = beats[np.searchsorted(ticks, rows.time[leads], side="right") - 1] // settings.per_beat
        ids[leads, 0] = (rows.time[leads] - bars[bar[leads]]) // step + v.start("Position")
    return 3 * group[own] + 2, ids[own], rows.time[own]


def remi_read(words: Words, m: Meanings, room: int) -> tuple[Notes, Heads]:
    """The notes of a sequence, `room` at most, and what it says of the whole piece."""
    kind, value = words.kind[: words.count], words.value[: words.count]
    use(words, BAR, BAR_END, POSITION, TEMPO, KEY, CHORD, REST)
    # A signature belongs to the bar before it; where rests pass over bar lines it may stand alone.
    told = kind == SIGNATURE
    if not m.settings.rests:
        told[1:] &= kind[:-1] == BAR
        told[:1] = False
    words.used[told] = True
    place = np.maximum.accumulate(np.where(told, np.arange(words.count), -1)) if words.count else np.flatnonzero(told)
    words.signature[:] = np.where(place >= 0, value[place], len(m.beats) - 1) if words.count else 0
    starts = note_starts(words, m.settings)
    begins = kind == CHORD
    begins[starts] = True
    use_programs(words, m.settings, begins)
    time, bar = (_rested if m.settings.rests else _bar_times)(words, starts, m)
    starts = within(words, starts, time, m.settings, room)
    changes = np.flatnonzero(told)
    changes = changes[np.diff(value[changes], prepend=-1) != 0]
    signatures = list(zip(bar[changes].tolist(), value[changes].tolist(), strict=True))
    return told_notes(words, starts, time, m), told_heads(words, time, signatures)


def _bar_times(words: Words, starts: Times, m: Meanings) -> tuple[Times, Times]:
    """The tick at which each id stands, and at which its bar begins."""
    if not words.count:
        return starts, starts
    kind, value = words.kind[: words.count], words.value[: words.count]
    bars = np.flatnonzero(kind == BAR)
    # The signature of a bar stands behind it.
    signature = words.signature[np.minimum(bars + 1, words.count - 1)]
    signature = np.where(words.kind[bars + 1] == SIGNATURE, signature, words.signature[bars])
    tick = np.concatenate([np.zeros(1, np.int64), np.cumsum(m.bars[signature])])
    number = np.cumsum(kind == BAR)
    bar = tick[np.maximum(number - 1, 0)]
    last_bar, last_position = words.last(BAR), words.last(POSITION)
    step = m.beats[words.signature] // m.settings.per_beat
    inside = last_position > last_bar
    return bar + np.where(inside, value[last_position] * step, 0), bar


def _rested(words: Words, starts: Times, m: Meanings) -> tuple[Times, Times]:
    """The same where rests pass over bar lines: from mark to mark, as what a rest follows is known only there."""
    kind, value = words.kind[: words.count], words.value[: words.count]
    lengths = np.zeros(words.count, np.int64)
    lengths[starts] = told_notes(words, starts, lengths, m).duration
    ends_something = among(words, TEMPO, KEY, SIGNATURE)
    ends_something[starts] = True
    step = m.beats[words.signature] // m.settings.per_beat
    last_position = words.last(POSITION)
    bounds = [0, *np.flatnonzero(among(words, BAR, REST, SIGNATURE)).tolist(), words.count]
    time, bar = np.zeros(words.count, np.int64), np.zeros(words.count, np.int64)
    now = _Clock(length=int(m.bars[-1]))
    for number, (place, stop) in enumerate(pairwise(bounds)):
        if number:
            now.pass_mark(int(kind[place]), int(value[place]), int(words.signature[place]), m)
        if stop > place:
            here = slice(place, stop)
            inside = last_position[here] >= place
            time[here] = np.where(inside, now.bar + value[last_position[here]] * step[here], now.tick)
            bar[here] = now.bar
            now.tick = int(time[stop - 1])
            heard = (time[here] + lengths[here])[ends_something[here]]
            now.heard = max(now.heard, int(heard.max(initial=0)))
    return time, bar


@dataclass
class _Clock:
    """Where a sequence with rests stands: ticks of now, of the bar, of the last note's end; the bar's number."""

    length: int
    tick: int = 0
    bar: int = 0
    number: int = -1
    heard: int = 0
    signature: int = -1
    since_bar: int = 0
    since_tick: int = 0

    def pass_mark(self, kind: int, value: int, signature: int, m: Meanings) -> None:
        """Go on over a bar line, a rest or a signature."""
        if kind == BAR:
            self.number += 1
            if self.number > 0:
                self.tick = self.bar + self.length
            self.bar = self.tick
        elif kind == REST:
            self.tick = max(self.heard, self.tick) + int(m.rests[signature, value])
            number = self.since_bar + (self.tick - self.since_tick) // self.length
            if number > self.number:
                self.number = max(self.number, 0)
                self.bar += (number - self.number) * self.length
                self.number = number
        elif value != self.signature:
            self.signature = value
            self.since_bar, self.since_tick = max(self.number, 0), self.bar
            self.length = int(m.bars[value])
