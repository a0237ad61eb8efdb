"""Notes mixed into sound, block by block, so that memory does not grow with the piece. The same notes, the same sound.

Tempi, the sustain pedal and pitch bends are followed, volume, expression and panning as they are when a note begins.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.clock import seconds_at
from m4mcli.score.score import Score, Track

Samples = NDArray[np.float32]
Places = NDArray[np.float64]

BLOCK_SECONDS = 10.0
TAIL_SECONDS = 1.0
LOUDEST = 0.85
VOLUME, PAN, EXPRESSION, PEDAL = 7, 10, 11, 64
DATA_ENTRY, PARAMETER_FINE, PARAMETER = 6, 100, 101
BEND_STEPS = 8192
USUAL_RANGE = 2.0
"""Semitones that a bend reaches until the file sets it (General MIDI)."""

PEDAL_DOWN = 64
USUAL = {VOLUME: 100, PAN: 64, EXPRESSION: 127}
"""What a controller is until the file sets it (General MIDI)."""

SPREAD = 0.35
"""How far to the sides the tracks of a piece stand that says nothing of it, 0 to 1."""


class Instrument(Protocol):
    """What plays the notes of one track."""

    def lasts(self, pitch: int, velocity: int, held: float) -> float:
        """Seconds from the beginning of a note that is held for `held` seconds until nothing of it is left."""

    def samples(
        self, pitch: int, velocity: int, held: float, rate: int, low: int, high: int, bent: Places | None = None
    ) -> Samples:
        """Samples `low` to `high`, counted from its beginning, of one note, as (high - low, 2).

        `bent` says at which sample of the note without bends each of them stands, where there are bends.
        """


@dataclass(frozen=True)
class Part:
    """One track as it sounds: where notes begin and end, and how long they are heard, in seconds; gains (n, 2)."""

    instrument: Instrument
    begin: NDArray[np.float64]
    end: NDArray[np.float64]
    lasting: NDArray[np.float64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int64]
    gain: Samples
    bends: "Bends"


@dataclass(frozen=True)
class Bends:
    """How fast a track's notes go by, from moments in seconds on: 1 without a bend, 2 an octave higher."""

    moments: NDArray[np.float64]
    speeds: NDArray[np.float64]

    def within(self, begin: float, end: float) -> bool:
        """Whether a note between these moments is bent."""
        first, last = np.searchsorted(self.moments, (begin, end), side="right")
        return bool((self.speeds[max(first - 1, 0) : last] != 1).any())

    def places(self, begin: float, rate: int, low: int, high: int) -> Places:
        """Where samples `low` to `high` of a note that begins at `begin` stand in that note without bends."""
        now = begin + np.arange(low, high) / rate
        edges = np.append(begin, self.moments[self.moments > begin])
        speeds = self.speeds[np.maximum(np.searchsorted(self.moments, edges, side="right") - 1, 0)]
        passed = np.append(0.0, np.cumsum(np.diff(edges) * speeds[:-1]))
        i = np.searchsorted(edges, now, side="right") - 1
        return np.asarray((passed[i] + (now - edges[i]) * speeds[i]) * rate)


def sound_blocks(score: Score, instrument: Callable[[Track], Instrument], rate: int) -> Iterator[Samples]:
    """The piece as blocks (samples, 2) of -1..1, `rate` samples a second; `instrument` gives what plays a track."""
    tracks = [track for track in score.tracks if len(track.notes)]
    middle = (len(tracks) - 1) / 2
    parts = [
        _part(score, track, instrument(track), SPREAD * (i - middle) / max(middle, 1)) for i, track in enumerate(tracks)
    ]
    total = round(
        (max((float((part.begin + part.lasting).max()) for part in parts), default=0.0) + TAIL_SECONDS) * rate
    )
    level = _level(parts)
    size = round(BLOCK_SECONDS * rate)
    for first in range(0, total, size):
        block = np.zeros((min(size, total - first), 2), np.float32)
        for part in parts:
            _mix(part, block, first, rate)
        yield np.tanh(block * level) * LOUDEST


def _part(score: Score, track: Track, instrument: Instrument, side: float) -> Part:
    onset = track.notes["onset"]
    volume = (_control(track, VOLUME) / USUAL[VOLUME] * _control(track, EXPRESSION) / USUAL[EXPRESSION]) ** 2
    panned = bool((track.controls["number"] == PAN).any())
    place = (_control(track, PAN) - 64) / 64 if panned else np.full(len(onset), side)
    gain = np.stack([volume * np.minimum(1.0, 1 - place), volume * np.minimum(1.0, 1 + place)], axis=1)
    begin, end = seconds_at(score, onset), seconds_at(score, _held(track))
    pitch, velocity = track.notes["pitch"].astype(np.int64), track.notes["velocity"].astype(np.int64)
    rows = zip(pitch.tolist(), velocity.tolist(), (end - begin).tolist(), strict=True)
    lasting = np.array([instrument.lasts(*row) for row in rows])
    return Part(instrument, begin, end, lasting, pitch, velocity, gain.astype(np.float32), _bends(score, track))


def _bends(score: Score, track: Track) -> Bends:
    """The bends of a track; their range is two semitones, or what registered parameter 0 says."""
    ticks = np.append(np.int64(-1), track.bends["tick"].astype(np.int64))
    values = np.append(0.0, track.bends["value"] / BEND_STEPS)
    ranges = np.full(len(ticks), USUAL_RANGE)
    parameter = [127, 127]
    for tick, number, value in track.controls.tolist():
        if number in (PARAMETER, PARAMETER_FINE):
            parameter[number - PARAMETER_FINE] = value
        elif parameter == [0, 0] and number == DATA_ENTRY:
            ranges[ticks >= tick] = value
    moments = np.where(ticks < 0, -np.inf, seconds_at(score, np.maximum(ticks, 0)))
    return Bends(moments, 2 ** (values * ranges / 12))


def _control(track: Track, number: int) -> NDArray[np.float64]:
    """What a controller stands at when each note begins."""
    changes = track.controls[track.controls["number"] == number]
    values = np.append(changes["value"], USUAL[number]).astype(np.float64)
    return np.asarray(values[np.searchsorted(changes["tick"], track.notes["onset"], side="right") - 1])


def _held(track: Track) -> NDArray[np.int64]:
    """The ticks at which notes end, those under a pedal when it is lifted."""
    end = np.asarray(track.notes["onset"] + track.notes["duration"])
    pedal = track.controls[track.controls["number"] == PEDAL]
    if not len(pedal):
        return end
    state = np.searchsorted(pedal["tick"], end, side="right") - 1
    down = (state >= 0) & (pedal["value"][np.maximum(state, 0)] >= PEDAL_DOWN)
    ups = pedal["tick"][pedal["value"] < PEDAL_DOWN]
    last = max(int(end.max()), int(pedal["tick"].max()))
    lifted = np.append(ups, last)[np.searchsorted(ups, end)]
    return np.where(down, np.maximum(lifted, end), end)


def _level(parts: list[Part]) -> float:
    """What brings the loudest moment to about full scale: there many notes add up, but seldom peak with peak."""
    if not parts:
        return 1.0
    loud = [(p.velocity / 127) ** 1.5 * p.gain.max(axis=1) for p in parts]
    times = np.concatenate([np.concatenate((p.begin, p.end)) for p in parts])
    steps = np.concatenate([np.concatenate((one, -one)) for one in loud])
    together = np.cumsum(steps[np.argsort(times, kind="stable")])
    return float(0.9 / max(0.35, float(together.max())) ** 0.75)


def _mix(part: Part, block: Samples, first: int, rate: int) -> None:
    """Add the notes of a part to the samples of `block`, the first of which is number `first` of the piece."""
    last = first + len(block)
    for i in np.flatnonzero((part.begin * rate < last) & ((part.begin + part.lasting) * rate >= first - 1)).tolist():
        start, held = round(part.begin[i] * rate), float(part.end[i] - part.begin[i])
        low, high = max(first, start), min(last, start + round(part.lasting[i] * rate))
        if low < high:
            pitch, velocity = int(part.pitch[i]), int(part.velocity[i])
            begin = float(part.begin[i])
            bent = None
            if part.bends.within(begin, begin + float(part.lasting[i])):
                bent = part.bends.places(begin, rate, low - start, high - start)
            sound = part.instrument.samples(pitch, velocity, held, rate, low - start, high - start, bent)
            block[low - first : high - first] += sound * part.gain[i]
