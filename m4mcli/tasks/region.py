"""The region of a piece that a command is told: bars as musicians count them, tracks by name or number."""

import re
from dataclasses import dataclass

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.frames import frame_of
from m4mcli.score.score import Score, Track
from m4mcli.tasks.ground import Ground
from m4mcli.tasks.placement import has_pickup
from m4mcli.theory.instruments import instrument_name

LISTED = 20


@dataclass(frozen=True)
class Region:
    """Whole bars of a piece: `first`..`last` as counted, `ticks` and `frames` from their start to before their stop."""

    first: int
    last: int
    ticks: tuple[int, int]
    frames: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last > self.first else str(self.first)


def parse_bars(text: str) -> tuple[tuple[int, int], ...]:
    """First and last bar of each range of a list such as `9-12,17`, in rising order, ranges that touch joined.

    Raises M4mError (status 2).
    """
    ranges: list[tuple[int, int]] = []
    for word in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", word, re.ASCII)
        if not match:
            raise M4mError(f"--bars {text!r} names no bars", "write 9, 9-12 or 9-12,17-18", USAGE)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise M4mError(f"--bars {word.strip()}: the last bar comes before the first", f"{last}-{first}?", USAGE)
        ranges.append((first, last))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return tuple(joined)


def regions(ground: Ground, ranges: tuple[tuple[int, int], ...]) -> tuple[Region, ...]:
    """The ranges of bars in a piece, counted from 1, a pickup being bar 0. Raises M4mError (status 2) for others."""
    lowest = 0 if has_pickup(ground.bars, ground.tpq) else 1
    highest = lowest + len(ground.bars) - 1
    found = []
    for first, last in ranges:
        if first < lowest or last > highest:
            raise M4mError(f"there is no bar {first if first < lowest else last}", f"bars: {lowest}-{highest}", USAGE)
        begin, end = ground.bars[first - lowest], ground.bars[last - lowest]
        ticks = begin.tick, end.tick + end.length
        frames = frame_of(ticks[0], ground.tpq), frame_of(ticks[1], ground.tpq)
        if frames[1] > frames[0]:
            found.append(Region(first, last, ticks, frames))
    if not found:
        raise M4mError("the bars are shorter than a sixteenth", "name longer ones with --bars", USAGE)
    return tuple(found)


def tracks_called(score: Score, text: str) -> tuple[int, ...]:
    """Indices of the tracks that a list names: by number from 1, name, part of a name, instrument, or `drums`.

    A word stands for all tracks that it fits, of the first of these ways in which it fits any. Raises M4mError (status
    2) for one that fits none, and for a track without notes.
    """
    found = {index for word in text.split(",") for index in _fitting(score, word.strip())}
    return tuple(sorted(found))


def tracks_near(score: Score, start: int, stop: int) -> tuple[int, ...]:
    """Indices of the tracks that have a note between two ticks."""
    return tuple(
        i
        for i, track in enumerate(score.tracks)
        if ((track.notes["onset"] < stop) & (track.notes["onset"] + track.notes["duration"] > start)).any()
    )


def label(score: Score, index: int) -> str:
    """How messages call a track: `2 'Left hand'`, without a name `2 (Violin)`."""
    track = score.tracks[index]
    return f"{index + 1} {track.name.strip()!r}" if track.name.strip() else f"{index + 1} ({_instrument(track)})"


def _fitting(score: Score, word: str) -> list[int]:
    sounding = [i for i, track in enumerate(score.tracks) if len(track.notes)]
    if word.isascii() and word.isdecimal():
        if not 1 <= int(word) <= len(score.tracks):
            raise M4mError(f"there is no track {word}", f"tracks: {_listed(score)}", USAGE)
        if int(word) - 1 not in sounding:
            raise M4mError(f"track {label(score, int(word) - 1)} has no notes", f"tracks: {_listed(score)}", USAGE)
        return [int(word) - 1]
    wanted = word.casefold()
    names = {i: score.tracks[i].name.strip().casefold() for i in sounding}
    instruments = {i: _instrument(score.tracks[i]).casefold() for i in sounding}
    ways = (
        [i for i, name in names.items() if name == wanted],
        [i for i, name in names.items() if wanted in name],
        [i for i, name in instruments.items() if wanted in name or name == wanted + "s"],
    )
    found = next((way for way in ways if way), []) if word else []
    if not found:
        raise M4mError(f"no track with notes is called {word!r}", f"tracks: {_listed(score)}", USAGE)
    return found


def _instrument(track: Track) -> str:
    return instrument_name(track.program, track.is_drum)


def _listed(score: Score) -> str:
    tracks = [label(score, i) for i in range(len(score.tracks)) if len(score.tracks[i].notes)]
    return ", ".join(tracks[:LISTED]) + (", ..." if len(tracks) > LISTED else "")
