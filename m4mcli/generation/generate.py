"""Write a part frame by frame with a network, a batch of samples at once, under rules.

Frames in which nothing may begin are read by the network together with the next frame in which something may, in one call.
Music longer than the network's window is written in overlapping windows: each begins at a bar line, reads again the last
`CONTEXT` frames of what was written, and stops `LOOKAHEAD` frames before its end, so that the reference is always seen ahead.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.fields import (
    END,
    UNKNOWN_METRE,
    active_fields,
    field_notes,
    metre_fields,
)
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order
from m4mcli.frames.harmony import (
    FEATURES,
    HISTORY_FEATURES,
    REFERENCE_FEATURES,
    history_features,
    reference_features,
)
from m4mcli.generation.rules import (
    Last,
    Rules,
    duration_mask,
    instrument_mask,
    octave_mask,
    tone_mask,
)
from m4mcli.generation.sampling import Sampling, choose
from m4mcli.models.network import Floats, FrameInputs, Integers, Network

CONTEXT = 128
LOOKAHEAD = 64
FRAME, START = 0, 1
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """What is to be written.

    `reference` FRAME_NOTE rows that are given (None: nothing); `metre` (length, 3) or None where it is not known; `begin`
    (length,) frames in which notes may begin; `fixed` (length,) frames whose notes are given by `fixed_notes`; `start_by`
    the frame by which the first note must have begun (None: it need not).
    """

    reference: NDArray[np.void] | None
    metre: NDArray[np.integer] | None
    length: int
    begin: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    fixed_notes: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, FRAME_NOTE))
    start_by: int | None = None


@dataclass(frozen=True)
class Sample:
    """A part that was written: FRAME_NOTE rows, and the log likelihood of its free choices and how many they were."""

    notes: NDArray[np.void]
    log_likelihood: float
    choices: int


class Piece:
    """One sample in the making."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.notes: list[NDArray[np.void]] = []
        self.sounds_until = 0
        self.log_likelihood = 0.0
        self.choices = 0

    def add(self, notes: NDArray[np.void]) -> None:
        if len(notes):
            self.notes.append(notes)
            self.sounds_until = max(self.sounds_until, int((notes["frame"] + notes["duration"]).max()))

    def all_notes(self) -> NDArray[np.void]:
        return np.concatenate(self.notes) if self.notes else np.zeros(0, FRAME_NOTE)


def slots(frame: NDArray[np.int64], fields: NDArray[np.int64], length: int) -> Integers:
    """Packed rows (n, 5) by frame as padded slots (length, S, 5), empty slots -1, S at least 1."""
    count = np.bincount(frame, minlength=length)
    padded = np.full((length, max(1, int(count.max(initial=0))), 5), -1, np.int64)
    place = np.arange(len(frame)) - np.repeat(np.cumsum(count) - count, count)
    padded[frame, place] = fields
    return padded


def stacked(pieces: list[Integers]) -> Integers:
    """Slots (F, S_i, 5) of several pieces as (B, F, S, 5)."""
    most = max(p.shape[1] for p in pieces)
    return np.stack([np.pad(p, ((0, 0), (0, most - p.shape[1]), (0, 0)), constant_values=-1) for p in pieces])


def part_of(notes: NDArray[np.void], start: int, stop: int) -> NDArray[np.void]:
    """Notes active in frames start..stop, counted from `start`."""
    part = notes[(notes["frame"] < stop) & (notes["frame"] + notes["duration"] > start)].copy()
    part["frame"] -= start
    return part


class Window:
    """The network's state over one window of the music, for all samples."""

    def __init__(self, network: Network, request: Request, start: int, batch: int) -> None:
        self.network, self.request, self.start, self.batch = network, request, start, batch
        self.stop = min(request.length, start + network.shape.window)
        self.past = network.shape.empty_past(batch)
        self.done = 0
        size = self.stop - start
        span = slice(start, self.stop)
        told = np.tile(np.array((0, 16, 4)), (size, 1)) if request.metre is None else request.metre[span]
        unknown = np.full((size, 3), UNKNOWN_METRE)
        self.metre = unknown.astype(np.int64) if request.metre is None else metre_fields(told)
        self.harmony = np.zeros((size, 12, REFERENCE_FEATURES), np.float32)
        self.reference = np.zeros((size, network.shape.width), np.float32)
        if request.reference is not None:
            given = part_of(request.reference, start, self.stop)
            self.harmony = reference_features(given, told, size)
            if network.shape.alignment == "aligned":
                position = np.arange(size, dtype=np.int64)[None]
                rows = slots(*active_fields(given, size), size)
                self.reference = network.encode(rows[None], self.metre[None], position)[0]

    def read_to(self, frame: int, pieces: list[Piece]) -> tuple[Floats, Floats]:
        """Let the network read all up to `frame`; hidden states (B, F, width), circles (B, F, 12, circle) of what is new."""
        first, last = self.done, frame - self.start
        count = last - first + 1
        span = slice(first, last + 1)
        notes, history = [], np.zeros((self.batch, count, 12, HISTORY_FEATURES), np.float32)
        for b, piece in enumerate(pieces):
            near = max(0, first - 80)
            written = part_of(piece.all_notes(), self.start + near, self.start + last)
            rows, fields = active_fields(written, last - near)
            padded = slots(rows, fields, last - near) if last > near else np.zeros((0, 1, 5), np.int64)
            before = np.full((1, padded.shape[1], 5), -1, np.int64)
            notes.append(np.concatenate((before, padded))[first - near :])
            known = np.ones(last + 1 - near, bool)
            history[b] = history_features(written, last + 1 - near, known)[first - near :]
        harmony = np.zeros((self.batch, count, 12, FEATURES), np.float32)
        harmony[..., :REFERENCE_FEATURES] = self.harmony[span]
        harmony[..., REFERENCE_FEATURES:] = history
        position = np.arange(first, last + 1, dtype=np.int64)
        kind = np.where(position == 0, START, FRAME).astype(np.int64)
        wide = (self.batch, count)
        inputs = FrameInputs(
            notes=stacked(notes),
            kind=np.broadcast_to(kind, wide),
            stream=np.zeros(wide, np.int64),
            metre=np.broadcast_to(self.metre[span], (*wide, 3)),
            harmony=harmony,
            position=np.broadcast_to(position, wide),
            reference=np.broadcast_to(self.reference[span], (*wide, self.network.shape.width)),
        )
        hidden, circles, self.past = self.network.frame_step(inputs, self.past)
        self.done = last + 1
        return hidden, circles


def _classes(notes: list[tuple[int, int, int, int]]) -> Floats:
    """(12, 3): pitch classes written so far in the frame, last written, first written."""
    out = np.zeros((12, 3), np.float32)
    for i, (instrument, tone, _, _) in enumerate(notes):
        if instrument != DRUMS:
            out[tone, 0] = 1
            if i == len(notes) - 1:
                out[tone, 1] = 1
            if i == 0:
                out[tone, 2] = 1
    return out


def _last(notes: list[tuple[int, int, int, int]]) -> Last:
    def pitch(n: tuple[int, int, int, int]) -> int:
        return n[1] - 12 if n[0] == DRUMS else n[1] + 12 * n[2]

    return Last(notes[-1][0], pitch(notes[-1]), pitch(notes[0]), len(notes)) if notes else Last()


def write_frame(
    network: Network,
    hidden: Floats,
    circles: Floats,
    pieces: list[Piece],
    rules: Rules,
    sampling: Sampling,
    must_begin: list[bool],
    frames_left: int,
) -> list[list[tuple[int, int, int, int]]]:
    """The notes of one frame for every sample, each note as its four fields."""
    written: list[list[tuple[int, int, int, int]]] = [[] for _ in pieces]
    active = list(range(len(pieces)))
    while active:
        lasts = [_last(written[b]) for b in active]
        chosen = np.full((len(active), 3), -1, np.int64)
        most = max(1, max(len(written[b]) for b in active))
        notes = np.full((len(active), most, 4), -1, np.int64)
        for i, b in enumerate(active):
            notes[i, : len(written[b])] = np.array(written[b], np.int64).reshape(-1, 4)
        classes = np.stack([_classes(written[b]) for b in active])
        alive = np.ones(len(active), bool)
        durations = np.zeros(len(active), np.int64)
        for index in range(4):
            rows = np.flatnonzero(alive)
            masks = []
            for i in rows:
                last, (instrument, tone, _) = lasts[i], chosen[i].tolist()
                if index == 0:
                    begin = must_begin[active[i]]
                    masks.append(instrument_mask(rules, last, must_begin=begin, may_begin=True))
                elif index == 1:
                    masks.append(tone_mask(rules, last, instrument))
                elif index == 2:
                    masks.append(octave_mask(rules, last, instrument, tone))
                else:
                    masks.append(duration_mask(frames_left))
            allowed = np.stack(masks)
            if (allowed.sum(axis=1) == 1).all():
                values = allowed.argmax(axis=1)
            else:
                at = np.array([active[i] for i in rows])
                logits = network.note_step(hidden[at], circles[at], notes[rows], chosen[rows], classes[rows])[index]
                uniforms = np.array([pieces[b].rng.random() for b in at])
                values, log_p = choose(logits, allowed, sampling, uniforms)
                for b, p in zip(at, log_p, strict=True):
                    pieces[b].log_likelihood += float(p)
                    pieces[b].choices += 1
            if index == 3:
                durations[rows] = values
            else:
                chosen[rows, index] = values
            if index == 0:
                alive = chosen[:, 0] != END
                if not alive.any():
                    break
        for i in np.flatnonzero(alive):
            instrument, tone, octave = chosen[i].tolist()
            written[active[i]].append((instrument, tone, octave, int(durations[i])))
        active = [active[i] for i in np.flatnonzero(alive)]
    return written


def generate(
    network: Network,
    request: Request,
    rules: Rules,
    sampling: Sampling,
    *,
    seed: int = 0,
    samples: int = 1,
    progress: Progress | None = None,
) -> list[Sample]:
    """Write `samples` parts. Sample i depends on the seed and i alone, not on how many are made."""
    pieces = [Piece(np.random.default_rng([seed, i])) for i in range(samples)]
    fixed_notes = in_order(request.fixed_notes)
    window = Window(network, request, 0, samples)
    for frame in range(request.length):
        if request.fixed[frame]:
            here = fixed_notes[fixed_notes["frame"] == frame]
            for piece in pieces:
                piece.add(here)
            continue
        due = request.start_by is not None and frame >= request.start_by
        silent = [p.sounds_until <= frame and (due or bool(p.notes)) for p in pieces]
        if not request.begin[frame]:
            continue
        if frame >= window.stop - (LOOKAHEAD if window.stop < request.length else 0):
            window = Window(network, request, _window_start(request, frame), samples)
        hidden, circles = window.read_to(frame, pieces)
        hidden, circles = hidden[:, -1], circles[:, -1]
        must = [rules.continuous and s for s in silent]
        left = request.length - frame
        for piece, fields in zip(
            pieces, write_frame(network, hidden, circles, pieces, rules, sampling, must, left), strict=True
        ):
            if fields:
                piece.add(field_notes(frame, np.array(fields)))
        if progress is not None:
            progress(frame + 1, request.length)
    return [Sample(in_order(p.all_notes()), p.log_likelihood, p.choices) for p in pieces]


def _window_start(request: Request, frame: int) -> int:
    start = max(0, frame - CONTEXT)
    if request.metre is None:
        return start
    position, length = (int(x) for x in request.metre[start, :2])
    return start if position == 0 else min(start - position + length, frame)
