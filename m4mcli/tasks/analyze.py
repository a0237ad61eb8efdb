"""Analyze a piece: its chords, keys, beats and metre, as the analysis form."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import BeatGrid, grid_of
from m4mcli.analysis.chord_recognition import RecognizedChord, recognize_chords
from m4mcli.analysis.harte import harte, symbol
from m4mcli.analysis.key_finding import Tonality, find_keys
from m4mcli.errors import USAGE, M4mError
from m4mcli.generation.request import Progress
from m4mcli.score.clock import DEFAULT_MICROSECONDS, seconds_at
from m4mcli.score.score import Score, Tempo, TimeSignature
from m4mcli.theory.instruments import instrument_name
from m4mcli.theory.keys import key_name
from m4mcli.theory.names import pitch_name

PARTS = ("chords", "keys", "beats", "metre", "tempo", "summary")
"""What an analysis consists of, and `--only` names."""

ALIASES = {"chord": "chords", "key": "keys", "beat": "beats", "downbeats": "beats", "meter": "metre"}


def parse_parts(text: str) -> tuple[str, ...]:
    """The parts that a list such as `chords,key` names, in the order of PARTS. Raises M4mError (status 2)."""
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    wanted = {ALIASES.get(word, word) for word in words}
    if unknown := sorted(wanted - set(PARTS)):
        raise M4mError(f"--only {unknown[0]!r} is no part of an analysis", f"give some of {','.join(PARTS)}", USAGE)
    if not wanted:
        raise M4mError("--only names nothing", f"give some of {','.join(PARTS)}", USAGE)
    return tuple(part for part in PARTS if part in wanted)


@dataclass(frozen=True)
class Analysis:
    """A piece and what was found in it. `score` lies on the beats of `grid`."""

    score: Score
    grid: BeatGrid
    chords: tuple[RecognizedChord, ...]
    tonality: Tonality

    def key_at(self, tick: int) -> tuple[int, bool] | None:
        """The local key at a tick, which chords are spelt to."""
        spans = self.tonality.spans
        return next((s.key for s in spans if s.start <= tick < s.end), self.tonality.key)

    def seconds(self, ticks: NDArray[np.integer] | list[int]) -> list[float]:
        """Ticks in seconds, to the millisecond."""
        return [round(t, 3) for t in seconds_at(self.score, np.asarray(ticks, np.int64)).tolist()]


def analyze(score: Score, grid: BeatGrid | None = None, progress: Progress | None = None) -> Analysis:
    """Find chords and keys on the beats of a grid: the file's own unless another is given.

    Key signatures, markers, lyrics and track names are not read. `progress` is told of three steps, of which the beats
    were the first.
    """
    told = progress or (lambda done, of: None)
    told(1, 3)
    grid = grid or grid_of(score)
    harmony = recognize_chords(score, grid)
    told(2, 3)
    tonality = find_keys(score, grid, harmony)
    told(3, 3)
    return Analysis(score, grid, harmony.chords, tonality)


def analysis_form(analysis: Analysis, parts: tuple[str, ...] = PARTS) -> dict[str, Any]:
    """The analysis as plain data (`schemas/analysis.schema.json`): times in seconds, bars and beats from 1."""
    grid = analysis.grid
    made: dict[str, Callable[[], dict[str, Any]]] = {
        "summary": lambda: {"summary": _summary(analysis)},
        "keys": lambda: {"keys": _keys(analysis)},
        "chords": lambda: {"chords": _chords(analysis)},
        "beats": lambda: {
            "beats": analysis.seconds(grid.beat_ticks),
            "downbeats": analysis.seconds(grid.beat_ticks[grid.downbeat]),
        },
        "metre": lambda: {"time_signatures": _signatures(analysis)},
        "tempo": lambda: {"tempos": _tempos(analysis)},
    }
    return {name: value for part, make in made.items() if part in parts for name, value in make().items()}


@dataclass(frozen=True)
class Places:
    """Bars and beats of ticks, both from 1; a tick between two beats has a broken beat."""

    grid: BeatGrid
    end: int

    def bar(self, tick: int) -> int:
        """The number of the bar that a tick lies in."""
        return max(1, int(self.grid.downbeat[: self._index(tick) + 1].sum()))

    def beat(self, tick: int) -> float:
        """The beat of its bar that a tick lies on: 2.5 is half-way between the second and the third."""
        return round(float(self.place(tick)) + 1, 3)

    def place(self, tick: int) -> Fraction:
        """The same from 0 and exact, to the 24th of a beat."""
        beats = self.grid.beat_ticks
        if not len(beats):
            return Fraction(0)
        i = self._index(tick)
        first = int(np.flatnonzero(self.grid.downbeat[: i + 1])[-1]) if self.grid.downbeat[: i + 1].any() else 0
        until = int(beats[i + 1]) if i + 1 < len(beats) else max(self.end, int(beats[i]) + 1)
        share = (tick - int(beats[i])) / (until - int(beats[i]))
        return i - first + Fraction(round(min(max(share, 0), 1) * 24), 24)

    def _index(self, tick: int) -> int:
        return max(0, int(np.searchsorted(self.grid.beat_ticks, tick, side="right")) - 1)


def form_text(form: dict[str, Any]) -> str:
    """The form as JSON for reading: a chord, key, signature or tempo to a line, all beats on one."""
    return "{" + ",\n ".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in form.items()) + "}"


def _lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n  " + ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _timed(analysis: Analysis, ticks: list[int], ends: list[int]) -> list[dict[str, Any]]:
    places = Places(analysis.grid, analysis.score.end)
    times = zip(ticks, analysis.seconds(ticks), analysis.seconds(ends), strict=True)
    return [
        {"start": a, "end": b, "start_bar": places.bar(tick), "start_beat": places.beat(tick)} for tick, a, b in times
    ]


def _chords(analysis: Analysis) -> list[dict[str, Any]]:
    chords = analysis.chords
    timed = _timed(analysis, [c.start for c in chords], [c.end for c in chords])
    return [
        at
        | {"label": harte(c, analysis.key_at(c.start)), "symbol": symbol(c, analysis.key_at(c.start))}
        | {"probability": round(c.probability, 3)}
        for at, c in zip(timed, chords, strict=True)
    ]


def _keys(analysis: Analysis) -> list[dict[str, Any]]:
    spans = analysis.tonality.spans
    timed = _timed(analysis, [s.start for s in spans], [s.end for s in spans])
    return [
        at | {"label": key_name(*s.key), "probability": round(s.probability, 3)}
        for at, s in zip(timed, spans, strict=True)
    ]


def _signatures(analysis: Analysis) -> list[dict[str, Any]]:
    signatures = _sounding(analysis.grid.signatures, analysis.score.end)
    places = Places(analysis.grid, analysis.score.end)
    return [
        {"start": start, "start_bar": places.bar(s.tick), "time": f"{s.numerator}/{s.denominator}"}
        for s, start in zip(signatures, analysis.seconds([s.tick for s in signatures]), strict=True)
    ]


def _sounding(signatures: tuple[TimeSignature, ...], end: int) -> list[TimeSignature]:
    """Those that change something before the piece's end, the first at least."""
    kept: list[TimeSignature] = []
    for s in signatures:
        same = kept and (kept[-1].numerator, kept[-1].denominator) == (s.numerator, s.denominator)
        if not same and (not kept or s.tick < end):
            kept.append(s)
    return kept


def _tempos(analysis: Analysis) -> list[dict[str, Any]]:
    """The tempo curve: quarters to the minute from each second on."""
    latest = {0: Tempo(0, DEFAULT_MICROSECONDS)} | {t.tick: t for t in analysis.score.tempos}
    tempos = [latest[tick] for tick in sorted(latest) if tick == 0 or tick < analysis.score.end]
    kept = [t for i, t in enumerate(tempos) if i == 0 or t.microseconds != tempos[i - 1].microseconds]
    starts = analysis.seconds([t.tick for t in kept])
    return [{"start": start, "bpm": round(60e6 / t.microseconds, 3)} for t, start in zip(kept, starts, strict=True)]


def _summary(analysis: Analysis) -> dict[str, Any]:
    score, tonality = analysis.score, analysis.tonality
    pitched = [t.notes["pitch"] for t in score.tracks if len(t.notes) and not t.is_drum]
    pitches = np.concatenate(pitched) if pitched else np.zeros(0, np.int16)
    instruments = dict.fromkeys(instrument_name(t.program, t.is_drum) for t in score.tracks if len(t.notes))
    seconds = analysis.seconds([score.end])[0]
    quarters = score.end / score.tpq
    return {
        "key": None if tonality.key is None else key_name(*tonality.key),
        "mode": None if tonality.key is None else "minor" if tonality.key[1] else "major",
        "key_probability": None if tonality.key is None else round(tonality.probability, 3),
        "time": _commonest_metre(analysis),
        "bpm": round(60 * quarters / seconds, 3) if seconds else None,
        "seconds": seconds,
        "bars": int(analysis.grid.downbeat.sum()),
        "beats": len(analysis.grid.beat_ticks),
        "notes": score.note_count,
        "lowest": pitch_name(int(pitches.min())) if len(pitches) else None,
        "highest": pitch_name(int(pitches.max())) if len(pitches) else None,
        "instruments": list(instruments),
    }


def _commonest_metre(analysis: Analysis) -> str | None:
    """The time signature in force for the most time, `6/8`; None for a piece without beats."""
    grid, end = analysis.grid, analysis.score.end
    if not len(grid.beat_ticks):
        return None
    lasting: dict[str, int] = {}
    stops = [*(s.tick for s in grid.signatures[1:]), end]
    for s, stop in zip(grid.signatures, stops, strict=True):
        metre = f"{s.numerator}/{s.denominator}"
        lasting[metre] = lasting.get(metre, 0) + max(0, min(stop, end) - s.tick)
    return max(lasting, key=lambda metre: lasting[metre])
