"""A piece in time steps, 24 to the quarter note, as the figures of corpora see it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.clock import seconds_at
from m4mcli.score.metre import bars
from m4mcli.score.score import Score
from m4mcli.theory.keys import estimate_key

PER_QUARTER = 24
"""Steps to the quarter note, as MusPy has them unless told otherwise."""

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Stepped:
    """Notes by onset as columns in steps, and where bars begin.

    `track` is each note's track by number. `edges` are the first steps of the bars and behind them the end of the last
    one. `key` is tonic and mode, as the piece's signature tells it, else as its pitches do. `seconds` is the length.
    """

    onset: Steps
    end: Steps
    pitch: Steps
    drum: NDArray[np.bool_]
    track: Steps
    edges: Steps
    compound: bool
    key: tuple[int, bool] | None
    seconds: float

    @property
    def length(self) -> int:
        """The step at which the last note ends."""
        return int(self.end.max()) if len(self.end) else 0

    @property
    def pitches(self) -> Steps:
        """The pitches of all notes that are no drums."""
        return self.pitch[~self.drum]


def stepped(score: Score) -> Stepped:
    """The piece in steps: onsets and durations go to the nearest, no note is shorter than one."""
    scale = PER_QUARTER / score.tpq
    columns = [(t.notes, t.is_drum, number) for number, t in enumerate(score.tracks) if len(t.notes)]
    onset = _rounded([n["onset"] for n, _, _ in columns], scale)
    duration = np.maximum(_rounded([n["duration"] for n, _, _ in columns], scale), 1)
    pitch = _joined([n["pitch"].astype(np.int64) for n, _, _ in columns])
    drum = np.repeat([d for _, d, _ in columns], [len(n) for n, _, _ in columns]).astype(np.bool_)
    track = np.repeat([i for _, _, i in columns], [len(n) for n, _, _ in columns]).astype(np.int64)
    order = np.lexsort((pitch, onset))
    found = bars(score)
    ticks = np.array([*(bar.tick for bar in found), found[-1].tick + found[-1].length])
    first = score.time_signatures[-1:] or ()
    return Stepped(
        onset[order],
        (onset + duration)[order],
        pitch[order],
        drum[order],
        track[order],
        np.unique(_rounded([ticks], scale)),
        any(s.denominator >= 8 and s.numerator % 3 == 0 and s.numerator > 3 for s in first),
        _key(score, pitch[~drum]),
        float(seconds_at(score, np.array([score.end]))[0]),
    )


def _joined(columns: list[Steps]) -> Steps:
    return np.concatenate([np.zeros(0, np.int64), *columns])


def _rounded(columns: list[Steps], scale: float) -> Steps:
    return np.asarray(np.rint(_joined(columns) * scale), np.int64)


def _key(score: Score, pitches: Steps) -> tuple[int, bool] | None:
    if score.key_signatures:
        first = score.key_signatures[0]
        return (7 * first.fifths - 3 * first.minor) % 12, first.minor
    return estimate_key(np.bincount(pitches % 12, minlength=12).astype(np.float64)) if len(pitches) else None
