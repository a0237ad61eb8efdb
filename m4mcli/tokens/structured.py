"""The scheme `structured`: four tokens a note, or five with its instrument, always in the same order.

    piece    (TimeShift [Program] Pitch [Velocity] [Duration])*

The first TimeShift, 0.0.1, is no time. Gaps longer than the longest TimeShift are cut to it. With the settings of
MidiTok's Structured the ids are MidiTok's. G. Hadjeres and L. Crestel, The Piano Inpainting Application, 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from m4mcli.tokens.decoding import (
    BEGIN,
    DRUM,
    DURATION,
    PAD,
    PITCH,
    PROGRAM,
    SHIFT,
    STOP,
    VELOCITY,
    Heads,
    Meanings,
    Notes,
    Words,
    note_starts,
    told_notes,
    use,
    use_programs,
)
from m4mcli.tokens.events import NONE, Ids
from m4mcli.tokens.grammar import Grammar, Mask, State
from m4mcli.tokens.gridded import Gridded, GridPart
from m4mcli.tokens.music import within
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.times import Times, closest, labels, time_ticks
from m4mcli.tokens.vocabulary import Field, Vocabulary, labelled
from m4mcli.tokens.words import note_fields, program_field, special_fields

NO_TIME = "0.0.1"
START = -1


def structured_settings(settings: Settings) -> Settings:
    """The settings without what the fixed order has no room for."""
    return replace(
        settings,
        chords=False,
        rests=False,
        tempos=0,
        use_time_signatures=False,
        key_signatures=False,
        program_changes=False,
    )


def structured_vocabulary(settings: Settings) -> Vocabulary:
    """The fields of the scheme, in MidiTok's order."""
    fields = [*special_fields(settings), *note_fields(settings)]
    shifts = (NO_TIME, *labels(settings.resolution))
    fields.append(labelled("TimeShift", shifts, "time goes on by beats.positions.positions to a beat"))
    if settings.drum_pitches is not None:
        low, high = settings.drum_pitches
        fields.append(Field("PitchDrum", high - low + 1, "a drum, by its MIDI pitch", first=low))
    if settings.programs:
        fields.append(program_field(settings))
    return Vocabulary(tuple(fields))


def structured_ids(grid: Gridded, parts: Sequence[GridPart], settings: Settings, v: Vocabulary) -> tuple[Ids, Times]:
    """The ids of one sequence, and the tick at which each stands."""
    blocks = [_rows(part, settings, v) for part in parts]
    if not blocks:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    time = np.concatenate([part.onset for part in parts])
    order = np.argsort(time, kind="stable") if len(parts) > 1 else np.arange(len(time))
    ids, time = np.concatenate(blocks)[order], time[order]
    gap = np.diff(time, prepend=0)
    place = closest(time_ticks(settings.resolution, grid.tpq), gap) + 1
    ids[:, 0] = v.start("TimeShift") + np.where(gap == 0, 0, place)
    kept = ids >= 0
    return ids[kept], np.repeat(time, kept.sum(1))


def _rows(part: GridPart, settings: Settings, v: Vocabulary) -> Ids:
    ids = np.full((len(part.onset), 5), NONE, np.int64)
    if settings.programs:
        ids[:, 1] = v.start("Program") + settings.program_list.index(part.program)
    drums = settings.drum_pitches if part.program == DRUM_PROGRAM else None
    name, low = ("PitchDrum", drums[0]) if drums is not None else ("Pitch", settings.pitches[0])
    ids[:, 2] = part.pitch + (v.start(name) - low)
    if settings.velocities:
        ids[:, 3] = part.velocity + v.start("Velocity")
    if settings.durations:
        ids[:, 4] = part.length + v.start("Duration")
    return ids


def structured_read(words: Words, m: Meanings, room: int) -> tuple[Notes, Heads]:
    """The notes of a sequence, `room` at most; it says nothing of the whole piece."""
    starts = note_starts(words, m.settings)
    begins = np.zeros(words.count, np.bool_)
    begins[starts] = True
    use(words, SHIFT)
    use_programs(words, m.settings, begins)
    shifts = words.kind[: words.count] == SHIFT
    steps = np.zeros(words.count, np.int64)
    steps[shifts] = np.concatenate([np.zeros(1, np.int64), m.lengths[0]])[words.value[: words.count][shifts]]
    time = np.cumsum(steps)
    starts = within(words, starts, time, m.settings, room)
    return told_notes(words, starts, time, m), Heads([], [], [])


@dataclass(frozen=True)
class StructuredGrammar(Grammar):
    """The fixed order of words; the state is (words since the TimeShift, drums: told by the program)."""

    vocabulary: Vocabulary
    settings: Settings
    meanings: Meanings

    def _order(self) -> list[tuple[int, ...]]:
        s = self.settings
        pitches = (PITCH,) if s.drum_pitches is None else (PITCH, DRUM)
        words = ((True, (SHIFT,)), (s.programs, (PROGRAM,)), (True, pitches))
        more = ((bool(s.velocities), (VELOCITY,)), (s.durations, (DURATION,)))
        return [kinds for has, kinds in (*words, *more) if has]

    def start(self) -> State:
        """The state before the first id."""
        return (0, None, START)

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        return bool(state[0] == 0)

    def allowed_next(self, state: State) -> Mask:
        """Which ids may come next."""
        place, drums, last = state
        if last in (STOP, PAD):
            kinds: tuple[int, ...] = (PAD,)
        else:
            kinds = self._order()[place]
            if drums is not None and len(kinds) > 1:
                kinds = (DRUM,) if drums else (PITCH,)
            kinds = (*kinds, STOP) if place == 0 else kinds
            kinds = (*kinds, BEGIN) if last == START else kinds
        return np.isin(self.meanings.kind[:-1], kinds)

    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""
        place, drums, _ = state
        kind = int(self.meanings.kind[token])
        if kind in (STOP, PAD, BEGIN):
            return (place, drums, kind)
        if kind == PROGRAM:
            drums = int(self.meanings.value[token]) == DRUM_PROGRAM
        elif kind in (PITCH, DRUM) and not self.settings.programs:
            drums = kind == DRUM
        return ((place + 1) % len(self._order()), drums, kind)
