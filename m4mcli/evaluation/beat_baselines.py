"""A plain beat tracker: one tempo for the whole piece, from the autocorrelation of its onsets."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import BeatGrid
from m4mcli.score.clock import seconds_at
from m4mcli.score.score import Score, TimeSignature

STEPS_PER_SECOND = 100
SHORTEST_S, LONGEST_S = 0.25, 1.5
LIKELIEST_S, OCTAVES = 0.5, 1.0
"""The tempo that people tap to most, and the standard deviation around it (Ellis 2007)."""

BEATS_IN_BAR = 4


def steady_beats(score: Score) -> BeatGrid:
    """Equally spaced beats in bars of four, at the period and the phase that most onsets agree with."""
    notes = [track.notes for track in score.tracks if len(track.notes)]
    signature = (TimeSignature(0, BEATS_IN_BAR, 4),)
    if not notes:
        return BeatGrid(np.zeros(0, np.int64), np.zeros(0, np.bool_), signature)
    rows = np.concatenate(notes)
    steps = np.rint(seconds_at(score, rows["onset"]) * STEPS_PER_SECOND).astype(np.int64)
    struck = np.bincount(steps, weights=rows["velocity"].astype(np.float64)).astype(np.float64)
    strength = np.asarray(np.convolve(struck, np.hanning(7), mode="same"), np.float64)
    period = _period(strength)
    first = int(_folded(strength, period).argmax())
    times = np.arange(first, len(strength), period) / STEPS_PER_SECOND
    bar = _folded(strength, period * BEATS_IN_BAR)
    places = np.minimum(np.rint(first + period * np.arange(BEATS_IN_BAR)).astype(np.int64), len(bar) - 1)
    downbeat = np.arange(len(times)) % BEATS_IN_BAR == int(bar[places].argmax())
    known = np.arange(score.end + 1) if score.end < 1 else np.unique(np.append(rows["onset"], (0, score.end)))
    ticks, kept = np.unique(np.rint(np.interp(times, seconds_at(score, known), known)), return_index=True)
    return BeatGrid(ticks.astype(np.int64), downbeat[kept], signature)


def _period(strength: NDArray[np.float64]) -> float:
    """Time steps from beat to beat."""
    size = 1 << (2 * len(strength) - 1).bit_length()
    power = np.abs(np.fft.rfft(strength - strength.mean(), size)) ** 2
    agreement = np.fft.irfft(power)
    lags = np.arange(round(SHORTEST_S * STEPS_PER_SECOND), round(LONGEST_S * STEPS_PER_SECOND))
    octaves = np.log2(lags / (LIKELIEST_S * STEPS_PER_SECOND)) / OCTAVES
    best = int(lags[(agreement[lags] * np.exp(-0.5 * octaves**2)).argmax()])
    # A whole piece tells the period more finely than one step: the best multiple of about 32 beats.
    many = np.arange(round(31.5 * best), round(32.5 * best))
    many = many[many < len(strength)]
    return float(many[agreement[many].argmax()] / 32) if len(many) else float(best)


def _folded(strength: NDArray[np.float64], period: float) -> NDArray[np.float64]:
    """The strength at each phase of a period, summed over the piece."""
    phase = np.floor(np.arange(len(strength)) % period).astype(np.int64)
    return np.bincount(phase, weights=strength).astype(np.float64)
