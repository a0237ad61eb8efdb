"""`m4m sample`: music by any model over tokens, from nothing or from a beginning."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    AsJson,
    Attributes,
    Count,
    DeviceName,
    Force,
    InstrumentList,
    Invocation,
    OutDir,
    Output,
    Quiet,
    Seed,
    Temperature,
    Threads,
    TopK,
    TopP,
    Verbose,
    require_one_place,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from m4mcli.generation.sampling import Sampling
    from m4mcli.models.registry import ModelFolder
    from m4mcli.tasks.token_piece import Piece

EXAMPLES = (
    "m4m sample multihead > new.mid",
    "m4m sample models/mine -n 4 --out-dir results",
    "m4m sample models/tunes --metre 6/8 --key minor -o jig.abc",
    "m4m sample multihead --prompt tune.mid --beats 8 --temperature 0.9 -o longer.mid",
    "m4m sample music-vae --prompt tune.mid --attribute density=1 -o busier.mid",
)
LENGTH = 512
SHOWS_PROGRESS = True

ModelName = Annotated[
    str,
    typer.Argument(metavar="MODEL", show_default=False, help="A model's folder, as m4m export-onnx makes it, or name."),
]
PromptFile = Annotated[
    str | None,
    typer.Option("--prompt", metavar="FILE", show_default=False, help="Music to go on from; - is standard input."),
]
Beats = Annotated[
    int | None,
    typer.Option(
        "--beats", min=1, metavar="N", show_default=False, help="Go on from the prompt's first N quarter notes."
    ),
]
Length = Annotated[
    int, typer.Option("--length", min=2, max=65536, metavar="N", help="Rows of tokens at which a piece is over.")
]
Metre = Annotated[
    str | None,
    typer.Option("--metre", metavar="M", show_default=False, help="Of a tune by a model over ABC: 4/4, 3/4, 6/8."),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", "--mode", metavar="KEY", show_default=False, help="Of such a tune: G, Dm, F#m; or major, minor."
    ),
]
AsAbc = Annotated[bool, typer.Option("--abc", help="Write ABC text; for models over ABC.")]
MinP = Annotated[
    float, typer.Option("--min-p", min=0, max=1, metavar="P", help="Drop what is below P times the likeliest.")
]


def sample(
    model: ModelName,
    count: Count = 1,
    out_dir: OutDir = None,
    prompt: PromptFile = None,
    beats: Beats = None,
    length: Length = LENGTH,
    metre: Metre = None,
    key: Key = None,
    instruments: InstrumentList = None,
    attribute: Attributes = None,
    seed: Seed = "0",
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = 0,
    min_p: MinP = 0.0,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    output: Output = "-",
    as_json: AsJson = False,
    as_abc: AsAbc = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write new music with a model over tokens, or of melodies.

    A piece ends where the model ends it, or where it has --length rows of tokens; then it is cut back to the last place
    at which a piece may end. What the model's scheme of tokens forbids is never written.
    """
    if as_abc and as_json:
        raise M4mError("--json and --abc exclude each other", "give one of them", USAGE)
    run = Invocation("sample", prompt, output, as_json, False, force, quiet, verbose)
    _check_places(count, out_dir, output)
    if beats is not None and prompt is None:
        raise M4mError("--beats is about a prompt, and there is none", "add --prompt FILE", USAGE)

    from dataclasses import replace

    from m4mcli.generation.sampling import own_sampling
    from m4mcli.models.registry import find_model
    from m4mcli.models.token_session import OnnxTokenModel
    from m4mcli.progress import shown
    from m4mcli.tasks.melody_space import TASK as SPACE
    from m4mcli.tasks.token_piece import TASK, Wish, write_pieces
    from m4mcli.theory.instruments import parse_instruments
    from m4mcli.tokens.merged import opened_coder

    found = find_model(model, TASK, SPACE)
    sampling = own_sampling(found.facts).asked(temperature, top_p, top_k, min_p)
    number = run.seed(seed)
    if SPACE in found.tasks:
        foreign = {"--beats": beats, "--metre": metre, "--key": key, "--instruments": instruments, "--abc": as_abc}
        _refuse(foreign, f"{found.name} writes melodies of a length of its own in 4/4")
        _write_melodies(run, found, count, out_dir, (sampling, number, attribute or []), device, threads)
        return
    _refuse({"--attribute": attribute}, f"{found.name} knows no attributes")
    coder = opened_coder(found.facts["tokens"], str(found.path))
    if (as_abc or output.endswith(".abc")) and coder.scheme.name != "abc":
        raise M4mError(f"{found.name} does not write ABC", f"its tokens are {coder.scheme.name}", USAGE)
    given = None if prompt is None else run.read(music_out=out_dir is None).score
    players = () if instruments is None else parse_instruments(instruments)
    what = found.facts["part"], found.facts.get("one_key", False)
    wish = Wish(count, length, sampling, number, given, beats, *what, metre, key, players)
    network, began = OnnxTokenModel(found, device, threads), time.monotonic()
    with shown("rows", quiet) as progress:
        pieces = write_pieces(network, coder, wish, progress)
    seconds, rows = time.monotonic() - began, sum(len(p.written) for p in pieces)
    run.say(f"model {found.name}, seed {wish.seed}, {network.provider}, {rows} rows in {seconds:.1f} s")
    for number, piece in enumerate(pieces, 1):
        if piece.skipped:
            run.warn(f"piece {number}: {piece.skipped} tokens skipped")
        place = _place(out_dir, f"{found.name}{_number(number, count)}{_suffix(as_json, as_abc)}", output)
        _write(replace(run, output=place), piece, number, as_abc or place.endswith(".abc"))


def _check_places(count: int, out_dir: str | None, output: str) -> None:
    """Raise M4mError for options that say no place, or two."""
    if count > 1 and out_dir is None:
        raise M4mError("-n needs a folder for the results", "add --out-dir DIR", USAGE)
    require_one_place(out_dir, output)


def _refuse(given: "Mapping[str, object]", why: str) -> None:
    """Raise M4mError (status 2) if any of these was given."""
    for name, value in given.items():
        if value:
            raise M4mError(f"{name}: {why}", "leave it out", USAGE)


def _write_melodies(
    run: Invocation,
    model: "ModelFolder",
    count: int,
    out_dir: str | None,
    drawn: "tuple[Sampling, int, list[str]]",
    device: DeviceName,
    threads: int,
) -> None:
    """Melodies of a model that knows them as points; `drawn`: how, by which seed, with which attributes."""
    from dataclasses import replace

    from m4mcli.models.latent_session import OnnxLatentModel
    from m4mcli.progress import shown
    from m4mcli.tasks import melody_space as space

    known = space.read_directions(model)
    how = space.How(drawn[0], drawn[1], space.parse_moves(drawn[2], known))
    network, tune = OnnxLatentModel(model, device, threads), space.Tune()
    if run.file is None:
        points = space.prior_points(network, count, how.seed)
    else:
        tune = space.tune_of(run.read(music_out=out_dir is None).score, network.events)
        points = space.points_near(network, tune, count, how)
        if not tune.plain:
            run.warn(space.NOT_PLAIN)
    with shown("melodies", run.quiet) as progress:
        pieces = space.melodies(network, [space.moved_points(p, how, known) for p in points], how, progress)
    run.say(f"model {model.name}, seed {how.seed}, {network.provider}, {len(points[0])} windows each")
    for number, events in enumerate(pieces, 1):
        place = _place(out_dir, f"{model.name}{_number(number, count)}{_suffix(run.as_json, False)}", run.output)
        replace(run, output=place).write_made(space.score_of([events], [""], tune.tempo, tune.program))


def _number(number: int, count: int) -> str:
    """`-1` of several, with zeros before it of many; nothing where there is one."""
    return f"-{number:0{len(str(count))}}" if count > 1 else ""


def _suffix(as_json: bool, as_abc: bool) -> str:
    return ".json" if as_json else ".abc" if as_abc else ".mid"


def _place(out_dir: str | None, name: str, output: str) -> str:
    """Where a piece goes: `DIR/mine-1.mid`, or as -o says."""
    from pathlib import Path

    if out_dir is None:
        return output
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    return str(Path(out_dir) / name)


def _write(run: Invocation, piece: "Piece", number: int, as_abc: bool) -> None:
    from m4mcli.tokens.abc_scheme import abc_text
    from m4mcli.tokens.scheme import Tokens

    if as_abc:
        run.write(abc_text(Tokens("abc", piece.written), number))
    else:
        run.write_made(piece.score)
