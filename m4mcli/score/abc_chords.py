"""Chord symbols as a track of block chords, and back."""

from collections.abc import Sequence

from m4mcli.errors import M4mError
from m4mcli.score.score import Track, notes_array
from m4mcli.theory.chords import Chord, parse_chord

NAME = "Chords"
LOWEST_BASS, LOWEST_TONE = 36, 48
LOUD = 64


def chord_track(symbols: Sequence[tuple[int, str]], end: int) -> tuple[tuple[Track, ...], tuple[str, ...]]:
    """The chords of (tick, symbol), each held to the next or the end, as a track; and the symbols that are none.

    No track without chords. The symbols are the track's lyrics; `N.C.` is silence.
    """
    rows, words, unread = [], [], []
    read: list[tuple[int, str, Chord | None]] = []
    for tick, text in symbols:
        try:
            read.append((tick, text, parse_chord(text)))
        except M4mError:
            unread.append(text)
    stops = [*(tick for tick, _, _ in read[1:]), end]
    for (tick, text, chord), stop in zip(read, stops, strict=False):
        if chord is not None and stop > tick:
            words.append((tick, text))
            rows += [(tick, stop - tick, pitch, LOUD) for pitch in block(chord)]
    if not rows:
        return (), tuple(unread)
    return (Track(NAME, notes=notes_array(rows), lyrics=tuple(words)),), tuple(unread)


def block(chord: Chord) -> list[int]:
    """The pitches of a chord: its bass in the octave from C2, its other tones in the one from C3."""
    others = sorted(LOWEST_TONE + p for p in chord.pitch_classes if p != chord.bass)
    return [LOWEST_BASS + chord.bass, *others]
