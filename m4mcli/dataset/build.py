"""Folders of music to a pack: files read in worker processes, refused with a reason, kept in a fixed order.

A build works in the folder `OUT.building`, which becomes OUT when it is whole. Started again after it was stopped, it
goes on behind its last commit. The same files give the same pack, whatever the number of workers.
"""

import multiprocessing
import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from m4mcli.dataset.pack import PackedPiece, is_pack, pack_piece, read_lines
from m4mcli.dataset.roles import roles
from m4mcli.dataset.sources import PATTERN, Item, find_items, key_of
from m4mcli.dataset.writer import PROGRESS, PackWriter
from m4mcli.errors import M4mError
from m4mcli.score.metre import bars
from m4mcli.score.read import read_score, read_source
from m4mcli.score.score import Score, TimeSignature, Track

__all__ = ["Built", "Item", "build", "build_items", "find_items", "moved", "pack_item", "packed", "roles"]

FORM = 1
"""Changes when the same file becomes another packed piece, so that no unfinished build of before goes on."""

TIMEOUT_SECONDS = 30
CHUNK = 32
"""Files that a worker takes at a time."""

COMMIT_FILES = 512
"""Files after which what was packed is made to survive the end of the process."""

Packed = tuple[Item, PackedPiece | str]
"""A file, and its piece or the reason why it is refused."""

Report = Callable[[int, int, int], None]
"""Told after each file: how many are done, of how many, how many of them were refused."""


class TookTooLongError(Exception):
    """The time for one file is over."""


def moved(score: Score, ticks: int) -> Score:
    """A score whose notes are `ticks` later, its bars counted from tick 0 on.

    Where notes would then begin before tick 0, all is later by as many bars as it takes.
    """
    if not ticks:
        return score
    first = min((int(t.notes["onset"].min()) for t in score.tracks if len(t.notes)), default=0)
    bar = bars(score, 1)[0].length
    ticks += -(-max(0, -first - ticks) // bar) * bar

    def later(track: Track) -> Track:
        notes = track.notes.copy()
        notes["onset"] += ticks
        return replace(track, notes=notes)

    signatures = tuple(replace(s, tick=max(0, s.tick + ticks) if s.tick else 0) for s in score.time_signatures)
    return replace(score, tracks=tuple(later(t) for t in score.tracks), time_signatures=signatures)


def pack_item(item: Item, timeout: float = TIMEOUT_SECONDS) -> PackedPiece | str:
    """One file as a packed piece, or the reason why it is refused. Raises nothing."""
    try:
        with _limited_to(timeout):
            score = read_score(read_source(str(item.path))[0], item.name).score
            score = moved(score, round(item.shift_quarters * score.tpq))
            if not score.note_count:
                return "no notes"
            score = replace(score, time_signatures=score.time_signatures or (TimeSignature(0, 4, 4),))
            facts = {"name": item.name, "source": item.source, "split": item.split}
            return pack_piece(score, bars(score), roles(score), **facts)
    except M4mError as error:
        return error.message.removeprefix(f"{item.name}: ").removeprefix(f"{item.path}: ")
    except TookTooLongError:
        return f"took longer than {timeout:g} s"
    except Exception as error:
        # One file among thousands must not end the build; the log tells which one it was.
        return f"internal error: {type(error).__name__}: {error}"


@contextmanager
def _limited_to(seconds: float) -> Iterator[None]:
    """Raise TookTooLongError in here after so many seconds, where the system has alarms."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(number: int, frame: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _pack_chunk(items: Sequence[Item], timeout: float) -> list[PackedPiece | str]:
    return [pack_item(item, timeout) for item in items]


def _start_worker() -> None:
    """Leave interruption to the parent, and end when it does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def packed(items: Sequence[Item], workers: int, timeout: float = TIMEOUT_SECONDS) -> Iterator[Packed]:
    """Every item with its piece or its refusal, in the items' order, whatever the number of workers.

    At most a few chunks a worker are held. Raises M4mError where a worker process is killed.
    """
    if workers == 1:
        yield from ((item, pack_item(item, timeout)) for item in items)
        return
    # Spawned, not forked: progress is told by a thread, and a fork beside threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker)
    waiting: deque[tuple[Sequence[Item], Future[list[PackedPiece | str]]]] = deque()
    try:
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            waiting.append((chunk, pool.submit(_pack_chunk, chunk, timeout)))
            if len(waiting) > 2 * workers:
                done, result = waiting.popleft()
                yield from zip(done, result.result(), strict=True)
        for done, result in waiting:
            yield from zip(done, result.result(), strict=True)
    except BrokenProcessPool as error:
        hint = "out of memory? start again with fewer --workers: it goes on where it stopped"
        raise M4mError("a worker process was killed", hint) from error
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Built:
    """What a build gave: the pack's manifest, names and reasons of the refused files, files done by an earlier run."""

    manifest: dict[str, Any]
    refused: tuple[tuple[str, str], ...]
    resumed: int = 0


def build(
    folders: Iterable[Path],
    out: Path,
    *,
    pattern: str = PATTERN,
    workers: int | None = None,
    report: Report | None = None,
) -> Built:
    """Pack folders of music, each a source: `build_items` of what `find_items` finds in them."""
    items = [item for folder in folders for item in find_items(folder, pattern)]
    return build_items(items, out, workers=workers, report=report)


def build_items(
    items: Sequence[Item],
    out: Path,
    *,
    workers: int | None = None,
    timeout: float = TIMEOUT_SECONDS,
    report: Report | None = None,
) -> Built:
    """Pack files to the folder OUT, with the refused ones in OUT/refused.jsonl. Same files, same hash.

    Raises M4mError where OUT exists and is no pack, where a file is named twice, and where not one file can be packed.
    """
    _check_out(out)
    if len({item.path for item in items}) < len(items):
        raise M4mError("the same files are named twice", "name each folder once")
    place = out.with_name(f"{out.name}.building")
    _check_place(place)
    writer = PackWriter(place, key_of(items, (FORM, timeout)))
    resumed = done = writer.done
    pieces, refused = len(read_lines(place / "pieces.jsonl")), len(read_lines(place / "refused.jsonl"))
    try:
        for item, piece in packed(items[done:], workers or available_processors(), timeout):
            if isinstance(piece, str):
                writer.refuse(item.source, item.name, piece)
                refused += 1
            else:
                writer.add(piece)
                pieces += 1
            done += 1
            if done % COMMIT_FILES == 0:
                writer.commit(done)
            if report is not None:
                report(done, len(items), refused)
    except BaseException:
        writer.abandon()
        raise
    if not pieces:
        writer.abandon()
        first = read_lines(place / "refused.jsonl")[0]
        shutil.rmtree(place)
        raise M4mError(f"none of {len(items)} files can be packed", f"{first['name']}: {first['reason']}")
    manifest = writer.finish()
    told = tuple((line["name"], line["reason"]) for line in read_lines(place / "refused.jsonl"))
    _put(place, out)
    return Built(manifest, told, resumed)


def available_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_out(out: Path) -> None:
    if out.exists() and not (out.is_dir() and (is_pack(out) or not any(out.iterdir()))):
        raise M4mError(f"{out}: exists and is not a pack", "name a new folder with --out")
    if not out.name:
        raise M4mError(f"{out}: no name for a pack", "name a new folder with --out")


def _check_place(place: Path) -> None:
    if place.exists() and not (place.is_dir() and (not any(place.iterdir()) or (place / "notes.npy").exists())):
        raise M4mError(f"{place}: is in the way and is no unfinished pack", "move it, or name another --out")


def _put(place: Path, out: Path) -> None:
    """Move the finished pack to its name; an older one there makes room only now."""
    (place / PROGRESS).unlink(missing_ok=True)
    if out.exists():
        old = out.with_name(f"{out.name}.replaced")
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
        place.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    else:
        place.rename(out)
