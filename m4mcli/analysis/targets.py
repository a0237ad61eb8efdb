"""Written labels as the states of the chains: what `m4mcli.training.analysis` learns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.chord_model import QUALITIES, SILENCE
from m4mcli.errors import M4mError
from m4mcli.theory.chords import parse_chord
from m4mcli.theory.keys import parse_key

UNKNOWN = -1
"""The state of what is not labelled, or by none of the states."""

LIKE = {
    "9": "7", "11": "7", "13": "7", "maj9": "maj7", "maj11": "maj7", "maj13": "maj7", "min9": "min7", "min11": "min7",
    "min13": "min7", "aug7": "aug", "6": "maj6", "7sus4": "sus4",
}  # fmt: skip
"""Shorthands that are learnt as another."""


def chord_state(label: str) -> tuple[int, int]:
    """The state of a Harte label and the interval 0-11 from its root to its bass; UNKNOWN where none fits."""
    if label == "N":
        return SILENCE, 0
    shorthand = label.partition(":")[2].partition("/")[0].partition("(")[0]
    shorthand = LIKE.get(shorthand, shorthand)
    try:
        chord = parse_chord(label)
    except M4mError:
        return UNKNOWN, 0
    if chord is None or shorthand not in QUALITIES:
        return UNKNOWN, 0
    return 12 * QUALITIES.index(shorthand) + chord.root, (chord.bass - chord.root) % 12


def key_state(label: str) -> int:
    """The number of a key written as `Bb:min`: its tonic, 12 more in minor; UNKNOWN for what is none."""
    try:
        tonic, minor = parse_key(label)
    except M4mError:
        return UNKNOWN
    return tonic + 12 * minor


def at(places: NDArray[np.floating], labels: Sequence[tuple[float, float, str]]) -> list[str | None]:
    """The label that holds at each place (quarters); None where none does."""
    starts = np.array([label[0] for label in labels])
    index = np.searchsorted(starts, places, side="right") - 1
    return [
        labels[i][2] if i >= 0 and place < labels[i][1] else None
        for i, place in zip(index.tolist(), places.tolist(), strict=True)
    ]
