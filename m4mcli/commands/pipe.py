"""`m4m pipe`: several commands in one process, each reading what the one before it wrote."""

import io
from contextlib import redirect_stdout
from typing import Annotated

import typer

from m4mcli.chain import checked, parsed, reading
from m4mcli.errors import CHECK_SAID_NO, DONE
from m4mcli.options import Output

EXAMPLES = (
    'm4m pipe "quantize --grid 1/16 | harmonize | drumify" played.mid -o song.mid',
    'm4m pipe "harmonize --seed 7 | render" < melody.mid > song.wav',
)

Pipeline = Annotated[
    str, typer.Argument(metavar="PIPELINE", help="Commands with their options, without m4m, between them a |.")
]
Input = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE", show_default=False, help="MIDI, m4m JSON or ABC for the first command; - is standard input."
    ),
]


def pipe(pipeline: Pipeline, file: Input = None, output: Output = "-") -> None:
    """Run a chain of commands in one process, with the bytes of the same pipeline in the shell.

    Python and its libraries start once. FILE goes to the first command, -o to the last. Every step is checked before
    the first one runs; one that fails ends the chain with its status.
    """
    steps = parsed(pipeline)
    steps[0] += [] if file is None else ["--", file] if file.startswith("-") and file != "-" else [file]
    if output != "-":
        steps[-1][1:1] = ["-o", output]
    for step in steps:
        checked(step)

    from m4mcli.cli import run

    data: bytes | None = None
    worst = DONE
    for number, step in enumerate(steps, 1):
        if number == len(steps):
            with reading(data):
                status = run(step)
        else:
            written = io.BytesIO()
            with reading(data), redirect_stdout(io.TextIOWrapper(written, "utf-8", write_through=True)) as out:
                status = run(step)
                out.detach()
            data = written.getvalue()
        if status not in (DONE, CHECK_SAID_NO):
            raise typer.Exit(status)
        worst = worst or status
    if worst:
        raise typer.Exit(worst)
