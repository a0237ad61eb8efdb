"""The scheme `tpd`: a step in time, a pitch and a duration in one row of ids, for one melody line or piano part.

    row    TimeShift, Pitch, Duration

All tracks but drums are told as one, without velocities, instruments, tempi or signatures. Steps and durations are
those of the published models of this kind (J. Jordan, midi-lm, 2024), in 12ths of a quarter note; others go to the
nearest, so that rhythm is lost beside fine grids. Unlike there, PAD is not taken for the last step.
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, counted
from m4mcli.score.score import NOTE, Score, Track
from m4mcli.tokens.grammar import Grammar, Mask, State
from m4mcli.tokens.losses import without_tokens
from m4mcli.tokens.scheme import Scheme, Tokens, TokenTrack
from m4mcli.tokens.times import closest
from m4mcli.tokens.vocabulary import Field, Vocabulary, labelled

Ids = NDArray[np.int64]

PER_QUARTER = 12
STEPS = np.array([0, 6, 12, 24, 32, 48, 64, 96, 128], np.int64)
DURATIONS = np.array([3, 4, 6, 8, 12, 16, 18, 24, 36, 48, 72, 96, 144], np.int64)
VELOCITY = 64
SPECIAL = (Field("PAD", 1, "nothing: fills a row of a batch"), Field("EOS", 1, "the piece ends"))
PAD, EOS, FIRST = 0, 1, 2

VOCABULARY = Vocabulary(
    (
        *SPECIAL,
        labelled("TimeShift", tuple(map(str, STEPS.tolist())), "time goes on by 12ths of a quarter note"),
        *SPECIAL,
        Field("Pitch", 128, "MIDI pitch of a note"),
        *SPECIAL,
        labelled("Duration", tuple(map(str, DURATIONS.tolist())), "12ths of a quarter note"),
    ),
    (3, 3, 3),
)
SIZES = tuple(table.size for table in VOCABULARY.tables())


def encode(score: Score) -> tuple[Tokens, tuple[str, ...]]:
    """The tokens of a piece, and warnings: what was moved to the nearest step, what was left out."""
    found = [track.notes for track in score.tracks if not track.is_drum]
    notes = np.concatenate([np.zeros(0, NOTE), *found])
    notes = notes[np.lexsort((notes["duration"], notes["pitch"], notes["onset"]))]
    scale = PER_QUARTER / score.tpq
    gaps = np.diff(notes["onset"], prepend=0) * scale
    durations = notes["duration"] * scale
    step, length = closest(STEPS, gaps), closest(DURATIONS, durations)
    ids = np.stack([step, notes["pitch"].astype(np.int64), length], axis=1) + FIRST
    moved = int(((STEPS[step] != gaps) | (DURATIONS[length] != durations)).sum())
    drums = score.note_count - len(notes)
    warnings = []
    if moved:
        warnings.append(f"off-grid: {moved} of {counted(len(notes), 'note')} moved to the nearest step")
    if drums:
        warnings.append(f"drums: {counted(drums, 'note')} left out")
    first = next((t for t in score.tracks if not t.is_drum), Track())
    tokens = Tokens("tpd", ids, score.tpq, (TokenTrack(first.name, first.program),))
    return tokens, (*warnings, *without_tokens(score))


def decode(tokens: Tokens) -> tuple[Score, int]:
    """The piece that any rows are, and how many of them were skipped. All velocities are 64."""
    ids = tokens.ids if tokens.ids.ndim > 1 and tokens.ids.shape[1] == len(SIZES) else np.zeros((0, 3), np.int64)
    stops = np.flatnonzero((ids == EOS).all(1))
    pads = (ids == PAD).all(1)
    end = int(stops[0]) if len(stops) else len(ids)
    inside = ids[:end]
    told = ((inside >= FIRST) & (inside < np.array(SIZES))).all(1)
    rows = inside[told] - FIRST
    onset = np.cumsum(STEPS[rows[:, 0]])
    kept = (onset < MAX_QUARTERS * PER_QUARTER) & (np.arange(len(rows)) < MAX_NOTES)
    rows, onset = rows[kept], onset[kept]
    skipped = int((~pads[:end]).sum()) - len(rows) + int((~pads[end + 1 :]).sum())
    scale, last = tokens.tpq / PER_QUARTER, MAX_QUARTERS * tokens.tpq
    start = np.minimum(np.floor(onset * scale + 0.5), last).astype(np.int64)
    stop = np.minimum(np.floor((onset + DURATIONS[rows[:, 2]]) * scale + 0.5), last).astype(np.int64)
    notes = np.empty(len(rows), NOTE)
    notes["onset"], notes["duration"] = start, np.maximum(stop - start, 1)
    notes["pitch"], notes["velocity"] = rows[:, 1], VELOCITY
    track = tokens.tracks[0] if tokens.tracks else TokenTrack()
    ordered = notes[np.lexsort((notes["pitch"], notes["onset"]))]
    return Score(tokens.tpq, (Track(track.name, track.program, False, ordered),)), skipped


class TpdGrammar(Grammar):
    """Rows of music, then one of EOS, then PAD. The state is (ids of the row so far, whether the piece is over)."""

    def start(self) -> State:
        """The state before the first id."""
        return ((), False)

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        return not state[0]

    def allowed_next(self, state: State) -> Mask:
        """Which ids of the next column may come next."""
        row, over = state
        mask = np.zeros(SIZES[len(row)], np.bool_)
        if over:
            mask[PAD] = True
        elif row and row[0] == EOS:
            mask[EOS] = True
        else:
            mask[FIRST:] = True
            mask[EOS] = not row
        return mask

    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""
        row, over = state
        row = (*row, int(token))
        return (row, over) if len(row) < len(SIZES) else ((), over or row[0] < FIRST)


TPD = Scheme("tpd", 1, VOCABULARY, -1, encode, decode, TpdGrammar())
