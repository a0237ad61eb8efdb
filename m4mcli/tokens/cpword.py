"""The scheme `cpword` (compound words): a bar, a position, a rest or a note in one row of ids.

    row    Family, Bar or Position, Pitch, [Velocity], [Duration], [Program], [Chord], [Rest], [Tempo], [TimeSig]

A row has Ignore where it says nothing. Bars tell their signature, positions the tempo and the first chord. With the
settings of MidiTok's CPWord the ids are MidiTok's. W.-Y. Hsiao et al., Compound Word Transformer, 2021.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.tokens import decoding as k
from m4mcli.tokens.chords import chord_labels
from m4mcli.tokens.compound import (
    Columns,
    CompoundScheme,
    RowGrammar,
    Rows,
    column_vocabulary,
    columns_of,
)
from m4mcli.tokens.decoding import Bools, Heads, Meanings, Notes, meanings, words_of
from m4mcli.tokens.grammar import Mask, State
from m4mcli.tokens.gridded import tempo_steps, velocity_steps
from m4mcli.tokens.remi import remi_read
from m4mcli.tokens.scheme import Scheme
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.times import labels
from m4mcli.tokens.vocabulary import Field, Vocabulary, labelled
from m4mcli.tokens.word_schemes import word_scheme
from m4mcli.tokens.words import program_field, signature_field

Ids = NDArray[np.int64]
IGNORE = labelled("Ignore", ("None",), "this row says nothing here")


def cpword_settings(settings: Settings) -> Settings:
    """The settings without what the rows have no column for."""
    return replace(settings, key_signatures=False, program_changes=False, bar_ends=False, trailing_bars=False)


def pitch_fields(settings: Settings) -> list[Field]:
    """Pitches, and drums apart from them."""
    low, high = settings.pitches
    fields = [Field("Pitch", high - low + 1, "MIDI pitch of a note", first=low)]
    if settings.drum_pitches is not None:
        low, high = settings.drum_pitches
        fields.append(Field("PitchDrum", high - low + 1, "a drum, by its MIDI pitch", first=low))
    return fields


def velocity_field(settings: Settings) -> Field:
    """Steps of velocity."""
    return labelled("Velocity", tuple(map(str, velocity_steps(settings.velocities).tolist())), "how loud the note is")


def duration_field(settings: Settings) -> Field:
    """Lengths of notes."""
    return labelled("Duration", labels(settings.resolution), "beats.positions.positions to a beat")


def tempo_field(settings: Settings) -> Field:
    """Steps of tempo."""
    return labelled("Tempo", tuple(map(str, tempo_steps(settings).tolist())), "quarter notes a minute")


def position_field(settings: Settings) -> Field:
    """Positions in a bar."""
    return Field(
        "Position", settings.per_beat * max(n for n, _ in settings.signatures), "place in the bar, in positions"
    )


def cpword_vocabulary(settings: Settings) -> Vocabulary:
    """The fields of each column, in MidiTok's order."""
    s = settings
    columns: list[list[Field]] = [
        [labelled("Family", ("Metric", "Note"), "a place in time, or a note")],
        [IGNORE, labelled("Bar", ("None",), "a bar begins"), position_field(s)],
        [IGNORE, *pitch_fields(s)],
    ]
    columns += [[IGNORE, velocity_field(s)]] if s.velocities else []
    columns += [[IGNORE, duration_field(s)]] if s.durations else []
    columns += [[IGNORE, program_field(s)]] if s.programs else []
    columns += [[IGNORE, labelled("Chord", chord_labels(s), "the first chord here")]] if s.chords else []
    columns += [[IGNORE, labelled("Rest", labels(s.rest_resolution), "silence")]] if s.rests else []
    columns += [[IGNORE, tempo_field(s)]] if s.tempos else []
    columns += [[IGNORE, signature_field(s)]] if s.use_time_signatures else []
    return column_vocabulary(s, columns)


def cpword_rows(ids: Ids, m: Meanings, columns: Columns) -> Ids:
    """REMI's words of one sequence as rows."""
    kind, _ = m.of(ids)
    after = np.concatenate([kind[1:], np.zeros(1, np.int8)])
    before = np.concatenate([np.zeros(1, np.int8), kind[:-1]])
    two_before = np.concatenate([np.zeros(2, np.int8), kind[:-2]])[: len(kind)]
    note = (kind == k.PITCH) | (kind == k.DRUM)
    leads = (note & (before != k.PROGRAM)) | ((kind == k.PROGRAM) & (after != k.CHORD))
    starts = leads | np.isin(kind, (k.BAR, k.POSITION, k.REST))
    chord = (kind == k.CHORD) & (np.where(before == k.PROGRAM, two_before, before) == k.POSITION)
    signature = (kind == k.SIGNATURE) & (before == k.BAR)
    kept = starts | note | np.isin(kind, (k.VELOCITY, k.DURATION)) | chord | signature
    row = np.cumsum(starts) - 1
    count = int(starts.sum())
    rows = np.full((count, len(columns.names)), columns.specials, np.int64)
    rows[row[kept], columns.column[ids[kept]]] = columns.place[ids[kept]]
    rows[:, 0] = columns.specials + leads[starts]
    if m.settings.tempos:
        positions = np.flatnonzero(kind == k.POSITION)
        tempos = np.flatnonzero(kind == k.TEMPO)
        last = tempos[np.maximum(np.searchsorted(tempos, positions + 1, side="right") - 1, 0)]
        rows[row[positions], columns.of("Tempo")] = columns.place[ids[last]]
    return rows


def cpword_read(rows: Rows, program: int, room: int, m: Meanings, columns: Columns) -> tuple[Notes, Heads, Bools]:
    """The notes of a sequence of rows, what it says of the whole piece, and which rows made sense."""
    count = len(rows.ids)
    note = rows.ids[:, 0] == columns.specials + 1
    metric = rows.ids[:, 0] == columns.specials
    place = rows.words(columns, 1)
    kinds = m.kind[place]

    def column(name: str, where: Bools) -> Ids:
        at = columns.of(name)
        return np.where(where, rows.words(columns, at), -1) if at >= 0 else np.full(count, -1)

    bar, position = metric & (kinds == k.BAR) & (place >= 0), metric & (kinds == k.POSITION) & (place >= 0)
    rest = metric & ~bar & ~position
    first = np.where(bar | position, place, column("Rest", rest))
    parts = [
        np.where(note, column("Program", note), first),
        np.where(note, column("Pitch", note), np.where(bar, column("TimeSig", bar), column("Chord", position))),
        np.where(note, column("Velocity", note), column("Tempo", position)),
        column("Duration", note),
    ]
    grid = np.stack(parts, axis=1)
    s = m.settings
    needed = [s.programs, True, bool(s.velocities), s.durations]
    whole = np.where(note, (grid[:, needed] >= 0).all(1), first >= 0)
    if s.use_time_signatures:
        whole &= ~bar | (grid[:, 1] >= 0)
    said = (grid >= 0) & whole[:, None]
    owner = np.repeat(np.arange(count), said.sum(1))
    words = words_of(grid[said], m, program)
    notes, heads = remi_read(words, m, room)
    unused = np.bincount(owner[~words.used], minlength=count) > 0
    tempos = [t for i, t in enumerate(heads.tempos) if i == 0 or t[1] != heads.tempos[i - 1][1]]
    return notes, Heads(tempos, heads.signatures, heads.keys), whole & ~unused


def _kept(kept: State) -> tuple[str, int, int, int]:
    last, place, positions, rest = kept
    return last, place, positions, rest


class CPWordGrammar(RowGrammar):
    """What is kept of the rows before: the last row's kind, its place, the bar's positions, the last rest."""

    def begin(self) -> State:
        """What is kept before the first row."""
        return ("", -1, 0, -1)

    def complete(self, kept: State) -> bool:
        """Whether a piece can be over behind these rows."""
        return bool(kept[0] != "Rest")

    def _kind(self, row: tuple[int, ...]) -> str:
        if row[0] == self.columns.specials + 1:
            return "Note"
        return self.columns.names[1][row[1]].split("_")[0] if len(row) > 1 else ""

    def allowed(self, row: tuple[int, ...], kept: State) -> Mask:
        """Which ids the next column of a row of music may have."""
        last, place, positions, rest = _kept(kept)
        column = len(row)
        if column == 0:
            mask = self.field(0, "Family").copy()
            mask[self.columns.specials + 1] = last in ("Position", "Note")
            return mask
        kind = self._kind(row)
        ignore = self.field(column, "Ignore")
        if column == 1:
            return ignore if kind == "Note" else self._metric(last, place, positions, self._rest_may_follow(last, rest))
        field = self.columns.names[column][self.columns.specials + 1].split("_")[0]
        mask = self.field(column, field, "PitchDrum")
        if field == "Program" and kind == "Note":
            return self._programs(row, mask)
        if field == "Rest" and kind == "Ignore":
            places = np.arange(len(mask)) - self.columns.specials - 1
            top = len(mask) - self.columns.specials - 2
            falls = (places < rest) | ((places == top) & (rest == top))
            # A signature that falls into silence has no row, but a rest ends there.
            return mask if last != "Rest" or self.settings.use_time_signatures else mask & falls
        belongs = {"Chord": "Position", "Tempo": "Position", "TimeSig": "Bar", "Rest": "Ignore"}.get(field, "Note")
        if kind != belongs:
            return ignore
        return mask | ignore if field == "Chord" else mask

    def _rest_may_follow(self, last: str, rest: int) -> bool:
        """Whether there is a rest that may follow: rests that follow one another fall, or are all the longest."""
        longest = len(self.columns.names[self.columns.of("Rest")]) - self.columns.specials - 2
        return last != "Rest" or self.settings.use_time_signatures or rest > 0 or rest == longest

    def _metric(self, last: str, place: int, positions: int, more_rest: bool) -> Mask:
        s = self.settings
        mask = self.field(1, "Bar")
        if last not in ("", "BOS"):
            values = self.values(1)
            mask = mask | self.field(1, "Position") & (values > place) & (values < positions)
        if s.rests and more_rest and (last not in ("", "BOS") or not (s.use_time_signatures or s.tempos)):
            mask = mask | self.field(1, "Ignore")
        return mask

    def _programs(self, row: tuple[int, ...], mask: Mask) -> Mask:
        if self.settings.drum_pitches is None:
            return mask
        drums = self.columns.names[2][row[2]].startswith("PitchDrum")
        values = self.values(len(row))
        return np.asarray(mask & ((values == DRUM_PROGRAM) == drums), np.bool_)

    def after(self, row: tuple[int, ...], kept: State) -> State:
        """What is kept behind a row of music."""
        kind = self._kind(row)
        _, place, positions, _ = _kept(kept)
        most = self.settings.per_beat * max(n for n, _ in self.settings.signatures)
        if kind == "Bar":
            at = self.columns.of("TimeSig")
            numerator = self.settings.time_signatures[self.value(at, row[at])][0] if at >= 0 else 4
            return ("Bar", -1, self.settings.per_beat * numerator, -1)
        if kind == "Position":
            return ("Position", self.value(1, row[1]), positions, -1)
        if kind == "Ignore":
            rest = row[self.columns.of("Rest")] - self.columns.specials - 1
            # A rest passes over bars, and over signatures with them.
            return ("Rest", -1, most, rest)
        return ("Note", place, positions, -1)


def cpword_scheme(settings: Settings) -> Scheme:
    """The scheme with these settings."""
    settings = cpword_settings(settings)
    v = cpword_vocabulary(settings)
    remi = word_scheme("remi", settings)
    columns = columns_of(v, remi.vocabulary, settings)
    m = meanings(settings, remi.vocabulary)

    def read(rows: Rows, program: int, room: int) -> tuple[Notes, Heads, Bools]:
        return cpword_read(rows, program, room, m, columns)

    made = CompoundScheme("cpword", settings, v, columns, m, remi, lambda ids: cpword_rows(ids, m, columns), read)
    return Scheme("cpword", 1, v, -1, made.encode, made.decode, CPWordGrammar(v, settings, columns, m), -1, settings)
