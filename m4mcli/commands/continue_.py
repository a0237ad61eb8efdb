"""`m4m continue`: more bars in the manner of a piece."""

import time
from typing import Annotated

import typer

from m4mcli.options import (
    AsJson,
    AsMidi,
    DeviceName,
    File,
    Force,
    Invocation,
    Model,
    Output,
    Quiet,
    Seed,
    Temperature,
    Threads,
    TopK,
    TopP,
    Verbose,
)

EXAMPLES = (
    "m4m continue --bars 4 tune.mid > longer.mid",
    "m4m continue --bars 8 --instruments piano,bass --seed 3 tune.mid -o longer.mid",
)

Bars = Annotated[int, typer.Option("--bars", min=1, max=4096, metavar="N", help="How many bars to write.")]
Instruments = Annotated[
    str | None,
    typer.Option(
        "--instruments",
        metavar="LIST",
        show_default=False,
        help="Only these, such as piano,bass,drums; else the piece's.",
    ),
]
MinP = Annotated[
    float, typer.Option("--min-p", min=0, max=1, metavar="P", help="Drop what is below P times the likeliest.")
]
BestOf = Annotated[int, typer.Option("--best-of", min=1, metavar="N", help="Keep the best of N samples.")]
Only = Annotated[bool, typer.Option("--only", help="Write the new bars alone, where they stand.")]


def continue_(
    file: File = None,
    length_bars: Bars = 8,
    instruments: Instruments = None,
    seed: Seed = "0",
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = 0,
    min_p: MinP = 0.0,
    best_of: BestOf = 4,
    only: Only = False,
    model: Model = None,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    output: Output = "-",
    as_json: AsJson = False,
    as_midi: AsMidi = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write more bars in the manner of a piece.

    The new bars begin at the bar line behind the last note, in the metre and tempo that hold there, one track for each
    instrument. Every event of the input stays as it is.
    """
    run = Invocation("continue", file, output, as_json, as_midi, force, quiet, verbose)

    from m4mcli.generation.sampling import Sampling
    from m4mcli.models.registry import find_model
    from m4mcli.models.session import open_network
    from m4mcli.progress import shown
    from m4mcli.tasks.continuation import TASK, Commission, continuation
    from m4mcli.theory.instruments import parse_instruments
    from m4mcli.theory.keys import key_name

    commission = Commission(
        length_bars=length_bars,
        instruments=None if instruments is None else parse_instruments(instruments),
        sampling=Sampling(
            TASK.sampling.temperature if temperature is None else temperature,
            TASK.sampling.top_p if top_p is None else top_p,
            top_k,
            min_p,
        ),
        best_of=best_of,
        seed=run.seed(seed),
    )
    reading = run.read()
    found = find_model(model, TASK.name)
    network = open_network(found, TASK.name, device, threads)
    began = time.monotonic()
    with shown("bars", quiet) as progress:
        written = continuation(reading.score, network, commission, progress)
    run.say(
        f"{key_name(*written.key) if written.key else 'no key'}; {_names(written.instruments)}; model {found.name}, "
        f"seed {commission.seed}, best of {best_of}, {network.provider}, {time.monotonic() - began:.1f} s"
    )
    if written.missing:
        run.warn(f"no new notes for {_names(written.missing)}; try another --seed, or more --bars")
    run.write_added(reading, written.tracks, only=only)


def _names(instruments: tuple[int, ...]) -> str:
    """Names of instruments, programs 0-127 and 128 for drums."""
    from m4mcli.theory.instruments import instrument_name

    return ", ".join(instrument_name(i % 128, i == 128) for i in instruments)
