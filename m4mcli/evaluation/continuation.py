"""Measure how a piece goes on: a model's bars, another song's and the last bar again, against the bars that follow.

Of each piece the first GIVEN + MADE whole bars from its first note on are taken, the first GIVEN are given, all its
instruments together. Figures are the distances of m4mcli.evaluation.groove to the true bars: lower is closer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.evaluation.borrowed import again, another_song, ended
from m4mcli.evaluation.groove import DISTANCES, distances
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.trials import SAMPLES, Notes, Study, System, Trial

FIGURES = DISTANCES
GIVEN, MADE = 8, 8
"""Bars that are given, and that are to be written."""

FEWEST_NOTES = 8
"""Notes that the given bars and those behind them have at least."""


class Continuer(Protocol):
    """What goes on: `samples` answers to the notes of the first frames of a metre (given + written, 3).

    The notes end with the frames that are given; an answer's notes are counted from the same frame as they. All notes
    are FRAME_NOTE rows.
    """

    def __call__(
        self, notes: Notes, metre: NDArray[np.int32], given: int, written: int, samples: int, seed: int, /
    ) -> Sequence[Notes]:
        """The answers, the same for the same seed."""


def study(continuer: Continuer | None = None, *, samples: int = SAMPLES, name: str = "model") -> Study:
    """MADE bars behind GIVEN bars."""

    def ask(trial: Trial, seed: int) -> Sequence[Notes]:
        assert continuer is not None
        return continuer(trial.prompt, trial.metre, trial.start, trial.stop - trial.start, samples, seed)

    return Study(
        FIGURES,
        f"{GIVEN + MADE} bars with notes in both halves",
        trial_of,
        figures,
        {} if continuer is None else {name: ask},
        _baselines,
        {"bars_given": GIVEN, "bars": MADE, "samples": samples},
        f"{MADE} bars behind {GIVEN}",
    )


def trial_of(piece: PackedPiece) -> Trial | None:
    """The first bars of a piece, of which the second half is to be written; None for a piece that has too few."""
    stretch = first_bars(piece, GIVEN + MADE)
    if stretch is None:
        return None
    notes, metre, lines = stretch
    start = lines[GIVEN]
    before, after = notes[notes["frame"] < start], notes[notes["frame"] >= start]
    if min(len(before), len(after)) < FEWEST_NOTES:
        return None
    return Trial(piece.name, notes[:0], np.concatenate((ended(before, start), after)), metre, start, len(metre))


def first_bars(piece: PackedPiece, count: int) -> tuple[Notes, NDArray[np.int32], list[int]] | None:
    """The first `count` whole bars from the first note on: notes, metre (frames, 3), and the frame of each bar's line.

    A first bar that is shorter than the next one is a pickup and left out. Notes end with the last bar at the latest.
    None where there are fewer bars.
    """
    if not len(piece.notes):
        return None
    ends = piece.bars["frame"] + piece.bars["length"]
    first = int(np.searchsorted(ends, piece.notes["frame"].min(), side="right"))
    bars = piece.bars[first:]
    if len(bars) > 1 and bars["length"][0] < bars["length"][1]:
        bars = bars[1:]
    if len(bars) < count:
        return None
    begin, stop = int(bars["frame"][0]), int(bars["frame"][count - 1] + bars["length"][count - 1])
    notes = piece.of_tracks(range(len(piece.tracks)))
    notes = notes[(notes["frame"] >= begin) & (notes["frame"] < stop)]
    notes["frame"] -= begin
    metre = replace(piece, length=stop).metre()[begin:]
    return ended(notes, stop - begin), metre, (bars["frame"][:count] - begin).tolist()


def figures(trial: Trial, answer: Notes) -> Figures:
    """Every figure of FIGURES for one answer."""
    return distances(trial.made(answer), trial.real, trial.metre)


def _baselines(trials: Sequence[Trial], training: Iterable[PackedPiece]) -> dict[str, System]:
    def last_bar(trial: Trial, seed: int) -> list[Notes]:
        return [again(trial.prompt, int(trial.metre[trial.start - 1, 1]), trial.start, trial.stop)]

    copies: dict[str, System] = {"last bar again": last_bar}
    return copies | another_song(trials)
