"""Measure melodies over chords: a melodizer, the original melody and the baselines in one table.

Each song is cut to its first LENGTH frames, or where its chords end, and measured from the end of the prompt on.
Figures are CTnCTR, CTR, PCS and MCTD of m4mcli.evaluation.melody_chord, and

  in_scale    share of the notes whose pitch class the original song has, chords included
  density     notes / original notes
  polyphonic  share of the onset frames in which another note begins or sounds on
  interval    mean absolute interval from note to note in semitones, of notes that begin together the highest
  odd_16ths   share of the onset frames that are odd 16ths of the bar, counted from 0
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.evaluation.borrowed import another_song
from m4mcli.evaluation.melody_chord import melody_chord
from m4mcli.evaluation.melody_counts import count_melodies, counted_melody
from m4mcli.evaluation.notes import Figures, pitch_classes
from m4mcli.evaluation.trials import LENGTH, SAMPLES, Notes, Study, System, Trial
from m4mcli.frames.frames import FRAME_NOTE, sounding

FIGURES = (
    *("CTnCTR", "CTR", "PCS", "MCTD", "in_scale"),
    *("density", "polyphonic", "interval", "odd_16ths"),
)
PROMPT = 16
"""Frames of the original melody that are given."""

CENTRE = 69
"""Pitch near which chord tones are taken where the prompt has none."""


class Melodizer(Protocol):
    """What writes melodies: `samples` answers to chords and the metre of their T frames, (T, 3).

    `prompt` holds the melody notes that begin before `prompt_frames`, with their full durations; it may be empty. All
    notes are FRAME_NOTE rows.
    """

    def __call__(
        self,
        chords: Notes,
        metre: NDArray[np.int32],
        prompt: Notes,
        prompt_frames: int,
        samples: int,
        seed: int,
        /,
    ) -> Sequence[Notes]:
        """The answers, the same for the same seed."""


def study(
    melodizer: Melodizer | None = None, *, prompt_frames: int = PROMPT, samples: int = SAMPLES, name: str = "model"
) -> Study:
    """Melodies over chords, after a prompt of so many frames."""

    def ask(trial: Trial, seed: int) -> Sequence[Notes]:
        assert melodizer is not None
        return melodizer(trial.given, trial.metre, trial.prompt, trial.start, samples, seed)

    def baselines(trials: Sequence[Trial], training: Iterable[PackedPiece]) -> dict[str, System]:
        counts = count_melodies(training)
        counted: dict[str, System] = {}
        if counts is not None:
            counted["first-order chain"] = lambda trial, seed: [
                counted_melody(counts, trial, np.random.default_rng([seed, i])) for i in range(samples)
            ]
        on_beats: dict[str, System] = {"chord tones on the beats": lambda trial, _: [chord_tones(trial)]}
        return on_beats | another_song(trials) | counted

    return Study(
        FIGURES,
        "a melody and chords to measure",
        lambda piece: trial_of(piece, prompt_frames),
        figures,
        {} if melodizer is None else {name: ask},
        baselines,
        {"prompt_frames": prompt_frames, "length": LENGTH, "samples": samples},
        f"prompt of {prompt_frames} frames" if prompt_frames else "no prompt",
    )


def trial_of(piece: PackedPiece, prompt_frames: int = PROMPT) -> Trial | None:
    """The chords given, the melody to be written; None where either is missing behind the prompt."""
    melody, chords = piece.part("melody"), piece.part("chord")
    if not len(melody) or not len(chords):
        return None
    stop = min(LENGTH, int((chords["frame"] + chords["duration"]).max()))
    melody, chords = melody[melody["frame"] < stop], chords[chords["frame"] < stop]
    trial = Trial(piece.name, chords, melody, piece.metre()[:stop], prompt_frames, stop)
    if stop <= prompt_frames or not len(trial.real) or not pitch_classes(chords, stop)[prompt_frames:].any():
        return None
    return trial


def figures(trial: Trial, answer: Notes) -> Figures:
    """Every figure of FIGURES for one answer."""
    made, whole = trial.made(answer), trial.whole(answer)
    onsets = np.unique(made["frame"])
    scale = np.unique(np.concatenate((trial.given["pitch"], trial.truth["pitch"])) % 12)
    together = sounding(whole, trial.stop)[onsets].sum(axis=1)
    top = np.zeros(trial.stop, np.int64)
    np.maximum.at(top, made["frame"], made["pitch"])
    steps = np.abs(np.diff(top[onsets]))
    found = melody_chord(whole, trial.given, trial.start, trial.stop) | {
        "in_scale": float(np.isin(made["pitch"] % 12, scale).mean()) if len(made) else None,
        "density": len(made) / len(trial.real),
        "polyphonic": float((together > 1).mean()) if len(made) else None,
        "interval": float(steps.mean()) if len(steps) else None,
        "odd_16ths": float((trial.metre[onsets, 0] % 2).mean()) if len(made) else None,
    }
    return {name: found[name] for name in FIGURES}


def chord_tones(trial: Trial) -> Notes:
    """On every beat with a chord the tone of it that is next to the note before, and not the same."""
    classes = pitch_classes(trial.given, trial.stop)
    beats = np.flatnonzero(trial.metre[: trial.stop, 0] % np.maximum(trial.metre[: trial.stop, 2], 1) == 0)
    centre = int(np.median(trial.prompt["pitch"])) if len(trial.prompt) else CENTRE
    before, rows = centre, []
    for frame in beats[beats >= trial.start].tolist():
        near = [p for p in range(centre - 9, centre + 10) if classes[frame, p % 12] and p != before]
        if near:
            before = min(near, key=lambda p: (abs(p - before), abs(p - centre), p))
            length = min(int(trial.metre[frame, 2]), trial.stop - frame)
            rows.append((frame, 0, before, max(1, length)))
    return np.array(rows, FRAME_NOTE)
