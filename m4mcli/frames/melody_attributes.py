"""What can be said of a window of melody in one number, so that melodies may be made to have more or less of it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAMES_PER_QUARTER
from m4mcli.frames.melody_events import BAR, OFF

Events = NDArray[np.integer]


def density(events: Events) -> float:
    """Notes a bar."""
    return float((events < OFF).sum() * BAR / len(events))


def pitch(events: Events) -> float:
    """Mean pitch, in semitones; 0 without notes."""
    notes = events[events < OFF]
    return float(notes.mean()) if len(notes) else 0.0


def span(events: Events) -> float:
    """From the lowest note to the highest, in semitones."""
    notes = events[events < OFF]
    return float(np.ptp(notes)) if len(notes) else 0.0


def syncopation(events: Events) -> float:
    """Share of the notes that begin off the beat and sound on through the next one."""
    onsets = np.flatnonzero(events < OFF)
    if not len(onsets):
        return 0.0
    told = np.flatnonzero(events <= OFF)
    ends = np.append(told, len(events))[np.searchsorted(told, onsets) + 1]
    following = onsets - onsets % FRAMES_PER_QUARTER + FRAMES_PER_QUARTER
    return float(((onsets % FRAMES_PER_QUARTER != 0) & (ends > following)).mean())


ATTRIBUTES: dict[str, Callable[[Events], float]] = {
    "density": density,
    "pitch": pitch,
    "range": span,
    "syncopation": syncopation,
}
"""The attributes by name."""

FILE = "attributes.npz"
"""Where a model keeps its directions."""


def directions(windows: Events, points: NDArray[np.floating]) -> dict[str, NDArray[np.float32]]:
    """For each attribute the way (latent,) from windows with little of it to windows with much of it.

    windows (n, events), points (n, latent): the mean point of the quarter with the most less that of the quarter with
    the least, after MusicVAE's attribute vectors (arXiv 1803.05428, section 5.3).
    """
    found = {}
    for name, measure in ATTRIBUTES.items():
        order = np.argsort([measure(window) for window in windows], kind="stable")
        quarter = max(1, len(order) // 4)
        way = points[order[-quarter:]].mean(axis=0) - points[order[:quarter]].mean(axis=0)
        found[name] = way.astype(np.float32)
    return found
