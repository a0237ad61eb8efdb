"""The network's state over one window of the music: it reads what is given first, then what is written."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.fields import UNKNOWN_METRE, active_fields, metre_fields
from m4mcli.frames.frames import DRUMS
from m4mcli.frames.harmony import (
    FEATURES,
    HISTORY_FEATURES,
    PAST,
    REFERENCE_FEATURES,
    chroma,
    history,
    reference_features,
)
from m4mcli.generation.request import Piece, Request
from m4mcli.models.network import Floats, FrameInputs, Integers, Network, Past

FRAME, START = 0, 1
TARGET, REFERENCE = 0, 1
FREE_METRE = (0, 16, 4)
"""What stands for the metre where it is not told: 16 frames from here on."""

MOST = 128
"""Notes of a frame that the network reads: what sounds at once in a tutti, and not in a wall of a million notes."""

NEAR = PAST + 16
"""Frames of what was written that are enough to describe the next one."""


def slots(frame: NDArray[np.int64], fields: NDArray[np.int64], length: int) -> Integers:
    """Packed rows (n, 5) by frame as padded slots (length, S, 5), empty slots -1, S from 1 to MOST.

    Of a fuller frame every k-th row is kept.
    """
    count = np.bincount(frame, minlength=length)
    place = np.arange(len(frame)) - np.repeat(np.cumsum(count) - count, count)
    if count.max(initial=0) > MOST:
        full = np.maximum(count, MOST)[frame]
        kept = place * MOST % full < MOST
        frame, fields, place = frame[kept], fields[kept], (place * MOST // full)[kept]
    padded = np.full((length, int(np.clip(count.max(initial=0), 1, MOST)), 5), -1, np.int64)
    padded[frame, place] = fields
    return padded


def part_of(notes: NDArray[np.void], start: int, stop: int) -> NDArray[np.void]:
    """Notes active in frames start..stop, counted from `start`."""
    inside = (notes["frame"] < stop) & (notes["frame"] + notes["duration"] > start)
    part: NDArray[np.void] = notes[inside].copy()
    part["frame"] -= start
    return part


@dataclass(frozen=True)
class Given:
    """A reference as the network's form of alignment reads it: B pieces, F frames of the window.

    `vectors` (F, width) are added to the target's frames; `past` are keys and values in front of the target's own;
    `memory` those that each layer attends to besides. What a form does not use is zeros or empty.
    """

    vectors: Floats
    past: Past
    memory: tuple[Floats, ...] = ()


def read_given(network: Network, notes: NDArray[np.void] | None, metre: Integers, batch: int) -> Given:
    """Let the network read a window's reference; `notes` are FRAME_NOTE rows or None, `metre` (F, 3) as model input."""
    size, shape = len(metre), network.shape
    nothing = Given(np.zeros((size, shape.width), np.float32), shape.empty_past(batch))
    if notes is None or shape.alignment == "none":
        return nothing
    rows = slots(*active_fields(notes, size), size)[None]
    position = np.arange(size, dtype=np.int64)[None]
    if shape.alignment == "aligned":
        (vectors,) = network.encode(rows, metre[None], position)
        return Given(vectors[0], nothing.past)
    if shape.alignment == "cross":
        memory = network.encode(rows, metre[None], position)
        return Given(nothing.vectors, nothing.past, tuple(np.repeat(m, batch, axis=0) for m in memory))
    inputs = FrameInputs(
        notes=rows,
        kind=np.full((1, size), FRAME, np.int64),
        stream=np.full((1, size), REFERENCE, np.int64),
        metre=metre[None],
        harmony=np.zeros((1, size, 12, FEATURES), np.float32),
        position=position,
        reference=nothing.vectors[None],
    )
    _, _, past = network.frame_step(inputs, shape.empty_past(1))
    return Given(nothing.vectors, past.repeated(batch))


class Window:
    """The network's state over the frames from `start` on, for all samples; at most as many as it was trained on."""

    def __init__(self, network: Network, request: Request, start: int, batch: int) -> None:
        self.network, self.start, self.batch = network, start, batch
        self.stop = min(request.length, start + network.shape.window)
        self.done = 0
        size = self.stop - start
        told = np.tile(np.array(FREE_METRE), (size, 1))
        self.metre = np.full((size, 3), UNKNOWN_METRE, np.int64)
        if request.metre is not None:
            told = request.metre[start : self.stop]
            self.metre = metre_fields(told)
        self.harmony = np.zeros((size, 12, REFERENCE_FEATURES), np.float32)
        notes = None
        if request.reference is not None:
            notes = part_of(request.reference, start, self.stop)
            self.harmony = reference_features(notes, told, size)
        self.given = read_given(network, notes, self.metre, batch)
        self.past = self.given.past

    def read_to(self, frame: int, pieces: list[Piece]) -> tuple[Floats, Floats]:
        """Let the network read all up to `frame`, with what the pieces hold before it.

        Returns hidden states (B, F, width) and circles (B, F, 12, circle) of the frames that are new.
        """
        first, last = self.done, frame - self.start
        span, count = slice(first, last + 1), last + 1 - first
        wide = (self.batch, count)
        notes, history = self._written(pieces, first, last)
        harmony = np.zeros((*wide, 12, FEATURES), np.float32)
        harmony[..., :REFERENCE_FEATURES] = self.harmony[span]
        harmony[..., REFERENCE_FEATURES:] = history
        position = np.arange(first, last + 1, dtype=np.int64)
        kind = np.where(position == 0, START, FRAME).astype(np.int64)
        inputs = FrameInputs(
            notes=notes,
            kind=np.repeat(kind[None], self.batch, axis=0),
            stream=np.full(wide, TARGET, np.int64),
            metre=np.repeat(self.metre[None, span], self.batch, axis=0),
            harmony=harmony,
            position=np.repeat(position[None], self.batch, axis=0),
            reference=np.repeat(self.given.vectors[None, span], self.batch, axis=0),
        )
        hidden, circles, self.past = self.network.frame_step(inputs, self.past, self.given.memory)
        self.done = last + 1
        return hidden, circles

    def _written(self, pieces: list[Piece], first: int, last: int) -> tuple[Integers, Floats]:
        """Pieces before each of the frames first..last: slots (B, F, S, 5), features (B, F, 12, HISTORY_FEATURES)."""
        near = max(0, first - NEAR)
        size = last + 1 - near
        begin, end = self.start + near, self.start + last
        parts = [part_of(piece.sounding_from(begin), begin, end) for piece in pieces]
        # All in one row of frames, so far from each other that no note of one reaches into another.
        apart = size + max((int(p["duration"].max()) for p in parts if len(p)), default=0)
        for b, part in enumerate(parts):
            part["frame"] += b * apart
        row = np.concatenate(parts)
        count = last + 1 - first
        shape = (len(pieces), apart, 12)
        told_before = np.zeros((len(pieces), count, 12, HISTORY_FEATURES), np.float32)
        if (row["instrument"] != DRUMS).any():
            now, lowest = (x.reshape(shape)[:, :size] for x in chroma(row, len(pieces) * apart))
            told_before = history(now, lowest)[:, first - near :]
        # A frame is told what was written in the one before it.
        recent = row["frame"] % apart + row["duration"] >= first - near
        frame, fields = active_fields(row[recent], len(pieces) * apart)
        at, told = frame // apart, frame % apart + 1 + near - first
        seen = (told >= 0) & (told <= last - first)
        before = slots(at[seen] * count + told[seen], fields[seen], len(pieces) * count)
        return before.reshape(len(pieces), count, -1, 5), told_before
