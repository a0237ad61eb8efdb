"""How likely chords are under a melody in the opinion of chord recognition: a second voice in the choice of a sample.

Recognition reads the whole melody on its beats and tells how probable each chord is at each place; it has learnt that
from melodies whose chords people wrote, another network in another form than the one that writes. A sample is preferred
that agrees with what it expects, as with the other samples.
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import BeatGrid
from m4mcli.analysis.chord_model import QUALITIES, SILENCE, TONES
from m4mcli.analysis.chord_recognition import recognize_chords
from m4mcli.frames.frames import FRAMES_PER_QUARTER
from m4mcli.frames.harmony import chroma
from m4mcli.score.score import Score, TimeSignature, Track, notes_array


def grid_of_frames(metre: NDArray[np.integer], length: int) -> BeatGrid:
    """The beats of a metre (length, 3) in frames: a beat of six is a dotted quarter, one of four a quarter."""
    beat = np.maximum(metre[:length, 2], 1)
    ticks = np.flatnonzero(metre[:length, 0] % beat == 0)
    signatures = []
    for tick in np.flatnonzero(np.diff(metre[:length, 1] * 64 + beat, prepend=-1)).tolist():
        size, unit = int(metre[tick, 1]), int(beat[tick])
        part = unit // 3 if unit % 3 == 0 else unit
        signatures.append(TimeSignature(tick, max(1, size // part), max(1, 16 // part)))
    return BeatGrid(ticks, metre[ticks, 0] == 0, tuple(signatures))


def chord_probabilities(melody: NDArray[np.void], metre: NDArray[np.integer], length: int) -> NDArray[np.float64]:
    """The probability of each chord under a melody (FRAME_NOTE rows) at each frame: (length, SILENCE + 1)."""
    rows = [(int(n["frame"]), int(n["duration"]), int(n["pitch"]), 80) for n in melody if n["frame"] < length]
    score = Score(FRAMES_PER_QUARTER, (Track("", notes=notes_array(rows)),))
    found = recognize_chords(score, grid_of_frames(metre, length))
    probabilities = np.zeros((length, SILENCE + 1))
    if len(found.units):
        at = np.searchsorted(found.units.ticks, np.arange(length), side="right") - 1
        inside = (at >= 0) & (at < len(found.units))
        probabilities[inside] = found.probabilities[at[inside]]
    return probabilities


def expected_agreement(notes: NDArray[np.void], probabilities: NDArray[np.float64]) -> float:
    """Mean over the frames of how far a chord part agrees with the chords that are to be expected there, 0..1.

    As `generation.consensus.agreement` has it: the mean of the same pitch classes, their overlap and the same bass.
    """
    classes, lowest = chroma(notes, len(probabilities))
    tones, roots = _states()
    both = classes @ tones.T
    any_of = classes.sum(axis=1)[:, None] + tones.sum(axis=1)[None] - both
    overlap = both / np.maximum(any_of, 1)
    agreed = (overlap + (any_of == both) + lowest @ roots.T) / 3
    return float((agreed * probabilities[:, :SILENCE]).sum(axis=1).mean())


def _states() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pitch classes and roots of all chords, each (SILENCE, 12)."""
    tones = np.zeros((SILENCE, 12), np.float32)
    for quality in range(len(QUALITIES)):
        for root in range(12):
            tones[12 * quality + root, [(root + tone) % 12 for tone in TONES[quality]]] = 1
    return tones, np.tile(np.eye(12, dtype=np.float32), (len(QUALITIES), 1))
