"""Music of any length for the benchmarks, made by rule and always the same."""

import numpy as np

from m4mcli.score.score import Score, Track, notes_array
from m4mcli.score.write import score_to_midi

SCALE = np.array([60, 62, 64, 65, 67, 69, 71, 72])
LENGTHS = {"short": 24, "song": 150, "half-hour": 900}
"""Bars of 4/4 at 120 beats a minute: 48 seconds, 5 minutes, 30 minutes."""

SECONDS_PER_BAR = 2.0


def song(bars: int, seed: int = 0) -> bytes:
    """A melody of eighths, at random up and down a scale, over a bass of whole notes."""
    rng = np.random.default_rng(seed)
    melody = [(240 * i, 240, int(p), 80) for i, p in enumerate(rng.choice(SCALE, 8 * bars))]
    bass = [(1920 * i, 1920, int(p) - 24, 70) for i, p in enumerate(rng.choice(SCALE, bars))]
    tracks = (Track("Melody", 0, notes=notes_array(melody)), Track("Bass", 33, notes=notes_array(bass)))
    return score_to_midi(Score(480, tracks))
