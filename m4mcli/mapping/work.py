"""What is done to one file of a corpus, in whatever process: bytes in, bytes out, and an entry of the manifest."""

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from m4mcli.chain import checked, parsed, reading
from m4mcli.errors import CHECK_SAID_NO, DONE, FAILED, USAGE, M4mError
from m4mcli.manifest import Entry, command_key
from m4mcli.stores import Source, Store, digest, read_bytes

TO_FILES = ("-o", "--output", "--out-dir", "--chords-out", "--lab", "--jobs", "--resume")
"""Options of commands for which there is no place here: --out says where results go."""

KINDS = (
    (b"MThd", ".mid"),
    (b"RIFF", ".wav"),
    (b"{", ".json"),
    (b"[", ".json"),
    (b"<svg", ".svg"),
    (b"\x89PNG", ".png"),
)
"""How results begin, and what their names then end in; others end in .txt."""


@dataclass(frozen=True)
class Chain:
    """Commands with their options, each reading what the one before it wrote."""

    steps: tuple[tuple[str, ...], ...]

    @classmethod
    def parsed(cls, text: str) -> "Chain":
        """The chain that is written as for `m4m pipe`. Raises M4mError (status 2) for what can be no such chain."""
        steps = parsed(text)
        for step in steps:
            for word in step:
                if word.partition("=")[0] in TO_FILES:
                    raise M4mError(f"{word} within m4m map", "--out says where results go", USAGE)
            if "--seed=random" in step or ("--seed", "random") in pairwise(step):
                raise M4mError(
                    "--seed random within m4m map", "name a seed: what is begun again is to be the same", USAGE
                )
            checked(step)
        if os.environ.get("M4M_SEED") == "random":
            raise M4mError("M4M_SEED is random", "name a seed: what is begun again is to be the same", USAGE)
        return cls(tuple(map(tuple, steps)))

    @property
    def key(self) -> str:
        """What stands for it in a manifest."""
        return command_key([word for step in self.steps for word in ("|", *step)])

    def __call__(self, data: bytes) -> tuple[int, bytes, str]:
        """Exit status, result and messages for the bytes of a file."""
        from m4mcli.cli import run
        from m4mcli.models.session import kept

        worst = DONE
        with redirect_stderr(io.StringIO()) as told, kept(networks_of_this_process()):
            for step in self.steps:
                out = io.BytesIO()
                with reading(data), redirect_stdout(io.TextIOWrapper(out, "utf-8", write_through=True)) as wrapper:
                    status = run(list(step))
                    wrapper.detach()
                data = out.getvalue()
                if status not in (DONE, CHECK_SAID_NO):
                    return status, b"", told.getvalue()
                worst = worst or status
        return worst, data, told.getvalue()


@cache
def networks_of_this_process() -> dict[Any, Any]:
    """Networks that are opened once for all files."""
    return {}


@dataclass(frozen=True)
class Job:
    """A file to be worked on, and what an earlier run says of it."""

    source: Source
    known: Entry | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a file: its entry in the manifest, messages, and whether anything was made now."""

    entry: Entry
    messages: tuple[str, ...] = ()
    made: bool = True


@dataclass(frozen=True)
class Work:
    """A chain whose results go to a folder, their names ending in `suffix` (None: as their kind is)."""

    chain: Chain
    folder: Store
    key: str
    suffix: str | None = None

    def __call__(self, job: Job) -> Outcome:
        """Work on a file. Raises nothing of the file's making."""
        source = job.source
        try:
            data = read_bytes(source.place)
        except (OSError, M4mError) as error:
            what = error.strerror if isinstance(error, OSError) else None
            return Outcome(Entry(source.name, "", self.key, FAILED, failure=f"{(what or str(error)).lower()}"))
        if job.known is not None and job.known.holds(data, self.key, self.folder):
            return Outcome(job.known, made=False)
        status, result, told = self.chain(data)
        lines = told.splitlines()
        if status not in (DONE, CHECK_SAID_NO):
            failure = lines.pop() if lines else f"status {status}"
            return Outcome(Entry(source.name, digest(data), self.key, status, failure=failure), tuple(lines))
        name = str(PurePosixPath(source.name).with_suffix(self.suffix or kind(result)))
        try:
            self.folder.write(name, result)
        except (OSError, M4mError) as error:
            return Outcome(Entry(source.name, digest(data), self.key, FAILED, failure=str(error)), tuple(lines))
        # A check that says no (status 3) is a result: it is told in the exit status of the run, and not done again.
        return Outcome(Entry(source.name, digest(data), self.key, DONE, {name: digest(result)}), tuple(lines))

    def lost(self, job: Job) -> Outcome:
        """What is told of a file on which one process after another was lost."""
        failure = "the processes that worked on it were lost, one after another; out of memory? try fewer --jobs"
        return Outcome(Entry(job.source.name, "", self.key, FAILED, failure=failure))


def kind(result: bytes) -> str:
    """What the name of a result ends in, by how it begins."""
    return next((suffix for magic, suffix in KINDS if result.startswith(magic)), ".txt")
