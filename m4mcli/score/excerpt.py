"""A stretch of a piece as a piece of its own."""

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track

Change = TypeVar("Change", Tempo, TimeSignature, KeySignature)


def excerpt(score: Score, start: int, stop: int) -> Score:
    """What begins from tick `start` to before tick `stop`, moved to tick 0; notes that last longer are cut at `stop`.

    Tempi, signatures, controllers and bends that hold at `start` stand at tick 0.
    """
    return replace(
        score,
        tracks=tuple(_track(track, start, stop) for track in score.tracks),
        tempos=_changes(score.tempos, start, stop),
        time_signatures=_changes(score.time_signatures, start, stop),
        key_signatures=_changes(score.key_signatures, start, stop),
        markers=tuple((tick - start, text) for tick, text in score.markers if start <= tick < stop),
    )


def _changes(changes: tuple[Change, ...], start: int, stop: int) -> tuple[Change, ...]:
    held: list[Change] = [c for c in changes if c.tick <= start][-1:]
    inside: list[Change] = [c for c in changes if start < c.tick < stop]
    return tuple(replace(c, tick=max(0, c.tick - start)) for c in held + inside)


def _track(track: Track, start: int, stop: int) -> Track:
    notes = track.notes[(track.notes["onset"] >= start) & (track.notes["onset"] < stop)].copy()
    notes["duration"] = np.minimum(notes["duration"], stop - notes["onset"])
    notes["onset"] -= start
    return replace(
        track,
        notes=notes,
        controls=_events(track.controls, start, stop, "number"),
        bends=_events(track.bends, start, stop, None),
        lyrics=tuple((tick - start, text) for tick, text in track.lyrics if start <= tick < stop),
    )


def _events(events: NDArray[np.void], start: int, stop: int, kind: str | None) -> NDArray[np.void]:
    """Events of the stretch, after the last one of each kind before it."""
    before = np.flatnonzero(events["tick"] < start)
    last = {(int(events[kind][i]) if kind else 0): i for i in before.tolist()}
    inside = np.flatnonzero((events["tick"] >= start) & (events["tick"] < stop)).tolist()
    kept: NDArray[np.void] = events[[*sorted(last.values()), *inside]].copy()
    kept["tick"] = np.maximum(kept["tick"] - start, 0)
    return kept
