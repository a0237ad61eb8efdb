"""Events written by an autoencoder from points, and what it says of given ones; and ways through its space."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from m4mcli.generation.sampling import Sampling, choose
from m4mcli.models.latent_model import BEFORE, Carried, LatentModel
from m4mcli.models.network import Floats, Integers

LIKELIEST = Sampling(temperature=0.0)


def written(model: LatentModel, points: Floats, sampling: Sampling, randoms: Sequence[np.random.Generator]) -> Integers:
    """Events (B, events) of points (B, latent), each drawn with the random numbers of its own generator."""
    found: list[Integers] = []

    def draw(logits: Floats) -> Integers:
        uniforms = np.array([rng.random() for rng in randoms])
        event, _ = choose(logits, np.ones(logits.shape, np.bool_), sampling, uniforms)
        found.append(event)
        return event

    _run(model, points, draw)
    return np.stack(found, axis=1)


def told_logits(model: LatentModel, points: Floats, events: Integers) -> Floats:
    """Logits (B, events, vocabulary) of given events (B, events), each told those before it."""
    found: list[Floats] = []

    def tell(logits: Floats) -> Integers:
        found.append(logits)
        return events[:, len(found) - 1]

    _run(model, points, tell)
    return np.stack(found, axis=1)


def _run(model: LatentModel, points: Floats, following: Callable[[Floats], Integers]) -> None:
    """Every step of the decoder; `following` says which events come where these logits are told."""
    guides = model.guide(np.asarray(points, np.float32))
    event = np.full(len(points), BEFORE, np.int64)
    for segment in range(model.segments):
        carried = Carried(guides.begin.outputs[:, segment], guides.begin.cells[:, segment])
        guide = np.ascontiguousarray(guides.guides[:, segment])
        for _ in range(model.events // model.segments):
            logits, carried = model.step(event, guide, carried)
            event = following(logits)


def between(a: Floats, b: Floats, share: float) -> NDArray[np.float64]:
    """The points (..., latent) at a share (0: a, 1: b) of the way along the arc from a to b.

    Source: K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985 (slerp), along the last axis.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norms = np.linalg.norm(x, axis=-1, keepdims=True) * np.linalg.norm(y, axis=-1, keepdims=True)
    cosine = (x * y).sum(-1, keepdims=True) / np.maximum(norms, 1e-12)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    straight = np.sin(angle) < 1e-6
    sine = np.where(straight, 1.0, np.sin(angle))
    weights = [np.where(straight, w, np.sin(w * angle) / sine) for w in (1 - share, share)]
    point: NDArray[np.float64] = weights[0] * x + weights[1] * y
    return point
