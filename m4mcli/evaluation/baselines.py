"""Trivial and classical systems for chords under a melody: what a model must beat to be worth its weights.

A baseline takes a melody, the metre of every frame (T, 3), the prompt (the chord notes that begin before
`prompt_frames`) and `prompt_frames`, and returns a whole chord part of T frames that begins with the prompt. None of
them draws at random, and all move with the music: a transposed song gets the transposed chords.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.notes import pitch_classes
from m4mcli.frames.canonical import block_chords, chord_frames, pitch_class_histogram
from m4mcli.frames.frames import FRAMES_PER_QUARTER, in_order
from m4mcli.theory.keys import estimate_key

Baseline = Callable[[NDArray[np.void], NDArray[np.int32], NDArray[np.void], int], NDArray[np.void]]
Chord = tuple[int, int, frozenset[int], int]
"""Start and stop frame, pitch classes, bass pitch class."""

HALVED_BAR = 12
"""Frames from which a bar of an even number of beats takes two chords."""

QUALITIES = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 4, 7, 11))
"""Semitones above the root: major, minor, dominant, minor and major seventh."""

FOREIGN = 0.15
"""Share of a melody's time that templates expect on tones outside the chord."""

CONTEXT = 0.5
"""Quarter notes of the whole melody's pitch classes that are added to those of each segment."""

SEVENTH_COST = 2.0
CHANGE_COST = 0.5
"""Nats that a seventh and a change of chord cost. These four were chosen on training songs."""


def hold(
    melody: NDArray[np.void], metre: NDArray[np.int32], prompt: NDArray[np.void], prompt_frames: int
) -> NDArray[np.void]:
    """The first chord of the prompt, held to the end; the tonic triad where there is none."""
    known = chord_frames(prompt)
    _, _, classes, bass = known[0] if known else tonic_triad(melody)
    return with_prompt(prompt, [(free_from(prompt, prompt_frames), len(metre), classes, bass)])


def repeat(
    melody: NDArray[np.void], metre: NDArray[np.int32], prompt: NDArray[np.void], prompt_frames: int
) -> NDArray[np.void]:
    """The last bar of the prompt's chords, or all of them where they are shorter, again and again; else as `hold`."""
    known = chord_frames(prompt)
    start = free_from(prompt, prompt_frames)
    if not known:
        return hold(melody, metre, prompt, prompt_frames)
    period = min(int(metre[min(start, len(metre)) - 1, 1]), start - known[0][0])
    chords = [
        (max(begin, start - period) + shift, stop + shift, classes, bass)
        for shift in range(period, len(metre) - start + period, period)
        for begin, stop, classes, bass in known
    ]
    return with_prompt(prompt, clipped(chords, start, len(metre)))


def template(
    melody: NDArray[np.void], metre: NDArray[np.int32], prompt: NDArray[np.void], prompt_frames: int
) -> NDArray[np.void]:
    """Triads and sevenths that best fit the melody's own pitch classes by half bar, a price on changes (Viterbi)."""
    starts = segments(metre, free_from(prompt, prompt_frames))
    if not len(starts):
        return prompt
    tonic = estimate_key(pitch_class_histogram(melody)) or (0, False)
    weights = np.roll(melody_weights(melody, starts, len(metre)), -tonic[0], axis=1)
    chords, tones = _templates()
    costs = np.array([SEVENTH_COST * (len(classes) > 3) for classes, _ in chords])
    change = np.full((len(chords), len(chords)), -CHANGE_COST)
    np.fill_diagonal(change, 0)
    whole = weights.sum(axis=0) / max(1.0, weights.sum())
    path = viterbi((weights + CONTEXT * whole) @ tones.T - costs, change)
    return with_prompt(prompt, as_chords([chords[i] for i in path], starts, len(metre), tonic[0]))


def _templates() -> tuple[list[tuple[frozenset[int], int]], NDArray[np.float64]]:
    """The chords of all roots (pitch classes, bass), and the log share of the melody's time on each pitch class."""
    chords = [(frozenset((root + i) % 12 for i in q), root) for q in QUALITIES for root in range(12)]
    likelihood = np.empty((len(chords), 12))
    for row, (classes, _) in zip(likelihood, chords, strict=True):
        row[:] = FOREIGN / (12 - len(classes))
        row[list(classes)] = (1 - FOREIGN) / len(classes)
    return chords, np.log(likelihood)


def tonic_triad(melody: NDArray[np.void]) -> Chord:
    """The triad on the melody's tonic, C major where no key can be told; its frames are (0, 0)."""
    tonic, minor = estimate_key(pitch_class_histogram(melody)) or (0, False)
    return 0, 0, frozenset((tonic + i) % 12 for i in QUALITIES[minor]), tonic


def free_from(prompt: NDArray[np.void], prompt_frames: int) -> int:
    """The first frame that is not the prompt's: chords that begin in it ring on to their end."""
    ends: list[int] = (prompt["frame"] + prompt["duration"]).tolist()
    return max([prompt_frames, *ends])


def segments(metre: NDArray[np.int32], start: int) -> NDArray[np.int64]:
    """Frames from `start` on at which a chord may begin: half bars where the beats are even, else bars."""
    position, bar, beat = metre.T
    halved = (bar >= HALVED_BAR) & (bar // np.maximum(beat, 1) % 2 == 0)
    begins = np.flatnonzero(position % np.where(halved, bar // 2, np.maximum(bar, 1)) == 0)
    first = np.arange(start, min(start + 1, len(metre)))
    return np.concatenate((first, begins[begins > start])).astype(np.int64)


def melody_weights(melody: NDArray[np.void], starts: NDArray[np.int64], length: int) -> NDArray[np.float64]:
    """Quarter notes that each pitch class sounds in each segment: (n, 12)."""
    sums = np.add.reduceat(pitch_classes(melody, length), starts, axis=0, dtype=np.float64)
    weights: NDArray[np.float64] = sums / FRAMES_PER_QUARTER
    return weights


def viterbi(scores: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.int64]:
    """The path (n,) of the highest sum of scores (n, k) and change scores (k from, k to); ties to the lower index."""
    best = scores[0]
    back = np.zeros(scores.shape, np.int64)
    for i in range(1, len(scores)):
        arrive = best[:, None] + change
        back[i] = arrive.argmax(axis=0)
        best = arrive.max(axis=0) + scores[i]
    path = np.zeros(len(scores), np.int64)
    path[-1] = best.argmax()
    for i in range(len(scores) - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path


def as_chords(
    chosen: Sequence[tuple[frozenset[int], int]], starts: NDArray[np.int64], length: int, tonic: int
) -> list[Chord]:
    """Chords relative to a tonic, one a segment, as timed chords; equal neighbours are one chord."""
    chords: list[Chord] = []
    stops = [*starts[1:].tolist(), length]
    for (relative, root), start, stop in zip(chosen, starts.tolist(), stops, strict=True):
        classes, bass = frozenset((pc + tonic) % 12 for pc in relative), (root + tonic) % 12
        if chords and chords[-1][2:] == (classes, bass):
            chords[-1] = (chords[-1][0], stop, classes, bass)
        else:
            chords.append((start, stop, classes, bass))
    return chords


def clipped(chords: Sequence[Chord], start: int, stop: int) -> list[Chord]:
    """The chords cut to [start, stop), without those that lie outside."""
    cut = [(max(a, start), min(b, stop), classes, bass) for a, b, classes, bass in chords]
    return [c for c in cut if c[1] > c[0]]


def with_prompt(prompt: NDArray[np.void], chords: Sequence[Chord]) -> NDArray[np.void]:
    """The prompt followed by block chords."""
    return in_order(np.concatenate((prompt, block_chords([c for c in chords if c[1] > c[0]]))))


def baselines(prompted: bool) -> dict[str, Baseline]:
    """The baselines that know nothing but the song, by the name that tables show.

    Without a prompt there is no bar to repeat.
    """
    repeating: dict[str, Baseline] = {"repeat the prompt bar": repeat} if prompted else {}
    return {"hold the first chord": hold, **repeating, "template on the melody": template}
