"""A MIDI file with its notes on a grid, and every other event where it was, byte for byte."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from m4mcli.score.events import END_OF_TRACK, Chunk, Event, join, split
from m4mcli.score.quantization import Lines, Quantization, grid_lines, moved
from m4mcli.score.score import Score

BANK_SELECT = (0, 32)
"""The controllers that a program change takes its bank from."""


def requantized(
    midi: bytes, score: Score, how: Quantization, progress: Callable[[int, int], None] | None = None
) -> tuple[bytes, int]:
    """The file `midi`, read as `score`, with its notes moved, and how many notes were left where they were.

    A note is moved by its two events; they stay in their track. Nothing else moves, but that a program change goes
    along with the notes that would otherwise cross it and sound with another instrument. `progress` is told the tracks
    done, and all.
    """
    lines = grid_lines(score, how)
    chunks, left = [], 0
    whole = split(midi)
    for done, chunk in enumerate(whole, 1):
        requantized_chunk, stayed = _requantized_chunk(chunk, lines, how)
        chunks.append(requantized_chunk)
        left += stayed
        if progress is not None:
            progress(done, len(whole))
    return join(chunks), left


def _requantized_chunk(chunk: Chunk, lines: Lines, how: Quantization) -> tuple[Chunk, int]:
    events = chunk.events or ()
    pairs = note_events(events)
    if not pairs:
        return chunk, 0
    onset = np.array([events[begin].tick for begin, _ in pairs])
    end = np.array([events[stop].tick for _, stop in pairs])
    voice = np.array([events[begin].channel * 128 + events[begin].pitch for begin, _ in pairs])
    place, close, left = moved(onset, end, voice, lines, how)
    begins = {begin: tick for (begin, _), tick in zip(pairs, place.tolist(), strict=True)}
    stops = {stop: tick for (_, stop), tick in zip(pairs, close.tolist(), strict=True) if events[stop].is_note_off}
    ticks = begins | stops | _program_ticks(events, begins) | _stray_ticks(events, begins, stops)
    return replace(chunk, events=in_order(events, ticks)), left


def note_events(events: tuple[Event, ...]) -> list[tuple[int, int]]:
    """The notes of a track as places of their two events: the first end is the first beginning's.

    A note without an end is taken to end with the track.
    """
    found: list[tuple[int, int]] = []
    sounding: dict[tuple[int, int], deque[int]] = defaultdict(deque)
    for i, event in enumerate(events):
        if event.is_note_on:
            sounding[event.channel, event.pitch].append(len(found))
            found.append((i, len(events) - 1))
        elif event.is_note_off and (open_notes := sounding[event.channel, event.pitch]):
            note = open_notes.popleft()
            found[note] = (found[note][0], i)
    return found


def _program_ticks(events: tuple[Event, ...], begins: dict[int, int]) -> dict[int, int]:
    """New ticks of program changes and bank selects: not before the notes ahead of them, nor after those behind."""
    ticks: dict[int, int] = {}
    for order, bound in ((range(len(events)), max), (range(len(events) - 1, -1, -1), min)):
        edge: dict[int, int] = {}
        for i in order:
            event = events[i]
            if i in begins:
                edge[event.channel] = bound(edge.get(event.channel, begins[i]), begins[i])
            elif _sets_program(event) and event.channel in edge:
                ticks[i] = bound(ticks.get(i, event.tick), edge[event.channel])
    return ticks


def _stray_ticks(events: tuple[Event, ...], begins: dict[int, int], stops: dict[int, int]) -> dict[int, int]:
    """New ticks of note-offs that end no note, where a note of their key would otherwise come to lie around them."""
    ticks: dict[int, int] = {}
    for order, moved_ticks, bound in ((range(len(events)), stops, max), (range(len(events) - 1, -1, -1), begins, min)):
        edge: dict[tuple[int, int], int] = {}
        for i in order:
            event = events[i]
            if i in moved_ticks:
                key = event.channel, event.pitch
                edge[key] = bound(edge.get(key, moved_ticks[i]), moved_ticks[i])
            elif event.is_note_off and i not in stops and (event.channel, event.pitch) in edge:
                ticks[i] = bound(ticks.get(i, event.tick), edge[event.channel, event.pitch])
    return ticks


def _sets_program(event: Event) -> bool:
    kind = event.data[0] & 0xF0
    return kind == 0xC0 or (kind == 0xB0 and event.data[1] in BANK_SELECT)


def in_order(events: tuple[Event, ...], ticks: dict[int, int]) -> tuple[Event, ...]:
    """The events at their new ticks, in the old order within a tick; but an end comes before a new beginning."""
    placed = [replace(e, tick=ticks[i]) if ticks.get(i, e.tick) != e.tick else e for i, e in enumerate(events)]
    struck = {
        (e.tick, e.channel, e.pitch) for e, old in zip(placed, events, strict=True) if e.is_note_on and e is not old
    }

    def key(i: int) -> tuple[bool, int, bool, int]:
        event = placed[i]
        first = event.is_note_off and (event is not events[i] or (event.tick, event.channel, event.pitch) in struck)
        return event.data[:2] == END_OF_TRACK, event.tick, not first, i

    ordered = [placed[i] for i in sorted(range(len(events)), key=key)]
    last = ordered[-1]
    if last.data[:2] == END_OF_TRACK:
        ordered[-1] = replace(last, tick=max(e.tick for e in ordered))
    return tuple(ordered)
