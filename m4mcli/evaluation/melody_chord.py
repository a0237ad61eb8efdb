"""Figures of chords under a melody, and of chords against the original chords.

Conventions: times are frames of a 16th, windows are [start, end). A chord at a frame is the set of pitch classes that
sound in the chord part. Figures are shares or means over frames or onsets; None where the window holds nothing to
measure.

Figures
  CTR              share of melody onsets that are chord tones, among onsets over a chord
  CTnCTR           the same, also counting a non-chord tone whose next melody note is 1 or 2 semitones away
  PCS              pitch consonance score: mean over sounding frames of +1, 0, -1 per chord tone under the melody note
  MCTD             melody-chord tonal distance: mean distance of the tonal centroids of note and chord (lower is closer)
  identical        share of frames whose pitch classes are exactly the original's, among frames with an original chord
  Jaccard          mean of shared pitch classes / all pitch classes of both, over the same frames
  bass             share of those frames whose lowest pitch class is the original's
  changes_per_bar  chord changes in 16 frames
  cover            share of frames with a chord

CTnCTR, PCS and MCTD follow Yeh et al., "Automatic melody harmonization with triad chords: a comparative study" (2021);
the tonal centroid is that of Harte, Sandler and Gasser, "Detecting harmonic change in musical audio" (2006).
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.notes import Figures, onsets, pitch_classes
from m4mcli.frames.frames import sounding
from m4mcli.theory.intervals import CONSONANCE

STEP = 2
"""The widest interval, in semitones, by which a non-chord tone is resolved."""

BAR = 16
"""Frames in which chord changes are counted."""

CIRCLES = ((1.0, 7 * np.pi / 6), (1.0, 3 * np.pi / 2), (0.5, 2 * np.pi / 3))
"""Radius and angle per semitone of the circles of fifths, minor thirds and major thirds."""

FIGURES = ("CTnCTR", "CTR", "PCS", "MCTD", "identical", "Jaccard", "bass", "changes_per_bar", "cover")
"""Every figure of `all_figures`, in the order in which tables show them."""


def tonal_centroids(classes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Tonal centroids (n, 6) of pitch-class sets (n, 12), none of them empty."""
    angle = np.arange(12)[:, None] * np.array([a for _, a in CIRCLES])
    radius = np.array([r for r, _ in CIRCLES])
    basis = np.concatenate([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    centroids: NDArray[np.float64] = (classes @ basis) / classes.sum(axis=1, keepdims=True)
    return centroids


def melody_chord(melody: NDArray[np.void], chords: NDArray[np.void], start: int, end: int) -> Figures:
    """CTR, CTnCTR, PCS and MCTD of a melody over chords. Where melody notes overlap, PCS and MCTD hear the highest."""
    chord = pitch_classes(chords, end)
    chord_tones, resolved, total = _chord_tones(melody, chord, start, end)
    roll = sounding(melody, end)
    heard = np.flatnonzero(roll.any(axis=1) & chord.any(axis=1))
    heard = heard[heard >= start]
    consonance = distance = None
    if len(heard):
        highest = 127 - roll[heard, ::-1].argmax(axis=1)
        tones = chord[heard]
        scores = CONSONANCE[(highest[:, None] - np.arange(12)) % 12] * tones
        consonance = float((scores.sum(axis=1) / tones.sum(axis=1)).mean())
        note = np.arange(12) == (highest % 12)[:, None]
        distance = float(np.linalg.norm(tonal_centroids(note) - tonal_centroids(tones), axis=1).mean())
    return {
        "CTR": chord_tones / total if total else None,
        "CTnCTR": (chord_tones + resolved) / total if total else None,
        "PCS": consonance,
        "MCTD": distance,
    }


def _chord_tones(melody: NDArray[np.void], chord: NDArray[np.bool_], start: int, end: int) -> tuple[int, int, int]:
    """Melody onsets on chord tones, non-chord tones resolved by step, and all onsets over a chord."""
    onset = onsets(melody)
    order = np.argsort(onset, kind="stable")
    line = melody[order[(onset[order] >= start) & (onset[order] < end)]]
    # An onset just before the end is rounded past it: it has no chord to be over, but it may resolve the note before.
    inside = line["frame"] < end
    frame = np.minimum(line["frame"], end - 1)
    over = inside & chord[frame].any(axis=1)
    tone = over & chord[frame, line["pitch"] % 12]
    step = np.abs(np.diff(line["pitch"].astype(np.int64), append=line["pitch"][-1:]))
    resolved = over & ~tone & (step > 0) & (step <= STEP)
    return int(tone.sum()), int(resolved.sum()), int(over.sum())


def chord_agreement(chords: NDArray[np.void], truth: NDArray[np.void], start: int, end: int) -> Figures:
    """Agreement with the original chords frame by frame: identical, Jaccard, bass."""
    ours, theirs = pitch_classes(chords, end), pitch_classes(truth, end)
    where = np.flatnonzero(theirs.any(axis=1))
    where = where[where >= start]
    if not len(where):
        return {"identical": None, "Jaccard": None, "bass": None}
    ours, theirs = ours[where], theirs[where]
    shared, either = (ours & theirs).sum(axis=1), (ours | theirs).sum(axis=1)
    # argmax is the lowest pitch that sounds, and 0 where none does.
    lowest, original = (sounding(n, end)[where].argmax(axis=1) % 12 for n in (chords, truth))
    return {
        "identical": float((ours == theirs).all(axis=1).mean()),
        "Jaccard": float((shared / either).mean()),
        "bass": float((ours.any(axis=1) & (lowest == original)).mean()),
    }


def harmonic_rhythm(chords: NDArray[np.void], start: int, end: int) -> Figures:
    """Chord changes in 16 frames, silence between chords left out, and the share of frames with a chord."""
    if end <= start:
        return {"changes_per_bar": None, "cover": None}
    sets = pitch_classes(chords, end)[start:] @ (1 << np.arange(12))
    voiced = sets[sets > 0]
    changes = int((voiced[1:] != voiced[:-1]).sum())
    return {"changes_per_bar": changes / ((end - start) / BAR), "cover": len(voiced) / len(sets)}


def all_figures(
    melody: NDArray[np.void], chords: NDArray[np.void], truth: NDArray[np.void], start: int, end: int
) -> Figures:
    """Every figure of FIGURES for one answer, in that order."""
    figures = (
        melody_chord(melody, chords, start, end)
        | chord_agreement(chords, truth, start, end)
        | harmonic_rhythm(chords, start, end)
    )
    return {name: figures[name] for name in FIGURES}
