"""Several pieces of work side by side, whose steps of one network are made together, in one batch.

Each piece of work has a thread of its own, and one of them runs at a time: up to its next step of the network, or to
its end. When all of them wait, the steps that fit together are made as one. The rows of a batch do not depend on each
other, so each piece of work comes to what it would alone.
"""

import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np

from m4mcli.models.network import Floats, FrameInputs, Integers, Network, Past, Shape

ROWS = 64
"""Samples in a batch on a GPU, which makes a step of one and of all in the same time."""
FRAMES = 32
"""Steps of more frames fill any device by themselves."""

Result = TypeVar("Result")


def side_by_side(work: Sequence[Callable[[], Result]]) -> list[Result]:
    """What each comes to, in order. Raises what the first of those that fail raises, when all have ended."""
    if len(work) < 2 or _member.get() is not None:
        return [piece() for piece in work]
    members = [_Member(piece) for piece in work]
    try:
        for member in members:
            member.go_on()
        while waiting := [member for member in members if member.step is not None]:
            _step(waiting)
    finally:
        for member in members:
            member.end()
    return [member.outcome() for member in members]


class _OverError(BaseException):
    """Ends a piece of work that is no longer wanted."""


@dataclass(frozen=True)
class _Step:
    """A step of a network that is waited for, of some `rows`; those of one `kind` are made together by `make`."""

    kind: tuple[Any, ...]
    make: "Callable[[Sequence[_Step]], list[Any]]"
    network: Network
    arguments: tuple[Any, ...]
    rows: int


class _Member(Generic[Result]):
    """A piece of work in its thread: `step` is what it waits for, None while it runs and when it has ended."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self.step: _Step | None = None
        self._work, self._answer, self._over = work, None, False
        self._results, self._errors = list[Result](), list[BaseException]()
        self._turn, self._parked = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), daemon=True)
        self._begun = False

    def go_on(self, answer: Any = None) -> None:
        """Let it run, with the answer to its step, until it waits for the next one or has ended."""
        self.step, self._answer = None, answer
        if not self._begun:
            self._begun = True
            self._thread.start()
        self._turn.release()
        self._parked.acquire()

    def end(self) -> None:
        """Let it end where it waits."""
        self._over = True
        if self._begun and self._thread.is_alive():
            self._turn.release()
            self._thread.join()

    def outcome(self) -> Result:
        """What it came to. Raises what it raised."""
        for error in self._errors:
            raise error
        return self._results[0]

    def answer(self, step: _Step) -> Any:
        """Within its thread: what a step gives, once it was made. Raises what that raised."""
        self.step = step
        self._parked.release()
        self._turn.acquire()
        if self._over:
            raise _OverError
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def _run(self) -> None:
        _member.set(self)
        self._turn.acquire()
        try:
            if not self._over:
                self._results.append(self._work())
        except BaseException as error:
            self._errors.append(error)
        finally:
            self._parked.release()


_member: ContextVar[_Member[Any] | None] = ContextVar("member", default=None)


def _step(waiting: "Sequence[_Member[Any]]") -> None:
    """Make the steps that are waited for; while any is one of notes those alone, so that frames stay in step."""
    steps = [(member, member.step) for member in waiting if member.step is not None]
    soonest = min(step.kind[0] for _, step in steps)
    kinds: dict[tuple[Any, ...], list[tuple[_Member[Any], _Step]]] = {}
    for member, step in steps:
        if step.kind[0] == soonest:
            kinds.setdefault(step.kind, []).append((member, step))
    for alike in kinds.values():
        try:
            answers = alike[0][1].make([step for _, step in alike])
        except Exception as error:
            answers = [error] * len(alike)
        for (member, _), answer in zip(alike, answers, strict=True):
            member.go_on(answer)


@dataclass(frozen=True)
class Rows:
    """Some rows of an array that is kept whole for the next step, on the device on which it is."""

    whole: Any
    first: int
    stop: int

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The rows as an array of their own."""
        whole = self.whole if isinstance(self.whole, np.ndarray) else self.whole.numpy()
        return np.asarray(whole[self.first : self.stop], dtype)


class InCompany:
    """A Network whose steps are made together with those of other work, where several are done side by side."""

    def __init__(self, network: Network, provider: str) -> None:
        self.network, self.provider = network, provider

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self.network.shape

    def at_once(self, samples: int) -> int:
        """How many pieces of work that take so many samples each are to be done side by side.

        One on a processor: eight samples fill it, and the keys and values of more fall out of its caches.
        """
        return max(1, ROWS // samples) if self.provider == "CUDAExecutionProvider" else 1

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        """What the reference gives to the target: see Network."""
        member = _member.get()
        if member is None:
            return self.network.encode(notes, metre, position)
        kind = 1, id(self), "encode", notes.shape[1]
        told = notes, metre, position
        answer: tuple[Floats, ...] = member.answer(_Step(kind, _encode, self.network, told, len(notes)))
        return answer

    def frame_step(
        self, inputs: FrameInputs, past: Past, memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, Past]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), and the past with these frames: see Network."""
        member, (rows, frames) = _member.get(), inputs.kind.shape
        if member is None or frames > FRAMES:
            return self.network.frame_step(inputs, replace(past, arrays=tuple(map(_alone, past.arrays))), memory)
        kind = 1, id(self), "frames", frames, past.length, len(memory)
        answer: tuple[Floats, Floats, Past] = member.answer(
            _Step(kind, _frame_step, self.network, (inputs, past, memory), rows)
        )
        return answer

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Logits of instrument and tone, and the note's state: see Network."""
        member, arguments = _member.get(), (hidden, circles, notes, chosen, classes)
        if member is None or len(hidden) > ROWS:
            return self.network.note_step(*arguments)
        step = _Step((0, id(self), "notes"), _note_step, self.network, arguments, len(hidden))
        answer: tuple[Floats, Floats, Floats] = member.answer(step)
        return answer

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """Logits of octave and duration, each (B, values)."""
        member, arguments = _member.get(), (state, notes, chosen)
        if member is None or len(state) > ROWS:
            return self.network.note_rest(*arguments)
        step = _Step((0, id(self), "rest"), _note_rest, self.network, arguments, len(state))
        answer: tuple[Floats, Floats] = member.answer(step)
        return answer


def _encode(steps: Sequence[_Step]) -> list[Any]:
    notes, metre, position = zip(*(step.arguments for step in steps), strict=True)
    network = steps[0].network
    return _shared_out(network.encode(_slots(notes), np.concatenate(metre), np.concatenate(position)), steps)


def _frame_step(steps: Sequence[_Step]) -> list[Any]:
    inputs, pasts, memories = zip(*(step.arguments for step in steps), strict=True)
    names = [name for name in vars(inputs[0]) if name != "notes"]
    told = {name: np.concatenate([getattr(one, name) for one in inputs]) for name in names}
    arrays = tuple(map(_joined, zip(*(past.arrays for past in pasts), strict=True)))
    memory = tuple(map(_joined, zip(*memories, strict=True)))
    made = FrameInputs(notes=_slots([one.notes for one in inputs]), **told)
    hidden, circles, past = steps[0].network.frame_step(made, replace(pasts[0], arrays=arrays), memory)
    kept = [tuple(Rows(whole, *span) for whole in past.arrays) for span in _spans(steps)]
    states = _shared_out((hidden, circles), steps)
    return [(*state, replace(past, arrays=rows)) for state, rows in zip(states, kept, strict=True)]


def _note_step(steps: Sequence[_Step]) -> list[Any]:
    hidden, circles, notes, chosen, classes = zip(*(step.arguments for step in steps), strict=True)
    hiddens, circle, choices, kinds = (np.concatenate(x) for x in (hidden, circles, chosen, classes))
    return _shared_out(steps[0].network.note_step(hiddens, circle, _slots(notes), choices, kinds), steps)


def _note_rest(steps: Sequence[_Step]) -> list[Any]:
    state, notes, chosen = zip(*(step.arguments for step in steps), strict=True)
    told = np.concatenate(state), _slots(notes), np.concatenate(chosen)
    return _shared_out(steps[0].network.note_rest(*told), steps)


def _spans(steps: Sequence[_Step]) -> list[tuple[int, int]]:
    """First row of the batch and row behind the last one of each step."""
    ends = np.cumsum([step.rows for step in steps]).tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _shared_out(arrays: Sequence[Any], steps: Sequence[_Step]) -> list[tuple[Any, ...]]:
    return [tuple(array[first:stop] for array in arrays) for first, stop in _spans(steps)]


def _slots(notes: Sequence[Integers]) -> Integers:
    """Arrays (B, ..., S, fields) as one, the slots that some have less empty (-1)."""
    most = max(x.shape[-2] for x in notes)
    missing = ([(0, 0)] * (x.ndim - 2) + [(0, most - x.shape[-2]), (0, 0)] for x in notes)
    return np.concatenate([np.pad(x, m, constant_values=-1) for x, m in zip(notes, missing, strict=True)])


def _joined(parts: Sequence[Any]) -> Any:
    """Rows and arrays as one array: as it is where they are all its rows, as they are from step to step."""
    first = parts[0]
    if isinstance(first, Rows) and all(isinstance(p, Rows) and p.whole is first.whole for p in parts):
        ends = [0, *(p.stop for p in parts)]
        if [p.first for p in parts] == ends[:-1] and ends[-1] == _sizes(first.whole)[0]:
            return first.whole
    return np.concatenate([np.asarray(p) for p in parts]) if len(parts) > 1 else _alone(first)


def _alone(part: Any) -> Any:
    """Rows as an array of their own, or the whole where they are that."""
    if not isinstance(part, Rows):
        return part
    return part.whole if (part.first, part.stop) == (0, _sizes(part.whole)[0]) else np.asarray(part)


def _sizes(array: Any) -> Sequence[int]:
    """The shape of an array, or of what is kept on a device."""
    shape: Sequence[int] = array.shape if isinstance(array, np.ndarray) else array.shape()
    return shape
