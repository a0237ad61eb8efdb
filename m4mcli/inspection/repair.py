"""Mend the notes of a piece: struck again while they sound, without length, stuck. All else stays as it is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.inspection.oddities import stuck
from m4mcli.score.container import open_container
from m4mcli.score.events import Chunk, Event, join, split
from m4mcli.score.metre import Bar, bars
from m4mcli.score.midi_form import Programs, note_rows
from m4mcli.score.read import walk_container
from m4mcli.score.requantization import in_order, note_events
from m4mcli.score.score import Score

SHORTEST = 8
"""A note without length becomes a quarter's eighth part long: a 32nd."""

TRACK = b"MTrk"
ROUNDS = 8
"""Times that a piece is mended at most: one note shorter may show that another is too long."""

LONGEST_BAR = 16
"""Quarters that a stuck note lasts at most, however long the bars say they are."""

Ticks = NDArray[np.int64]
Programmed = dict[tuple[int, int, int], int]


@dataclass(frozen=True)
class Mended:
    """Which notes stay, and where they end."""

    keep: NDArray[np.bool_]
    end: Ticks


def mended(onset: Ticks, end: Ticks, key: Ticks, part: Ticks, score: Score, places: tuple[Bar, ...]) -> Mended:
    """The notes of a channel, mended: `key` numbers what sounds on one key, of which only one note sounds at a time.

    `part` numbers the parts, with whose other notes a note is compared. Of notes that begin together on one key the
    longest stays; a note ends where the next begins. A stuck note ends after the length of a bar.
    """
    end = end.copy()
    starts = np.array([bar.tick for bar in places])
    parts = (np.flatnonzero(part == one) for one in np.unique(part))
    for i in (int(i) for own in parts for i in own[stuck(onset[own], end[own], score.tpq)]):
        bar = places[max(0, int(np.searchsorted(starts, onset[i], side="right")) - 1)]
        end[i] = onset[i] + min(round(bar.whole or bar.length), LONGEST_BAR * score.tpq)
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
    for _ in range(ROUNDS):
        better = _once_mended_score(score)
        if all(np.array_equal(a.notes, b.notes) for a, b in zip(score.tracks, better.tracks, strict=True)):
            break
        score = better
    return score


def _once_mended_score(score: Score) -> Score:
    places = bars(score)
    tracks = []
    for track in score.tracks:
        notes = track.notes.copy()
        onset, one = notes["onset"], np.zeros(len(notes), np.int64)
        found = mended(onset, onset + notes["duration"], notes["pitch"], one, score, places)
        notes["duration"] = found.end - onset
        tracks.append(replace(track, notes=notes[found.keep]))
    return replace(score, tracks=tuple(tracks))


def mended_midi(midi: bytes, score: Score) -> bytes:
    """The file `midi`, read as `score`, with its notes mended; every other event keeps its tick and its bytes."""
    places = bars(score)
    for _ in range(ROUNDS):
        tracks = iter(_programs(midi))
        better = join(_mended_chunk(c, next(tracks) if c.name == TRACK else {}, score, places) for c in split(midi))
        if better == midi:
            break
        midi = better
    return midi


def _programs(midi: bytes) -> Iterator[Programmed]:
    """For each track the program of its notes by channel, onset and pitch."""
    container = open_container(midi, "the music")
    events = walk_container(container, "the music")
    programs = Programs(events if container.format != 2 else ())
    for track in events:
        rows = note_rows(track, programs)
        yield {(channel, onset, pitch): program for channel, program, onset, _, pitch, _ in rows.tolist()}


def _mended_chunk(
    chunk: Chunk, programs: dict[tuple[int, int, int], int], score: Score, places: tuple[Bar, ...]
) -> Chunk:
    events = chunk.events or ()
    pairs = note_events(events)
    if not pairs:
        return chunk
    onset = np.array([events[begin].tick for begin, _ in pairs])
    end = np.array([events[stop].tick for _, stop in pairs])
    channel = np.array([events[begin].channel for begin, _ in pairs])
    pitch = np.array([events[begin].pitch for begin, _ in pairs])
    keys = zip(channel.tolist(), onset.tolist(), pitch.tolist(), strict=True)
    program = np.array([programs.get(key, -1) for key in keys])
    keep, new_end = np.ones(len(pairs), bool), end.copy()
    for one in np.unique(channel):
        own = channel == one
        found = mended(onset[own], end[own], pitch[own], program[own], score, places)
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
