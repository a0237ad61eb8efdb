"""Pieces written by a model over tokens: from nothing, or on from the beginning of a piece."""

from dataclasses import dataclass, field, replace

from m4mcli.dataset.parts import PARTS, key_shift
from m4mcli.errors import USAGE, M4mError
from m4mcli.generation.draw import AT_ONCE, within
from m4mcli.generation.request import Progress
from m4mcli.generation.sampling import Sampling
from m4mcli.generation.token_sampling import Asked, Rows, Written, sample
from m4mcli.models.token_model import TokenModel
from m4mcli.score.excerpt import excerpt
from m4mcli.score.score import Score
from m4mcli.score.transposition import moved_by
from m4mcli.tokens.coder import Coder, without_end
from m4mcli.tokens.given import Given, given_instruments, given_tune
from m4mcli.tokens.scheme import DEFAULT_TPQ, TokenTrack

TASK = "sample"


@dataclass(frozen=True)
class Wish:
    """What is to be written: `count` pieces of at most `length` rows of tokens, the prompt's included.

    `prompt`: music to go on from, of which the first `beats` quarter notes are read (None: all). `part` names what of
    it the model knows; with `one_key` it is read in C major or A minor, and what is written is moved back. `metre` and
    `key` are for models over ABC: `6/8`, and `Dm`, `major` or `minor`. `instruments`: only these play, programs 0-127
    and 128 for drums (none: as the model likes).
    """

    count: int = 1
    length: int = 512
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    prompt: Score | None = None
    beats: int | None = None
    part: str = "whole"
    one_key: bool = False
    metre: str | None = None
    key: str | None = None
    instruments: tuple[int, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A piece that was written: its music, its rows, how many of these decoding skipped, whether it came to its end."""

    score: Score
    written: Rows
    skipped: int
    ended: bool


def write_pieces(model: TokenModel, coder: Coder, wish: Wish, progress: Progress | None = None) -> list[Piece]:
    """All pieces, some at a time side by side; each depends on the seed and its number alone."""
    given = None if wish.prompt is None else prompt_part(wish.prompt, wish.part, wish.beats)
    shift = key_shift(given) if given is not None and wish.one_key else 0
    given = given and moved_by(given, shift)
    start = _start(coder, wish, given)
    asked = Asked(start.rows, wish.length, wish.sampling, wish.seed, barred=start.barred)
    found: list[Written] = []
    for first in range(0, wish.count, AT_ONCE):
        told = within(progress, first // AT_ONCE, -(-wish.count // AT_ONCE))
        found += sample(model, coder, replace(asked, first=first), min(AT_ONCE, wish.count - first), told)
    return [_piece(coder, written, given, -shift) for written in found]


def _start(coder: Coder, wish: Wish, given: Score | None) -> Given:
    """How the pieces begin."""
    tune = wish.metre is not None or wish.key is not None
    if given is not None and (tune or wish.instruments):
        raise M4mError("--prompt excludes --metre, --key and --instruments", "give one or the other", USAGE)
    if given is not None:
        return Given(without_end(prompt_rows(given, coder), coder))
    if tune:
        return given_tune(coder, wish.metre, wish.key)
    return given_instruments(coder, wish.instruments) if wish.instruments else Given(coder.lead[None])


def prompt_part(score: Score, part: str, beats: int | None) -> Score:
    """The beginning of the part that a model goes on from. Raises M4mError where there is none."""
    found = PARTS[part](score)
    if found is None:
        raise M4mError(f"the prompt has no part like {part}", "give a piece that has one")
    return found if beats is None else excerpt(found, 0, beats * found.tpq)


def prompt_rows(score: Score, coder: Coder) -> Rows:
    """The rows of a prompt. Raises M4mError where it is more than one sequence."""
    pieces = coder.pieces(score)
    if len(pieces) != 1:
        raise M4mError(f"the prompt has {len(pieces)} tracks, the model writes one", "give one track")
    return pieces[0]


def _piece(coder: Coder, written: Written, given: Score | None, shift: int) -> Piece:
    tracks = () if given is None else tuple(TokenTrack(t.name, t.program, t.is_drum) for t in given.tracks)
    score, skipped = coder.score(written.rows, DEFAULT_TPQ if given is None else given.tpq, tracks)
    sounding = moved_by(replace(score, tracks=tuple(t for t in score.tracks if len(t.notes))), shift)
    return Piece(sounding, written.rows, skipped, written.ended)
