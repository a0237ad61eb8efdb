"""A small network over a sequence: rows in, outputs for each row, its surroundings considered.

Residual blocks of a dilated convolution and a mixture, as in temporal convolutional networks for beats in audio (Davies
and Böck 2019), then gated units (`gated_units`) that go along the sequence both ways. Trained with
`m4mcli.training.convolutions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.gated_units import GatedUnits
from m4mcli.models.registry import find_model, read_arrays

Array = NDArray[np.float32]

TAPS = 5


@dataclass(frozen=True)
class ConvolutionNetwork:
    """The weights. `mean` and `deviation` (F,) of the features; `first` (3, F, C); for each dilation a convolution
    (TAPS, C, C) and a mixture (C, C); `gated` units of C rows and H states, if any; `last` (C + 2 H, outputs).
    Each comes with its bias."""

    mean: Array
    deviation: Array
    first: tuple[Array, Array]
    blocks: tuple[tuple[Array, Array, Array, Array], ...]
    gated: GatedUnits | None
    last: tuple[Array, Array]

    @classmethod
    def of(cls, weights: Mapping[str, Array]) -> "ConvolutionNetwork":
        """The network whose arrays are stored under these names."""
        a = {name: np.asarray(weights[name], np.float32) for name in weights}
        blocks = tuple(
            (a[f"convolution{i}"], a[f"convolution_bias{i}"], a[f"mixture{i}"], a[f"mixture_bias{i}"])
            for i in range(sum(name.startswith("mixture_bias") for name in a))
        )
        gated = GatedUnits(a["gates"], a["gates_bias"], a["memory"], a["memory_bias"]) if "gates" in a else None
        return cls(a["mean"], a["deviation"], (a["first"], a["first_bias"]), blocks, gated, (a["last"], a["last_bias"]))

    @classmethod
    def shipped(cls, name: str) -> "ConvolutionNetwork":
        """The weights that come with m4m under a file name."""
        return cls.of(read_arrays(find_model(None, "analyze"), name))

    def outputs(self, features: Array) -> Array:
        """What it makes of each row: (k, n, outputs) of k sequences (k, n, F), n >= 1.

        The i-th block is dilated 2 ** i times.
        """
        weights, bias = self.first
        hidden = _elu(_convolved((features - self.mean) / self.deviation, weights, 1) + bias)
        for i, (convolution, conv_bias, mixture, mix_bias) in enumerate(self.blocks):
            hidden = hidden + _elu(_convolved(hidden, convolution, 1 << i) + conv_bias) @ mixture + mix_bias
        weights, bias = self.last
        hidden = _elu(hidden)
        if self.gated:
            hidden = np.concatenate((hidden, self.gated.states(hidden)), axis=2)
        return np.asarray(hidden @ weights + bias, np.float32)


def _convolved(rows: Array, weights: Array, dilation: int) -> Array:
    """Rows (k, n, C) convolved with weights (taps, C, outputs), nothing before the first and after the last."""
    taps, n = len(weights), rows.shape[1]
    reach = taps // 2 * dilation
    padded = np.pad(rows, ((0, 0), (reach, reach), (0, 0)))
    out: Array = padded[:, :n] @ weights[0]
    for tap in range(1, taps):
        out += padded[:, tap * dilation : tap * dilation + n] @ weights[tap]
    return out


def _elu(values: Array) -> Array:
    return np.asarray(np.where(values > 0, values, np.expm1(np.minimum(values, 0))), np.float32)
