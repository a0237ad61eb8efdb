"""The piano roll as text: a line for each pitch and kind of drum, bars broken into systems that fit the width.

On a terminal with colours a character is two pitches high and a note's beginning is its brighter end. Elsewhere there
are plain characters: the number of the track where a note begins, `-` where it goes on, `x` for a drum.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from m4mcli.options import printable
from m4mcli.picture.colours import mixed
from m4mcli.picture.layout import KINDS, SHORT
from m4mcli.picture.panel import Panel, PanelBar
from m4mcli.theory.drum_sounds import kind_of
from m4mcli.theory.names import pitch_name

if TYPE_CHECKING:
    from rich.text import Text

GUTTER = 6
GAP = 3
"""Columns between two parts of the legend."""
STEPS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""What a column may stand for, in quarters: the finest is taken with which the piece has few systems."""

FEW = 4
DIGITS = "123456789abcdefghijklmnopqrstuvwxyz"
HELD, SHARED_SHARE = 0.72, 0.35
BLACK = "#000000"


@dataclass(frozen=True)
class Grid:
    """What sounds in each cell of a system: index of the lane + 1, 0 for none; `begun`, where a note begins.

    `pitched` (rows from the highest pitch, columns) and `drums` (rows of `kinds`, columns); `shared` as in MARK.
    """

    high: int
    kinds: tuple[str, ...]
    pitched: NDArray[np.int16]
    begun: NDArray[np.bool_]
    shared: NDArray[np.bool_]
    drums: NDArray[np.int16]


@dataclass(frozen=True)
class System:
    """Bars in one line: `columns` holds the first column of each, a bar line's; `width` is that of all."""

    bars: tuple[PanelBar, ...]
    columns: tuple[int, ...]
    width: int
    step: float

    def column(self, quarter: float) -> int:
        """The column of a moment: at the bar line's right where a bar begins; -1 and `width` outside."""
        if quarter < self.bars[0].start:
            return -1
        for bar, first in zip(reversed(self.bars), reversed(self.columns), strict=True):
            if quarter >= bar.start:
                return min(self.width, first + 1 + int((quarter - bar.start) / self.step + 0.02))
        return -1


@dataclass
class Line:
    """One line of the roll, built up: its label, its text, a style for each character of it ("" for none)."""

    label: str
    text: str
    styles: list[str] = field(default_factory=list)


def plain_roll(panels: Sequence[Panel], width: int, step: float | None = None, per_line: int | None = None) -> str:
    """The roll in plain characters, `width` columns wide."""
    out = []
    for panel in panels:
        out += [line if len(line) <= width else line[: width - 1] + "…" for line in _head(panel, len(panels) > 1)]
        for system in systems(panel, width, step, per_line):
            out += ["", *_above(panel, system)]
            grid = cells(panel, system)
            out += [_plain_line(line) for line in _plain_rows(panel, grid, system)]
        out.append("")
    return "\n".join(out)


def rich_roll(
    panels: Sequence[Panel], width: int, step: float | None = None, per_line: int | None = None
) -> "Iterator[Text]":
    """The roll in colours, line by line, `width` columns wide."""
    from rich.text import Text

    for panel in panels:
        if len(panels) > 1:
            yield Text(printable(panel.title), "bold")
        legend = Text()
        for lane in panel.lanes:
            name = f"{lane.number} {printable(lane.name or lane.instrument)}{'  (new)' if lane.new else ''}"
            part = Text.assemble(("▄▄ ", lane.colour), name)
            if legend and legend.cell_len + GAP + part.cell_len > width:
                yield legend
                legend = Text()
            legend.append_text(Text(" " * GAP * bool(legend)) + part)
        yield legend
        for system in systems(panel, width, step, per_line):
            yield Text()
            numbers, *chords = reversed(_above(panel, system))
            yield from (Text(line, "bold") for line in chords)
            yield Text(numbers, "dim")
            for line in _coloured_rows(panel, cells(panel, system), system):
                text = Text().append(line.label.rjust(GUTTER - 1) + " ", "dim")
                for style, run in groupby(zip(line.text, line.styles, strict=True), key=lambda cell: cell[1]):
                    text.append("".join(character for character, _ in run), style or None)
                yield text


def systems(panel: Panel, width: int, step: float | None, per_line: int | None) -> tuple[System, ...]:
    """The systems of a panel: as many bars in each as fit, a bar that is too wide alone."""
    room = max(8, width - GUTTER)
    if step is None:
        step = next((s for s in STEPS if len(_broken(panel, room, s, per_line)) <= FEW), STEPS[-1])
        # A step that leaves nothing of most notes is no picture: rather more systems.
        step = min(step, 1.0)
    found = _broken(panel, room, step, per_line)
    # Lines of about as many bars each look better than full ones and a rest.
    return found if per_line else _broken(panel, room, step, -(-len(panel.bars) // len(found)))


def _broken(panel: Panel, room: int, step: float, per_line: int | None) -> tuple[System, ...]:
    found: list[System] = []
    line: list[PanelBar] = []
    columns: list[int] = []
    at = 0
    for bar in panel.bars:
        cells_wide = 1 + max(1, round((bar.stop - bar.start) / step + 0.49))
        if line and (at + cells_wide >= room or len(line) == per_line):
            found.append(System(tuple(line), tuple(columns), min(at, room), step))
            line, columns, at = [], [], 0
        line.append(bar)
        columns.append(at)
        at += cells_wide
    found.append(System(tuple(line), tuple(columns), min(at, room), step))
    return tuple(found)


def cells(panel: Panel, system: System) -> Grid:
    """The cells of one system; of several notes in one cell the first track's is seen."""
    low, high = panel.compass
    hit = {kind_of(p) for lane in panel.lanes if lane.is_drum for p in np.unique(lane.marks["pitch"]).tolist()}
    kinds = tuple(kind for kind in KINDS if kind in hit)
    pitched = np.zeros((high - low + 1 if any(not lane.is_drum for lane in panel.lanes) else 0, system.width), np.int16)
    grid = Grid(
        high, kinds, pitched, np.zeros(pitched.shape, bool), np.zeros(pitched.shape, bool),
        np.zeros((len(kinds), system.width), np.int16),
    )  # fmt: skip
    begin, end = system.bars[0].start, system.bars[-1].stop
    for index in range(len(panel.lanes) - 1, -1, -1):
        lane = panel.lanes[index]
        inside = (lane.marks["start"] < end) & ((lane.marks["stop"] > begin) | (lane.marks["start"] >= begin))
        for start, stop, pitch, _, shared in lane.marks[inside].tolist():
            first = system.column(start)
            if lane.is_drum:
                if 0 <= first < system.width:
                    grid.drums[kinds.index(kind_of(pitch)), first] = index + 1
                continue
            last = max(first + 1, system.column(stop - system.step / 4) + 1, 1)
            row, span = high - pitch, slice(max(first, 0), min(last, system.width))
            grid.pitched[row, span] = index + 1
            grid.begun[row, span] = False
            grid.shared[row, span] = shared
            if 0 <= first < system.width:
                grid.begun[row, first] = True
    return grid


def _head(panel: Panel, titled: bool) -> list[str]:
    lines = [printable(panel.title)] if titled else []
    for i, lane in enumerate(panel.lanes):
        sign = "x" if lane.is_drum else _sign(i)
        name = f"{printable(lane.name)} ({lane.instrument})" if lane.name else lane.instrument
        lines.append(f"{sign}  track {lane.number}: {name}{', new' if lane.new else ''}")
    return lines


def _sign(index: int) -> str:
    return DIGITS[index] if index < len(DIGITS) else "+"


def _above(panel: Panel, system: System) -> list[str]:
    """The lines of chord names, where there are any, and of bar numbers."""
    numbers = [(first, str(bar.number)) for bar, first in zip(system.bars, system.columns, strict=True)]
    begin, end = system.bars[0].start, system.bars[-1].stop
    changes, last = [], ""
    for start, stop, name in panel.chords:
        if start < end and stop > begin and name != last:
            changes.append((system.column(max(start, begin)), name))
        last = name if stop > begin else last
    return [*([_spread(changes, system.width)] if panel.chords else []), _spread(numbers, system.width)]


def _spread(labels: Sequence[tuple[int, str]], width: int) -> str:
    """Labels at their columns in one line; one that would touch the one before is left out."""
    line = ""
    for column, text in labels:
        if column >= len(line) + bool(line) and column < width:
            line = line.ljust(column) + text
    return (" " * GUTTER + line).rstrip()


def _plain_line(line: Line) -> str:
    return f"{line.label.rjust(GUTTER - 1)} {line.text}".rstrip()


def _plain_rows(panel: Panel, grid: Grid, system: System) -> Iterator[Line]:
    for row in range(len(grid.pitched)):
        text = [" "] * system.width
        for column in np.flatnonzero(grid.pitched[row]).tolist():
            text[column] = _sign(grid.pitched[row, column] - 1) if grid.begun[row, column] else "-"
        yield Line(pitch_name(grid.high - row), _with_bar_lines(text, system))
    for kind, hits in zip(grid.kinds, grid.drums, strict=True):
        yield Line(SHORT.get(kind, kind), _with_bar_lines(["x" if hit else " " for hit in hits.tolist()], system))


def _with_bar_lines(text: list[str], system: System) -> str:
    for column in system.columns:
        if text[column] == " ":
            text[column] = "|"
    return "".join(text)


def _coloured_rows(panel: Panel, grid: Grid, system: System) -> Iterator[Line]:
    lines = frozenset(system.columns)
    for row in range(0, len(grid.pitched), 2):
        label = next((pitch_name(p) for p in (grid.high - row, grid.high - row - 1) if p % 12 == 0), "")
        line = Line(label, "")
        for column in range(system.width):
            upper, lower = (_colour(panel, grid, r, column) for r in (row, row + 1))
            character, style = _half_blocks(upper, lower)
            if not style and column in lines:
                character, style = "│", "dim"
            line.text += character
            line.styles.append(style)
        yield line
    for kind, hits in zip(grid.kinds, grid.drums.tolist(), strict=True):
        styles = [panel.lanes[hit - 1].colour if hit else "dim" if i in lines else "" for i, hit in enumerate(hits)]
        signs = ["●" if hit else "│" if i in lines else " " for i, hit in enumerate(hits)]
        yield Line(SHORT.get(kind, kind), "".join(signs), styles)


def _colour(panel: Panel, grid: Grid, row: int, column: int) -> str:
    """The colour of a cell, "" for none: held notes darker than their beginnings, shared ones darker still."""
    if row >= len(grid.pitched) or not grid.pitched[row, column]:
        return ""
    own = panel.lanes[grid.pitched[row, column] - 1].colour
    own = own if grid.begun[row, column] else mixed(own, BLACK, HELD)
    return mixed(own, BLACK, SHARED_SHARE) if grid.shared[row, column] else own


def _half_blocks(upper: str, lower: str) -> tuple[str, str]:
    if upper and lower:
        return ("█", upper) if upper == lower else ("▀", f"{upper} on {lower}")
    return ("▀", upper) if upper else ("▄", lower) if lower else (" ", "")
