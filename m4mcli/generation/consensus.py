"""Choose among samples of a part: the likeliest, or the one that agrees most with the others and fits best."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import sounding
from m4mcli.frames.harmony import chroma
from m4mcli.generation.request import Sample
from m4mcli.theory.drum_sounds import kind_of
from m4mcli.theory.intervals import CONSONANCE

EXPECTED = 2.0
"""What an agreement of 0..1 with what is to be expected counts beside that with the other samples."""

CLOSE = 0.5
"""What a close on the tonic counts, beside an agreement of 0..1 and a fit of -1..2."""


def agreement(samples: list[Sample], length: int) -> NDArray[np.float64]:
    """(n, n) mean over `length` frames of how far two samples agree: same pitch classes, their overlap, same bass.

    The mean of the three, each 0..1; a minimum-Bayes-risk choice (Kumar and Byrne 2004) under this measure picks the
    sample with the highest row mean.
    """
    pictures = [chroma(s.notes, length) for s in samples]
    out = np.zeros((len(samples), len(samples)))
    for i, (a, bass_a) in enumerate(pictures):
        for j, (b, bass_b) in enumerate(pictures):
            both, any_of = (a * b).sum(axis=1), np.maximum(a, b).sum(axis=1)
            overlap = np.where(any_of > 0, both / np.maximum(any_of, 1), 1.0)
            same = (a == b).all(axis=1)
            bass = (bass_a == bass_b).all(axis=1)
            out[i, j] = (overlap.mean() + same.mean() + bass.mean()) / 3
    return out


def fit(notes: NDArray[np.void], melody: NDArray[np.void], length: int) -> float:
    """How well a part fits under a line, FRAME_NOTE rows both; -1..2.

    Share of the line's frames on a tone of the part, plus the mean consonance (theory.intervals.CONSONANCE) of line and
    part over the frames in which both sound.
    """
    part, _ = chroma(notes, length)
    roll = sounding(melody, length)
    line = np.flatnonzero(roll.any(axis=1))
    top = (127 - roll[line, ::-1].argmax(axis=1)) % 12
    tones = part[line]
    scores = CONSONANCE[(top[:, None] - np.arange(12)) % 12] * tones
    both = tones.any(axis=1)
    consonance = (scores.sum(axis=1)[both] / tones.sum(axis=1)[both]).mean() if both.any() else -1.0
    return float(tones[np.arange(len(line)), top].mean() + consonance) if len(line) else 0.0


def closes_on(sample: Sample, tonic: int, minor: bool) -> bool:
    """Whether what a sample strikes last has the tonic (a pitch class 0-11) lowest, and the tonic's third."""
    if not len(sample.notes):
        return False
    last = sample.notes[sample.notes["frame"] == sample.notes["frame"].max()]
    third = (tonic + (3 if minor else 4)) % 12
    return int(last["pitch"].min()) % 12 == tonic and third in last["pitch"] % 12


def by_consensus(
    samples: list[Sample],
    length: int,
    melody: NDArray[np.void] | None = None,
    close: tuple[int, bool] | None = None,
    expected: NDArray[np.float64] | None = None,
) -> list[int]:
    """Indices of the samples of `length` frames, best first.

    What counts is agreement with the others and, where it is known (n,), with what is to be `expected`; the fit under a
    melody where one is given; and the `close` (tonic, minor) where the piece is to have one.
    """
    score = agreement(samples, length).mean(axis=1)
    if expected is not None:
        score = score + EXPECTED * expected
    if melody is not None:
        score = score + np.array([fit(s.notes, melody, length) for s in samples])
    if close is not None:
        score = score + CLOSE * np.array([closes_on(s, *close) for s in samples])
    return [int(i) for i in np.argsort(-score, kind="stable")]


def by_likelihood(samples: list[Sample]) -> list[int]:
    """Indices of the samples, the likeliest per choice first."""
    score = [s.log_likelihood / max(1, s.choices) for s in samples]
    return [int(i) for i in np.argsort(-np.array(score), kind="stable")]


COMPLETE = 0.3
"""What a drum part with all of COMPLETE_KIT counts, beside an agreement of 0..1: where samples agree little, as in
metres that the model knows little, one with a backbeat is kept."""
COMPLETE_KIT = (("kick",), ("snare",), ("hat", "ride"))


def drum_picture(notes: NDArray[np.void]) -> set[tuple[int, str]]:
    """The hits of a drum part (FRAME_NOTE rows) as pairs of frame and kind of drum; percussion is told by its sound."""
    kinds = {int(p): kind if (kind := kind_of(int(p))) != "percussion" else str(p) for p in np.unique(notes["pitch"])}
    return {(frame, kinds[p]) for frame, p in zip(notes["frame"].tolist(), notes["pitch"].tolist(), strict=True)}


def completeness(hits: NDArray[np.void], often: float) -> float:
    """Which share (0..1) of kick, snare, and a cymbal that keeps time has `often` hits or more in a drum part.

    `hits` are FRAME_NOTE rows.
    """
    kinds = [kind_of(int(sound)) for sound in hits["pitch"]]
    return sum(sum(kind in which for kind in kinds) >= often for which in COMPLETE_KIT) / len(COMPLETE_KIT)


def drum_consensus(samples: list[Sample], often: float) -> int:
    """The index of the drum part that agrees most with the others, by the mean F1 of hits by frame and kind.

    `completeness` with `often` hits of a drum counts beside that.
    """
    pictures = [drum_picture(s.notes) for s in samples]
    others = max(1, len(samples) - 1)
    score = [
        sum(2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0 for j, b in enumerate(pictures) if j != i) / others
        + COMPLETE * completeness(samples[i].notes, often)
        for i, a in enumerate(pictures)
    ]
    return max(range(len(samples)), key=lambda i: (bool(pictures[i]), score[i]))
