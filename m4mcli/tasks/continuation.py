"""Go on where a piece ends: more bars for the instruments that it has, on its own beat grid."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.canonical import canonical_shift, shifted
from m4mcli.frames.fields import thinned
from m4mcli.frames.frames import DRUMS, frame_of, metre_frames, track_frames
from m4mcli.generation.consensus import by_likelihood
from m4mcli.generation.generate import Progress, Request, generate
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device, OnnxNetwork
from m4mcli.score.metre import bars
from m4mcli.score.score import Score, Track
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.placement import placed
from m4mcli.tasks.task import TASKS

TASK = TASKS["continue"]
REREAD = 160
"""Frames at the end of the piece that the model reads at most."""


@dataclass(frozen=True)
class Wish:
    """How many bars are to be written, by which instruments (None: those of the piece), and how."""

    bars: int = 8
    instruments: tuple[int, ...] | None = None
    sampling: Sampling = TASK.sampling
    best_of: int = TASK.best_of
    seed: int = 0
    count: int = 1


def continuations(
    score: Score, network: Network, wish: Wish, progress: Progress | None = None
) -> list[tuple[Track, ...]]:
    """`wish.count` continuations, each as tracks in the piece's ticks that begin at the bar line behind its last note.

    Raises M4mError for a piece without notes.
    """
    if not score.note_count:
        raise M4mError("no notes to go on from", "give a piece with at least one note")
    if wish.bars < 1:
        raise M4mError("--bars must be 1 or more", status=USAGE)
    tpq = score.tpq
    end = bars(score)[-1]
    border = end.tick + end.length
    whole = end.whole or end.length
    stop = round(border + wish.bars * whole)
    places = bars(score, stop)
    first, last = frame_of(border, tpq), frame_of(stop, tpq)
    starts = [frame_of(b.tick, tpq) for b in places if frame_of(b.tick, tpq) <= max(0, first - REREAD)]
    start = starts[-1] if starts else 0
    notes = track_frames(score.tracks, tpq)
    instruments = wish.instruments or tuple(sorted({int(i) for i in notes["instrument"]}))
    shift = canonical_shift(notes)
    given = thinned(shifted(notes[notes["frame"] >= start], shift))
    given["frame"] -= start
    length = last - start
    fixed = np.arange(length) < first - start
    request = Request(
        reference=None,
        metre=metre_frames(places, tpq, last)[start:],
        length=length,
        begin=np.ones(length, bool),
        fixed=fixed,
        fixed_notes=given,
        start_by=None,
    )
    rules = Rules(instruments=instruments, lowest=max(0, shift), highest=min(127, 127 + shift))
    samples = generate(
        network,
        request,
        rules,
        wish.sampling,
        seed=wish.seed,
        samples=wish.count * wish.best_of,
        progress=progress,
    )
    chosen = []
    for i in range(wish.count):
        group = samples[i * wish.best_of : (i + 1) * wish.best_of]
        made = group[by_likelihood(group)[0]].notes
        made = shifted(made[made["frame"] >= first - start], -shift)
        made["frame"] += start
        chosen.append(_tracks(score, made, instruments, stop))
    return chosen


def _tracks(score: Score, made: NDArray[np.void], instruments: tuple[int, ...], stop: int) -> tuple[Track, ...]:
    places = bars(score, stop)
    tracks = []
    for instrument in instruments:
        is_drum = instrument == DRUMS
        program = 0 if is_drum else instrument
        like = [t for t in score.tracks if t.is_drum == is_drum and (is_drum or t.program == program)]
        part = made[made["instrument"] == instrument]
        if not len(part):
            continue
        name = next((t.name for t in like if t.name), "")
        tracks.append(
            placed(
                part,
                score.tpq,
                name=f"{name} (continued)" if name else "Continued",
                program=like[0].program if like else program,
                velocities=lambda onsets: velocities(onsets, places, score),
                is_drum=is_drum,
                end=stop,
            )
        )
    return tuple(tracks)


def open_network(model: str | None, device: Device = "cpu", threads: int = 1) -> OnnxNetwork:
    """The network that ships for this task, or the named one."""
    return OnnxNetwork(find_model(model, TASK.name), device, threads)
