"""How well notes fit in a hole: how likely they are, whether they lead to what follows, what they lack."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.decisions import target_rows
from m4mcli.frames.fields import END, thinned
from m4mcli.frames.frames import DRUMS, in_order
from m4mcli.generation.likelihood import teacher_forced
from m4mcli.generation.request import Request
from m4mcli.generation.sampling import log_softmax
from m4mcli.generation.window import part_of
from m4mcli.models.network import Network
from m4mcli.tasks.around import Around, request_around
from m4mcli.tasks.manner import (
    Manner,
    unlikeness,
)

FOLLOWING = 32
"""Frames behind a hole by which a sample is judged: how likely they are after it."""


def distance(notes: NDArray[np.void], around: Around, manner: Manner) -> tuple[int, float]:
    """Instruments missing in what is written in a hole, and how unlike the surroundings the rest is."""
    missing = sum(i not in notes["instrument"] for i in manner.wanted)
    return missing, unlikeness(notes, around.hole[1] - around.hole[0], manner.heard, manner.rates)


def fitness(network: Network, around: Around, manner: Manner, notes: NDArray[np.void]) -> float:
    """How well notes fit in a hole: nats a decision of their own and of what follows, less what is missing and their
    distance from what is around."""
    missing, far = distance(notes, around, manner)
    return inside(network, around, notes) + following(network, around, notes) - missing - far


def inside(network: Network, around: Around, new: NDArray[np.void]) -> float:
    """Nats a decision (at most 0) of the frames of a hole with `new` notes in it, given all around it."""
    request, start = request_around(around, network.shape.window)
    stop = around.hole[1] - start
    everywhere = np.ones(stop, bool)
    cut = Request(request.reference, around.metre[start : start + stop], stop, everywhere, ~everywhere)
    return _nats(network, cut, _part(around, new, start, around.hole[1]), around.hole[0] - start)


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
    nothing = np.zeros(stop - start, bool)
    reference = part_of(in_order(np.concatenate((around.aside, kept))), start, stop)
    asked = Request(reference, around.metre[start:stop], stop - start, ~nothing, nothing)
    return _nats(network, asked, _part(around, new, start, stop), last - start)


def _part(around: Around, new: NDArray[np.void], start: int, stop: int) -> NDArray[np.void]:
    """What the tracks to be written play with the new notes, that begins in these frames, counted from `start`."""
    part = thinned(in_order(np.concatenate((around.known, new))))
    part = part[(part["frame"] >= start) & (part["frame"] < stop)]
    part["frame"] -= start
    return part


def _nats(network: Network, request: Request, part: NDArray[np.void], start: int) -> float:
    """Nats a decision of a part's frames from `start` on."""
    decisions = teacher_forced(network, request, part)
    frame, fields = target_rows(part, request.length)
    behind, note, pitched = frame >= start, fields[:, 0] != END, fields[:, 0] < DRUMS
    rows = (behind, behind[note], behind[pitched], behind[note])
    nats = [
        np.take_along_axis(log_softmax(logits[r]), taken[r][:, None], axis=1).sum()
        for logits, taken, r in zip(decisions.logits, decisions.taken, rows, strict=True)
    ]
    return float(sum(nats)) / max(1, sum(int(r.sum()) for r in rows))
