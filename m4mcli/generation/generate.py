"""Write a part frame by frame with a network, a batch of samples at once, under rules.

Frames in which nothing may begin are read by the network together with the next frame in which something may, in one
call. Music longer than the network's window is written in overlapping windows: each begins at a bar line, reads again
the last `CONTEXT` frames of what was written, and stops `LOOKAHEAD` frames before its end, so that the reference is
always seen ahead. Memory does not grow with the music.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.fields import END, SIZES, field_notes
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order
from m4mcli.generation.guidance import Guided, GuidedWindow
from m4mcli.generation.request import Piece, Progress, Request, Sample, Written
from m4mcli.generation.rules import Last, Mask, Masks, Rules
from m4mcli.generation.sampling import Sampling, choose
from m4mcli.generation.window import Window
from m4mcli.models.network import Floats, Integers, Network

CONTEXT = 128
LOOKAHEAD = 64

Note = tuple[int, int, int, int]
"""Instrument, tone, octave and index of the duration."""


def context(window: int) -> int:
    """Frames of what was written that the next window reads again: CONTEXT, in small windows half of them."""
    return min(CONTEXT, window // 2)


def lookahead(window: int) -> int:
    """Frames at a window's end that are left to the next one: LOOKAHEAD, in small windows a quarter of them."""
    return min(LOOKAHEAD, window // 4)


def _classes(notes: list[list[Note]]) -> Floats:
    """(rows, 12, 3): pitch classes written so far in the frame by each piece, last written, first written."""
    out = np.zeros((len(notes), 12, 3), np.float32)
    for row, written in zip(out, notes, strict=True):
        for i, (instrument, tone, _, _) in enumerate(written):
            if instrument != DRUMS:
                row[tone, 0] = 1
                if i == len(written) - 1:
                    row[tone, 1] = 1
                if i == 0:
                    row[tone, 2] = 1
    return out


def _last(notes: list[Note]) -> Last:
    def pitch(n: Note) -> int:
        return n[1] - 12 if n[0] == DRUMS else n[1] + 12 * n[2]

    if not notes:
        return Last()
    own = sum(n[0] == notes[-1][0] for n in notes)
    return Last(notes[-1][0], pitch(notes[-1]), pitch(notes[0]), len(notes), own)


def _padded(notes: list[list[Note]]) -> Integers:
    """(rows, K, 4) of the notes of several pieces, empty slots -1, K at least 1."""
    out = np.full((len(notes), max(1, *(len(n) for n in notes)), 4), -1, np.int64)
    for row, written in zip(out, notes, strict=True):
        row[: len(written)] = np.array(written, np.int64).reshape(-1, 4)
    return out


class Told:
    """What the network says of the next note of some samples, asked as late as may be, and of each sample once.

    Where only one instrument may play, the tone is asked for it together with the instrument.
    """

    def __init__(self, network: Network, hidden: Floats, circles: Floats, notes: Integers, classes: Floats) -> None:
        self.network, self.notes, self.frame, self.classes = network, notes, (hidden, circles), classes
        self.state: Floats | None = None
        self.tone = np.zeros((len(notes), SIZES[1]), np.float32)
        self.tone_of = np.full(len(notes), -1, np.int64)

    def field(self, index: int, at: NDArray[np.int64], chosen: Integers, may: Mask) -> Floats:
        """Logits (rows, values) of a field of the samples `at`, after the fields `chosen` (n, 4) before it.

        `may` (rows, values) is what the field may be.
        """
        if index == 0:
            playing = may[:, :END]
            return self._ask(at, np.where(playing.sum(axis=1) == 1, playing.argmax(axis=1), -1))
        missing = at[self.tone_of[at] != chosen[at, 0]]
        if len(missing):
            self._ask(missing, chosen[missing, 0])
        if index == 1 or self.state is None:
            return self.tone[at]
        return self.network.note_rest(self.state[at], self.notes[at], chosen[at, :3])[index - 2]

    def _ask(self, at: NDArray[np.int64], instruments: Integers) -> Floats:
        hidden, circles = (x[at] for x in self.frame)
        told = self.notes[at], instruments, self.classes[at]
        first, self.tone[at], state = self.network.note_step(hidden, circles, *told)
        if self.state is None:
            self.state = np.zeros((len(self.notes), state.shape[1]), np.float32)
        self.state[at], self.tone_of[at] = state, instruments
        return first


class FrameWriter:
    """Writes one frame of every sample, one note of each at a time; a sample that has chosen END is left out.

    hidden (B, width) and circles (B, 12, circle) of the frame; `must_begin` (B,) whether it may not stay empty;
    `frames_left` how long a note may last.
    """

    def __init__(
        self,
        network: Network,
        state: tuple[Floats, Floats],
        pieces: list[Piece],
        how: tuple[Masks, Sampling],
        must_begin: list[bool],
        frames_left: int,
    ) -> None:
        self.network, self.pieces, self.must_begin, self.frames_left = network, pieces, must_begin, frames_left
        self.hidden, self.circles = state
        self.masks, self.sampling = how
        self.written: list[list[Note]] = [[] for _ in pieces]

    def write(self) -> list[list[Note]]:
        """The notes of the frame for every sample."""
        active = np.arange(len(self.pieces))
        while len(active):
            chosen = self._next_notes(active)
            goes_on = chosen[:, 0] != END
            for b, note in zip(active[goes_on], chosen[goes_on].tolist(), strict=True):
                self.written[b].append(tuple(note))
            active = active[goes_on]
        return self.written

    def _next_notes(self, active: NDArray[np.int64]) -> NDArray[np.int64]:
        """One more note (rows, 4) of each active sample; where the instrument is END the rest is -1."""
        so_far = [self.written[b] for b in active]
        lasts = [_last(written) for written in so_far]
        told = Told(self.network, self.hidden[active], self.circles[active], _padded(so_far), _classes(so_far))
        chosen = np.full((len(active), 4), -1, np.int64)
        for index in range(4):
            (rows,) = (chosen[:, 0] != END).nonzero()
            if not len(rows):
                break
            allowed = np.array([self._mask(index, active[i], lasts[i], chosen[i].tolist()) for i in rows])
            # Who has no choice draws no number: what a sample becomes is not to depend on the others.
            is_open = allowed.sum(axis=1) > 1
            chosen[rows[~is_open], index] = allowed[~is_open].argmax(axis=1)
            (open_rows,) = is_open.nonzero()
            if len(open_rows):
                at, may = rows[open_rows], allowed[open_rows]
                chosen[at, index] = self._choose(told.field(index, at, chosen, may), may, active[at])
        return chosen

    def _mask(self, index: int, piece: int, last: Last, chosen: list[int]) -> Mask:
        return self.masks.field(index, last, chosen, self.must_begin[piece], self.frames_left)

    def _choose(self, logits: Floats, allowed: Mask, pieces: NDArray[np.int64]) -> NDArray[np.int64]:
        uniforms = np.array([self.pieces[b].rng.random() for b in pieces])
        values, log_p = choose(logits, allowed, self.sampling, uniforms)
        for b, p in zip(pieces, log_p, strict=True):
            self.pieces[b].log_likelihood += float(p)
            self.pieces[b].choices += 1
        return values


def generate(
    network: Network,
    request: Request,
    rules: Rules,
    sampling: Sampling,
    *,
    seed: int = 0,
    samples: int = 1,
    strictness: float = 1.0,
    progress: Progress | None = None,
    written: Written | None = None,
) -> list[Sample]:
    """Write `samples` parts. Sample i depends on the seed and i alone, not on how many are made.

    `strictness` says how strictly the request's reference is followed: m4mcli.generation.guidance. `written` is told
    each frame of the first sample as it comes.
    """
    guided = strictness != 1 and request.reference is not None
    open_window = GuidedWindow if guided else Window
    network = Guided(network, strictness) if guided else network
    pieces = [Piece(np.random.default_rng([seed, i])) for i in range(samples)]
    fixed_notes = in_order(request.fixed_notes)
    how, nothing = (Masks(rules), sampling), np.zeros(0, FRAME_NOTE)
    window, opened = open_window(network, request, 0, samples), set(seams(request, network.shape.window))
    for frame in range(request.length):
        if request.fixed[frame]:
            here = fixed_notes[fixed_notes["frame"] == frame]
            for piece in pieces:
                piece.add(here)
            continue
        if not request.begin[frame]:
            continue
        if frame in opened:
            window = open_window(network, request, _window_start(request, frame, network.shape.window), samples)
        hidden, circles = window.read_to(frame, pieces)
        due = request.start_by is not None and frame >= request.start_by
        silent = [p.sounds_until <= frame and (due or p.begun) for p in pieces]
        must = [(rules.continuous and s) or (due and not p.begun) for s, p in zip(silent, pieces, strict=True)]
        state = hidden[:, -1], circles[:, -1]
        writer = FrameWriter(network, state, pieces, how, must, request.length - frame)
        for i, (piece, fields) in enumerate(zip(pieces, writer.write(), strict=True)):
            notes = field_notes(frame, np.array(fields)) if fields else nothing
            piece.add(notes)
            if written is not None and i == 0:
                written(frame, notes)
        if progress is not None:
            progress(frame + 1, request.length)
    return [Sample(in_order(p.notes), p.log_likelihood, p.choices) for p in pieces]


def seams(request: Request, window: int) -> Iterator[int]:
    """The frames at which a new window of `window` frames is opened, after the first: where one could hear it."""
    stop = min(request.length, window)
    for frame in np.flatnonzero(request.begin & ~request.fixed).tolist():
        if frame >= (stop if stop == request.length else stop - lookahead(window)):
            yield frame
            stop = min(request.length, _window_start(request, frame, window) + window)


def _window_start(request: Request, frame: int, window: int) -> int:
    """Where the window that is to write `frame` begins: at the first bar line of the last CONTEXT frames before it."""
    start = max(0, frame - context(window))
    if request.metre is None:
        return start
    position, length = (int(x) for x in request.metre[start, :2])
    return start if position == 0 else min(start - position + length, frame)


__all__ = [
    "CONTEXT",
    "LOOKAHEAD",
    "FrameWriter",
    "Piece",
    "Progress",
    "Request",
    "Sample",
    "Window",
    "Written",
    "generate",
]
