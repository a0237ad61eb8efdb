"""From any ids to notes, for the schemes with MidiTok's words: what each id is, and which ids make a note together.

Nothing here fails. What makes no sense where it stands is left unused, and counted by who calls.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from m4mcli.tokens.gridded import MICROSECONDS, tempo_steps
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.times import Times, time_ticks
from m4mcli.tokens.vocabulary import Vocabulary

(
    UNKNOWN,
    PAD,
    BEGIN,
    STOP,
    BAR,
    BAR_END,
    POSITION,
    SHIFT,
    REST,
    PITCH,
    DRUM,
    OFF,
    DRUM_OFF,
    VELOCITY,
    DURATION,
    PROGRAM,
    CHORD,
    TEMPO,
    SIGNATURE,
    KEY,
) = range(20)

KINDS = {
    "PAD": PAD,
    "BOS": BEGIN,
    "EOS": STOP,
    "Bar": BAR,
    "Position": POSITION,
    "TimeShift": SHIFT,
    "Rest": REST,
    "Pitch": PITCH,
    "NoteOn": PITCH,
    "PitchDrum": DRUM,
    "DrumOn": DRUM,
    "NoteOff": OFF,
    "DrumOff": DRUM_OFF,
    "Velocity": VELOCITY,
    "Duration": DURATION,
    "Program": PROGRAM,
    "Chord": CHORD,
    "Tempo": TEMPO,
    "TimeSig": SIGNATURE,
    "KeySig": KEY,
}

DEFAULT_VELOCITY = 80
DEFAULT_BEATS = 0.5
"""Length of notes whose lengths have no tokens."""

Bools = NDArray[np.bool_]
Kinds = NDArray[np.int8]


@dataclass(frozen=True)
class Meanings:
    """What each id is: its kind, and its value (a pitch, a program, a place among lengths, microseconds, ...).

    One more entry than there are ids: the last is for ids that are none. `beats` are ticks of a beat for each time
    signature, the last entry for none; `lengths` (signatures + 1, values) and `rests` give ticks.
    """

    settings: Settings
    kind: Kinds
    value: Times
    beats: Times
    bars: Times
    lengths: Times
    rests: Times

    def of(self, ids: NDArray[np.integer]) -> tuple[Kinds, Times]:
        """Kinds and values of ids, whatever they are."""
        last = len(self.kind) - 1
        known = np.where((ids < 0) | (ids > last), last, ids)
        return self.kind[known], self.value[known]


def meanings(settings: Settings, v: Vocabulary) -> Meanings:
    """The tables for a vocabulary."""
    kind = np.full(v.size + 1, UNKNOWN, np.int8)
    value = np.zeros(v.size + 1, np.int64)
    for field, start in zip(v.fields, v.offsets, strict=True):
        here = slice(start, start + field.size)
        kind[here] = KINDS.get(field.name, UNKNOWN)
        value[here] = np.arange(field.size) + field.first
        if field.name in ("Velocity", "Program"):
            value[here] = list(map(int, field.labels))
    if settings.bar_ends and v.has("Bar"):
        kind[v.start("Bar") + 1] = BAR_END
    if settings.tempos and v.has("Tempo"):
        value[v.span("Tempo")] = np.round(MICROSECONDS / tempo_steps(settings))
    signatures = (*settings.signatures, (4, 4))
    beats = np.array([settings.beat(d) for _, d in signatures], np.int64)
    bars = np.array([settings.beat(d) * n for n, d in signatures], np.int64)
    lengths = np.array([time_ticks(settings.resolution, b) for b in beats.tolist()])
    rests = np.array([time_ticks(settings.rest_resolution, b) for b in beats.tolist()])
    return Meanings(settings, kind, value, beats, bars, lengths, rests)


@dataclass(frozen=True)
class Words:
    """A sequence up to its end: kinds (two more, UNKNOWN, behind the last) and values; which are used so far."""

    kind: Kinds
    value: Times
    used: Bools
    program: Times
    signature: Times
    cut: int

    @property
    def count(self) -> int:
        """How many ids there are."""
        return len(self.used)

    def last(self, kind: int) -> Times:
        """For each id the place of the last of that kind, itself included; -1 before any."""
        places = np.where(self.kind[: self.count] == kind, np.arange(self.count), -1)
        return np.maximum.accumulate(places) if len(places) else places


def words_of(ids: NDArray[np.integer], m: Meanings, program: int) -> Words:
    """The ids apart; `program` is what plays where no id says it. `cut` counts what stands behind the end."""
    kind, value = m.of(ids)
    stops = np.flatnonzero(kind == STOP)
    cut = 0
    if len(stops):
        cut = int((kind[stops[0] + 1 :] != PAD).sum())
        kind, value = kind[: stops[0] + 1], value[: stops[0] + 1]
    count = len(kind)
    used = (kind == PAD) | (kind == STOP)
    begins = np.flatnonzero(~used)[:1]
    used[begins[kind[begins] == BEGIN]] = True
    found = Words(
        np.concatenate([kind, np.zeros(2, np.int8)]),
        np.concatenate([value, np.zeros(2, np.int64)]),
        used,
        np.full(count, program),
        np.full(count, len(m.beats) - 1),
        cut,
    )
    if m.settings.programs and count:
        place = found.last(PROGRAM)
        found.program[:] = np.where(place >= 0, value[place], program)
    return found


def note_starts(words: Words, settings: Settings, *, on_off: bool = False) -> Times:
    """Where notes begin that are told in full and have the pitches of their instrument; their ids become used."""
    kind, count = words.kind, words.count
    starts = (kind[:count] == PITCH) | (kind[:count] == DRUM)
    if settings.velocities:
        starts &= kind[1 : count + 1] == VELOCITY
    width = 1 + bool(settings.velocities)
    if settings.durations and not on_off:
        starts &= kind[width : count + width] == DURATION
        width += 1
    if settings.programs and settings.drum_pitches is not None:
        starts &= (kind[:count] == DRUM) == (words.program == DRUM_PROGRAM)
    places = np.flatnonzero(starts)
    for step in range(width):
        words.used[places + step] = True
    return places


def use_programs(words: Words, settings: Settings, starts: Bools) -> None:
    """Programs become used where what belongs to them follows; as changes they always are."""
    if settings.programs:
        programs = np.flatnonzero(words.kind[: words.count] == PROGRAM)
        if not settings.program_changes:
            programs = programs[np.concatenate([starts, np.zeros(1, np.bool_)])[programs + 1]]
        words.used[programs] = True


def among(words: Words, *kinds: int) -> Bools:
    """Which ids are of these kinds."""
    return _table(*kinds)[words.kind[: words.count]]


@lru_cache(maxsize=64)
def _table(*kinds: int) -> Bools:
    table = np.zeros(KEY + 1, np.bool_)
    table[list(kinds)] = True
    return table


def use(words: Words, *kinds: int) -> None:
    """Ids of these kinds become used."""
    words.used[among(words, *kinds)] = True


@dataclass(frozen=True)
class Notes:
    """Notes of one or more sequences: ticks of the decoded grid, MIDI numbers; `program` -1 is drums."""

    onset: Times
    duration: Times
    pitch: Times
    velocity: Times
    program: Times


def told_notes(words: Words, starts: Times, time: Times, m: Meanings) -> Notes:
    """The notes that begin at `starts`, with their durations beside them; `time` is the tick of each id."""
    settings = m.settings
    velocity = words.value[starts + 1] if settings.velocities else np.full(len(starts), DEFAULT_VELOCITY)
    signature = words.signature[starts]
    if settings.durations:
        duration = m.lengths[signature, words.value[starts + 1 + bool(settings.velocities)]]
    else:
        duration = (m.beats[signature] * DEFAULT_BEATS).astype(np.int64)
    return Notes(time[starts], duration, words.value[starts], velocity, words.program[starts])


@dataclass(frozen=True)
class Heads:
    """Tempi as (tick, microseconds), signatures as (tick, place among the settings'), keys as (tick, place)."""

    tempos: list[tuple[int, int]]
    signatures: list[tuple[int, int]]
    keys: list[tuple[int, int]]


def told_heads(words: Words, time: Times, signatures: list[tuple[int, int]]) -> Heads:
    """What the ids say of the whole piece."""
    kind, value = words.kind[: words.count], words.value[: words.count]
    tempos, keys = (np.flatnonzero(kind == k) for k in (TEMPO, KEY))
    return Heads(
        list(zip(time[tempos].tolist(), value[tempos].tolist(), strict=True)),
        signatures,
        list(zip(time[keys].tolist(), value[keys].tolist(), strict=True)),
    )


def fifo(words: Words, starts: Times, ends: Times) -> tuple[Times, Times]:
    """For each note that begins the place of its end (-1: none), and the ends that belong to a note.

    Of several that sound, the one that began first ends first. All at once: notes of one pitch and instrument are put
    in a row; an end where none sounds takes the running balance to a new low.
    """
    places = np.concatenate([starts, ends])
    kind = words.kind[places]
    key = words.program[places] * 256 + np.isin(kind, (DRUM, DRUM_OFF)) * 128 + words.value[places]
    order = np.lexsort((places, key))
    places, key, begins = places[order], key[order], (order < len(starts))
    fresh = np.concatenate([np.ones(min(len(key), 1), np.bool_), np.diff(key) != 0])
    group = np.cumsum(fresh) - 1
    total = np.cumsum(np.where(begins, 1, -1))
    first = np.flatnonzero(fresh)
    base = np.concatenate([np.zeros(1, np.int64), total])[first]
    balance = total - base[group]
    far = 2 * len(key) + 2
    low = np.minimum.accumulate(balance - group * far) + group * far
    low_before = np.where(fresh, 0, np.concatenate([np.zeros(1, np.int64), low[:-1]])[: len(low)])
    ending = ~begins & (balance >= np.minimum(low_before, 0))

    def ranked(which: Bools) -> tuple[Times, Times]:
        counted = np.cumsum(which)
        before = np.concatenate([np.zeros(1, np.int64), counted])[first]
        return places[which], (group * far + counted - before[group])[which]

    note_places, note_ranks = ranked(begins)
    end_places, end_ranks = ranked(ending)
    matched = np.searchsorted(note_ranks, end_ranks)
    found = np.full(words.count + 1, -1, np.int64)
    found[note_places[matched]] = end_places
    return found[starts], end_places
