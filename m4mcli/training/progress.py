"""How a run tells on standard error how far it is: a bar on a terminal, else a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from m4mcli.progress import wanted

SECONDS = 15.0
"""Between two lines, at least."""

Report = Callable[[dict[str, Any]], None]


def line(facts: dict[str, Any], steps: int) -> str:
    """A report of the training loop in one line; empty for one that tells nothing new."""
    if "valid" in facts:
        roots = f", root {facts['root_accuracy']:.3f}" if facts.get("root_nats") else ""
        right = f", {facts['accuracy']:.3f} of the ids right" if "accuracy" in facts else ""
        return f"step {facts['step']}: {facts['valid']} {facts['nats_per_note']:.3f} nats a note{roots}{right}"
    if "loss" in facts:
        left = (steps - facts["step"]) / max(facts["steps_per_second"], 1e-9)
        return (
            f"step {facts['step']} of {steps}, {facts['loss']:.3f} nats a {unit(facts)}, "
            f"{facts['steps_per_second']:.1f} steps/s, {duration(left)} to go"
        )
    if facts.get("fresh"):
        return f"not in the start, so new: {', '.join(facts['fresh'])}"
    return f"going on from step {facts['step']} of {steps}" if facts["step"] else ""


def unit(facts: dict[str, Any]) -> str:
    """What a loss is counted by."""
    return "row" if "rows" in facts else "note"


def duration(seconds: float) -> str:
    """Seconds in the two largest units: 3725 -> 1 h 2 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def reporting(steps: int, say: Callable[[str], None], *, quiet: bool = False) -> Iterator[Report]:
    """A report function for the training loop: tells every measurement, the loss every SECONDS; `quiet`: nothing."""
    if quiet:
        yield lambda facts: None
    elif wanted():
        with _bar(steps) as report:
            yield report
    else:
        yield _lines(steps, say)


def _lines(steps: int, say: Callable[[str], None]) -> Report:
    told = time.monotonic() - SECONDS

    def report(facts: dict[str, Any]) -> None:
        nonlocal told
        now = time.monotonic()
        often = "loss" in facts and facts["step"] < steps and now - told < SECONDS
        if not often and (text := line(facts, steps)):
            say(text)
            told = now if "loss" in facts else told

    return report


@contextmanager
def _bar(steps: int) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=steps)

        def report(facts: dict[str, Any]) -> None:
            if "loss" not in facts and line(facts, steps):
                progress.console.print(line(facts, steps), highlight=False, markup=False)
            if not {"loss", "valid"} & facts.keys():
                # Steps of an earlier run say nothing about the speed of this one.
                progress.reset(task, completed=facts["step"])
            text = None
            if "loss" in facts:
                text = f"{facts['loss']:.3f} nats a {unit(facts)}, {facts['steps_per_second']:.1f} steps/s"
            progress.update(task, completed=facts["step"], description=text)

        yield report
