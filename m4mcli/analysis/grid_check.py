"""Whether the beats that a file claims are those of its notes."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import grid_of
from m4mcli.score.score import Score

DIVISIONS = {
    1: "",
    2: " or halves",
    3: " or thirds",
    4: " or quarters",
    6: " or sixths",
    8: " or eighths",
    12: " or twelfths",
}
"""Lines to a beat that notes may be played on, and how the places are told."""

NEAR = 1 / 8
"""The part of a step on either side of a line that counts as on it: chance is twice as much."""

CHANCE = 2 * NEAR
FEWEST = 16
LEAST_SHARE, DOUBT = 0.36, 2.0
"""The share of onsets that a grid must have, and the standard deviations of chance that are added to it."""


def usable_grid(score: Score) -> tuple[bool, str]:
    """Whether the file's own tempo map fits its notes, and why, in words.

    It fits where clearly more onsets are near the lines of one division of the beat than the quarter of them that would
    be by chance. Pieces of fewer than FEWEST onsets are not doubted.
    """
    onsets = _onsets(score)
    if len(onsets) < FEWEST:
        return True, f"{len(onsets)} onsets are too few to doubt the file's beats"
    division, share = best_division(score, onsets)
    least = LEAST_SHARE + DOUBT * float(np.sqrt(CHANCE * (1 - CHANCE) / len(onsets)))
    where = f"the file's beats{DIVISIONS[division]}"
    return share >= least, f"{share:.0%} of the onsets are on {where}, where {CHANCE:.0%} would be by chance"


def best_division(score: Score, onsets: NDArray[np.int64]) -> tuple[int, float]:
    """The number of lines to a beat that most onsets beyond chance are near, and the share of them that are."""
    beats = grid_of(score).beat_ticks
    at = np.clip(np.searchsorted(beats, onsets, side="right") - 1, 0, len(beats) - 1)
    lengths = np.diff(np.append(beats, beats[-1] + (beats[-1] - beats[-2] if len(beats) > 1 else score.tpq)))
    place = (onsets - beats[at]) / lengths[at]
    shares = [float((np.abs(place * d - np.rint(place * d)) <= NEAR).mean()) for d in DIVISIONS]
    best = int(np.argmax(shares))
    return tuple(DIVISIONS)[best], shares[best]


def _onsets(score: Score) -> NDArray[np.int64]:
    if not score.note_count:
        return np.zeros(0, np.int64)
    return np.unique(np.concatenate([track.notes["onset"] for track in score.tracks]))
