"""The model's vocabulary on one page: a note is four fields, chosen one after another.

    field        values
    instrument   0-127 program, 128 drums, 129 END (no more notes in this frame)
    tone         0-11 pitch class of a pitched note, 12-139 drum sound 0-127
    octave       0-10, pitch // 12 (0 for drums)
    duration     index into DURATIONS, frames of a 16th

A note that sounds on from an earlier frame (`HELD`) is described by the same fields, its duration being what remains.
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import DRUMS, FRAME_NOTE

END = 129
TONES = 12 + 128
OCTAVES = 11
DURATIONS = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24, 32, 48, 64])
SIZES = (END + 1, TONES, OCTAVES, len(DURATIONS))
"""How many values each field has: instrument, tone, octave, duration."""

ONSET, HELD = 0, 1
MAX_NOTES = 16
"""Notes of one frame that the model reads and writes at most."""

MAX_HELD = 64
"""Frames after which a note that is still held is no longer told to the model."""

UNKNOWN_METRE = 64
"""Metre value of a frame whose metre is not told; known values are below it."""


def duration_index(frames: NDArray[np.integer]) -> NDArray[np.int64]:
    """Index of the nearest entry of DURATIONS, ties to the shorter: 9 -> index of 8."""
    middle = (DURATIONS[1:] + DURATIONS[:-1]) / 2
    return np.searchsorted(middle, frames, side="left").astype(np.int64)


def note_fields(notes: NDArray[np.void]) -> NDArray[np.int64]:
    """Fields of FRAME_NOTE rows: (n, 4) of instrument, tone, octave, duration index."""
    drums = notes["instrument"] == DRUMS
    pitch = notes["pitch"].astype(np.int64)
    return np.stack(
        [
            notes["instrument"].astype(np.int64),
            np.where(drums, 12 + pitch, pitch % 12),
            np.where(drums, 0, pitch // 12),
            duration_index(notes["duration"]),
        ],
        axis=1,
    )


def field_notes(frame: int, fields: NDArray[np.integer]) -> NDArray[np.void]:
    """FRAME_NOTE rows of one frame from (n, 4) fields: the inverse of note_fields."""
    notes = np.zeros(len(fields), FRAME_NOTE)
    drums = fields[:, 0] == DRUMS
    notes["frame"] = frame
    notes["instrument"] = fields[:, 0]
    notes["pitch"] = np.where(drums, fields[:, 1] - 12, fields[:, 1] + 12 * fields[:, 2])
    notes["duration"] = DURATIONS[fields[:, 3]]
    return notes


def thinned(notes: NDArray[np.void]) -> NDArray[np.void]:
    """Notes with at most MAX_NOTES in a frame: in fuller frames every k-th, lowest and highest kept."""
    frames, first, count = np.unique(notes["frame"], return_index=True, return_counts=True)
    if not len(frames) or count.max() <= MAX_NOTES:
        return notes
    keep = np.ones(len(notes), bool)
    for start, n in zip(first[count > MAX_NOTES], count[count > MAX_NOTES], strict=True):
        keep[start : start + n] = False
        keep[start + np.linspace(0, n - 1, MAX_NOTES).round().astype(int)] = True
    return notes[keep]


def active_fields(notes: NDArray[np.void], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every note in every frame in which it is active.

    Returns the frame of each row (n,) and its fields (n, 5): the four fields and ONSET or HELD. Rows are in order of
    frame. The sum over a frame's rows is all that the model reads of it, so their order within a frame is free.
    """
    span = np.where(notes["instrument"] == DRUMS, 1, np.minimum(notes["duration"], MAX_HELD + 1))
    row = np.repeat(np.arange(len(notes)), span)
    age = np.arange(len(row)) - np.repeat(np.cumsum(span) - span, span)
    frame = notes["frame"][row].astype(np.int64) + age
    inside = (frame >= 0) & (frame < length)
    row, age, frame = row[inside], age[inside], frame[inside]
    fields = np.empty((len(row), 5), np.int64)
    fields[:, :4] = note_fields(notes)[row]
    fields[:, 3] = duration_index(notes["duration"][row] - age)
    fields[:, 4] = np.where(age > 0, HELD, ONSET)
    order = np.argsort(frame, kind="stable")
    return frame[order], fields[order]


def metre_fields(metre: NDArray[np.integer]) -> NDArray[np.int64]:
    """Metre (n, 3) of position, bar length, beat length in frames, as model input: longer values are one value."""
    return np.asarray(np.minimum(metre, UNKNOWN_METRE - 1), np.int64)
