"""Progress on standard error: only on a terminal, only when the work takes more than a second.

`-q`, `--no-progress`, TERM=dumb and CI in the environment keep it away.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

SECONDS_BEFORE_SHOWN = 1.0

_hidden = ContextVar("hidden", default=False)


@contextmanager
def hidden() -> Iterator[None]:
    """Inside it no progress is shown: what `--no-progress` asks for."""
    before = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(before)


def wanted(quiet: bool = False) -> bool:
    """Whether progress is to be shown: standard error is a terminal that can, and nothing keeps it away."""
    kept_away = quiet or _hidden.get() or os.environ.get("TERM") == "dumb" or "CI" in os.environ
    return not kept_away and sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def shown(label: str, quiet: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A function to be called with (done, of) while the work goes on; None where nothing is to be shown.

    Nothing is written to the terminal, and nothing imported, before SECONDS_BEFORE_SHOWN have passed; what was written
    is wiped at the end.
    """
    if not wanted(quiet):
        yield None
        return
    began = time.monotonic()
    with ExitStack() as until_done:
        bar: Callable[[int, int], None] | None = None

        def report(done: int, of: int) -> None:
            nonlocal bar
            if bar is None and time.monotonic() - began > SECONDS_BEFORE_SHOWN:
                bar = until_done.enter_context(_bar(label))
            if bar is not None:
                bar(done, of)

        yield report


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, of: bars.update(task, completed=done, total=of)
