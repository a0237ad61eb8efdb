"""What each onset may be, in the opinion of networks that read the piece onset by onset.

They see about 500 onsets on either side of each and are trained by `m4mcli.training.beats`. A piece is read at three
tempos, which differ little, for the mean of what they say is right more often. It is settled over the whole piece by
`tempo_curve`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.convolution_network import ConvolutionNetwork

Array = NDArray[np.float32]

WEIGHTS = ("beats.npz",)

INTERVALS_S = np.exp(np.linspace(np.log(0.15), np.log(3.2), 32))
"""The distances from beat to beat that the network tells apart, in seconds."""

SHIFTS = (-1, 0, 1)
"""The tempos at which a piece is read: as it is, and slower and faster by one of INTERVALS_S."""

STRETCHES = (INTERVALS_S[1] / INTERVALS_S[0]) ** np.array(SHIFTS)
"""How many times as long the piece takes at each of SHIFTS."""


@dataclass(frozen=True)
class Opinion:
    """What the network holds of n onsets: log odds that each is a beat and a downbeat (n,), and the log probability of
    each of INTERVALS_S at it (n, intervals)."""

    beat: Array
    downbeat: Array
    interval: Array


def mean_opinion(networks: Sequence[ConvolutionNetwork], features: Sequence[Array]) -> Opinion:
    """The mean of what networks hold of the same onsets, n >= 1, at each of SHIFTS, (n, F) each; intervals are the
    piece's own."""
    count = len(INTERVALS_S)
    held = [seen for network in networks for seen in network.outputs(np.stack(features))]
    shifted = [np.clip(np.arange(count) + shift, 0, count - 1) for shift in SHIFTS] * len(networks)
    intervals = [_log_chances(each[:, 2 + of]) for each, of in zip(held, shifted, strict=True)]
    beat, downbeat = np.mean([each[:, :2].T for each in held], axis=0)
    return Opinion(beat, downbeat, _log_chances(np.mean(intervals, axis=0)))


def _log_chances(scores: Array) -> Array:
    scores = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))
