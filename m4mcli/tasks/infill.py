"""Write what is missing in the middle of a piece, from both sides: in frames, for one hole at a time.

The model was trained on masked spans of bars: its reference is everything but what the tracks to be written play in the
hole, and it writes on from what they play before. Of several samples the one is kept that is likely, leads to what
follows, and is as dense as what is around it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.canonical import canonical_shift, shifted
from m4mcli.frames.decisions import target_rows
from m4mcli.frames.fields import END, thinned
from m4mcli.frames.frames import DRUMS, in_order
from m4mcli.generation.draw import Draw, draw_samples, within
from m4mcli.generation.likelihood import teacher_forced
from m4mcli.generation.request import Progress, Request, Sample
from m4mcli.generation.rules import Part, Rules
from m4mcli.generation.sampling import log_softmax
from m4mcli.generation.window import part_of
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device, open_network
from m4mcli.tasks.manner import (
    KIT,
    InManner,
    Manner,
    part_like,
    rates_like,
    unlikeness,
    usual_part,
)
from m4mcli.tasks.parts import bounded
from m4mcli.tasks.recall import Recalling, cache_of
from m4mcli.tasks.steady import Steady
from m4mcli.tasks.task import TASKS

TASK = TASKS["infill"]
BESIDE = 128
"""Frames to each side of a hole that show its manner."""
BEYOND = 3
"""Semitones by which a part in the hole may leave the range that it has around it."""
CLOSE = 32
"""An instrument that sounds in so many frames before a hole and behind it is to sound in the hole."""
FOLLOWING = 32
"""Frames behind a hole by which a sample is judged: how likely they are after it."""
ROUNDS = 3
"""How often samples are drawn until one has every instrument and is near enough to its surroundings."""
NEAR = 1.0
"""Unlikeness to what is around a hole that is near enough."""


@dataclass(frozen=True)
class Around:
    """A hole and what is around it. FRAME_NOTE rows of the whole piece, `metre` (length, 3), `hidden` (length,).

    `aside` are the notes of the tracks that stay, `kept` those of the tracks to be written, which are silent where
    `hidden`, `written` what was written for earlier holes. `instruments` (programs, or DRUMS) are to be written in the
    frames of the `hole`, from its start to before its stop; those `wanted` must sound there, as must those that sound
    right before it and right behind it.
    """

    aside: NDArray[np.void]
    kept: NDArray[np.void]
    written: NDArray[np.void]
    instruments: tuple[int, ...]
    metre: NDArray[np.int32]
    hidden: NDArray[np.bool_]
    hole: tuple[int, int]
    wanted: tuple[int, ...] = ()

    def moved(self, semitones: int) -> "Around":
        """All of it transposed."""
        aside, kept, written = (shifted(x, semitones) for x in (self.aside, self.kept, self.written))
        return replace(self, aside=aside, kept=kept, written=written)

    @property
    def reference(self) -> NDArray[np.void]:
        """What the model is given."""
        return in_order(np.concatenate((self.aside, self.kept)))

    @property
    def known(self) -> NDArray[np.void]:
        """What the tracks to be written play elsewhere."""
        return in_order(np.concatenate((self.kept, self.written)))


def fill(network: Network, around: Around, how: Draw, progress: Progress | None = None) -> list[NDArray[np.void]]:
    """For each answer the notes (FRAME_NOTE rows) that begin in the hole, none of them lasting beyond it.

    A hole of more than half the network's window is written in stretches, each after the best of the one before.
    """
    shift = canonical_shift(around.reference)
    there = around.moved(shift)
    manner = manner_around(there, shift)
    pieces = stretches(around, network.shape.window // 2)
    made = []
    for i in range(how.count):
        one, new = replace(how, seed=how.seed + i, count=1), there.written[:0]
        for number, hole in enumerate(pieces):
            told = within(progress, i * len(pieces) + number, how.count * len(pieces))
            now = replace(there, written=in_order(np.concatenate((there.written, new))), hole=hole)
            sample = _best(network, now, manner, one, told)
            new = np.concatenate((new, sample.notes))
        made.append(shifted(bounded(new, manner.rules, around.hole[1]), -shift))
    return made


def stretches(around: Around, most: int) -> list[tuple[int, int]]:
    """The hole in stretches (start, stop) of at most so many frames, cut at bar lines where that can be."""
    start, last = around.hole
    found = []
    while last - start > most:
        lines = start + 1 + np.flatnonzero(around.metre[start + 1 : start + most + 1, 0] == 0)
        stop = int(lines[-1]) if len(lines) else start + most
        found.append((start, stop))
        start = stop
    return [*found, (start, last)]


def manner_around(around: Around, shift: int) -> Manner:
    """What the frames beside a hole show of each instrument, in a piece that was moved by `shift` semitones."""
    first, last = around.hole
    start, stop = max(0, first - BESIDE), min(len(around.hidden), last + BESIDE)
    known, seen = around.known, ~around.hidden[start:stop]
    at = known["frame"] - start
    inside = (at >= 0) & (at < stop - start)
    heard = known[inside & seen[np.clip(at, 0, stop - start - 1)]] if stop > start else known[:0]
    bounds = max(0, shift), min(127, 127 + shift)
    parts = []
    for i in around.instruments:
        own = heard[heard["instrument"] == i]
        own = own if len(own) else known[known["instrument"] == i]
        parts.append(_in_register(part_like(own, i, bounds), own) if len(own) else usual_part(i, shift, bounds))
    drums = np.concatenate((around.aside, known))
    sounds = tuple(sorted({int(p) for p in drums["pitch"][drums["instrument"] == DRUMS]})) or KIT
    rules = Rules(around.instruments, *bounds, drum_sounds=sounds, parts=tuple(parts))
    length = max(1, int(seen.sum()))
    return Manner(heard, length, rules, _wanted(around), rates_like(heard, length, around.instruments))


def _in_register(part: Part, own: NDArray[np.void]) -> Part:
    """A part that leaves the range of its own notes by no more than BEYOND: it is known from both sides."""
    lowest, highest = int(own["pitch"].min()) - BEYOND, int(own["pitch"].max()) + BEYOND
    return replace(part, lowest=max(part.lowest, lowest), highest=min(part.highest, highest))


def _wanted(around: Around) -> tuple[int, ...]:
    """The instruments that are asked for or sound right before the hole and right behind it."""
    first, last = around.hole
    known = around.known
    sides = [part_of(known, first - CLOSE, first)["instrument"], part_of(known, last, last + CLOSE)["instrument"]]
    sides = [side for side in sides if len(side)]
    beside = {i for i in around.instruments if sides and all(i in side for side in sides)}
    return tuple(sorted(beside.union(around.wanted)))


def window_around(around: Around, size: int) -> tuple[int, int]:
    """First frame, at a bar line, and end of what is read: a window of `size` frames with the hole in its middle.

    The hole takes up half of it at most.
    """
    (first, last), length = around.hole, len(around.metre)
    begin = min(first - (size - (last - first)) // 2, length - size)
    bar_lines = np.flatnonzero(around.metre[: first + 1, 0] == 0)
    start = int(next((f for f in bar_lines if f >= begin), first))
    return start, min(length, start + size)


def _request(around: Around, size: int) -> tuple[Request, int]:
    """What is asked of the model, and the frame of the piece with which it begins."""
    start, stop = window_around(around, size)
    known = thinned(around.known)
    fixed_notes = known[(known["frame"] >= start) & (known["frame"] < stop)]
    fixed_notes["frame"] -= start
    frames = np.arange(start, stop)
    request = Request(
        reference=part_of(around.reference, start, stop),
        metre=around.metre[start:stop],
        length=stop - start,
        begin=np.ones(stop - start, bool),
        fixed=(frames < around.hole[0]) | (frames >= around.hole[1]),
        fixed_notes=fixed_notes,
    )
    return request, start


def _best(network: Network, around: Around, manner: Manner, how: Draw, progress: Progress | None) -> Sample:
    """The sample that is the best for the hole, in frames of the piece; further rounds while none is near enough."""
    request, start = _request(around, network.shape.window)
    stop = start + request.length
    known = ~around.hidden[start:stop] | (np.arange(start, stop) < around.hole[0])
    cache = cache_of(request.fixed_notes, around.metre[start:stop], known, around.hole[0] - start)
    playing = Steady(Recalling(InManner(network, manner.rules), cache), manner.rates)
    judged: list[tuple[float, Sample]] = []
    for number in range(ROUNDS):
        seed = how.seed + (number << 48)
        drawn = draw_samples(playing, request, manner.rules, replace(how, seed=seed), how.best_of, progress)
        samples = [_only_new(sample, start, around.hole) for sample in drawn]
        judged += [(fitness(network, around, manner, sample), sample) for sample in samples]
        missing, far = min(_distance(sample, around, manner) for _, sample in judged)
        if not missing and far <= NEAR:
            break
    return max(judged, key=lambda entry: entry[0])[1]


def _only_new(sample: Sample, start: int, hole: tuple[int, int]) -> Sample:
    """A sample that began with frame `start` of the piece, without what is outside of the hole."""
    notes = sample.notes.copy()
    notes["frame"] += start
    return replace(sample, notes=notes[(notes["frame"] >= hole[0]) & (notes["frame"] < hole[1])])


def _distance(sample: Sample, around: Around, manner: Manner) -> tuple[int, float]:
    """Instruments missing, and how unlike the surroundings the rest is."""
    missing = sum(i not in sample.notes["instrument"] for i in manner.wanted)
    return missing, unlikeness(sample.notes, around.hole[1] - around.hole[0], manner.heard, manner.rates)


def fitness(network: Network, around: Around, manner: Manner, sample: Sample) -> float:
    """How well a sample fits: nats a choice of its own and of what follows, less what it lacks and its distance."""
    missing, far = _distance(sample, around, manner)
    likely = sample.log_likelihood / max(1, sample.choices)
    return likely + following(network, around, sample.notes) - missing - far


def following(network: Network, around: Around, new: NDArray[np.void]) -> float:
    """Nats a decision (at most 0) of the FOLLOWING frames behind the hole, after `new` notes in it; 0 where none are.

    The model is not given these frames: they are hidden from it as the hole is.
    """
    first, last = around.hole
    stop = min(len(around.metre), last + FOLLOWING)
    if stop <= last or around.hidden[last:stop].any():
        return 0.0
    start = max(0, stop - network.shape.window)
    start += int(np.argmax(around.metre[start:first, 0] == 0)) if start < first else 0
    kept = around.kept[(around.kept["frame"] < last) | (around.kept["frame"] >= stop)]
    part = thinned(in_order(np.concatenate((around.known, new))))
    part = part[(part["frame"] >= start) & (part["frame"] < stop)]
    part["frame"] -= start
    nothing = np.zeros(stop - start, bool)
    reference = part_of(in_order(np.concatenate((around.aside, kept))), start, stop)
    decisions = teacher_forced(
        network, Request(reference, around.metre[start:stop], stop - start, ~nothing, nothing), part
    )
    frame, fields = target_rows(part, stop - start)
    behind, note, pitched = frame >= last - start, fields[:, 0] != END, fields[:, 0] < DRUMS
    rows = (behind, behind[note], behind[pitched], behind[note])
    nats = [
        np.take_along_axis(log_softmax(logits[r]), taken[r][:, None], axis=1).sum()
        for logits, taken, r in zip(decisions.logits, decisions.taken, rows, strict=True)
    ]
    return float(sum(nats)) / max(1, sum(int(r.sum()) for r in rows))


def infiller(
    model: str | None,
    *,
    device: Device = "cpu",
    threads: int = 1,
    temperature: float = TASK.sampling.temperature,
    top_p: float = TASK.sampling.top_p,
    best_of: int = TASK.best_of,
    strictness: float = 1.0,
) -> Callable[..., list[NDArray[np.void]]]:
    """The task as evaluation measures it, all in frames.

    Notes are FRAME_NOTE rows (n,) of a piece, of which `instruments` (programs, or DRUMS) are to be written anew in the
    `hole`, from its first frame to before its last; what they play there is not looked at. The metre is (frames, 3).
    Out come so many samples, each FRAME_NOTE rows (m,) of the hole's new notes. Raises M4mError where no such model is
    found.
    """
    network = open_network(find_model(model, TASK.name), TASK.name, device, threads)
    sampling = replace(TASK.sampling, temperature=temperature, top_p=top_p)

    def answers(
        notes: NDArray[np.void],
        instruments: tuple[int, ...],
        metre: NDArray[np.integer],
        hole: tuple[int, int],
        samples: int,
        seed: int,
    ) -> list[NDArray[np.void]]:
        own = np.isin(notes["instrument"], instruments)
        hidden = np.zeros(len(metre), bool)
        hidden[hole[0] : hole[1]] = True
        kept = notes[own & ((notes["frame"] < hole[0]) | (notes["frame"] >= hole[1]))]
        around = Around(notes[~own], kept, notes[:0], tuple(sorted(instruments)), metre.astype(np.int32), hidden, hole)
        return fill(network, around, Draw(sampling, best_of, samples, seed, strictness))

    return answers
