"""The spreads of a pack as one picture: a panel for each, a bar for each place."""

from collections.abc import Mapping

from m4mcli.picture.colours import GREY, INK, LANE, PALETTE
from m4mcli.picture.drawing import Drawing, Label, Rectangle, Shape

COLUMNS = 3
WIDTH, MARGIN, GAP = 320.0, 24.0, 28.0
"""Of a panel, around the picture, between panels; in pixels."""

ROW, TITLE, SIZE = 16.0, 26.0, 11.0
NAMES, NUMBERS = 130.0, 62.0
"""Room of a panel for names and for numbers."""

TITLES = {
    "bars": "Bars of a piece",
    "tempo": "Quarter notes to the minute",
    "metre": "Metre",
    "key": "Key",
    "on_grid": "Onsets on the grid",
    "density": "Notes to a bar",
    "instruments": "Pieces with instruments of a family",
    "octave": "Notes by octave",
    "duration": "Notes by duration in 16ths",
    "velocity": "Notes by velocity",
}


def stats_drawing(spread: Mapping[str, Mapping[str, int]], title: str) -> Drawing:
    """The spreads of `statistics` as panels, each put into the column that is shortest so far."""
    heights = [MARGIN + TITLE] * COLUMNS
    shapes: list[Shape] = [Label(MARGIN, MARGIN + SIZE, title, SIZE + 4, INK, bold=True)]
    for number, (name, counts) in enumerate(spread.items()):
        column = heights.index(min(heights))
        x = MARGIN + column * (WIDTH + GAP)
        shapes += _panel(x, heights[column], TITLES[name], counts, PALETTE[number % len(PALETTE)])
        heights[column] += TITLE + ROW * max(1, len(counts)) + GAP
    width = 2 * MARGIN + COLUMNS * WIDTH + (COLUMNS - 1) * GAP
    return Drawing(width, max(heights) + MARGIN - GAP, title, tuple(shapes))


def _panel(x: float, y: float, title: str, counts: Mapping[str, int], colour: str) -> list[Shape]:
    shapes: list[Shape] = [Label(x, y + SIZE, title, SIZE + 1, INK, bold=True)]
    most = max(counts.values(), default=1)
    room = WIDTH - NAMES - NUMBERS
    for row, (name, count) in enumerate(counts.items()):
        top = y + TITLE - 6 + row * ROW
        shapes += [
            Label(x + NAMES - 6, top + SIZE, name, SIZE, GREY, "end"),
            Rectangle(x + NAMES, top, room, ROW - 3, LANE),
            Rectangle(x + NAMES, top, room * count / most, ROW - 3, colour),
            Label(x + WIDTH, top + SIZE, str(count), SIZE, INK, "end"),
        ]
    return shapes
