"""The same work on each of many files: in several processes, resumable, where one bad file costs itself alone.

A worker process runs the command line of the run anew, up to the place where it would begin with the first file, and
keeps what it would do to each. So the bytes are the same whatever the number of processes.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from m4mcli.errors import DONE, FAILED, USAGE, M4mError
from m4mcli.manifest import Entry, Manifest
from m4mcli.options import Invocation, held_back, tell
from m4mcli.parallel import available_processors, in_order
from m4mcli.stores import Store, digest, read_bytes

if TYPE_CHECKING:
    from m4mcli.generation.request import Progress

MANIFEST = ".m4m-manifest.jsonl"
FEW = 4
"""Files for which no process is started unless --jobs asks for it: they would be done before it is ready."""

KILLED = "ended the process that worked on it, twice; out of memory? try fewer --jobs"

Work = Callable[[Invocation, "Progress | None"], Any]
"""What is done to the file of an invocation; what it gives must be picklable."""


@dataclass(frozen=True)
class Sharing:
    """How files are shared among processes: `jobs` of them (None: one a processor), on the command line `arguments`.

    `key` stands for the command in the manifest; with `resume` what that says is done is not done again.
    """

    jobs: int | None = 1
    resume: bool = False
    arguments: tuple[str, ...] = ()
    key: str = ""


ALONE = Sharing()
_sharing = ContextVar("sharing", default=ALONE)
_captures = ContextVar("captures", default=False)


@contextmanager
def shared(sharing: Sharing) -> Iterator[None]:
    """Inside it files are shared so: what `--jobs` and `--resume` ask for."""
    before = _sharing.set(sharing)
    try:
        yield
    finally:
        _sharing.reset(before)


@dataclass(frozen=True)
class Each:
    """What work on each of the files gave, in their order, without those that failed or were done before."""

    values: Sequence[Any]
    failed: bool


@dataclass(frozen=True)
class Job:
    """A file to be worked on, and what an earlier run says of it."""

    file: str
    folder: str | None = None
    known: Entry | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a file: its line in the manifest, what the work gave, the messages; `made` unless it was done."""

    entry: Entry
    value: Any = None
    messages: tuple[str, ...] = ()
    made: bool = True


class _CapturedError(BaseException):
    """Ends a command line before its first file."""

    def __init__(self, run: Invocation, work: Work) -> None:
        super().__init__("captured")
        self.run, self.work = run, work


def for_each(
    run: Invocation, files: Sequence[str], work: Work, label: str, folder: str | None = None, at_once: int = 1
) -> Each:
    """Work on each of the files (none: standard input); one of several that fails is told, and the others are done.

    Where no other process helps, `at_once` of them are worked on side by side, their steps of a network made together.
    Results that are written to `folder` are listed there, with hashes. Raises M4mError where a single file fails.
    """
    from m4mcli.progress import shown

    if _captures.get():
        raise _CapturedError(run, work)
    sharing = _sharing.get()
    if sharing.resume and folder is None:
        raise M4mError("--resume goes on with a folder of results", "add --out-dir DIR", USAGE)
    with shown(label if len(files) < 2 else "files", run.quiet) as progress:
        if len(files) < 2 and not sharing.resume:
            return Each([work(replace(run, file=files[0] if files else None), progress)], failed=False)
        return _several(run, files, work, sharing, folder, progress, at_once)


def _several(
    run: Invocation,
    files: Sequence[str],
    work: Work,
    sharing: Sharing,
    folder: str | None,
    progress: "Progress | None",
    at_once: int,
) -> Each:
    manifest = Manifest(Store(folder), MANIFEST) if folder is not None else None
    known = manifest.known if manifest is not None and sharing.resume else {}
    jobs = [Job(file, folder, known.get(file)) for file in files]
    values, failed, kept = [], False, 0
    try:
        for done, outcome in enumerate(_outcomes(run, jobs, work, sharing, at_once), 1):
            for message in outcome.messages:
                tell(message)
            if outcome.entry.failure:
                replace(run, about=outcome.entry.file).complain(M4mError(outcome.entry.failure))
                failed = True
            elif outcome.made:
                values.append(outcome.value)
            kept += not outcome.made
            if manifest is not None:
                manifest.add(outcome.entry)
            if progress is not None:
                progress(done, len(files))
    finally:
        if manifest is not None:
            manifest.save()
    if kept:
        run.say(f"{kept} of {len(files)} files were done before")
    return Each(values, failed)


def _outcomes(run: Invocation, jobs: Sequence[Job], work: Work, sharing: Sharing, at_once: int) -> Iterator[Outcome]:
    count = sharing.jobs or (available_processors() if len(jobs) > FEW and at_once == 1 else 1)
    # What standard input holds, this process has alone.
    if min(count, len(jobs)) < 2 or any(job.file == "-" for job in jobs):
        for first in range(0, len(jobs), at_once):
            yield from _side_by_side(run, work, jobs[first : first + at_once], sharing.key)
        return
    share = Share(sharing.arguments, sharing.key)
    yield from in_order(share, jobs, min(count, len(jobs)), lambda job: _lost(job, sharing.key), chunk=1)


def _side_by_side(run: Invocation, work: Work, jobs: Sequence[Job], key: str) -> list[Outcome]:
    """What became of files that are worked on at once, if there are several."""
    if len(jobs) < 2:
        return [_outcome(run, work, job, key) for job in jobs]

    from m4mcli.models.company import side_by_side

    return side_by_side([partial(_untold, run, work, job, key) for job in jobs])


def _untold(run: Invocation, work: Work, job: Job, key: str) -> Outcome:
    """What became of a file, with its messages, which are to come when it is its turn."""
    with held_back() as messages:
        outcome = _outcome(run, work, job, key)
    return replace(outcome, messages=tuple(messages))


def _lost(job: Job, key: str) -> Outcome:
    return Outcome(Entry(job.file, "", key, FAILED, failure=KILLED))


@dataclass(frozen=True)
class Share:
    """The work of a command line on one file, in a worker process."""

    arguments: tuple[str, ...]
    key: str

    def __call__(self, job: Job) -> Outcome:
        """Work on a file. Raises nothing of the file's making."""
        try:
            with redirect_stderr(io.StringIO()):
                run, work = _captured(self.arguments)
        except Exception as error:
            return Outcome(Entry(job.file, "", self.key, FAILED, failure=_explained(error)))
        with redirect_stderr(io.StringIO()) as told:
            outcome = _outcome(run, work, job, self.key)
        return replace(outcome, messages=tuple(told.getvalue().splitlines()))


@lru_cache(maxsize=1)
def _captured(arguments: tuple[str, ...]) -> tuple[Invocation, Work]:
    """What a command line does to each of its files: found once in a process."""
    from typer.main import get_command

    from m4mcli.cli import app

    before = _captures.set(True)
    try:
        get_command(app).main(list(arguments), prog_name="m4m", standalone_mode=False)
    except _CapturedError as captured:
        return captured.run, captured.work
    finally:
        _captures.reset(before)
    raise M4mError(f"m4m {arguments[0]} works on no files")


def _outcome(run: Invocation, work: Work, job: Job, key: str) -> Outcome:
    """Work on a file, unless the results of an earlier run are there."""
    data = _bytes(job.file) if job.folder is not None else None
    told = "" if data is None else digest(data)
    folder = Store(job.folder or ".")
    if job.known is not None and job.known.holds(data, key, folder):
        return Outcome(job.known, made=False)
    del data
    one = replace(run, file=job.file, about=job.file, written=[])
    try:
        value = work(one, None)
    except Exception as error:
        if os.environ.get("M4M_DEBUG") == "1":
            raise
        return Outcome(Entry(job.file, told, key, FAILED, failure=_explained(error)))
    if job.folder is None:
        return Outcome(Entry(job.file, "", key), value)
    names = [os.path.relpath(path, job.folder) for path in one.written]
    return Outcome(Entry(job.file, told, key, DONE, {name: folder.hash(name) for name in names}), value)


def _bytes(file: str) -> bytes | None:
    """The bytes of a file, if they can be had twice."""
    try:
        return None if file == "-" or not os.path.isfile(file) else read_bytes(file)  # noqa: PTH113
    except OSError:
        return None


def _explained(error: Exception) -> str:
    from m4mcli.cli import explain

    return explain(error)[1]
