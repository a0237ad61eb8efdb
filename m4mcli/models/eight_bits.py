"""Weights in 8 bits as the operator MatMulNBits has them: blocks of inputs, each with a scale, zero at 128.

A matrix (outputs, inputs) is stored as bytes (outputs, blocks, size) and scales (outputs, blocks); the last block is
filled up. Source: ONNX Runtime, ContribOperators.md, MatMulNBits.
"""

import numpy as np
from numpy.typing import NDArray

ZERO = 128


def widened(stored: NDArray[np.uint8], scales: NDArray[np.float32], inputs: int) -> NDArray[np.float32]:
    """The matrix (outputs, inputs) that bytes and scales stand for."""
    values = (stored.astype(np.float32) - ZERO) * scales[..., None]
    return values.reshape(len(stored), -1)[:, :inputs]


def narrowed(matrix: NDArray[np.float32], size: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Bytes and scales of a matrix (outputs, inputs). The largest value of a block, with its sign, becomes byte 0."""
    outputs, inputs = matrix.shape
    blocks = -(-inputs // size)
    values = np.zeros((outputs, blocks * size), np.float32)
    values[:, :inputs] = matrix
    values = values.reshape(outputs, blocks, size)
    largest = np.take_along_axis(values, np.abs(values).argmax(axis=-1)[..., None], axis=-1)[..., 0]
    scales = (largest / -ZERO).astype(np.float32)
    steps = np.divide(values, scales[..., None], out=np.zeros_like(values), where=scales[..., None] != 0)
    return np.clip(np.rint(steps) + ZERO, 0, 255).astype(np.uint8), scales
