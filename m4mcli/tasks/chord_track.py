"""Write chords under a melody: canonical key in, samples, the chosen one back in the melody's own key and register."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.canonical import (
    as_one_instrument,
    block_chords,
    canonical_shift,
    chord_frames,
    shift_for,
    shifted,
    voiced,
)
from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.consensus import by_consensus, by_likelihood
from m4mcli.generation.generate import Progress, Request, Sample, generate
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network
from m4mcli.tasks.task import TASKS, Choice

LOWEST_BASS = 28
"""A chord part whose lowest note lies below this pitch is moved up by octaves."""


@dataclass(frozen=True)
class ChordSpan:
    """A chord from frame `start` to frame `stop`: its pitch classes and its bass; no pitch classes: silence."""

    start: int
    stop: int
    pitch_classes: frozenset[int]
    bass: int

    def moved(self, semitones: int) -> "ChordSpan":
        """The chord transposed."""
        moved = frozenset((p + semitones) % 12 for p in self.pitch_classes)
        return ChordSpan(self.start, self.stop, moved, (self.bass + semitones) % 12)


@dataclass(frozen=True)
class Melody:
    """What chords are written for: FRAME_NOTE rows, metre (length, 3), frames in which a chord may begin (length,).

    `start_by` is the frame by which the first chord has begun. `key` (tonic, minor) where it is told.
    """

    notes: NDArray[np.void]
    metre: NDArray[np.integer]
    begin: NDArray[np.bool_]
    start_by: int = 0
    key: tuple[int, bool] | None = None

    @property
    def shift(self) -> int:
        """Semitones from the melody's key and register to the canonical ones."""
        return shift_for(self.notes, self.key) if self.key is not None else canonical_shift(self.notes)


@dataclass(frozen=True)
class ChordPart:
    """A chord part: its spans, and the shift that was used, which decides its register."""

    spans: tuple[ChordSpan, ...]
    shift: int
    log_likelihood: float
    choices: int

    def notes(self, program: int = 0) -> NDArray[np.void]:
        """FRAME_NOTE rows in close position below the melody, the whole part an octave up where it would rumble."""
        rows = [
            (s.start, program, p - self.shift, s.stop - s.start)
            for s in (span.moved(self.shift) for span in self.spans)
            if s.pitch_classes
            for p in voiced(s.pitch_classes, s.bass)
        ]
        part = np.array(rows, FRAME_NOTE)
        if len(part):
            low = int(part["pitch"].min())
            part["pitch"] += 12 * max(0, -(-(LOWEST_BASS - low) // 12))
            part["pitch"] -= 12 * max(0, -(-(int(part["pitch"].max()) - 108) // 12))
        return part


def chord_spans(notes: NDArray[np.void]) -> list[ChordSpan]:
    """The chords of a chord track, each held to the next onset."""
    return [ChordSpan(*chord) for chord in chord_frames(notes)]


def write_chord_parts(
    network: Network,
    melody: Melody,
    fixed: list[ChordSpan],
    *,
    sampling: Sampling,
    prompt_frames: int = 0,
    seed: int = 0,
    count: int = 1,
    best_of: int = 1,
    choice: Choice = "consensus",
    progress: Progress | None = None,
) -> list[ChordPart]:
    """`count` chord parts, each the best of `best_of` samples. Frames inside `fixed` spans come out as they are given.

    With `prompt_frames` the fixed spans are the beginning of the part: those that begin before it are given whole, and what
    comes after it is free.
    """
    length, shift = len(melody.begin), melody.shift
    given = [s.moved(shift) for s in fixed]
    frames = np.zeros(length, bool)
    for span in given:
        frames[span.start : span.stop] = True
    if prompt_frames:
        frames = np.arange(length) < prompt_frames
    known = block_chords([(s.start, s.stop, s.pitch_classes, s.bass) for s in given if s.pitch_classes])
    request = Request(
        reference=as_one_instrument(shifted(melody.notes, shift)),
        metre=melody.metre,
        length=length,
        begin=melody.begin,
        fixed=frames,
        fixed_notes=known,
        start_by=melody.start_by,
    )
    rules = TASKS["harmonize"].rules
    samples = generate(
        network, request, rules, sampling, seed=seed, samples=count * best_of, progress=progress
    )
    silences = [s for s in given if not s.pitch_classes]
    chosen = []
    for i in range(count):
        group = samples[i * best_of : (i + 1) * best_of]
        order = by_consensus(group, length) if choice == "consensus" else by_likelihood(group)
        chosen.append(as_part(group[order[0]], length, shift, silences))
    return chosen


def as_part(sample: Sample, length: int, shift: int, silences: list[ChordSpan]) -> ChordPart:
    """A sample as a chord part: each chord lasts to the next chord, the silence that is asked for, or the end."""
    spans = chord_spans(sample.notes)
    starts = sorted({s.start for s in [*spans, *silences]} | {length})
    held = [
        ChordSpan(s.start, starts[starts.index(s.start) + 1], s.pitch_classes, s.bass)
        for s in sorted([*spans, *silences], key=lambda s: s.start)
        if s.start < length
    ]
    return ChordPart(
        tuple(s.moved(-shift) for s in held), shift, sample.log_likelihood, sample.choices
    )
