"""Music on the grid of the scheme `abc`: 24 units to the quarter note, of which 32nds and triplet 16ths are used.

A note's length, a gap between notes and what a bar line leaves of either is never a single unit, so that all can be
written with plain and triplet lengths.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metre import bars
from m4mcli.score.score import Score

PER_QUARTER = 24
STEP = 3
"""Bars begin on 32nds."""

TINY = 1e-6

PLACES = np.array([0, 2, 3, 4, 6, 8, 9, 10, 12, 14, 15, 16, 18, 20, 21, 22, 24])
PLAIN = np.array([0, 6, 8, 12, 16, 18, 24])
"""16ths and triplet 8ths: where notes end that end on none of the places, so that the text stays readable."""

Units = NDArray[np.int64]


@dataclass(frozen=True)
class Bars:
    """The bars in units: where they begin, and behind the last its end; their first ticks."""

    edges: Units
    ticks: tuple[int, ...]

    def placed(self, exact: NDArray[np.floating], places: Units = PLACES) -> Units:
        """The nearest places of the grid, counted from the beginning of the bar."""
        bar = np.clip(np.searchsorted(self.edges, exact, side="right") - 1, 0, len(self.edges) - 2)
        start, stop = self.edges[bar], self.edges[bar + 1]
        inside = np.maximum(exact - start, 0)
        quarter = np.floor(inside / PER_QUARTER)
        between = (places[1:] + places[:-1]) / 2
        place = places[np.searchsorted(between, inside - PER_QUARTER * quarter, side="right")]
        found = start + (PER_QUARTER * quarter).astype(np.int64) + place
        return np.where(found >= stop - 1, stop, found)


def bars_of(score: Score) -> Bars:
    """The bars of a piece on the grid; bars shorter than a 64th are left out."""
    found = bars(score)
    ticks = [bar.tick for bar in found]
    edges = np.array([*ticks, found[-1].tick + found[-1].length]) * (PER_QUARTER // STEP) / score.tpq
    units = np.floor(edges + 0.5).astype(np.int64) * STEP
    units[-1] = max(int(units[-1]), int(units[-2]) + STEP)
    kept = np.flatnonzero(np.diff(units) > 0)
    return Bars(units[[*kept.tolist(), len(units) - 1]], tuple(ticks[i] for i in kept.tolist()))


def on_grid(bars: Bars, onset: Units, duration: Units, tpq: int) -> tuple[Units, Units, int]:
    """Where notes (in ticks) begin and end in units, and how many of them are moved."""
    scale = PER_QUARTER / tpq
    begin, end = onset * scale, (onset + duration) * scale
    start, stop = bars.placed(begin), bars.placed(end)
    start = np.minimum(start, bars.edges[-1] - STEP)
    plain = bars.placed(end, PLAIN)
    stop = np.where((np.abs(stop - end) > TINY) & (plain - start >= 2), plain, stop)
    bar = np.searchsorted(bars.edges, start, side="right") - 1
    shortest = start + np.where((start - bars.edges[bar]) % STEP == 0, STEP, 2)
    stop = np.where(stop - start < 2, shortest, stop)
    return start, stop, int(((np.abs(start - begin) > TINY) | (np.abs(stop - end) > TINY)).sum())
