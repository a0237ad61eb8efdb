"""Other programs' chords and keys, measured in the same run where they are installed: chorder and partitura."""

import io
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from m4mcli.analysis.chord_model import QUALITIES, SILENCE
from m4mcli.evaluation.analyze_baselines import Path
from m4mcli.score.score import Score
from m4mcli.score.write import score_to_midi
from m4mcli.theory.keys import parse_key

CHORDER = {
    "M": "maj", "m": "min", "o": "dim", "+": "aug", "7": "7", "M7": "maj7", "m7": "min7", "o7": "dim7",
    "/o7": "hdim7", "sus2": "sus2", "sus4": "sus4",
}  # fmt: skip
"""chorder's qualities by their Harte shorthands."""


def _module(name: str) -> Any:
    """A peer's module; what it imports may be deprecated, which is no concern of a user of m4m."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(name)


def chorder(score: Score) -> Path:
    """The chord of each quarter as chorder's Dechorder finds it."""
    midi = _module("miditoolkit").MidiFile(file=io.BytesIO(score_to_midi(score)))
    midi.instruments = [part for part in midi.instruments if not part.is_drum]
    found = _module("chorder").Dechorder.dechord(midi)
    states = [
        SILENCE if chord.quality is None else 12 * QUALITIES.index(CHORDER[chord.quality]) + int(chord.root_pc)
        for chord in found
    ]
    return np.arange(len(states) + 1) * score.tpq, np.array(states, np.int64)


def partitura(score: Score) -> tuple[int, bool] | None:
    """The key that partitura estimates; None where nothing sounds."""
    rows = [
        (onset / score.tpq, duration / score.tpq, pitch)
        for track in score.tracks
        if not track.is_drum
        for onset, duration, pitch, _ in track.notes.tolist()
    ]
    if not rows:
        return None
    fields = [("onset_quarter", "f4"), ("duration_quarter", "f4"), ("pitch", "i4")]
    return parse_key(_module("partitura.musicanalysis").estimate_key(np.array(rows, fields)))


def chord_peers() -> dict[str, Callable[[Score], Path]]:
    """Programs that name chords, as far as they are installed."""
    return {"chorder": chorder} if find_spec("chorder") and find_spec("miditoolkit") else {}


def key_peers() -> dict[str, Callable[[Score], tuple[int, bool] | None]]:
    """Programs that name keys, as far as they are installed."""
    return {"partitura": partitura} if find_spec("partitura") else {}
