"""Choose among samples of the same part: the likeliest, or the one that agrees most with all the others."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.harmony import chroma
from m4mcli.generation.request import Sample


def agreement(samples: list[Sample], length: int) -> NDArray[np.float64]:
    """(n, n) mean over frames of how far two samples agree: identical pitch classes, their overlap, the same bass.

    The mean of the three, each 0..1; a minimum-Bayes-risk choice (Kumar and Byrne 2004) under this measure picks the
    sample with the highest row mean.
    """
    pictures = [chroma(s.notes, length) for s in samples]
    out = np.zeros((len(samples), len(samples)))
    for i, (a, bass_a) in enumerate(pictures):
        for j, (b, bass_b) in enumerate(pictures):
            both, any_of = (a * b).sum(axis=1), np.maximum(a, b).sum(axis=1)
            overlap = np.where(any_of > 0, both / np.maximum(any_of, 1), 1.0)
            same = (a == b).all(axis=1)
            bass = (bass_a == bass_b).all(axis=1)
            out[i, j] = (overlap.mean() + same.mean() + bass.mean()) / 3
    return out


def by_consensus(samples: list[Sample], length: int) -> list[int]:
    """Indices of the samples, the one that agrees most with the others first."""
    return [int(i) for i in np.argsort(-agreement(samples, length).mean(axis=1), kind="stable")]


def by_likelihood(samples: list[Sample]) -> list[int]:
    """Indices of the samples, the likeliest per choice first."""
    score = [s.log_likelihood / max(1, s.choices) for s in samples]
    return [int(i) for i in np.argsort(-np.array(score), kind="stable")]
