"""Measure bars written between bars: a model, the same model without what follows, and copies, against the true bars.

Of each piece the first BARS whole bars from its first note on are taken; HOLE bars in their middle are to be written
for the instruments that play around them; what these play there is given.

Figures
  note_F1              F1 of the notes by onset frame and pitch, whatever plays them; drums apart
  pitch_class_overlap  shared area of the pitch-class histograms, 0 to 1; None where the true bars have no pitched note
  density              notes / original notes
  outside              share of an answer's notes that begin outside the bars, or last beyond them
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.evaluation.borrowed import again, another_song, ended
from m4mcli.evaluation.continuation import first_bars
from m4mcli.evaluation.drums import onset_f1, pitch_class_shares
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.trials import SAMPLES, Notes, Study, System, Trial
from m4mcli.frames.frames import DRUMS

FIGURES = ("note_F1", "pitch_class_overlap", "density", "outside")
BARS, HOLE = 16, 4
"""Bars that are taken of a piece, and those in their middle that are to be written."""

FEWEST_NOTES = 4
"""Notes that the bars to be written have, and those before and behind them, at least."""


class Infiller(Protocol):
    """What fills a hole: `samples` answers, the new notes that `instruments` play in the frames `hole`, [start, stop).

    `notes` are those around the hole, the metre is that of all T frames, (T, 3). All notes are FRAME_NOTE rows.
    """

    def __call__(
        self,
        notes: Notes,
        instruments: tuple[int, ...],
        metre: NDArray[np.int32],
        hole: tuple[int, int],
        samples: int,
        seed: int,
        /,
    ) -> Sequence[Notes]:
        """The answers, the same for the same seed."""


def study(infiller: Infiller | None = None, *, samples: int = SAMPLES, name: str = "model") -> Study:
    """HOLE bars in the middle of BARS, with and without what follows them."""

    def ask(trial: Trial, seed: int) -> Sequence[Notes]:
        assert infiller is not None
        instruments = tuple(np.unique(trial.given["instrument"]).tolist())
        return infiller(trial.given, instruments, trial.metre, (trial.start, trial.stop), samples, seed)

    def ask_blind(trial: Trial, seed: int) -> Sequence[Notes]:
        before = trial.given[trial.given["frame"] < trial.start]
        return ask(replace(trial, given=before, metre=trial.metre[: trial.stop]), seed)

    return Study(
        FIGURES,
        f"{BARS} bars with notes in and around the middle ones",
        trial_of,
        figures,
        {} if infiller is None else {name: ask, f"{name}, not told what follows": ask_blind},
        _baselines,
        {"bars_given": BARS - HOLE, "bars": HOLE, "samples": samples},
        f"{HOLE} of {BARS} bars",
    )


def trial_of(piece: PackedPiece) -> Trial | None:
    """The first bars of a piece, of which those in the middle are to be written; None for a piece that has too few."""
    stretch = first_bars(piece, BARS)
    if stretch is None:
        return None
    notes, metre, lines = stretch
    start, stop = lines[(BARS - HOLE) // 2], lines[(BARS + HOLE) // 2]
    inside = (notes["frame"] >= start) & (notes["frame"] < stop)
    around, behind = notes[~inside], notes["frame"] >= stop
    if min(inside.sum(), (around["frame"] < start).sum(), behind.sum()) < FEWEST_NOTES:
        return None
    return Trial(piece.name, around, ended(notes[inside], stop), metre, start, stop)


def figures(trial: Trial, answer: Notes) -> Figures:
    """Every figure of FIGURES for one answer."""
    made, real = trial.made(answer), trial.real
    ours, theirs = (part[part["instrument"] != DRUMS] for part in (made, real))
    ends = made["frame"] + made["duration"]
    inside = int((ends <= trial.stop).sum())
    common = np.minimum(pitch_class_shares(ours), pitch_class_shares(theirs)).sum()
    return {
        "note_F1": onset_f1(_places(made), _places(real)),
        "pitch_class_overlap": float(common) if len(theirs) else None,
        "density": len(made) / len(real),
        "outside": 1 - inside / len(answer) if len(answer) else None,
    }


def _places(notes: Notes) -> NDArray[np.int64]:
    """Onset frame, pitch and whether it is a drum, as one number a note."""
    drum = (notes["instrument"] == DRUMS).astype(np.int64)
    places: NDArray[np.int64] = (notes["frame"].astype(np.int64) * 2 + drum) * 128 + notes["pitch"]
    return places


def _baselines(trials: Sequence[Trial], training: Iterable[PackedPiece]) -> dict[str, System]:
    copies: dict[str, System] = {
        "bars before, again": lambda trial, _: [before(trial)],
        "bars behind, first": lambda trial, _: [behind(trial)],
    }
    return copies | another_song(trials)


def before(trial: Trial) -> Notes:
    """The stretch before the hole, as long as it, moved into it."""
    return again(trial.given, trial.stop - trial.start, trial.start, trial.stop)


def behind(trial: Trial) -> Notes:
    """The stretch behind the hole, as long as it, moved into it."""
    length = trial.stop - trial.start
    frames = trial.given["frame"]
    part = trial.given[(frames >= trial.stop) & (frames < trial.stop + length)].copy()
    part["frame"] -= length
    return ended(part, trial.stop)
