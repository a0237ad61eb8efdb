"""The bytes of new MIDI tracks: one `Track`, or the tempos, signatures and markers of a piece.

At one tick, ends of notes come first, then controllers, the program and text, then notes. Of notes of one pitch that
overlap, the one that ends first begins first, because readers pair beginnings and ends first in, first out.
"""

from collections.abc import Callable, Iterator

import numpy as np

from m4mcli.score.metas import (
    END_OF_TRACK,
    KEY_SIGNATURE,
    LONGEST,
    LYRIC,
    MARKER,
    NAME,
    OPAQUE,
    TEMPO,
    TIME_SIGNATURE,
    meta,
    variable_length,
)
from m4mcli.score.score import Score, Track

BANK_SELECT = (0, 32)
CLOCKS_AND_32NDS = bytes((24, 8))
FIRST, NOTE_END, PROGRAM, CONTROLS, PROGRAM_OF_BANK, WORDS, INSTANT_NOTE, NOTE_START, LAST = range(9)
"""The order of events at one tick."""

Event = tuple[int, int, bytes]
"""Tick, order at that tick, the bytes without delta time."""


def track_chunk(track: Track, channel: int, restored: Callable[[int], int] | None = None, every: bool = False) -> bytes:
    """The body of the MIDI track that plays `track` on `channel` (0-15).

    `every`: set the program before the notes of each onset anew, for a channel shared with other programs;
    `restored` gives the program (of a tick) to set back after them, for a channel that others play without doing so.
    """
    events: list[Event] = [(0, FIRST, meta(NAME, track.name.encode()))] if track.name else []
    events += _program_events(track, channel, restored, every)
    events += [
        (tick, CONTROLS, bytes((0xB0 | channel, number, value))) for tick, number, value in track.controls.tolist()
    ]
    for tick, value in track.bends.tolist():
        events.append((tick, CONTROLS, bytes((0xE0 | channel, (value + 8192) & 127, (value + 8192) >> 7))))
    events += [(tick, WORDS, meta(LYRIC, text.encode())) for tick, text in track.lyrics]
    events += _note_events(track, channel)
    return _chunk(events)


def conductor_chunk(score: Score) -> bytes:
    """The body of the MIDI track of tempos, time and key signatures and markers."""
    events = [(t.tick, FIRST, meta(TEMPO, int(t.microseconds).to_bytes(3, "big"))) for t in score.tempos]
    for s in score.time_signatures:
        payload = bytes((s.numerator, int(s.denominator).bit_length() - 1)) + CLOCKS_AND_32NDS
        events.append((s.tick, FIRST, meta(TIME_SIGNATURE, payload)))
    events += [(k.tick, FIRST, meta(KEY_SIGNATURE, bytes((k.fifths & 0xFF, k.minor)))) for k in score.key_signatures]
    events += [(tick, WORDS, meta(MARKER, text.encode())) for tick, text in score.markers]
    return _chunk(events)


def _program_events(track: Track, channel: int, restored: Callable[[int], int] | None, every: bool) -> Iterator[Event]:
    """Program changes: one, after the bank select that belongs to it, or one before each onset."""
    program = bytes((0xC0 | channel, track.program))
    onsets = np.unique(track.notes["onset"]).tolist()
    if not every and restored is None:
        banks = track.controls["tick"][np.isin(track.controls["number"], BANK_SELECT)]
        banks = banks[banks <= onsets[0]] if onsets else banks
        yield (int(banks.max()), PROGRAM_OF_BANK, program) if len(banks) else (0, PROGRAM, program)
        return
    for onset in onsets:
        yield onset, PROGRAM_OF_BANK, program
        if restored is not None:
            yield onset, LAST, bytes((0xC0 | channel, restored(onset)))


def _note_events(track: Track, channel: int) -> Iterator[Event]:
    notes = track.notes[np.lexsort((track.notes["duration"], track.notes["pitch"], track.notes["onset"]))]
    start, end = 0x90 | channel, 0x80 | channel
    for onset, duration, pitch, velocity in notes.tolist():
        on, off = bytes((start, pitch, velocity)), bytes((end, pitch, 64))
        if duration:
            yield onset, NOTE_START, on
            yield onset + duration, NOTE_END, off
        else:
            yield onset, INSTANT_NOTE, on
            yield onset, INSTANT_NOTE, off


def _chunk(events: list[Event]) -> bytes:
    """The events in order, with delta times and an end of track at the last tick."""
    out = bytearray()
    now = 0
    for tick, _, data in sorted(events, key=lambda event: event[:2]):
        while tick - now > LONGEST:
            out += variable_length(LONGEST) + meta(OPAQUE, b"")
            now += LONGEST
        out += variable_length(tick - now) + data
        now = tick
    return bytes(out + b"\0" + END_OF_TRACK)
