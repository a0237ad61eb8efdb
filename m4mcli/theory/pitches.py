"""Pitches and ranges as musicians write them: `C4`, `Bb3`, `C4-A5`."""

import re

from m4mcli.errors import USAGE, M4mError
from m4mcli.theory.keys import parse_pitch_class

PITCH = r"[A-Ga-g](?:#{1,2}|♯|b{1,2}|♭)?-?\d{1,2}|\d{1,3}"
RANGE = re.compile(rf"\s*({PITCH})\s*(?:-|–|\.\.|:)\s*({PITCH})\s*")


def parse_pitch(text: str) -> int:
    """The MIDI pitch 0-127 of a name with its octave, `C4` being 60, or of a number. Raises M4mError (status 2)."""
    written = text.strip()
    match = re.fullmatch(r"([A-Ga-g])(.*?)(-?\d{1,2})", written)
    pitch = -1
    if match:
        letter, signs, octave = match.groups()
        # Cb4 is the note below C4, not the one below C5.
        natural = parse_pitch_class(letter)
        shift = (parse_pitch_class(letter + signs) - natural + 6) % 12 - 6
        pitch = natural + shift + 12 * (int(octave) + 1)
    elif re.fullmatch(r"[0-9]{1,3}", written):
        pitch = int(written)
    if not 0 <= pitch <= 127:
        raise M4mError(f"not a pitch: {text!r}", "write C4, F#5, Bb3, or 0 to 127", USAGE)
    return pitch


def parse_range(text: str) -> tuple[int, int]:
    """Lowest and highest MIDI pitch of `C4-A5`, `60-81`. Raises M4mError (status 2)."""
    match = RANGE.fullmatch(text)
    if match is None:
        raise M4mError(f"not a range: {text!r}", "write the lowest and the highest note, C4-A5", USAGE)
    lowest, highest = (parse_pitch(part) for part in match.groups())
    if lowest > highest:
        raise M4mError(f"not a range: {text!r}", "write the lower note first", USAGE)
    return lowest, highest
