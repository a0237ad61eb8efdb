"""Progress on standard error: only on a terminal, only when the work takes more than a second."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BEFORE_SHOWN = 1.0


@contextmanager
def shown(label: str, quiet: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A function to be called with (done, of) while the work goes on; None where nothing is to be shown."""
    dumb = os.environ.get("TERM") == "dumb" or "CI" in os.environ
    if quiet or dumb or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    began = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=False) as bars:
        task = bars.add_task(label, total=None, visible=False)

        def report(done: int, of: int) -> None:
            late = time.monotonic() - began > SECONDS_BEFORE_SHOWN
            bars.update(task, completed=done, total=of, visible=late)

        yield report
