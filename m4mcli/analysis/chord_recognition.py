"""Chords of a piece: every unit of every bar scored for every chord, settled over the whole piece.

Of the chain's own probabilities that sequence is taken which is right for the longest time in expectation, half a point
for the triad and half for the whole quality, less a toll on every change.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import BeatGrid
from m4mcli.analysis.chain import marginals, steadiest
from m4mcli.analysis.chord_model import SILENCE, STATES, TONES, ChordModel, scores, shipped_model
from m4mcli.analysis.pitch_features import NOW, Units, pictures, units_of
from m4mcli.errors import M4mError
from m4mcli.score.score import Score

TRIADS = (0, 1, 2, 3, 0, 1, 0, 2, 2, 1, 0, 1, 4, 5)
"""Which qualities have the same triad: a number for each of QUALITIES."""

TOLL = 0.1
"""What a change must gain, in units of a beat's part for which the chord is then right."""

BASS_TOLL = 0.75
"""Likewise for a change of the bass under a chord."""

NEVER = -30.0
MAX_UNITS = 100_000
"""The longest piece that the reader takes has 80,000 in 4/4; there are more where bars are cut into 64ths."""


@dataclass(frozen=True)
class RecognizedChord:
    """A chord from tick `start` to `end`: root and bass as pitch classes 0-11 and an index into QUALITIES; silence has
    none of them (-1). `probability` is that of root and quality, in the mean over its time."""

    start: int
    end: int
    root: int
    quality: int
    bass: int
    probability: float

    @property
    def pitch_classes(self) -> frozenset[int]:
        """Its tones, the bass among them; none for silence."""
        if self.quality < 0:
            return frozenset()
        return frozenset((self.root + tone) % 12 for tone in TONES[self.quality]) | {self.bass}


@dataclass(frozen=True)
class Harmony:
    """The chords of a piece, in order and without gaps, and the probability of each state in each unit (n, STATES)."""

    chords: tuple[RecognizedChord, ...]
    units: Units
    probabilities: NDArray[np.float64]


def recognize_chords(score: Score, grid: BeatGrid, model: ChordModel | None = None) -> Harmony:
    """The chords of a piece on the units of its beats, from its first beat to the end of its last note.

    Bars in which nothing sounds are silence. Chord names, lyrics and markers are not read; drums are not heard. A piece
    without notes has no chords. Raises M4mError for more than MAX_UNITS units.
    """
    units = units_of(grid, score.end)
    if len(units) > MAX_UNITS:
        raise M4mError(f"{len(units)} parts of beats are too many to analyze", "split the piece first")
    if not len(units):
        return Harmony((), units, np.zeros((0, STATES)))
    seen, plain = pictures(score, units)
    chain = scores(model or shipped_model(), seen, plain)
    chain.fit[_silent_bars(seen, units), :SILENCE] = NEVER
    probability = marginals(chain.fit, chain.change, chain.moves)
    path = _settled(probability)
    bass = _basses(path, chain.bass)
    return Harmony(_spans(units, path, bass, probability), units, probability)


def _silent_bars(seen: NDArray[np.float32], units: Units) -> NDArray[np.bool_]:
    """The units (n,) of bars in which nothing sounds."""
    here = seen[:, NOW].sum(axis=1)
    first = np.flatnonzero(np.diff(units.bar, prepend=-1))
    return np.asarray((np.add.reduceat(here, first) == 0)[units.bar])


def _settled(probability: NDArray[np.float64]) -> NDArray[np.int64]:
    """The state of each unit (n,)."""
    group = np.array([12 * TRIADS[s // 12] + s % 12 for s in range(SILENCE)] + [12 * len(TRIADS)])
    together = (group[:, None] == group[None, :]).astype(np.float64)
    credit = (probability + probability @ together) / 2
    return steadiest(credit, TOLL)


def _basses(path: NDArray[np.int64], bass: NDArray[np.float32]) -> NDArray[np.int64]:
    """The interval 0-11 from root to bass in each unit (n,), settled within each chord; 0 in silence."""
    found = np.zeros(len(path), np.int64)
    for start, stop in _runs(path):
        if path[start] != SILENCE:
            logits = bass[start:stop, path[start] % 12].astype(np.float64)
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            odds /= odds.sum(axis=1, keepdims=True)
            found[start:stop] = steadiest(odds, BASS_TOLL)
    return found


def _runs(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(values, prepend=values[0] - 1, append=values[-1] - 1))
    return list(pairwise(edges.tolist()))


def _spans(
    units: Units, path: NDArray[np.int64], bass: NDArray[np.int64], probability: NDArray[np.float64]
) -> tuple[RecognizedChord, ...]:
    length = np.diff(units.ticks)
    spans = []
    for start, stop in _runs(path * 12 + bass):
        state = int(path[start])
        sure = float(np.average(probability[start:stop, state], weights=length[start:stop]))
        ticks = int(units.ticks[start]), int(units.ticks[stop])
        if state == SILENCE:
            spans.append(RecognizedChord(*ticks, -1, -1, -1, sure))
        else:
            root = state % 12
            spans.append(RecognizedChord(*ticks, root, state // 12, (root + int(bass[start])) % 12, sure))
    return tuple(spans)
