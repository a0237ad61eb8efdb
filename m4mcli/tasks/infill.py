"""Write what is missing in the middle of a piece, from both sides: in frames, for one hole at a time.

The model was trained on masked spans of bars: its reference is everything but what the tracks to be written play in the
hole, and it writes on from what they play before. A piece that repeats itself may do so in the hole: what stands where
it would repeat is one answer among the samples. The one is kept that is likely, leads to what follows, and is as dense
as what is around it; what stood there before, note for note, only where nothing else was drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.canonical import canonical_shift, shifted
from m4mcli.frames.frames import in_order
from m4mcli.generation.draw import Draw, draw_samples, within
from m4mcli.generation.request import Progress
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device, open_network
from m4mcli.models.token_session import OnnxTokenModel
from m4mcli.tasks.around import Around, manner_around, request_around, stretches
from m4mcli.tasks.fitness import distance, fitness
from m4mcli.tasks.manner import (
    InManner,
    Manner,
)
from m4mcli.tasks.parts import bounded
from m4mcli.tasks.recall import Cache, Recalling, cache_of
from m4mcli.tasks.steady import Steady
from m4mcli.tasks.task import TASKS
from m4mcli.tasks.token_filling import SCHEME, TokenFiller
from m4mcli.tasks.token_piece import TASK as SAMPLE
from m4mcli.tokens.merged import opened_coder

TASK = TASKS["infill"]
Fill = Callable[[Around, Draw, Progress | None], list[NDArray[np.void]]]
"""For each answer the new notes (FRAME_NOTE rows) of a hole."""

ROUNDS = 3
"""How often samples are drawn until one has every instrument and is near enough to its surroundings."""
REPETITIONS = 4
"""Distances at which the piece repeats itself best, whose repetitions are weighed beside the samples."""
CERTAINTY = 2.0
"""How much likelier a repetition is weighed than the share of what is around the hole that repeats itself so."""
REPEATED = 1.5
"""What a repetition gains over a sample, in nats a decision, where the piece repeats itself note for note."""
NEAR = 1.0
"""Unlikeness to what is around a hole that is near enough."""


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
            new = np.concatenate((new, _best(network, now, manner, one, told)))
        made.append(shifted(bounded(new, manner.rules, around.hole[1]), -shift))
    return made


def _best(network: Network, around: Around, manner: Manner, how: Draw, progress: Progress | None) -> NDArray[np.void]:
    """The notes that are the best for the hole, in frames of the piece; further rounds while none is near enough."""
    request, start = request_around(around, network.shape.window)
    stop = start + request.length
    known = ~around.hidden[start:stop] | (np.arange(start, stop) < around.hole[0])
    cache = cache_of(request.fixed_notes, around.metre[start:stop], known, around.hole[0] - start)
    playing = Steady(Recalling(InManner(network, manner.rules), cache), manner.rates)
    repeated = repetitions(cache, around, start, np.random.default_rng([how.seed, around.hole[0]]))
    if any(around.stood_so(notes) for _, notes in repeated):
        # To repeat itself is what the piece did: something else is asked for.
        repeated = []
    judged = [(fitness(network, around, manner, notes) + REPEATED * alike, notes) for alike, notes in repeated]
    for number in range(ROUNDS):
        seed = how.seed + (number << 48)
        drawn = draw_samples(playing, request, manner.rules, replace(how, seed=seed), how.best_of, progress)
        samples = [_only_new(sample.notes, start, around.hole) for sample in drawn]
        judged += [(fitness(network, around, manner, notes), notes) for notes in samples]
        judged = _new(judged, around)
        missing, far = min(distance(notes, around, manner) for _, notes in judged)
        if not missing and far <= NEAR and not around.stood_so(judged[0][1]):
            break
    return max(judged, key=lambda entry: entry[0])[1]


def _new(judged: list[tuple[float, NDArray[np.void]]], around: Around) -> list[tuple[float, NDArray[np.void]]]:
    """The answers without those that bring back what stood in the hole; all of them where each does."""
    return [entry for entry in judged if not around.stood_so(entry[1])] or judged


def repetitions(
    cache: Cache, around: Around, start: int, rng: np.random.Generator
) -> list[tuple[float, NDArray[np.void]]]:
    """What would stand in the hole if the piece repeated itself there, in frames of the piece that `start` begins.

    Before each stands how much of what is around the hole repeats itself so; less makes it a matter of chance whether
    it comes, so that several answers differ.
    """
    first, last = around.hole
    found: list[tuple[float, NDArray[np.void]]] = []
    for lag in np.argsort(-cache.alike, kind="stable")[:REPETITIONS].tolist():
        rows = cache.repetition(lag, first - start, last - start)
        if rows is not None and rng.random() < CERTAINTY * cache.alike[lag]:
            rows["frame"] += start
            found.append((float(cache.alike[lag]), rows))
    return found


def _only_new(notes: NDArray[np.void], start: int, hole: tuple[int, int]) -> NDArray[np.void]:
    """The notes of a sample that began with frame `start` of the piece, without what is outside of the hole."""
    notes = notes.copy()
    notes["frame"] += start
    return notes[(notes["frame"] >= hole[0]) & (notes["frame"] < hole[1])]


@dataclass(frozen=True)
class Filler:
    """What fills holes: the model, where it runs, what it does, and to how many pieces at once by samples of each."""

    name: str
    provider: str
    fill: Fill
    at_once: Callable[[int], int] = lambda samples: 1


def open_filler(
    model: str | None,
    device: Device = "cpu",
    threads: int = 1,
    adapter: str | None = None,
    density: float | None = None,
) -> Filler:
    """A model that fills holes, by name or folder: of frames, or over tokens that have bars to be filled in.

    `density`: notes a quarter note that a model over tokens is asked for. Raises M4mError where there is no such model.
    """
    found = find_model(model, TASK.name, SAMPLE)
    if SAMPLE not in found.tasks:
        if density is not None:
            raise M4mError(
                f"--density: {found.name} takes none",
                "it is for models over mmm tokens, such as m4m train mmm-small makes",
                USAGE,
            )
        network = open_network(found, TASK.name, device, threads, adapter)
        return Filler(found.name, network.provider, partial(fill, network), network.at_once)
    coder = opened_coder(found.facts["tokens"], str(found.path))
    if coder.scheme.name != SCHEME:
        raise M4mError(f"{found.name}: a model for sample, not for infill", f"its tokens are not {SCHEME}")
    if adapter is not None:
        raise M4mError(f"--adapter: {found.name} takes none", "leave it out", USAGE)
    tokens = OnnxTokenModel(found, device, threads)
    return Filler(found.name, tokens.provider, TokenFiller(tokens, coder, density, found.facts.get("one_key", False)))


def infiller(
    model: str | None,
    *,
    device: Device = "cpu",
    threads: int = 1,
    temperature: float = TASK.sampling.temperature,
    top_p: float = TASK.sampling.top_p,
    best_of: int = TASK.best_of,
    strictness: float = 1.0,
    adapter: str | None = None,
) -> Callable[..., list[NDArray[np.void]]]:
    """The task as evaluation measures it, all in frames.

    Notes are FRAME_NOTE rows (n,) of a piece, of which `instruments` (programs, or DRUMS) are to be written anew in the
    `hole`, from its first frame to before its last; what they play there is not looked at. The metre is (frames, 3).
    Out come so many samples, each FRAME_NOTE rows (m,) of the hole's new notes. Raises M4mError where no such model is
    found.
    """
    filler = open_filler(model, device, threads, adapter)
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
        return filler.fill(around, Draw(sampling, best_of, samples, seed, strictness), None)

    return answers
