"""Figures of rhythm, density and pitch classes that need no chords: within a part, and between two.

Figures
  groove                bar-to-bar groove similarity: mean over neighbouring bars of the share of 16ths on which both or
                        neither has an onset (Wu and Yang, "The jazz transformer on the front line", 2020)
  pitch_class_distance  share of the pitch-class histograms that is not common to both, 0 to 1
  groove_distance       the same of the histograms of onsets over the places in the bar
  density_distance      octaves between the numbers of notes: 1 is twice as many, or half; each counted once more
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.drums import pitch_class_shares
from m4mcli.evaluation.notes import Figures
from m4mcli.frames.frames import DRUMS

DISTANCES = ("pitch_class_distance", "groove_distance", "density_distance")


def whole_bars(metre: NDArray[np.integer], start: int, stop: int) -> list[tuple[int, int]]:
    """First frame and length of every bar that lies whole in [start, stop)."""
    lines = [*np.flatnonzero(metre[:, 0] == 0).tolist(), len(metre)]
    bars = ((line, int(metre[line, 1]), following) for line, following in pairwise(lines))
    return [(a, length) for a, length, following in bars if a >= start and a + length <= min(stop, following)]


def groove_similarity(notes: NDArray[np.void], metre: NDArray[np.integer], start: int, stop: int) -> float | None:
    """Mean likeness of neighbouring bars of one length in [start, stop); None without notes or without such bars."""
    struck = np.zeros(len(metre), bool)
    inside = notes["frame"][(notes["frame"] >= start) & (notes["frame"] < stop)]
    struck[inside] = True
    bars = whole_bars(metre, start, stop)
    likeness = [
        float((struck[a : a + length] == struck[b : b + length]).mean())
        for (a, length), (b, other) in pairwise(bars)
        if length == other and b == a + length
    ]
    return float(np.mean(likeness)) if likeness and len(inside) else None


def onset_shares(notes: NDArray[np.void], metre: NDArray[np.integer]) -> NDArray[np.float64]:
    """Share of the onset frames on each place in the bar: (places,); zeros without notes."""
    places = metre[np.unique(notes["frame"]), 0]
    return np.bincount(places, minlength=int(metre[:, 0].max()) + 1) / max(1, len(places))


def distances(made: NDArray[np.void], real: NDArray[np.void], metre: NDArray[np.integer]) -> Figures:
    """DISTANCES of two parts that lie within the frames of a metre; drums have no pitch class.

    The first is None where the original has no pitched note.
    """
    ours, theirs = (part[part["instrument"] != DRUMS] for part in (made, real))
    return {
        "pitch_class_distance": _apart(pitch_class_shares(ours), pitch_class_shares(theirs)) if len(theirs) else None,
        "groove_distance": _apart(onset_shares(made, metre), onset_shares(real, metre)),
        "density_distance": float(abs(np.log2((len(made) + 1) / (len(real) + 1)))),
    }


def _apart(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """What the shares, which make up 1 or are all 0, do not have in common."""
    return float(np.maximum(theirs - ours, 0).sum())
