"""The fields of ABC: keys, metres, lengths, tempi, voices."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from m4mcli.score.abc_items import ACCIDENTALS, LETTERS

FIFTHS = "FCGDAEB"
"""The letters in the order in which they become sharp."""

MODES = {"maj": 0, "ion": 0, "mix": -1, "dor": -2, "m": -3, "min": -3, "aeo": -3, "phr": -4, "loc": -5, "lyd": 1}
MINOR = ("m", "min", "aeo", "dor", "phr", "loc")
"""The modes with a minor third: MIDI knows two modes."""

KEY = re.compile(r"([A-G])([#b♯♭]?)\s*([A-Za-z]*)")
PROPERTY = re.compile(r'([\w-]+)\s*=\s*("[^"]*"|\S+)')
SLOWEST, FASTEST = 1, 2000
"""Quarter notes to the minute that are taken for a tempo."""


class Metre(NamedTuple):
    """Beats to the bar and their unit; `free` where no metre is told."""

    numerator: int
    denominator: int

    @property
    def quarters(self) -> Fraction:
        """How long a bar is."""
        return Fraction(4 * self.numerator, self.denominator)

    @property
    def compound(self) -> bool:
        """Whether beats fall into threes."""
        return self.denominator >= 8 and self.numerator in (6, 9, 12)


class Key(NamedTuple):
    """A key: what its signature does to each letter, C to B; how many sharps it is told as (None: not at all)."""

    alterations: tuple[int, ...] = (0,) * 7
    fifths: int | None = None
    minor: bool = False


@dataclass(frozen=True)
class VoiceInfo:
    """What is told of a voice: its name, its instrument, semitones that it sounds above what is written."""

    name: str = ""
    program: int = 0
    is_drum: bool = False
    shift: int = 0


def parse_key(text: str, before: Key) -> Key:
    """The key that a `K:` field names; `before` where it only names a clef."""
    if text[:2].upper() == "HP":
        return Key(_signature(2), 2)
    if text[:4].lower() in ("none", ""):
        return Key()
    match = KEY.match(text)
    if match is None:
        return before
    letter, sign, mode = match.groups()
    if mode.lower() == "exp":
        return Key(_changed((0,) * 7, text[match.end() :]), None)
    known = mode if mode == "m" else mode.lower()[:3]
    if text[match.end() :].startswith("="):
        # What looks like a mode is a property, as in `K:D clef=bass`.
        known = ""
    fifths = FIFTHS.index(letter) - 1 + 7 * ((sign in ("#", "♯")) - (sign in ("b", "♭"))) + MODES.get(known, 0)
    told = fifths - 12 if fifths > 7 else fifths + 12 if fifths < -7 else fifths
    return Key(_changed(_signature(fifths), text[match.end() :]), told, known in MINOR)


def _signature(fifths: int) -> tuple[int, ...]:
    """What so many sharps (negative: flats) do to the letters C to B."""
    return tuple((fifths - FIFTHS.index(letter) + 6) // 7 for letter in LETTERS)


def _changed(alterations: tuple[int, ...], text: str) -> tuple[int, ...]:
    """The same with the accidentals that the field tells one by one: `^f _b`."""
    found = list(alterations)
    for signs, letter in re.findall(r"(?<!\S)([_^=]{1,2})([A-Ga-g])", text):
        found[LETTERS.index(letter.upper())] = ACCIDENTALS.get(signs, 0)
    return tuple(found)


def parse_metre(text: str, before: Metre | None) -> Metre | None:
    """The metre that an `M:` field names: `3/4`, `(2+3)/8`, `C`, `C|`; None for `none`; `before` for what is none."""
    written = text.strip()
    if written[:4].lower() in ("none", ""):
        return None
    if written in ("C", "C|"):
        return Metre(4, 4) if written == "C" else Metre(2, 2)
    match = re.match(r"\(?\s*(\d{1,2}(?:\s*\+\s*\d{1,2})*)\s*\)?\s*/\s*(\d{1,2})", written)
    if match is None:
        return before
    numerator, denominator = sum(int(n) for n in match[1].split("+")), int(match[2])
    if not numerator or denominator not in (1, 2, 4, 8, 16, 32, 64):
        return before
    return Metre(numerator, denominator)


def parse_unit(text: str) -> Fraction | None:
    """The unit length that an `L:` field names, in quarters; None for what is none."""
    match = re.match(r"(\d{1,3})\s*/\s*(\d{1,4})|(1)\s*$", text.strip())
    if match is None:
        return None
    over, under = int(match[1] or match[3]), int(match[2] or 1)
    return Fraction(4 * over, under) if over and under else None


def default_unit(metre: Metre | None) -> Fraction:
    """The unit length in quarters where no `L:` tells it: an eighth, in metres below 3/4 a sixteenth."""
    return Fraction(1, 4) if metre is not None and metre.quarters < 3 else Fraction(1, 2)


def parse_tempo(text: str, unit: Fraction) -> int | None:
    """Microseconds to the quarter note by a `Q:` field: `1/4=120`, `"Lively" 3/8=100`, `C=90`, `120` (unit lengths)."""
    written = re.sub(r'"[^"]*"', " ", text)
    match = re.search(r"([\d/\s]+|C\d*\s*)?=?\s*(\d{1,4}(?:\.\d+)?)\s*$", written)
    if match is None:
        return None
    left, _, right = written.rpartition("=")
    beats = sum(
        (Fraction(int(a), int(b)) for a, b in re.findall(r"(\d{1,3})\s*/\s*(\d{1,3})", left) if int(b)), Fraction(0)
    )
    if left.strip()[:1] == "C":
        beats = unit / 4 * int(re.sub(r"\D", "", left) or 1)
    elif not left:
        beats = unit / 4
    quarters = float(beats * 4) * float(re.findall(r"\d+(?:\.\d+)?", right)[-1])
    return round(60_000_000 / quarters) if SLOWEST * 4 <= quarters <= FASTEST else None


def parse_voice(text: str, before: VoiceInfo) -> VoiceInfo:
    """What a `V:` or `K:` field tells of a voice by `name=`, `transpose=`, `octave=` and `clef=treble-8`."""
    told = before
    for name, value in PROPERTY.findall(text):
        value = value.strip('"')
        if name in ("name", "nm"):
            told = replace(told, name=value.strip())
        elif name in ("transpose", "octave") and re.fullmatch(r"[+-]?\d{1,2}", value):
            told = replace(told, shift=told.shift + int(value) * (12 if name == "octave" else 1))
    for _, sign in re.findall(r"\b(treble|alto|tenor|bass|perc)([+-])8\b", text):
        told = replace(told, shift=told.shift + (12 if sign == "+" else -12))
    return told


def parse_midi(text: str, before: VoiceInfo) -> VoiceInfo:
    """What a `%%MIDI` directive tells of a voice: `program 73`, `channel 10`, `transpose -12`."""
    word, *numbers = text.split() or [""]
    if not numbers or not re.fullmatch(r"[+-]?\d{1,3}", numbers[-1]):
        return before
    value = int(numbers[-1])
    if word == "program" and 0 <= value <= 127:
        return replace(before, program=value)
    if word == "channel":
        return replace(before, is_drum=value == 10)
    return replace(before, shift=before.shift + value) if word == "transpose" else before
