"""`m4m train`: a model from a recipe and a pack."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import Invocation

EXAMPLES = (
    "m4m train harmonize-small --pack lead --out run",
    "m4m train harmonize-small --pack lead --out run --resume --max-minutes 60",
    "m4m train toy --set optimizer.lr=0.001 --print",
)
SHOWS_PROGRESS = True

RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", show_default=False, help="A recipe's file, or the name of one that ships."),
]
PackFolder = Annotated[
    str | None,
    typer.Option("--pack", metavar="DIR", show_default=False, help="The pack to train on, of m4m dataset build."),
]
RunFolder = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR", show_default=False, help="Where the checkpoint and the metrics are written."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", show_default=False, help="Change a value of the recipe; repeatable."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint, if it has one.")]
MaxMinutes = Annotated[
    float | None,
    typer.Option("--max-minutes", min=0, metavar="N", show_default=False, help="Save and end after so many minutes."),
]
TrainingDevice = Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="Where the network is trained.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        metavar="N",
        show_default=False,
        help="Processes that make batches ahead; of itself as many as a GPU needs, none for the processor.",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Do not tell how far it is.")]
PrintRecipe = Annotated[bool, typer.Option("--print", help="Print the recipe, settings and defaults in it, and end.")]


def train(
    recipe: RecipeName,
    pack: PackFolder = None,
    out: RunFolder = None,
    settings: Settings = None,
    resume: Resume = False,
    max_minutes: MaxMinutes = None,
    device: TrainingDevice = "cpu",
    workers: Workers = None,
    print_recipe: PrintRecipe = False,
    quiet: Quiet = False,
) -> None:
    """Train a model from a recipe.

    Ctrl-C finishes the step, saves and exits with status 130; --resume goes on from there, to the same weights as if
    there had been no break.
    """
    run = Invocation("train", quiet=quiet)

    from pathlib import Path

    from m4mcli.training.recipe import as_toml, find_recipe, read_recipe

    composed = read_recipe(find_recipe(recipe), tuple(settings or ()))
    if print_recipe:
        run.write(as_toml(composed))
        return
    if pack is None or out is None:
        missing = "--pack" if pack is None else "--out"
        raise M4mError(f"{missing} is missing", "usage: m4m train RECIPE --pack PACK --out RUN", USAGE)

    from m4mcli.dataset.pack import Pack
    from m4mcli.training.loop import train as train_recipe
    from m4mcli.training.progress import reporting

    say = Invocation("train", verbose=True).say
    with stop_on_signals() as stopped, reporting(composed.optimizer.steps, say, quiet=quiet) as report:
        train_recipe(
            composed,
            Pack(Path(pack)),
            Path(out),
            resume=resume,
            max_minutes=max_minutes,
            device=device,
            workers=workers,
            report=report,
            stop=stopped,
        )
    if stopped():
        say(f"saved in {out}; go on with --resume")
        raise KeyboardInterrupt


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or a termination has been asked for; the second one ends the process at once."""
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
