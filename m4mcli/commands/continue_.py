"""`m4m continue`: more bars in the manner of a piece."""

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
    Threads,
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
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", min=0, metavar="T", show_default=False, help="Boldness; 0 takes the likeliest."),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p",
        min=0,
        max=1,
        metavar="P",
        show_default=False,
        help="Choose among the likeliest that hold P together.",
    ),
]
TopK = Annotated[int, typer.Option("--top-k", min=0, metavar="K", help="Choose among the K likeliest; 0: all.")]
MinP = Annotated[
    float, typer.Option("--min-p", min=0, max=1, metavar="P", help="Drop what is below P times the likeliest.")
]
BestOf = Annotated[int, typer.Option("--best-of", min=1, metavar="N", help="Keep the likeliest of N samples.")]
Only = Annotated[bool, typer.Option("--only", help="Write the new bars alone, where they stand.")]


def continue_(
    file: File = None,
    count: Bars = 8,
    instruments: Instruments = None,
    seed: Seed = "0",
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = 0,
    min_p: MinP = 0.0,
    best_of: BestOf = 1,
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
    from m4mcli.progress import shown
    from m4mcli.tasks.continuation import TASK, Wish, continuations, open_network
    from m4mcli.theory.instruments import parse_instruments

    wish = Wish(
        bars=count,
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
    network = open_network(model, device, threads)
    run.say(f"seed {wish.seed}, {network.provider}")
    with shown("bars", quiet) as progress:
        (tracks,) = continuations(reading.score, network, wish, progress)
    if not tracks:
        run.warn("the model wrote rests alone; try another --seed or a higher --temperature")
    run.write_added(reading, tracks, only=only)
