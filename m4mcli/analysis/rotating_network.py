"""A small network that looks at pitch-class pictures from each of the 12 pitch classes, with the same weights.

Transposing the music by n semitones moves the answers by n places; so it must not be learnt twelve times.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

BLOCK = 1024
"""Rows that are answered at once: memory does not grow with the piece."""


@dataclass(frozen=True)
class RotatingNetwork:
    """Two hidden layers and the outputs. A weight matrix has a row for each of what it makes; `hidden1` reads the
    pictures, 12 pitch classes each, counted from the one that is looked from, and then the scalars."""

    hidden1: Array
    bias1: Array
    hidden2: Array
    bias2: Array
    out: Array
    bias_out: Array

    @classmethod
    def of(cls, weights: Mapping[str, Array], prefix: str = "") -> "RotatingNetwork":
        """The network whose arrays are stored under these names after a prefix."""
        return cls(*(np.asarray(weights[prefix + f.name], np.float32) for f in fields(cls)))

    def answers(self, pictures: Array, scalars: Array) -> Array:
        """What it makes of each row, seen from each pitch class: (n, 12, outputs) of (n, P, 12) and (n, scalars)."""
        parts = [
            self._block(pictures[start : start + BLOCK], scalars[start : start + BLOCK])
            for start in range(0, len(pictures), BLOCK)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, 12, len(self.bias_out)), np.float32)

    def _block(self, pictures: Array, scalars: Array) -> Array:
        n, count = pictures.shape[:2]
        weights = self.hidden1[:, : count * 12].reshape(-1, count, 12)
        plain = scalars @ self.hidden1[:, count * 12 :].T + self.bias1
        flat = pictures.reshape(n, count * 12)
        # Turning the weights is turning the pictures the other way, and there are fewer of them.
        turned = [flat @ np.roll(weights, root, axis=2).reshape(-1, count * 12).T for root in range(12)]
        hidden = np.maximum(np.stack(turned, axis=1) + plain[:, None], 0)
        hidden = np.maximum(hidden @ self.hidden2.T + self.bias2, 0)
        return np.asarray(hidden @ self.out.T + self.bias_out, np.float32)
