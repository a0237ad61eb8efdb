"""Plain methods that chords and keys are measured against."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import grid_of
from m4mcli.analysis.chain import steadiest
from m4mcli.analysis.chord_model import SILENCE, STATES, TONES
from m4mcli.analysis.pitch_features import AUDIBLE, folded, pitch_roll, units_of
from m4mcli.score.score import Score
from m4mcli.theory.keys import estimate_key

Path = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Ticks (n + 1,) and the state of each stretch between them (n,)."""

TEMPLATES = (0, 1, 4, 5, 6)
"""The qualities that have templates: major and minor, their sevenths, the dominant seventh."""

BASS = 0.3
"""What a root in the bass is worth beside the likeness of the pitch classes, which is 1 at most."""

CHANGE = 0.25
"""Likewise what a change of the chord costs in the Viterbi decoding."""

KOSTKA_PAYNE = (
    np.array([0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400]),
    np.array([0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330]),
)
"""Temperley's profiles, counted in the harmony book of Kostka and Payne (Music and Probability, 2007)."""


def template_fit(score: Score) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The half bars of a piece, as ticks (n + 1,), and how like each of the states each of them is (n, STATES)."""
    units = units_of(grid_of(score), score.end)
    edges = np.flatnonzero(np.diff(units.half, prepend=-1))
    ticks = np.append(units.ticks[edges], units.ticks[-1])
    roll = pitch_roll(score, ticks)
    chroma = folded(roll).astype(np.float64)
    norm = np.linalg.norm(chroma, axis=1, keepdims=True)
    chroma = np.divide(chroma, norm, out=np.zeros_like(chroma), where=norm > 0)
    heard = roll >= AUDIBLE
    lowest = np.where(heard.any(axis=1), heard.argmax(axis=1) % 12, -1)
    fit = np.full((len(chroma), STATES), -1.0)
    for quality in TEMPLATES:
        for root in range(12):
            tones = [(root + tone) % 12 for tone in TONES[quality]]
            fit[:, 12 * quality + root] = chroma[:, tones].sum(axis=1) / np.sqrt(len(tones)) + BASS * (lowest == root)
    fit[:, SILENCE] = np.where(norm[:, 0] > 0, 0, 1)
    return ticks, fit


def template_alone(score: Score) -> Path:
    """Each half bar the likest template."""
    ticks, fit = template_fit(score)
    return ticks, fit.argmax(axis=1)


def template_viterbi(score: Score) -> Path:
    """The likest templates on the whole, when a change costs CHANGE."""
    ticks, fit = template_fit(score)
    return ticks, steadiest(fit, CHANGE)


CHORD_BASELINES: dict[str, Callable[[Score], Path]] = {
    "templates by half bar": template_alone,
    "templates + Viterbi": template_viterbi,
}


def _durations(score: Score) -> NDArray[np.float64]:
    total = np.zeros(12)
    for track in score.tracks:
        if not track.is_drum:
            np.add.at(total, track.notes["pitch"] % 12, track.notes["duration"])
    return total


def krumhansl_kessler(score: Score) -> tuple[int, bool] | None:
    """The key whose probe-tone ratings (Krumhansl and Kessler 1982) the pitch classes' durations are likest."""
    return estimate_key(_durations(score))


def temperley(score: Score) -> tuple[int, bool] | None:
    """The key in which the bars' pitch classes are likeliest (Temperley 2007); None where nothing sounds."""
    units = units_of(grid_of(score), score.end)
    if not len(units) or not _durations(score).any():
        return None
    first = np.flatnonzero(np.diff(units.bar, prepend=-1))
    there = np.maximum.reduceat(folded(pitch_roll(score, units.ticks)), first, axis=0) > 0
    best = (-np.inf, 0, False)
    for minor, profile in enumerate(KOSTKA_PAYNE):
        for tonic in range(12):
            likely = np.roll(profile, tonic)
            total = float(np.where(there, np.log(likely), np.log(1 - likely)).sum())
            best = max(best, (total, tonic, bool(minor)))
    return best[1], best[2]


KEY_BASELINES: dict[str, Callable[[Score], tuple[int, bool] | None]] = {
    "Krumhansl-Kessler": krumhansl_kessler,
    "Temperley": temperley,
}
