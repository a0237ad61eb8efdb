"""From panels to a drawing: bar numbers, chord names, a lane for each track, drums as dots, over common bar lines.

Long pieces are broken into systems, one below the other, as a score is; two panels that are compared stand together in
each system, on one time axis.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from m4mcli.errors import M4mError
from m4mcli.picture.colours import BAR, BEAT, BLACK_KEYS, GREY, INK, LANE, NEW, OCTAVE, PALE, mixed
from m4mcli.picture.drawing import Circle, Drawing, Label, Line, Rectangle, Shape, text_width
from m4mcli.picture.panel import Lane, Marks, Panel
from m4mcli.theory.drum_sounds import kind_of
from m4mcli.theory.names import pitch_name

MARGIN, GAP, SYSTEM_GAP = 18.0, 7.0, 22.0
CHORD_ROW, NUMBER_ROW, TITLE_ROW, LEGEND_ROW = 19.0, 14.0, 26.0, 24.0
GUTTER, OCTAVES = (56.0, 190.0), 24.0
DRUM_ROW = 12.0
LANE_HEIGHT, SEMITONES = 104.0, (2.6, 6.5)
"""How high a lane of pitches may grow, and the height of a semitone, smallest and largest."""

MOST_NOTES = 400_000
FEWEST_ROWS = 9
SMALLEST_HIT = 2.0
BARS_IN_LINE, LINES = 20, 6
"""How many bars a line holds at most, while there are not more than so many lines."""

NAME_SIZE, SMALL, CHORD_SIZE, SMALLEST_CHORD, TITLE_SIZE = 11.0, 8.0, 12.5, 8.0, 15.0
CHORD_GAP = 4.0
SOFTEST = 0.5
"""How much of its colour the softest note has; the loudest has all."""

SHARED = 0.2
"""How much of its colour a note has that both of two compared pieces have."""

KINDS = ("crash", "ride", "hat", "percussion", "tom", "snare", "kick")
"""The rows of a drum lane, from the top."""

SHORT = {"percussion": "perc"}


@dataclass(frozen=True)
class Look:
    """How a roll is drawn: width in pixels, bars in a line (None: as many as read well), a title or none."""

    width: float = 1200.0
    per_line: int | None = None
    title: str = ""


@dataclass(frozen=True)
class Axis:
    """The time axis of one system: quarters from `start` to `stop` lie on pixels from `left` to `right`."""

    start: float
    stop: float
    left: float
    right: float

    def x(self, quarter: float) -> float:
        """The place of a moment, at most that of the ends."""
        share = (min(max(quarter, self.start), self.stop) - self.start) / (self.stop - self.start)
        return self.left + share * (self.right - self.left)

    def holds(self, quarter: float) -> bool:
        """Whether a moment lies in this system."""
        return self.start <= quarter < self.stop


def roll_drawing(panels: Sequence[Panel], look: Look) -> Drawing:
    """The piano roll of one piece, or of two that are compared. Raises M4mError for more than MOST_NOTES notes."""
    count = sum(len(lane.marks) for panel in panels for lane in panel.lanes)
    if count > MOST_NOTES:
        raise M4mError(f"{count} notes are too many for one picture", "show fewer bars with --bars")
    names = [lane.name or lane.instrument for panel in panels for lane in panel.lanes]
    gutter = min(GUTTER[1], max(GUTTER[0], *(text_width(name, NAME_SIZE) for name in names))) + OCTAVES + 6
    shapes: list[Shape] = []
    y = MARGIN
    if look.title:
        shapes.append(Label(MARGIN, y + TITLE_SIZE, look.title, TITLE_SIZE, INK, bold=True))
        y += TITLE_ROW
    for start, stop, share in _systems(panels, look.per_line):
        width = look.width - 2 * MARGIN - gutter
        axis = Axis(start, stop, MARGIN + gutter, MARGIN + gutter + width * share)
        for panel in panels:
            if start < panel.stop:
                drawn, y = _system(panel, axis, y, named=len(panels) > 1)
                shapes += drawn
                y += GAP
        y += SYSTEM_GAP - GAP
    y -= SYSTEM_GAP
    legend = list(_legend(panels, MARGIN + gutter, y + LEGEND_ROW - 2))
    y += LEGEND_ROW if legend else 0
    title = look.title or " and ".join(panel.title for panel in panels)
    return Drawing(look.width, round(y + MARGIN), f"Piano roll of {title}", (*shapes, *legend))


def _systems(panels: Sequence[Panel], per_line: int | None) -> Iterator[tuple[float, float, float]]:
    """Start and stop in quarters of each line, and its share of the full width, by the bars of the longer panel."""
    longer = max(panels, key=lambda panel: panel.stop)
    start = min(panel.start for panel in panels)
    if per_line is None:
        count = len(longer.bars)
        per_line = -(-count // min(LINES, -(-count // BARS_IN_LINE)))
    lines = [longer.bars[i : i + per_line] for i in range(0, len(longer.bars), per_line)]
    edges = [(line[0].start if i else min(start, line[0].start), line[-1].stop) for i, line in enumerate(lines)]
    widest = max(stop - begin for begin, stop in edges)
    for begin, stop in edges:
        yield begin, stop, (stop - begin) / widest


def _system(panel: Panel, axis: Axis, y: float, named: bool) -> tuple[list[Shape], float]:
    """One line of a panel from `y` down, and where it ends."""
    shapes: list[Shape] = []
    if named:
        shapes.append(Label(MARGIN, y + 11, panel.title, NAME_SIZE, INK, bold=True))
    if panel.chords:
        shapes += _chord_names(panel, axis, y + CHORD_SIZE + 1)
        y += CHORD_ROW
    numbers = y + SMALL + 2
    y += NUMBER_ROW
    top = y
    lanes: list[Shape] = []
    for lane in panel.lanes:
        draw = _drum_lane if lane.is_drum else _pitch_lane
        ground, marks, height = draw(lane, axis, y)
        shapes += [Rectangle(axis.left, y, axis.right - axis.left, height, LANE, 2), *ground]
        shapes += _name(lane, axis, y, height)
        lanes += marks
        y += height + GAP
    shapes += _bar_lines(panel, axis, top, y - GAP, numbers)
    return [*shapes, *lanes], y - GAP


def _chord_names(panel: Panel, axis: Axis, y: float) -> Iterator[Shape]:
    """Chord names where they begin, of one size in a line; one that has too little room is smaller, or left out."""
    names = [
        (axis.x(max(a, axis.start)) + 2, name)
        for i, (a, b, name) in enumerate(panel.chords)
        if a < axis.stop and b > axis.start and not (i and a > axis.start and panel.chords[i - 1][2] == name)
    ]
    ends = [x - CHORD_GAP for x, _ in names[1:]] + [axis.right + MARGIN]
    fitting = [(end - x) / text_width(name, 1.0) for (x, name), end in zip(names, ends, strict=True)]
    common = min(CHORD_SIZE, max(SMALLEST_CHORD, *np.sort(fitting)[len(fitting) // 20 :][:1])) if names else 0.0
    for (x, name), most in zip(names, fitting, strict=True):
        if min(most, common) >= SMALLEST_CHORD * 0.8:
            yield Label(x, y, name, min(most, common), INK, bold=True)


def _bar_lines(panel: Panel, axis: Axis, top: float, bottom: float, numbers: float) -> Iterator[Shape]:
    places = [bar for bar in panel.bars if axis.holds(bar.start)]
    wide = (axis.right - axis.left) / max(len(places), 1)
    every = next((n for n in (1, 2, 4, 8, 16, 32, 64) if wide * n > 4 * SMALL), 128)
    beats = [beat for bar in places for beat in bar.beats if beat > bar.start]
    if beats and (axis.right - axis.left) / len(beats) > 6:
        yield from (Line(axis.x(beat), top, axis.x(beat), bottom, BEAT, 0.6) for beat in beats)
    for i, bar in enumerate(places):
        x = axis.x(bar.start)
        yield Line(x, top, x, bottom, BAR, 0.9)
        if bar.number % every == 0 or i == 0 or wide > 4 * SMALL:
            yield Label(x + 2, numbers, str(bar.number), SMALL, GREY)
    end = axis.x(min(axis.stop, panel.stop))
    yield Line(end, top, end, bottom, BAR, 0.9)


def _name(lane: Lane, axis: Axis, y: float, height: float) -> Iterator[Shape]:
    """Name and instrument of a track, left of its lane."""
    middle = y + height / 2
    most = int((axis.left - OCTAVES - MARGIN - 2) / text_width("x", NAME_SIZE))
    name = lane.name or lane.instrument
    name = name if len(name) <= most else name[: most - 1] + "…"
    second = lane.instrument if lane.instrument != name and height > 2.6 * NAME_SIZE else ""
    yield Label(MARGIN, middle + (0 if second else 4), name, NAME_SIZE, lane.colour, bold=True)
    if second:
        size = min(SMALL, (axis.left - OCTAVES - MARGIN - 2) / text_width(second, 1.0))
        yield Label(MARGIN, middle + 12, second, size, GREY)


def _pitch_lane(lane: Lane, axis: Axis, y: float) -> tuple[list[Shape], list[Shape], float]:
    """The ground, the notes and the height of a lane whose rows are pitches."""
    low, high = int(lane.marks["pitch"].min()) - 1, int(lane.marks["pitch"].max()) + 1
    while high - low + 1 < FEWEST_ROWS:
        low, high = max(0, low - 1), min(127, high + 1)
    rows = high - low + 1
    row = min(SEMITONES[1], max(SEMITONES[0], LANE_HEIGHT / rows))
    left, width = axis.left, axis.right - axis.left
    ground: list[Shape] = []
    for pitch in range(low, high + 1):
        above = y + (high - pitch) * row
        if pitch % 12 in (1, 3, 6, 8, 10):
            ground.append(Rectangle(left, above, width, row, BLACK_KEYS))
        if pitch % 12 == 0:
            ground.append(Line(left, above + row, axis.right, above + row, OCTAVE, 0.8))
            ground.append(Label(left - 4, above + row / 2 + 3, pitch_name(pitch), SMALL, PALE, "end"))
    return ground, list(_notes(lane, axis, y, high, row)), rows * row


def _notes(lane: Lane, axis: Axis, y: float, high: int, row: float) -> Iterator[Shape]:
    marks = _within(lane.marks, axis)
    inset = min(0.5, row / 8)
    drawn = set()
    for start, stop, pitch, velocity, shared in marks.tolist():
        x, end = axis.x(start), axis.x(stop)
        place = round(x * 2), round(end * 2), pitch
        if place in drawn:
            continue
        drawn.add(place)
        width = max(1.2, end - x - (0.8 if end - x > 4 else 0.3))
        above = y + (high - pitch) * row + inset
        yield Rectangle(x, above, width, row - 2 * inset, _shade(lane, velocity, shared), min(1.4, width / 3))


def _drum_lane(lane: Lane, axis: Axis, y: float) -> tuple[list[Shape], list[Shape], float]:
    """The ground, the hits and the height of a lane whose rows are kinds of drums."""
    kinds = {pitch: kind_of(pitch) for pitch in np.unique(lane.marks["pitch"]).tolist()}
    rows = [kind for kind in KINDS if kind in kinds.values()]
    ground: list[Shape] = []
    for i, kind in enumerate(rows):
        if i % 2:
            ground.append(Rectangle(axis.left, y + i * DRUM_ROW, axis.right - axis.left, DRUM_ROW, BLACK_KEYS))
        ground.append(Label(axis.left - 4, y + (i + 0.5) * DRUM_ROW + 3, SHORT.get(kind, kind), SMALL, PALE, "end"))
    hits: list[Shape] = []
    drawn = set()
    room = (axis.right - axis.left) / (axis.stop - axis.start) / 4 * 0.48
    for start, _, pitch, velocity, shared in _within(lane.marks, axis).tolist():
        x, i = axis.x(start), rows.index(kinds[pitch])
        if (round(x * 2), i) in drawn or not axis.holds(start):
            continue
        drawn.add((round(x * 2), i))
        radius = max(SMALLEST_HIT, min(room, DRUM_ROW * 0.37)) * (0.55 + 0.45 * velocity / 127)
        hits.append(Circle(x + radius, y + (i + 0.5) * DRUM_ROW, radius, _shade(lane, velocity, shared)))
    return ground, hits, len(rows) * DRUM_ROW


def _within(marks: Marks, axis: Axis) -> Marks:
    kept: Marks = marks[(marks["start"] < axis.stop) & ((marks["stop"] > axis.start) | (marks["start"] >= axis.start))]
    return kept


def _shade(lane: Lane, velocity: int, shared: bool) -> str:
    return mixed(lane.colour, LANE, SHARED if shared else SOFTEST + (1 - SOFTEST) * min(1.0, velocity / 100))


def _legend(panels: Sequence[Panel], x: float, y: float) -> Iterator[Shape]:
    """What the colours mean, where that is not told by the names of the tracks."""
    lanes = [lane for panel in panels for lane in panel.lanes]
    entries: list[tuple[str, str]] = []
    if any(lane.new for lane in lanes):
        given = next((lane.colour for lane in lanes if not lane.new), NEW[0])
        entries += [("given", given), ("new", next(lane.colour for lane in lanes if lane.new))]
    if len(panels) > 1:
        entries.append(("in both", mixed(lanes[0].colour, LANE, SHARED)))
    for text, colour in entries:
        yield Rectangle(x, y - 7, 14, 7, colour, 1.4)
        yield Label(x + 18, y, text, SMALL + 1, GREY)
        x += 18 + text_width(text, SMALL + 1) + 18
