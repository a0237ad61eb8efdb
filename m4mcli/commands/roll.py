"""`m4m roll`: the piano roll of a piece, on the terminal or as a picture."""

import os
import shutil
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import Bars, Files, Force, Invocation, Output, Quiet

if TYPE_CHECKING:
    from rich.console import Console

    from m4mcli.picture.layout import Look
    from m4mcli.picture.panel import Panel

EXAMPLES = (
    "m4m roll --bars 5-12 song.mid",
    "m4m harmonize melody.mid | m4m roll -o figure.svg",
    "m4m roll --compare one.mid other.mid -o both.png",
)
SHOWS_PROGRESS = True

Kind = Literal["text", "svg", "png"]
KINDS: dict[str, Kind] = {".svg": "svg", ".png": "png"}
COLUMNS = 100
"""Width of the text where no terminal tells it."""

PIXELS = 1200

Compare = Annotated[bool, typer.Option("--compare", help="Show two files together; what both have is pale.")]
New = Annotated[
    str | None,
    typer.Option(
        "--new",
        metavar="LIST",
        show_default=False,
        help="Tracks to colour as new, by number or name, or none; else those that m4m added.",
    ),
]
Width = Annotated[
    int | None,
    typer.Option("--width", min=20, max=20000, metavar="N", show_default=False, help="Columns of text, or pixels."),
]
GridName = Annotated[
    str | None,
    typer.Option("--grid", metavar="GRID", show_default=False, help="What a column of text stands for, such as 1/16."),
]
PerLine = Annotated[
    int | None,
    typer.Option("--per-line", min=1, metavar="N", show_default=False, help="Bars in a line; else as many as fit."),
]
Title = Annotated[
    str | None, typer.Option("--title", metavar="TEXT", show_default=False, help="A title over the picture.")
]
AsKind = Annotated[
    Literal["text", "svg", "png"] | None,
    typer.Option("--as", show_default=False, help="What to write; else as the suffix of -o says, else text."),
]


def roll(
    files: Files = None,
    compare: Compare = False,
    bars: Bars = None,
    new: New = None,
    width: Width = None,
    grid: GridName = None,
    per_line: PerLine = None,
    title: Title = None,
    as_kind: AsKind = None,
    output: Output = "-",
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Show a piece as a piano roll.

    On a terminal in colours and as wide as it is, elsewhere in plain characters; with -o to an .svg or .png file a
    picture. Parts that m4m added have warm colours, chord names stand above where there is a chord track.
    """
    names: list[str | None] = [*files] if files else [None]
    kind = as_kind or KINDS.get(PurePath(output).suffix.lower(), "text")
    if len(names) != 2 and compare:
        raise M4mError(f"--compare takes two files, not {len(names)}", "name two", USAGE)
    if len(names) > 1 and not compare and kind != "text":
        raise M4mError(f"{len(names)} files, and one picture to write", "add --compare to show two in one", USAGE)
    if kind == "png" and output == "-" and not force and sys.stdout is not None and sys.stdout.isatty():
        raise M4mError("a picture is not written to a terminal", "use -o roll.png", USAGE)
    shown = None if bars is None else _one_range(bars)

    from m4mcli import progress
    from m4mcli.picture.layout import Look
    from m4mcli.picture.text import plain_roll, rich_roll
    from m4mcli.theory.grid import Grid

    with progress.shown("reading", quiet) as told:
        panels = []
        for name in names:
            about = name or "" if len(names) > 1 else ""
            panels.append(_panel(Invocation("roll", name, about=about, quiet=quiet), shown, new))
            if told is not None:
                told(len(panels), len(names))
    console = _coloured_console() if kind == "text" and output == "-" else None
    with progress.shown("drawing", quiet):
        if compare:
            from m4mcli.picture.panel import compared

            panels = list(compared(*panels))
        step = None if grid is None else float(4 * Grid.parse(grid).step)
        drawn = None
        if kind != "text":
            drawn = _picture(panels, kind, Look(float(width or PIXELS), per_line, title or ""))
        elif console is None:
            columns = width or shutil.get_terminal_size((COLUMNS, 24)).columns
            drawn = plain_roll(panels, columns, step, per_line)
    if drawn is not None:
        Invocation("roll", names[0], output, force=force, quiet=quiet).write(drawn)
    elif console is not None:
        for line in rich_roll(panels, width or console.width, step, per_line):
            console.print(line, no_wrap=True, overflow="crop", crop=width is None)


def _picture(panels: "list[Panel]", kind: Kind, look: "Look") -> str | bytes:
    from m4mcli.picture.layout import roll_drawing

    drawing = roll_drawing(panels, look)
    if kind == "svg":
        from m4mcli.picture.svg import svg

        return svg(drawing)
    from m4mcli.picture.png import png

    return png(drawing)


def _one_range(text: str) -> tuple[int, int]:
    from m4mcli.tasks.region import parse_bars

    ranges = parse_bars(text)
    if len(ranges) > 1:
        raise M4mError(f"--bars {text}: a roll shows bars that stand together", "write one range, 5-12", USAGE)
    return ranges[0]


def _panel(run: Invocation, shown: tuple[int, int] | None, new: str | None) -> "Panel":
    from m4mcli.picture.panel import panel
    from m4mcli.tasks.region import tracks_called

    score = run.read(music_out=False).score
    title = PurePath(run.file).name if run.file not in (None, "-") and run.file else "stdin"
    marked = None if new is None else () if new.strip().lower() == "none" else tracks_called(score, new)
    try:
        return panel(score, title, shown, marked)
    except M4mError as error:
        raise M4mError(f"{title}: {error.message}", error.hint, error.status) from error


def _coloured_console() -> "Console | None":
    """The terminal, where it is one that shows colours and block characters."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return None

    from rich.console import Console

    console = Console(highlight=False)
    plain = console.no_color or console.color_system is None or "utf" not in (console.encoding or "").lower()
    return None if plain else console
