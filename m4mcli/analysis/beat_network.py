"""What each onset may be, in the opinion of a network that reads the piece onset by onset.

It sees about 500 onsets on either side of each and is trained by `m4mcli.training.beats`. What it says is settled over
the whole piece by `tempo_curve`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.convolution_network import ConvolutionNetwork

Array = NDArray[np.float32]

WEIGHTS = "beats.npz"

INTERVALS_S = np.exp(np.linspace(np.log(0.15), np.log(3.2), 32))
"""The distances from beat to beat that the network tells apart, in seconds."""


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
    scores = out[:, 2:] - out[:, 2:].max(axis=1, keepdims=True)
    return Opinion(out[:, 0], out[:, 1], scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))
