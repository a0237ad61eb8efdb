"""Measure an autoencoder over melodies: how well it tells melodies again, and whether its attributes do what they say.

Each song of a split counts with its windows that do not overlap, all of them in 4/4. `nats_per_note` is the bound: the
nats of the events given a point that is drawn, and the divergence of where it is drawn from, both with one deviation.
`teacher_forced` and `free_running` are shares of the events that are right, told the real ones before them or the
model's own; `notes_right` counts, free running, notes of the same pitch at the same 16th, as a share of the real notes
or of those that were written, whichever are more. The likeliest events are written from the mean of the belief.
`NAME_up` is by how much an attribute grows where melodies are moved along its direction, in its own unit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.corpus import Corpus
from m4mcli.dataset.melodies import Windows, melody_windows
from m4mcli.dataset.parts import PARTS
from m4mcli.errors import M4mError
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.table import Row, Table, row_of
from m4mcli.frames.melody_attributes import ATTRIBUTES
from m4mcli.frames.melody_events import HOLD, told_again
from m4mcli.generation.latent_sampling import LIKELIEST, told_logits, written
from m4mcli.generation.sampling import log_softmax
from m4mcli.models.latent_model import LatentModel
from m4mcli.models.latent_session import OnnxLatentModel
from m4mcli.models.network import Floats
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device
from m4mcli.tasks.melody_space import TASK, Directions, read_directions

TOLD = ("nats_per_note", "divergence", "teacher_forced", "free_running", "notes_right")
FIGURES = (*TOLD, *(f"{name}_up" for name in ATTRIBUTES))

MOST = 8
"""Windows of a song that count at most."""


@dataclass(frozen=True)
class Space:
    """A model with its directions and the part of a piece that it reads."""

    model: LatentModel
    known: Directions
    part: str


def open_space(name: str | None, device: Device = "cpu", threads: int = 1) -> Space:
    """A model of that name or folder, the first that there is unless named. Raises M4mError."""
    found = find_model(name, TASK)
    return Space(OnnxLatentModel(found, device, threads), read_directions(found), found.facts["part"])


def interpolate_tables(
    folder: Path,
    space: Space,
    *,
    sources: Sequence[str] = (),
    split: str = "valid",
    songs: int | None = None,
    seed: int = 0,
    name: str = "model",
) -> Iterator[Table]:
    """For each source (all of the split, unless named) a table of the model, and of holding all the time.

    Raises M4mError where nothing can be measured.
    """
    corpus = Corpus(folder, sources)
    known = dict.fromkeys(p.source.partition("/")[0] for p in corpus.places if p.split == split)
    done = 0
    for source in sources or known:
        real = _songs(corpus, space, source, split, songs)
        if not real:
            continue
        rng = np.random.default_rng(seed)
        hold = [[_hold(windows)] for windows in real]
        rows: list[Row] = [
            row_of(name, [[_figures(space, windows, rng)] for windows in real], FIGURES),
            row_of("nothing but holds", hold, FIGURES),
        ]
        about: dict[str, object] = {"source": source, "split": split, "windows": sum(map(len, real))}
        yield Table(f"{source}, {split} pieces, {sum(map(len, real))} windows", about, tuple(rows))
        done += 1
    if not done:
        raise M4mError(f"no melody in 4/4 in the split {split!r} of {folder}", "name a folder of music or a pack")


def _songs(corpus: Corpus, space: Space, source: str, split: str, songs: int | None) -> list[Windows]:
    found: list[Windows] = []
    for number in corpus.select(split, source):
        score = corpus.score(number)
        part = None if score is None else PARTS[space.part](score)
        windows = None if part is None else melody_windows(part, space.model.events, space.model.events)
        if windows is not None and len(windows):
            found.append(windows[:: max(1, len(windows) // MOST)][:MOST])
        if len(found) == songs:
            break
    return found


def _hold(windows: Windows) -> Figures:
    """What is right where nothing is ever written."""
    again = told_again(windows, np.full_like(windows, HOLD))
    return {"free_running": again.accuracy, "notes_right": again.note_accuracy}


def _figures(space: Space, windows: Windows, rng: np.random.Generator) -> Figures:
    """The figures of a song's windows (n, events)."""
    model, events = space.model, windows.astype(np.int64)
    mean, deviation = model.encode(events)
    drawn = mean + deviation * rng.standard_normal(mean.shape, np.float32)
    log_p = np.take_along_axis(log_softmax(told_logits(model, drawn, events)), events[..., None], axis=-1)
    divergence = 0.5 * (mean**2 + deviation**2 - 1 - 2 * np.log(deviation)).sum()
    again = told_again(events, _again(model, mean))
    figures: Figures = {
        "nats_per_note": float(divergence - log_p.sum()) / max(1, again.notes),
        "divergence": float(divergence) / len(events),
        "teacher_forced": float((told_logits(model, mean, events).argmax(-1) == events).mean()),
        "free_running": again.accuracy,
        "notes_right": again.note_accuracy,
    }
    return figures | {f"{name}_up": _growth(space, mean, name) for name in space.known}


def _again(model: LatentModel, points: Floats) -> NDArray[np.int64]:
    randoms = [np.random.default_rng(0) for _ in points]
    return written(model, points, LIKELIEST, randoms)


def _growth(space: Space, points: Floats, name: str) -> float:
    """By how much an attribute grows from half its direction back to half of it ahead."""
    measure, way = ATTRIBUTES[name], space.known[name] / 2
    less, more = (_again(space.model, np.asarray(points + sign * way, np.float32)) for sign in (-1, 1))
    return float(np.mean([measure(b) - measure(a) for a, b in zip(less, more, strict=True)]))
