"""What a scheme of tokens is: a vocabulary, a way from music to ids, and a way back that never fails."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.score import Score
from m4mcli.tokens.grammar import Grammar
from m4mcli.tokens.settings import Settings
from m4mcli.tokens.vocabulary import Vocabulary

DEFAULT_TPQ = 480
"""Ticks to the quarter note of music made from ids that come without them."""


@dataclass(frozen=True)
class TokenTrack:
    """A track that the ids play, told beside them: what no id says of it."""

    name: str = ""
    program: int = 0
    is_drum: bool = False


@dataclass(frozen=True)
class Tokens:
    """One piece as ids of the named scheme, with its ticks to the quarter note and its tracks.

    `ids` is (n,), or (n, columns) for schemes whose tokens are rows. Where each track is a sequence of its own,
    `lengths` says how many of the ids belong to each; it is None where the piece is one sequence. `settings` are those
    that the ids were made with, None for schemes without. `bpe` is the hash of the merges that the ids have gone
    through, empty for none. `bars` are the places in `ids` where bars begin, if they were asked for.
    """

    scheme: str
    ids: NDArray[np.int64]
    tpq: int = DEFAULT_TPQ
    tracks: tuple[TokenTrack, ...] = ()
    lengths: tuple[int, ...] | None = None
    settings: Settings | None = None
    bpe: str = ""
    bars: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def sequences(self) -> tuple[NDArray[np.int64], ...]:
        """The ids of each sequence."""
        if self.lengths is None:
            return (self.ids,)
        stops = np.cumsum(self.lengths).tolist()
        return tuple(self.ids[stop - n : stop] for n, stop in zip(self.lengths, stops, strict=True))


@dataclass(frozen=True)
class Scheme:
    """A way to write music as ids.

    `encode` gives the tokens of a piece and warnings about what they cannot hold. `decode` gives a piece for any ids
    whatever, and how many of them it had to skip. `version` changes when ids change their meaning. `line_end` is the id
    after which the JSON form begins a new line, `line_start` the one before which it does. `grammar` says which ids may
    come next. `crop` makes of a piece's ids at most so many that are a piece of their own, by chance, or without
    numbers of chance its beginning; None where any stretch of ids will do.
    """

    name: str
    version: int
    vocabulary: Vocabulary
    line_end: int
    encode: Callable[[Score], tuple[Tokens, tuple[str, ...]]]
    decode: Callable[[Tokens], tuple[Score, int]]
    grammar: Grammar
    line_start: int = -1
    settings: Settings | None = None
    crop: Callable[[NDArray[np.int64], int, np.random.Generator | None], NDArray[np.int64]] | None = None
