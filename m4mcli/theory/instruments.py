"""The names of the 128 General MIDI programs."""

from m4mcli.errors import USAGE, M4mError

FAMILIES = {
    "Piano": "Acoustic Grand Piano|Bright Acoustic Piano|Electric Grand Piano|Honky-tonk Piano"
    "|Electric Piano 1|Electric Piano 2|Harpsichord|Clavinet",
    "Chromatic Percussion": "Celesta|Glockenspiel|Music Box|Vibraphone|Marimba|Xylophone|Tubular Bells|Dulcimer",
    "Organ": "Drawbar Organ|Percussive Organ|Rock Organ|Church Organ|Reed Organ|Accordion|Harmonica|Tango Accordion",
    "Guitar": "Acoustic Guitar (nylon)|Acoustic Guitar (steel)|Electric Guitar (jazz)|Electric Guitar (clean)"
    "|Electric Guitar (muted)|Overdriven Guitar|Distortion Guitar|Guitar Harmonics",
    "Bass": "Acoustic Bass|Electric Bass (finger)|Electric Bass (pick)|Fretless Bass"
    "|Slap Bass 1|Slap Bass 2|Synth Bass 1|Synth Bass 2",
    "Strings": "Violin|Viola|Cello|Contrabass|Tremolo Strings|Pizzicato Strings|Orchestral Harp|Timpani",
    "Ensemble": "String Ensemble 1|String Ensemble 2|Synth Strings 1|Synth Strings 2"
    "|Choir Aahs|Voice Oohs|Synth Voice|Orchestra Hit",
    "Brass": "Trumpet|Trombone|Tuba|Muted Trumpet|French Horn|Brass Section|Synth Brass 1|Synth Brass 2",
    "Reed": "Soprano Sax|Alto Sax|Tenor Sax|Baritone Sax|Oboe|English Horn|Bassoon|Clarinet",
    "Pipe": "Piccolo|Flute|Recorder|Pan Flute|Blown Bottle|Shakuhachi|Whistle|Ocarina",
    "Synth Lead": "Lead 1 (square)|Lead 2 (sawtooth)|Lead 3 (calliope)|Lead 4 (chiff)"
    "|Lead 5 (charang)|Lead 6 (voice)|Lead 7 (fifths)|Lead 8 (bass + lead)",
    "Synth Pad": "Pad 1 (new age)|Pad 2 (warm)|Pad 3 (polysynth)|Pad 4 (choir)"
    "|Pad 5 (bowed)|Pad 6 (metallic)|Pad 7 (halo)|Pad 8 (sweep)",
    "Synth Effects": "FX 1 (rain)|FX 2 (soundtrack)|FX 3 (crystal)|FX 4 (atmosphere)"
    "|FX 5 (brightness)|FX 6 (goblins)|FX 7 (echoes)|FX 8 (sci-fi)",
    "Ethnic": "Sitar|Banjo|Shamisen|Koto|Kalimba|Bagpipe|Fiddle|Shanai",
    "Percussive": "Tinkle Bell|Agogo|Steel Drums|Woodblock|Taiko Drum|Melodic Tom|Synth Drum|Reverse Cymbal",
    "Sound Effects": "Guitar Fret Noise|Breath Noise|Seashore|Bird Tweet|Telephone Ring|Helicopter|Applause|Gunshot",
}
"""Families of eight programs, in the order of their numbers."""

PROGRAMS = tuple(name for names in FAMILIES.values() for name in names.split("|"))
"""Program number 0-127 -> name."""

SHORT_NAMES = {"strings": "string ensemble 1"}
"""What is meant by a word that is a part of another name first."""


def instrument_name(program: int, is_drum: bool = False) -> str:
    """The General MIDI name of a program 0-127; "Drums" for the drum channel. Example: 40 -> "Violin"."""
    return "Drums" if is_drum else PROGRAMS[program]


def parse_program(text: str) -> int:
    """A program 0-127 from its number or from a General MIDI name, or a part of one (of several, the first).

    `strings` alone are a string ensemble. Raises M4mError (status 2).
    """
    wanted = text.strip().lower()
    if wanted.isascii() and wanted.isdecimal():
        if int(wanted) < len(PROGRAMS):
            return int(wanted)
        raise M4mError(f"no program {wanted}", "programs are 0 to 127", USAGE)
    names = [name.lower() for name in PROGRAMS]
    exact = [i for i, name in enumerate(names) if name == SHORT_NAMES.get(wanted, wanted)]
    found = exact or [i for i, name in enumerate(names) if wanted in name]
    if not found or not wanted:
        raise M4mError(f"no instrument {text!r}", "give a General MIDI name, such as violin, or 0 to 127", USAGE)
    return found[0]


def parse_instruments(text: str) -> tuple[int, ...]:
    """Instruments of a list such as `piano, bass, drums`: programs 0-127, and 128 for drums, in rising order."""
    return tuple(sorted(instruments_in_order(text)))


def instruments_in_order(text: str) -> tuple[int, ...]:
    """The same in the order in which they are named, each once."""
    words = (word.strip().lower() for word in text.split(","))
    return tuple(dict.fromkeys(128 if word in ("drums", "drum") else parse_program(word) for word in words))
