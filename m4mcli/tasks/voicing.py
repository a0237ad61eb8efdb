"""How a chord part lies on the keyboard: a bass note, and above it the chord in the place that fits the melody.

Under a melody the tones above the bass lie in one octave, each always at the same place in it, so that what two chords
share is held and the rest moves by steps. A part that goes on from given chords lies as these do.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAME_NOTE

BELOW_MELODY = 17
"""Semitones from the melody's mean pitch down to where the octave of the upper tones begins."""

LOWEST, HIGHEST = 43, 62
"""Where that octave may begin: lower chords rumble, higher ones tinkle. Beyond, the whole part is moved by octaves."""

CLOSE = 12
"""Given chords that span so many semitones at most, in the mean, are in close position."""

OCTAVE = 12
TOP = 108


@dataclass(frozen=True)
class Register:
    """The octaves of a chord part, as MIDI pitches: the lowest of its basses and of the tones above, which is None for
    close position: all tones stacked on the bass."""

    bass: int
    upper: int | None = None

    def pitches(self, pitch_classes: frozenset[int], bass: int) -> tuple[int, ...]:
        """A chord's MIDI pitches from the bass up, with exactly its pitch classes (0-11, C is 0) and that bass.

        None for silence, which is an empty set.
        """
        if not pitch_classes:
            return ()
        lowest = self.bass + (bass - self.bass) % OCTAVE
        others = {p % OCTAVE for p in pitch_classes} - {bass % OCTAVE}
        if self.upper is None:
            above = sorted(lowest + (p - bass) % OCTAVE for p in others)
        else:
            # A triad sounds whole above its bass; a chord of four tones is thick enough without that.
            tones = others if len(others) > 2 else others | {bass % OCTAVE}
            above = sorted(self.upper + (p - self.upper) % OCTAVE for p in tones)
        return (lowest, *above)


def register_under(melody: NDArray[np.void]) -> Register:
    """The register below a melody's mean pitch, weighted by duration; it moves with it except at the range's ends.

    The melody is FRAME_NOTE rows (n,), at least one.
    """
    mean = float(np.average(melody["pitch"], weights=melody["duration"]))
    upper = int(np.floor(mean + 1e-9)) - BELOW_MELODY
    upper += OCTAVE * max(0, -((upper - LOWEST) // OCTAVE)) - OCTAVE * max(0, -((HIGHEST - upper) // OCTAVE))
    return Register(upper - OCTAVE, upper)


def register_like(onsets: NDArray[np.integer], pitches: NDArray[np.integer]) -> Register:
    """The register of given chords, from the onsets (n,) in any unit and MIDI pitches (n,) of their notes, n > 0."""
    chords = [pitches[onsets == onset] for onset in np.unique(onsets)]
    lowest = float(np.mean([chord.min() for chord in chords]))
    bass = int(np.clip(round(lowest) - OCTAVE // 2, 0, TOP - 3 * OCTAVE))
    if np.mean([int(chord.max()) - int(chord.min()) for chord in chords]) <= CLOSE:
        return Register(bass)
    above = float(np.mean(np.concatenate([chord[chord > chord.min()] for chord in chords])))
    return Register(bass, int(np.clip(round(above) - OCTAVE // 2, bass + 1, TOP - OCTAVE)))


def chord_rows(
    chords: Iterable[tuple[int, int, frozenset[int], int]], register: Register, program: int
) -> NDArray[np.void]:
    """Chords (start and stop in frames, pitch classes, bass) as FRAME_NOTE rows (n,) in a register."""
    rows = [
        (start, program, pitch, stop - start)
        for start, stop, pitch_classes, bass in chords
        for pitch in register.pitches(pitch_classes, bass)
    ]
    return np.array(rows, FRAME_NOTE)
