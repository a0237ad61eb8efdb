"""The options of `m4m tokenize`."""

from typing import Annotated, Literal

import typer

SCHEME_NAMES = Literal["frames", "remi", "tsd", "midilike", "structured", "cpword", "octuple", "tpd", "mmt"]

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
    typer.Option("--workers", min=1, metavar="N", show_default=False, help="Processes; one a processor unless given."),
]
