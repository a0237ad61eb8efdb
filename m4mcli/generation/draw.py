"""Draw answers: for each, several samples of a part, of which one is chosen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from m4mcli.errors import USAGE, M4mError
from m4mcli.generation.generate import generate
from m4mcli.generation.request import Progress, Request, Sample
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network

AT_ONCE = 16
"""Samples that are written at once: the network's memory of each takes some megabytes."""

Choose = Callable[[list[Sample]], int]
"""The index of the sample that is kept."""


@dataclass(frozen=True)
class Draw:
    """How answers are drawn: `count` of them, each the best of `best_of` samples; `strictness` as in guidance."""

    sampling: Sampling
    best_of: int = 1
    count: int = 1
    seed: int = 0
    strictness: float = 1.0

    def __post_init__(self) -> None:
        if self.best_of < 1 or self.count < 1:
            raise M4mError("--best-of and -n must be 1 or more", status=USAGE)
        if not 0 <= self.strictness <= 10:
            raise M4mError("--strictness must be from 0 to 10", "1 is the model as it is", USAGE)


def draw(
    network: Network, request: Request, rules: Rules, how: Draw, choose: Choose, progress: Progress | None = None
) -> list[Sample]:
    """The chosen sample of each answer. Answer i is what the seed + i alone would give."""
    answers = []
    for i in range(how.count):
        told = within(progress, i, how.count)
        group = draw_samples(network, request, rules, replace(how, seed=how.seed + i), how.best_of, told)
        answers.append(group[choose(group)])
    return answers


def draw_samples(
    network: Network, request: Request, rules: Rules, how: Draw, count: int, progress: Progress | None = None
) -> list[Sample]:
    """So many samples, AT_ONCE at a time, each batch from a seed that no user gives."""
    samples: list[Sample] = []
    for first in range(0, count, AT_ONCE):
        samples += generate(
            network,
            request,
            rules,
            how.sampling,
            seed=how.seed + (first << 32),
            samples=min(AT_ONCE, count - first),
            strictness=how.strictness,
            progress=within(progress, first // AT_ONCE, -(-count // AT_ONCE)),
        )
    return samples


def within(progress: Progress | None, done: int, count: int) -> Progress | None:
    """The progress of one of `count` runs of equal length, `done` of which are done, as progress of all."""
    if progress is None or count == 1:
        return progress
    return lambda frame, of: progress(done * of + frame, count * of)
