"""Near-duplicates: pieces that are the same music, in another key, at another tempo, arranged or edited a little.

Each piece has a sketch of its upper line, or of its drums where it has no line: of the hashes of all runs of steps in
it, those that fall to each of a few places, the least (MinHash: Broder 1997, "On the resemblance and containment of
documents"; in one permutation: Li, Owen and Zhang 2012, "One permutation hashing"). A step is an interval
and how much longer or shorter the time is than before, so that neither key nor tempo matters. Two sketches agree in
the share of places that the pieces have of their runs in common.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import DRUMS

PLACES = 64
BAND = 2
"""Sketches that agree in one band of so many places are compared."""

ALIKE = 0.3
"""The share of places in which near-duplicates agree, beyond the standard error that it has. Different pieces agree in
next to none, editions of a piece in most."""

NEIGHBOURS = 3
"""Among pieces that agree in a band, each is compared with so many that follow it."""

RUN = 6
"""Steps in a run."""

SKETCH = np.dtype([("least", "<u4", PLACES), ("filled", "u1")])
"""The least hash of each place, and how many places have one of their own; 0 for a piece that is too short."""

NOTHING = np.iinfo(np.uint32).max

MIXED = np.uint64(0x9E3779B97F4A7C15)
LONGEST_STEP = 3
"""Powers of two that a time may be longer or shorter than the one before; what is more counts as this."""


def _odd_numbers(seed: int, count: int) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(1 << 63, size=count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


WEIGHTS, SOUNDS = _odd_numbers(2, RUN), _odd_numbers(3, 128)


def sketch(notes: NDArray[np.void]) -> NDArray[np.void]:
    """The sketch (1,) of packed notes, which go by frame."""
    frame, pitch, drums = notes["frame"], notes["pitch"], notes["instrument"] == DRUMS
    steps = _line_steps(frame[~drums], pitch[~drums])
    if len(steps) < RUN:
        steps = _drum_steps(frame[drums], pitch[drums])
    found = np.zeros(1, SKETCH)
    count = len(steps) - RUN + 1
    if count > 0:
        runs = np.zeros(count, np.uint64)
        for i in range(RUN):
            runs += steps[i : i + count] * WEIGHTS[i]
        found["least"], found["filled"] = _least(runs)
    return found


def _least(runs: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], int]:
    """The least hash of the runs that fall to each place, and to how many any falls.

    A place to which none falls takes that of the next one that has one (Shrivastava and Li 2014, "Densifying one
    permutation hashing"), with the distance told, so that two places agree only for the same reason.
    """
    runs = (runs ^ runs >> np.uint64(29)) * MIXED
    runs ^= runs >> np.uint64(32)
    least = np.full(PLACES, NOTHING, np.uint32)
    np.minimum.at(least, (runs % np.uint64(PLACES)).astype(np.int64), (runs >> np.uint64(33)).astype(np.uint32))
    filled = np.flatnonzero(least != NOTHING)
    following = filled[np.searchsorted(filled, np.arange(PLACES)) % len(filled)]
    distance = (following - np.arange(PLACES)) % PLACES
    return least[following] + distance.astype(np.uint32) * np.uint32(0x9E3779B1), len(filled)


def _line_steps(frame: NDArray[np.integer], pitch: NDArray[np.integer]) -> NDArray[np.uint64]:
    """The steps between the highest notes of each onset."""
    if not len(frame):
        return np.zeros(0, np.uint64)
    starts = _starts(frame)
    line = np.maximum.reduceat(pitch.astype(np.int64), starts)
    return _with_times((line[2:] - line[1:-1]).astype(np.uint64), frame[starts])


def _drum_steps(frame: NDArray[np.integer], pitch: NDArray[np.integer]) -> NDArray[np.uint64]:
    """The drums that sound together at each onset."""
    if not len(frame):
        return np.zeros(0, np.uint64)
    starts = _starts(frame)
    return _with_times(np.add.reduceat(SOUNDS[pitch], starts)[2:], frame[starts])


def _starts(frame: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.flatnonzero(np.concatenate(([True], frame[1:] != frame[:-1])))


def _with_times(what: NDArray[np.uint64], frames: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Steps as numbers; the first two onsets have none, for want of a time before."""
    times = np.log2(np.diff(frames.astype(np.float64)))
    change = np.clip(np.rint(times[1:] - times[:-1]), -LONGEST_STEP, LONGEST_STEP)
    return np.asarray(what * np.uint64(16) + (change + LONGEST_STEP).astype(np.uint64), np.uint64)


def copies(thashes: Sequence[str], sketches: NDArray[np.void]) -> NDArray[np.int64]:
    """For each piece the number of the first that is the same music, its own where there is none before it.

    The same are pieces of one `thash`, those whose sketches agree in ALIKE of their places, and what is the same as
    the same.
    """
    groups = Groups(len(thashes))
    first: dict[str, int] = {}
    for i, thash in enumerate(thashes):
        groups.join(first.setdefault(thash, i), i)
    least = sketches["least"]
    filled = sketches["filled"].astype(np.float64)
    told = np.flatnonzero(filled > 0)
    for start in range(0, PLACES, BAND):
        band = np.ascontiguousarray(least[told, start : start + BAND])
        order = told[np.lexsort((told, *band.T))]
        for gap in range(1, NEIGHBOURS + 1):
            one, other = order[gap:], order[:-gap]
            same = (least[one, start : start + BAND] == least[other, start : start + BAND]).all(axis=1)
            one, other = one[same], other[same]
            # Fewer places of their own tell less: they must agree in more by what chance may do.
            error = np.sqrt(ALIKE * (1 - ALIKE) / np.minimum(filled[one], filled[other]))
            near = (least[one] == least[other]).mean(axis=1) >= ALIKE + error
            for i, j in zip(one[near].tolist(), other[near].tolist(), strict=True):
                groups.join(i, j)
    return groups.firsts()


class Groups:
    """Which of some numbered things belong together (union-find); a group is known by its first."""

    def __init__(self, count: int) -> None:
        self.above = list(range(count))

    def first(self, i: int) -> int:
        """The first of the group of `i`."""
        while self.above[i] != i:
            self.above[i] = self.above[self.above[i]]
            i = self.above[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Put the groups of `i` and `j` together."""
        low, high = sorted((self.first(i), self.first(j)))
        self.above[high] = low

    def firsts(self) -> NDArray[np.int64]:
        """The first of the group of each."""
        return np.array([self.first(i) for i in range(len(self.above))], np.int64)
