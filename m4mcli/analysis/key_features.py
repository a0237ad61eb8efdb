"""What sounds in each bar, and which chords, by pitch class: the pictures that keys are found in.

A key signature is no part of them.
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.chord_model import QUALITIES, SILENCE
from m4mcli.analysis.pitch_features import AUDIBLE, DOWNBEAT, Units, folded, pitch_roll
from m4mcli.score.score import Score

Array = NDArray[np.float32]

KINDS = (
    ("maj", "maj7", "maj6", "sus2", "sus4"),
    ("min", "min7", "min6", "minmaj7"),
    ("7", "aug"),
    ("dim", "dim7", "hdim7"),
)
"""The qualities whose roots make a picture together: tonics and subdominants, minor ones, dominants, leading chords."""

STREAMS = 3 + len(KINDS)
"""Pitch classes, bass, downbeats, and the roots of each kind of chord."""

NEAR = (1, 3, 8)
"""Bars to each side of the means that surround a bar."""

PICTURES = STREAMS * (len(NEAR) + 4)
SCALARS = 3


def bar_streams(score: Score, units: Units, chords: NDArray[np.floating]) -> tuple[Array, Array]:
    """Of each bar the pictures (bars, STREAMS, 12), means over its units, and how many units it has (bars,).

    `chords` (n, STATES) is the probability of each chord at each unit.
    """
    roll = pitch_roll(score, units.ticks)
    chroma = folded(roll)
    heard = roll >= AUDIBLE
    some = heard.any(axis=1)
    bass = np.zeros_like(chroma)
    bass[np.flatnonzero(some), heard[some].argmax(axis=1) % 12] = 1
    by_quality = np.asarray(chords[:, :SILENCE], np.float32).reshape(len(units), len(QUALITIES), 12)
    roots = [by_quality[:, [QUALITIES.index(q) for q in kind]].sum(axis=1) for kind in KINDS]
    streams = np.stack([chroma, bass, chroma * (units.place == DOWNBEAT)[:, None], *roots], axis=1)
    first = np.flatnonzero(np.diff(units.bar, prepend=-1))
    length = np.diff(np.append(first, len(units))).astype(np.float32)
    means = np.add.reduceat(streams, first, axis=0) / length[:, None, None]
    return means.astype(np.float32), length


def key_pictures(streams: Array, length: Array) -> tuple[Array, Array]:
    """The pictures of each bar (bars, PICTURES, 12), its scalars (bars, SCALARS): each stream in the bar, its means
    around it and over the piece, and in the first and the last bar that sound; whether it is the first or the last bar,
    and how full it is."""
    bars = len(streams)
    sums = np.concatenate((np.zeros((1, *streams.shape[1:])), np.cumsum(streams * length[:, None, None], axis=0)))
    filled = np.concatenate(([0.0], np.cumsum(length)))
    t = np.arange(bars)

    def mean(reach: int) -> Array:
        a, b = np.maximum(t - reach, 0), np.minimum(t + reach + 1, bars)
        return np.asarray((sums[b] - sums[a]) / (filled[b] - filled[a])[:, None, None], np.float32)

    sounding = np.flatnonzero(streams[:, 0].sum(axis=1) > 0)
    ends = (streams[sounding[0]], streams[sounding[-1]]) if len(sounding) else (streams[0], streams[-1])
    fixed = (sums[-1] / filled[-1], *ends)
    pictures = [streams, *(mean(reach) for reach in NEAR), *(np.broadcast_to(f, streams.shape) for f in fixed)]
    scalars = np.stack([t == 0, t == bars - 1, streams[:, 0].sum(axis=1) / 3], axis=1)
    return np.concatenate(pictures, axis=1).astype(np.float32), scalars.astype(np.float32)
