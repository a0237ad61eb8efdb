"""`m4m dataset`: folders of music packed for training."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import Invocation, Quiet

if TYPE_CHECKING:
    from m4mcli.dataset.build import Report
    from m4mcli.dataset.sources import Item

EXAMPLES = (
    "m4m dataset songs --out packs/songs",
    "m4m dataset scores asap --glob 'asap=**/midi_score.mid' --out packs/all",
)
SHOWS_PROGRESS = True

Folders = Annotated[
    list[str], typer.Argument(metavar="DIR", show_default=False, help="Folders of music, each of them a source.")
]
Out = Annotated[str, typer.Option("--out", metavar="DIR", show_default=False, help="The pack to write.")]
Globs = Annotated[
    list[str] | None,
    typer.Option(
        "--glob",
        metavar="[SOURCE=]PATTERN",
        show_default=False,
        help="Which files of the folders, or of one, are packed; repeatable. **/*.mid unless given.",
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="SOURCE",
        show_default=False,
        help="Name of the source, once for each DIR in turn; the folder's unless given.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, metavar="N", show_default=False, help="Processes; one a processor unless given."),
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, metavar="S", help="Seconds for one file at most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the pack's manifest.")]


def dataset(
    folders: Folders,
    out: Out,
    globs: Globs = None,
    names: Names = None,
    workers: Workers = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Pack folders of music for training.

    A build that was stopped goes on when it is started again. Files that cannot be read are told in OUT/refused.jsonl.
    """
    run = Invocation("dataset", quiet=quiet)
    items = _items(folders, names or [], globs or [])

    from m4mcli.dataset.build import build_items

    with _progress(len(items), shown=not quiet) as report:
        built = build_items(items, Path(out), workers=workers, timeout=timeout, report=report)
    if built.resumed:
        run.warn(f"went on behind {built.resumed} files that an earlier run had done")
    if built.refused:
        run.warn(f"{len(built.refused)} of {len(items)} files refused, see {Path(out) / 'refused.jsonl'}")
    manifest = built.manifest
    run.write(json.dumps(manifest, indent=1, sort_keys=True) + "\n" if as_json else _table(manifest))


def _items(folders: list[str], names: list[str], globs: list[str]) -> list["Item"]:
    """The files that the operands and options name, in order."""
    from m4mcli.dataset.sources import PATTERN, find_items

    if names and len(names) != len(folders):
        raise M4mError(f"{len(names)} --name for {len(folders)} folders", "give one for each, or none", USAGE)
    sources = names or [Path(folder).resolve().name for folder in folders]
    if bad := [name for name in sources if not name.strip("/")]:
        raise M4mError(f"{bad[0]!r} is no name of a source", "give one with --name", USAGE)
    patterns = dict.fromkeys(sources, "")
    general = PATTERN
    for text in globs:
        source, equals, pattern = text.partition("=")
        if equals and source in patterns:
            patterns[source] = pattern
        else:
            general = text
    chosen = [(Path(f), patterns[name] or general, name) for f, name in zip(folders, sources, strict=True)]
    return [item for folder, pattern, name in chosen for item in find_items(folder, pattern, name)]


@contextmanager
def _progress(total: int, *, shown: bool) -> Iterator["Report | None"]:
    """A bar on standard error while files are packed, where that is a terminal."""
    from m4mcli.progress import wanted

    if not (shown and wanted()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)

        def report(done: int, total: int, refused: int) -> None:
            progress.update(task, completed=done, description=f"{refused} refused" if refused else "")

        yield report


def _table(manifest: dict[str, Any]) -> str:
    """Pieces, frames and notes of each source and split, and the pack's hash, as lines of text."""
    rows = [("source/split", "pieces", "frames", "notes")]
    rows += [(name, *(str(n[k]) for k in rows[0][1:])) for name, n in sorted(manifest["sources"].items())]
    widths = [max(len(row[c]) for row in rows) for c in range(4)]
    lines = ["  ".join([row[0].ljust(widths[0]), *(row[c].rjust(widths[c]) for c in (1, 2, 3))]) for row in rows]
    return "\n".join([*lines, f"sha256 {manifest['sha256']}"]) + "\n"
