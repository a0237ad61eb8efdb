"""Notes moved onto a grid that is counted from each bar line. All times are ticks."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metre import bars
from m4mcli.score.score import Score, Track
from m4mcli.theory.grid import STRAIGHT, Grid

Ends = Literal["grid", "keep", "length"]
Ticks = NDArray[np.int64]


@dataclass(frozen=True)
class Quantization:
    """How notes are moved.

    `strength` is the share of the way to the line, 0 to 1. `swing` places every second line of the grid in its pair
    (0.5 straight); `unswing` says that the notes were played with that swing and go to the straight lines. `ends`:
    note ends go to the `grid` too, `keep` their places, or follow so that the `length` stays.
    """

    grid: Grid
    strength: float = 1.0
    swing: float = STRAIGHT
    unswing: float | None = None
    ends: Ends = "grid"


@dataclass(frozen=True)
class Lines:
    """The grid's lines through a piece: a note nearest to `heard[i]` goes to `written[i]`. Ascending."""

    heard: Ticks
    written: Ticks

    def nearest(self, ticks: Ticks) -> Ticks:
        """Where each tick goes; half-way between two lines, to the later one."""
        right = np.clip(np.searchsorted(self.heard, ticks), 1, len(self.heard) - 1)
        later = self.heard[right] - ticks <= ticks - self.heard[right - 1]
        return self.written[np.where(later, right, right - 1)]

    def after(self, ticks: Ticks) -> Ticks:
        """The first line after each tick."""
        return self.written[np.clip(np.searchsorted(self.written, ticks, side="right"), 0, len(self.written) - 1)]


def grid_lines(score: Score, how: Quantization) -> Lines:
    """The lines through `score`, from tick 0 to two whole notes after its last note."""
    heard, written = [], []
    for bar in bars(score, score.end + 8 * score.tpq):
        full = score.tpq * 4 * bar.numerator / bar.denominator
        pickup = bar.tick == 0 and bar.length < full
        whole = full if pickup else float(bar.length)
        heard.append(bar.tick + how.grid.lines(bar.length, whole, score.tpq, how.unswing or how.swing))
        written.append(bar.tick + how.grid.lines(bar.length, whole, score.tpq, how.swing))
    return Lines(_ticks(np.concatenate(heard)), _ticks(np.concatenate(written)))


def moved(onset: Ticks, end: Ticks, voice: Ticks, lines: Lines, how: Quantization) -> tuple[Ticks, Ticks, int]:
    """New onsets and ends of notes, and how many notes were left where they were.

    `voice` numbers what sounds on one key: notes of one voice are kept apart. Where several of them, begun at different
    times, would fall together, the nearest takes the line and the others stay; and a note that would then run into
    the next one ends where that begins. No note gets shorter than one tick; none is lost.
    """
    place = _toward(onset, lines.nearest(onset), how.strength)
    stay = _crowded(onset, place, voice)
    place = np.where(stay, onset, place)
    if how.ends == "grid":
        close = np.maximum(lines.nearest(end), lines.after(place))
        close = np.maximum(_toward(end, close, how.strength), place + 1)
    else:
        close = place + np.maximum(end - onset, 1)
        if how.ends == "keep":
            close = np.where(end > place, end, close)
    return place, _cut(onset, end, place, close, voice), int(stay.sum())


def quantized(score: Score, how: Quantization) -> tuple[Score, int]:
    """The piece with its notes moved, everything else in place, and how many notes were left where they were."""
    lines = grid_lines(score, how)
    results = [_quantized_track(track, lines, how) for track in score.tracks]
    return replace(score, tracks=tuple(track for track, _ in results)), sum(left for _, left in results)


def _quantized_track(track: Track, lines: Lines, how: Quantization) -> tuple[Track, int]:
    notes = track.notes.copy()
    onset, end, left = moved(notes["onset"], notes["onset"] + notes["duration"], notes["pitch"], lines, how)
    notes["onset"], notes["duration"] = onset, end - onset
    return replace(track, notes=notes[np.lexsort((notes["pitch"], notes["onset"]))]), left


def _toward(ticks: Ticks, goal: Ticks, strength: float) -> Ticks:
    return _ticks(ticks + strength * (goal - ticks))


def _ticks(places: NDArray[np.float64]) -> Ticks:
    return np.floor(places + 0.5).astype(np.int64)


def _crowded(onset: Ticks, place: Ticks, voice: Ticks) -> NDArray[np.bool_]:
    """Which notes would land on a note of the same voice that began at another time and moves less."""
    order = np.lexsort((onset, np.abs(place - onset), place, voice))
    new_spot = np.ones(len(order), bool)
    new_spot[1:] = (np.diff(voice[order]) != 0) | (np.diff(place[order]) != 0)
    winner = onset[order][np.maximum.accumulate(np.where(new_spot, np.arange(len(order)), 0))]
    crowded = np.zeros(len(order), bool)
    crowded[order] = onset[order] != winner
    return crowded


def _cut(onset: Ticks, end: Ticks, place: Ticks, close: Ticks, voice: Ticks) -> Ticks:
    """The ends, each no later than the next onset of its voice, unless the notes overlapped before.

    Of notes that did, none that ended first ends last now: MIDI gives the first end to the first beginning.
    """
    order = np.lexsort((end, onset, place, voice))
    cut = close.copy()
    following = -1
    for i, j in zip(order[-2::-1], order[:0:-1], strict=True):
        if voice[i] == voice[j] and place[i] < place[j]:
            following = j
        elif voice[i] != voice[j]:
            following = -1
        if following >= 0 and end[i] <= onset[following]:
            cut[i] = min(cut[i], place[following])
        if voice[i] == voice[j] and end[i] <= end[j]:
            cut[i] = min(cut[i], cut[j])
    return cut
