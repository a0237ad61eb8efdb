"""Names of pitches and of key signatures."""

LETTERS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FIFTHS = ("F", "C", "G", "D", "A", "E", "B")


def pitch_name(pitch: int) -> str:
    """The name of a MIDI pitch 0-127 with its octave; 60 is C4."""
    return f"{LETTERS[pitch % 12]}{pitch // 12 - 1}"


def signature_name(fifths: int, minor: bool) -> str:
    """The key of a signature with `fifths` sharps (negative: flats). Example: -3, True -> "C minor"."""
    place = fifths + (4 if minor else 1)
    octave, letter = divmod(place, 7)
    return f"{FIFTHS[letter]}{'#' * octave}{'b' * -octave} {'minor' if minor else 'major'}"
