"""Chords: read what musicians write and what Harte et al. (2005) write.

`m4mcli.theory.chord_names` is the way back. Not told apart: enharmonic spellings, octaves, doublings.
"""

import re
from dataclasses import dataclass

from m4mcli.errors import USAGE, M4mError
from m4mcli.theory.keys import parse_pitch_class

Degrees = dict[int, set[int]]
"""The tones of a chord over its root: scale degree 1-7 (9, 11 and 13 are 2, 4 and 6) to semitones 0-11."""


@dataclass(frozen=True)
class Chord:
    """A chord: root and bass as pitch classes 0-11, and all its pitch classes, the bass being one of them."""

    root: int
    pitch_classes: frozenset[int]
    bass: int

    def transposed(self, semitones: int) -> "Chord":
        """The same chord moved by semitones."""
        moved = frozenset((p + semitones) % 12 for p in self.pitch_classes)
        return Chord((self.root + semitones) % 12, moved, (self.bass + semitones) % 12)


HARTE_SHORTHANDS = {
    "1": "1", "5": "1 5", "maj": "1 3 5", "min": "1 b3 5", "dim": "1 b3 b5", "aug": "1 3 #5",
    "sus2": "1 2 5", "sus4": "1 4 5", "maj6": "1 3 5 6", "min6": "1 b3 5 6", "6": "1 3 5 6", "7": "1 3 5 b7",
    "maj7": "1 3 5 7", "min7": "1 b3 5 b7", "minmaj7": "1 b3 5 7", "dim7": "1 b3 b5 bb7",
    "hdim7": "1 b3 b5 b7", "aug7": "1 3 #5 b7", "9": "1 3 5 b7 9", "maj9": "1 3 5 7 9", "min9": "1 b3 5 b7 9",
    "11": "1 3 5 b7 9 11", "maj11": "1 3 5 7 9 11", "min11": "1 b3 5 b7 9 11", "13": "1 3 5 b7 9 11 13",
    "maj13": "1 3 5 7 9 11 13", "min13": "1 b3 5 b7 9 11 13",
}  # fmt: skip
"""Harte's shorthands and mir_eval's. Their thirteenths hold the eleventh, which musicians leave out."""

NO_CHORD = re.compile(r"n|n\.?\s?c\.?|no ?chord", re.IGNORECASE)
ROOT = r"([A-G](?:b+|#+)?)"
HARTE = re.compile(rf"{ROOT}(?::(?=.)([a-z0-9#]*)(?:\(([^()]*)\))?)?(?:/([b#]*[0-9]+))?")
HARTE_DEGREE = re.compile(r"(\*?)(b*|#*)(1[0-3]|[1-9])")

SYMBOL = re.compile(rf"{ROOT}(.*?)(?:/{ROOT})?", re.DOTALL)
CHANGE = (
    r"sus(?:24|2|4)?|alt|(?:add|no|omit)\s*[b#+-]?(?:maj)?(?:1[013]|[2-79])"
    r"|[b#+-](?:1[13]|[569])|1[13]|[69]|\+(?!\d)"
)
BODY = re.compile(
    r"(?:\s*(?P<triad>(?i:minor|major|min|maj|mi|ma|dim|aug|dom)|hdim|M|m|-|\+|o|ø))?"
    r"(?:\s*(?P<major>(?i:maj|ma)|M))?(?P<number>69|11|13|[25679])?(?P<after>M|maj)?"
    rf"(?P<changes>(?:\s*(?:{CHANGE}))*)\s*"
)
ALIASES = {"M": "maj", "major": "maj", "ma": "maj", "minor": "m", "min": "m", "mi": "m", "-": "m"}
ALIASES |= {"o": "dim", "ø": "hdim", "+": "aug"}
TRIADS = {"m": (3, 7), "dim": (3, 6), "hdim": (3, 6), "aug": (4, 8)}
"""Third and fifth, where they are not those of a major triad."""

UNICODE = str.maketrans("♯♭°ºØ△∆−–", "#booøΔΔ--")
SHOWN = 40
HINT = "write Am, F#m7b5, Cmaj7/E, A:min7/5 or N.C."


def parse_chord(text: str) -> Chord | None:
    """The chord of a symbol (`F#m7b5`, `C6/9`, `Dm7/G`) or Harte label (`A:min7/5`); None for N.C. and N.

    `C2` is Cadd9, `CΔ` Cmaj7; `C11` has its third, `C13` no eleventh. Raises M4mError (status 2) naming the
    symbol.
    """
    written = text.strip().translate(UNICODE)
    if NO_CHORD.fullmatch(written):
        return None
    chord = _harte_chord(written) or _symbol_chord(written)
    if chord is None:
        capital = "" if re.match(ROOT, written) else "begin with the root as a capital letter: "
        shown = text.strip() if len(text) <= SHOWN else text.strip()[:SHOWN] + "..."
        raise M4mError(f"not a chord: {shown!r}", capital + HINT, USAGE)
    return chord


def natural(degree: int) -> int:
    """Semitones 0-11 of a scale degree of major: 5 -> 7, 9 -> 2."""
    return (0, 2, 4, 5, 7, 9, 11)[(degree - 1) % 7]


def symbol_degrees(body: str) -> Degrees | None:
    """The tones of what follows the root of a symbol, such as `m7b5`; None if that cannot be read."""
    text = re.sub(r"[(),]|/(?=[b#+-]?\d)", " ", body)
    match = BODY.fullmatch(re.sub(r"Δ(?=\d)", "maj", text).replace("Δ", "maj7"))
    if match is None:
        return None
    triad = match["triad"] or ""
    triad = ALIASES.get(triad) or ALIASES.get(triad.lower(), triad.lower())
    third, fifth = TRIADS.get(triad, (4, 7))
    degrees: Degrees = {1: {0}, 3: {third}, 5: {fifth}}
    number = int(match["number"] or 0)
    if number == 5:
        del degrees[3]
    for degree in {2: (9,), 6: (6,), 69: (6, 9), 9: (9,), 11: (9, 11), 13: (9, 13)}.get(number, ()):
        _put(degrees, degree)
    major = triad == "maj" or match["major"] or match["after"]
    if number in (7, 9, 11, 13) or triad == "hdim":
        degrees[7] = {11 if major else 9 if triad == "dim" else 10}
    elif match["major"] or match["after"]:
        return None
    _change(degrees, re.findall(CHANGE, match["changes"]))
    return degrees


def _symbol_chord(written: str) -> Chord | None:
    match = SYMBOL.fullmatch(written)
    degrees = symbol_degrees(match[2]) if match else None
    if match is None or degrees is None:
        return None
    return _chord(parse_pitch_class(match[1]), degrees, parse_pitch_class(match[3] or match[1]))


def _harte_chord(written: str) -> Chord | None:
    match = HARTE.fullmatch(written)
    if match is None:
        return None
    name, shorthand, changes, slash = match.groups()
    degrees = _harte_degrees("maj" if shorthand is None else shorthand or "1", changes or "")
    bass = HARTE_DEGREE.fullmatch(slash or "1")
    if degrees is None or bass is None:
        return None
    root = parse_pitch_class(name)
    return _chord(root, degrees, (root + natural(int(bass[3])) + _accidental(bass[2])) % 12)


def _chord(root: int, degrees: Degrees, bass: int) -> Chord:
    tones = {(root + semitone) % 12 for semitones in degrees.values() for semitone in semitones}
    return Chord(root, frozenset(tones | {bass}), bass)


def _accidental(signs: str) -> int:
    return signs.count("#") + signs.count("+") - signs.count("b") - signs.count("-")


def _put(degrees: Degrees, degree: int, shift: int = 0) -> None:
    degrees.setdefault((degree - 1) % 7 + 1, set()).add((natural(degree) + shift) % 12)


def _change(degrees: Degrees, changes: list[str]) -> None:
    """Change a chord in place by `sus4`, `add9`, `no5`, `b9`, ...: a bare `b9` takes the place of the chord's own 9."""
    added = []
    for change in changes:
        verb, signs, digits = re.findall(r"^([a-z]{2,}?|)\s*([b#+-]?)(?:maj)?(\d*)$", change)[0]
        degree = int(digits or 4)
        if verb == "sus":
            degrees.pop(3, None)
            added += [(2, 0), (4, 0)] if degree == 24 else [(degree, 0)]
        elif verb == "alt" or not digits:
            degrees.update({5: {8}, 7: {10}, 2: {1, 3}} if verb else {5: {8}})
        elif verb in ("no", "omit"):
            degrees.pop((degree - 1) % 7 + 1, None)
        else:
            added.append((degree, _accidental(signs)))
            if signs and not verb:
                degrees.get((degree - 1) % 7 + 1, set()).discard(natural(degree))
    for degree, accidental in added:
        _put(degrees, degree, accidental)


def _harte_degrees(shorthand: str, changes: str) -> Degrees | None:
    # Data sets also write 7sus4 and other symbols after the colon.
    degrees = {} if shorthand in HARTE_SHORTHANDS else symbol_degrees(shorthand)
    if degrees is None:
        return None
    added = [part.strip() for part in changes.split(",")] if changes else []
    for part in HARTE_SHORTHANDS.get(shorthand, "").split() + added:
        match = HARTE_DEGREE.fullmatch(part)
        if match is None:
            return None
        degree, shift = int(match[3]), _accidental(match[2])
        if match[1]:
            degrees.get((degree - 1) % 7 + 1, set()).discard((natural(degree) + shift) % 12)
        else:
            _put(degrees, degree, shift)
    return degrees
