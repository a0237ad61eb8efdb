"""The vocabulary of the scheme `abc`: pieces of ABC text, and what each of them is in the text."""

from m4mcli.score.abc_fields import FIFTHS
from m4mcli.score.abc_items import ACCIDENTALS, LETTERS, MIDDLE_C
from m4mcli.theory.chord_names import QUALITIES
from m4mcli.tokens.vocabulary import Field, Vocabulary, labelled

MOST_VOICES = 64
LOWEST_STEP, HIGHEST_STEP = 1, 73
"""Staff steps from D-1 to F9: with two accidentals either way they reach all MIDI pitches and no others."""

LENGTHS = 64
"""A length is at most so many halves of a 16th."""

MOST_IN_TUPLET = 9
BPM = range(16, 301)
NO_CHORD = "N.C."
ROOTS = tuple(f"{letter}{sign}" for letter in LETTERS for sign in ("", "#", "b"))
METRES = tuple(f"{n}/{d}" for d in (1, 2, 4, 8, 16) for n in range(1, 17))


def key_labels() -> tuple[str, ...]:
    """The keys as ABC writes them, from seven flats to seven sharps, each with its relative minor."""
    found = []
    for fifths in range(-7, 8):
        for shift, mode in ((1, ""), (4, "m")):
            octave, letter = divmod(fifths + shift, 7)
            found.append(f"{FIFTHS[letter]}{'#' * octave}{'b' * -octave}{mode}")
    return tuple(found)


KEYS = key_labels()
"""The key of so many sharps is at 2 * (sharps + 7), its relative minor behind it."""


def step_label(step: int) -> str:
    """A staff step as ABC writes it: `C,`, `C`, `c`, `c'`."""
    octave, letter = divmod(step - MIDDLE_C, 7)
    return LETTERS[letter] + "," * -octave if octave <= 0 else LETTERS[letter].lower() + "'" * (octave - 1)


def length_label(halves: int) -> str:
    """A length in halves of a 16th as ABC writes it where a 16th is the unit: `/2`, ``, `3/2`, `2`."""
    if halves % 2:
        return f"{halves if halves > 1 else ''}/2"
    return str(halves // 2) if halves > 2 else ""


SHOWN_LENGTHS = tuple(length_label(n) for n in range(1, LENGTHS + 1) if n != 2)
VOICES = tuple(map(str, range(1, MOST_VOICES + 1)))
TUPLETS = tuple("3" if r == 3 else f"3:2:{r}" for r in range(1, MOST_IN_TUPLET + 1))
BODIES = tuple(symbol for symbol, _ in QUALITIES if symbol)

VOCABULARY = Vocabulary(
    (
        Field("PAD", 1, "filling behind the end"),
        Field("START", 1, "a tune begins: number, and 16ths as the unit of lengths"),
        Field("STOP", 1, "the end"),
        labelled("Metre", METRES, "the tune's metre"),
        Field("Tempo", len(BPM), "the tune's tempo, quarters to the minute", first=BPM.start),
        labelled("Key", ("none", *KEYS), "the tune's key"),
        labelled("Voice", VOICES, "there is such a voice"),
        Field("Program", 128, "its General MIDI program from 0"),
        Field("Drums", 1, "it is drums"),
        labelled("Turn", VOICES, "from here on this voice"),
        labelled("NewMetre", METRES, "another metre"),
        labelled("NewKey", KEYS, "another key"),
        Field("NewTempo", len(BPM), "another tempo", first=BPM.start),
        labelled("Root", (*ROOTS, NO_CHORD), "a chord symbol begins"),
        labelled("Quality", BODIES, "its quality; none for major"),
        labelled("Bass", ROOTS, "its bass"),
        Field("Quote", 1, "it ends"),
        labelled("Tuplet", TUPLETS, "so many sounds in two thirds of their time"),
        labelled("Accidental", tuple(ACCIDENTALS), "before a note; holds to the end of the bar"),
        labelled("Note", tuple(map(step_label, range(LOWEST_STEP, HIGHEST_STEP + 1))), "a note as it is written"),
        Field("Rest", 1, "a rest"),
        Field("BarRest", 1, "a bar of rest"),
        Field("Open", 1, "notes that sound together"),
        Field("Close", 1, "these were all"),
        labelled("Length", SHOWN_LENGTHS, "how many 16ths; none for one"),
        Field("Tie", 1, "it goes on in the next"),
        Field("Overlay", 1, "back to the beginning of the bar"),
        Field("Bar", 1, "the bar is over"),
        Field("Row", 1, "it is over for all voices"),
    )
)

TEMPLATES = {
    "PAD": "",
    "START": "X:1\nL:1/16\n",
    "STOP": "",
    "Metre": "M:{}\n",
    "Tempo": "Q:1/4={}\n",
    "Key": "K:{}\n",
    "Voice": "V:{}\n",
    "Program": "%%MIDI program {}\n",
    "Drums": "%%MIDI channel 10\n",
    "Turn": "[V:{}]",
    "NewMetre": "[M:{}]",
    "NewKey": "[K:{}]",
    "NewTempo": "[Q:1/4={}]",
    "Root": '"{}',
    "Quality": "{}",
    "Bass": "/{}",
    "Quote": '"',
    "Tuplet": "({}",
    "Accidental": "{}",
    "Note": "{}",
    "Rest": "z",
    "BarRest": "Z",
    "Open": "[",
    "Close": "]",
    "Length": "{}",
    "Tie": "-",
    "Overlay": "&",
    "Bar": "|",
    "Row": "\n",
}
"""What a token is in the text."""

TEXTS = tuple(
    TEMPLATES[field.name].format(field.label(place)) for field in VOCABULARY.fields for place in range(field.size)
)
"""Each id as text: the texts of all ids, one behind the other, are an ABC tune."""


def length_id(halves: int) -> int | None:
    """The id of a length in halves of a 16th; None for a 16th itself."""
    if halves == 2:
        return None
    return VOCABULARY.start("Length") + halves - 1 - (halves > 2)
