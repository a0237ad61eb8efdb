"""What is in a piece of music, as `m4m info` tells it, of one file or of many in several processes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from m4mcli.errors import M4mError
from m4mcli.parallel import available_processors, in_order
from m4mcli.score.clock import DEFAULT_MICROSECONDS, seconds_at
from m4mcli.score.metre import bars
from m4mcli.score.read import Reading, read_score, read_source
from m4mcli.score.score import Tempo, TimeSignature
from m4mcli.theory.instruments import instrument_name
from m4mcli.theory.names import pitch_name, signature_name

Summary = dict[str, Any]


@dataclass(frozen=True)
class _Unreadable:
    """Why a file cannot be read; an M4mError loses half of itself on its way from one process to another."""

    message: str
    hint: str
    status: int


def summaries(files: Sequence[str], workers: int | None = None) -> Iterator[Summary | M4mError]:
    """The summary of each file (`-`: standard input), or why there is none."""
    for found in in_order(_summary, files, workers or available_processors()):
        yield M4mError(found.message, found.hint, found.status) if isinstance(found, _Unreadable) else found


def _summary(file: str) -> Summary | _Unreadable:
    try:
        reading = read_score(*read_source(None if file == "-" else file))
    except M4mError as error:
        return _Unreadable(error.message, error.hint, error.status)
    return {"m4m": 1, "kind": "info", "file": file} | summarize(reading)


def summarize(reading: Reading) -> Summary:
    """What `m4m info --json` says about a piece. Ticks are counted from 0, bars and beats from 1."""
    score = reading.score
    all_bars = bars(score) if score.end else ()
    first_ticks = np.array([bar.tick for bar in all_bars] or [0])

    def bar_of(tick: int) -> int:
        return max(1, int(np.searchsorted(first_ticks, tick, side="right")))

    def times(events: Iterable[Any]) -> list[dict[str, Any]]:
        return [{"tick": e.tick, "bar": bar_of(e.tick)} for e in events]

    tempos = score.tempos or (Tempo(0, DEFAULT_MICROSECONDS),)
    metres = score.time_signatures or (TimeSignature(0, 4, 4),)
    return {
        "format": reading.kind,
        "tpq": score.tpq,
        "ticks": score.end,
        "bars": len(all_bars),
        "beats": sum(tick < score.end for bar in all_bars for tick in bar.beats()),
        "seconds": round(float(seconds_at(score, np.array([score.end]))[0]), 3),
        "notes": score.note_count,
        "tempos": [at | {"bpm": round(60e6 / t.microseconds, 3)} for at, t in zip(times(tempos), tempos, strict=True)],
        "time_signatures": [
            at | {"time": f"{s.numerator}/{s.denominator}"} for at, s in zip(times(metres), metres, strict=True)
        ],
        "key_signatures": [
            at | {"key": signature_name(k.fifths, k.minor)}
            for at, k in zip(times(score.key_signatures), score.key_signatures, strict=True)
        ],
        "tracks": [
            {
                "name": track.name,
                "program": track.program,
                "instrument": instrument_name(track.program, track.is_drum),
                "drums": track.is_drum,
                "notes": len(track.notes),
                "lowest": pitch_name(int(track.notes["pitch"].min())) if len(track.notes) else None,
                "highest": pitch_name(int(track.notes["pitch"].max())) if len(track.notes) else None,
            }
            for track in score.tracks
        ],
        "warnings": list(reading.warnings),
    }
