"""`m4m continue`: more bars in the manner of a piece."""

import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    AsJson,
    AsMidi,
    Count,
    DeviceName,
    Files,
    Force,
    Invocation,
    Model,
    OutDir,
    Output,
    Quiet,
    Seed,
    StyleFile,
    Temperature,
    Threads,
    TopK,
    TopP,
    Verbose,
)

if TYPE_CHECKING:
    from m4mcli.batch import Write
    from m4mcli.generation.request import Progress
    from m4mcli.score.read import Reading
    from m4mcli.score.score import Score
    from m4mcli.tasks.continuation import Continuation

EXAMPLES = (
    "m4m continue --bars 4 tune.mid > longer.mid",
    "m4m continue --bars 8 --instruments piano,bass --seed 3 tune.mid -o longer.mid",
)
SHOWS_PROGRESS = SHARES_FILES = True

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
End = Annotated[bool, typer.Option("--end", help="Come to a close on the tonic, in the last of the bars or before.")]
AsLines = Annotated[
    bool, typer.Option("--jsonl", help="Print each frame of a 16th as it comes, as JSON; one sample is drawn.")
]


def continue_(
    files: Files = None,
    length_bars: Bars = 8,
    instruments: Instruments = None,
    end: End = False,
    seed: Seed = "0",
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = 0,
    min_p: MinP = 0.0,
    best_of: BestOf = 8,
    count: Count = 1,
    out_dir: OutDir = None,
    only: Only = False,
    model: Model = None,
    adapter: StyleFile = None,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    output: Output = "-",
    as_json: AsJson = False,
    as_lines: AsLines = False,
    as_midi: AsMidi = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write more bars in the manner of a piece.

    The new bars begin at the bar line behind the last note, in the metre and tempo that hold there, one track for each
    instrument. Every event of the input stays as it is.
    """
    run = Invocation("continue", None, output, as_json, as_midi, force, quiet, verbose)
    if as_lines and (as_json or as_midi or out_dir is not None or output != "-" or end):
        what = "--json, --midi, --out-dir, -o and --end"
        raise M4mError(f"--jsonl prints what comes, when it comes: {what} exclude it", "give one of them", USAGE)

    from dataclasses import replace

    from m4mcli.batch import Batch
    from m4mcli.models.registry import find_model
    from m4mcli.models.session import open_network
    from m4mcli.tasks.continuation import TASK, Commission, continuation
    from m4mcli.theory.instruments import parse_instruments
    from m4mcli.theory.keys import key_name

    batch = Batch(run, tuple(files or ()), out_dir, count)
    commission = Commission(
        length_bars=length_bars,
        instruments=None if instruments is None else parse_instruments(instruments),
        sampling=TASK.sampling.asked(temperature, top_p, top_k, min_p),
        best_of=best_of,
        seed=run.seed(seed),
        end=end,
    )
    found = find_model(model, TASK.name)
    network = open_network(found, TASK.name, device, threads, adapter)
    if as_lines:
        reading = replace(run, file=batch.files[0] if batch.files else None).read(music_out=False)
        continuation(reading.score, network, replace(commission, written=_Lines(reading.score)))
        return

    def versions(run: Invocation, reading: "Reading", progress: "Progress | None") -> "list[Write]":
        writes: list[Write] = []
        for number in range(count):
            began = time.monotonic()
            asked = replace(commission, seed=commission.seed + number)
            written = continuation(reading.score, network, asked, progress)
            run.say(
                f"{key_name(*written.key) if written.key else 'no key'}; {_names(written.instruments)}; model "
                f"{found.name}, seed {asked.seed}, best of {best_of}, {network.provider}, "
                f"{time.monotonic() - began:.1f} s"
            )
            if written.missing:
                run.warn(f"no new notes for {_names(written.missing)}; try another --seed, or more --bars")
            writes.append(partial(_write, reading=reading, written=written, only=only))
        return writes

    batch.write_all(versions, "bars", network.at_once(best_of))


def _write(run: Invocation, *, reading: "Reading", written: "Continuation", only: bool) -> None:
    run.write_added(reading, written.tracks, only=only)


class _Lines:
    """Prints each frame of the new bars that has notes as one line of JSON, at once."""

    def __init__(self, score: "Score") -> None:
        self.tpq = score.tpq

    def __call__(self, frame: int, notes: Any) -> None:
        from m4mcli.frames.frames import DRUMS, tick_of
        from m4mcli.progress import make_way

        rows = [
            {
                "program": None if n["instrument"] == DRUMS else int(n["instrument"]),
                "drums": bool(n["instrument"] == DRUMS),
                "pitch": int(n["pitch"]),
                "duration": tick_of(int(n["frame"] + n["duration"]), self.tpq) - tick_of(frame, self.tpq),
            }
            for n in notes
        ]
        line = {"m4m": 1, "kind": "frame", "tpq": self.tpq, "tick": tick_of(frame, self.tpq), "notes": rows}
        make_way(sys.stdout)
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _names(instruments: tuple[int, ...]) -> str:
    """Names of instruments, programs 0-127 and 128 for drums."""
    from m4mcli.theory.instruments import instrument_name

    return ", ".join(instrument_name(i % 128, i == 128) for i in instruments)
