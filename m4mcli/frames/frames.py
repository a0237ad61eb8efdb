"""Time in 16th-note frames: notes and metre of a piece as the model sees them.

A frame is a quarter of a quarter note of the file's own ticks, so tempo changes cost nothing. Onsets are rounded to the
nearest frame, durations to at least one frame. What is finer than a 16th (triplets, ornaments) is not represented.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metre import Bar
from m4mcli.score.score import Track

FRAMES_PER_QUARTER = 4
DRUMS = 128
"""The instrument number of every drum track, beside the programs 0-127."""

FRAME_NOTE = np.dtype([("frame", "i4"), ("instrument", "i2"), ("pitch", "i2"), ("duration", "i4")])
"""One note: onset frame, instrument (program, or DRUMS), MIDI pitch (or drum sound), duration in frames."""


def frame_of(tick: float, tpq: int) -> int:
    """The frame nearest to a tick."""
    return math.floor(tick * FRAMES_PER_QUARTER / tpq + 0.5)


def tick_of(frame: int, tpq: int) -> int:
    """The tick of a frame's start."""
    return math.floor(frame * tpq / FRAMES_PER_QUARTER + 0.5)


def track_frames(tracks: Iterable[Track], tpq: int) -> NDArray[np.void]:
    """All notes of some tracks as FRAME_NOTE, by frame, instrument, pitch; of doubled notes the longest."""
    parts = []
    for track in tracks:
        part = np.zeros(len(track.notes), FRAME_NOTE)
        onset, end = track.notes["onset"], track.notes["onset"] + track.notes["duration"]
        part["frame"] = np.floor(onset * FRAMES_PER_QUARTER / tpq + 0.5)
        part["duration"] = np.maximum(1, np.floor(end * FRAMES_PER_QUARTER / tpq + 0.5) - part["frame"])
        part["instrument"] = DRUMS if track.is_drum else track.program
        part["pitch"] = track.notes["pitch"]
        parts.append(part)
    return in_order(np.concatenate(parts)) if parts else np.zeros(0, FRAME_NOTE)


def in_order(notes: NDArray[np.void]) -> NDArray[np.void]:
    """Notes ordered by frame, instrument, pitch, each (frame, instrument, pitch) once with its longest duration."""
    notes = np.take(notes, np.lexsort((-notes["duration"], notes["pitch"], notes["instrument"], notes["frame"])))
    if len(notes) < 2:
        return notes
    same = (
        (notes["frame"][1:] == notes["frame"][:-1])
        & (notes["instrument"][1:] == notes["instrument"][:-1])
        & (notes["pitch"][1:] == notes["pitch"][:-1])
    )
    return notes[np.concatenate(([True], ~same))]


def metre_frames(bars: Iterable[Bar], tpq: int, length: int) -> NDArray[np.int32]:
    """Metre of each frame: (length, 3) of position in the bar, bar length, beat length, all in frames."""
    metre = np.zeros((length, 3), np.int32)
    stop = 0
    for bar in bars:
        start = frame_of(bar.tick, tpq)
        stop = frame_of(bar.tick + bar.length, tpq)
        if start >= length or stop <= start:
            continue
        metre[start:stop, 0] = np.arange(min(stop, length) - start)
        metre[start:stop, 1] = stop - start
        metre[start:stop, 2] = max(1, frame_of(bar.beat_length, tpq))
    if stop < length:
        metre[stop:, 0] = np.arange(length - stop) % 16
        metre[stop:, 1:] = (16, 4)
    return metre


def sounding(notes: NDArray[np.void], length: int) -> NDArray[np.bool_]:
    """Which pitches sound in each frame: (length, 128). Drums do not count."""
    steps = np.zeros((length + 1, 128), np.int32)
    pitched = notes[(notes["instrument"] != DRUMS) & (notes["frame"] < length)]
    start = np.maximum(pitched["frame"], 0)
    stop = np.clip(pitched["frame"] + pitched["duration"], 0, length)
    np.add.at(steps, (start, pitched["pitch"]), 1)
    np.add.at(steps, (np.maximum(stop, start), pitched["pitch"]), -1)
    return np.cumsum(steps, axis=0)[:length] > 0
