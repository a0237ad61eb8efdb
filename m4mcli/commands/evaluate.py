"""`m4m evaluate`: tables of a model, the original music and the baselines."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    BestOf,
    DeviceName,
    Invocation,
    Model,
    Output,
    Quiet,
    Seed,
    Temperature,
    Threads,
    TopP,
    Verbose,
)

if TYPE_CHECKING:
    from m4mcli.dataset.pack import Pack
    from m4mcli.evaluation.harmonize import Harmonizer
    from m4mcli.evaluation.table import Table

EXAMPLES = (
    "m4m evaluate harmonize --pack lead --baselines",
    "m4m evaluate harmonize --pack lead --source nottingham --songs 20 --json -o figures.json",
)

TaskName = Annotated[
    Literal["harmonize", "foundation"],
    typer.Argument(metavar="TASK", help="What is measured: harmonize or foundation."),
]
PackFolder = Annotated[
    str, typer.Option("--pack", metavar="DIR", help="The pack of pieces to measure on, as m4m dataset makes it.")
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", show_default=False, help="Only this source of the pack; repeatable."),
]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="The split of the pack to measure on.")]
PromptFrames = Annotated[
    int,
    typer.Option(
        "--prompt-frames", min=0, max=256, metavar="N", help="Frames of the original part that are given, in 16ths."
    ),
]
Samples = Annotated[int, typer.Option("--samples", min=1, metavar="N", help="Answers to each song.")]
Songs = Annotated[
    int | None,
    typer.Option("--songs", min=1, metavar="N", show_default=False, help="Only the first N songs of each source."),
]
Baselines = Annotated[bool, typer.Option("--baselines", help="Measure the baselines alone, no model.")]
FiguresJson = Annotated[bool, typer.Option("--json", help="Write every figure as JSON.")]


def evaluate(
    task: TaskName,
    pack: PackFolder,
    source: Sources = None,
    split: Split = "valid",
    prompt_frames: PromptFrames = 16,
    samples: Samples = 8,
    songs: Songs = None,
    seed: Seed = "0",
    model: Model = None,
    baselines: Baselines = False,
    temperature: Temperature = None,
    top_p: TopP = None,
    best_of: BestOf = None,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    as_json: FiguresJson = False,
    output: Output = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure a model on pieces that it has not seen.

    harmonize: for each source a table with the original music, the model and the baselines, once with the first frames
    of the original part given, once without. foundation: how likely music is under a model that is given nothing but
    what came before. Figures are means over songs, after ± the standard error.
    """
    run = Invocation("evaluate", None, output, as_json, quiet=quiet, verbose=verbose)
    if baselines and model is not None:
        raise M4mError("--baselines and --model exclude each other", "give one of them", USAGE)

    from pathlib import Path

    from m4mcli.dataset.pack import Pack
    from m4mcli.evaluation.table import as_data, as_text

    number = run.seed(seed)
    # What was not asked for is left to the task.
    asked = {"temperature": temperature, "top_p": top_p, "best_of": best_of}
    how = {name: value for name, value in asked.items() if value is not None} | {"device": device, "threads": threads}
    what: dict[str, Any] = {"sources": source or (), "split": split, "prompt_frames": prompt_frames}
    what |= {"samples": samples, "songs": songs, "seed": number, "name": model or "m4m"}
    tables: list[Table] = []
    for table in TASKS[task](Pack(Path(pack)), None if baselines else (model, how), what):
        for warning in table.warnings:
            if not any(warning in earlier.warnings for earlier in tables):
                run.warn(warning)
        run.say(f"{table.title}: {table.rows[0].songs} songs")
        tables.append(table)
    if as_json:
        document = {"m4m": 1, "kind": "evaluation", "task": task, "model": model, "seed": number, "sampling": how}
        document |= {"tables": [as_data(table) for table in tables]}
        run.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    else:
        run.write("\n".join(map(as_text, tables)))


def _harmonize(
    pack: "Pack", model: tuple[str | None, dict[str, Any]] | None, what: dict[str, Any]
) -> "Iterator[Table]":
    from m4mcli.evaluation.harmonize import harmonize_tables

    answer = None
    if model is not None:
        from m4mcli.tasks.harmonize import harmonizer

        answer = harmonizer(model[0], **model[1])
    with _shown(answer) as shown:
        yield from harmonize_tables(pack, shown, **what)


def _foundation(
    pack: "Pack", model: tuple[str | None, dict[str, Any]] | None, what: dict[str, Any]
) -> "Iterator[Table]":
    from m4mcli.evaluation.foundation import foundation_tables
    from m4mcli.tasks.continuation import open_network

    network = None if model is None else open_network(model[0], model[1]["device"], model[1]["threads"])
    asked = {name: what[name] for name in ("sources", "split", "songs", "name")}
    yield from foundation_tables(pack, network, **asked)


TASKS: dict[str, Callable[..., "Iterator[Table]"]] = {"harmonize": _harmonize, "foundation": _foundation}
"""How each task is measured: (pack, model and how it samples or None, what is measured) -> tables."""


@contextmanager
def _shown(answer: "Harmonizer | None") -> "Iterator[Any]":
    """The same harmonizer, with the songs that it has answered counted on a terminal's standard error."""
    if answer is None or not sys.stderr.isatty():
        yield answer
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed:.0f} songs"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("songs", total=None)

        def counted(*arguments: Any) -> Any:
            answers = answer(*arguments)
            progress.advance(bar)
            return answers

        yield counted
