"""The vocabulary of the scheme `frames`, on one page, and how its instruments and voices stand for tracks."""

from collections.abc import Sequence

from m4mcli.frames.fields import DURATIONS, SIZES
from m4mcli.frames.frames import DRUMS
from m4mcli.score.score import Track
from m4mcli.tokens.scheme import TokenTrack
from m4mcli.tokens.vocabulary import Field, Vocabulary

INSTRUMENTS, TONES, OCTAVES, _ = SIZES
VOICES = 32
"""Tracks of one instrument that are told apart."""

FLATS = 7
KEYS = 2 * FLATS + 1

VOCABULARY = Vocabulary(
    (
        Field("PAD", 1, "nothing: fills a row of a batch"),
        Field("START", 1, "the piece begins"),
        Field("STOP", 1, "the piece ends"),
        Field("BAR", 1, "a bar begins in this frame"),
        Field("INSTRUMENT", INSTRUMENTS - 1, "General MIDI program; 128 drums"),
        Field("END", 1, "no more notes in this frame: on to the next 16th"),
        Field("TONE", TONES, "pitch class, C is 0; from 12 on the sound of a drum, 12 more than its MIDI pitch"),
        Field("OCTAVE", OCTAVES, "MIDI pitch // 12; middle C is in octave 5"),
        Field("DURATION", len(DURATIONS), f"{' '.join(map(str, DURATIONS))} frames"),
        Field("VOICE", VOICES - 1, "track of the next note, among those of its instrument, from 0", first=1),
        Field("VELOCITY", 127, "how loud the note is", first=1),
        Field("NUMERATOR", 255, "of the time signature", first=1),
        Field("DENOMINATOR", 7, "of the time signature, as a power of two"),
        Field("KEY", 2 * KEYS, f"key signature: sharps + {FLATS}; {KEYS} more in minor"),
        Field("TEMPO", 1, "three bytes follow: microseconds a quarter note"),
        Field("BYTE", 256, "a byte of a tempo"),
    )
)


def ids_of(name: str) -> range:
    """The ids of a field, by place."""
    start = VOCABULARY.id_of(name)
    return range(start, start + next(field.size for field in VOCABULARY.fields if field.name == name))


END = VOCABULARY.id_of("END")


def parts_of(tracks: Sequence[Track | TokenTrack]) -> list[tuple[int, int]]:
    """Each track's instrument, and its voice: its place among the tracks of that instrument."""
    seen: dict[int, int] = {}
    parts = []
    for track in tracks:
        instrument = DRUMS if track.is_drum else track.program
        parts.append((instrument, seen.get(instrument, 0)))
        seen[instrument] = parts[-1][1] + 1
    return parts
