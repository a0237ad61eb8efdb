"""Pitch-class pictures of each frame, the input of the model's transposition-equivariant path.

Each feature is a vector over the 12 pitch classes; transposing the music rotates it. Reference features look both ways
(the reference is known whole), history features only at frames before the one to be written.
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import DRUMS, sounding

REFERENCE_FEATURES = 9
HISTORY_FEATURES = 3
FEATURES = REFERENCE_FEATURES + HISTORY_FEATURES
FAR = 96
"""Frames to each side that make the reference's wide context."""

PAST = 64
"""Frames of history that make the mean of what was written."""


def chroma(notes: NDArray[np.void], length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sounding pitch classes and the lowest of them: two (length, 12) arrays of 0 and 1."""
    classes, lowest = np.zeros((length, 12), np.float32), np.zeros((length, 12), np.float32)
    pitched = notes[notes["instrument"] != DRUMS]
    start = np.clip(pitched["frame"], 0, length)
    span = np.maximum(np.clip(pitched["frame"] + pitched["duration"], 0, length) - start, 0)
    if span.sum() > 128 * length:
        frame, pitch = np.nonzero(sounding(notes, length))
    else:
        pitch = np.repeat(pitched["pitch"], span)
        frame = np.arange(len(pitch)) + np.repeat(start - np.cumsum(span) + span, span)
    classes[frame, pitch % 12] = 1
    low = np.full(length, 128)
    np.minimum.at(low, frame, pitch)
    some = np.flatnonzero(low < 128)
    lowest[some, low[some] % 12] = 1
    return classes, lowest


def _mean(sums: NDArray[np.float32], start: NDArray[np.integer], stop: NDArray[np.integer]) -> NDArray[np.float32]:
    length = len(sums) - 1
    a, b = np.clip(start, 0, length), np.clip(stop, 0, length)
    mean: NDArray[np.float32] = (sums[b] - sums[a]) / np.maximum(b - a, 1)[:, None]
    return mean


def reference_features(notes: NDArray[np.void], metre: NDArray[np.integer], length: int) -> NDArray[np.float32]:
    """(length, 12, REFERENCE_FEATURES): now, lowest, means of the next 4, 8, 16, past 16, this bar, next bar, far."""
    now, lowest = chroma(notes, length)
    sums = np.concatenate((np.zeros((1, 12), np.float32), np.cumsum(now, axis=0, dtype=np.float32)))
    t = np.arange(length)
    bar = t - metre[:, 0]
    following = bar + metre[:, 1]
    windows = ((t, t + 4), (t, t + 8), (t, t + 16), (t - 16, t), (bar, following), (following, following + 16))
    means = [_mean(sums, start, stop) for start, stop in windows]
    return np.stack([now, lowest, *means, _mean(sums, t - FAR, t + FAR)], axis=-1)


def history_features(notes: NDArray[np.void], length: int, known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(length, 12, HISTORY_FEATURES): sounding one frame ago, lowest one frame ago, mean of the past PAST frames.

    `known` (length,) tells which frames of the history may be seen.
    """
    now, lowest = chroma(notes, length)
    return history(now * known[:, None], lowest * known[:, None])


def history(now: NDArray[np.float32], lowest: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `history_features`, from what is seen of the `chroma` (..., length, 12) of any number of parts."""
    out = np.zeros((*now.shape, HISTORY_FEATURES), np.float32)
    sums = np.cumsum(now[..., :-1, :], axis=-2, dtype=np.float32)
    out[..., 1:, :, 0], out[..., 1:, :, 1], out[..., 1:, :, 2] = now[..., :-1, :], lowest[..., :-1, :], sums
    out[..., PAST + 1 :, :, 2] -= sums[..., :-PAST, :]
    out[..., 2] /= PAST
    return out
