"""Between frames and the piece's own ticks: where chords may begin, and generated notes as a track.

A model counts in 16ths; a piece's beats need not lie on them (7/32, 10 ticks to the quarter). Frames that stand for a
beat therefore carry the beat's own tick, and what begins or ends in such a frame does so on that tick.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import frame_of, tick_of
from m4mcli.score.metre import COMPOUND, Bar
from m4mcli.score.score import NOTE, Track

Velocities = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""Velocities for notes that begin at these ticks: `m4mcli.tasks.dynamics.velocities` with its other arguments given."""

GROUPS = {5: (0, 3), 7: (0, 2, 4)}
"""Where the groups of an irregular bar of eighths (or shorter) begin, in eighths: 3+2, 2+2+3."""


def has_pickup(bars: Sequence[Bar], tpq: int) -> bool:
    """Whether the piece, `tpq` ticks to the quarter, begins with an upbeat: a bar shorter than its metre, or one bar of
    1/4 before 4/4."""
    if len(bars) < 2:
        return False
    first, second = bars[0], bars[1]
    other_metre = (first.numerator, first.denominator) != (second.numerator, second.denominator)
    return first.length < _full_length(first, tpq) - 1 or (other_metre and first.length < second.length - 1)


def bar_beats(bars: Sequence[Bar], index: int, tpq: int) -> list[int]:
    """The ticks of the beats in bar `index`, from 0. A pickup's are counted back from the barline; it may have none."""
    bar = bars[index]
    start, metre = _whole_bar(bars, index, tpq)
    step = _beat_length(metre, tpq)
    count = max(1, round(_full_length(metre, tpq) / step))
    ticks = [round(start + i * step) for i in range(count)]
    return [t for t in ticks if bar.tick <= t < bar.tick + bar.length]


def shares(count: int, parts: int) -> tuple[int, ...]:
    """The beats, from 0, on which `parts` shares of `count` beats begin, the longer first.

    (4, 2) -> 0 2; (3, 2) -> 0 2; (5, 2) -> 0 3. One for each beat where there are more parts than beats.
    """
    return tuple(-(-i * count // parts) for i in range(parts)) if parts < count else tuple(range(count))


def beat_ticks(bars: Sequence[Bar], tpq: int, length: int, per_bar: int | None = None) -> dict[int, int]:
    """The frames below `length` in which a chord may begin, each with the exact tick it begins on.

    Without `per_bar` every beat of every bar; with 1, 2 or 4 that many shares of the bar, on beats, as far as it has
    them: 2 is beats 1 and 3 in 4/4 and 3/4, 1 and 4 in 5/4, the two dotted quarters in 6/8, 4+3 eighths in 7/8; 4 is
    every beat in 3/4, 2+2+3 eighths in 7/8, quarters in 2/2. A pickup has those points of a whole bar that lie in
    it, so with 1 it has none. Never empty while the first bar begins below `length`.
    """
    found: dict[int, int] = {}
    for index, bar in enumerate(bars):
        if frame_of(bar.tick, tpq) >= length:
            break
        ticks = bar_beats(bars, index, tpq) if per_bar is None else _points(bars, index, tpq, per_bar)
        for tick in ticks:
            frame = frame_of(tick, tpq)
            # Two beats closer than a frame are one place, and a barline is never the one to go.
            if frame < length and (frame not in found or tick == bar.tick):
                found[frame] = tick
    first = frame_of(bars[0].tick, tpq)
    return found or ({first: bars[0].tick} if first < length else {})


def beat_frames(bars: Sequence[Bar], tpq: int, length: int, per_bar: int | None = None) -> NDArray[np.bool_]:
    """The frames of `beat_ticks` as a mask (length,) of 16ths."""
    mask = np.zeros(length, bool)
    mask[list(beat_ticks(bars, tpq, length, per_bar))] = True
    return mask


def frame_ticks(ticks: Iterable[int], tpq: int) -> dict[int, int]:
    """Exact ticks by the frame, in 16ths, that stands for them, to be joined with those of `beat_ticks`; of two in one
    frame, the first."""
    found: dict[int, int] = {}
    for tick in ticks:
        found.setdefault(frame_of(tick, tpq), tick)
    return found


def placed(
    notes: NDArray[np.void],
    tpq: int,
    *,
    name: str,
    program: int,
    velocities: Velocities,
    ticks: Mapping[int, int] | None = None,
    is_drum: bool = False,
    legato: bool = False,
    end: int | None = None,
) -> Track:
    """FRAME_NOTE rows (n,) as a track of the piece, in its ticks.

    Notes begin and end on the `ticks` of their frames (`beat_ticks`, `frame_ticks`), elsewhere on the frame's own. Each
    lasts at least a tick; one that is struck again ends there; of doubled notes the longest stays; none lasts beyond
    the tick `end`, and none begins there. `legato` ends a note at the part's next onset where it misses it, early or
    late, by no more than a quarter of its length or a frame: what a coarse scale of durations leaves open.
    """
    stops = notes["frame"].astype(np.int64) + notes["duration"]
    if legato:
        stops = _legato(notes["frame"].astype(np.int64), stops)
    exact = ticks or {}
    start = np.array([exact.get(int(f), tick_of(int(f), tpq)) for f in notes["frame"]], np.int64)
    stop = np.array([exact.get(int(f), tick_of(int(f), tpq)) for f in stops], np.int64)
    stop = np.maximum(stop, start + 1)
    if end is not None:
        inside = start < end
        notes, start, stop = notes[inside], start[inside], np.minimum(stop[inside], end)
    order = np.lexsort((-stop, start, notes["pitch"]))
    pitch, start, stop = notes["pitch"][order], start[order], stop[order]
    same_pitch = pitch[1:] == pitch[:-1]
    doubled = np.concatenate((np.zeros(min(1, len(pitch)), bool), same_pitch & (start[1:] == start[:-1])))
    pitch, start, stop = pitch[~doubled], start[~doubled], stop[~doubled]
    again = pitch[1:] == pitch[:-1]
    stop[:-1] = np.where(again, np.minimum(stop[:-1], start[1:]), stop[:-1])
    part = np.zeros(len(pitch), NOTE)
    part["onset"], part["duration"], part["pitch"] = start, stop - start, pitch
    part = part[np.lexsort((part["pitch"], part["onset"]))]
    part["velocity"] = velocities(part["onset"])
    return Track(name=name, program=program, is_drum=is_drum, notes=part)


def _legato(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stops moved to the next onset after the start where they nearly meet it."""
    onsets = np.unique(starts)
    following = np.searchsorted(onsets, starts, side="right")
    target = np.where(following < len(onsets), onsets[np.minimum(following, len(onsets) - 1)], stops)
    near = np.abs(target - stops) <= np.maximum(1, (stops - starts) // 4)
    return np.where(near, target, stops)


def _beat_length(bar: Bar, tpq: int) -> float:
    compound = bar.denominator >= 8 and bar.numerator in COMPOUND
    return 4 * tpq / bar.denominator * (3 if compound else 1)


def _full_length(bar: Bar, tpq: int) -> float:
    return 4 * tpq * bar.numerator / bar.denominator


def _whole_bar(bars: Sequence[Bar], index: int, tpq: int) -> tuple[float, Bar]:
    """Where the bar would begin if it were whole, and a bar of its metre: a pickup ends a bar like the second."""
    bar = bars[index]
    if index > 0 or not has_pickup(bars, tpq):
        return bar.tick, bar
    return bar.tick + bar.length - _full_length(bars[1], tpq), bars[1]


def _points(bars: Sequence[Bar], index: int, tpq: int, per_bar: int) -> list[int]:
    bar = bars[index]
    start, metre = _whole_bar(bars, index, tpq)
    step = _beat_length(metre, tpq)
    count = max(1, round(_full_length(metre, tpq) / step))
    if metre.denominator >= 8 and count in GROUPS:
        groups = GROUPS[count]
        beats = tuple(groups[i] for i in shares(len(groups), per_bar))
    else:
        if metre.denominator < 4 and per_bar % count == 0:
            count, step = per_bar, step * count / per_bar
        beats = shares(count, per_bar)
    ticks = [round(start + beat * step) for beat in beats]
    return [t for t in ticks if bar.tick <= t < bar.tick + bar.length]
