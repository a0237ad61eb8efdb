"""Chord charts for people: `| C | Am F | G . . D7 |`, four bars a line, as `m4m harmonize --chords` reads them."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

BARS_A_LINE = 4
HELD, AGAIN = ".", "%"

Entry = tuple[Fraction, str]
"""Where in a bar a chord begins, in beats from its start, and its symbol."""


def chart(bars: Sequence[tuple[int, Sequence[Entry]]]) -> str:
    """The chart of bars, each its number of beats and the chords that begin in it, by place.

    One chord fills its bar, two share an even bar, else there is a place for each beat, or each part of a beat that a
    chord begins on. `.` holds the chord before it; a bar in which nothing new begins is `%`.
    """
    written = list(_bars(bars))
    rows = [written[i : i + BARS_A_LINE] for i in range(0, len(written), BARS_A_LINE)]
    widths = [max(len(row[c]) for row in rows if c < len(row)) for c in range(min(BARS_A_LINE, len(written)))]
    lines = ("| " + " | ".join(cell.ljust(widths[c]) for c, cell in enumerate(row)) + " |" for row in rows)
    return "".join(line + "\n" for line in lines)


def _bars(bars: Sequence[tuple[int, Sequence[Entry]]]) -> Iterator[str]:
    before, sounding = "", "N.C."
    for beats, entries in bars:
        if entries and entries[0][0] == 0 and len(entries) == 1:
            written = entries[0][1]
        else:
            written = _shared(beats, entries, sounding)
        sounding = entries[-1][1] if entries else sounding
        yield AGAIN if written == before else written
        before = written


def _shared(beats: int, entries: Sequence[Entry], sounding: str) -> str:
    """A bar in which a chord goes on from the bar before, or several begin."""
    if not entries:
        return sounding
    places = dict(entries)
    if beats % 2 == 0 and set(places) == {Fraction(0), Fraction(beats, 2)}:
        return " ".join(name for _, name in sorted(places.items()))
    parts = next(n for n in (1, 2, 3, 4, 6) if n == 6 or all((place * n).denominator == 1 for place in places))
    names = [HELD] * (beats * parts)
    for place, name in places.items():
        names[min(int(place * parts), len(names) - 1)] = name
    return " ".join(names)
