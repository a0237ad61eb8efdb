"""The beats of a piece, wherever they come from: the file's own bars, or tracked in a performance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metre import bars
from m4mcli.score.score import Score, TimeSignature


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

    Without a time signature the metre is 4/4. A piece without notes has no beats.
    """
    ticks: list[int] = []
    first: list[bool] = []
    for bar in bars(score) if score.end else ():
        beats = [tick for tick in bar.beats() if tick < score.end]
        ticks += beats
        first += [i == 0 for i in range(len(beats))]
    signatures = tuple({s.tick: s for s in score.time_signatures}.values())
    if not signatures or signatures[0].tick > 0:
        signatures = (TimeSignature(0, 4, 4), *signatures)
    return BeatGrid(np.array(ticks, np.int64), np.array(first, np.bool_), signatures)
