"""A piece with some of its notes replaced by others, and every other event where it was.

What goes is named by track and by the ticks in which notes begin; with a note go its two events. What comes stands in
the same MIDI track on the same channel. Tracks of a file in which nothing changes keep their bytes.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.container import open_container
from m4mcli.score.events import END_OF_TRACK, NOTE_OFF, NOTE_ON, Chunk, Event, join, split
from m4mcli.score.midi_form import Programs, note_rows
from m4mcli.score.read import walk_container
from m4mcli.score.score import NOTE, Score
from m4mcli.score.walk import Events

PROGRAM_CHANGE = 0xC0
RELEASE = 64
HEADER = 8
"""Bytes of a chunk before its body."""

Spans = tuple[tuple[int, int], ...]
"""Stretches of ticks, each from its start to before its stop."""

Voice = tuple[int, int, int]
"""A part of a MIDI file: number of its track from 0, channel, program."""


@dataclass(frozen=True)
class Change:
    """New notes of one track: its index in the score, the `spans` whose notes go, NOTE rows that come in."""

    track: int
    spans: Spans
    notes: NDArray[np.void]


def begins_in(ticks: NDArray[np.int64], spans: Spans) -> NDArray[np.bool_]:
    """Which ticks (n,) lie in one of the spans."""
    inside = np.zeros(len(ticks), bool)
    for start, stop in spans:
        inside |= (ticks >= start) & (ticks < stop)
    return inside


def clear_of(new: NDArray[np.void], others: NDArray[np.void]) -> NDArray[np.void]:
    """NOTE rows without those that begin while one of the `others` sounds on their pitch, and cut where one begins."""
    cut = new.copy()
    keep = np.ones(len(cut), bool)
    for pitch in np.unique(cut["pitch"]):
        own = np.flatnonzero(cut["pitch"] == pitch)
        theirs = others[others["pitch"] == pitch]
        if not len(theirs):
            continue
        theirs = theirs[np.argsort(theirs["onset"], kind="stable")]
        reach = np.maximum.accumulate(theirs["onset"] + theirs["duration"])
        begun = np.searchsorted(theirs["onset"], cut["onset"][own], side="right")
        keep[own] = (begun == 0) | (reach[np.maximum(begun - 1, 0)] <= cut["onset"][own])
        following = np.append(theirs["onset"], np.iinfo(np.int64).max)[begun]
        cut["duration"][own] = np.minimum(cut["duration"][own], following - cut["onset"][own])
    clear: NDArray[np.void] = cut[keep]
    return clear


def replaced(score: Score, changes: Iterable[Change]) -> Score:
    """The score with its notes changed."""
    tracks = list(score.tracks)
    for change in changes:
        old = tracks[change.track].notes
        old = old[~begins_in(old["onset"], change.spans)]
        notes = np.concatenate((old, clear_of(change.notes, old)))
        notes = notes[np.lexsort((notes["pitch"], notes["onset"]))]
        tracks[change.track] = replace(tracks[change.track], notes=notes)
    return replace(score, tracks=tuple(tracks))


def replaced_midi(midi: bytes, score: Score, changes: Sequence[Change]) -> bytes:
    """The MIDI file `midi`, read as `score`, with its notes changed.

    Every other event stays at its tick, in its track, in its order; but a track ends later where a new note lasts
    beyond its end. A new note is left out where its channel has another program than its part, and where a note that
    stays sounds on its channel and pitch; it ends where one begins. Raises M4mError where `midi` cannot be read.
    """
    container = open_container(midi, "the music")
    found = walk_container(container, "the music")
    programs = Programs(found if container.format != 2 else ())
    sounding = [i for i, track in enumerate(score.tracks) if len(track.notes)]
    voices = dict(zip(sounding, _voices(found, programs), strict=True))
    changed: dict[int, dict[tuple[int, int], Change]] = defaultdict(dict)
    held = _held(score, voices, changes)
    for change in changes:
        number, channel, program = voices[change.track]
        there = [
            _program_at(found[number], programs, channel, tick) == program for tick in change.notes["onset"].tolist()
        ]
        notes = clear_of(change.notes[np.array(there, bool)], held[channel])
        held[channel] = np.concatenate((held[channel], notes))
        changed[number][channel, program] = replace(change, notes=notes)
    tracks = list(container.tracks)
    for number, parts in changed.items():
        tracks[number] = _changed_track(tracks[number], parts, programs)
    return container.with_tracks(tuple(tracks)).to_bytes()


def _voices(found: Sequence[Events], programs: Programs) -> Iterator[Voice]:
    """The parts with notes, as score_from_events lists them."""
    for number, track in enumerate(found):
        rows = note_rows(track, programs)[:, :2]
        for channel, program in np.unique(rows, axis=0).tolist():
            yield number, channel, program


def _held(score: Score, voices: dict[int, Voice], changes: Sequence[Change]) -> dict[int, NDArray[np.void]]:
    """The notes that stay, by channel."""
    spans = {change.track: change.spans for change in changes}
    held: dict[int, NDArray[np.void]] = defaultdict(lambda: np.zeros(0, NOTE))
    for track, (_, channel, _) in voices.items():
        notes = score.tracks[track].notes
        stay = notes[~begins_in(notes["onset"], spans.get(track, ()))]
        held[channel] = np.concatenate((held[channel], stay))
    return held


def _changed_track(body: bytes, parts: dict[tuple[int, int], Change], programs: Programs) -> bytes:
    (chunk,) = split(b"MTrk" + len(body).to_bytes(4, "big") + body)
    events = chunk.events or ()
    placed = [(event.tick, 1, event) for event in _kept(events, parts, programs)]
    for (channel, _), change in parts.items():
        placed += _new(change.notes, channel)
    placed.sort(key=lambda entry: (entry[2].data[:2] == END_OF_TRACK, *entry[:2]))
    whole = [event for _, _, event in placed]
    if whole[-1].data[:2] == END_OF_TRACK:
        whole[-1] = replace(whole[-1], tick=max(event.tick for event in whole))
    return join((Chunk(chunk.name, tuple(whole), chunk.rest),))[HEADER:]


def _kept(events: Sequence[Event], parts: dict[tuple[int, int], Change], programs: Programs) -> Iterator[Event]:
    """The events without the notes that go; the first end is the first beginning's."""
    program: dict[int, int] = {}
    going: dict[tuple[int, int], deque[bool]] = defaultdict(deque)
    for event in events:
        if event.data[0] & 0xF0 == PROGRAM_CHANGE:
            program[event.channel] = event.data[1]
        elif event.is_note_on:
            now = program[event.channel] if event.channel in program else programs.at(event.channel, event.tick)
            spans = parts[event.channel, now].spans if (event.channel, now) in parts else ()
            goes = any(start <= event.tick < stop for start, stop in spans)
            going[event.channel, event.pitch].append(goes)
            if goes:
                continue
        elif event.is_note_off and (waiting := going[event.channel, event.pitch]) and waiting.popleft():
            continue
        yield event


def _program_at(track: Events, programs: Programs, channel: int, tick: int) -> int:
    """The program of a channel in a track for notes that come behind all other events of a tick."""
    own = [program for when, where, program in track.programs if where == channel and when <= tick]
    return own[-1] if own else programs.at(channel, tick)


def _new(notes: NDArray[np.void], channel: int) -> Iterator[tuple[int, int, Event]]:
    """The events of new notes with their ticks and places at these: ends before all others, beginnings behind."""
    for onset, duration, pitch, velocity in notes.tolist():
        stop = onset + max(1, duration)
        yield onset, 2, Event(onset, bytes((NOTE_ON | channel, pitch, velocity)))
        yield stop, 0, Event(stop, bytes((NOTE_OFF | channel, pitch, RELEASE)))
