"""How fast a step learns: the optimiser of a recipe, its rate by step, and what measurements say about going on."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from m4mcli.training.recipe import Optimizer, Recipe

RISE = 0.3
"""Share of a one-cycle run in which the rate rises (L. Smith and N. Topin, 2018)."""

LOWEST, LAST = 1 / 25, 1 / 250_000
"""Where the rate of a one-cycle run begins and ends, as shares of the highest."""


@dataclass(frozen=True)
class Standing:
    """What measurements have brought: the best nats per note, how many since brought nothing, the rate's factor."""

    best: float = math.inf
    since: int = 0
    waited: int = 0
    scale: float = 1.0

    def after(self, nats: float, plan: Optimizer) -> "Standing":
        """The standing after one more measurement."""
        if nats < self.best:
            return replace(self, best=nats, since=0, waited=0)
        late = self.waited + 1 >= plan.patience
        scale = self.scale * plan.decay if late and plan.schedule == "plateau" else self.scale
        return Standing(self.best, self.since + 1, 0 if late else self.waited + 1, scale)

    def facts(self) -> dict[str, Any]:
        """Plain values for a checkpoint; none before the first measurement."""
        return {} if math.isinf(self.best) else dict(vars(self))


def rate_at(step: int, recipe: Recipe, scale: float = 1.0) -> float:
    """Learning rate of a step."""
    o = recipe.optimizer
    if o.schedule == "onecycle":
        return o.lr * _cycle(step / max(1, o.steps))
    risen = min(1.0, (step + 1) / o.warmup)
    if o.schedule == "plateau":
        return o.lr * risen * scale
    if o.schedule == "cosine":
        return o.lr * risen * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, o.steps))))
    left = max(0.0, o.steps - step) / max(1.0, o.decay * o.steps)
    return o.lr * min(1.0, (step + 1) / o.warmup, left)


def _cycle(done: float) -> float:
    """The rate as a share of the highest, after a share of the steps."""
    rising = done < RISE
    start, stop = (LOWEST, 1.0) if rising else (1.0, LAST)
    part = done / RISE if rising else (min(done, 1.0) - RISE) / (1 - RISE)
    return stop + (start - stop) * 0.5 * (1 + math.cos(math.pi * part))


def optimizer_of(plan: Optimizer, trained: nn.Module) -> torch.optim.Optimizer:
    """The recipe's method over all parameters of a module."""
    parameters, decay = trained.parameters(), plan.weight_decay
    if plan.method == "sgd":
        return torch.optim.SGD(parameters, plan.lr, plan.momentum, weight_decay=decay)
    if plan.method == "rmsprop":
        return torch.optim.RMSprop(parameters, plan.lr, momentum=plan.momentum, weight_decay=decay)
    kind = torch.optim.AdamW if plan.method == "adamw" else torch.optim.Adam
    return kind(parameters, plan.lr, plan.betas, weight_decay=decay, fused=True)
