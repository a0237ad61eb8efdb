"""Found beats as a tempo map: every moment keeps its second and gets the tick that the beats give it."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import BeatGrid
from m4mcli.errors import M4mError
from m4mcli.score.clock import DEFAULT_MICROSECONDS, seconds_at
from m4mcli.score.metre import Bar
from m4mcli.score.score import Score, Tempo, TimeSignature, Track

TPQ = 960
"""Ticks to the quarter of a piece on found beats: a millisecond at 60 to the minute, and 32nds and triplets fit."""

MAX_MICROSECONDS = 0xFFFFFF
MAX_NUMERATOR = 255


@dataclass(frozen=True)
class BeatMap:
    """Seconds to ticks, straight between knots: `seconds` (n,) and `ticks` (n,), both rising, n >= 2.

    `tempos` and `signatures` say the same to a MIDI file of TPQ ticks to the quarter.
    """

    seconds: NDArray[np.float64]
    ticks: NDArray[np.int64]
    tempos: tuple[Tempo, ...]
    signatures: tuple[TimeSignature, ...]

    def ticks_at(self, seconds: NDArray[np.floating]) -> NDArray[np.int64]:
        """The nearest tick of each second; after the last knot the last tempo goes on."""
        i = np.clip(np.searchsorted(self.seconds, seconds, side="right") - 1, 0, len(self.seconds) - 2)
        share = (seconds - self.seconds[i]) / (self.seconds[i + 1] - self.seconds[i])
        return np.rint(self.ticks[i] + share * (self.ticks[i + 1] - self.ticks[i])).astype(np.int64)


def beat_map(score: Score, grid: BeatGrid) -> BeatMap:
    """The map that puts each of the grid's beats (one at least) on a beat of its time signature.

    A bar with more or fewer beats than its signature says gets a signature of its own. What comes before the first beat
    is counted in whole beats of about its tempo. Raises M4mError where a beat is too long for a MIDI tempo.
    """
    beats = seconds_at(score, grid.beat_ticks)
    lengths = _beat_lengths(grid)
    ends = np.append(beats[1:], beats[-1] + _last_interval(beats))
    lead, lead_ticks = beats[0], 0
    if lead > 0:
        count = lead / (ends[0] - beats[0])
        lead_ticks = max(1, round((round(count) or count) * lengths[0]))
        ends, lengths = np.insert(ends, 0, beats[0]), np.insert(lengths, 0, lead_ticks)
    ticks = np.concatenate(([0], np.cumsum(lengths)))
    seconds, tempos = _tempos(ends, ticks)
    return BeatMap(seconds, ticks, tempos, _signatures(grid, ticks[1:-1] if lead_ticks else ticks[:-1]))


def with_beats(score: Score, grid: BeatGrid) -> Score:
    """The same piece, every event at its second, under a tempo map and time signatures that follow the grid's beats.

    Seconds are kept to half a tick, which is TPQ to the quarter. Without beats the piece stays as it is.
    """
    if not len(grid.beat_ticks):
        return score
    found = beat_map(score, grid)

    def moved(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        return found.ticks_at(seconds_at(score, ticks))

    def move(tick: int) -> int:
        return int(moved(np.array([tick]))[0])

    def moved_track(track: Track) -> Track:
        notes, controls, bends = track.notes.copy(), track.controls.copy(), track.bends.copy()
        notes["onset"] = moved(track.notes["onset"])
        ends = moved(track.notes["onset"] + track.notes["duration"])
        notes["duration"] = np.maximum(ends - notes["onset"], np.minimum(track.notes["duration"], 1))
        controls["tick"], bends["tick"] = moved(controls["tick"]), moved(bends["tick"])
        lyrics = tuple((move(tick), text) for tick, text in track.lyrics)
        return replace(track, notes=notes, controls=controls, bends=bends, lyrics=lyrics)

    return Score(
        TPQ,
        tuple(moved_track(track) for track in score.tracks),
        found.tempos,
        found.signatures,
        tuple(replace(key, tick=move(key.tick)) for key in score.key_signatures),
        tuple((move(tick), text) for tick, text in score.markers),
    )


def _last_interval(beats: NDArray[np.float64]) -> float:
    """Seconds that the last beat is taken to last: as the one before it."""
    return float(beats[-1] - beats[-2]) if len(beats) > 1 else DEFAULT_MICROSECONDS / 1e6


def _signature_of(grid: BeatGrid, beat: int) -> TimeSignature:
    """The signature in force at a beat; 4/4 before any."""
    tick = int(grid.beat_ticks[beat])
    return max((s for s in grid.signatures if s.tick <= tick), key=lambda s: s.tick, default=TimeSignature(0, 4, 4))


def _beat_lengths(grid: BeatGrid) -> NDArray[np.int64]:
    """The new ticks of each beat: a quarter in 4/4, a dotted quarter in 6/8."""
    return np.array([round(_beat_length(_signature_of(grid, i))) for i in range(len(grid.beat_ticks))], np.int64)


def _beat_length(signature: TimeSignature) -> float:
    whole = TPQ * 4 * signature.numerator / signature.denominator
    return Bar(0, round(whole), signature.numerator, signature.denominator, whole).beat_length


def _tempos(ends: NDArray[np.float64], ticks: NDArray[np.int64]) -> tuple[NDArray[np.float64], tuple[Tempo, ...]]:
    """Seconds of the knots and the tempos between them: whole microseconds, whose errors do not add up."""
    now, seconds, tempos = 0.0, [0.0], list[Tempo]()
    for end, start, stop in zip(ends.tolist(), ticks[:-1].tolist(), ticks[1:].tolist(), strict=True):
        quarters = (stop - start) / TPQ
        microseconds = max(1, round((end - now) * 1e6 / quarters))
        if microseconds > MAX_MICROSECONDS:
            raise M4mError(f"a beat of {end - now:.0f} seconds is too long for a tempo of MIDI", "use --beats file")
        if not tempos or tempos[-1].microseconds != microseconds:
            tempos.append(Tempo(start, microseconds))
        now += microseconds * quarters / 1e6
        seconds.append(now)
    return np.array(seconds), tuple(tempos)


def _signatures(grid: BeatGrid, ticks: NDArray[np.int64]) -> tuple[TimeSignature, ...]:
    """The signatures that make a bar line of every downbeat; `ticks` (n,) are those of the beats.

    A pickup has the signature of the bar after it, which is said again where it begins; and at the first beat, if what
    comes before that is only part of a beat.
    """
    downbeats = np.flatnonzero(grid.downbeat)
    if not len(downbeats):
        downbeats = np.array([0])
    found: list[TimeSignature] = []
    for first, following in pairwise(downbeats.tolist()):
        written = _signature_of(grid, first)
        unit = _beat_length(written) / (TPQ * 4 / written.denominator)
        numerator = round((following - first) * unit)
        if numerator > MAX_NUMERATOR:
            numerator = written.numerator
        bar = TimeSignature(int(ticks[first]), numerator, written.denominator)
        if not found or (bar.numerator, bar.denominator) != (found[-1].numerator, found[-1].denominator):
            found.append(bar)
    found = found or [replace(_signature_of(grid, int(downbeats[0])), tick=int(ticks[downbeats[0]]))]
    pickup = found[0].tick % round(TPQ * 4 * found[0].numerator / found[0].denominator)
    part = int(ticks[0]) % round(_beat_length(found[0]))
    again = sorted({0, pickup, part if part < pickup else 0})
    return (*(replace(found[0], tick=tick) for tick in again), *found[1:])
