"""The scheme `mmt` (multitrack music transformer): a note of any instrument in one row of six ids.

    row    Type, Beat, Position, Pitch, Duration, Instrument
    piece  Start, Instrument*, Notes, Note*, End    (one row each; what a row does not say is 0)

12 positions to a quarter note, 256 quarter notes, 32 durations; no velocities, drums, tempi or signatures. Notes go by
beat, position, instrument, pitch. H.-W. Dong et al., Multitrack Music Transformer, 2023.
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.container import MAX_NOTES, counted
from m4mcli.score.score import NOTE, Score, Track
from m4mcli.tokens.grammar import Grammar, Mask, State
from m4mcli.tokens.losses import without_tokens
from m4mcli.tokens.scheme import Scheme, Tokens, TokenTrack
from m4mcli.tokens.times import closest
from m4mcli.tokens.vocabulary import Field, Vocabulary, labelled

Ids = NDArray[np.int64]

START, INSTRUMENT, NOTES, NOTE_ROW, END = range(5)
PER_BEAT, BEATS = 12, 256
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 21, 24, 30, 36, 40, 42, 48, 60, 72, 84, 96, 108, 120, 132)
DURATIONS = np.array([*LENGTHS, 144, 168, 192, 384], np.int64)
VELOCITY = 64
TYPE, BEAT, POSITION, PITCH, DURATION, PLAYER = range(6)

NOTHING = Field("None", 1, "this row says nothing here")
VOCABULARY = Vocabulary(
    (
        labelled("Type", ("Start", "Instrument", "Notes", "Note", "End"), "what the row tells"),
        *(NOTHING, Field("Beat", BEATS, "number of the quarter note")),
        *(NOTHING, Field("Position", PER_BEAT, "12th of the quarter note")),
        *(NOTHING, Field("Pitch", 128, "MIDI pitch")),
        *(NOTHING, labelled("Duration", tuple(map(str, DURATIONS.tolist())), "12ths of a quarter note")),
        *(NOTHING, Field("Instrument", 128, "General MIDI program from 0")),
    ),
    (1, 2, 2, 2, 2, 2),
)
SIZES = tuple(table.size for table in VOCABULARY.tables())


def encode(score: Score) -> tuple[Tokens, tuple[str, ...]]:
    """The tokens of a piece, and warnings: what was moved, what was left out."""
    scale = PER_BEAT / score.tpq
    parts, moved = [np.zeros((0, len(SIZES)), np.int64)], 0
    for track in score.tracks:
        if track.is_drum:
            continue
        onset, length = track.notes["onset"] * scale, track.notes["duration"] * scale
        start, place = np.floor(onset + 0.5).astype(np.int64), closest(DURATIONS, length)
        moved += int(((start != onset) | (DURATIONS[place] != length)).sum())
        same = np.full(len(start), NOTE_ROW), start // PER_BEAT + 1, start % PER_BEAT + 1
        rest = track.notes["pitch"].astype(np.int64) + 1, place + 1, np.full(len(start), track.program + 1)
        parts.append(np.stack([*same, *rest], axis=1))
    notes = np.concatenate(parts)
    late = notes[:, BEAT] > BEATS
    drums, notes = score.note_count - len(notes), notes[~late]
    notes = notes[np.lexsort(tuple(notes[:, c] for c in (DURATION, PITCH, PLAYER, POSITION, BEAT)))]
    players = np.unique(notes[:, PLAYER])
    named = np.zeros((len(players), len(SIZES)), np.int64)
    named[:, TYPE], named[:, PLAYER] = INSTRUMENT, players
    marks = np.zeros((3, len(SIZES)), np.int64)
    marks[:, TYPE] = START, NOTES, END
    ids = np.concatenate([marks[:1], named, marks[1:2], notes, marks[2:]])
    told = {t.program: t for t in reversed(score.tracks) if not t.is_drum}
    tracks = tuple(TokenTrack(told[p].name, p) for p in (players - 1).tolist())
    return Tokens("mmt", ids, score.tpq, tracks), _warnings(score, moved, drums, int(late.sum()))


def _warnings(score: Score, moved: int, drums: int, late: int) -> tuple[str, ...]:
    warnings = []
    if moved:
        warnings.append(f"off-grid: {moved} of {counted(score.note_count, 'note')} moved to the nearest 12th of a beat")
    if drums:
        warnings.append(f"drums: {counted(drums, 'note')} left out")
    if late:
        warnings.append(f"too-long: {counted(late, 'note')} left out, behind beat {BEATS}")
    return (*warnings, *without_tokens(score))


def decode(tokens: Tokens) -> tuple[Score, int]:
    """The piece that any rows are, and how many of them were skipped. All velocities are 64."""
    width = len(SIZES)
    ids = tokens.ids if tokens.ids.ndim > 1 and tokens.ids.shape[1] == width else np.zeros((0, width), np.int64)
    stops = np.flatnonzero(ids[:, TYPE] == END)
    end = int(stops[0]) if len(stops) else len(ids)
    inside = ids[:end]
    known = ((inside >= 0) & (inside < np.array(SIZES))).all(1)
    whole = known & (inside[:, TYPE] == NOTE_ROW) & (inside[:, 1:] > 0).all(1)
    whole &= np.cumsum(whole) <= MAX_NOTES
    marks = known & (inside[:, TYPE] == INSTRUMENT) & (inside[:, PLAYER] > 0)
    marks |= known & (inside[:, TYPE] == NOTES)
    marks[:1] |= inside[:1, TYPE] == START
    skipped = int((~whole & ~marks).sum()) + max(len(ids) - end - 1, 0)
    rows = inside[whole]
    named = inside[marks & (inside[:, TYPE] == INSTRUMENT), PLAYER] - 1
    told = {t.program: t for t in reversed(tokens.tracks) if not t.is_drum}
    programs = sorted({*told, *named.tolist(), *(rows[:, PLAYER] - 1).tolist()})
    scale = tokens.tpq / PER_BEAT
    onset = (rows[:, BEAT] - 1) * PER_BEAT + rows[:, POSITION] - 1
    start = np.floor(onset * scale + 0.5).astype(np.int64)
    stop = np.floor((onset + DURATIONS[rows[:, DURATION] - 1]) * scale + 0.5).astype(np.int64)
    notes = np.empty(len(rows), NOTE)
    notes["onset"], notes["duration"] = start, np.maximum(stop - start, 1)
    notes["pitch"], notes["velocity"] = rows[:, PITCH] - 1, VELOCITY
    order = np.lexsort((notes["pitch"], notes["onset"]))
    notes, player = notes[order], rows[order, PLAYER] - 1
    tracks = (Track(told[p].name if p in told else "", p, False, notes[player == p]) for p in programs)
    return Score(tokens.tpq, tuple(tracks)), skipped


NO_NOTE = (0, 0, 0)


class MmtGrammar(Grammar):
    """Types and times do not go back, notes of one moment stand in order, and only named instruments play.

    The state is (ids of the row so far, type, beat and position of the last row, instruments, the last note as
    instrument, pitch and duration).
    """

    def start(self) -> State:
        """The state before the first id."""
        return ((), -1, 1, 1, (), NO_NOTE)

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        return bool(state[1] == END and not state[0])

    def allowed_next(self, state: State) -> Mask:
        """Which ids of the next column may come next."""
        row, last, beat, position, players, before = state
        column = len(row)
        mask = np.zeros(SIZES[column], np.bool_)
        if column == TYPE:
            mask[list(self._types(last, players))] = True
        elif row[TYPE] == NOTE_ROW:
            mask[1:] = True
            now = row[BEAT:PITCH] == (beat, position)
            if column == BEAT:
                mask[1:beat] = False
            elif column == POSITION and row[BEAT] == beat:
                mask[1:position] = False
            elif column in (PITCH, DURATION) and now and before[0] == max(players):
                # No instrument comes behind the last one: this note is its.
                mask[1 : _least(before, row[PITCH:])] = False
            elif column == PLAYER:
                mask[:] = False
                mask[[p for p in players if not now or (p, row[PITCH], row[DURATION]) >= before]] = True
        elif row[TYPE] == INSTRUMENT and column == PLAYER:
            mask[max(players, default=0) + 1 :] = True
        else:
            mask[0] = True
        return mask

    def _types(self, last: int, players: tuple[int, ...]) -> tuple[int, ...]:
        if last == -1:
            return (START,)
        if last in (START, INSTRUMENT):
            more = (INSTRUMENT,) if max(players, default=0) < SIZES[PLAYER] - 1 else ()
            return (*more, NOTES)
        if last == END:
            return ()
        return (NOTE_ROW, END) if players else (END,)

    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""
        row, last, beat, position, players, before = state
        row = (*row, int(token))
        if len(row) < len(SIZES):
            return (row, last, beat, position, players, before)
        if row[TYPE] == INSTRUMENT:
            players = (*players, row[PLAYER])
        if row[TYPE] == NOTE_ROW:
            beat, position, before = row[BEAT], row[POSITION], (row[PLAYER], row[PITCH], row[DURATION])
        return ((), row[TYPE], beat, position, players, before)


def _least(before: tuple[int, int, int], told: tuple[int, ...]) -> int:
    """The least pitch, or where the pitch is told the least duration, of a note behind `before` by one instrument."""
    _, pitch, duration = before
    if not told:
        return pitch
    return duration if told[0] == pitch else 1


MMT = Scheme("mmt", 1, VOCABULARY, -1, encode, decode, MmtGrammar())
