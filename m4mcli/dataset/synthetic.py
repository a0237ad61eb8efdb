"""Corpora made by rule, on which a model must learn something within minutes: scales, and eighth notes in a key.

The same numbers give the same pieces, in the same splits.
"""

from collections.abc import Iterator

import numpy as np

from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.theory.keys import FLAT_NAMES

TPQ = 480
EIGHTH = TPQ // 2
VELOCITY = 80
LOWEST = 60
"""The octave in which scales begin."""

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "natural-minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic-minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole-tone": (0, 2, 4, 6, 8, 10),
}
"""Semitones of the degrees above the tonic."""

VALID_EVERY = 6
"""Of so many pieces one is for validation."""

MAJOR, MINOR = SCALES["major"], SCALES["natural-minor"]
STEPS, STEP_SHARES = (-2, -1, 1, 2), (0.15, 0.35, 0.35, 0.15)
"""Degrees by which a melody of eighth notes goes on, and how often."""

Piece = tuple[str, Score]
"""Where a piece lies in its corpus, `train/c-major.mid`, and the piece."""


def scales(count: int, seed: int, bars: int) -> Iterator[Piece]:
    """Scales up and down in eighth notes, as often as fits the bars: `count` of them, kind by kind, key by key.

    After all twelve keys of all kinds they begin again an octave higher. No chance is in them.
    """
    for number in range(count):
        kind, tonic = list(SCALES)[number // 12 % len(SCALES)], number * 7 % 12
        degrees = SCALES[kind]
        up = [LOWEST + tonic + d for d in (*degrees, 12)]
        line = up + up[-2:0:-1]
        shift = 12 * (number // (12 * len(SCALES)) % 3)
        pitches = [line[i % len(line)] + shift for i in range(8 * bars)]
        name = f"{FLAT_NAMES[tonic].lower()}-{kind}" + (f"-{number // 120 + 1}" if number >= 120 else "")
        yield _placed(number, name, _eighths(pitches))


def eighth_notes(count: int, seed: int, bars: int) -> Iterator[Piece]:
    """Melodies that walk on a major or minor scale in eighth notes, and end on its tonic."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        minor, tonic = bool(rng.integers(2)), int(rng.integers(12))
        degrees = MINOR if minor else MAJOR
        steps = rng.choice(STEPS, 8 * bars - 1, p=STEP_SHARES)
        walk = np.clip(np.concatenate(([0], np.cumsum(steps))), -7, 10)
        walk[-1] = 0
        pitches = [LOWEST + tonic + 12 * int(w // 7) + degrees[int(w % 7)] for w in walk]
        score = _eighths(pitches)
        key = KeySignature(0, _fifths(tonic, minor), minor)
        yield _placed(number, f"{number + 1:04}", Score(score.tpq, score.tracks, score.tempos, METRE, (key,)))


METRE = (TimeSignature(0, 4, 4),)
KINDS = {"scales": scales, "eighth-notes": eighth_notes}
"""The corpora, by the name that a command calls them."""


def _fifths(tonic: int, minor: bool) -> int:
    """The sharps (negative: flats) of a key, at most six."""
    return ((tonic + 3 if minor else tonic) * 7 + 5) % 12 - 5


def _eighths(pitches: list[int]) -> Score:
    rows = [(i * EIGHTH, EIGHTH, pitch, VELOCITY) for i, pitch in enumerate(pitches)]
    return Score(TPQ, (Track("Melody", notes=notes_array(rows)),), (Tempo(0, 500_000),), METRE)


def _placed(number: int, name: str, score: Score) -> Piece:
    split = "valid" if number % VALID_EVERY == VALID_EVERY - 1 else "train"
    return f"{split}/{name}.mid", score
