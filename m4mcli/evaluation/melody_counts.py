"""A melody that has read the training songs: a first-order Markov chain over chords, as statistical baselines go.

Counted in canonical key: which pitch follows which, how many semitones melody notes lie above the bass of their chord,
and, for each place in the bar, how long it is to the next note and how long a note lasts. A pitch is drawn by the
product of the first two, the second as a share of what is usual.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.evaluation.trials import Notes, Trial
from m4mcli.frames.canonical import pitch_class_histogram
from m4mcli.frames.frames import FRAME_NOTE, sounding
from m4mcli.theory.keys import estimate_key

LONGEST = 64
"""Frames from note to note at most."""

SEEN = 2.0
"""Notes that each succession is credited with beforehand, spread as over all pitches."""

Place = tuple[int, int]
"""Length of the bar and place in it, in frames."""


@dataclass(frozen=True)
class MelodyCounts:
    """Shares of pitches (128 from, 128 to), of semitones above the bass (12,) as a multiple of their usual share, and
    for each place in the bar the steps (n, 2) to the next onset and of sounding, in frames, with their shares (n,)."""

    pitches: NDArray[np.float64]
    above_bass: NDArray[np.float64]
    steps: dict[Place, tuple[NDArray[np.int64], NDArray[np.float64]]]


def count_melodies(pieces: Iterable[PackedPiece]) -> MelodyCounts | None:
    """Count the melodies of pieces with a melody and chords; None if there are none."""
    follows, above, steps = np.zeros((128, 128)), np.ones(12), dict[Place, Counter[Place]]()
    usual = np.ones(12)
    for piece in pieces:
        chords = piece.part("chord")
        line = top_line(piece.part("melody"))
        if not len(chords) or len(line) < 2:
            continue
        pitch = np.clip(line["pitch"].astype(np.int64) + canonical_step(chords), 0, 127)
        np.add.at(follows, (pitch[:-1], pitch[1:]), 1)
        bass = basses(chords, piece.length)[line["frame"]]
        heard = bass >= 0
        above += np.bincount((line["pitch"][heard] - bass[heard]) % 12, minlength=12)
        # What would lie above each bass if melodies did not listen to the chords.
        classes = np.bincount(line["pitch"] % 12, minlength=12) / len(line)
        held = np.bincount(bass[heard] % 12, minlength=12)
        usual += [float((np.roll(classes, -i) * held).sum()) for i in range(12)]
        metre = piece.metre()
        waits = np.minimum(np.diff(line["frame"]), LONGEST)
        for (place, length, _), *step in zip(
            metre[line["frame"][:-1]].tolist(), waits, line["duration"][:-1], strict=True
        ):
            steps.setdefault((length, place), Counter())[int(step[0]), int(step[1])] += 1
    if not follows.any():
        return None
    shares = SEEN * follows.sum(axis=0) / follows.sum()
    pitches = (follows + shares) / (follows + shares).sum(axis=1, keepdims=True)
    told = {place: _shares(counts) for place, counts in steps.items()}
    return MelodyCounts(pitches, above / usual * usual.sum() / above.sum(), told)


def _shares(counts: Counter[Place]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    order = sorted(counts)
    number = np.array([counts[step] for step in order], np.float64)
    return np.array(order, np.int64), number / number.sum()


def top_line(melody: Notes) -> Notes:
    """Of notes that begin together the highest, each ended where the next begins."""
    line: Notes = melody[np.lexsort((-melody["pitch"].astype(np.int64), melody["frame"]))]
    line = line[np.concatenate((np.ones(min(1, len(line)), bool), np.diff(line["frame"]) > 0))].copy()
    line["duration"][:-1] = np.minimum(line["duration"][:-1], np.diff(line["frame"]))
    return line


def canonical_step(chords: Notes) -> int:
    """Semitones, from -6 to 5, that bring chords to C major or A minor."""
    tonic, minor = estimate_key(pitch_class_histogram(chords)) or (0, False)
    return ((9 if minor else 0) - tonic + 6) % 12 - 6


def basses(chords: Notes, length: int) -> NDArray[np.int64]:
    """The lowest pitch that sounds in each frame (length,); -1 where none does."""
    roll = sounding(chords, length)
    return np.where(roll.any(axis=1), roll.argmax(axis=1), -1)


def counted_melody(counts: MelodyCounts, trial: Trial, rng: np.random.Generator) -> Notes:
    """A melody that goes on from the last note of a trial's prompt, or begins with the commonest pitch in frame 0."""
    step = canonical_step(trial.given)
    bass = basses(trial.given, trial.stop)
    prompt = top_line(trial.prompt)
    frame, rows = 0, []
    before = int(counts.pitches.sum(axis=0).argmax())
    if len(prompt):
        before = int(np.clip(int(prompt["pitch"][-1]) + step, 0, 127))
        frame = int(prompt["frame"][-1]) + int(_drawn(counts, trial.metre[int(prompt["frame"][-1])], rng)[0])
    while frame < trial.stop:
        wait, length = _drawn(counts, trial.metre[frame], rng)
        chances = counts.pitches[before]
        if bass[frame] >= 0:
            chances = chances * counts.above_bass[(np.arange(128) - step - bass[frame]) % 12]
        before = int(rng.choice(128, p=chances / chances.sum()))
        if frame >= trial.start:
            rows.append((frame, 0, int(np.clip(before - step, 0, 127)), min(length, wait, trial.stop - frame)))
        frame += wait
    return np.array(rows, FRAME_NOTE)


def _drawn(counts: MelodyCounts, metre: NDArray[np.int32], rng: np.random.Generator) -> tuple[int, int]:
    """Frames to the next note and of sounding; a beat where nobody ever began a note."""
    place, length, beat = metre.tolist()
    if (length, place) not in counts.steps:
        return max(1, beat), max(1, beat)
    steps, shares = counts.steps[length, place]
    wait, lasts = steps[rng.choice(len(steps), p=shares)].tolist()
    return wait, lasts
