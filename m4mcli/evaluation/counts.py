"""Baselines that have read the training songs: how often each chord stands on the tonic's scale, under which tones.

`count_chords` counts, per mode and by half bar, chords relative to the estimated tonic, the melody's pitch classes over
each, and which chord follows which. One baseline takes the likeliest chord of each half bar by itself, the other the
likeliest sequence, as Simon, Morris and Basu, "MySong: automatic accompaniment generation for vocal melodies" (2008).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.evaluation.baselines import (
    Baseline,
    as_chords,
    free_from,
    melody_weights,
    segments,
    viterbi,
    with_prompt,
)
from m4mcli.evaluation.notes import pitch_classes
from m4mcli.frames.canonical import pitch_class_histogram
from m4mcli.frames.frames import sounding
from m4mcli.theory.keys import estimate_key

CHORDS = 48
"""Different chords that are kept for each mode, the commonest."""

TONES_SEEN = 60
CHANGES_SEEN = 20
"""Quarter notes of melody, and changes, that each chord is credited with beforehand, spread as over all chords."""

EVIDENCE = 2.0
"""Weight of the melody's tones against what is usual; with the two above chosen on training songs of nottingham."""

Relative = tuple[frozenset[int], int]
"""Pitch classes and bass in semitones above the tonic."""


@dataclass(frozen=True)
class ModeCounts:
    """One mode's k chords, and logarithms of shares: of chords (k,), tones over each (k, 12), changes (k, k)."""

    chords: tuple[Relative, ...]
    prior: NDArray[np.float64]
    tones: NDArray[np.float64]
    changes: NDArray[np.float64]


@dataclass(frozen=True)
class ChordCounts:
    """Counts of both modes; a mode that the songs did not have is counted over all of them."""

    major: ModeCounts
    minor: ModeCounts


def count_chords(pieces: Iterable[PackedPiece]) -> ChordCounts | None:
    """Count the chords of pieces with a melody and chords; None if there are none."""
    modes: tuple[list[_Song], list[_Song]] = ([], [])
    for piece in pieces:
        melody, chords = piece.part("melody"), piece.part("chord")
        key = estimate_key(pitch_class_histogram(melody))
        if len(chords) and key is not None:
            modes[key[1]].append(_song(piece, melody, chords, key[0]))
    if not any(modes):
        return None
    major, minor = (_mode_counts(songs or modes[0] + modes[1]) for songs in modes)
    return ChordCounts(major, minor)


_Song = tuple[list[Relative], NDArray[np.float64]]


def _song(piece: PackedPiece, melody: NDArray[np.void], chords: NDArray[np.void], tonic: int) -> _Song:
    """The chord at the middle of each half bar that has one, and the melody's weights there, relative to the tonic."""
    starts = segments(piece.metre(), 0)
    middle = (starts + np.append(starts[1:], piece.length)) // 2
    classes = pitch_classes(chords, piece.length)[middle]
    lowest = sounding(chords, piece.length)[middle].argmax(axis=1)
    weights = np.roll(melody_weights(melody, starts, piece.length), -tonic, axis=1)
    some = classes.any(axis=1)
    chosen = [
        (frozenset(((np.flatnonzero(row) - tonic) % 12).tolist()), int(bass - tonic) % 12)
        for row, bass in zip(classes[some], lowest[some], strict=True)
    ]
    return chosen, weights[some]


def _mode_counts(songs: list[_Song]) -> ModeCounts:
    tally = Counter(chord for chosen, _ in songs for chord in chosen)
    order = sorted(tally, key=lambda c: (-tally[c], sorted(c[0]), c[1]))[:CHORDS]
    index = {chord: i for i, chord in enumerate(order)}
    k = len(order)
    prior = np.array([tally[c] for c in order], np.float64)
    usual = 1 + np.sum([weights.sum(axis=0) for _, weights in songs], axis=0)
    tones = np.tile(TONES_SEEN * usual / usual.sum(), (k, 1))
    changes = np.tile(CHANGES_SEEN * prior / prior.sum(), (k, 1))
    for chosen, weights in songs:
        kept = [(index[c], w) for c, w in zip(chosen, weights, strict=True) if c in index]
        for i, w in kept:
            tones[i] += w
        for (a, _), (b, _) in pairwise(kept):
            changes[a, b] += 1
    shares = [np.log(x / x.sum(axis=-1, keepdims=True)) for x in (prior, tones, changes)]
    return ModeCounts(tuple(order), *shares)


def counted_baselines(counts: ChordCounts) -> dict[str, Baseline]:
    """The baselines on these counts, by the name that tables show."""
    return {
        "commonest chord on the degree": _counted(counts, sequence=False),
        "hidden Markov model": _counted(counts, sequence=True),
    }


def _counted(counts: ChordCounts, *, sequence: bool) -> Baseline:
    def answer(
        melody: NDArray[np.void], metre: NDArray[np.int32], prompt: NDArray[np.void], prompt_frames: int
    ) -> NDArray[np.void]:
        starts = segments(metre, free_from(prompt, prompt_frames))
        if not len(starts):
            return prompt
        tonic, minor = estimate_key(pitch_class_histogram(melody)) or (0, False)
        mode = counts.minor if minor else counts.major
        weights = np.roll(melody_weights(melody, starts, len(metre)), -tonic, axis=1)
        scores = EVIDENCE * weights @ mode.tones.T
        if sequence:
            scores[0] += mode.prior
            path = viterbi(scores, mode.changes)
        else:
            path = (scores + mode.prior).argmax(axis=1)
        return with_prompt(prompt, as_chords([mode.chords[i] for i in path], starts, len(metre), tonic))

    return answer
