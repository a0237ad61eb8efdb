"""`m4m dataset stats`: what is in a pack, as a table or plots."""

import json
from pathlib import Path, PurePath
from typing import Annotated

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import Invocation

EXAMPLES = (
    "m4m dataset stats packs/songs",
    "m4m dataset stats packs/all --source scores --split train --plot scores.svg",
)
SHOWS_PROGRESS = True

PackFolder = Annotated[str, typer.Argument(metavar="DIR", show_default=False, help="The pack to look into.")]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="SOURCE", show_default=False, help="Pieces of this source; repeatable."),
]
Splits = Annotated[
    list[str] | None,
    typer.Option("--split", metavar="SPLIT", show_default=False, help="Pieces of this split; repeatable."),
]
Plot = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", show_default=False, help="Write the spreads as a picture, .svg or .png."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print all counts as JSON.")]


def stats(
    pack: PackFolder, sources: Sources = None, splits: Splits = None, plot: Plot = None, as_json: AsJson = False
) -> None:
    """Count what is in a pack, as a table or plots.

    Totals of each source and split, then how pieces and notes are spread: the commonest places of each spread.
    """
    from m4mcli.dataset.pack import Pack
    from m4mcli.dataset.stats import statistics, stats_table
    from m4mcli.progress import shown

    if plot is not None and PurePath(plot).suffix.lower() not in (".svg", ".png"):
        raise M4mError(f"--plot {plot}: neither .svg nor .png", "name a picture of one of these kinds", USAGE)
    with shown("counting"):
        found = statistics(Pack(Path(pack)), sources or (), splits or ())
    if plot is not None:
        from m4mcli.dataset.plots import stats_drawing
        from m4mcli.picture.png import png
        from m4mcli.picture.svg import svg

        title = f"{Path(pack).name}: {sum(place['pieces'] for place in found['totals'].values())} pieces"
        drawing = stats_drawing(found["spread"], title)
        picture = png(drawing) if plot.lower().endswith(".png") else svg(drawing)
        Invocation("dataset stats", output=plot).write(picture)
    text = (
        json.dumps({"m4m": 1, "kind": "pack-statistics", **found}, indent=1) + "\n" if as_json else stats_table(found)
    )
    Invocation("dataset stats").write(text)
