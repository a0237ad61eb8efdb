"""`m4m interpolate`: the way from one melody to another, in steps."""

from typing import TYPE_CHECKING, Annotated

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    AsJson,
    Attributes,
    DeviceName,
    Force,
    Invocation,
    Model,
    Output,
    Quiet,
    Seed,
    Threads,
    TopP,
    Verbose,
    require_one_place,
)

if TYPE_CHECKING:
    from m4mcli.tasks.melody_space import Tune

EXAMPLES = (
    "m4m interpolate a.mid b.mid --steps 8 > way.mid",
    "m4m interpolate a.mid b.mid --steps 5 --out-dir steps",
    "m4m interpolate tune.mid tune.mid --steps 1 --attribute density=1 -o busier.mid",
)
SHOWS_PROGRESS = True

Two = Annotated[
    list[str], typer.Argument(metavar="FILE FILE", help="Two pieces, MIDI, m4m JSON or ABC; - is standard input.")
]
Steps = Annotated[int, typer.Option("--steps", min=1, max=1000, metavar="N", help="Melodies, both ends counted.")]
StepsFolder = Annotated[
    str | None,
    typer.Option("--out-dir", metavar="DIR", show_default=False, help="Folder for a file of each step."),
]
Temperature = Annotated[
    float, typer.Option("--temperature", min=0, metavar="T", help="Boldness; 0 takes the likeliest.")
]


def interpolate(
    files: Two,
    steps: Steps = 8,
    out_dir: StepsFolder = None,
    attribute: Attributes = None,
    model: Model = None,
    seed: Seed = "0",
    temperature: Temperature = 0.0,
    top_p: TopP = None,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    output: Output = "-",
    as_json: AsJson = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the melodies that lie between two melodies.

    The first step is the first melody as the model tells it again, the last one the second. In between the way goes
    along an arc through the model's space. The steps stand one behind the other, or each in a file of --out-dir.
    """
    if len(files) != 2:
        raise M4mError(f"the way is between two files, not {len(files)}", "m4m interpolate one.mid other.mid", USAGE)
    if files == ["-", "-"]:
        raise M4mError("both files cannot come from standard input", "name one of them", USAGE)
    require_one_place(out_dir, output)

    from m4mcli.generation.sampling import Sampling
    from m4mcli.models.latent_session import OnnxLatentModel
    from m4mcli.models.registry import find_model
    from m4mcli.progress import shown
    from m4mcli.tasks.melody_space import (
        TASK,
        How,
        melodies,
        moved_points,
        parse_moves,
        points_between,
        read_directions,
        score_of,
    )

    run = Invocation("interpolate", None, output, as_json, False, force, quiet, verbose)
    found = find_model(model, TASK)
    known = read_directions(found)
    how = How(Sampling(temperature).asked(None, top_p), run.seed(seed), parse_moves(attribute or (), known))
    network = OnnxLatentModel(found, device, threads)
    first, second = (_tune(name, network.events, as_json, output, out_dir, quiet) for name in files)
    if len(first.windows) != len(second.windows):
        bars = network.events // 16 * min(len(first.windows), len(second.windows))
        run.warn(f"one melody is longer than the other: only the first {bars} bars of each are read")
    points = [moved_points(p, how, known) for p in points_between(network, first, second, steps)]
    with shown("steps", quiet) as progress:
        pieces = melodies(network, points, how, progress)
    run.say(f"model {found.name}, seed {how.seed}, {network.provider}, {steps} steps of {len(points[0])} windows")
    if out_dir is None:
        names = [f"step {i}" for i in range(1, steps + 1)]
        run.write_made(score_of(pieces, names, first.tempo, first.program))
        return
    for place, events in zip(_places(out_dir, steps, as_json), pieces, strict=True):
        score = score_of([events], [""], first.tempo, first.program)
        Invocation("interpolate", None, place, as_json).write_made(score)


def _places(out_dir: str, steps: int, as_json: bool) -> list[str]:
    """`DIR/step-1.mid` and so on, with zeros before the number of many."""
    from pathlib import Path

    Path(out_dir).mkdir(parents=True, exist_ok=True)
    digits, suffix = len(str(steps)), ".json" if as_json else ".mid"
    return [str(Path(out_dir) / f"step-{i:0{digits}}{suffix}") for i in range(1, steps + 1)]


def _tune(name: str, length: int, as_json: bool, output: str, out_dir: str | None, quiet: bool) -> "Tune":
    from m4mcli.tasks.melody_space import NOT_PLAIN, tune_of

    run = Invocation("interpolate", name, output, as_json, about="standard input" if name == "-" else name, quiet=quiet)
    try:
        tune = tune_of(run.read(music_out=out_dir is None).score, length)
    except M4mError as e:
        named = e.message if e.message.startswith(run.about) else f"{run.about}: {e.message}"
        raise M4mError(named, e.hint, e.status) from e
    if not tune.plain:
        run.warn(NOT_PLAIN)
    return tune
