"""What each onset may be, in the opinion of a network that reads the piece onset by onset.

It sees about 500 onsets on either side of each and is trained by `m4mcli.training.beats`. A piece is read at three
tempos, which differ little, for the mean of what it says is right more often. It is settled over the whole piece by
`tempo_curve`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.convolution_network import ConvolutionNetwork

Array = NDArray[np.float32]

WEIGHTS = "beats.npz"

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


def opinion(network: ConvolutionNetwork, features: Array) -> Opinion:
    """The network's opinion of onsets from their features (n, F), n >= 1."""
    out = network.outputs(features)
    return Opinion(out[:, 0], out[:, 1], _log_chances(out[:, 2:]))


def mean_opinion(network: ConvolutionNetwork, features: Sequence[Array]) -> Opinion:
    """The mean of its opinions of the same onsets at each of SHIFTS, (n, F) each; intervals are the piece's own."""
    held = [opinion(network, seen) for seen in features]
    last = len(INTERVALS_S) - 1
    intervals = [
        each.interval[:, np.clip(np.arange(last + 1) + shift, 0, last)]
        for each, shift in zip(held, SHIFTS, strict=True)
    ]
    beat, downbeat = (np.mean([getattr(each, name) for each in held], axis=0) for name in ("beat", "downbeat"))
    return Opinion(beat, downbeat, _log_chances(np.mean(intervals, axis=0)))


def _log_chances(scores: Array) -> Array:
    scores = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))
