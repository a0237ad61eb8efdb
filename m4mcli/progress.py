"""Progress on standard error: only on a terminal, only when the work takes more than a second.

`-q`, `--no-progress`, TERM=dumb and CI in the environment keep it away.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TextIO

SECONDS_BEFORE_SHOWN = 1.0
SECONDS_AFTER_OTHERS = 1.0
"""Before the bar comes again when something else was written."""

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

    Nothing is written to the terminal, and nothing imported, before SECONDS_BEFORE_SHOWN have passed; then a bar moves,
    also where nothing has been told yet. What was written is wiped at the end.
    """
    if not wanted(quiet):
        yield None
        return
    bar = _LateBar(label)
    before = _current.set(bar)
    try:
        yield bar.report
    finally:
        _current.reset(before)
        bar.close()


def make_way(stream: TextIO | None) -> None:
    """Wipe what is shown, if something else is about to be written to the terminal; it comes again a while later."""
    bar = _current.get()
    if bar is not None and stream is not None and stream.isatty():
        bar.make_way()


class _LateBar:
    """A bar that appears by itself when the work has taken SECONDS_BEFORE_SHOWN."""

    def __init__(self, label: str) -> None:
        # Whatever takes its place later, to hold messages back.
        self._terminal = sys.stderr
        self._label, self._told = label, (0, 0)
        self._until_done, self._lock = ExitStack(), threading.RLock()
        self._bar: Callable[[int, int], None] | None = None
        self._ended = False
        self._wait(SECONDS_BEFORE_SHOWN)

    def _wait(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._show)
        self._timer.daemon = True
        if seconds > 0:
            self._timer.start()
        else:
            self._show()

    def _show(self) -> None:
        with self._lock:
            if self._bar is None and not self._ended:
                self._bar = self._until_done.enter_context(_bar(self._label, self._terminal))
                self._bar(*self._told)

    def report(self, done: int, of: int) -> None:
        """So many steps of so many are done."""
        self._told = done, of
        if self._bar is None and time.monotonic() >= self._due:
            self._show()
        elif (bar := self._bar) is not None:
            bar(done, of)

    def make_way(self) -> None:
        """Wipe the bar, and wait again."""
        with self._lock:
            if self._bar is not None:
                self._until_done.close()
                self._bar = None
                self._wait(SECONDS_AFTER_OTHERS)

    def close(self) -> None:
        """Wipe the bar, and show none again."""
        self._timer.cancel()
        with self._lock:
            self._ended = True
            self._until_done.close()


_current: ContextVar[_LateBar | None] = ContextVar("current", default=None)


@contextmanager
def _bar(label: str, terminal: TextIO) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    # Redirected, what is written to standard output would go to the terminal, though that were a file.
    console = Console(file=terminal)
    with Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, of: bars.update(task, completed=done, total=of or None)
