"""Figures of the benchmarks: what was measured, beside whom, and the ratio that can be told apart from the machine."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measurement: `value` in `unit`; `ratio` says how much better than `beside` that is (0: nobody)."""

    part: str
    what: str
    value: float
    unit: str
    beside: str = ""
    ratio: float = 0.0

    def line(self) -> str:
        """It as a line for people."""
        told = f"{self.ratio:8.2f} x {self.beside}" if self.ratio else ""
        return f"{self.part:8}  {self.what:44} {self.value:10.4g} {self.unit:10}{told}".rstrip()


def as_json(figures: Iterable[Figure]) -> str:
    """All of them for programs."""
    return json.dumps([asdict(figure) for figure in figures], indent=2) + "\n"


def cpu_seconds(work: Callable[[], Any], rounds: int = 1) -> float:
    """The least CPU time of this process that the work takes: others may use the machine."""
    times = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)
