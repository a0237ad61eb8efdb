"""What a scheme of tokens is: a vocabulary, a way from music to ids, and a way back that never fails."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.score import Score
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
    """One piece as ids (n,) of the named scheme, with its ticks to the quarter note and its tracks."""

    scheme: str
    ids: NDArray[np.int64]
    tpq: int = DEFAULT_TPQ
    tracks: tuple[TokenTrack, ...] = ()


@dataclass(frozen=True)
class Scheme:
    """A way to write music as ids.

    `encode` gives the tokens of a piece and warnings about what they cannot hold. `decode` gives a piece for any ids
    whatever, and how many of them it had to skip. `version` changes when ids change their meaning. `line_end` is the id
    after which the JSON form begins a new line.
    """

    name: str
    version: int
    vocabulary: Vocabulary
    line_end: int
    encode: Callable[[Score], tuple[Tokens, tuple[str, ...]]]
    decode: Callable[[Tokens], tuple[Score, int]]
