"""`m4m sample`: music by any model over tokens, from nothing or from a beginning."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    AsJson,
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
)

if TYPE_CHECKING:
    from m4mcli.tasks.token_piece import Piece

EXAMPLES = (
    "m4m sample multihead > new.mid",
    "m4m sample models/mine -n 4 --out-dir results",
    "m4m sample models/tunes --metre 6/8 --key minor -o jig.abc",
    "m4m sample multihead --prompt tune.mid --beats 8 --temperature 0.9 -o longer.mid",
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
    typer.Option("--key", metavar="KEY", show_default=False, help="Of such a tune: G, Dm, F#m; or major, minor."),
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
    """Write new music with a model over tokens.

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

    from m4mcli.generation.sampling import Sampling
    from m4mcli.models.registry import find_model
    from m4mcli.models.token_session import OnnxTokenModel
    from m4mcli.progress import shown
    from m4mcli.tasks.token_piece import TASK, Wish, write_pieces
    from m4mcli.theory.instruments import parse_instruments
    from m4mcli.tokens.merged import opened_coder

    found = find_model(model, TASK)
    coder = opened_coder(found.facts["tokens"], str(found.path))
    if (as_abc or output.endswith(".abc")) and coder.scheme.name != "abc":
        raise M4mError(f"{found.name} does not write ABC", f"its tokens are {coder.scheme.name}", USAGE)
    given = None if prompt is None else run.read(music_out=out_dir is None).score
    players = () if instruments is None else parse_instruments(instruments)
    sampling = Sampling().asked(temperature, top_p, top_k, min_p)
    wish = Wish(count, length, sampling, run.seed(seed), given, beats, found.facts["part"], metre, key, players)
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
    from pathlib import Path

    if count > 1 and out_dir is None:
        raise M4mError("-n needs a folder for the results", "add --out-dir DIR", USAGE)
    if out_dir is not None and output != "-":
        raise M4mError("--out-dir and -o exclude each other", "give one of them", USAGE)
    if out_dir is not None and Path(out_dir).exists() and not Path(out_dir).is_dir():
        raise M4mError(f"{out_dir}: not a folder", "name another")


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
    from m4mcli.score.json_form import score_to_json
    from m4mcli.score.write import score_to_midi
    from m4mcli.tokens.abc_scheme import abc_text
    from m4mcli.tokens.scheme import Tokens

    if as_abc:
        run.write(abc_text(Tokens("abc", piece.written), number))
    elif run.as_json or run.output.endswith(".json"):
        run.write(score_to_json(piece.score))
    else:
        run.write(score_to_midi(piece.score))
