"""Bars from beats: which beats begin one, how many each has, and whether beats fall into two or three.

A second Viterbi over the beats, whose states are the place in a bar of two, three or four; a downbeat gains the log
odds that networks give it (`m4mcli.training.beats`): what is held of its onset, and the mean of two that read the
beats, one more closely than the other. Bars keep their number of beats unless much speaks against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.bar_evidence import COARSE, FINE, Detail, describe_beats
from m4mcli.analysis.beat_evidence import Onsets
from m4mcli.analysis.beat_network import Opinion
from m4mcli.analysis.convolution_network import ConvolutionNetwork
from m4mcli.analysis.tempo_curve import TrackedBeats

Array = NDArray[np.float64]

READERS = {"bars.npz": COARSE, "gated-bars.npz": FINE}
"""The weights of the networks that read the beats, and how closely they look."""

METRES = (2, 3, 4)
PLACES = tuple((metre, place) for metre in METRES for place in range(metre))

OTHER_METRE_COST = 6.0
BROKEN_BAR_COST = 6.0
NO_ONSET_ODDS = -1.5
MOST_ODDS = 5.0
ONSET_WEIGHT = 0.5

THIRDS, QUARTERS = (1 / 3, 2 / 3), (1 / 4, 1 / 2, 3 / 4)
NEAR = 1 / 16
COMPOUND_RATIO = 1.5
"""How many times as many onsets on thirds as on halves and quarters make beats of three."""

Reader = tuple[ConvolutionNetwork, Detail]


@dataclass(frozen=True)
class FoundMetre:
    """For each of m beats whether it begins a bar and how many beats its bar's metre has, (m,); and whether the beats
    are of three parts (6/8) all through."""

    downbeat: NDArray[np.bool_]
    beats_in_bar: NDArray[np.int64]
    compound: bool


def find_metre(readers: Sequence[Reader], onsets: Onsets, beats: TrackedBeats, held: Opinion) -> FoundMetre:
    """The metre of tracked beats (m,), m >= 1, from the onsets, what is held of them, and the networks that read the
    beats, each with how closely it looks."""
    odds = np.clip(held.downbeat[np.maximum(beats.onset, 0)], -MOST_ODDS, MOST_ODDS)
    heard = np.where(beats.onset >= 0, odds, NO_ONSET_ODDS)
    path = _likeliest(np.asarray(ONSET_WEIGHT * heard + _read(readers, onsets, beats), np.float64))
    metre, place = (np.array(column) for column in zip(*PLACES, strict=True))
    return FoundMetre(place[path] == 0, metre[path], falls_in_three(onsets.seconds, beats.seconds))


def _read(readers: Sequence[Reader], onsets: Onsets, beats: TrackedBeats) -> Array:
    """The mean log odds of networks that each beat is a downbeat, (m,)."""
    odds = [
        network.outputs(describe_beats(onsets, beats.seconds, detail)[None])[0, :, 0] for network, detail in readers
    ]
    return np.asarray(np.clip(odds, -MOST_ODDS, MOST_ODDS).mean(axis=0), np.float64)


def falls_in_three(seconds: Array, beats: Array) -> bool:
    """Whether the onsets between beats stand on thirds rather than on halves and quarters."""
    within = seconds[(seconds >= beats[0]) & (seconds < beats[-1])]
    if not len(within):
        return False
    at = np.searchsorted(beats, within, side="right") - 1
    phase = (within - beats[at]) / (beats[at + 1] - beats[at])
    on = [sum(int((np.abs(phase - line) < NEAR).sum()) for line in lines) for lines in (THIRDS, QUARTERS)]
    return on[0] > COMPOUND_RATIO * on[1]


def _likeliest(odds: Array) -> NDArray[np.int64]:
    """The best sequence of indexes of PLACES."""
    downbeat = np.array([place == 0 for _, place in PLACES])
    moves = _moves()
    worth = downbeat * odds[0]
    came = np.zeros((len(odds), len(PLACES)), np.int64)
    for i in range(1, len(odds)):
        options = worth[:, None] + moves
        came[i] = options.argmax(axis=0)
        worth = options.max(axis=0) + downbeat * odds[i]
    path = [int(worth.argmax())]
    for i in range(len(odds) - 1, 0, -1):
        path.append(int(came[i, path[-1]]))
    return np.array(path[::-1], np.int64)


def _moves() -> Array:
    """What it gains to go from each of PLACES to each: on in the bar, or to a downbeat."""
    moves = np.full((len(PLACES), len(PLACES)), -np.inf)
    for i, (metre, place) in enumerate(PLACES):
        for j, (next_metre, next_place) in enumerate(PLACES):
            if next_metre == metre and next_place == (place + 1) % metre:
                moves[i, j] = 0
            elif next_place == 0:
                broken = place < metre - 1
                moves[i, j] = -OTHER_METRE_COST * (next_metre != metre) - BROKEN_BAR_COST * broken
    return moves
