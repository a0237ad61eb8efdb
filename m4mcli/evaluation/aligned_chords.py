"""Chords of a piece as a model writes them beside it: labels as music, in the way of every other task.

A model of the task `chart` was trained on whole pieces and their chords as a part of its own; one of `harmonize` on
melodies. Several parts are written for the whole piece, and the one that agrees most with the others is read as labels.
"""

from collections.abc import Callable

import numpy as np

from m4mcli.frames.canonical import as_one_instrument, canonical_shift, chord_frames, shifted
from m4mcli.frames.frames import FRAME_NOTE, frame_of, in_order, metre_frames, tick_of, track_frames
from m4mcli.generation.consensus import by_consensus
from m4mcli.generation.draw import Draw, draw_samples
from m4mcli.generation.request import Request
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device, open_network
from m4mcli.score.metre import bars
from m4mcli.score.score import Score
from m4mcli.tasks.task import TASKS
from m4mcli.theory.chord_names import harte_label

CHART = "chart"
SAMPLING, SAMPLES = Sampling(temperature=0.3, top_p=0.9), 6

Spans = list[tuple[int, int, str]]
"""Start and end tick of each chord, and its Harte label."""


def chart_writer(model: str, device: Device = "cpu", threads: int = 1, seed: int = 0) -> Callable[[Score], Spans]:
    """What reads the chords of a score off the part that a model writes. Raises M4mError where no such model is."""
    found = find_model(model, CHART, "harmonize")
    network = open_network(found, CHART if CHART in found.tasks else "harmonize", device, threads)
    return lambda score: aligned_chords(network, score, seed)


def aligned_chords(network: Network, score: Score, seed: int = 0) -> Spans:
    """The chords that a network writes beside the pitched tracks of a score; they change on beats."""
    given = as_one_instrument(track_frames([t for t in score.tracks if not t.is_drum], score.tpq))
    length = frame_of(score.end, score.tpq)
    if not len(given) or not length:
        return []
    shift, metre = canonical_shift(given), metre_frames(bars(score), score.tpq, length)
    request = Request(
        reference=in_order(shifted(given, shift)),
        metre=metre,
        length=length,
        begin=metre[:, 0] % np.maximum(metre[:, 2], 1) == 0,
        fixed=np.zeros(length, bool),
        fixed_notes=np.zeros(0, FRAME_NOTE),
        start_by=int(given["frame"].min()),
    )
    samples = draw_samples(network, request, TASKS["harmonize"].rules, Draw(SAMPLING, seed=seed), SAMPLES)
    best = samples[by_consensus(samples, length)[0]]
    return [
        (tick_of(start, score.tpq), tick_of(stop, score.tpq), harte_label(classes, bass))
        for start, stop, classes, bass in chord_frames(shifted(best.notes, -shift))
    ]
