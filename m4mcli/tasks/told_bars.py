"""A piece with a hole as a model over tokens of the scheme `mmm` is told it: bars of tracks, as many as it reads."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAMES_PER_QUARTER, in_order
from m4mcli.tasks.around import Around
from m4mcli.tokens import mmm_vocabulary as v
from m4mcli.tokens.mmm_crops import MOST_FILLED, SPANS, Line, Sheet, sheet_of
from m4mcli.tokens.mmm_encoding import Bars, Ids, Part, ids_of
from m4mcli.tokens.mmt import DURATIONS
from m4mcli.tokens.times import closest

SPARE, EXTRA = 1.25, 6
"""For a bar that is written there is to be room for so many times the ids of the track's other bars, and some more."""


@dataclass(frozen=True)
class Window:
    """Bars `first` to before `last` of some lines of a piece, in which the bars `hole` are to be written."""

    first: int
    last: int
    lines: tuple[int, ...]
    hole: tuple[int, int]


@dataclass(frozen=True)
class ToldBars:
    """The bars of a piece, whose lines are the tracks that stay, and from `aside` on those that are to be written.

    `edges` (bars + 1,) are the frames of its bar lines, `unknown` (bars,) says where nothing is written yet.
    """

    sheet: Sheet
    instruments: tuple[int, ...]
    aside: int
    edges: Ids
    unknown: NDArray[np.bool_]

    @property
    def own(self) -> range:
        """The lines that are to be written."""
        return range(self.aside, len(self.sheet.lines))

    def window(self, hole: tuple[int, int], context: int) -> Window | None:
        """The window for the first bars of a hole (in frames) for which there is room, MOST_FILLED at most.

        The longest is taken that leaves room for a bar beside it. None where not even one bar has room.
        """
        first = int(np.searchsorted(self.edges, hole[0], side="right")) - 1
        last = int(np.searchsorted(self.edges, hole[1], side="left"))
        found = None
        for count in range(min(MOST_FILLED, last - first), 0, -1):
            found = self._grown((first, first + count), context)
            if found is not None and (found.last - found.first > count or len(self.edges) - 1 == count):
                return found
        return found

    def _grown(self, bars: tuple[int, int], context: int) -> Window | None:
        """As many bars on both sides as have room beside those that are to be written; None where these have none."""
        lines = self._sounding(bars)
        while not self._fits(bars, lines, bars, context):
            others = [i for i in lines if i < self.aside]
            if not others:
                return None
            longest = max(others, key=lambda i: self._size(i, bars))
            lines = tuple(i for i in lines if i != longest)
        left_out = set(self._sounding(bars)) - set(lines)
        window = bars
        grew = True
        while grew and window[1] - window[0] < max(SPANS):
            grew = False
            for before, behind in ((1, 0), (0, 1)):
                wider = window[0] - before, window[1] + behind
                new = wider[0] if before else window[1]
                if not 0 <= new < len(self.unknown) or self.unknown[new]:
                    continue
                more = tuple(i for i in self._sounding(wider) if i not in left_out)
                if self._fits(wider, more, bars, context):
                    window, lines, grew = wider, more, True
        return Window(*window, lines, bars)

    def _sounding(self, bars: tuple[int, int]) -> tuple[int, ...]:
        """The lines that stay and sound in these bars, and those that are to be written."""
        first, last = bars
        return tuple(i for i, line in enumerate(self.sheet.lines) if i >= self.aside or line.counts[first:last].any())

    def _size(self, line: int, bars: tuple[int, int]) -> int:
        return 3 + bars[1] - bars[0] + sum(map(len, self.sheet.lines[line].bars[bars[0] : bars[1]]))

    def _fits(self, bars: tuple[int, int], lines: tuple[int, ...], hole: tuple[int, int], context: int) -> bool:
        told = 2 + bars[1] - bars[0] + sum(self._size(i, bars) for i in lines)
        each = [SPARE * self._usual(self.sheet.lines[i]) + EXTRA for i in self.own]
        return told + (hole[1] - hole[0]) * sum(each) <= context

    def _usual(self, line: Line) -> float:
        """Ids that a line takes in a bar in which it sounds."""
        sounding = [len(ids) for ids in line.bars if len(ids)]
        return float(np.mean(sounding)) if sounding else 0.0


def told_bars(around: Around) -> ToldBars:
    """The bars of a piece with a hole."""
    metres = tuple(place for bar in _bars(around.metre) for place in bar)
    edges = np.concatenate(([0], np.cumsum(v.LENGTHS[list(metres)])))
    known = in_order(np.concatenate((around.kept, around.written)))
    aside = np.unique(around.aside["instrument"]).tolist()
    parts = [_part(around.aside, i) for i in aside] + [_part(known, i) for i in around.instruments]
    sheet = sheet_of(ids_of(Bars(metres), parts))
    hidden = np.zeros(len(metres), np.bool_)
    for number, (start, stop) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        new = around.written["frame"]
        blank = around.hidden[start:stop].any() and not ((new >= start) & (new < stop)).any()
        hidden[number] = blank and stop > around.hole[0]
    return ToldBars(sheet, (*aside, *around.instruments), len(aside), edges, hidden)


def _bars(metre: NDArray[np.int32]) -> list[tuple[int, ...]]:
    """The metres of the bars that begin in the frames whose metre is (frames, 3), by place."""
    starts = np.unique(np.concatenate(([0], np.flatnonzero(metre[:, 0] == 0), [len(metre)]))).tolist()
    found = []
    for start, stop in pairwise(starts):
        beat = max(1, int(metre[start, 2]))
        unit = beat // 3 if beat % 3 == 0 else beat
        signature = ((stop - start) // unit, 4 * FRAMES_PER_QUARTER // unit)
        found.append(v.metres_of(stop - start, *signature))
    return found


def _part(notes: NDArray[np.void], instrument: int) -> Part:
    """The notes of an instrument in 12ths of a quarter note."""
    own = notes[notes["instrument"] == instrument]
    onset = own["frame"].astype(np.int64) * v.PER_SIXTEENTH
    places = closest(DURATIONS, own["duration"].astype(np.int64) * v.PER_SIXTEENTH)
    return Part(instrument, onset, DURATIONS[places], own["pitch"].astype(np.int64))
