"""`m4m evaluate`: tables of a model, the original music and the baselines."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
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
    from m4mcli.evaluation.table import Table

EXAMPLES = (
    "m4m evaluate harmonize --pack lead --baselines",
    "m4m evaluate drumify --pack band --songs 20 --samples 4 --json -o figures.json",
)

TaskName = Annotated[
    Literal["harmonize", "melodize", "drumify", "accompany", "continue", "infill", "foundation"],
    typer.Argument(metavar="TASK", help="What is measured: a task that models are made for, or foundation."),
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
    int | None,
    typer.Option(
        "--prompt-frames",
        min=0,
        max=256,
        metavar="N",
        show_default=False,
        help="Frames of the original part that are given, in 16ths; else as usual for the task.",
    ),
]
Samples = Annotated[int, typer.Option("--samples", min=1, metavar="N", help="Answers to each song.")]
Songs = Annotated[
    int | None,
    typer.Option("--songs", min=1, metavar="N", show_default=False, help="At most N songs of each source."),
]
StrictnessAsked = Annotated[
    float | None,
    typer.Option(
        "--strictness",
        min=0,
        max=10,
        metavar="S",
        show_default=False,
        help="How strictly what is given is followed; 1: as learnt.",
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="LIST", show_default=False, help="Only these figures, such as CTnCTR,PCS."),
]
Baselines = Annotated[bool, typer.Option("--baselines", help="Measure the baselines alone, no model.")]
FiguresJson = Annotated[bool, typer.Option("--json", help="Write every figure as JSON.")]


def evaluate(
    task: TaskName,
    pack: PackFolder,
    source: Sources = None,
    split: Split = "valid",
    prompt_frames: PromptFrames = None,
    samples: Samples = 8,
    songs: Songs = None,
    metrics: Metrics = None,
    seed: Seed = "0",
    model: Model = None,
    baselines: Baselines = False,
    temperature: Temperature = None,
    top_p: TopP = None,
    best_of: BestOf = None,
    strictness: StrictnessAsked = None,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    as_json: FiguresJson = False,
    output: Output = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure a model on pieces that it has not seen.

    Each source of the pack has a table with the original music, the model and the baselines; for harmonize one where
    the first frames of the original part are given, and one without. foundation: how likely music is under a model that
    is given nothing but what came before. Figures are means over songs, after ± the standard error.
    """
    run = Invocation("evaluate", None, output, as_json, quiet=quiet, verbose=verbose)
    measured = TASKS[task]
    if baselines and model is not None:
        raise M4mError("--baselines and --model exclude each other", "give one of them", USAGE)
    if prompt_frames is not None and not measured.prompted:
        raise M4mError(f"--prompt-frames: {task} is measured without a prompt", "leave it out", USAGE)
    if strictness is not None and not measured.strict:
        raise M4mError(f"--strictness: {task} is measured without it", "leave it out", USAGE)

    from pathlib import Path

    from m4mcli.dataset.pack import Pack
    from m4mcli.evaluation.table import as_data, as_text

    columns = _columns(measured, metrics)
    number = run.seed(seed)
    # What was not asked for is left to the task.
    asked = {"temperature": temperature, "top_p": top_p, "best_of": best_of, "strictness": strictness}
    how = {name: value for name, value in asked.items() if value is not None} | {"device": device, "threads": threads}
    what: dict[str, Any] = {"sources": source or (), "split": split, "songs": songs, "seed": number}
    what |= {"samples": samples, "name": model or "m4m"}
    what |= {} if prompt_frames is None else {"prompt_frames": prompt_frames}
    tables: list[Table] = []
    for table in measured.tables(measured, Pack(Path(pack)), None if baselines else (model, how), what):
        for warning in table.warnings:
            if not any(warning in earlier.warnings for earlier in tables):
                run.warn(warning)
        run.say(f"{table.title}: {table.rows[0].songs} songs")
        tables.append(_only(table if strictness is None else _so_strict(table, strictness), columns))
    if as_json:
        document = {"m4m": 1, "kind": "evaluation", "task": task, "model": model, "seed": number, "sampling": how}
        document |= {"tables": [as_data(table) for table in tables]}
        run.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    else:
        run.write("\n".join(map(as_text, tables)))


Asked = tuple[str | None, dict[str, Any]] | None
"""The model's name and how it samples; None for the baselines alone."""


@dataclass(frozen=True)
class Measured:
    """How a task is measured: `figures` names its columns and `answers` what writes, both as `module:name`.

    `tables` makes its tables; `prompted` and `strict` say whether it has the options for prompts and strictness.
    """

    figures: str
    answers: str
    tables: "Callable[[Measured, Pack, Asked, dict[str, Any]], Iterator[Table]]"
    prompted: bool = True
    strict: bool = True


def _named(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _columns(measured: Measured, metrics: str | None) -> tuple[str, ...]:
    """The figures asked for, in the order of the task's; all of them unless asked."""
    known: tuple[str, ...] = _named(measured.figures)
    asked = known if metrics is None else tuple(name.strip() for name in metrics.split(","))
    for name in asked:
        if name.casefold() not in (figure.casefold() for figure in known):
            raise M4mError(f"--metrics: no figure {name!r}", f"its figures: {', '.join(known)}", USAGE)
    return tuple(figure for figure in known if figure.casefold() in (name.casefold() for name in asked))


def _only(table: "Table", columns: tuple[str, ...]) -> "Table":
    rows = (replace(row, figures={name: row.figures[name] for name in columns}) for row in table.rows)
    return replace(table, rows=tuple(rows))


def _so_strict(table: "Table", strictness: float) -> "Table":
    """The table under a title that says how strictly its model followed what was given."""
    return replace(
        table, title=f"{table.title}, strictness {strictness:g}", about={**table.about, "strictness": strictness}
    )


def _study(measured: Measured, pack: "Pack", model: Asked, what: dict[str, Any]) -> "Iterator[Table]":
    from m4mcli.evaluation.trials import study_tables

    study = _named(f"{measured.figures.partition(':')[0]}:study")
    about = {name: what[name] for name in ("samples", "name", "prompt_frames") if name in what}
    which = {name: what[name] for name in ("sources", "split", "songs", "seed")}
    answer = None if model is None else _named(measured.answers)(model[0], **model[1])
    with _shown(answer) as shown:
        yield from study_tables(pack, study(shown, **about), **which)


def _harmonize(measured: Measured, pack: "Pack", model: Asked, what: dict[str, Any]) -> "Iterator[Table]":
    from m4mcli.evaluation.harmonize import harmonize_tables

    answer = None if model is None else _named(measured.answers)(model[0], **model[1])
    with _shown(answer) as shown:
        yield from harmonize_tables(pack, shown, **what)


def _foundation(measured: Measured, pack: "Pack", model: Asked, what: dict[str, Any]) -> "Iterator[Table]":
    from m4mcli.evaluation.foundation import foundation_tables

    network = None if model is None else _named(measured.answers)(model[0], model[1]["device"], model[1]["threads"])
    yield from foundation_tables(pack, network, **{name: what[name] for name in ("sources", "split", "songs", "name")})


def _task(module: str, answers: str, *, prompted: bool = True, strict: bool = True) -> Measured:
    return Measured(f"m4mcli.evaluation.{module}:FIGURES", f"m4mcli.tasks.{answers}", _study, prompted, strict)


TASKS = {
    "harmonize": Measured("m4mcli.evaluation.harmonize:FIGURES", "m4mcli.tasks.harmonize:harmonizer", _harmonize),
    "melodize": _task("melodize", "melodize:melodizer"),
    "drumify": _task("drumify", "drums:drummer"),
    "accompany": _task("accompany", "accompaniment:accompanist"),
    "continue": _task("continuation", "continuation:continuer", prompted=False, strict=False),
    "infill": _task("infill", "infill:infiller", prompted=False),
    "foundation": Measured(
        "m4mcli.evaluation.foundation:FIGURES",
        "m4mcli.tasks.continuation:open_network",
        _foundation,
        prompted=False,
        strict=False,
    ),
}
"""How each task is measured, by the name that the command line knows it by."""


@contextmanager
def _shown(answer: Callable[..., Any] | None) -> "Iterator[Any]":
    """The same, with the songs that it has answered counted on a terminal's standard error."""
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
