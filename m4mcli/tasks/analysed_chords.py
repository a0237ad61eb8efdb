"""What `m4m analyze` found, as a piece: the beats laid on ticks, the chords as a track.

Read are `beats` and `downbeats` (seconds), `time_signatures` (`start` in seconds, `time`), `tempos` (`start`, `bpm`),
`chords` (`start`, `end`, `label`) and `keys` (`start`, `label`). Without beats there are two a second, without
downbeats the first beat is one, without tempos they are those of the beats. What lies before the first beat is left
out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.json_checks import parse
from m4mcli.score.metre import COMPOUND, bars
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature
from m4mcli.tasks.chord_sheet import TPQ, chord_track, parse_time, signature_fifths
from m4mcli.theory.chords import Chord, parse_chord
from m4mcli.theory.keys import parse_key

KIND = re.compile(rb'"kind"\s*:\s*"analysis"')
JITTER = 0.002
"""Seconds by which a beat may be longer or shorter than the one before at the same tempo."""

SOON = 0.05
"""Seconds by which a downbeat may miss its beat."""

MOST_BEATS = 100_000
UNKNOWN = "X"
"""Harte's label for what is no chord of the vocabulary: here it is silence."""


def is_analysis(data: bytes) -> bool:
    """Whether bytes look like the JSON that `m4m analyze` writes."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") and bool(KIND.search(data))


def analysed_score(data: bytes, name: str) -> Score:
    """The piece that an analysis describes: its chords, metre, tempi and keys; `name` is used in messages.

    Raises M4mError, naming the place, for what is not such JSON, and where it has no chords.
    """
    try:
        return _score(parse(data.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise M4mError(f"{name}: JSON that is not UTF-8 (byte {error.start})", "what m4m analyze writes is") from error
    except M4mError as error:
        raise M4mError(f"{name}: {error.message}", "give what m4m analyze writes", error.status) from error


@dataclass(frozen=True)
class Beats:
    """Beats in seconds (n,), their ticks (n,), and time signatures where bars of another length begin."""

    seconds: NDArray[np.float64]
    ticks: NDArray[np.int64]
    signatures: tuple[TimeSignature, ...]

    def tick(self, seconds: float) -> int:
        """The tick of a moment, beats going on beyond the last as before it; 0 before the first."""
        s, t = self.seconds, self.ticks
        if seconds <= s[-1]:
            return round(float(np.interp(seconds, s, t)))
        return round(float(t[-1] + (seconds - s[-1]) * (t[-1] - t[-2]) / (s[-1] - s[-2])))

    def tempos(self) -> Iterator[tuple[float, float]]:
        """Moments in seconds and quarters a minute: the tempo from each beat on at which it changes."""
        last = 0.0
        for moment, ticks, seconds in zip(self.seconds, np.diff(self.ticks), np.diff(self.seconds), strict=False):
            if abs(seconds - last * ticks) > JITTER:
                last = seconds / ticks
                yield float(moment), 60 / (last * TPQ)


def _score(top: dict[str, Any]) -> Score:
    chords = [(*_span(c, f"chords[{i}]"), _chord(c, i)) for i, c in enumerate(_listed(top, "chords"))]
    if not chords:
        raise M4mError("the analysis has no chords")
    last = max(stop for _, stop, _ in chords)
    beats = _beats(top, last)
    keys = [(beats.tick(_number(k, "start", f"keys[{i}]")), k.get("label")) for i, k in enumerate(_listed(top, "keys"))]
    told = [(tick, parse_key(label)) for tick, label in keys if isinstance(label, str)]
    curve = [
        tuple(_number(t, key, f"tempos[{i}]") for key in ("start", "bpm")) for i, t in enumerate(_listed(top, "tempos"))
    ]
    tempos = {beats.tick(start): round(min(60e6 / max(bpm, 1), 0xFFFFFF)) for start, bpm in curve or beats.tempos()}
    score = Score(
        TPQ,
        tempos=tuple(Tempo(tick, max(1, tempos[tick])) for tick in sorted(tempos)),
        time_signatures=beats.signatures,
        key_signatures=tuple(KeySignature(tick, signature_fifths(*key), key[1]) for tick, key in told),
    )
    spans = [(beats.tick(a), beats.tick(b), chord) for a, b, chord in chords]
    track = chord_track([s for s in spans if s[1] > s[0]], score, bars(score, beats.tick(last)))
    return replace(score, tracks=(track,))


def _beats(top: dict[str, Any], last: float) -> Beats:
    """The beats of an analysis, or two a second up to `last`, on ticks: each is its share of a bar."""
    seconds = np.unique(_numbers(top, "beats"))
    if len(seconds) < 2:
        seconds = np.arange(0, max(1.0, last) + 0.5, 0.5)
    if len(seconds) > MOST_BEATS:
        raise M4mError(f"{len(seconds)} beats, more than the {MOST_BEATS} that m4m reads")
    metres = _metres(top)
    ticks, signatures, tick = np.zeros(len(seconds), np.int64), list[TimeSignature](), 0
    for start, stop in pairwise([*_bar_lines(seconds, _numbers(top, "downbeats"), metres), len(seconds)]):
        numerator, denominator = _metre_at(metres, seconds[start])
        count = _count(numerator, denominator)
        beat = 4 * TPQ * numerator // denominator // count
        ticks[start:stop] = tick + beat * np.arange(stop - start)
        whole = stop - start == count or stop == len(seconds)
        signature = TimeSignature(tick, numerator if whole else numerator // count * (stop - start), denominator)
        if not signatures or replace(signature, tick=signatures[-1].tick) != signatures[-1]:
            signatures.append(signature)
        tick += beat * (stop - start)
    return Beats(seconds, ticks, tuple(signatures))


def _bar_lines(
    seconds: NDArray[np.float64], downbeats: NDArray[np.float64], metres: list[tuple[float, int, int]]
) -> list[int]:
    """The beats on which bars begin, the first among them; none is longer than its metre says."""
    near = [int(np.abs(seconds - moment).argmin()) for moment in downbeats]
    lines = sorted({0, *(i for i, moment in zip(near, downbeats, strict=True) if abs(seconds[i] - moment) <= SOON)})
    return [
        beat
        for start, stop in pairwise([*lines, len(seconds)])
        for beat in range(start, stop, _count(*_metre_at(metres, seconds[start])))
    ]


def _metre_at(metres: list[tuple[float, int, int]], moment: float) -> tuple[int, int]:
    """Numerator and denominator of the time signature in force."""
    _, numerator, denominator = next((m for m in reversed(metres) if m[0] <= moment + SOON), metres[0])
    return numerator, denominator


def _count(numerator: int, denominator: int) -> int:
    """Beats in a bar."""
    return numerator // 3 if denominator >= 8 and numerator in COMPOUND else numerator


def _metres(top: dict[str, Any]) -> list[tuple[float, int, int]]:
    """Start in seconds, numerator, denominator of the time signatures in order; 4/4 where there are none."""
    found = []
    for i, item in enumerate(_listed(top, "time_signatures")):
        written = item.get("time")
        if not isinstance(written, str):
            raise M4mError(f"time_signatures[{i}] has no 'time'")
        found.append((_number(item, "start", f"time_signatures[{i}]"), *parse_time(written)))
    return sorted(found) or [(0.0, 4, 4)]


def _span(item: dict[str, Any], at: str) -> tuple[float, float]:
    return _number(item, "start", at), _number(item, "end", at)


def _chord(item: dict[str, Any], index: int) -> Chord | None:
    label = item.get("label")
    if not isinstance(label, str):
        raise M4mError(f"chords[{index}] has no 'label'")
    try:
        return None if label == UNKNOWN else parse_chord(label)
    except M4mError as error:
        raise M4mError(f"chords[{index}]: {error.message}") from error


def _listed(top: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = top.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise M4mError(f"{key!r} is not a list of objects")
    return found


def _numbers(top: dict[str, Any], key: str) -> NDArray[np.float64]:
    found = top.get(key, [])
    if not isinstance(found, list) or not all(_is_number(value) for value in found):
        raise M4mError(f"{key!r} is not a list of numbers")
    return np.array(found, np.float64)


def _number(item: dict[str, Any], key: str, at: str) -> float:
    if not _is_number(item.get(key)):
        raise M4mError(f"{at} has no number {key!r}")
    return float(item[key])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e6
