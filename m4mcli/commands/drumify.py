"""`m4m drumify`: drums to music."""

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

EXAMPLES = (
    "m4m drumify song.mid > with-drums.mid",
    "m4m drumify --kit kick,snare,hat --intensity 0.7 --seed 3 song.mid -o out.mid",
    "m4m drumify songs/*.mid --out-dir drums",
)
SHOWS_PROGRESS = SHARES_FILES = True

Intensity = Annotated[
    float,
    typer.Option("--intensity", metavar="X", help="1: as learnt; 2: busier and louder; 0.5: sparser and softer."),
]
Kit = Annotated[
    str | None,
    typer.Option(
        "--kit", metavar="LIST", show_default=False, help="Only these drums, such as kick,snare,hat,ride; else any."
    ),
]
FromBar = Annotated[
    int | None, typer.Option("--from-bar", min=0, metavar="N", show_default=False, help="The first bar with drums.")
]
ToBar = Annotated[
    int | None, typer.Option("--to-bar", min=0, metavar="N", show_default=False, help="The last bar with drums.")
]
Fills = Annotated[
    bool, typer.Option("--fills/--no-fills", help="Fills where the music turns, every four to eight bars; or none.")
]


def drumify(
    files: Files = None,
    kit: Kit = None,
    intensity: Intensity = 1.0,
    from_bar: FromBar = None,
    to_bar: ToBar = None,
    fills: Fills = True,
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
    """Add drums to music.

    A General MIDI drum track that follows the piece's metre, tempi, swing and dynamics, and is silent in bars in which
    the music is. Every event of the input stays as it is. The same seed gives the same drums.
    """
    run = Invocation("drumify", None, output, as_json, as_midi, force, quiet, verbose)

    from m4mcli.batch import Batch

    batch = Batch(run, tuple(files or ()), out_dir, count)
    if prompt == "-" and (not files or "-" in files):
        raise M4mError("the music and --prompt cannot both come from standard input", "name a FILE", USAGE)

    from dataclasses import replace

    from m4mcli.generation.draw import Draw
    from m4mcli.models.registry import find_model
    from m4mcli.models.session import open_network
    from m4mcli.tasks.drums import TASK, DrumWish
    from m4mcli.tasks.drums import drumify as write_drums
    from m4mcli.theory.drum_sounds import parse_kit

    sampling = TASK.sampling.asked(temperature, top_p, top_k)
    how = Draw(sampling, best_of or TASK.best_of, count, run.seed(seed), strictness)
    sounds = TASK.rules.drum_sounds if kit is None else parse_kit(kit)
    wish = DrumWish(how, sounds, intensity, from_bar, to_bar, fills=fills)
    if prompt is not None:
        wish = replace(wish, prompt=replace(run, file=prompt).read(music_out=False).score)
    found = find_model(model, TASK.name)
    network = open_network(found, TASK.name, device, threads, adapter)

    def versions(run: Invocation, reading: "Reading", progress: "Progress | None") -> "list[Write]":
        if any(t.is_drum and len(t.notes) for t in reading.score.tracks) and not only:
            run.warn("the piece has drums: they are kept, and a track added")
        own = replace(how, best_of=best_of or TASK.samples_for(reading.score))
        tracks = write_drums(reading.score, network, replace(wish, how=own), progress)
        run.say(f"model {found.name}, seed {own.seed}, best of {own.best_of}, {network.provider}")
        return [lambda run, track=track: run.write_added(reading, [track], only=only) for track in tracks]  # type: ignore[misc]

    batch.write_all(versions, "drums", network.at_once(how.best_of))
