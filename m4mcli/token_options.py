"""The options of `m4m tokenize`, and which of them go together."""

import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import SUFFIXES, Invocation

SCHEME_NAMES = Literal[
    "frames", "remi", "tsd", "midilike", "structured", "cpword", "octuple", "tpd", "mmt", "mmm", "abc"
]

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE",
        show_default=False,
        help="MIDI, m4m JSON or ABC to read, or folders of it; token JSON to decode; - is standard input.",
    ),
]
SchemeName = Annotated[
    SCHEME_NAMES | None, typer.Option("--scheme", show_default=False, help="What the ids mean; frames unless given.")
]
Decode = Annotated[bool, typer.Option("--decode", help="Turn tokens back into music, MIDI unless told otherwise.")]
AsLines = Annotated[
    bool, typer.Option("--jsonl", help="One piece to a line: tokens, or with --decode m4m JSON. For several files.")
]
AsArrays = Annotated[bool, typer.Option("--npz", help="Write tokens as numpy arrays. For several files too.")]
AsText = Annotated[bool, typer.Option("--text", help="Write ABC text, with --scheme abc. For several files too.")]
Vocabulary = Annotated[bool, typer.Option("--vocabulary", help="Print what the ids of the scheme mean.")]
Config = Annotated[
    str | None,
    typer.Option("--config", metavar="FILE", show_default=False, help="Scheme and settings of a MidiTok tokenizer."),
]
TrainBpe = Annotated[
    int | None,
    typer.Option(
        "--train-bpe", min=1, metavar="N", show_default=False, help="Learn merges of ids, until there are N ids."
    ),
]
Bpe = Annotated[
    str | None, typer.Option("--bpe", metavar="FILE", show_default=False, help="Merge ids, or undo it with --decode.")
]
Resolution = Annotated[
    str | None,
    typer.Option(
        "--resolution", metavar="N|SPANS", show_default=False, help="Positions to a beat: 8, or 0-4:8,4-12:4."
    ),
]
Velocities = Annotated[
    int | None,
    typer.Option(
        "--velocities", min=0, max=127, metavar="N", show_default=False, help="Steps of velocity; 0 for none."
    ),
]
Pitches = Annotated[
    str | None,
    typer.Option("--pitches", metavar="LOW-HIGH", show_default=False, help="Pitches that have tokens: 21-108, A0-C8."),
]
Tempos = Annotated[
    int | None,
    typer.Option("--tempos", min=0, max=1000, metavar="N", show_default=False, help="Steps of tempo; 0 for none."),
]
TimeSignatures = Annotated[
    bool | None,
    typer.Option("--time-signatures/--no-time-signatures", show_default=False, help="Tokens of time signatures."),
]
KeySignatures = Annotated[
    bool | None,
    typer.Option("--key-signatures/--no-key-signatures", show_default=False, help="Tokens of key signatures."),
]
Programs = Annotated[
    bool | None,
    typer.Option(
        "--programs/--no-programs",
        show_default=False,
        help="Tokens of instruments; without, a sequence for each track.",
    ),
]
Rests = Annotated[bool | None, typer.Option("--rests/--no-rests", show_default=False, help="Tokens of silence.")]
Chords = Annotated[bool | None, typer.Option("--chords/--no-chords", show_default=False, help="Tokens of chords.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--jobs", "--workers", min=1, metavar="N", show_default=False, help="Processes; one a processor unless given."
    ),
]


@dataclass(frozen=True)
class Wanted:
    """What is to be written."""

    decode: bool
    as_lines: bool
    as_arrays: bool
    as_text: bool


def named_files(run: Invocation, files: list[str], wanted: Wanted, scheme: str) -> list[str]:
    """The files to read. Raises M4mError (status 2) where the options do not go together."""
    from m4mcli.tokens.corpus import files_in

    names = files_in(files) if files else ["-"]
    if wanted.as_lines and wanted.as_arrays:
        raise M4mError("--jsonl and --npz exclude each other", "give one of them", USAGE)
    if wanted.as_text and (scheme != "abc" or wanted.decode):
        raise M4mError("--text is for encoding with --scheme abc", "leave it out", USAGE)
    if wanted.as_text and (wanted.as_lines or wanted.as_arrays):
        raise M4mError("--text excludes --jsonl and --npz", "give one of them", USAGE)
    if len(names) > 1 and not (wanted.as_lines or wanted.as_arrays or wanted.as_text):
        raise M4mError(f"{len(names)} files, and one piece to write", "add --jsonl to write one to a line", USAGE)
    if run.as_json and run.as_midi:
        raise M4mError("--json and --midi exclude each other", "give one of them", USAGE)
    suffix = SUFFIXES.get(PurePath(run.output).suffix.lower())
    if run.as_midi and wanted.as_lines:
        raise M4mError("--jsonl and --midi exclude each other", "give one of them", USAGE)
    if not wanted.decode and (run.as_midi or (suffix == "midi" and not run.as_json)):
        raise M4mError("tokens are written as JSON, not as MIDI", "--decode turns tokens into MIDI", USAGE)
    if wanted.decode and wanted.as_arrays:
        raise M4mError("--decode writes music, not arrays", "leave out --npz: such files are known by content", USAGE)
    to_terminal = run.output == "-" and sys.stdout is not None and sys.stdout.isatty() and not run.force
    if wanted.decode and to_terminal and not (run.as_json or wanted.as_lines):
        raise M4mError("MIDI is not written to a terminal", "redirect with > out.mid, use -o FILE, or --json", USAGE)
    if wanted.as_arrays and to_terminal:
        raise M4mError("arrays are not written to a terminal", "redirect with > out.npz or use -o FILE", USAGE)
    return names
