"""How much of a melody another piece has already: the longest run of notes that both have, transposed or not.

A melody is the top line of a pitched track: the highest of the notes that begin together. A run is the same in two
melodies where every interval is the same, and every time from onset to onset to the nearest 16th. So a run of n notes
has n - 1 steps. Runs are found by 64-bit hashes of windows of one size after another, over a whole set at once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.stepped import PER_QUARTER, Stepped

COPIED = 12
"""Notes from which on a run counts as copied."""

LONGEST_GAP = 1023
SIXTEENTH = PER_QUARTER // 4
FACTOR = np.uint64(0x9E3779B97F4A7C15)

Codes = NDArray[np.int64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Melody:
    """The lines of a piece, one behind the other: each note's step from the one before it, its pitch, its onset.

    The step of a line's first note is -1. The numbers are short: a set may have a hundred thousand melodies.
    """

    steps: NDArray[np.int32]
    pitch: NDArray[np.int16]
    onset: NDArray[np.int32]


@dataclass(frozen=True)
class Run:
    """A run of `notes` notes from `start` of a melody, and where the set has it: piece, place, semitones below."""

    notes: int
    start: int
    piece: int
    place: int
    semitones: int


def melody(piece: Stepped) -> Melody:
    """The top lines of the pitched tracks of a piece."""
    found = [(np.zeros(0, np.int64),) * 3]
    for track in np.unique(piece.track[~piece.drum]).tolist():
        here = piece.track == track
        onset, pitch = piece.onset[here], piece.pitch[here]
        last = np.append(np.diff(onset) > 0, True)
        onset, pitch = onset[last], pitch[last]
        steps = np.full(len(onset), -1, np.int64)
        steps[1:] = (np.diff(pitch) + 128) * (LONGEST_GAP + 1) + np.minimum(
            np.rint(np.diff(onset) / SIXTEENTH).astype(np.int64), LONGEST_GAP
        )
        found.append((steps, pitch, onset))
    steps, pitch, onset = (np.concatenate(column) for column in zip(*found, strict=True))
    return Melody(steps.astype(np.int32), pitch.astype(np.int16), onset.astype(np.int32))


class Index:
    """The melodies of a set of pieces, to look for runs in."""

    def __init__(self, melodies: Sequence[Melody]) -> None:
        self._melodies = melodies
        self._starts = np.cumsum([0, *(len(m.steps) for m in melodies)])
        self._steps = np.concatenate([np.zeros(0, np.int32), *(m.steps for m in melodies)])

    def longest(self, mine: Sequence[Melody]) -> list[Run | None]:
        """For each melody its longest run that the set has too; None where not even two notes are shared."""
        low = [0] * len(mine)
        high = [1] * len(mine)
        growing = set(range(len(mine)))
        size = 1
        while growing:
            found = self._which(mine, growing, size)
            for i in growing:
                low[i], high[i] = (size, 2 * size) if i in found else (low[i], size)
            growing, size = found, 2 * size
        while groups := _grouped({i: (low[i] + high[i]) // 2 for i in range(len(mine)) if high[i] - low[i] > 1}):
            for size, here in groups:
                found = self._which(mine, here, size)
                for i in here:
                    low[i], high[i] = (size, high[i]) if i in found else (low[i], size)
        runs: list[Run | None] = [None] * len(mine)
        for size, here in _grouped({i: size for i, size in enumerate(low) if size}):
            known, where = self._windows(size)
            for i in here:
                runs[i] = self._run(mine[i], size, known, where)
        return runs

    def copied(self, mine: Sequence[Melody]) -> list[float | None]:
        """For each melody the share of its notes in runs of COPIED notes that the set has too; None without notes."""
        known, _ = self._windows(COPIED - 1)
        return [_covered(one, _shared(known, *windows(one.steps, COPIED - 1))) for one in mine]

    def _windows(self, size: int) -> tuple[Hashes, Codes]:
        """The hashes of all windows of so many steps, in their order, and where they begin."""
        hashes, places = windows(self._steps, size)
        order = np.argsort(hashes, kind="stable")
        return hashes[order], places[order]

    def _which(self, mine: Sequence[Melody], here: Iterable[int], size: int) -> set[int]:
        """Those of the melodies that share a window of so many steps."""
        known, _ = self._windows(size)
        return {i for i in here if len(_shared(known, *windows(mine[i].steps, size)))}

    def _run(self, mine: Melody, size: int, known: Hashes, where: Codes) -> Run:
        hashes, places = windows(mine.steps, size)
        start = int(_shared(known, hashes, places)[0])
        at = int(where[np.searchsorted(known, hashes[places == start][0])])
        piece = int(np.searchsorted(self._starts, at, side="right")) - 1
        place = at - int(self._starts[piece]) - 1
        semitones = int(mine.pitch[start - 1]) - int(self._melodies[piece].pitch[place])
        return Run(size + 1, start - 1, piece, place, semitones)


def _grouped(sizes: dict[int, int]) -> list[tuple[int, list[int]]]:
    """For each size the numbers that have it."""
    groups: dict[int, list[int]] = defaultdict(list)
    for i, size in sizes.items():
        groups[size].append(i)
    return sorted(groups.items())


def _shared(known: Hashes, hashes: Hashes, places: Codes) -> Codes:
    """The places whose hashes are among the known, which are in order."""
    if not len(known):
        return places[:0]
    at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return np.asarray(places[known[at] == hashes])


def _covered(mine: Melody, starts: Codes) -> float | None:
    if not len(mine.steps):
        return None
    covered = np.zeros(len(mine.steps) + 1, np.int64)
    np.add.at(covered, starts - 1, 1)
    np.add.at(covered, starts - 1 + COPIED, -1)
    return float((np.cumsum(covered)[: len(mine.steps)] > 0).mean())


def windows(steps: NDArray[np.int32], size: int) -> tuple[Hashes, Codes]:
    """A hash of each window of so many steps that lies within one line, and where it begins."""
    if len(steps) < size:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    mixed = _mixed(steps.astype(np.uint64))
    powers = _powers(size)
    # By doubling: the hash of a window is that of its first half, moved on, and that of its second.
    whole, width = mixed, 1
    hashes, done = np.zeros(len(steps), np.uint64), 0
    rest = size
    while rest:
        if rest & 1:
            moved = np.zeros(len(steps), np.uint64)
            moved[: len(steps) - done] = whole[done:]
            hashes = hashes * powers[width] + moved
            done += width
        rest >>= 1
        if rest:
            following = np.zeros(len(steps), np.uint64)
            following[: len(steps) - width] = whole[width:]
            whole, width = whole * powers[width] + following, 2 * width
    breaks = np.cumsum(steps < 0)
    first = np.arange(len(steps) - size + 1)
    inside = (steps[first] >= 0) & (breaks[first] == breaks[first + size - 1])
    places = first[inside]
    return hashes[places], places


def _powers(size: int) -> dict[int, np.uint64]:
    found = {1: FACTOR}
    width = 1
    with np.errstate(over="ignore"):
        while 2 * width <= size:
            found[2 * width] = found[width] * found[width]
            width *= 2
    return found


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Well mixed 64-bit numbers (the finalizer of SplitMix64)."""
    mixed = values * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(0x94D049BB133111EB)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))
