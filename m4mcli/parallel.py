"""Work on many files in several processes, the results in the files' order and few of them held at a time."""

import gc
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from m4mcli.errors import M4mError

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

CHUNK = 16
"""Quick items that a process takes at a time."""

HINT = "out of memory? try fewer --jobs"

FEW = 2 * CHUNK
"""Quick items for which no process is started: they would be done before it is ready."""

YOUNG = 50_000
"""Objects beyond those that were freed, after which a process of much work looks for cycles among them: it makes next
to none, and Python's own number, 700, is that of a single piece."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    killed: Callable[[Item], Result] | None = None,
    chunk: int = CHUNK,
) -> Iterator[Result]:
    """The function of each item, in order; `function` and what it takes and gives must be picklable.

    A process takes `chunk` items at a time. For few items that are quick, more than one of which it takes, none is
    started: they would be done before it is ready.

    An item on which a process is killed twice, the second time alone, has the result that `killed` gives. Raises
    M4mError where there is no such function, and where the items around it fare no better: then it is the machine.
    """
    source = iter(items)
    few = FEW if chunk > 1 else 1
    head = list(islice(source, few + 1))
    rest = chain(head, source)
    if workers == 1 or len(head) <= few:
        with _seldom_collecting():
            yield from map(function, rest)
        return
    chunks = iter(lambda: list(islice(rest, chunk)), [])
    handed_back: deque[list[Item]] = deque()
    while (yield from _until_killed(function, chunks, handed_back, workers)):
        if killed is None:
            raise M4mError("a worker process was killed", HINT)
        yield from _one_by_one(function, handed_back.popleft(), killed)


def _until_killed(
    function: Callable[[Item], Result],
    chunks: Iterator[list[Item]],
    handed_back: deque[list[Item]],
    workers: int,
) -> Generator[Result, None, bool]:
    """Results in order; ends with True where a process was killed, what is still to be done being handed back."""
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    pool = _pool(workers)
    waiting: deque[tuple[list[Item], Future[list[Result]]]] = deque()
    try:
        while True:
            while len(waiting) <= 2 * workers and (chunk := handed_back.popleft() if handed_back else next(chunks, [])):
                # In their place at once: a pool that is broken by now refuses the chunk.
                waiting.append((chunk, Future()))
                waiting[-1] = (chunk, pool.submit(_chunk, function, chunk))
            if not waiting:
                return False
            results = waiting[0][1].result()
            waiting.popleft()
            yield from results
    except BrokenProcessPool:
        handed_back.extendleft(chunk for chunk, _ in reversed(waiting))
        return True
    finally:
        pool.shutdown(cancel_futures=True)


def _one_by_one(
    function: Callable[[Item], Result], items: Sequence[Item], killed: Callable[[Item], Result]
) -> Iterator[Result]:
    """The function of each item in a process in which nothing else goes on."""
    from concurrent.futures.process import BrokenProcessPool

    results: list[Result] = []
    lost = 0
    while len(results) < len(items):
        with _pool(1) as pool:
            try:
                results.extend(pool.submit(function, item).result() for item in items[len(results) :])
            except BrokenProcessPool:
                lost += 1
                results.append(killed(items[len(results)]))
    if lost == len(items) > 1:
        raise M4mError("one worker process after another was killed", HINT)
    yield from results


def _pool(workers: int) -> "ProcessPoolExecutor":
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Spawned, not forked: progress is told by a thread, and a fork beside threads may hang.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)


def _chunk(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [function(item) for item in items]


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(YOUNG)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _start_worker() -> None:
    """Leave interruption to the parent, and end when it does, however it ends."""
    import multiprocessing

    gc.set_threshold(YOUNG)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
