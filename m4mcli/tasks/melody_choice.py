"""Choose among samples of a melody the one that fits the chords, goes on without long rests, and closes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.consensus import fit
from m4mcli.generation.request import Request, Sample

CANONICAL_SCALE = (0, 2, 4, 5, 7, 9, 11)
"""The pitch classes of C major and A minor."""

DENSITY, CLOSE, OUTSIDE, RESTING = 0.5, 0.5, 2.0, 2.0
"""What counts for or against a sample beside its fit of -1..2: an octave of difference in density from the others, a
close on the last chord, notes outside of key and chords as a share of all, long rests as a share of the time."""

LONG_BARS, LONG_LAST_BARS = 2, 1
"""A rest of more bars is long; one behind the last note."""

BAR = 16
"""Frames of a bar where the metre is not told."""


def by_fit(samples: Sequence[Sample], request: Request, start: int = 0) -> list[int]:
    """Indices of the samples, best first: how they fit the chords, from the frame `start` on, in canonical key.

    What counts beside the fit: that a sample is as dense as the others are, has no long rests, keeps to the tones of
    the key and the chords, and closes: on a tone of the last chord, while that sounds, for at least a beat. One without
    notes comes last.
    """
    chords = np.zeros(0, FRAME_NOTE) if request.reference is None else request.reference
    tones = np.union1d(CANONICAL_SCALE, chords["pitch"] % 12)
    usual = max(1.0, float(np.median([count(s, start) for s in samples])))
    scores = np.full(len(samples), -np.inf)
    for i, sample in enumerate(samples):
        line = sample.notes[sample.notes["frame"] >= start]
        if len(line):
            scores[i] = fit(chords, line, request.length) + CLOSE * closes(line, chords, request)
            scores[i] -= OUTSIDE * (1 - np.isin(line["pitch"] % 12, tones).mean())
            scores[i] -= DENSITY * abs(np.log2(len(line) / usual)) + RESTING * resting(sample, request, start)
    return [int(i) for i in np.argsort(-scores, kind="stable")]


def closes(line: NDArray[np.void], chords: NDArray[np.void], request: Request) -> bool:
    """Whether a line's last note is a tone of the last chord, begins with it or later, and lasts at least a beat."""
    if not len(chords):
        return False
    last = chords[chords["frame"] == chords["frame"].max()]
    ending = line[-1]
    beat = 4 if request.metre is None else int(request.metre[ending["frame"], 2])
    is_tone = ending["pitch"] % 12 in last["pitch"] % 12
    return bool(ending["frame"] >= last["frame"][0] and is_tone and ending["duration"] >= beat)


def resting(sample: Sample, request: Request, start: int = 0) -> float:
    """Share of the frames from `start` on in which notes may begin that lies in long rests."""
    line = sample.notes[sample.notes["frame"] >= start]
    edges = np.zeros(request.length + 1, np.int64)
    np.add.at(edges, np.minimum(line["frame"], request.length), 1)
    np.add.at(edges, np.minimum(line["frame"] + line["duration"], request.length), -1)
    silent = (np.cumsum(edges[:-1]) == 0) & request.begin & (np.arange(request.length) >= start)
    ends = np.flatnonzero(np.diff(np.concatenate(([0], silent.astype(np.int8), [0]))))
    begins, stops = ends[::2], ends[1::2]
    bar = BAR if request.metre is None else request.metre[begins, 1]
    lengths = stops - begins
    most = np.where(begins > line["frame"].max(initial=0), LONG_LAST_BARS, LONG_BARS)
    return float(lengths[lengths > most * bar].sum() / max(1, request.begin[start:].sum()))


def count(sample: Sample, start: int = 0) -> int:
    """How many of a sample's notes begin from the frame `start` on."""
    return int((sample.notes["frame"] >= start).sum())
