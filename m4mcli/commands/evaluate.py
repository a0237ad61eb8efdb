"""`m4m evaluate`: tables of a model, the original music and the baselines; figures of folders of music."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.options import (
    BestOf,
    DeviceName,
    Invocation,
    Model,
    Output,
    Quiet,
    Seed,
    StyleFile,
    Temperature,
    Threads,
    TopP,
    Verbose,
)
from m4mcli.token_options import Workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from m4mcli.evaluation.measured import Measured
    from m4mcli.evaluation.table import Table

EXAMPLES = (
    "m4m evaluate harmonize --pack lead --baselines",
    "m4m evaluate drumify --pack band --songs 20 --samples 4 --json -o figures.json",
    "m4m evaluate analyze --folder labelled --source nottingham",
    "m4m evaluate mine/ --against theirs/ --plot figures.svg",
)
SHOWS_PROGRESS = True

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK|FILE...",
        help="harmonize, melodize, drumify, accompany, continue, infill, foundation, sample, interpolate, hub or "
        "analyze; or MIDI, m4m JSON, ABC, or folders of it.",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against", metavar="FILE", show_default=False, help="MIDI, m4m JSON, ABC, or a folder of it, to compare with."
    ),
]
Plot = Annotated[
    str | None,
    typer.Option(
        "--plot", metavar="FILE", show_default=False, help="Also draw how the figures are distributed, as SVG."
    ),
]
PackFolder = Annotated[
    str | None,
    typer.Option(
        "--pack",
        metavar="DIR",
        show_default=False,
        help="The pack of pieces to measure on, of m4m dataset build.",
    ),
]
LabelledFolder = Annotated[
    str | None,
    typer.Option("--folder", metavar="DIR", show_default=False, help="For analyze: the folder of labelled sources."),
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", show_default=False, help="Only this source; repeatable."),
]
Split = Annotated[str, typer.Option("--split", metavar="NAME", help="The split to measure on.")]
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
Samples = Annotated[
    int | None,
    typer.Option("--samples", min=1, metavar="N", show_default=False, help="Answers to each song; else 8, for hub 1."),
]
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
    targets: Targets,
    against: Against = None,
    plot: Plot = None,
    pack: PackFolder = None,
    folder: LabelledFolder = None,
    source: Sources = None,
    split: Split = "valid",
    prompt_frames: PromptFrames = None,
    samples: Samples = None,
    songs: Songs = None,
    metrics: Metrics = None,
    seed: Seed = "0",
    model: Model = None,
    adapter: StyleFile = None,
    baselines: Baselines = False,
    temperature: Temperature = None,
    top_p: TopP = None,
    best_of: BestOf = None,
    strictness: StrictnessAsked = None,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    workers: Workers = None,
    as_json: FiguresJson = False,
    output: Output = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure music, or a model on unseen pieces.

    FILE: what the field measures of music, for each file or folder; --against tells how alike the first and another
    are, and how much of it the other has already. TASK: each source of the pack has a table with the original music,
    the model and the baselines; for harmonize one where the first frames of the original part are given, and one
    without. foundation: how likely music is under a model that is given nothing but what came before. sample: the same
    for a model over tokens, and what its own music is like. interpolate: how well a model of melodies tells them again,
    told the real events before each and its own. hub: all models side by side. analyze: chords, keys, beats and bars
    against what people wrote down, with mir_eval; with --model also the chords that a model writes. Figures are means
    over songs, after ± the standard error.
    """
    run = Invocation("evaluate", None, output, as_json, quiet=quiet, verbose=verbose)

    from m4mcli.evaluation.measured import TASKS
    from m4mcli.evaluation.table import as_data, as_text

    task = targets[0]
    if task not in TASKS:
        given = {"--pack": pack, "--folder": folder, "--source": source, "--songs": songs, "--model": model}
        given |= {"--adapter": adapter}
        _refuse(given | {"--prompt-frames": prompt_frames}, f"{task} is no task", f"tasks: {', '.join(TASKS)}")
        _measure_music(run, targets, against, plot, metrics, workers)
        return
    _refuse({"--against": against, "--plot": plot, "another operand": targets[1:]}, f"{task} is a task", "leave it out")
    measured = TASKS[task]
    if baselines and model is not None:
        raise M4mError("--baselines and --model exclude each other", "give one of them", USAGE)
    if prompt_frames is not None and not measured.prompted:
        raise M4mError(f"--prompt-frames: {task} is measured without a prompt", "leave it out", USAGE)
    if strictness is not None and not measured.strict:
        raise M4mError(f"--strictness: {task} is measured without it", "leave it out", USAGE)
    if adapter is not None and (baselines or not measured.adapted):
        what_not = "baselines have no adapter" if baselines else f"{task} is measured without one"
        raise M4mError(f"--adapter: {what_not}", "leave it out", USAGE)
    # What was not asked for is left to the task.
    asked: dict[str, Any] = {"temperature": temperature, "top_p": top_p, "best_of": best_of}
    asked |= {"strictness": strictness, "adapter": adapter}
    how: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if not measured.tuned and (how.keys() - {"adapter"} or baselines):
        raise M4mError(f"{task}: every model writes as it does by itself", "leave options of sampling out", USAGE)
    _check_place(task, measured, pack, folder)
    if not measured.drawn and (how or baselines):
        raise M4mError(f"{task} is measured as it is", "leave options of sampling out; --model stands beside it", USAGE)
    columns = _columns(measured, metrics)
    number = run.seed(seed)
    how |= {"device": device, "threads": threads}
    what: dict[str, Any] = {"sources": source or (), "split": split, "songs": songs, "seed": number}
    what |= {"samples": samples or (8 if measured.tuned else 1), "name": model or "m4m"}
    what |= {} if prompt_frames is None else {"prompt_frames": prompt_frames}
    tables: list[Table] = []
    for table in measured.tables(measured, folder or pack or "", None if baselines else (model, how), what):
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


def _refuse(given: "Mapping[str, object]", why: str, hint: str) -> None:
    """Raise M4mError (status 2) if any of these was given."""
    for name, value in given.items():
        if value:
            raise M4mError(f"{name}: {why}", hint, USAGE)


def _measure_music(
    run: Invocation, targets: list[str], against: str | None, plot: str | None, metrics: str | None, workers: int | None
) -> None:
    """Write the figures of files and folders."""
    from pathlib import Path

    from m4mcli.evaluation.comparison import ALL, as_data, as_text
    from m4mcli.evaluation.measured import TASKS
    from m4mcli.evaluation.music import compared
    from m4mcli.progress import shown

    wanted = _chosen(ALL, metrics)
    for name in [*targets, *([against] if against is not None else [])]:
        if name != "-" and not Path(name).exists():
            raise M4mError(f"{name}: neither a task nor a file", f"tasks: {', '.join(TASKS)}", USAGE)
    failures: list[str] = []

    def failed(failure: str) -> None:
        failures.append(failure)
        run.complain(M4mError(failure))

    with shown("files", run.quiet) as progress:
        found = compared(targets, against, workers, failed, progress)
    for warning in found.warnings:
        run.warn(warning)
    if plot is not None:
        from m4mcli.evaluation.plot import plotted
        from m4mcli.score.write import write_output

        write_output(plotted(found, wanted), plot)
    if run.as_json:
        document = {"m4m": 1, "kind": "evaluation", "task": "music"} | as_data(found, wanted)
        run.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    else:
        run.write(as_text(found, wanted))
    if failures:
        raise typer.Exit(FAILED)


def _check_place(task: str, measured: "Measured", pack: str | None, folder: str | None) -> None:
    wanted, other = ("--pack", "--folder") if measured.drawn else ("--folder", "--pack")
    given = {"--pack": pack, "--folder": folder}
    if given[other] is not None:
        raise M4mError(f"{other}: {task} is measured on {wanted} DIR", "leave it out", USAGE)
    if given[wanted] is None and measured.placed:
        raise M4mError(f"{task} needs pieces to be measured on", f"add {wanted} DIR", USAGE)


def _columns(measured: "Measured", metrics: str | None) -> tuple[str, ...]:
    """The figures asked for, in the order of the task's; all of them unless asked."""
    from m4mcli.evaluation.measured import named

    return _chosen(named(measured.figures), metrics)


def _chosen(known: tuple[str, ...], metrics: str | None) -> tuple[str, ...]:
    """The figures that --metrics names, in their order. Raises M4mError (status 2) for one that there is none of."""
    asked = known if metrics is None else tuple(name.strip() for name in metrics.split(","))
    for name in asked:
        if name.casefold() not in (figure.casefold() for figure in known):
            raise M4mError(f"--metrics: no figure {name!r}", f"its figures: {', '.join(known)}", USAGE)
    return tuple(figure for figure in known if figure.casefold() in (name.casefold() for name in asked))


def _only(table: "Table", columns: tuple[str, ...]) -> "Table":
    rows = (
        replace(row, figures={name: row.figures[name] for name in columns if name in row.figures}) for row in table.rows
    )
    return replace(table, rows=tuple(rows))


def _so_strict(table: "Table", strictness: float) -> "Table":
    """The table under a title that says how strictly its model followed what was given."""
    return replace(
        table, title=f"{table.title}, strictness {strictness:g}", about={**table.about, "strictness": strictness}
    )
