"""`m4m map`: a command, or a chain of them, on every file of a corpus."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.options import Invocation, Quiet, Verbose

if TYPE_CHECKING:
    from m4mcli.mapping.engines import Engine

EXAMPLES = (
    "m4m map \"drumify --seed 3\" 'corpus/**/*.mid' --out drums",
    "m4m map \"quantize | harmonize\" 'corpus/**/*.mid' --out songs --resume",
    "m4m map analyze 's3://bucket/songs/*.mid' --out s3://bucket/labels --engine ray --address auto",
)
SHOWS_PROGRESS = True

Command = Annotated[
    str,
    typer.Argument(metavar="COMMAND", help="A command with its options, without m4m; or a chain with | between them."),
]
Patterns = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Files, folders, quoted patterns such as 'corpus/**/*.mid', or URLs of them."),
]
Out = Annotated[str, typer.Option("--out", metavar="DIR", show_default=False, help="Folder for the results, or a URL.")]
EngineName = Annotated[
    Literal["local", "ray"], typer.Option("--engine", help="Processes of this machine, or a Ray cluster.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST",
        show_default=False,
        help="The cluster, such as auto or ray://head:10001; else none.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", min=1, metavar="N", show_default=False, help="Processes; one a processor unless given."),
]
Retries = Annotated[
    int, typer.Option("--retries", min=0, metavar="N", help="Times Ray begins a file again whose process is lost.")
]
Suffix = Annotated[
    str | None,
    typer.Option(
        "--suffix", metavar=".EXT", show_default=False, help="What the results' names end in; else as their kind is."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Leave out files whose results are there as this made them.")]


def map_(
    command: Command,
    files: Patterns,
    out: Out,
    engine: EngineName = "local",
    address: Address = None,
    jobs: Jobs = None,
    retries: Retries = 2,
    suffix: Suffix = None,
    resume: Resume = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a command on every file of a corpus.

    Each file is given to the command's standard input; what comes out is written to --out under the file's name.
    manifest.jsonl there says what became of each. A file that fails is told, the others are done, and the status is 1.
    """
    run = Invocation("map", quiet=quiet, verbose=verbose)

    from m4mcli.mapping.mapped import Plan, mapped
    from m4mcli.mapping.work import Chain
    from m4mcli.progress import shown

    if address is not None and engine != "ray":
        raise M4mError("--address is that of a Ray cluster", "add --engine ray", USAGE)
    plan = Plan(Chain.parsed(command), tuple(files), out, suffix, resume)
    with shown("files", quiet) as progress:
        done = mapped(plan, _engine(run, engine, address, jobs, retries), run, progress)
    run.say(f"{done.made} made, {done.kept} done before, {done.failed} failed")
    if done.failed:
        raise typer.Exit(FAILED)


def _engine(run: Invocation, name: str, address: str | None, jobs: int | None, retries: int) -> "Engine":
    from m4mcli.mapping.engines import LocalEngine, RayEngine, ray_is_here

    if name == "ray" and ray_is_here():
        return RayEngine(address, jobs, retries)
    if name == "ray":
        run.warn("Ray is not installed: the local engine works instead; pip install 'm4m[cluster]'")
    return LocalEngine(jobs)
