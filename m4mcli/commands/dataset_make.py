"""`m4m dataset make`: a corpus by rule, to try a model on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError

EXAMPLES = (
    "m4m dataset make scales --out scales",
    "m4m dataset make eighth-notes --count 1000 --seed 1 --out eighths",
)

Kind = Annotated[
    Literal["scales", "eighth-notes"],
    typer.Argument(metavar="KIND", help="What is made: scales or eighth-notes.", show_default=False),
]
Out = Annotated[str, typer.Option("--out", metavar="DIR", show_default=False, help="The folder for the MIDI files.")]
Count = Annotated[int, typer.Option("--count", min=1, max=100_000, metavar="N", help="How many pieces.")]
Bars = Annotated[int, typer.Option("--bars", min=1, max=1000, metavar="N", help="Bars of each piece.")]
Seed = Annotated[int, typer.Option("--seed", min=0, metavar="N", help="Other numbers give other eighth notes.")]


def make(kind: Kind, out: Out, count: Count = 120, bars: Bars = 4, seed: Seed = 0) -> None:
    """Make a corpus by rule, to try a model on: MIDI files in DIR/train and DIR/valid.

    scales: ten kinds of scale in all keys, up and down in eighth notes. eighth-notes: melodies that walk on a scale.
    """
    from m4mcli.dataset.synthetic import KINDS
    from m4mcli.score.write import score_to_midi

    folder = Path(out)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise M4mError(f"{out}: exists and is not empty", "name a new folder with --out", USAGE)
    for name, score in KINDS[kind](count, seed, bars):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(score_to_midi(score))
