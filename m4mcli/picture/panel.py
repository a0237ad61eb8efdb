"""What a piano roll shows of a piece: bars, lanes of notes, chord names. Times are in quarter notes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.picture.colours import DRUMS, GIVEN, NEW, PALETTE
from m4mcli.score.metre import bars
from m4mcli.score.score import Score, Track
from m4mcli.tasks.chord_source import NAMED, find_chords
from m4mcli.tasks.placement import bar_beats, has_pickup
from m4mcli.tasks.task import TASKS
from m4mcli.theory.chord_names import chord_symbol
from m4mcli.theory.instruments import instrument_name
from m4mcli.theory.keys import estimate_key

FRAMES_PER_QUARTER = 4

MARK = np.dtype([("start", "f8"), ("stop", "f8"), ("pitch", "i2"), ("velocity", "i2"), ("shared", "?")])
"""One note of a picture: from `start` to `stop` in quarters; `shared` says that the compared piece has it too."""

Marks = NDArray[np.void]


@dataclass(frozen=True)
class Lane:
    """One track: its number from 1, name, instrument, colour, notes (MARK rows); `new` if a command of m4m wrote it."""

    number: int
    name: str
    instrument: str
    is_drum: bool
    new: bool
    colour: str
    marks: Marks


@dataclass(frozen=True)
class PanelBar:
    """One bar: its number as musicians count, a pickup being 0, its start, stop and beats in quarters."""

    number: int
    start: float
    stop: float
    beats: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """The bars of a piece that are shown, the tracks with notes there, and chords as (start, stop, name)."""

    title: str
    bars: tuple[PanelBar, ...]
    lanes: tuple[Lane, ...]
    chords: tuple[tuple[float, float, str], ...]

    @property
    def start(self) -> float:
        """Where the first bar begins, in quarters."""
        return self.bars[0].start

    @property
    def stop(self) -> float:
        """Where the last bar ends, in quarters."""
        return self.bars[-1].stop

    @property
    def compass(self) -> tuple[int, int]:
        """The lowest and the highest pitch of the lanes that are not drums; middle C where there are none."""
        pitches = [lane.marks["pitch"] for lane in self.lanes if not lane.is_drum]
        return (min(int(p.min()) for p in pitches), max(int(p.max()) for p in pitches)) if pitches else (60, 60)


def panel(score: Score, title: str, shown: tuple[int, int] | None = None, new: Sequence[int] | None = None) -> Panel:
    """A piece as it is shown: the bars `shown` (first, last; None: all); `new` holds the indices of new tracks.

    Without `new` these are the tracks that m4m put there. Raises M4mError (status 2) for bars that there are not, and
    where nothing sounds in them.
    """
    places = _bars(score, shown)
    fresh = set(added_tracks(score) if new is None else new)
    lanes = []
    for index, track in enumerate(score.tracks):
        marks = _marks(track, score.tpq, places[0].start, places[-1].stop)
        if len(marks):
            instrument = instrument_name(track.program, track.is_drum)
            lanes.append(Lane(index + 1, track.name.strip(), instrument, track.is_drum, index in fresh, "", marks))
    if not lanes:
        raise M4mError("no notes to show" if shown is None else "no notes in these bars", "m4m info says what is there")
    return Panel(title, places, _coloured(lanes), _chords(score, places[0].start, places[-1].stop))


def added_tracks(score: Score) -> tuple[int, ...]:
    """The tracks that m4m added: those at the end that are called as its tasks call theirs, unless all are."""
    names = {task.track_name for task in TASKS.values() if task.track_name}
    first = len(score.tracks)
    while first and score.tracks[first - 1].name in names:
        first -= 1
    return tuple(range(first, len(score.tracks))) if first else ()


def compared(one: Panel, other: Panel) -> tuple[Panel, Panel]:
    """Both panels, with the notes that they share marked: same start (to a 32nd of a quarter), pitch, kind of track."""
    counts = [
        Counter(_key(mark, lane.is_drum) for lane in p.lanes for mark in lane.marks.tolist()) for p in (one, other)
    ]
    both = counts[0] & counts[1]
    return _shared(one, Counter(both)), _shared(other, Counter(both))


def _key(mark: Any, is_drum: bool) -> tuple[int, int, bool]:
    return round(mark[0] * 32), mark[2], is_drum


def _shared(panel: Panel, left: Counter[tuple[int, int, bool]]) -> Panel:
    lanes = []
    for lane in panel.lanes:
        marks = lane.marks.copy()
        for i, mark in enumerate(marks.tolist()):
            key = _key(mark, lane.is_drum)
            marks["shared"][i] = left[key] > 0
            left[key] -= 1
        lanes.append(replace(lane, marks=marks))
    return replace(panel, lanes=tuple(lanes))


def _bars(score: Score, shown: tuple[int, int] | None) -> tuple[PanelBar, ...]:
    places = bars(score)
    lowest = 0 if has_pickup(places, score.tpq) else 1
    first, last = shown or (lowest, lowest + len(places) - 1)
    if first < lowest or last > lowest + len(places) - 1:
        missing = first if first < lowest or first > lowest + len(places) - 1 else last
        raise M4mError(f"there is no bar {missing}", f"bars: {lowest}-{lowest + len(places) - 1}", USAGE)
    return tuple(
        PanelBar(
            i + lowest,
            places[i].tick / score.tpq,
            (places[i].tick + places[i].length) / score.tpq,
            tuple(tick / score.tpq for tick in bar_beats(places, i, score.tpq)),
        )
        for i in range(first - lowest, last - lowest + 1)
    )


def _marks(track: Track, tpq: int, start: float, stop: float) -> Marks:
    marks = np.zeros(len(track.notes), MARK)
    marks["start"] = track.notes["onset"] / tpq
    marks["stop"] = (track.notes["onset"] + track.notes["duration"]) / tpq
    marks["pitch"], marks["velocity"] = track.notes["pitch"], track.notes["velocity"]
    inside = (marks["start"] < stop) & ((marks["stop"] > start) | (marks["start"] >= start))
    kept: Marks = marks[inside]
    return kept


def _coloured(lanes: Sequence[Lane]) -> tuple[Lane, ...]:
    mixed = any(lane.new for lane in lanes)
    used: Counter[bool] = Counter()
    coloured = []
    for lane in lanes:
        palette = (NEW if lane.new else GIVEN) if mixed else PALETTE
        if lane.is_drum and not lane.new:
            colour = DRUMS
        else:
            colour = palette[used[lane.new] % len(palette)]
            used[lane.new] += 1
        coloured.append(replace(lane, colour=colour))
    return tuple(coloured)


def _chords(score: Score, start: float, stop: float) -> tuple[tuple[float, float, str], ...]:
    """The chords of a chord track, where there is one: block chords, or a part that is named for them."""
    try:
        found = find_chords(score)
    except M4mError:
        return ()
    if found.broken and not any(NAMED.search(track.name) for track in score.tracks):
        return ()
    spans = [(s.start / FRAMES_PER_QUARTER, s.stop / FRAMES_PER_QUARTER, s) for s in found.spans if s.pitch_classes]
    key = _key_of(score)
    return tuple((a, b, chord_symbol(s.pitch_classes, s.bass, key)) for a, b, s in spans if a < stop and b > start)


def _key_of(score: Score) -> tuple[int, bool] | None:
    """The key that chords are spelt in: the first key signature's, else as the notes tell."""
    if score.key_signatures:
        signature = score.key_signatures[0]
        return (7 * signature.fifths + (9 if signature.minor else 0)) % 12, signature.minor
    pitched = [track.notes for track in score.tracks if not track.is_drum and len(track.notes)]
    if not pitched:
        return None
    notes = np.concatenate(pitched)
    heard = np.zeros(12)
    np.add.at(heard, notes["pitch"] % 12, notes["duration"])
    return estimate_key(heard)
