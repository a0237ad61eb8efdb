"""The scheme `octuple`: a note with all that holds for it in one row of up to eight ids.

    row    Pitch, Position, Bar, [Velocity], [Duration], [Program], [Tempo], [TimeSig]

A tempo or signature is told by the first note under it: where it stands in silence, it comes late. Bars are numbered,
60 at most unless set otherwise; what is behind them is left out. With the settings of MidiTok's Octuple the ids are
MidiTok's. M. Zeng et al., MusicBERT, 2021.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.tokens import decoding as k
from m4mcli.tokens.compound import (
    Columns,
    CompoundScheme,
    RowGrammar,
    Rows,
    column_vocabulary,
    columns_of,
)
from m4mcli.tokens.cpword import duration_field, pitch_fields, position_field, tempo_field, velocity_field
from m4mcli.tokens.decoding import DEFAULT_BEATS, DEFAULT_VELOCITY, Bools, Heads, Meanings, Notes, meanings
from m4mcli.tokens.grammar import Mask, State
from m4mcli.tokens.scheme import Scheme
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.vocabulary import Field, Vocabulary
from m4mcli.tokens.word_schemes import word_scheme
from m4mcli.tokens.words import program_field, signature_field

Ids = NDArray[np.int64]
PITCH, POSITION, BAR = range(3)


def octuple_settings(settings: Settings) -> Settings:
    """The settings without what the rows have no column for."""
    return replace(
        settings,
        key_signatures=False,
        program_changes=False,
        bar_ends=False,
        trailing_bars=False,
        chords=False,
        rests=False,
        unique_tempos=True,
    )


def octuple_vocabulary(settings: Settings) -> Vocabulary:
    """The fields of each column, in MidiTok's order."""
    s = settings
    columns: list[list[Field]] = [
        pitch_fields(s),
        [position_field(s)],
        [Field("Bar", s.most_bars, "number of the bar")],
    ]
    columns += [[velocity_field(s)]] if s.velocities else []
    columns += [[duration_field(s)]] if s.durations else []
    columns += [[program_field(s)]] if s.programs else []
    columns += [[tempo_field(s)]] if s.tempos else []
    columns += [[signature_field(s)]] if s.use_time_signatures else []
    return column_vocabulary(s, columns)


def octuple_rows(ids: Ids, m: Meanings, columns: Columns) -> Ids:
    """REMI's words of one sequence as rows, a note each."""
    kind, _ = m.of(ids)
    places = np.arange(len(ids))
    note = np.flatnonzero((kind == k.PITCH) | (kind == k.DRUM))
    bar = np.cumsum(kind == k.BAR)[note] - 1
    note, bar = note[bar < m.settings.most_bars], bar[bar < m.settings.most_bars]
    rows = np.zeros((len(note), len(columns.names)), np.int64)
    rows[:, BAR] = columns.specials + bar
    s = m.settings
    inside = {k.VELOCITY: 1, k.DURATION: 1 + bool(s.velocities)}
    for column in range(len(columns.names)):
        if column == BAR or not len(note):
            continue
        name = columns.names[column][columns.specials].split("_")[0]
        wanted = k.KINDS[name]
        if column == PITCH:
            at = note
        elif wanted in inside:
            at = note + inside[wanted]
        else:
            at = np.maximum.accumulate(np.where(kind == wanted, places, 0))[note]
        rows[:, column] = columns.place[ids[at]]
    return rows


def octuple_read(rows: Rows, program: int, room: int, m: Meanings, columns: Columns) -> tuple[Notes, Heads, Bools]:
    """The notes of a sequence of rows, what it says of the whole piece, and which rows made sense."""
    s = m.settings
    bar = rows.ids[:, BAR] - columns.specials
    used = (bar >= 0) & (bar < s.most_bars) & ~rows.filling
    words = {c: rows.words(columns, c) for c in range(len(columns.names)) if c != BAR}
    for found in words.values():
        used &= found >= 0

    def values(name: str, otherwise: int) -> Ids:
        at = columns.of(name)
        return np.where(used, m.value[words[at]], otherwise) if at >= 0 else np.full(len(used), otherwise)

    drums = m.kind[words[PITCH]] == k.DRUM
    programs = values("Program", program)
    if s.programs and s.drum_pitches is not None:
        used &= drums == (programs == DRUM_PROGRAM)
    used &= np.cumsum(used) <= room
    signature = values("TimeSig", len(m.beats) - 1)
    starts, told = _bars(bar[used], signature[used], m)
    here = np.flatnonzero(used)
    metre = signature[here]
    onset = starts[bar[here]] + m.value[words[POSITION][here]] * (m.beats[metre] // s.per_beat)
    if s.durations:
        duration = m.lengths[metre, values("Duration", 0)[here]]
    else:
        duration = (m.beats[metre] * DEFAULT_BEATS).astype(np.int64)
    notes = Notes(
        onset, duration, m.value[words[PITCH][here]], values("Velocity", DEFAULT_VELOCITY)[here], programs[here]
    )
    tempos: list[tuple[int, int]] = []
    if s.tempos:
        tempo = values("Tempo", 0)[here]
        changes = np.flatnonzero(np.diff(tempo, prepend=-1) != 0).tolist()
        tempos = [(int(onset[i]) if i else 0, int(tempo[i])) for i in changes]
    return notes, Heads(tempos, told if s.use_time_signatures else [], []), used


def _bars(bar: Ids, signature: Ids, m: Meanings) -> tuple[Ids, list[tuple[int, int]]]:
    """The first tick of each bar, and (tick, signature) where it changes; bars without notes are as the one before."""
    count = int(bar.max(initial=-1)) + 1
    first = np.full(count, -1, np.int64)
    first[bar[::-1]] = signature[::-1]
    known = np.maximum.accumulate(np.where(first >= 0, np.arange(count), -1)) if count else first
    opening = first[first >= 0][:1]
    told = np.where(known >= 0, first[known], opening if len(opening) else 0) if count else first
    ticks = np.concatenate([np.zeros(1, np.int64), np.cumsum(m.bars[told])])
    changes = np.flatnonzero(np.diff(told, prepend=-1) != 0).tolist()
    return ticks, [(int(ticks[i]), int(told[i])) for i in changes]


def _kept(kept: State) -> tuple[int, int, int, int]:
    _, bar, position, metre, tempo = kept
    return bar, position, metre, tempo


class OctupleGrammar(RowGrammar):
    """What is kept of the rows before: whether there are any; bar, position, signature and tempo of the last."""

    def begin(self) -> State:
        """What is kept before the first row."""
        return ("", 0, 0, -1, -1)

    def complete(self, kept: State) -> bool:
        """Whether a piece can be over behind these rows."""
        return True

    def allowed(self, row: tuple[int, ...], kept: State) -> Mask:
        """Which ids the next column of a row of music may have."""
        last_bar, last_position, metre, tempo = _kept(kept)
        column = len(row)
        mask = np.arange(len(self.columns.names[column])) >= self.columns.specials
        places = np.arange(len(mask)) - self.columns.specials
        if column == PITCH:
            return mask
        if column == POSITION:
            inside = (places >= last_position) & (places < self._length(metre))
            return mask & (inside | (last_bar < self.settings.most_bars - 1))
        position = self.value(POSITION, row[POSITION])
        if column == BAR:
            same = position >= last_position and (metre < 0 or position < self._length(metre))
            return mask & ((places >= last_bar) if same else (places > last_bar))
        name = self.columns.names[column][-1].split("_")[0]
        bar = row[BAR] - self.columns.specials
        values = self.values(column)
        if name == "Program" and self.settings.drum_pitches is not None:
            drums = self.columns.names[0][row[PITCH]].startswith("PitchDrum")
            mask &= (values == DRUM_PROGRAM) == drums
        if name == "Tempo" and tempo >= 0 and (bar, position) == (last_bar, last_position):
            mask &= places == tempo
        if name == "TimeSig":
            if bar == last_bar and metre >= 0:
                mask &= values == metre
            else:
                mask &= np.array([self._length(int(value)) > position for value in values])
        return mask

    def _length(self, metre: int) -> int:
        signatures = self.settings.signatures
        return self.settings.per_beat * (signatures[metre][0] if 0 <= metre < len(signatures) else 4)

    def after(self, row: tuple[int, ...], kept: State) -> State:
        """What is kept behind a row of music."""
        metre_at, tempo_at = self.columns.of("TimeSig"), self.columns.of("Tempo")
        metre = self.value(metre_at, row[metre_at]) if metre_at >= 0 else 0
        tempo = row[tempo_at] - self.columns.specials if tempo_at >= 0 else -1
        return ("Note", row[BAR] - self.columns.specials, self.value(POSITION, row[POSITION]), metre, tempo)


def octuple_scheme(settings: Settings) -> Scheme:
    """The scheme with these settings."""
    settings = octuple_settings(settings)
    v = octuple_vocabulary(settings)
    remi = word_scheme("remi", settings)
    columns = columns_of(v, remi.vocabulary, settings)
    m = meanings(settings, remi.vocabulary)

    def read(rows: Rows, program: int, room: int) -> tuple[Notes, Heads, Bools]:
        return octuple_read(rows, program, room, m, columns)

    made = CompoundScheme("octuple", settings, v, columns, m, remi, lambda ids: octuple_rows(ids, m, columns), read)
    return Scheme("octuple", 1, v, -1, made.encode, made.decode, OctupleGrammar(v, settings, columns, m), -1, settings)
