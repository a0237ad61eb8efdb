"""Gated recurrent units over sequences, from their beginnings on and from their ends back (Cho et al. 2014)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class GatedUnits:
    """The weights, for the way ahead and the way back: `gates` (2, C, 3 H) of the rows, `memory` (2, H, 3 H) of the
    states, their biases (2, 3 H). The thirds are for what is forgotten, what is kept, and what is new."""

    gates: Array
    gates_bias: Array
    memory: Array
    memory_bias: Array

    def states(self, rows: Array) -> Array:
        """The states (k, n, 2 H) at each row of k sequences (k, n, C): those of the way ahead, then of the way back."""
        size, (count, length, _) = self.memory.shape[1], rows.shape
        both = np.stack((rows, rows[:, ::-1]))
        driven = (both @ self.gates[:, None] + self.gates_bias[:, None, None]).transpose(2, 0, 1, 3).copy()
        bias = self.memory_bias[:, None]
        state = np.zeros((2, count, size), np.float32)
        found = np.empty((length, 2, count, size), np.float32)
        for i in range(length):
            told = state @ self.memory + bias
            gates = 1 / (1 + np.exp(-(driven[i, :, :, : 2 * size] + told[:, :, : 2 * size])))
            new = np.tanh(driven[i, :, :, 2 * size :] + gates[:, :, :size] * told[:, :, 2 * size :])
            state = new + gates[:, :, size:] * (state - new)
            found[i] = state
        ahead, back = found.transpose(1, 2, 0, 3)
        return np.concatenate((ahead, back[:, ::-1]), axis=2)
