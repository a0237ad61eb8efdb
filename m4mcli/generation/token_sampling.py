"""The one sampler of all networks over tokens: row by row, column by column, never against the grammar.

Each piece has random numbers of its own and ends by itself: at its own end row, or where the length is reached; then it
is cut back to the last place at which a piece may end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.generation.request import Progress
from m4mcli.generation.sampling import Sampling, choose
from m4mcli.models.token_model import Ahead, Memory, TokenModel
from m4mcli.tokens.coder import Coder
from m4mcli.tokens.grammar import State

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """What is asked of the sampler.

    `prompt` (n, columns): rows from the lead on, with which each piece begins. `length`: rows, the prompt's included,
    at which a piece is over. `first`: the number of the first piece. `grammar` off: any id may come.
    `barred`: masks of ids that may not, by column.
    """

    prompt: Rows
    length: int
    sampling: Sampling
    seed: int = 0
    first: int = 0
    grammar: bool = True
    barred: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass
class Writing:
    """A piece in the making."""

    rng: np.random.Generator
    rows: list[Rows]
    state: State
    log_likelihood: float = 0.0
    ended: bool = False


@dataclass(frozen=True)
class Written:
    """A piece that was sampled: rows from the lead on, whether it came to its end, nats of its free choices."""

    rows: Rows
    ended: bool
    log_likelihood: float


def sample(
    model: TokenModel, coder: Coder, asked: Asked, pieces: int, progress: Progress | None = None
) -> list[Written]:
    """So many pieces, side by side; each has the random numbers of its own number. Raises M4mError for a bad prompt."""
    if asked.length <= len(asked.prompt):
        said = f"the prompt has {len(asked.prompt)} rows, and the piece is to have {asked.length}"
        raise M4mError(said, "give a shorter prompt or a larger --length", USAGE)
    state = _prompted(coder, asked)
    randoms = [np.random.default_rng([asked.seed, asked.first + i]) for i in range(pieces)]
    going = [Writing(rng, list(asked.prompt), state) for rng in randoms]
    every = list(going)
    memory = model.begin(pieces)
    ahead = _read(model, memory, going, len(asked.prompt))
    for length in range(len(asked.prompt), asked.length):
        _write_row(ahead, coder, asked, going)
        if progress is not None:
            progress(length + 1 - len(asked.prompt), asked.length - len(asked.prompt))
        open_: NDArray[np.bool_] = np.array([not piece.ended for piece in going])
        if not open_.any() or length + 1 == asked.length:
            break
        if not open_.all():
            memory.keep(open_)
            going = [piece for piece in going if not piece.ended]
        ahead = _read(model, memory, going, 1)
    return [_finished(piece, coder, asked) for piece in every]


def _prompted(coder: Coder, asked: Asked) -> State:
    """The grammar's state behind the prompt. Raises M4mError for a prompt that it forbids."""
    state = coder.started()
    if not asked.grammar:
        return state
    for place, row in enumerate(asked.prompt[1:].tolist(), 2):
        after = _after(coder, state, row)
        if after is None:
            raise M4mError(f"the prompt breaks the grammar of {coder.scheme.name} in row {place}")
        state = after
    return state


def _after(coder: Coder, state: State, row: Sequence[int]) -> State | None:
    """The grammar's state behind one more row; None where it may not stand there."""
    for token in row:
        if not coder.grammar.allowed_next(state)[token]:
            return None
        state = coder.grammar.step(state, token)
    return state


def _read(model: TokenModel, memory: Memory, going: list[Writing], new: int) -> Ahead:
    """Read the last `new` rows; where the context is full, the later half of what is written, from the beginning."""
    rows = np.array([piece.rows for piece in going])
    if model.context and memory.length + new > model.context:
        fresh = model.begin(len(going))
        memory.arrays, memory.length = fresh.arrays, 0
        new = min(rows.shape[1], max(1, model.context // 2))
    return model.read(rows[:, -new:], memory)


def _write_row(ahead: Ahead, coder: Coder, asked: Asked, going: list[Writing]) -> None:
    """One more row of each piece."""
    grammar, end = coder.grammar, coder.end
    chosen = np.zeros((len(going), 0), np.int64)
    for _ in coder.sizes:
        logits = ahead.logits(chosen)
        allowed = np.ones(logits.shape, np.bool_)
        if asked.grammar:
            for i, piece in enumerate(going):
                allowed[i] = piece.ended or grammar.allowed_next(piece.state)
        if chosen.shape[1] in asked.barred:
            allowed &= ~asked.barred[chosen.shape[1]]
        stuck = np.logical_not(np.any(allowed, axis=1))
        allowed[stuck] = True
        uniforms = np.array([piece.rng.random() for piece in going])
        value, log_p = choose(logits, allowed, asked.sampling, uniforms)
        chosen = np.concatenate((chosen, value[:, None]), axis=1)
        for i, piece in enumerate(going):
            piece.ended |= bool(stuck[i])
            if asked.grammar and not piece.ended:
                piece.state = grammar.step(piece.state, int(value[i]))
                piece.log_likelihood += float(log_p[i])
    for piece, row in zip(going, chosen, strict=True):
        if not piece.ended or not asked.grammar:
            piece.rows.append(row)
            piece.ended = bool((row == end).all())


def _finished(piece: Writing, coder: Coder, asked: Asked) -> Written:
    """The piece, cut back to where it may end if it did not end by itself."""
    rows = np.array(piece.rows)
    if asked.grammar and not (rows[-1] == coder.end).all():
        state, whole = coder.started(), 1
        for place, row in enumerate(rows[1:].tolist(), 2):
            for token in row:
                state = coder.grammar.step(state, token)
            whole = place if _after(coder, state, coder.end.tolist()) is not None else whole
        rows = rows[:whole]
    return Written(rows, piece.ended, piece.log_likelihood)
