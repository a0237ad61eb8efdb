"""The General MIDI percussion sounds, by name and by kind (MIDI 1.0, General MIDI level 1 percussion key map)."""

from m4mcli.errors import USAGE, M4mError

NAMES = (
    "Acoustic Bass Drum|Bass Drum 1|Side Stick|Acoustic Snare|Hand Clap|Electric Snare|Low Floor Tom|Closed Hi-Hat"
    "|High Floor Tom|Pedal Hi-Hat|Low Tom|Open Hi-Hat|Low-Mid Tom|Hi-Mid Tom|Crash Cymbal 1|High Tom|Ride Cymbal 1"
    "|Chinese Cymbal|Ride Bell|Tambourine|Splash Cymbal|Cowbell|Crash Cymbal 2|Vibraslap|Ride Cymbal 2|Hi Bongo"
    "|Low Bongo|Mute Hi Conga|Open Hi Conga|Low Conga|High Timbale|Low Timbale|High Agogo|Low Agogo|Cabasa|Maracas"
    "|Short Whistle|Long Whistle|Short Guiro|Long Guiro|Claves|Hi Wood Block|Low Wood Block|Mute Cuica|Open Cuica"
    "|Mute Triangle|Open Triangle"
)
SOUNDS = dict(enumerate(NAMES.split("|"), 35))
"""Key number -> name, 35 to 81."""

KINDS: dict[str, tuple[int, ...]] = {
    "kick": (35, 36),
    "snare": (37, 38, 39, 40),
    "hat": (42, 44, 46),
    "tom": (41, 43, 45, 47, 48, 50),
    "ride": (51, 53, 59),
    "crash": (49, 52, 55, 57),
    "percussion": (54, 56, 58, *range(60, 82)),
}
"""Kinds of drum, and the sounds of each."""

STANDARD = (35, *range(36, 54), 55, 57, 59)
"""What a drum kit has; percussion is not part of it."""


def kind_of(sound: int) -> str:
    """The kind of a sound 0-127; `percussion` where it is no other."""
    return next((kind for kind, sounds in KINDS.items() if sound in sounds), "percussion")


def parse_kit(text: str) -> tuple[int, ...]:
    """Drum sounds of a list such as `kick, snare, closed hi-hat, 56`: kinds, names, parts of names, key numbers.

    Raises M4mError (status 2).
    """
    found: set[int] = set()
    for word in text.split(","):
        found |= set(_sounds(word.strip().lower()))
    return tuple(sorted(found))


def _sounds(word: str) -> tuple[int, ...]:
    if word.isascii() and word.isdecimal() and int(word) < 128:
        return (int(word),)
    singular = word.removesuffix("s")
    if word in KINDS or singular in KINDS:
        return KINDS[word if word in KINDS else singular]
    if word in ("standard", "kit"):
        return STANDARD
    plain = word.replace("hihat", "hi-hat").replace("hi hat", "hi-hat")
    named = tuple(sound for sound, name in SOUNDS.items() if plain and plain in name.lower())
    if not named:
        raise M4mError(
            f"no drum sound {word!r}", f"give one of {', '.join(KINDS)}, a General MIDI name or 0-127", USAGE
        )
    return named
