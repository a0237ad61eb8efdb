"""Measure parts for other instruments to drums: an accompanist, the original parts and the baselines in one table.

Each song is cut to its first LENGTH frames, or where its drums end, and measured from the end of the prompt on. The
model is told which instruments the original has. Figures are those of an accompaniment in m4mcli.evaluation.drums, and

  programs  different programs that play
  groove    bar-to-bar groove similarity
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.evaluation.borrowed import again, another_song
from m4mcli.evaluation.drums import accompaniment
from m4mcli.evaluation.groove import groove_similarity
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.trials import LENGTH, SAMPLES, Notes, Study, System, Trial
from m4mcli.frames.frames import DRUMS

FIGURES = ("on_hit", "pitch_class_overlap", "density", "programs", "groove")
PROMPT = 32
"""Frames of the original parts that are given."""

FEWEST_BARS = 16
FEWEST_NOTES = 16


class Accompanist(Protocol):
    """What writes parts for `instruments`: `samples` answers to what is given and the metre of its T frames, (T, 3).

    `prompt` holds the parts' notes that begin before `prompt_frames`, with their full durations; it may be empty. All
    notes are FRAME_NOTE rows.
    """

    def __call__(
        self,
        given: Notes,
        instruments: tuple[int, ...],
        metre: NDArray[np.int32],
        prompt: Notes,
        prompt_frames: int,
        samples: int,
        seed: int,
        /,
    ) -> Sequence[Notes]:
        """The answers, the same for the same seed."""


def study(
    accompanist: Accompanist | None = None, *, prompt_frames: int = PROMPT, samples: int = SAMPLES, name: str = "model"
) -> Study:
    """The other instruments to drums, after a prompt of so many frames."""

    def ask(trial: Trial, seed: int) -> Sequence[Notes]:
        assert accompanist is not None
        instruments = tuple(np.unique(trial.truth["instrument"]).tolist())
        return accompanist(trial.given, instruments, trial.metre, trial.prompt, trial.start, samples, seed)

    return Study(
        FIGURES,
        f"{FEWEST_BARS} bars with drums and other instruments",
        lambda piece: trial_of(piece, prompt_frames),
        figures,
        {} if accompanist is None else {name: ask},
        _baselines,
        {"prompt_frames": prompt_frames, "length": LENGTH, "samples": samples},
        f"prompt of {prompt_frames} frames" if prompt_frames else "no prompt",
    )


def trial_of(piece: PackedPiece, prompt_frames: int = PROMPT) -> Trial | None:
    """The drums given, the other instruments to be written; None where either plays too little."""
    notes = piece.of_tracks(range(len(piece.tracks)))
    drums, others = notes[notes["instrument"] == DRUMS], notes[notes["instrument"] != DRUMS]
    if len(piece.bars) < FEWEST_BARS or not len(drums):
        return None
    stop = min(LENGTH, int((drums["frame"] + drums["duration"]).max()))
    drums, others = drums[drums["frame"] < stop], others[others["frame"] < stop]
    if min((part["frame"] >= prompt_frames).sum() for part in (drums, others)) < FEWEST_NOTES:
        return None
    return Trial(piece.name, drums, others, piece.metre()[:stop], prompt_frames, stop)


def figures(trial: Trial, answer: Notes) -> Figures:
    """Every figure of FIGURES for one answer; the last two of pitched notes alone."""
    made = trial.made(answer)
    pitched = made[made["instrument"] != DRUMS]
    return accompaniment(made, trial.given, trial.real, trial.start) | {
        "programs": float(len(np.unique(pitched["instrument"]))),
        "groove": groove_similarity(pitched, trial.metre, trial.start, trial.stop),
    }


def _baselines(trials: Sequence[Trial], training: Iterable[PackedPiece]) -> dict[str, System]:
    repeat: dict[str, System] = {"repeat the prompt": lambda trial, _: [repeated_prompt(trial)]}
    return (repeat if any(len(trial.prompt) for trial in trials) else {}) | another_song(trials)


def repeated_prompt(trial: Trial) -> Notes:
    """The last whole bars of the prompt, again and again; all of it where it is shorter than a bar."""
    bar = int(trial.metre[trial.start - 1, 1])
    return again(trial.prompt, trial.start - trial.start % bar or trial.start, trial.start, trial.stop)
