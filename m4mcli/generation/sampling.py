"""From logits to a choice: masks, temperature, top-k, top-p, min-p, one uniform number per choice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError

COLDEST = 1e-6
"""Temperatures below this would overflow; the likeliest value wins there anyway."""


@dataclass(frozen=True)
class Sampling:
    """How choices are made.

    `temperature` divides the logits (0: always the likeliest). `top_k` keeps the k likeliest values (a count; 0: all).
    `top_p` keeps the likeliest values that together hold this share of the probability. `min_p` drops values less
    likely than this share of the likeliest one's probability.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < 100:
            raise M4mError("--temperature must be from 0 to 100", status=USAGE)
        if not 0 < self.top_p <= 1:
            raise M4mError("--top-p must be above 0 and at most 1", status=USAGE)
        if self.top_k < 0:
            raise M4mError("--top-k must be 0 (all) or more", status=USAGE)
        if not 0 <= self.min_p <= 1:
            raise M4mError("--min-p must be from 0 to 1", status=USAGE)

    def asked(
        self, temperature: float | None = None, top_p: float | None = None, top_k: int = 0, min_p: float = 0.0
    ) -> "Sampling":
        """The same with what the user asks for; None leaves the task's or the model's own."""
        return Sampling(
            self.temperature if temperature is None else temperature,
            self.top_p if top_p is None else top_p,
            top_k,
            min_p,
        )


def own_sampling(facts: Mapping[str, Any]) -> Sampling:
    """How a model is sampled unless one asks for something else, from its facts."""
    return Sampling(**facts.get("sampling", {}))


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log probabilities along the last axis, in double precision."""
    x = np.asarray(logits, np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    y: NDArray[np.float64] = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return y


def kept(log_p: NDArray[np.float64], sampling: Sampling) -> NDArray[np.bool_]:
    """Which values (rows, values) may be chosen under top-k, top-p and min-p; the likeliest always may."""
    order, rows = np.argsort(-log_p, axis=-1, kind="stable"), np.arange(len(log_p))[:, None]
    p = np.exp(log_p[rows, order])
    keep = np.ones_like(p, bool)
    if sampling.top_k:
        keep[:, sampling.top_k :] = False
    if sampling.top_p < 1:
        keep &= np.cumsum(p, axis=-1) - p < sampling.top_p
    if sampling.min_p:
        keep &= p >= sampling.min_p * p[:, :1]
    keep[:, 0] = True
    out = np.zeros_like(keep)
    out[rows, order] = keep
    return out


def choose(
    logits: NDArray[np.floating],
    allowed: NDArray[np.bool_],
    sampling: Sampling,
    uniforms: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """One value per row, and its log probability among the allowed ones at temperature 1.

    logits and allowed (rows, values), uniforms (rows,) in [0, 1). Every row must allow something.
    """
    # Few of many values may be chosen, as a rule: the others are left out at once.
    values = np.flatnonzero(allowed.any(axis=0))
    masked = np.where(allowed[:, values], np.asarray(logits[:, values], np.float64), -np.inf)
    log_p = log_softmax(masked)
    if sampling.temperature < COLDEST:
        chosen = log_p.argmax(axis=-1)
    else:
        heated = log_p if sampling.temperature == 1 else log_softmax(masked / sampling.temperature)
        p = np.where(kept(heated, sampling), np.exp(heated), 0.0)
        ladder = np.cumsum(p, axis=-1)
        chosen = (ladder <= uniforms[:, None] * ladder[:, -1:]).sum(axis=-1)
        # A number next to 1 times the sum may round to the sum.
        chosen = np.minimum(chosen, p.shape[-1] - 1 - (p[:, ::-1] > 0).argmax(axis=-1))
    return values[chosen], log_p[np.arange(len(log_p)), chosen]
