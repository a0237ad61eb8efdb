"""`m4m tokenize`: music as token ids for sequence models, and back."""

import json
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.options import SUFFIXES, AsJson, AsMidi, Force, Invocation, Output, Quiet, Verbose

if TYPE_CHECKING:
    from m4mcli.tokens.scheme import Tokens

EXAMPLES = (
    "m4m tokenize song.mid > song.tokens.json",
    "m4m tokenize --decode song.tokens.json > song.mid",
    "m4m tokenize --jsonl songs/*.mid > songs.jsonl",
)

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE", show_default=False, help="MIDI or m4m JSON to read, token JSON to decode; - is standard input."
    ),
]
SchemeName = Annotated[Literal["frames"], typer.Option("--scheme", help="What the ids mean.")]
Decode = Annotated[bool, typer.Option("--decode", help="Turn tokens back into music, MIDI unless told otherwise.")]
AsLines = Annotated[
    bool, typer.Option("--jsonl", help="One piece to a line: tokens, or with --decode m4m JSON. For several files.")
]
Vocabulary = Annotated[bool, typer.Option("--vocabulary", help="Print what the ids of the scheme mean.")]


def tokenize(
    files: Files = None,
    scheme: SchemeName = "frames",
    decode: Decode = False,
    as_lines: AsLines = False,
    vocabulary: Vocabulary = False,
    output: Output = "-",
    as_json: AsJson = False,
    as_midi: AsMidi = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn music into tokens for a model, and back.

    What a scheme cannot hold is told. Any ids can be decoded: those that make no sense are skipped and counted.
    """
    names: list[str | None] = [*files] if files else [None]
    runs = [Invocation("tokenize", name, output, as_json, as_midi, force, quiet, verbose) for name in names]
    if vocabulary:
        from m4mcli.tokens.schemes import SCHEMES

        runs[0].write(SCHEMES[scheme].vocabulary.page())
        return
    _check(runs, decode, as_lines)
    one = _decoded if decode else _encoded
    found: list[str] = []
    failed = False
    for run in runs:
        try:
            found += one(run, scheme, as_lines)
        except (M4mError, OSError) as error:
            if len(runs) < 2:
                raise
            run.complain(error)
            failed = True
    if as_lines or not decode:
        runs[0].write("".join(found))
    if failed:
        raise typer.Exit(FAILED)


def _check(runs: list[Invocation], decode: bool, as_lines: bool) -> None:
    """Raise M4mError where the options do not go together."""
    run = runs[0]
    if len(runs) > 1 and not as_lines:
        raise M4mError(f"{len(runs)} files, and one piece to write", "add --jsonl to write one to a line", USAGE)
    if run.as_json and run.as_midi:
        raise M4mError("--json and --midi exclude each other", "give one of them", USAGE)
    suffix = SUFFIXES.get(PurePath(run.output).suffix.lower())
    if run.as_midi and as_lines:
        raise M4mError("--jsonl and --midi exclude each other", "give one of them", USAGE)
    if not decode and (run.as_midi or (suffix == "midi" and not run.as_json)):
        raise M4mError("tokens are written as JSON, not as MIDI", "--decode turns tokens into MIDI", USAGE)
    to_terminal = run.output == "-" and sys.stdout is not None and sys.stdout.isatty()
    if decode and to_terminal and not (run.as_json or as_lines or run.force):
        raise M4mError("MIDI is not written to a terminal", "redirect with > out.mid, use -o FILE, or --json", USAGE)


def _encoded(run: Invocation, scheme: str, as_lines: bool) -> list[str]:
    """The tokens of one file, as JSON text."""
    from m4mcli.tokens.schemes import SCHEMES
    from m4mcli.tokens.token_form import tokens_to_json, tokens_to_line

    reading = run.read(music_out=False)
    tokens, warnings = SCHEMES[scheme].encode(reading.score)
    for warning in warnings:
        run.warn(f"{run.file}: {warning}" if as_lines and run.file else warning)
    run.say(f"{reading.score.note_count} notes, {len(tokens.ids)} tokens")
    return [tokens_to_line(tokens, run.file or "-") if as_lines else tokens_to_json(tokens)]


def _decoded(run: Invocation, scheme: str, as_lines: bool) -> list[str]:
    """The pieces of one file of tokens, each as a line of m4m JSON; a single piece is written as music."""
    from m4mcli.score.json_form import score_to_json
    from m4mcli.score.read import Reading, read_source
    from m4mcli.tokens.schemes import SCHEMES
    from m4mcli.tokens.token_form import tokens_from_json

    source, name = read_source(run.file)
    pieces = tokens_from_json(source, name, scheme)
    if not as_lines and len(pieces) > 1:
        raise M4mError(f"{name}: {len(pieces)} pieces, and one to write", "add --jsonl to write one to a line", USAGE)
    lines = []
    for number, tokens in enumerate(pieces, 1):
        score, skipped = SCHEMES[tokens.scheme].decode(tokens)
        if skipped:
            run.warn(_skipped(skipped, tokens, f"{name}, piece {number}" if len(pieces) > 1 else name))
        run.say(f"{len(tokens.ids)} tokens, {score.note_count} notes")
        if as_lines:
            lines.append(json.dumps(json.loads(score_to_json(score)), ensure_ascii=False) + "\n")
        else:
            run.write_score(Reading(score, None, "midi", ()), score)
    return lines


def _skipped(count: int, tokens: "Tokens", where: str) -> str:
    return f"{where}: {count} of {len(tokens.ids)} tokens make no sense where they stand and were skipped"
