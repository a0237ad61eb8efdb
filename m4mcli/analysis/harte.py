"""Recognized chords by name: as Harte et al. (2005) write them, `A:min7/b3`, and as musicians do, `Am7/C`."""

from m4mcli.analysis.chord_model import QUALITIES
from m4mcli.analysis.chord_recognition import RecognizedChord
from m4mcli.theory.chord_names import QUALITIES as NAMES
from m4mcli.theory.chord_names import chord_symbol
from m4mcli.theory.chords import natural
from m4mcli.theory.names import FIFTHS

Key = tuple[int, bool]
"""Tonic 0-11, and whether it is minor."""

SYMBOLS = {harte: symbol for symbol, harte in NAMES}
NO_CHORD = "N"
PLAIN = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")
"""The degree of an interval that the chord does not have."""

DEGREES = {
    "maj": "1 3 5", "min": "1 b3 5", "dim": "1 b3 b5", "aug": "1 3 #5", "maj7": "1 3 5 7", "min7": "1 b3 5 b7",
    "7": "1 3 5 b7", "hdim7": "1 b3 b5 b7", "dim7": "1 b3 b5 bb7", "minmaj7": "1 b3 5 7", "maj6": "1 3 5 6",
    "min6": "1 b3 5 6", "sus2": "1 2 5", "sus4": "1 4 5",
}  # fmt: skip
"""The degrees of each quality."""

DOUBLE = 2
"""Accidentals beyond which a bass is written as its enharmonic neighbour."""


def harte(chord: RecognizedChord, key: Key | None = None) -> str:
    """The Harte label of a chord, in mir_eval's syntax, its root spelt to the key: `F#:dim7/b3`; `N` for silence."""
    if chord.quality < 0:
        return NO_CHORD
    label = f"{_root(chord, key)}:{QUALITIES[chord.quality]}"
    return label if chord.bass == chord.root else f"{label}/{_bass_degree(chord)}"


def symbol(chord: RecognizedChord, key: Key | None = None) -> str:
    """The symbol of a chord as musicians write it: `F#dim7/A`; `N.C.` for silence."""
    if chord.quality < 0:
        return "N.C."
    root = _root(chord, key)
    name = root + SYMBOLS[QUALITIES[chord.quality]]
    return name if chord.bass == chord.root else f"{name}/{_bass_name(chord, root, key)}"


def _root(chord: RecognizedChord, key: Key | None) -> str:
    """The root's name: that of the plain triad, so that a diminished chord is spelt as what leads."""
    diminished = QUALITIES[chord.quality].endswith(("dim", "dim7"))
    triad = (0, 3, 6) if diminished else (0, 4, 7)
    return chord_symbol([chord.root + tone for tone in triad], chord.root, key).removesuffix("dim")


def _bass_degree(chord: RecognizedChord) -> str:
    interval = (chord.bass - chord.root) % 12
    degrees = DEGREES[QUALITIES[chord.quality]].split()
    return next((d for d in degrees if _semitones(d) == interval), PLAIN[interval])


def _semitones(degree: str) -> int:
    number = degree.lstrip("b#")
    return (natural(int(number)) + degree.count("#") - degree.count("b")) % 12


def _bass_name(chord: RecognizedChord, root: str, key: Key | None) -> str:
    degree = _bass_degree(chord)
    place = FIFTHS.index(root[0]) + 7 * (root.count("#") - root.count("b"))
    place += (0, 2, 4, -1, 1, 3, 5)[int(degree.lstrip("b#")) - 1] + 7 * (degree.count("#") - degree.count("b"))
    octave, letter = divmod(place, 7)
    if abs(octave) < DOUBLE:
        return FIFTHS[letter] + ("#" * octave or "b" * -octave)
    return chord_symbol([chord.bass, chord.bass + 4, chord.bass + 7], chord.bass, key)
