"""A command over several files, or with several versions of each: where every result goes, and what one bad file costs.

A command hands over the files and the function that makes the versions of one of them; everything is checked before
the first piece is read.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m4mcli.each import for_each
from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.options import Invocation

if TYPE_CHECKING:
    from m4mcli.generation.request import Progress
    from m4mcli.score.read import Reading

Write = Callable[[Invocation], None]
"""Writes one version to the output of the invocation that it is given."""

Versions = Callable[[Invocation, "Reading", "Progress | None"], Sequence[Write]]
"""All versions of one piece, ready to be written."""


@dataclass(frozen=True)
class Batch:
    """Files (none: standard input) and where their results go: `-o` and standard output, or a folder.

    Raises M4mError (status 2) for options that exclude each other, and for results that would overwrite each other or
    what they were made from.
    """

    run: Invocation
    files: tuple[str, ...] = ()
    out_dir: str | None = None
    count: int = 1

    def __post_init__(self) -> None:
        several = "-n" if self.count > 1 else "several files"
        if (self.count > 1 or len(self.files) > 1) and self.out_dir is None:
            raise M4mError(f"{several} need a folder for the results", "add --out-dir DIR", USAGE)
        if self.out_dir is None:
            return
        if self.run.output != "-":
            raise M4mError("--out-dir and -o exclude each other", "give one of them", USAGE)
        check_folder(self.out_dir, self.files)
        folder = Path(self.out_dir)
        for file in self.files:
            if self.count == 1 and file != "-" and Path(file).parent.resolve() == folder.resolve():
                raise M4mError(f"--out-dir {self.out_dir}: {file} lies there itself", "name another folder", USAGE)

    def write_all(self, versions: Versions, label: str, at_once: int = 1) -> None:
        """Make and write all versions of all files; one that fails is told, and the others are made.

        Of several files `at_once` are worked on side by side, as m4mcli.models.company does it.

        Raises M4mError where a single piece fails, and typer.Exit (status 1) where one of several did.
        """

        def work(run: Invocation, progress: "Progress | None") -> None:
            self._write(run, versions, progress)

        if for_each(self.run, self.files, work, label, self.out_dir, at_once).failed:
            raise typer.Exit(FAILED)

    def _write(self, run: Invocation, versions: Versions, progress: "Progress | None") -> None:
        reading = run.read(music_out=self.out_dir is None)
        writes = versions(run, reading, progress)
        for number, write in enumerate(writes, 1):
            if self.out_dir is not None:
                Path(self.out_dir).mkdir(parents=True, exist_ok=True)
                run = replace(run, output=self.path(run, number, ".json" if run.kind(reading) == "json" else ".mid"))
            write(run)

    def path(self, run: Invocation, number: int, suffix: str) -> str:
        """The file in --out-dir of a version, counted from 1: `DIR/melody.mid`, with -n `DIR/melody-1.mid`."""
        return str(Path(self.out_dir or "") / f"{stem(run.file)}{self.place(number)}{suffix}")

    def place(self, number: int) -> str:
        """What the names of a version's files end in: `-1`, or nothing where there is one version."""
        return f"-{number:0{len(str(self.count))}}" if self.count > 1 else ""


def check_folder(folder: str, files: Sequence[str]) -> None:
    """Raise M4mError where a folder for the results of files is none, or two results would have one name."""
    if Path(folder).exists() and not Path(folder).is_dir():
        raise M4mError(f"{folder}: not a folder", "name another")
    for name, times in Counter(map(stem, files)).items():
        if times > 1:
            raise M4mError(f"{times} files are called {name}", "their results would have one name", USAGE)


def stem(file: str | None) -> str:
    """What the results of a file are called: its name without folder and suffix."""
    return "stdin" if file in (None, "-") else Path(str(file)).stem
