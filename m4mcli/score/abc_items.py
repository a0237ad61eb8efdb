"""The music code of ABC, one line after another, as items in the order in which they are written.

Nothing is interpreted beyond what it takes to tell where an item ends: pitches are staff steps with their written
accidentals, lengths are multiples of the unit length. After the ABC standard 2.1 (C. Walshaw, 2011), with what older
files have: `+trill+` decorations, endings without brackets, spaces before ties.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from m4mcli.errors import M4mError

LETTERS = "CDEFGAB"
MIDDLE_C = 35
"""The staff step of C4, 7 to the octave; C-1, which is MIDI pitch 0, has step 0."""

ACCIDENTALS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
DYNAMICS = {"pppp": 15, "ppp": 30, "pp": 45, "p": 60, "mp": 75, "mf": 90, "f": 105, "ff": 120, "fff": 127, "ffff": 127}
"""The velocities of dynamics, as abc2midi has them."""

LONGEST = 4096
"""Unit lengths that one note may have, and parts that a unit may be cut into."""

LENGTH = r"(\d*)(/*)(\d*)"
WRITTEN = r"\d*/*\d*"
NOTE = rf"[_^=]*[A-Ga-g][,']*{WRITTEN}"
ITEM = re.compile(
    rf"""
    (?P<text>"[^"]*")
    | (?P<field>\[[A-Za-z]:[^\]]*\])
    | (?P<bar>:*\.?(?:\[?\|\]?)+:*|::+)(?P<after>\d[\d,.\-]*)?
    | \[(?P<ending>\d[\d,.\-]*|"[^"]*")
    | (?P<chord>\[(?:"[^"]*"|![^!\]]*!|[^\]"|])*\]){WRITTEN}
    | (?P<grace>\{{[^}}]*\}})
    | (?P<decoration>![^!\n|]*!|\+[a-z<>().]+\+)
    | \((?P<tuplet>\d)(?::(?P<q>\d*))?(?::(?P<r>\d*))?
    | (?P<note>{NOTE})
    | (?P<rest>[zx]){WRITTEN}
    | (?P<bars>[ZX])(?P<count>\d*)
    | (?P<broken><+|>+)
    | (?P<tie>-)
    | (?P<overlay>&)
    | (?P<nothing>[\s()\\`$*;.~yH-Yh-w]\d*|!)
    """,
    re.VERBOSE,
)
IN_CHORD = re.compile(rf"({NOTE})\s*(-?)|\"[^\"]*\"|![^!]*!|.", re.DOTALL)


class Head(NamedTuple):
    """One note of a sound: its staff step, its written accidental in semitones (None: none), its length, its tie."""

    step: int
    accidental: int | None
    length: Fraction = Fraction(1)
    tie: bool = False


class Sound(NamedTuple):
    """Notes that begin together, none for a rest; what follows begins `length` units later."""

    heads: tuple[Head, ...]
    length: Fraction


class BarRest(NamedTuple):
    """A rest of whole bars."""

    bars: int


class Line(NamedTuple):
    """A bar line: whether a repeated section begins behind it, how often the one before it is repeated."""

    opens: bool
    repeats: int
    double: bool


class Ending(NamedTuple):
    """The beginning of an ending, which is played in these rounds."""

    rounds: tuple[int, ...]


class Field(NamedTuple):
    """A field within the music, such as `[K:D]`."""

    letter: str
    value: str


class Tuplet(NamedTuple):
    """The next `r` sounds: `p` in the time of `q`; None where it is not written."""

    p: int
    q: int | None
    r: int | None


class Broken(NamedTuple):
    """`>` (1), `>>` (2), `<` (-1), ... between two sounds."""

    dots: int


class Symbol(NamedTuple):
    """A chord symbol."""

    text: str


class Dynamic(NamedTuple):
    """From here on, how loud."""

    velocity: int


class Tie(NamedTuple):
    """The sound before goes on in the next."""


class Overlay(NamedTuple):
    """Back to the beginning of the bar, for another line of notes in it."""


class Left(NamedTuple):
    """Something that has no place in a score; `what` says it in the plural."""

    what: str


Item = Sound | BarRest | Line | Ending | Field | Tuplet | Broken | Symbol | Dynamic | Tie | Overlay | Left


def items(text: str) -> Iterator[Item]:
    """The items of music code without comments. Raises M4mError for lengths that no note has."""
    at = 0
    while at < len(text):
        match = ITEM.match(text, at)
        if match is None:
            yield Left("unknown characters")
            at += 1
            continue
        at = match.end()
        yield from _told(match)


def _told(match: re.Match[str]) -> Iterator[Item]:
    found = match.lastgroup
    if match["note"]:
        head = _head(match["note"])
        yield Sound((head,), head.length)
    elif match["bar"]:
        bar = match["bar"]
        opening, closing = len(bar) - len(bar.rstrip(":")), len(bar) - len(bar.lstrip(":"))
        if not bar.strip(":"):
            opening = closing = max(1, len(bar) // 2)
        yield Line(opening > 0, closing, bar.count("|") > 1 or "]" in bar or "[" in bar)
        if match["after"]:
            yield Ending(_rounds(match["after"]))
    elif match["rest"]:
        yield Sound((), _length(match[0][1:]))
    elif match["chord"]:
        yield from _chord(match["chord"], match[0][len(match["chord"]) :])
    elif match["text"]:
        text = match["text"][1:-1].strip()
        if text and text[0] not in "^_<>@":
            yield Symbol(text)
    elif match["field"]:
        yield Field(match["field"][1], match["field"][3:-1].strip())
    elif match["ending"]:
        yield Ending(_rounds(match["ending"]))
    elif match["grace"]:
        yield Left("groups of grace notes")
    elif match["decoration"]:
        if (named := match["decoration"][1:-1]) in DYNAMICS:
            yield Dynamic(DYNAMICS[named])
    elif match["tuplet"]:
        yield Tuplet(int(match["tuplet"]), _number(match["q"]), _number(match["r"]))
    elif match["bars"]:
        yield BarRest(min(int((match["count"] or "1")[:5]), LONGEST))
    elif match["broken"]:
        yield Broken(len(match["broken"]) * (1 if match["broken"][0] == ">" else -1))
    elif found == "tie":
        yield Tie()
    elif found == "overlay":
        yield Overlay()


def _chord(text: str, after: str) -> Iterator[Item]:
    """A chord in brackets: as long as its first note, times what stands behind the bracket."""
    times = _length(after)
    heads = []
    for match in IN_CHORD.finditer(text[1:-1]):
        if match[1]:
            head = _head(match[1])
            heads.append(head._replace(length=head.length * times, tie=match[2] == "-"))
        elif match[0][0] == '"' and match[0][1:2] not in ("^", "_", "<", ">", "@", '"'):
            yield Symbol(match[0][1:-1].strip())
    yield Sound(tuple(heads), heads[0].length if heads else Fraction(0))


def _head(text: str) -> Head:
    signs, letter, marks, size = re.findall(r"^([_^=]*)([A-Ga-g])([,']*)([\d/]*)", text)[0]
    octave = (letter.islower()) + marks.count("'") - marks.count(",")
    step = MIDDLE_C + LETTERS.index(letter.upper()) + 7 * octave
    return Head(step, ACCIDENTALS.get(signs[:2]) if signs else None, _length(size))


def _length(text: str) -> Fraction:
    """The length that `3/2`, `3`, `/`, `//` or `/4` name. Raises M4mError for what no note lasts."""
    over, strokes, under = re.findall(LENGTH, text)[0]
    parts = int(under[:8]) if under else 2 ** min(len(strokes), 13)
    value = Fraction(int(over[:8] or 1), parts) if parts else Fraction(0)
    if not 0 < value <= LONGEST or value.denominator > LONGEST:
        raise M4mError(f"a note of the length {over}{strokes}{under}"[:60], "is it ABC?")
    return value


def _rounds(text: str) -> tuple[int, ...]:
    """The rounds of `1`, `1,3`, `1-3`; none for an ending that has a name only."""
    rounds: list[int] = []
    for part in re.findall(r"\d+(?:-\d+)?", text):
        first, _, last = part.partition("-")
        rounds += range(int(first[:2]), int((last or first)[:2]) + 1)
    return tuple(rounds)


def _number(text: str | None) -> int | None:
    return int(text[:3]) if text else None
