"""`m4m quantize`: notes onto a grid."""

from typing import Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import AsJson, AsMidi, File, Force, Invocation, Output, Quiet, Verbose, WhoseBeats

EXAMPLES = (
    "m4m quantize --grid 1/16 played.mid > straight.mid",
    "m4m quantize --grid 1/8 --swing 0.67 --strength 0.8 played.mid -o swung.mid",
)
SHOWS_PROGRESS = True

GridName = Annotated[
    str,
    typer.Option("--grid", metavar="GRID", help="1/4, 1/8, 1/16 or 1/32; with t for triplets, such as 1/8t."),
]
Strength = Annotated[
    float, typer.Option("--strength", min=0, max=1, metavar="S", help="Share of the way to the grid, 0 to 1.")
]
Swing = Annotated[
    float,
    typer.Option(
        "--swing",
        min=0.5,
        max=0.75,
        metavar="R",
        help="Where the second line of each pair stands in it: 0.5 straight, 0.67 as triplets.",
    ),
]
Unswing = Annotated[
    float | None,
    typer.Option("--unswing", min=0.5, max=0.75, metavar="R", help="Make straight what was played with swing R."),
]
EndsOption = Annotated[
    Literal["grid", "keep", "length"],
    typer.Option("--ends", help="Note ends: onto the grid, where they were, or so that lengths stay."),
]


def quantize(
    file: File = None,
    grid: GridName = "1/16",
    strength: Strength = 1.0,
    swing: Swing = 0.5,
    unswing: Unswing = None,
    ends: EndsOption = "grid",
    beats: WhoseBeats = "auto",
    output: Output = "-",
    as_json: AsJson = False,
    as_midi: AsMidi = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Move notes onto a grid of the beat.

    The grid begins anew at every bar line of the file. Only notes move: tempi, controllers, pedal, pitch bends, lyrics
    and all else stay where they are. No note is lost. In a performance that does not keep to the file's tempo, beats
    are tracked first and a tempo map is written that follows them.
    """
    run = Invocation("quantize", file, output, as_json, as_midi, force, quiet, verbose)
    if unswing is not None and swing != 0.5:
        raise M4mError("--swing and --unswing exclude each other", "give one of them", USAGE)

    from m4mcli.progress import shown
    from m4mcli.score.quantization import Quantization, quantized
    from m4mcli.score.requantization import requantized
    from m4mcli.tasks.on_beats import on_beats
    from m4mcli.theory.grid import Grid

    how = Quantization(Grid.parse(grid), strength, swing, unswing, ends)
    if how.grid.triplet and (unswing is not None or swing != 0.5):
        raise M4mError(f"a grid of triplets ({grid}) has no swing", "leave --swing out, or write 1/8", USAGE)
    with shown("beats", quiet):
        reading = run.read()
        placed = on_beats(reading, beats, midi=run.kind(reading) == "midi")
    run.say(placed.why)
    if placed.warning:
        run.warn(placed.warning)
    reading = placed.reading
    if reading.midi is not None and run.kind(reading) == "midi":
        with shown("tracks", quiet) as progress:
            midi, left = requantized(reading.midi, reading.score, how, progress)
        run.write(midi)
    else:
        with shown("notes", quiet):
            score, left = quantized(reading.score, how)
        run.write_score(reading, score)
    if left:
        run.warn(f"{left} repeated notes are too close together for {grid} and stay in place; try a finer grid")
    run.say(f"{reading.score.note_count} notes, {left} of them left in place")
