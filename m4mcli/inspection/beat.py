"""Does the music follow the beat and the metre that the file says? Measures for `m4m check`. Times are in quarters."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metre import COMPOUND
from m4mcli.score.score import Score

ON_GRID = 0.02
"""How far from a line, in quarters, a note may begin to be on the grid: 10 ticks of 480."""

LINES = np.array(sorted({Fraction(i, 8) for i in range(9)} | {Fraction(i, 6) for i in range(7)}), float)
"""The lines of 32nds and of sixteenth triplets in a quarter."""

PERIODS = (1.0, 0.5, 0.25, 1 / 3)
ENOUGH = 40
"""Notes from which on a piece can be judged."""

PER_QUARTER = 2
IN_TWO, IN_THREE = (4, 8), (6, 12)
"""Distances in eighths at which music in two and in three comes back to its accents."""

KICKS, BASS = (35, 36), 50
"""The sounds of a bass drum, and the pitch below which a note is bass."""

WEIGHTS = np.array([[1.0], [2.0]])
"""How much the accents of all notes count, and those of the bass."""


def onsets(score: Score) -> NDArray[np.float64]:
    """Where all notes begin, in quarters, in order."""
    found = [track.notes["onset"] / score.tpq for track in score.tracks]
    return np.sort(np.concatenate([np.zeros(0), *found]))


def off_grid(begins: NDArray[np.float64]) -> float:
    """Share 0-1 of the onsets that lie on no line of the grid of 32nds and sixteenth triplets."""
    if not len(begins):
        return 0.0
    phase = begins % 1.0
    right = np.searchsorted(LINES, phase).clip(1, len(LINES) - 1)
    away = np.minimum(np.abs(LINES[right] - phase), np.abs(phase - LINES[right - 1]))
    return float((away > ON_GRID).mean())


def beat_strength(begins: NDArray[np.float64]) -> float:
    """How far 0-1 the onsets gather around the quarters, eighths, sixteenths or triplets: 0 where they follow none.

    The length of the mean of the onsets' phases as unit vectors (circular statistics), the largest of PERIODS.
    """
    if not len(begins):
        return 1.0
    return float(max(abs(np.exp(2j * np.pi * begins / period).mean()) for period in PERIODS))


def in_three(score: Score) -> float:
    """How much more the accents come back in three than in two: above 0 three, below 0 two; 0 for short pieces.

    Autocorrelation of the accents on eighths: long, low and many notes, bass, kicks. 0.3 and more is hardly ever wrong.
    """
    accents = np.log1p(_accents(score)) * WEIGHTS
    count = int(accents.shape[1])
    accents -= accents.mean(axis=1, keepdims=True)
    power = float((accents**2).sum())
    if count < 2 * IN_THREE[1] or not power or len(onsets(score)) < ENOUGH:
        return 0.0

    def back(lag: int) -> float:
        return float((accents[:, lag:] * accents[:, :-lag]).sum()) / power * count / (count - lag)

    return float(sum(map(back, IN_THREE)) - sum(map(back, IN_TWO)))


def written_in(score: Score) -> str:
    """ "two" or "three", as the one time signature of the piece says; "" where it has others, or several."""
    metres = {(s.numerator, s.denominator) for s in score.time_signatures} or {(4, 4)}
    if len(metres) > 1:
        return ""
    numerator, denominator = metres.pop()
    if numerator == 3 or (denominator >= 8 and numerator in COMPOUND):
        return "three"
    return "two" if numerator in (2, 4) else ""


def _accents(score: Score) -> NDArray[np.float64]:
    """The accents (2, eighths) of all notes, and those of the bass and the kick alone."""
    step = score.tpq / PER_QUARTER
    accents = np.zeros((2, int(score.end / step) + 2))
    for track in score.tracks:
        place = np.floor(track.notes["onset"] / step + 0.5).astype(np.int64)
        pitch = track.notes["pitch"]
        if track.is_drum:
            low = np.isin(pitch, KICKS).astype(float)
            weight = np.where(low > 0, 1.5, 0.3)
        else:
            length = np.sqrt(np.clip(track.notes["duration"] / step, 0.1, 8.0))
            low = (pitch < BASS) * length
            weight = length * (1 + np.clip((60 - pitch) / 24, 0, 1.5))
        np.add.at(accents[0], place, weight)
        np.add.at(accents[1], place, low)
    return accents
