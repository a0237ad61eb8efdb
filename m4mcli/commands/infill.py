"""`m4m infill`: bars of a piece made new, from what is before, behind and beside them."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from m4mcli.options import (
    AsJson,
    AsMidi,
    BestOf,
    Count,
    DeviceName,
    Files,
    Force,
    Invocation,
    Model,
    Only,
    OutDir,
    Output,
    Quiet,
    Seed,
    Strictness,
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
    from m4mcli.score.score import Track
    from m4mcli.tasks.filling import Filling

EXAMPLES = (
    "m4m infill --bars 9-12 song.mid > other.mid",
    "m4m infill --bars 5-6,13-14 --tracks Piano,drums --seed 3 song.mid -o other.mid",
)
SHOWS_PROGRESS = SHARES_FILES = True

Bars = Annotated[
    str, typer.Option("--bars", metavar="LIST", show_default=False, help="The bars to make new: 9, 9-12 or 9-12,17.")
]
Tracks = Annotated[
    str | None,
    typer.Option(
        "--tracks",
        metavar="LIST",
        show_default=False,
        help="Names or numbers of the tracks to make new, such as Piano,2; else all that sound around the bars.",
    ),
]
Density = Annotated[
    float | None,
    typer.Option(
        "--density",
        min=0,
        metavar="X",
        show_default=False,
        help="Notes a quarter of each track, of a model over mmm tokens.",
    ),
]


def infill(
    bars: Bars,
    files: Files = None,
    tracks: Tracks = None,
    seed: Seed = "0",
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = 0,
    best_of: BestOf = None,
    strictness: Strictness = 1.0,
    density: Density = None,
    count: Count = 1,
    out_dir: OutDir = None,
    only: Only = False,
    model: Model = None,
    adapter: StyleFile = None,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    output: Output = "-",
    as_json: AsJson = False,
    as_midi: AsMidi = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make some bars of a piece new, from what is before, behind and beside them.

    The notes that begin in these bars, in the named tracks, give way to new ones on the same tracks and channels. Every
    other event of the input stays as it is.
    """
    run = Invocation("infill", None, output, as_json, as_midi, force, quiet, verbose)

    from m4mcli.batch import Batch

    batch = Batch(run, tuple(files or ()), out_dir, count)

    from functools import partial

    from m4mcli.generation.draw import Draw
    from m4mcli.tasks.filling import Commission, fillings
    from m4mcli.tasks.infill import TASK, open_filler
    from m4mcli.tasks.region import label, parse_bars

    sampling = TASK.sampling.asked(temperature, top_p, top_k)
    how = Draw(sampling, best_of or TASK.best_of, count, run.seed(seed), strictness)
    commission = Commission(parse_bars(bars), how, tracks)
    filler = open_filler(model, device, threads, adapter, density)

    def versions(run: Invocation, reading: "Reading", progress: "Progress | None") -> "list[Write]":
        began = time.monotonic()
        made = fillings(reading.score, filler.fill, commission, progress)
        written = ", ".join(label(reading.score, change.track) for change in made[0].changes)
        run.say(
            f"tracks {written}; model {filler.name}, seed {how.seed}, best of {how.best_of}, {filler.provider}, "
            f"{time.monotonic() - began:.1f} s"
        )
        for track, region in made[0].silent:
            run.warn(f"no new notes for track {label(reading.score, track)} in bars {region}; try another --seed")
        return [partial(_write, reading=reading, filling=filling, only=only) for filling in made]

    batch.write_all(versions, "bars", filler.at_once(how.best_of))


def _write(run: Invocation, reading: "Reading", filling: "Filling", only: bool) -> None:
    """Write the piece with its notes changed, or the new notes alone."""
    from dataclasses import replace

    from m4mcli.score.read import read_score
    from m4mcli.score.replace_notes import replaced, replaced_midi

    score, changes = reading.score, filling.changes
    if only:
        new = [replace(_bare(score.tracks[change.track]), notes=change.notes) for change in changes]
        run.write_added(reading, new, only=True)
    elif reading.midi is None:
        run.write_score(reading, replaced(score, changes))
    else:
        midi = replaced_midi(reading.midi, score, changes)
        if run.kind(reading) == "midi":
            run.write(midi)
        else:
            run.write_score(reading, read_score(midi, "the music").score)


def _bare(track: "Track") -> "Track":
    """A track of that name and program with nothing in it."""
    from m4mcli.score.score import Track

    return Track(track.name, track.program, track.is_drum)
