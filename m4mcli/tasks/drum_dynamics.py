"""Velocities of a drum part: the music's own dynamics, the metre, and what each drum does in it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metre import Bar
from m4mcli.score.score import Score
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.placement import bar_beats
from m4mcli.theory.drum_sounds import kind_of

LOUDER = {"kick": 8, "snare": 10, "hat": -8, "tom": 4, "ride": -4, "crash": 14, "percussion": -6}
"""What each kind of drum adds to the velocity of a pitched part."""

WEAK = {"hat": -10, "ride": -8, "percussion": -6, "snare": -14, "tom": -4, "kick": -5, "crash": -4}
"""What is added between two eighths, where drummers play ghost notes."""

OFF_BEAT = {"hat": -5, "ride": -3}
"""What is added on the eighths between two beats."""


def drum_velocities(
    onsets: NDArray[np.int64], sounds: NDArray[np.integer], bars: Sequence[Bar], like: Score, louder: float = 0.0
) -> NDArray[np.int64]:
    """Velocities 1-127 (n,) of drum hits at the ticks `onsets` (n,), `sounds` 0-127; `louder` is added to all.

    Hits repeated by hands that alternate differ a little: the second of two is softer.
    """
    onsets = np.asarray(onsets, np.int64)
    base = velocities(onsets, bars, like).astype(np.float64)
    beats = np.array([tick for index in range(len(bars)) for tick in bar_beats(bars, index, like.tpq)], np.int64)
    place = np.searchsorted(beats, onsets, side="right") - 1
    start = beats[np.maximum(place, 0)]
    following = np.where(place + 1 < len(beats), beats[np.minimum(place + 1, len(beats) - 1)], start + like.tpq)
    part = (onsets - start) / np.maximum(1, following - start)
    on_beat, half = part < 0.02, np.abs(part - 0.5) < 0.18
    kinds = [kind_of(int(sound)) for sound in sounds]
    add = np.array([LOUDER[kind] for kind in kinds], np.float64)
    add += np.where(~on_beat & ~half, [WEAK[kind] for kind in kinds], 0)
    add += np.where(half, [OFF_BEAT.get(kind, 0) for kind in kinds], 0)
    add += 3.0 * _alternate(onsets, sounds)
    return np.clip(np.rint(base + add + louder), 1, 127).astype(np.int64)


def _alternate(onsets: NDArray[np.int64], sounds: NDArray[np.integer]) -> NDArray[np.float64]:
    """1 and -1 by turns over the hits of each sound, in order of time."""
    turn = np.zeros(len(onsets))
    for sound in np.unique(sounds):
        own = np.flatnonzero(sounds == sound)
        turn[own[np.argsort(onsets[own], kind="stable")]] = np.where(np.arange(len(own)) % 2, -1.0, 1.0)
    return turn
