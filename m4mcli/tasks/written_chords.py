"""Progressions as musicians write them: `Am | . | Dm7 G7 | Cmaj7 / A7b9 | %`.

Bars are separated by `|` or a new line; bars at either end of a line may be written or not. In a bar:

    .            alone: a free bar, left to the model
    Dm7 G7       chords share the bar's beats evenly, the longer shares first (2+1 beats in 3/4)
    C / G        a stroke between two chords only separates them
    C . . G      a dot beside chords lets the chord before go on, here for beats 2 and 3
    C / / G      so do strokes in a row, or at the end
    . G          at the beginning of a bar the chord of the bar before goes on; after a free bar it is free
    %            the bar before once more
    N.C.         silence
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.frames import frame_of
from m4mcli.score.metre import Bar
from m4mcli.tasks.placement import GROUPS, bar_beats, has_pickup, shares
from m4mcli.theory.chords import Chord, parse_chord

ENTRY = re.compile(r"(?:\([^()]*\)|\S)+")
GOES_ON = "."
MOST_SPLITS = 4


@dataclass(frozen=True)
class WrittenChord:
    """A chord as it was written; `chord` is None for N.C."""

    symbol: str
    chord: Chord | None


@dataclass(frozen=True)
class WrittenBar:
    """A written bar: its number from 1, and what stands on its shares: a chord, or None where the one before goes on.

    A free bar has no shares.
    """

    number: int
    shares: tuple[WrittenChord | None, ...] = ()


def parse_progression(text: str) -> tuple[WrittenBar, ...]:
    """The bars of a written progression. Raises M4mError (status 2), naming the bar and the symbol."""
    bars: list[WrittenBar] = []
    for line in text.splitlines():
        if not line.strip(" \t|"):
            continue
        # A double bar is one barline; an empty bar between two single ones is more likely a slip than a rest.
        for written in re.split(r"\|+", line.strip().strip("|")):
            bars.append(_bar(len(bars) + 1, ENTRY.findall(written), bars[-1] if bars else None))
    if not bars:
        raise M4mError("no chords are written", 'write bars such as "Am | . | F | G"', USAGE)
    return tuple(bars)


def fixed_ticks(written: Sequence[WrittenBar], bars: Sequence[Bar], tpq: int) -> list[tuple[int, int, Chord | None]]:
    """Start tick, stop tick and chord (None: silence) of what is written, laid on the piece's own bars.

    Bar 1 is the piece's first whole bar: a pickup is not counted, and stays free. A chord that goes on is one entry.
    Raises M4mError if more bars are written, free ones at the end aside, than the piece has.
    """
    first = 1 if has_pickup(bars, tpq) else 0
    used = max((bar.number for bar in written if bar.shares), default=0)
    if used > len(bars) - first:
        has = f"{len(bars) - first} {'bar' if len(bars) - first == 1 else 'bars'}"
        beside = " beside the pickup" if first else ""
        raise M4mError(f"chords are written for bar {used}, but the piece has {has}{beside}", "leave some out", USAGE)
    spans: list[tuple[int, int, Chord | None]] = []
    for bar in (bar for bar in written if bar.shares):
        index = first + bar.number - 1
        stop = bars[index].tick + bars[index].length
        ticks = _share_ticks(bars, index, tpq, bar)
        for entry, begin, end in zip(bar.shares, ticks, [*ticks[1:], stop], strict=True):
            if entry is not None:
                if frame_of(end, tpq) <= frame_of(begin, tpq):
                    raise M4mError(f"bar {bar.number}: {entry.symbol!r} is shorter than a 16th", "write fewer", USAGE)
                spans.append((begin, end, entry.chord))
            elif spans and spans[-1][1] == begin:
                spans[-1] = (spans[-1][0], end, spans[-1][2])
    return spans


def fixed_frames(written: Sequence[WrittenBar], bars: Sequence[Bar], tpq: int) -> list[tuple[int, int, Chord | None]]:
    """The same in frames: start, stop, chord (None: silence). `fixed_ticks` tells the exact ticks of the starts.

    Raises M4mError as `fixed_ticks` does.
    """
    return [(frame_of(a, tpq), frame_of(b, tpq), chord) for a, b, chord in fixed_ticks(written, bars, tpq)]


def _bar(number: int, entries: list[str], before: WrittenBar | None) -> WrittenBar:
    if not entries:
        raise M4mError(f"bar {number} of the chords is empty", "write . for a free bar, N.C. for silence", USAGE)
    if entries == ["%"]:
        if before is None:
            raise M4mError("bar 1 of the chords is %, with no bar before it to repeat", "write a chord", USAGE)
        return replace(before, number=number)
    if set(entries) == {GOES_ON}:
        return WrittenBar(number)
    return WrittenBar(number, tuple(_entry(number, e) for e in _without_strokes(number, entries)))


def _without_strokes(number: int, entries: list[str]) -> list[str]:
    """Strokes between two chords left out; if any stands in a row, first or last, all of them are dots."""
    strokes = [i for i, entry in enumerate(entries) if entry == "/"]
    if len(strokes) == len(entries):
        raise M4mError(f"bar {number} of the chords has strokes but no chord", "write . for a free bar", USAGE)
    separate = all(0 < i < len(entries) - 1 and "/" not in (entries[i - 1], entries[i + 1]) for i in strokes)
    return [e for e in entries if e != "/"] if separate else [GOES_ON if e == "/" else e for e in entries]


def _entry(number: int, text: str) -> WrittenChord | None:
    if text == GOES_ON:
        return None
    try:
        return WrittenChord(text, parse_chord(text))
    except M4mError as error:
        raise M4mError(f"bar {number} of the chords: {error.message}", error.hint, USAGE) from None


def _share_ticks(bars: Sequence[Bar], index: int, tpq: int, written: WrittenBar) -> list[int]:
    """The ticks on which a bar's shares begin: on beats while there are enough, else on halves (thirds) of beats."""
    bar, beats, parts = bars[index], bar_beats(bars, index, tpq), len(written.shares)
    irregular = GROUPS.get(len(beats), ()) if bar.denominator >= 8 else ()
    if parts == len(irregular):
        return [beats[i] for i in irregular]
    split = 3 if len(beats) < bar.numerator and bar.numerator % 3 == 0 else 2
    for _ in range(MOST_SPLITS):
        if len(beats) >= parts:
            break
        edges = [*beats, bar.tick + bar.length]
        beats = [round(a + (b - a) * i / split) for a, b in pairwise(edges) for i in range(split)]
        split = 2
    starts = shares(len(beats), parts)
    if len(starts) < parts:
        raise M4mError(f"bar {written.number}: {parts} chords are too many for one bar", "write fewer", USAGE)
    return [beats[i] for i in starts]
