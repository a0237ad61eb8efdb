"""Figures of drums against the original drums, and of an accompaniment against the drums it was made for.

Conventions: times are frames of a 16th; only onsets from `start` on count. Onsets are sets of frames: two hits of one
kind in a frame are one. A drum is a note of the instrument DRUMS.

Figures of drums
  density              hits / original hits
  F1_any, F1_kick, F1_snare, F1_hat    F1 of the onset frames of any drum, kick, snare, hi-hat; 1 when both have none
Figures of an accompaniment
  on_hit               share of its onset frames, from the first drum hit on, that hold a drum hit
  pitch_class_overlap  shared area of its and the original's pitch-class histograms, 0 to 1
  density              notes / original notes
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.notes import Figures, onsets
from m4mcli.frames.frames import DRUMS

KITS: dict[str, tuple[int, ...]] = {
    "any": tuple(range(128)),
    "kick": (35, 36),
    "snare": (37, 38, 39, 40),
    "hat": (42, 44, 46),
}
"""General MIDI sounds of each kind of drum that is measured."""


def onset_f1(ours: NDArray[np.integer], truth: NDArray[np.integer]) -> float:
    """F1 of two sets of onset frames; 1 when both are empty."""
    ours, truth = np.unique(ours), np.unique(truth)
    both = len(np.intersect1d(ours, truth, assume_unique=True))
    return 2 * both / (len(ours) + len(truth)) if len(ours) or len(truth) else 1.0


def drums_against(drums: NDArray[np.void], truth: NDArray[np.void], start: int) -> Figures:
    """Density and onset F1 of a drum part against the original. Pitched notes among `drums` count as density only."""
    made, real = drums[onsets(drums) >= start], truth[onsets(truth) >= start]
    figures: Figures = {"density": len(made) / max(1, len(real))}
    hits = made[made["instrument"] == DRUMS]
    for name, sounds in KITS.items():
        ours = hits["frame"][np.isin(hits["pitch"], sounds)]
        figures[f"F1_{name}"] = onset_f1(ours, real["frame"][np.isin(real["pitch"], sounds)])
    return figures


def pitch_class_shares(notes: NDArray[np.void]) -> NDArray[np.float64]:
    """Share of the notes on each pitch class (12,); zeros without notes."""
    return np.bincount(notes["pitch"] % 12, minlength=12) / max(1, len(notes))


def accompaniment(others: NDArray[np.void], drums: NDArray[np.void], truth: NDArray[np.void], start: int) -> Figures:
    """How the pitched notes of `others` sit on the drums, and how they compare with those of the original."""
    made, real = (n[(onsets(n) >= start) & (n["instrument"] != DRUMS)] for n in (others, truth))
    share = None
    if len(drums):
        hits = np.unique(drums["frame"][onsets(drums) >= start])
        frames = np.unique(made["frame"])
        frames = frames[frames >= onsets(drums).min()]
        share = float(np.isin(frames, hits).mean()) if len(frames) else None
    return {
        "on_hit": share,
        "pitch_class_overlap": float(np.minimum(pitch_class_shares(made), pitch_class_shares(real)).sum()),
        "density": len(made) / max(1, len(real)),
    }
