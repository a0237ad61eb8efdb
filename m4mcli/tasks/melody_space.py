"""Melodies as points of a model's space: told again, drawn, moved, and the way from one to another."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.parts import PARTS
from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.frames import FRAMES_PER_QUARTER, frame_of
from m4mcli.frames.melody_attributes import FILE
from m4mcli.frames.melody_events import BAR, OFF, Events, melody_events, melody_notes, padded
from m4mcli.generation.latent_sampling import LIKELIEST, between, written
from m4mcli.generation.request import Progress
from m4mcli.generation.sampling import Sampling
from m4mcli.models.latent_model import LatentModel
from m4mcli.models.network import Floats
from m4mcli.models.registry import ModelFolder, read_arrays
from m4mcli.score.metre import bars
from m4mcli.score.score import Score, Tempo, TimeSignature, Track
from m4mcli.tokens.scheme import DEFAULT_TPQ

TASK = "interpolate"

NOT_PLAIN = "not all in 4/4: read in bars of four quarters, which the model knows less well"

Directions = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Tune:
    """A melody as a model reads it: windows (n, events) from the bar of its first note on, and how it is played."""

    windows: Events = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    tempo: int = 500_000
    program: int = 0
    plain: bool = True
    """Whether all of its bars are in 4/4."""


@dataclass(frozen=True)
class How:
    """How melodies are written: drawn so, from this seed, so far along each direction."""

    sampling: Sampling = LIKELIEST
    seed: int = 0
    moves: dict[str, float] = field(default_factory=dict)


def tune_of(score: Score, length: int) -> Tune:
    """The melody of a piece in windows of `length` 16ths. Raises M4mError where it has no notes but drums."""
    part = PARTS["melody"](score) or PARTS["pitched"](score)
    if part is None:
        raise M4mError("no notes but drums: no melody to read", "give a piece with a melody")
    events = melody_events(part)
    first, lines = int(np.argmax(events < OFF)), bars(part)
    start = max((b for b in (frame_of(bar.tick, part.tpq) for bar in lines) if b <= first), default=0)
    plain = all(bar.length == 4 * part.tpq for bar in lines)
    track = next(t for t in part.tracks if len(t.notes))
    tempo = part.tempos[0].microseconds if part.tempos else Tune.tempo
    return Tune(padded(events[start:], length).reshape(-1, length), tempo, track.program, plain)


def read_directions(model: ModelFolder) -> Directions:
    """The directions of a model's attributes; none where it has none."""
    return read_arrays(model, FILE) if (model.path / FILE).is_file() else {}


def parse_moves(texts: Sequence[str], known: Directions) -> dict[str, float]:
    """`density=1` and the like. Raises M4mError for an attribute that the model does not know, or no number."""
    found = {}
    for text in texts:
        name, _, amount = text.partition("=")
        if name not in known:
            raise M4mError(f"--attribute {text}: the model knows {', '.join(known) or 'none'}", status=USAGE)
        try:
            found[name] = float(amount)
        except ValueError as e:
            raise M4mError(f"--attribute {text}: no number", f"write --attribute {name}=1", USAGE) from e
        if not np.isfinite(found[name]):
            raise M4mError(f"--attribute {text}: no finite number", f"write --attribute {name}=1", USAGE)
    return found


def moved_points(points: Floats, how: How, known: Directions) -> Floats:
    """Points (..., latent) moved along the directions that are asked for."""
    for name, amount in how.moves.items():
        points = points + amount * known[name]
    return np.asarray(points, np.float32)


def melodies(model: LatentModel, points: Sequence[Floats], how: How, progress: Progress | None = None) -> list[Events]:
    """The events (n * events,) of pieces, each of n points (n, latent).

    Every window has random numbers by the seed, its piece's number and its own.
    """
    found = []
    for number, piece in enumerate(points):
        if progress is not None:
            progress(number, len(points))
        randoms = [np.random.default_rng([how.seed, number, i]) for i in range(len(piece))]
        found.append(written(model, piece, how.sampling, randoms).ravel())
    return found


def prior_points(model: LatentModel, count: int, seed: int) -> list[Floats]:
    """Points of the standard normal distribution (1, latent), each by the seed and its number."""
    return [np.random.default_rng([seed, i]).standard_normal((1, model.latent), np.float32) for i in range(count)]


def points_near(model: LatentModel, tune: Tune, count: int, how: How) -> list[Floats]:
    """Points (n, latent) that a tune's windows may have; their means where the likeliest is asked for."""
    mean, deviation = model.encode(tune.windows)
    if how.sampling.temperature == 0:
        return [mean] * count
    noise = [np.random.default_rng([how.seed, i]).standard_normal(mean.shape, np.float32) for i in range(count)]
    return [mean + deviation * x for x in noise]


def points_between(model: LatentModel, a: Tune, b: Tune, steps: int) -> list[Floats]:
    """Points (n, latent) of so many steps from one tune to the other, window by window, along arcs.

    Only as many windows as the shorter tune has count.
    """
    count = min(len(a.windows), len(b.windows))
    first, last = (model.encode(tune.windows[:count])[0] for tune in (a, b))
    return [between(first, last, i / max(1, steps - 1)).astype(np.float32) for i in range(steps)]


def score_of(
    pieces: Sequence[Events], names: Sequence[str], tempo: int = Tune.tempo, program: int = Tune.program
) -> Score:
    """Pieces one behind the other as one melody in 4/4, a marker at each that has a name; each ends with itself."""
    ticks = DEFAULT_TPQ // FRAMES_PER_QUARTER
    notes, markers, start = [], [], 0
    for events, name in zip(pieces, names, strict=True):
        found = melody_notes(events, DEFAULT_TPQ)
        found["onset"] += start
        notes.append(found)
        markers += [(start, name)] if name else []
        start += -(-len(events) // BAR) * BAR * ticks
    return Score(
        DEFAULT_TPQ,
        (Track("Melody", program, False, np.concatenate(notes)),),
        (Tempo(0, tempo),),
        (TimeSignature(0, 4, 4),),
        markers=tuple(markers),
    )
