"""How alike two sets of pieces are, after L.-C. Yang and A. Lerch, "On the evaluation of generative models in music",
2018.

Each figure of a piece is a vector; distances between pieces are Euclidean. If two sets are alike, the distances between
a piece of one and a piece of the other are distributed as those within a set. Told are the overlapped area of both
densities (1: alike, 0: apart) and the Kullback-Leibler divergence of the distances between the sets from those within
one (nats).

Vectors beside the single figures
  pitch_class_shares           the pitch-class histogram (12,)
  pitch_class_transitions      from one note to the next of a track (144,)
  note_lengths                 share of the lengths in 12 classes, from whole notes to 16th triplets (12,)
  note_length_transitions      from one note to the next of a track (144,)
  notes                        how many notes there are
  interval                     mean size of the intervals from note to note, in semitones
  onset_gap                    mean time between onsets, in seconds
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.stepped import Stepped, Steps

VECTORS = (
    *("notes", "interval", "onset_gap"),
    *("pitch_class_shares", "pitch_class_transitions", "note_lengths", "note_length_transitions"),
)
LENGTHS = np.array([96, 48, 24, 12, 6, 72, 36, 18, 9, 32, 16, 8], np.int64)
"""Whole to 16th, dotted half to dotted 16th, triplets of halves to 8ths; a length counts as the nearest of these."""

POINTS = 1000
MOST_PIECES = 500
"""Of more pieces so many are compared, evenly spread."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Likeness:
    """Overlapped area and divergence (nats) of the distances between two sets from those within the second."""

    area: float
    divergence: float


def vectors(piece: Stepped) -> dict[str, Values]:
    """VECTORS of a piece; those of pitches only where it has any."""
    found = {"notes": np.array([float(len(piece.onset))])}
    starts = np.unique(piece.onset)
    if len(starts) > 1 and piece.length:
        found["onset_gap"] = np.array([float(np.diff(starts).mean()) * piece.seconds / piece.length])
    if not len(piece.pitches):
        return found
    pairs = _neighbours(piece)
    classes = piece.pitch % 12
    duration = piece.end - piece.onset
    length = np.abs(np.log(duration[:, None]) - np.log(LENGTHS)).argmin(1)
    found["pitch_class_shares"] = _shares(np.bincount(classes[~piece.drum], minlength=12))
    found["note_lengths"] = _shares(np.bincount(length[~piece.drum], minlength=len(LENGTHS)))
    if len(pairs):
        first, second = pairs.T
        found["interval"] = np.array([float(np.abs(piece.pitch[second] - piece.pitch[first]).mean())])
        found["pitch_class_transitions"] = _shares(np.bincount(classes[first] * 12 + classes[second], minlength=144))
        found["note_length_transitions"] = _shares(np.bincount(length[first] * 12 + length[second], minlength=144))
    return found


def _shares(counts: Steps) -> Values:
    return np.asarray(counts / max(1, counts.sum()), np.float64)


def _neighbours(piece: Stepped) -> Steps:
    """The places of each note and the next of its track, drums left out: (pairs, 2)."""
    order = np.lexsort((piece.pitch, piece.onset, piece.track))
    order = order[~piece.drum[order]]
    first, second = order[:-1], order[1:]
    same = piece.track[first] == piece.track[second]
    return np.stack([first[same], second[same]], axis=1)


def likeness(ours: Sequence[Values], theirs: Sequence[Values]) -> Likeness | None:
    """How alike two sets are in one figure; None with fewer than two pieces that have it in either."""
    one, other = _spread(ours), _spread(theirs)
    if len(one) < 2 or len(other) < 2:
        return None
    within = _distances(other, other)[np.triu_indices(len(other), 1)]
    between = _distances(one, other).ravel()
    return compared(within, between)


def _spread(values: Sequence[Values]) -> Values:
    count = min(len(values), MOST_PIECES)
    return np.array([values[i * len(values) // count] for i in range(count)])


def _distances(one: Values, other: Values) -> Values:
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def compared(within: Values, between: Values) -> Likeness:
    """Overlapped area and divergence of the densities of two sets of distances."""
    low, high = min(within.min(), between.min()), max(within.max(), between.max())
    if high - low < 1e-12:
        return Likeness(1.0, 0.0)
    grid = np.linspace(low, high, POINTS)
    step = grid[1] - grid[0]
    p, q = density(within, grid, 2 * step), density(between, grid, 2 * step)
    area = float(np.minimum(p, q).sum() / max(min(p.sum(), q.sum()), 1e-300))
    p, q = p / p.sum() + 1e-12, q / q.sum() + 1e-12
    return Likeness(min(area, 1.0), float((p * np.log(p / q)).sum()))


def density(values: Values, grid: Values, least: float) -> Values:
    """Gaussian kernel density by Scott's rule at equal steps, the kernel no narrower than `least`."""
    step = grid[1] - grid[0]
    width = max(float(values.std(ddof=1)) * len(values) ** -0.2 if len(values) > 1 else 0.0, least)
    counts = np.bincount(np.rint((values - grid[0]) / step).astype(np.int64), minlength=len(grid))[: len(grid)]
    reach = min(int(5 * width / step) + 1, len(grid))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / width) ** 2)
    kernel /= kernel.sum() * step
    return np.asarray(np.convolve(counts / len(values), kernel)[reach : reach + len(grid)])
