"""The scheme `tsd` (time shift and duration): steps in time between notes of pitch, velocity, duration.

    piece    (Rest* TimeShift* [TimeSig] [Tempo] [KeySig] ([Program] [Chord] | [Program] Pitch Velocity Duration)*)*

With the settings of MidiTok's TSD the ids are MidiTok's. `midilike` has the same steps between other notes.
"""

from collections.abc import Sequence

import numpy as np

from m4mcli.tokens.decoding import (
    CHORD,
    KEY,
    REST,
    SHIFT,
    SIGNATURE,
    TEMPO,
    Bools,
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
from m4mcli.tokens.events import WIDTH, Ids, Writer, alone, beats_at, laid_out, silences, sums
from m4mcli.tokens.gridded import Gridded, GridPart
from m4mcli.tokens.music import within
from m4mcli.tokens.settings import Settings
from m4mcli.tokens.times import Times, time_ticks
from m4mcli.tokens.vocabulary import Vocabulary
from m4mcli.tokens.words import more_fields, note_fields, shift_field, special_fields


def tsd_vocabulary(settings: Settings) -> Vocabulary:
    """The fields of the scheme, in MidiTok's order."""
    fields = (*special_fields(settings), *note_fields(settings), shift_field(settings), *more_fields(settings))
    return Vocabulary(fields)


def shifted_ids(grid: Gridded, parts: Sequence[GridPart], writer: Writer) -> tuple[Ids, Times]:
    """The ids of one sequence with steps in time, and the tick at which each stands."""
    rows = writer.rows(grid, parts)
    if not len(rows.time):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    v, settings = writer.vocabulary, writer.settings
    first = rows.first
    time = rows.time[first]
    before = np.concatenate([np.zeros(1, np.int64), time[:-1]])
    start, rest = silences(rows, grid, settings, before, time)
    beats = beats_at(grid, time)
    gap = time - start
    blocks: list[tuple[Times, Ids, Times]] = []
    if rest.any():
        which = np.flatnonzero(rest)
        place, value, passed = sums(settings.rest_resolution, beats[which], gap[which])
        blocks.append((3 * which[place], alone(value + v.start("Rest"), WIDTH), start[which[place]] + passed))
        rested = np.bincount(which[place], minlength=len(time))
        gap, start = _left(settings, beats, gap, start, rested > 0)
    place, value, passed = sums(settings.resolution, beats, gap)
    blocks.append((3 * place + 1, alone(value + v.start("TimeShift"), WIDTH), start[place] + passed))
    blocks.append((3 * (np.cumsum(first) - 1) + 2, rows.ids, rows.time))
    return laid_out(blocks)


def _left(settings: Settings, beats: Times, gap: Times, start: Times, rested: Bools) -> tuple[Times, Times]:
    """What is left of the gaps behind their rests, and from when on."""
    left = gap.copy()
    for beat in np.unique(beats[rested]).tolist():
        ticks = time_ticks(settings.rest_resolution, beat)
        here = rested & (beats == beat)
        while (more := here & (left >= ticks[0])).any():
            left[more] -= ticks[np.searchsorted(ticks, left[more], side="right") - 1]
    return left, start + gap - left


def tsd_read(words: Words, m: Meanings, room: int) -> tuple[Notes, Heads]:
    """The notes of a sequence, `room` at most, and what it says of the whole piece."""
    set_signatures(words, m)
    starts = note_starts(words, m.settings)
    use(words, SHIFT, REST, TEMPO, KEY, SIGNATURE, CHORD)
    begins = words.kind[: words.count] == CHORD
    begins[starts] = True
    use_programs(words, m.settings, begins)
    ends = _lengths(words, starts, m)
    time = shifted_time(words, starts, ends, m)
    starts = within(words, starts, time, m.settings, room)
    return told_notes(words, starts, time, m), told_heads(words, time, told_signatures(words, time))


def _lengths(words: Words, starts: Times, m: Meanings) -> Times:
    return told_notes(words, starts, np.zeros(words.count, np.int64), m).duration if m.settings.rests else starts


def set_signatures(words: Words, m: Meanings) -> None:
    """For each id the signature that was told last."""
    place = words.last(SIGNATURE)
    words.signature[:] = np.where(place >= 0, words.value[place], len(m.beats) - 1)


def told_signatures(words: Words, time: Times) -> list[tuple[int, int]]:
    """(tick, place) of all signatures."""
    places = np.flatnonzero(words.kind[: words.count] == SIGNATURE)
    return list(zip(time[places].tolist(), words.value[places].tolist(), strict=True))


def shifted_time(words: Words, starts: Times, lengths: Times, m: Meanings) -> Times:
    """The tick at which each id stands; `lengths` are those of the notes at `starts`, which rests begin behind."""
    kind, value = words.kind[: words.count], words.value[: words.count]
    shifts = kind == SHIFT
    steps = np.zeros(words.count, np.int64)
    steps[shifts] = m.lengths[words.signature[shifts], value[shifts]]
    time = np.cumsum(steps)
    rests = np.flatnonzero(kind == REST) if m.settings.rests else starts[:0]
    if len(rests):
        time = _rested(words, starts, lengths, m, time, rests)
    return time


def _rested(words: Words, starts: Times, lengths: Times, m: Meanings, time: Times, rests: Times) -> Times:
    """The ticks with rests counted in: from rest to rest, each from where the last note ends."""
    heard = np.full(words.count, -1, np.int64)
    heard[starts] = time[starts] + lengths
    marks = among(words, TEMPO, KEY, SIGNATURE)
    heard[marks] = time[marks]
    ticks = m.rests[words.signature[rests], words.value[rests]].tolist()
    whole = time.copy()
    late, until, before = 0, 0, 0
    for place, rest in zip(rests.tolist(), ticks, strict=True):
        if place > before:
            until = max(until, int(heard[before:place].max()) + late)
        late = max(until, int(time[place]) + late) + rest - int(time[place])
        whole[place:] = time[place:] + late
        before = place
    return whole
