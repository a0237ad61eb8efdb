"""A MIDI file on found beats: every event at its second, byte for byte, under a new tempo map."""

from dataclasses import replace

import numpy as np

from m4mcli.analysis.beat_grid import BeatGrid
from m4mcli.analysis.beat_map import TPQ, beat_map
from m4mcli.score.clock import seconds_at
from m4mcli.score.encode import CLOCKS_AND_32NDS
from m4mcli.score.events import END_OF_TRACK, META, Event, join, split
from m4mcli.score.metas import TEMPO, TIME_SIGNATURE, meta
from m4mcli.score.score import Score

DIVISION = slice(4, 6)
"""Where the file's header holds the ticks of a quarter."""


def retimed(midi: bytes, score: Score, grid: BeatGrid) -> bytes:
    """The file `midi`, read as `score`, with a tempo map that follows the grid's beats; the music sounds as before.

    Every event but tempos and time signatures goes to the tick that its second has now, in its track and in its place
    among the others. New tempos and time signatures are in the first track. Without beats the file stays as it is.
    """
    if not len(grid.beat_ticks):
        return midi
    found = beat_map(score, grid)
    conductor = [Event(t.tick, meta(TEMPO, t.microseconds.to_bytes(3, "big"))) for t in found.tempos]
    for s in found.signatures:
        payload = bytes((s.numerator, s.denominator.bit_length() - 1)) + CLOCKS_AND_32NDS
        conductor.append(Event(s.tick, meta(TIME_SIGNATURE, payload)))
    chunks = []
    for chunk in split(midi):
        if chunk.name == b"MThd":
            header = bytearray(chunk.rest)
            header[DIVISION] = TPQ.to_bytes(2, "big")
            chunks.append(replace(chunk, rest=bytes(header)))
        elif chunk.events is None:
            chunks.append(chunk)
        else:
            kept = [event for event in chunk.events if not _is_clock(event)]
            ticks = found.ticks_at(seconds_at(score, np.array([event.tick for event in kept], np.int64)))
            moved = [replace(event, tick=tick) for event, tick in zip(kept, ticks.tolist(), strict=True)]
            chunks.append(replace(chunk, events=_in_order([*conductor, *moved])))
            conductor = []
    return join(chunks)


def _is_clock(event: Event) -> bool:
    return event.data[0] == META and event.data[1] in (TEMPO, TIME_SIGNATURE)


def _in_order(events: list[Event]) -> tuple[Event, ...]:
    """The events by tick, the end of the track last, no earlier than any other."""
    last = max(event.tick for event in events)
    ended = [replace(event, tick=last) if event.data[:2] == END_OF_TRACK else event for event in events]
    return tuple(sorted(ended, key=lambda event: (event.tick, event.data[:2] == END_OF_TRACK)))
