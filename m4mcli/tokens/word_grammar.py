"""The order of words in `remi`, `tsd`, `midilike`: which may follow where a piece stands.

A piece is a row of times; at each, first what holds for the whole piece, then notes and chords. The state says which
word was last, how far the time has got, who plays, and which notes sound.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from m4mcli.tokens import decoding as k
from m4mcli.tokens.grammar import Grammar, Mask, State
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.vocabulary import Vocabulary

START = -1
NOBODY = -2
OPEN, SIGNED, TIMED, KEYED, PLAYED, CHORDED = range(6)
"""What has been told at this time, of which nothing before may be told any more."""

MOVES = (k.BAR, k.BAR_END, k.POSITION, k.SHIFT, k.REST)
Sounding = tuple[tuple[tuple[int, bool, int], int], ...]


class At(NamedTuple):
    """Where a piece stands: `place` is the last position of the bar, of `positions`; `step` the last step or rest."""

    kind: int = START
    stage: int = OPEN
    program: int = NOBODY
    place: int = -1
    step: int = -1
    positions: int = 0
    began: bool = False
    sounding: Sounding = ()
    fresh: Sounding = ()


@dataclass(frozen=True)
class WordGrammar(Grammar):
    """The grammar of one vocabulary; `bars` for REMI's marks of time, `on_off` for notes that end by themselves."""

    vocabulary: Vocabulary
    settings: Settings
    meanings: k.Meanings
    bars: bool = False
    on_off: bool = False

    def start(self) -> State:
        """The state before the first id."""
        return At()

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        at = At(*state)
        whole = at.kind in (START, k.BEGIN, k.TEMPO, k.KEY, k.SIGNATURE, *self._note_ends)
        whole |= at.kind == k.BAR and not self.settings.use_time_signatures
        return (whole and not at.sounding and not at.fresh) or at.kind in (k.STOP, k.PAD)

    @property
    def _note_ends(self) -> tuple[int, ...]:
        last = k.PITCH, k.DRUM
        if self.settings.durations and not self.on_off:
            return (k.DURATION,)
        ends = (k.VELOCITY,) if self.settings.velocities else last
        return (*ends, k.OFF, k.DRUM_OFF)

    def allowed_next(self, state: State) -> Mask:
        """Which ids may come next."""
        at = At(*state)
        kinds = self._kinds(at)
        if self.may_end(state) and at.kind not in (k.STOP, k.PAD):
            kinds.add(k.STOP)
        mask = np.isin(self.meanings.kind[:-1], list(kinds))
        value = self.meanings.value[:-1]
        kind = self.meanings.kind[:-1]
        if k.POSITION in kinds:
            # Two onsets on a finer grid than the bar's may be told by its same line, as MidiTok tells them.
            mask &= (kind != k.POSITION) | ((value >= at.place) & (value < at.positions))
        if at.kind in (k.SHIFT, k.REST):
            top = int(value[kind == at.kind].max())
            mask &= (kind != at.kind) | (value < at.step) | (value == top) & (at.step == top)
        if k.PROGRAM in kinds and self.settings.program_changes:
            mask &= (kind != k.PROGRAM) | (value != at.program)
        if k.OFF in kinds or k.DRUM_OFF in kinds:
            mask &= ~np.isin(kind, (k.OFF, k.DRUM_OFF)) | self._sounding(at)
        return mask

    def _sounding(self, at: At) -> Mask:
        """The ids that end a note which sounds with the instrument that is told."""
        mask = np.zeros(self.vocabulary.size, np.bool_)
        for (program, drum, pitch), _ in at.sounding:
            if program == at.program:
                mask[self.vocabulary.id_of("DrumOff" if drum else "NoteOff", pitch)] = True
        return mask

    def _kinds(self, at: At) -> set[int]:
        s = self.settings
        if at.kind in (k.STOP, k.PAD):
            return {k.PAD}
        if not at.began:
            return self._first(at)
        if at.kind == k.PROGRAM:
            return self._of_program(at, told=True)
        if at.kind in (k.PITCH, k.DRUM) and s.velocities:
            return {k.VELOCITY}
        if at.kind in (k.PITCH, k.DRUM, k.VELOCITY) and s.durations and not self.on_off:
            return {k.DURATION}
        if self.bars and (at.kind in (k.BAR, k.BAR_END, k.REST, k.SIGNATURE)):
            return self._in_bars(at)
        found = self._tellable(at)
        if at.kind in (k.POSITION, k.CHORD):
            return found
        if self.bars:
            return found | self._moves(at)
        if at.kind == k.SHIFT:
            return found | {k.SHIFT}
        return found | {k.SHIFT} | ({k.REST} if s.rests else set())

    def _first(self, at: At) -> set[int]:
        """What a piece may begin with."""
        s = self.settings
        begin = {k.BEGIN} if at.kind == START else set()
        if s.programs and s.program_changes and not s.single and at.kind != k.PROGRAM:
            # A piece without tracks has no instrument.
            begin |= {k.PROGRAM}
        heads = ((s.use_time_signatures, k.SIGNATURE), (s.tempos, k.TEMPO), (s.key_signatures, k.KEY))
        told = next((kind for has, kind in heads if has), None)
        if self.bars:
            return {k.BAR} | ({k.REST} if s.rests and told is None else set()) | begin
        if told is not None:
            return {told} | begin
        return self._tellable(at) | {k.SHIFT} | ({k.REST} if s.rests else set()) | begin

    def _in_bars(self, at: At) -> set[int]:
        s = self.settings
        if at.kind == k.BAR_END:
            return {k.BAR}
        if at.kind == k.BAR and s.use_time_signatures:
            return {k.SIGNATURE}
        found = self._moves(at)
        if at.kind == k.REST and s.use_time_signatures:
            found.add(k.SIGNATURE)
        return found

    def _moves(self, at: At) -> set[int]:
        """On to another place; to a position only where something may be told there: a track of nobody is silent."""
        s = self.settings
        found = {k.BAR_END if s.bar_ends else k.BAR} | ({k.REST} if s.rests else set())
        return found | ({k.POSITION} if self._tellable(at._replace(stage=OPEN)) else set())

    def _tellable(self, at: At) -> set[int]:
        """What may be told at this time, after what has been."""
        s = self.settings
        found = set()
        if not self.bars and s.use_time_signatures and at.stage < SIGNED:
            found.add(k.SIGNATURE)
        if s.tempos and at.stage < TIMED:
            found.add(k.TEMPO)
        if s.key_signatures and at.stage < KEYED:
            found.add(k.KEY)
        if s.programs and (s.single or not s.program_changes):
            found.add(k.PROGRAM)
            if not s.program_changes or at.stage == CHORDED:
                return found if not s.program_changes else self._of_program(at, told=False)
        return found | self._of_program(at, told=False)

    def _of_program(self, at: At, *, told: bool) -> set[int]:
        """Notes, their ends and chords, of the instrument that plays, if it is known."""
        s = self.settings
        if s.programs and at.program == NOBODY:
            return set()
        unknown = at.program == NOBODY
        drums = unknown or at.program == DRUM_PROGRAM
        found = set()
        if s.drum_pitches is None or unknown or not drums:
            found |= {k.PITCH, k.OFF}
        if s.drum_pitches is not None and drums:
            found |= {k.DRUM, k.DRUM_OFF}
        if at.stage == CHORDED:
            return found - {k.OFF, k.DRUM_OFF}
        if s.chords and (unknown or at.program != DRUM_PROGRAM):
            found.add(k.CHORD)
        return found if self.on_off and s.durations else found - {k.OFF, k.DRUM_OFF}

    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""
        at = At(*state)
        kind, value = int(self.meanings.kind[token]), int(self.meanings.value[token])
        if kind in (k.STOP, k.PAD, k.BEGIN):
            return at._replace(kind=kind)
        began = at.began or kind != k.PROGRAM or self.settings.single or not self.settings.program_changes
        at = at._replace(kind=kind, began=began)
        if kind in MOVES:
            return self._moved(at, kind, value)
        if kind == k.SIGNATURE:
            numerator, _ = self.settings.time_signatures[value]
            return at._replace(stage=SIGNED, positions=self._positions(numerator))
        if kind == k.PROGRAM:
            return at._replace(program=value)
        if kind in (k.TEMPO, k.KEY, k.CHORD):
            return at._replace(stage={k.TEMPO: TIMED, k.KEY: KEYED, k.CHORD: CHORDED}[kind])
        if kind in (k.PITCH, k.DRUM):
            if not self.settings.programs and at.program == NOBODY and self.settings.drum_pitches is not None:
                at = at._replace(program=DRUM_PROGRAM if kind == k.DRUM else 0)
            at = at._replace(stage=PLAYED)
            if self.on_off and self.settings.durations:
                at = at._replace(fresh=_counted(at.fresh, (at.program, kind == k.DRUM, value), 1))
        if kind in (k.OFF, k.DRUM_OFF):
            key = (at.program, kind == k.DRUM_OFF, value)
            at = at._replace(stage=PLAYED, sounding=_counted(at.sounding, key, -1))
        return at

    def _positions(self, numerator: int) -> int:
        return self.settings.per_beat * numerator

    def _moved(self, at: At, kind: int, value: int) -> At:
        sounding = at.sounding
        for key, count in at.fresh:
            sounding = _counted(sounding, key, count)
        at = at._replace(stage=OPEN, sounding=sounding, fresh=())
        positions = at.positions or self._positions(4)
        place = value if kind == k.POSITION else -1
        return at._replace(place=place, step=value, positions=positions)


def _counted(sounding: Sounding, key: tuple[int, bool, int], change: int) -> Sounding:
    counts = dict(sounding)
    counts[key] = counts.get(key, 0) + change
    return tuple(sorted((k, n) for k, n in counts.items() if n))
