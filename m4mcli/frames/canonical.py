"""Canonical key and register: music moved to where the model knows it, by a rule that moves with the music.

The tonic of the condition is estimated (Krumhansl and Kessler 1982); everything is moved so that a major tonic is C, a
minor one A, and the condition's mean pitch lies in one fixed octave. Moving the input moves the output by the same
interval.
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.theory.keys import estimate_key

LOWEST_MEAN = 66.0
"""The condition's mean pitch is moved into the octave that begins here."""

CHORD_BASS = 36
"""Canonical chords have their lowest note in the octave that begins here."""


def pitch_class_histogram(notes: NDArray[np.void]) -> NDArray[np.float64]:
    """Frames sounded by each pitch class (12,), drums left out."""
    pitched = notes["instrument"] != DRUMS
    classes, weights = notes["pitch"][pitched] % 12, notes["duration"][pitched]
    return np.bincount(classes, weights=weights, minlength=12).astype(np.float64)


def shift_for(notes: NDArray[np.void], key: tuple[int, bool] | None) -> int:
    """Semitones that bring notes in the given key (tonic, minor) to C major or A minor in the canonical octave."""
    pitched = notes[notes["instrument"] != DRUMS]
    if not len(pitched):
        return 0
    mean = float(np.average(pitched["pitch"], weights=pitched["duration"]))
    tonic, minor = key or (0, False)
    by_class = (9 if minor else 0) - tonic
    return by_class + 12 * int(np.ceil((LOWEST_MEAN - mean - by_class) / 12 - 1e-9))


def canonical_shift(notes: NDArray[np.void]) -> int:
    """Semitones that bring notes to the canonical key and octave; only the octave where no key can be told."""
    return shift_for(notes, estimate_key(pitch_class_histogram(notes)))


def shifted(notes: NDArray[np.void], semitones: int) -> NDArray[np.void]:
    """Notes moved by semitones, drums untouched; what would leave 0-127 is moved back by octaves."""
    moved = notes.copy()
    pitch = moved["pitch"].astype(np.int64) + semitones
    pitch = np.where(pitch < 0, pitch % 12, np.where(pitch > 127, 116 + (pitch - 116) % 12, pitch))
    moved["pitch"] = np.where(moved["instrument"] == DRUMS, moved["pitch"], pitch)
    return moved


def as_one_instrument(notes: NDArray[np.void], instrument: int = 0) -> NDArray[np.void]:
    """The same notes, all played by one instrument."""
    moved = notes.copy()
    moved["instrument"] = instrument
    return moved


def voiced(pitch_classes: frozenset[int], bass: int) -> tuple[int, ...]:
    """A chord in canonical register: the bass in the octave of CHORD_BASS, the others stacked closely above it."""
    lowest = CHORD_BASS + bass % 12
    others = sorted(lowest + (pc - bass) % 12 for pc in pitch_classes if pc % 12 != bass % 12)
    return (lowest, *others)


def chord_frames(notes: NDArray[np.void]) -> list[tuple[int, int, frozenset[int], int]]:
    """A chord track as (start, stop, pitch classes, bass): at each onset all that sounds, held to the next onset."""
    onsets = np.unique(notes["frame"])
    ends = notes["frame"] + notes["duration"]
    chords = []
    for i, start in enumerate(onsets):
        now = notes[(notes["frame"] <= start) & (ends > start)]
        stop = int(ends[(notes["frame"] <= start)].max())
        if i + 1 < len(onsets):
            stop = min(stop, int(onsets[i + 1]))
        classes = frozenset(int(p) % 12 for p in now["pitch"])
        chords.append((int(start), stop, classes, int(now["pitch"].min()) % 12))
    return chords


def block_chords(chords: list[tuple[int, int, frozenset[int], int]]) -> NDArray[np.void]:
    """Chords as canonical block chords, program 0."""
    rows = [(start, 0, p, stop - start) for start, stop, pcs, bass in chords for p in voiced(pcs, bass)]
    return np.array(rows, FRAME_NOTE)
