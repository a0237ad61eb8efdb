"""A piece as a task sees it: its bars, their metre in frames, and where its notes really lie around each frame."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAMES_PER_QUARTER, frame_of, metre_frames, tick_of, track_frames
from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import Score
from m4mcli.tasks.placement import beat_ticks, has_pickup

FELT = 8
"""Onsets on one place of the beat from which on its swing is told."""

STRAIGHT = 8
"""So many times more onsets on the last sixteenth of the beat than on its half tell that the eighths swing there."""


@dataclass(frozen=True)
class Ground:
    """A piece of `length` frames: FRAME_NOTE rows of all notes, bars, metre (length, 3); `end` is its last tick."""

    tpq: int
    bars: tuple[Bar, ...]
    notes: NDArray[np.void]
    metre: NDArray[np.int32]
    end: int

    @property
    def length(self) -> int:
        """Frames."""
        return len(self.metre)

    @cached_property
    def bar_frames(self) -> list[int]:
        """The frame in which each bar begins."""
        return [frame_of(bar.tick, self.tpq) for bar in self.bars]

    def bar_of(self, frame: int) -> int:
        """The index of the bar that holds a frame."""
        return max(0, bisect_right(self.bar_frames, frame) - 1)


def ground_of(score: Score, end: int | None = None) -> Ground:
    """A piece up to the bar line behind its last note, or behind the tick `end`."""
    places = bars(score, end)
    last = places[-1].tick + places[-1].length
    length = max(1, frame_of(last, score.tpq))
    return Ground(score.tpq, places, track_frames(score.tracks, score.tpq), bar_metre(places, score.tpq, length), last)


def bar_metre(places: tuple[Bar, ...], tpq: int, length: int) -> NDArray[np.int32]:
    """Metre (length, 3) of each frame; a pickup counts as the end of a whole bar."""
    metre = metre_frames(places, tpq, length)
    if has_pickup(places, tpq):
        first, whole = (frame_of(b.tick + b.length, tpq) - frame_of(b.tick, tpq) for b in places[:2])
        metre[:first, 0] += whole - first
        metre[:first, 1] = whole
    return metre


def swung_ticks(score: Score, ground: Ground) -> dict[int, int]:
    """The tick on which a note in each frame of a piece should begin: beats exact, off the beat as the piece plays.

    The piece's swing is the median distance, in ticks, of its onsets from each of the places between two beats. Where
    the eighths swing so far that they stand next to the following sixteenth, straight ones go there too.
    """
    onsets = np.concatenate([t.notes["onset"] for t in score.tracks] or [np.zeros(0, np.int64)])
    frames = np.floor(onsets * 4 / score.tpq + 0.5).astype(np.int64)
    onsets, frames = (x[frames < ground.length] for x in (onsets, frames))
    late = onsets - np.floor(frames * score.tpq / 4 + 0.5).astype(np.int64)
    place, beat = ground.metre[:, 0] % np.maximum(ground.metre[:, 2], 1), ground.metre[:, 2]
    ticks: dict[int, int] = {}
    for length in np.unique(beat):
        counts = np.zeros(int(length) + 1, np.int64)
        for at in range(1, int(length)):
            here = (place == at) & (beat == length)
            own = late[here[frames]]
            counts[at] = len(own)
            if len(own) >= FELT and (swing := round(float(np.median(own)))):
                ticks |= {f: tick_of(f, score.tpq) + swing for f in np.flatnonzero(here).tolist()}
        if length == FRAMES_PER_QUARTER and counts[3] >= max(FELT, STRAIGHT * counts[2]):
            eighths = np.flatnonzero((place == 2) & (beat == length)).tolist()
            ticks |= {f: ticks[f + 1] for f in eighths if f + 1 in ticks and ticks[f + 1] < tick_of(f + 1, score.tpq)}
    return ticks | beat_ticks(ground.bars, score.tpq, ground.length)
