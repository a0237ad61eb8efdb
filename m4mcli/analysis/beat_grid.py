"""The beats of a piece, wherever they come from: the file's own bars, or tracked in a performance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import Score, TimeSignature

SMALL = 16
"""The denominator from which on a signature's notes are too short to be beats among longer ones."""

ROUNDING = 1e-3


@dataclass(frozen=True)
class BeatGrid:
    """Beats in rising order: their ticks (n,) int64, which of them begin a bar (n,) bool, and the time signatures.

    The beats cover the piece from the first to the last note; a bar may have fewer beats than its signature says (a
    pickup). The last beat lasts to the piece's end.
    """

    beat_ticks: NDArray[np.int64]
    downbeat: NDArray[np.bool_]
    signatures: tuple[TimeSignature, ...]


def grid_of(score: Score) -> BeatGrid:
    """The beats of the file's own bars up to its last note's end: dotted quarters in 6/8, quarters in 4/4.

    Without a time signature the metre is 4/4. A first bar shorter than the second, of shorter notes, is its upbeat: its
    beats are counted back from the bar line; too short for one, it has one where it begins. A piece without notes has
    no beats.
    """
    ticks: list[int] = []
    first: list[bool] = []
    found = bars(score) if score.end else ()
    for i in range(len(found)):
        beats = [tick for tick in _beats(found, i) if tick < score.end]
        ticks += beats
        first += [j == 0 for j in range(len(beats))]
    signatures = tuple({s.tick: s for s in score.time_signatures}.values())
    if not signatures or signatures[0].tick > 0:
        signatures = (TimeSignature(0, 4, 4), *signatures)
    return BeatGrid(np.array(ticks, np.int64), np.array(first, np.bool_), signatures)


def _beats(found: Sequence[Bar], i: int) -> list[int]:
    """The ticks of a bar's beats.

    A bar of sixteenths or less among longer beats (13/16 between bars of 3/4: how a grace or a fermata is often
    written out) has the beats of the bar before it.
    """
    bar = found[i]
    if i == 0 and len(found) > 1 and bar.length < found[1].length and bar.beat_length < found[1].beat_length:
        unit = found[1].beat_length
        count = int(bar.length / unit + ROUNDING)
        return [bar.tick + bar.length - round(k * unit) for k in range(count, 0, -1)] or [bar.tick]
    if i > 0 and bar.denominator >= SMALL and bar.beat_length < found[i - 1].beat_length <= bar.length:
        unit = found[i - 1].beat_length
        return [bar.tick + round(k * unit) for k in range(round(bar.length / unit))]
    return bar.beats()
