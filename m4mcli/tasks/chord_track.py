"""Write chords under a melody: canonical key in, samples, the chosen one back in the melody's own key, in frames."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.canonical import (
    CHORD_BASS,
    as_one_instrument,
    block_chords,
    chord_frames,
    pitch_class_histogram,
    shift_for,
    shifted,
)
from m4mcli.generation.consensus import by_consensus, by_likelihood
from m4mcli.generation.draw import Draw, draw_samples
from m4mcli.generation.generate import Progress, Request, Sample
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network
from m4mcli.tasks.chord_votes import chord_probabilities, expected_agreement
from m4mcli.tasks.task import TASKS, Choice
from m4mcli.tasks.voicing import Register, chord_rows, register_under
from m4mcli.theory.keys import estimate_key


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

    def same_chord(self, other: "ChordSpan") -> bool:
        """Whether another span has the same pitch classes and bass."""
        return (self.pitch_classes, self.bass) == (other.pitch_classes, other.bass)


@dataclass(frozen=True)
class Melody:
    """What chords are written for: FRAME_NOTE rows, metre (length, 3), frames in which a chord may begin (length,).

    `start_by` is the frame by which the first chord has begun. `key` (tonic, minor) where it is told. `ends` tells that
    the melody is over at its end and not merely cut there.
    """

    notes: NDArray[np.void]
    metre: NDArray[np.integer]
    begin: NDArray[np.bool_]
    start_by: int = 0
    key: tuple[int, bool] | None = None
    ends: bool = False

    @property
    def close(self) -> tuple[int, bool] | None:
        """The key, where the melody ends on a note of its tonic triad: then the chords should end on that."""
        if not self.ends or not len(self.notes):
            return None
        tonic, minor = self.likely_key
        last = self.notes[np.lexsort((self.notes["pitch"], self.notes["frame"]))[-1]]
        return (tonic, minor) if (int(last["pitch"]) - tonic) % 12 in (0, 3 if minor else 4, 7) else None

    @property
    def likely_key(self) -> tuple[int, bool]:
        """The key that is told or estimated; where none stands out, major on the last note, so that it moves along."""
        key = self.key or estimate_key(pitch_class_histogram(self.notes))
        if key is not None or not len(self.notes):
            return key or (0, False)
        last = self.notes[np.lexsort((self.notes["pitch"], self.notes["frame"]))[-1]]
        return int(last["pitch"]) % 12, False

    @property
    def shift(self) -> int:
        """Semitones from the melody's key and register to the canonical ones."""
        return shift_for(self.notes, self.likely_key)


@dataclass(frozen=True)
class ChordPart:
    """A chord part: its spans, and the register in which its notes lie."""

    spans: tuple[ChordSpan, ...]
    register: Register
    log_likelihood: float
    choices: int

    def notes(self, program: int = 0) -> NDArray[np.void]:
        """FRAME_NOTE rows."""
        return chord_rows((astuple(span) for span in self.spans), self.register, program)


def chord_spans(notes: NDArray[np.void]) -> list[ChordSpan]:
    """The chords of a chord track, each held to the next onset."""
    return [ChordSpan(*chord) for chord in chord_frames(notes)]


def write_chord_parts(
    network: Network,
    melody: Melody,
    fixed: Sequence[ChordSpan],
    *,
    sampling: Sampling,
    prompt_frames: int = 0,
    rests: Sequence[tuple[int, int]] = (),
    seed: int = 0,
    count: int = 1,
    best_of: int = 1,
    choice: Choice = "consensus",
    strictness: float = 1.0,
    progress: Progress | None = None,
) -> list[ChordPart]:
    """`count` chord parts, each the best of `best_of` samples. Frames inside `fixed` spans come out as they are given.

    With `prompt_frames` the fixed spans are the beginning of the part: those that begin before it are given whole, and
    what comes after it is free. `rests` are stretches (start, stop) in which the part is silent.
    """
    length, shift = len(melody.begin), melody.shift
    given = [s.moved(shift) for s in fixed]
    bounded = [*([] if prompt_frames else given), *(ChordSpan(*rest, frozenset(), 0) for rest in rests)]
    request = Request(
        reference=as_one_instrument(shifted(melody.notes, shift)),
        metre=melody.metre,
        length=length,
        begin=melody.begin,
        fixed=_covered(bounded, length) | (np.arange(length) < prompt_frames),
        fixed_notes=block_chords([(s.start, s.stop, s.pitch_classes, s.bass) for s in given if s.pitch_classes]),
        start_by=melody.start_by,
    )
    how = Draw(sampling, seed=seed, strictness=strictness)
    samples = draw_samples(network, request, TASKS["harmonize"].rules, how, count * best_of, progress)
    close = None if melody.close is None else ((melody.close[0] + shift) % 12, melody.close[1])
    register = register_under(melody.notes) if len(melody.notes) else Register(CHORD_BASS)
    likely = chord_probabilities(shifted(melody.notes, shift), melody.metre, length) if choice == "consensus" else None
    chosen = []
    for i in range(count):
        group = samples[i * best_of : (i + 1) * best_of]
        order = by_likelihood(group)
        if likely is not None:
            expected = np.array([expected_agreement(s.notes, likely) for s in group])
            order = by_consensus(group, length, request.reference, close, expected)
        best = group[order[0]]
        spans = tuple(s.moved(-shift) for s in _held(best, length, bounded))
        chosen.append(ChordPart(spans, register, best.log_likelihood, best.choices))
    return chosen


def merged(spans: Iterable[ChordSpan], struck: Collection[int]) -> tuple[ChordSpan, ...]:
    """The spans, a chord that repeats the one before it joined to it unless it begins in one of the frames `struck`."""
    out: list[ChordSpan] = []
    for span in spans:
        if out and span.start not in struck and span.same_chord(out[-1]):
            out[-1] = replace(out[-1], stop=span.stop)
        else:
            out.append(span)
    return tuple(out)


def _covered(spans: Iterable[ChordSpan], length: int) -> NDArray[np.bool_]:
    frames = np.zeros(length, bool)
    for span in spans:
        frames[span.start : span.stop] = True
    return frames


def _struck(notes: NDArray[np.void]) -> Iterator[ChordSpan]:
    """The chords of a sample: what begins together is a chord, and lasts as long as the sample says."""
    for start in np.unique(notes["frame"]):
        now = notes[notes["frame"] == start]
        pitch_classes = frozenset(int(p) % 12 for p in now["pitch"])
        yield ChordSpan(int(start), int(start + now["duration"].max()), pitch_classes, int(now["pitch"].min()) % 12)


def _held(sample: Sample, length: int, bounded: Sequence[ChordSpan]) -> list[ChordSpan]:
    """A sample's chords: each lasts to the next chord or to the end, but those that are `bounded` no longer than given.

    Where nothing begins behind one of these, the sample has a chord from before it that goes on.
    """
    struck = list(_struck(sample.notes))
    begun = {s.start: s for s in [*struck, *(b for b in bounded if not b.pitch_classes)]}
    for bound in bounded:
        lasting = [s for s in struck if s.start < bound.start and s.stop > bound.stop]
        begun.setdefault(bound.stop, lasting[-1] if lasting else ChordSpan(0, 0, frozenset(), 0))
    starts = [*sorted(start for start in begun if start < length), length]
    return [replace(begun[start], start=start, stop=stop) for start, stop in pairwise(starts)]
