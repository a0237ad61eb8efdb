"""Parts of pieces in the scheme `mmm`: some bars of some tracks, of which some bars are to be filled in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.tokens import mmm_vocabulary as v
from m4mcli.tokens.mmm_encoding import Ids

Cells = NDArray[np.bool_]

SPANS = (4, 6, 8, 8, 12, 16)
"""Bars of a part, of which one number is drawn; fewer where no track has room with them."""

UNTOUCHED = 0.2
"""Share of the parts in which nothing is to be filled in."""

MOST_FILLED = 4
"""Bars one after another that are to be filled in, at most, where not a whole track is."""


@dataclass(frozen=True)
class Line:
    """A track: the place of its program, and of each of its bars the ids of its notes, and how many these are."""

    program: int
    bars: tuple[Ids, ...]
    counts: Ids


@dataclass(frozen=True)
class Sheet:
    """A piece, or a part of one: the places of its bars' metres, and its tracks."""

    metres: tuple[int, ...]
    lines: tuple[Line, ...]

    def part(self, first: int, last: int, which: Sequence[int]) -> "Sheet":
        """Bars `first` to before `last` of these tracks."""
        found = (self.lines[i] for i in which)
        lines = tuple(Line(line.program, line.bars[first:last], line.counts[first:last]) for line in found)
        return Sheet(self.metres[first:last], lines)

    def costs(self) -> Ids:
        """How many ids each track takes if nothing is to be filled in."""
        return np.array([3 + len(line.bars) + sum(map(len, line.bars)) for line in self.lines], np.int64)

    def levels(self) -> list[int]:
        """The densities of the tracks, by place: each that of its bars that have notes."""
        quarters = v.LENGTHS[list(self.metres)] / 4
        found = (v.density(line.counts.sum(), quarters[line.counts > 0].sum()) for line in self.lines)
        return [int(level) for level in found]

    def head(self, hidden: Cells, levels: Sequence[int] | None = None) -> Ids:
        """All ids before the first bar that is filled in, or before STOP; `hidden` (tracks, bars) are to be filled in.

        `levels` are the densities of the tracks, by place, where they are not those of their notes.
        """
        told = [np.array([v.FIRST[v.START], *(v.FIRST[v.METRE] + m for m in self.metres)], np.int64)]
        levels = self.levels() if levels is None else levels
        for line, row, level in zip(self.lines, hidden.tolist(), levels, strict=True):
            marks = (v.FIRST[v.TRACK], v.FIRST[v.PROGRAM] + line.program, v.FIRST[v.DENSITY] + level)
            told.append(np.array(marks, np.int64))
            for ids, missing in zip(line.bars, row, strict=True):
                told += [FILL_IN] if missing else [BAR, ids]
        return np.concatenate(told)

    def ids(self, hidden: Cells) -> Ids:
        """The whole piece, from START to STOP."""
        quarters = v.LENGTHS[list(self.metres)] / 4
        told = [self.head(hidden)]
        for line, row in zip(self.lines, hidden, strict=True):
            levels = v.density(line.counts, quarters)
            for bar in np.flatnonzero(row).tolist():
                told += [np.array([v.FIRST[v.FILL], v.FIRST[v.DENSITY] + levels[bar]], np.int64), line.bars[bar]]
        return np.concatenate([*told, np.array([v.FIRST[v.STOP]], np.int64)])


BAR, FILL_IN = np.array([v.FIRST[v.BAR]], np.int64), np.array([v.FIRST[v.FILL_IN]], np.int64)


def sheet_of(ids: Ids) -> Sheet:
    """The sheet of a piece as `encode` writes it."""
    kinds = v.KINDS[ids]
    metres = tuple((ids[kinds == v.METRE] - v.FIRST[v.METRE]).tolist())
    tracks, bars = np.flatnonzero(kinds == v.TRACK), np.flatnonzero(kinds == v.BAR)
    ends = np.sort(np.concatenate((tracks, bars, [len(ids) - 1])))
    behind = ends[np.searchsorted(ends, bars, side="right")]
    inside = [ids[start + 1 : stop] for start, stop in zip(bars.tolist(), behind.tolist(), strict=True)]
    notes = np.concatenate(([0], np.cumsum((kinds == v.PITCH) | (kinds == v.DRUM))))
    counts = (notes[behind] - notes[bars]).reshape(len(tracks), len(metres))
    programs = (ids[tracks + 1] - v.FIRST[v.PROGRAM]).tolist()
    each = len(metres)
    lines = (
        Line(program, tuple(inside[i * each : (i + 1) * each]), row)
        for i, (program, row) in enumerate(zip(programs, counts, strict=True))
    )
    return Sheet(metres, tuple(lines))


def crop(ids: Ids, length: int, rng: np.random.Generator | None) -> Ids:
    """A part of a whole piece that has at most `length` ids, is a piece itself, and sounds if the piece does.

    Drawn by chance: some bars, the tracks that sound in them in any order, as far as there is room, and in most parts
    bars to be filled in. Without `rng` the first bars with notes, in which nothing is to be filled in.
    """
    sheet = sheet_of(ids)
    sounding = np.zeros(len(sheet.metres), np.bool_)
    for line in sheet.lines:
        sounding |= line.counts > 0
    if not sounding.any():
        return ids[:length]
    if rng is None:
        part = _fitting(sheet, int(np.argmax(sounding)), max(SPANS), length, None)
        return part.ids(np.zeros((len(part.lines), len(part.metres)), np.bool_))[:length]
    span = int(rng.choice(SPANS))
    starts = np.flatnonzero(sounding[: max(1, len(sounding) - span + 1)])
    first = int(rng.choice(starts)) if len(starts) else int(np.argmax(sounding))
    part = _fitting(sheet, first, span, length, rng)
    return part.ids(_hidden(part, rng))[:length]


def _fitting(sheet: Sheet, first: int, span: int, length: int, rng: np.random.Generator | None) -> Sheet:
    """So many bars, fewer where none of the tracks that sound fits, and of these as many as have room."""
    while True:
        last = min(first + span, len(sheet.metres))
        which = np.flatnonzero([line.counts[first:last].any() for line in sheet.lines])
        if rng is not None:
            which = rng.permutation(which)
        part = sheet.part(first, last, which.tolist())
        bars = last - first
        # Every bar may have to be filled in, which takes two ids more.
        room = length - bars - 2
        fits = np.cumsum(part.costs() + 2 * bars * (rng is not None)) <= room
        if fits.all() or (rng is not None and fits[0]) or span == 1:
            kept = max(1, int(fits.sum()))
            return replace(part, lines=part.lines[:kept])
        span = max(1, span // 2)


def _hidden(part: Sheet, rng: np.random.Generator) -> Cells:
    """Which bars are to be filled in: some of all tracks or of some, a whole track, or here and there one."""
    tracks, bars = len(part.lines), len(part.metres)
    hidden = np.zeros((tracks, bars), np.bool_)
    kind = rng.random()
    if kind < UNTOUCHED:
        return hidden
    if kind < UNTOUCHED + 0.1:
        hidden[int(rng.integers(tracks))] = True
    elif kind < UNTOUCHED + 0.2:
        hidden = rng.random((tracks, bars)) < rng.uniform(0.1, 0.5)
    else:
        count = int(rng.integers(1, min(MOST_FILLED, max(1, bars - 1)) + 1))
        start = int(rng.integers(0, bars - count + 1))
        which = np.ones(tracks, np.bool_) if kind < 0.7 else rng.random(tracks) < 0.5
        which[int(rng.integers(tracks))] = True
        hidden[which, start : start + count] = True
    return hidden
