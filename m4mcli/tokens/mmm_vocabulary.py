"""The vocabulary of the scheme `mmm`: metres, densities, lengths, and what of them is nearest to any."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from m4mcli.tokens.mmt import DURATIONS
from m4mcli.tokens.vocabulary import Field, Vocabulary, labelled

PER_QUARTER, PER_SIXTEENTH = 12, 3
BARS, TRACKS = 1024, 128
"""How many bars and tracks a piece has at most."""

METRES = (
    *((n, 4) for n in range(1, 9)),
    *((n, 8) for n in range(1, 16)),
    *((n, 16) for n in range(1, 16, 2)),
    *((n, 2) for n in range(1, 5)),
)
LENGTHS = np.array([16 * n // d for n, d in METRES], np.int64)
"""Of each metre, in 16ths."""

WHOLE = 16
"""16ths that are taken off a bar of which no metre is as long."""

RATES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Densities: notes a quarter note."""

EDGES = np.sqrt(np.array(RATES[1:-1]) * np.array(RATES[2:]))

VOCABULARY = Vocabulary(
    (
        Field("PAD", 1, "nothing: fills a row of a batch"),
        Field("START", 1, "the piece begins"),
        Field("STOP", 1, "the piece ends"),
        labelled("Metre", tuple(f"{n}/{d}" for n, d in METRES), "time signature of the piece's next bar"),
        Field("Track", 1, "a track begins"),
        labelled("Program", tuple(map(str, (*range(128), -1))), "General MIDI program from 0; -1 drums"),
        labelled("Density", tuple(f"{r:g}" for r in RATES), "notes a quarter note, in bars that have any"),
        Field("Bar", 1, "the track's next bar, whose notes follow"),
        Field("FillIn", 1, "the track's next bar, whose notes follow behind all tracks"),
        Field("Fill", 1, "the notes of the next bar that is to be filled in"),
        Field("Position", int(LENGTHS.max()) * PER_SIXTEENTH, "12th of a quarter note of the bar"),
        Field("Pitch", 128, "MIDI pitch of a note"),
        Field("PitchDrum", 128, "a drum, by its MIDI pitch"),
        labelled("Duration", tuple(map(str, DURATIONS.tolist())), "12ths of a quarter note"),
    )
)
PAD, START, STOP, METRE, TRACK, PROGRAM, DENSITY, BAR, FILL_IN, FILL, POSITION, PITCH, DRUM, DURATION = range(14)
"""Places of the fields."""

FIRST = VOCABULARY.offsets
"""The first id of each field."""

KINDS = VOCABULARY.kinds
"""The field of each id."""

DRUMS = 128
"""The place of the drums among the programs."""


def density(notes: NDArray[np.integer], quarters: NDArray[np.floating]) -> NDArray[np.int64]:
    """The places of the densities nearest to so many notes in so many quarter notes; 0 for none."""
    found: NDArray[np.int64] = np.where(notes > 0, nearest_rate(notes / np.maximum(quarters, 1 / 4)), 0)
    return found


def nearest_rate(rates: "NDArray[np.floating] | float") -> NDArray[np.int64]:
    """The places of the densities above 0 that are nearest, by their ratio."""
    return np.asarray(np.searchsorted(EDGES, rates, side="right") + 1, np.int64)


@lru_cache(maxsize=256)
def metres_of(length: int, numerator: int = 0, denominator: int = 0) -> tuple[int, ...]:
    """The metres, by place, of a bar of so many 16ths in this time signature: one, or where none fits several."""
    if (numerator, denominator) in METRES:
        place = METRES.index((numerator, denominator))
        if LENGTHS[place] == length:
            return (place,)
    found = []
    while length > 0:
        same = np.flatnonzero(length == LENGTHS)
        # The first of a length is the one with the largest unit.
        place = int(same[0]) if len(same) else METRES.index((4, 4))
        found.append(place)
        length -= int(LENGTHS[place])
    return tuple(found)
