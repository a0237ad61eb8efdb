"""Mend the notes of a piece: struck again while they sound, without length, stuck. All else stays as it is."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.inspection.oddities import stuck
from m4mcli.score.events import Chunk, Event, join, split
from m4mcli.score.metre import Bar, bars
from m4mcli.score.requantization import in_order, note_events
from m4mcli.score.score import Score

SHORTEST = 8
"""A note without length becomes a quarter's eighth part long: a 32nd."""

Ticks = NDArray[np.int64]


@dataclass(frozen=True)
class Mended:
    """Which notes stay, and where they end."""

    keep: NDArray[np.bool_]
    end: Ticks


def mended(onset: Ticks, end: Ticks, key: Ticks, score: Score, places: tuple[Bar, ...]) -> Mended:
    """The notes of one part, mended: `key` numbers what sounds on one key, of which only one note sounds at a time.

    Of notes that begin together on one key the longest stays; a note ends where the next begins. A stuck note ends
    after the length of a bar.
    """
    end = end.copy()
    lost = np.flatnonzero(stuck(onset, end, score.tpq))
    starts = np.array([bar.tick for bar in places])
    for i in lost.tolist():
        bar = places[max(0, int(np.searchsorted(starts, onset[i], side="right")) - 1)]
        end[i] = onset[i] + round(bar.whole or bar.length)
    end = np.where(end == onset, onset + max(1, score.tpq // SHORTEST), end)
    keep = np.ones(len(onset), bool)
    order = np.lexsort((-end, onset, key))
    last = -1
    for i in order.tolist():
        if last >= 0 and key[last] == key[i]:
            if onset[last] == onset[i]:
                keep[i] = False
                continue
            end[last] = min(end[last], onset[i])
        last = i
    return Mended(keep, end)


def mended_score(score: Score) -> Score:
    """The piece with its notes mended."""
    places = bars(score)
    tracks = []
    for track in score.tracks:
        notes = track.notes.copy()
        found = mended(notes["onset"], notes["onset"] + notes["duration"], notes["pitch"], score, places)
        notes["duration"] = found.end - notes["onset"]
        tracks.append(replace(track, notes=notes[found.keep]))
    return replace(score, tracks=tuple(tracks))


def mended_midi(midi: bytes, score: Score) -> bytes:
    """The file `midi`, read as `score`, with its notes mended; every other event keeps its tick and its bytes."""
    places = bars(score)
    return join(_mended_chunk(chunk, score, places) for chunk in split(midi))


def _mended_chunk(chunk: Chunk, score: Score, places: tuple[Bar, ...]) -> Chunk:
    events = chunk.events or ()
    pairs = note_events(events)
    if not pairs:
        return chunk
    onset = np.array([events[begin].tick for begin, _ in pairs])
    end = np.array([events[stop].tick for _, stop in pairs])
    channel = np.array([events[begin].channel for begin, _ in pairs])
    pitch = np.array([events[begin].pitch for begin, _ in pairs])
    keep, new_end = np.ones(len(pairs), bool), end.copy()
    for one in np.unique(channel):
        own = channel == one
        found = mended(onset[own], end[own], pitch[own], score, places)
        keep[own], new_end[own] = found.keep, found.end
    if keep.all() and (new_end == end).all():
        return chunk
    gone: set[int] = set()
    ticks: dict[int, int] = {}
    for (begin, stop), stays, tick in zip(pairs, keep.tolist(), new_end.tolist(), strict=True):
        if not stays:
            gone |= {begin, stop}
        else:
            ticks[stop] = tick
    kept = [i for i in range(len(events)) if i not in gone]
    left: tuple[Event, ...] = tuple(events[i] for i in kept)
    return replace(chunk, events=in_order(left, {new: ticks[i] for new, i in enumerate(kept) if i in ticks}))
