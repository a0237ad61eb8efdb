"""`m4m accompany`: other instruments to drums, and to whatever else is there."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    AsJson,
    AsMidi,
    BestOf,
    Count,
    DeviceName,
    Files,
    Force,
    InstrumentList,
    Invocation,
    Model,
    Only,
    OutDir,
    Output,
    Prompt,
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

EXAMPLES = (
    "m4m accompany drums.mid > band.mid",
    'm4m accompany --instruments "bass,piano,strings" --key "F minor" --seed 3 drums.mid -o band.mid',
)
SHOWS_PROGRESS = SHARES_FILES = True

Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        show_default=False,
        help="The key, such as 'F# minor'; else that of what is given, or C.",
    ),
]


def accompany(
    files: Files = None,
    instruments: InstrumentList = None,
    key: Key = None,
    prompt: Prompt = None,
    seed: Seed = "0",
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = 0,
    best_of: BestOf = None,
    strictness: Strictness = 1.0,
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
    """Add other instruments to drums, and to whatever else is there.

    One track for each instrument, on the input's own beats, with its swing and its dynamics, silent in bars in which
    the input is. Every event of the input stays as it is. The same seed gives the same parts.
    """
    run = Invocation("accompany", None, output, as_json, as_midi, force, quiet, verbose)

    from m4mcli.batch import Batch

    batch = Batch(run, tuple(files or ()), out_dir, count)
    if prompt == "-" and (not files or "-" in files):
        raise M4mError("the music and --prompt cannot both come from standard input", "name a FILE", USAGE)

    from dataclasses import replace
    from functools import partial

    from m4mcli.generation.draw import Draw
    from m4mcli.models.registry import find_model
    from m4mcli.models.session import open_network
    from m4mcli.tasks.accompaniment import TASK
    from m4mcli.tasks.band import BandWish, play_along
    from m4mcli.theory.instruments import instrument_name, instruments_in_order
    from m4mcli.theory.keys import key_name, parse_key

    how = Draw(
        TASK.sampling.asked(temperature, top_p, top_k), best_of or TASK.best_of, count, run.seed(seed), strictness
    )
    programs = () if instruments is None else instruments_in_order(instruments)
    if any(program not in TASK.rules.instruments for program in programs):
        raise M4mError("--instruments: drums are not among the parts", "m4m drumify writes them", USAGE)
    wish = BandWish(how, programs, key=None if key is None else parse_key(key))
    if prompt is not None:
        wish = replace(wish, prompt=replace(run, file=prompt).read(music_out=False).score)
    found = find_model(model, TASK.name)
    network = open_network(found, TASK.name, device, threads, adapter)

    def versions(run: Invocation, reading: "Reading", progress: "Progress | None") -> "list[Write]":
        if not any(t.is_drum and len(t.notes) for t in reading.score.tracks):
            run.say("no drums: the parts follow the other tracks")
        began = time.monotonic()
        own = replace(how, best_of=best_of or TASK.samples_for(reading.score))
        bands = play_along(reading.score, network, replace(wish, how=own), progress)
        names = ", ".join(instrument_name(track.program) for track in bands[0].tracks)
        run.say(
            f"{key_name(*bands[0].key)}; {names}; model {found.name}, seed {own.seed}, best of {own.best_of}, "
            f"{network.provider}, {time.monotonic() - began:.1f} s"
        )
        for program in sorted({i for band in bands for i in band.missing}):
            run.warn(f"no notes for {instrument_name(program)}; try another --seed")
        return [partial(_write, reading=reading, tracks=band.tracks, only=only) for band in bands]

    batch.write_all(versions, "parts", network.at_once(how.best_of))


def _write(run: Invocation, reading: "Reading", tracks: "tuple[Track, ...]", only: bool) -> None:
    run.write_added(reading, tracks, only=only)
