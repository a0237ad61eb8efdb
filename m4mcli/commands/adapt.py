"""`m4m adapt`: a style adapter of the models that write, learnt from one's own files."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import Invocation, Model, Quiet, Seed, Threads, Verbose

if TYPE_CHECKING:
    from m4mcli.dataset.pack import Pack
    from m4mcli.training.own_music import Refused

EXAMPLES = (
    "m4m adapt jazz/ -o jazz.npz",
    "m4m adapt jazz/ --task continue --task infill --against pop/ -o jazz.npz",
    "m4m continue --adapter jazz.npz --bars 8 tune.mid > longer.mid",
)
SHOWS_PROGRESS = True
TASKS = ("continue", "infill", "harmonize", "melodize", "drumify", "accompany")

Folder = Annotated[
    str,
    typer.Argument(metavar="FOLDER", show_default=False, help="The music to learn from: a folder, archive or pack."),
]
AdapterFile = Annotated[
    str, typer.Option("-o", "--output", metavar="FILE", show_default=False, help="The adapter to write, an .npz file.")
]
TaskNames = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="TASK", show_default=False, help=f"{', '.join(TASKS)}; repeatable; else continue."),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="DIR",
        show_default=False,
        help="Other music, to see what is forgotten; else three tunes that ship.",
    ),
]
Rank = Annotated[int, typer.Option("--rank", min=1, max=64, metavar="N", help="Size of the changes.")]
Rate = Annotated[float, typer.Option("--rate", min=0, metavar="R", help="How fast it learns.")]
Remember = Annotated[
    int, typer.Option("--remember", min=0, metavar="N", help="Pieces of its own that it is not to unlearn; 0: none.")
]
Steps = Annotated[
    int, typer.Option("--steps", min=1, metavar="N", help="Steps at most; it ends when nothing is gained.")
]
MaxMinutes = Annotated[
    float | None,
    typer.Option("--max-minutes", min=0, metavar="N", show_default=False, help="End after so many minutes a task."),
]
AsReport = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def adapt(
    folder: Folder,
    output: AdapterFile,
    tasks: TaskNames = None,
    model: Model = None,
    against: Against = None,
    rank: Rank = 16,
    rate: Rate = 0.004,
    remember: Remember = 16,
    steps: Steps = 400,
    max_minutes: MaxMinutes = None,
    seed: Seed = "0",
    threads: Threads = 1,
    as_json: AsReport = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make a model's manner of writing that of one's own files.

    What is learnt is a small file of changes, which continue, infill, harmonize and the others put on with --adapter.
    A fifth of the files is held out: it says when to end, and the report how much likelier these files have become.
    """
    run = Invocation("adapt", quiet=quiet, verbose=verbose)
    chosen = tuple(dict.fromkeys(tasks or ("continue",)))
    for task in chosen:
        if task not in TASKS:
            raise M4mError(f"--task {task}: no such task", f"one of: {', '.join(TASKS)}", USAGE)
    if model is not None and len(chosen) > 1:
        raise M4mError("--model is for one task", "name one --task, or leave --model out", USAGE)

    import tempfile
    from pathlib import Path

    out, places = Path(output), [Path(folder), *([] if against is None else [Path(against)])]
    for place in places:
        if not place.exists():
            raise M4mError(f"{place}: no such folder", "name a folder of music")
    if out.suffix != ".npz" or not out.parent.is_dir() or out.is_dir():
        raise M4mError(f"{out}: not the name of an .npz file in a folder that is there", "-o jazz.npz", USAGE)

    from m4mcli.models.registry import find_model
    from m4mcli.training.adapt import Plan, adapt
    from m4mcli.training.own_music import other_pack, own_pack
    from m4mcli.training.progress import reporting
    from m4mcli.training.style import write_style

    plan = Plan(rank, remember, steps, lr=rate, seed=run.seed(seed), threads=threads, max_minutes=max_minutes)
    say = Invocation("adapt", verbose=True).say
    arrays: dict[str, Any] = {}
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="m4m-adapt-") as work:
        own = _told(run, own_pack(Path(folder), Path(work) / "own"))
        neutral = None if against is None else _told(run, other_pack(Path(against), Path(work) / "against"))
        for task in chosen:
            found = find_model(model, task)
            with reporting(plan.steps, say, quiet=quiet) as report:
                adapted = adapt(own, found, task, plan, neutral=neutral, report=report)
            arrays |= adapted.arrays
            told[task] = adapted.told
    write_style(out, arrays, told)
    run.write(
        json.dumps({"m4m": 1, "kind": "adaptation", "adapters": told}, indent=1) + "\n" if as_json else _text(told)
    )


def _told(run: Invocation, packed: "tuple[Pack, Refused]") -> "Pack":
    """The music of a folder; the files that are left out are told of."""
    pack, refused = packed
    for name, reason in refused:
        run.warn(f"{name}: left out: {reason}")
    return pack


def _text(adapters: dict[str, Any]) -> str:
    """The report for reading: a table for each task."""
    lines = []
    for task, told in adapters.items():
        pieces = told["pieces"]
        lines += [
            f"{task}, {told['model']}: learnt from {pieces['train']} pieces in {told['step']} steps, "
            f"{pieces['valid']} held out; {told['seconds']:.0f} s",
            f"{'nats a note':<16}{'before':>8}{'after':>8}{'change':>8}",
        ]
        for name, rate in told["nats_per_note"].items():
            who = "own, held out" if name == "own" else name
            change = rate["after"] - rate["before"]
            lines.append(f"{who:<16}{rate['before']:>8.3f}{rate['after']:>8.3f}{change:>+8.3f}")
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"
