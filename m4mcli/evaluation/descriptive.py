"""Figures of one piece by the definitions of MusPy (Dong et al., 2020), which much of the field reports.

Figures
  pitch_range, pitches, pitch_classes   semitones from the lowest to the highest pitch; how many different ones
  pitch_entropy, pitch_class_entropy    Shannon entropy of their histograms, in bits
  scale_consistency                     share of the notes in the best of the 24 major and minor scales
  pitch_in_scale_rate                   share of the notes in the scale of the piece's own key
  polyphony                             mean number of pitches where any sounds
  polyphony_rate                        share of the steps in which more than two pitches sound
  empty_beat_rate, empty_measure_rate   share of the quarters, of the bars in which nothing sounds
  groove_consistency                    1 less the mean share of steps on which only one of two neighbouring bars has an
                                        onset
  drum_in_pattern_rate                  share of the drums on 16ths, in compound metres on triplet 8ths
  drum_pattern_consistency              the larger of both shares

Drums have no pitches. Steps are 24ths of a quarter note, and no note is shorter than one. A beat or a bar in which a
note ends counts as sounding, even if it ends where that begins, and the piece has one more of them where it ends with
one: so does MusPy. Unlike there, bars are the piece's own, also where the metre changes. A figure is None where there
is nothing to measure.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.stepped import PER_QUARTER, Stepped, Steps

MAJOR = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], np.bool_)
MINOR = np.array([1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0], np.bool_)
MANY = 2
"""More pitches than these at once count for polyphony_rate."""

FIGURES = (
    "pitch_range",
    "pitches",
    "pitch_classes",
    "pitch_entropy",
    "pitch_class_entropy",
    "scale_consistency",
    "pitch_in_scale_rate",
    "polyphony",
    "polyphony_rate",
    "empty_beat_rate",
    "empty_measure_rate",
    "groove_consistency",
    "drum_in_pattern_rate",
    "drum_pattern_consistency",
)


def descriptive(piece: Stepped) -> Figures:
    """FIGURES of a piece."""
    pitches = piece.pitches
    classes = np.bincount(pitches % 12, minlength=12)
    scales = in_scales(classes)
    pattern = _in_pattern(piece)
    figures: Figures = {
        "pitch_range": float(np.ptp(pitches)) if len(pitches) else None,
        "pitches": float(len(np.unique(pitches))) if len(pitches) else None,
        "pitch_classes": float(np.count_nonzero(classes)) if len(pitches) else None,
        "pitch_entropy": entropy(np.bincount(pitches, minlength=128)),
        "pitch_class_entropy": entropy(classes),
        "scale_consistency": float(scales.max()) if len(pitches) else None,
        "pitch_in_scale_rate": None if piece.key is None else float(scales[int(piece.key[1]), piece.key[0]]),
        **_polyphony(piece),
        "empty_beat_rate": _empty(piece, np.arange(piece.length // PER_QUARTER + 2) * PER_QUARTER),
        "empty_measure_rate": _empty(piece, bar_edges(piece)),
        "groove_consistency": groove_consistency(piece),
        "drum_in_pattern_rate": None if pattern is None else pattern[int(piece.compound)],
        "drum_pattern_consistency": None if pattern is None else max(pattern),
    }
    return figures


def entropy(histogram: NDArray[np.integer]) -> float | None:
    """Shannon entropy in bits of a histogram; None for an empty one."""
    total = histogram.sum()
    if not total:
        return None
    shares = histogram[histogram > 0] / total
    return abs(float(-(shares * np.log2(shares)).sum()))


def in_scales(classes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Share of the notes of a pitch-class histogram (12,) in each major and natural minor scale: (2, 12) by tonic."""
    total = max(1, int(classes.sum()))
    return np.array([[classes[np.roll(scale, root)].sum() / total for root in range(12)] for scale in (MAJOR, MINOR)])


def bar_edges(piece: Stepped) -> Steps:
    """Where bars begin and end, with one more bar where the piece ends at the end of one."""
    edges = piece.edges
    if edges[-1] <= piece.length:
        edges = np.append(edges, 2 * edges[-1] - edges[-2])
    return edges


def _polyphony(piece: Stepped) -> Figures:
    """How many pitches sound at once; notes of one pitch that overlap count once."""
    if not piece.length:
        return {"polyphony": None, "polyphony_rate": None}
    begin, stop = _apart(piece.onset[~piece.drum], piece.end[~piece.drum], piece.pitches)
    changes = np.bincount(begin, minlength=piece.length + 1) - np.bincount(stop, minlength=piece.length + 1)
    sounding = np.cumsum(changes)[: piece.length]
    heard = np.count_nonzero(sounding)
    return {
        "polyphony": float(sounding.sum() / heard) if heard else None,
        "polyphony_rate": float(np.count_nonzero(sounding > MANY) / piece.length),
    }


def _apart(onset: Steps, end: Steps, pitch: Steps) -> tuple[Steps, Steps]:
    """Begins and ends of the spans in which each pitch sounds, those that overlap joined."""
    span = int(end.max(initial=0)) + 1
    order = np.argsort(pitch * span + onset, kind="stable")
    begin, stop = (pitch * span + onset)[order], (pitch * span + end)[order]
    reach = np.maximum.accumulate(stop) if len(stop) else stop
    fresh = np.ones(len(begin), np.bool_)
    fresh[1:] = begin[1:] >= reach[:-1]
    begins = begin[fresh]
    ends = np.append(reach[:-1][fresh[1:]], reach[-1:])
    return begins % span, ends % span


def _empty(piece: Stepped, edges: Steps) -> float | None:
    if not piece.length:
        return None
    count = len(edges) - 1
    first = np.searchsorted(edges, piece.onset, side="right") - 1
    last = np.searchsorted(edges, piece.end, side="right") - 1
    changes = np.bincount(first, minlength=count + 1) - np.bincount(last + 1, minlength=count + 1)[: count + 1]
    return float(np.count_nonzero(np.cumsum(changes)[:count] == 0) / count)


def onset_bars(piece: Stepped) -> list[NDArray[np.bool_]]:
    """For each bar, on which of its steps a note begins."""
    edges = bar_edges(piece)
    struck = np.zeros(int(edges[-1]) + 1, np.bool_)
    struck[piece.onset] = True
    return [struck[a:b] for a, b in pairwise(edges.tolist())]


def groove_consistency(piece: Stepped) -> float | None:
    """Likeness of neighbouring bars of one length; None without any."""
    if not piece.length:
        return None
    found = onset_bars(piece)
    pairs = [(a, b) for a, b in pairwise(found) if len(a) == len(b)]
    differing = [np.count_nonzero(a != b) / len(a) for a, b in pairs]
    return float(1 - np.mean(differing)) if pairs else None


def _in_pattern(piece: Stepped) -> tuple[float, float] | None:
    """Share of the drums on 16ths, on triplet 8ths."""
    onsets = piece.onset[piece.drum] % PER_QUARTER
    if not len(onsets):
        return None
    return float((onsets % (PER_QUARTER // 4) == 0).mean()), float((onsets % (PER_QUARTER // 3) == 0).mean())
