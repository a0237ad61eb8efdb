"""The counted part of chord recognition: how well each chord fits each unit, and how chords follow each other.

A small network with the same weights for every root scores the music as seen from that root, so that transposing the
music transposes the answer. Scores and moves together are a linear-chain conditional random field (Lafferty, McCallum
and Pereira 2001), trained by `m4mcli.training.chords`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.rotating_network import RotatingNetwork
from m4mcli.models.registry import find_model, read_arrays

Array = NDArray[np.float32]

QUALITIES = (
    "maj", "min", "dim", "aug", "maj7", "min7", "7", "hdim7", "dim7", "minmaj7", "maj6", "min6", "sus2", "sus4",
)  # fmt: skip
"""The qualities that are told apart, by their Harte shorthands."""

TONES = (
    (0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8), (0, 4, 7, 11), (0, 3, 7, 10), (0, 4, 7, 10), (0, 3, 6, 10),
    (0, 3, 6, 9), (0, 3, 7, 11), (0, 4, 7, 9), (0, 3, 7, 9), (0, 2, 7), (0, 5, 7),
)  # fmt: skip
"""Their tones, in semitones above the root."""

SILENCE = 12 * len(QUALITIES)
STATES = SILENCE + 1
"""A state is 12 * quality + root, or SILENCE."""

WEIGHTS = "chords.npz"


@dataclass(frozen=True)
class ChordModel:
    """The weights. `network` makes, seen from a root, a score for each quality and for each interval from root to bass;
    `silence` scores silence, `change` the ease of a change; `moves` (quality, quality, semitones up) score what follows
    what."""

    network: RotatingNetwork
    silence: tuple[Array, Array]
    change: tuple[Array, Array, Array, Array]
    moves: Array
    into_silence: Array
    out_of_silence: Array

    @classmethod
    def of(cls, weights: Mapping[str, Array]) -> "ChordModel":
        """The model whose arrays are stored under these names."""
        a = {name: np.asarray(weights[name], np.float32) for name in weights}
        change = (a["change1"], a["bias_change1"], a["change2"], a["bias_change2"])
        ends = (a["moves"], a["into_silence"], a["out_of_silence"])
        return cls(RotatingNetwork.of(a), (a["silence"], a["bias_silence"]), change, *ends)


def shipped_model() -> ChordModel:
    """The weights that come with m4m."""
    return ChordModel.of(read_arrays(find_model(None, "analyze"), WEIGHTS))


@dataclass(frozen=True)
class Scores:
    """What a chain of n units knows: `fit` (n, STATES), `bass` (n, 12 roots, 12 intervals), `change` (n,), `moves`
    (STATES, STATES) from row to column; staying costs nothing and has no move."""

    fit: Array
    bass: Array
    change: Array
    moves: Array


def scores(model: ChordModel, pictures: Array, scalars: Array) -> Scores:
    """The scores of units from their pictures (n, PICTURES, 12) and scalars (n, SCALARS)."""
    n = len(pictures)
    answers = model.network.answers(pictures, scalars)
    chords = answers[..., : len(QUALITIES)].transpose(0, 2, 1).reshape(n, SILENCE)
    weights, bias = model.silence
    fit = np.concatenate((chords, scalars @ weights.T + bias), axis=1)
    return Scores(fit, answers[..., len(QUALITIES) :], _change(model, pictures, scalars), _moves(model))


def _change(model: ChordModel, pictures: Array, scalars: Array) -> Array:
    """How easily the chord changes at the beginning of each unit: what is new in each picture, and the place."""
    before = np.concatenate((np.zeros_like(pictures[:1]), pictures[:-1]))
    seen = np.concatenate((np.abs(pictures - before).sum(axis=2), scalars), axis=1)
    weights1, bias1, weights2, bias2 = model.change
    hidden = np.maximum(seen @ weights1.T + bias1, 0)
    return np.asarray((hidden @ weights2.T + bias2)[:, 0], np.float32)


def _moves(model: ChordModel) -> Array:
    roots = np.arange(12)
    up = (roots[None, :] - roots[:, None]) % 12
    moves = np.zeros((STATES, STATES), np.float32)
    moves[:SILENCE, :SILENCE] = model.moves[:, :, up].transpose(0, 2, 1, 3).reshape(SILENCE, SILENCE)
    moves[:SILENCE, SILENCE] = np.repeat(model.into_silence, 12)
    moves[SILENCE, :SILENCE] = np.repeat(model.out_of_silence, 12)
    return moves
