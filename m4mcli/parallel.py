"""Work on many files in several processes, the results in the files' order and few of them held at a time."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from m4mcli.errors import M4mError

CHUNK = 16
"""Items that a process takes at a time."""

FEW = 2 * CHUNK
"""Items for which no process is started: they would be done before it is ready."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """The function of each item, in order; `function` and what it takes and gives must be picklable.

    Raises M4mError where a process is killed.
    """
    if workers == 1 or len(items) <= FEW:
        yield from map(function, items)
        return
    # Spawned, not forked: progress is told by a thread, and a fork beside threads may hang.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)
    waiting: deque[Future[list[Result]]] = deque()
    try:
        for start in range(0, len(items), CHUNK):
            waiting.append(pool.submit(_chunk, function, items[start : start + CHUNK]))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise M4mError("a worker process was killed", "out of memory? try fewer --workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _chunk(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]


def _start_worker() -> None:
    """Leave interruption to the parent, and end when it does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
