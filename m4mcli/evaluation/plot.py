"""Sets of pieces as a picture: for each figure a small diagram of how it is distributed in each set."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.comparison import Comparison, short_names
from m4mcli.evaluation.overlap import density
from m4mcli.picture.colours import GREY, INK, LANE, PALETTE
from m4mcli.picture.drawing import Drawing, Label, Line, Rectangle, Shape, text_width
from m4mcli.picture.svg import svg

COLUMNS = 4
WIDTH, HEIGHT, GAP, HEAD = 220.0, 130.0, 18.0, 40.0
SIZE = 11.0
POINTS = 120

Values = NDArray[np.float64]


def plotted(found: Comparison, names: Sequence[str]) -> str:
    """The SVG text of the diagrams of all figures that at least two pieces of a set have."""
    shown = [name for name in names if _columns(found, name)]
    rows = max(1, -(-len(shown) // COLUMNS))
    width = GAP + COLUMNS * (WIDTH + GAP)
    shapes: list[Shape] = list(_legend(found))
    for place, name in enumerate(shown):
        x, y = GAP + place % COLUMNS * (WIDTH + GAP), HEAD + place // COLUMNS * (HEIGHT + GAP)
        shapes += _diagram(found, name, x, y)
    title = " and ".join(short_names(found.corpora))
    return svg(Drawing(width, HEAD + rows * (HEIGHT + GAP), title, tuple(shapes)))


def _columns(found: Comparison, name: str) -> list[tuple[int, Values]]:
    """The single values of a figure in each set that has two or more of them."""
    columns = []
    for number, corpus in enumerate(found.corpora):
        values = [v for v in corpus.values(name) if len(v) == 1]
        if len(values) > 1:
            columns.append((number, np.concatenate(values)))
    return columns


def _legend(found: Comparison) -> list[Shape]:
    shapes: list[Shape] = []
    x = GAP
    for number, (name, corpus) in enumerate(zip(short_names(found.corpora), found.corpora, strict=True)):
        text = f"{name} ({len(corpus.pieces)})"
        shapes.append(Rectangle(x, 14, 10, 10, PALETTE[number % len(PALETTE)], 2))
        shapes.append(Label(x + 15, 23, text, SIZE, INK))
        x += 15 + text_width(text, SIZE) + GAP
    return shapes


def _diagram(found: Comparison, name: str, x: float, y: float) -> list[Shape]:
    """One figure: its name, its range, a curve for each set."""
    columns = _columns(found, name)
    everything = np.concatenate([values for _, values in columns])
    low, high = float(everything.min()), float(everything.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    margin = 0.1 * (high - low)
    grid = np.linspace(low - margin, high + margin, POINTS)
    curves = [(number, density(values, grid, 2 * (grid[1] - grid[0]))) for number, values in columns]
    top = max(float(curve.max()) for _, curve in curves)
    floor, room = y + HEIGHT - 16, HEIGHT - 38
    shapes: list[Shape] = [Rectangle(x, y, WIDTH, HEIGHT, LANE, 3), Label(x + 6, y + 14, name, SIZE, INK, bold=True)]
    if name in found.likenesses:
        overlap = f"overlap {found.likenesses[name].area:.2f}"
        shapes.append(Label(x + WIDTH - 6, y + 14, overlap, SIZE - 1, GREY, "end"))
    shapes += [
        Label(x + 6, y + HEIGHT - 4, f"{low:.3g}", SIZE - 2, GREY),
        Label(x + WIDTH - 6, y + HEIGHT - 4, f"{high:.3g}", SIZE - 2, GREY, "end"),
        Line(x + 6, floor, x + WIDTH - 6, floor, GREY, 0.7),
    ]
    xs = x + 6 + (WIDTH - 12) * np.arange(POINTS) / (POINTS - 1)
    for number, curve in curves:
        ys = floor - room * curve / top
        points = list(zip(xs.tolist(), ys.tolist(), strict=True))
        colour = PALETTE[number % len(PALETTE)]
        shapes += [Line(*a, *b, colour, 1.6) for a, b in pairwise(points)]
    return shapes
