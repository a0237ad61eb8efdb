"""The events of a Standard MIDI File as bytes with absolute ticks: taken apart and put together without loss.

Nothing is interpreted beyond what it takes to find where an event ends, so that what a command does not touch goes
out as it came in. Running status is written out in full. For files that the reader has mended (`Reading.midi`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from m4mcli.errors import M4mError
from m4mcli.score.metas import number_at, variable_length
from m4mcli.score.walk import COMMON_LENGTH

META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7
END_OF_TRACK = b"\xff\x2f"
NOTE_OFF, NOTE_ON = 0x80, 0x90
SHORT = (0xC0, 0xD0)
"""Channel messages with one data byte; the others have two."""


@dataclass(frozen=True)
class Event:
    """One event at an absolute tick: its status byte and all that follows, as in the file."""

    tick: int
    data: bytes

    @property
    def is_note_on(self) -> bool:
        """Whether a note begins: a note-on of velocity 0 is an end."""
        return self.data[0] & 0xF0 == NOTE_ON and self.data[2] > 0

    @property
    def is_note_off(self) -> bool:
        """Whether a note ends."""
        kind = self.data[0] & 0xF0
        return kind == NOTE_OFF or (kind == NOTE_ON and self.data[2] == 0)

    @property
    def channel(self) -> int:
        """Channel 0-15 of a channel message."""
        return self.data[0] & 0x0F

    @property
    def pitch(self) -> int:
        """Pitch 0-127 of a note event."""
        return self.data[1]


@dataclass(frozen=True)
class Chunk:
    """One chunk of a file: `events` of a track (None for a chunk of another kind) and the bytes after its end."""

    name: bytes
    events: tuple[Event, ...] | None
    rest: bytes = b""


def split(midi: bytes) -> tuple[Chunk, ...]:
    """The chunks of a file, the header first.

    Raises M4mError where a track's events break off or make no sense.
    """
    found: list[Chunk] = []
    at = 0
    while at + 8 <= len(midi):
        name, length = midi[at : at + 4], int.from_bytes(midi[at + 4 : at + 8], "big")
        body = midi[at + 8 : at + 8 + length]
        if name == b"MTrk":
            try:
                events, end = _events(body)
            except IndexError:
                raise M4mError(f"track {len(found)} breaks off in the middle of an event") from None
            found.append(Chunk(name, events, body[end:]))
        else:
            found.append(Chunk(name, None, body))
        at += 8 + length
    return tuple(found)


def join(chunks: Iterable[Chunk]) -> bytes:
    """The file that consists of these chunks."""
    whole = b""
    for chunk in chunks:
        body = _body(chunk.events or ()) + chunk.rest
        whole += chunk.name + len(body).to_bytes(4, "big") + body
    return whole


def _body(events: Sequence[Event]) -> bytes:
    out, tick = bytearray(), 0
    for event in events:
        out += variable_length(event.tick - tick) + event.data
        tick = event.tick
    return bytes(out)


def _events(body: bytes) -> tuple[tuple[Event, ...], int]:
    """The events of a track up to its end, and the place after it. Raises IndexError if they break off."""
    events: list[Event] = []
    tick, at, running = 0, 0, 0
    while at < len(body):
        delta, at = number_at(body, at)
        tick += delta
        status, first = (body[at], at + 1) if body[at] & 0x80 else (running, at)
        if status in (META, SYSEX, ESCAPE):
            length, start = number_at(body, first + (status == META))
            stop = start + length
        elif 0x80 <= status < 0xF0:
            running, stop = status, first + (1 if status & 0xF0 in SHORT else 2)
        elif status in COMMON_LENGTH:
            stop = first + COMMON_LENGTH[status]
        else:
            raise M4mError(f"an event at tick {tick} has no known status")
        if stop > len(body):
            raise IndexError(stop)
        events.append(Event(tick, bytes([status]) + body[first:stop]))
        at = stop
        if events[-1].data[:2] == END_OF_TRACK:
            break
    return tuple(events), at
