"""Baselines that compose nothing: the part of another song, and bars of the same song once more."""

from collections.abc import Sequence

import numpy as np

from m4mcli.evaluation.trials import Notes, System, Trial
from m4mcli.frames.canonical import shifted


def another_song(trials: Sequence[Trial]) -> dict[str, System]:
    """The part of another song, moved to the key; none where there is but one song.

    It is the first, from half-way round the trials on (neighbours in a pack are often alike), that is as long and has
    bars of the same length; where none is as long, the longest with such bars, else the longest.
    """
    place = {id(trial): i for i, trial in enumerate(trials)}

    def answer(trial: Trial, seed: int) -> list[Notes]:
        start = place[id(trial)] + max(1, len(trials) // 2)
        others = [t for i in range(len(trials)) if (t := trials[(start + i) % len(trials)]) is not trial]
        alike = [t for t in others if t.bar == trial.bar]
        long = [t for t in alike if t.stop - t.start >= trial.stop - trial.start]
        other = long[0] if long else max(alike or others, key=lambda t: t.stop - t.start)
        moved = shifted(other.truth, key_shift(other, trial))
        moved["frame"] += trial.start - other.start
        return [ended(moved[moved["frame"] < trial.stop], trial.stop)]

    return {"part of another song": answer} if len(trials) > 1 else {}


def key_shift(source: Trial, target: Trial) -> int:
    """Semitones, from -5 to 6, from the key of one trial to that of another; minor keys go by their signature."""
    signatures = [(tonic + 3 * minor) % 12 for tonic, minor in (t.key or (0, False) for t in (source, target))]
    return (signatures[1] - signatures[0] + 5) % 12 - 5


def again(notes: Notes, period: int, start: int, stop: int) -> Notes:
    """What begins in the `period` frames before `start`, again and again up to `stop`, cut at the end of each turn."""
    if period < 1 or stop <= start:
        return notes[:0]
    last = ended(notes[(notes["frame"] >= start - period) & (notes["frame"] < start)], start)
    turns = []
    for shift in range(period, stop - start + period, period):
        turn = last.copy()
        turn["frame"] += shift
        turns.append(turn[turn["frame"] < stop])
    return ended(np.concatenate(turns), stop)


def ended(notes: Notes, stop: int) -> Notes:
    """The notes, all before `stop`, ended there at the latest."""
    cut = notes.copy()
    cut["duration"] = np.minimum(cut["duration"], stop - cut["frame"])
    return cut
