"""A track followed from event to event for its program changes alone, several times faster than `walk` reads it."""

from dataclasses import dataclass

from m4mcli.score.metas import number_at

META, SYSEX, END_OF_SYSEX = 0xFF, 0xF0, 0xF7
END = 0x2F

Change = tuple[int, int]
"""A program change: its tick, and the program."""


@dataclass(frozen=True)
class Followed:
    """The program changes of one track by channel, the channels whose first comes behind a note of its tick.

    `end` is the tick of the track's end.
    """

    changes: list[list[Change]]
    late: frozenset[int]
    end: int


def follow(chunk: bytes) -> Followed | None:
    """The program changes of a track, the bytes of an MTrk chunk.

    None where it breaks off, makes no sense, or has system exclusive messages in pieces or a running status behind one.
    """
    try:
        return _followed(chunk)
    except IndexError:
        return None


def _followed(chunk: bytes) -> Followed | None:
    changes: list[list[Change]] = [[] for _ in range(16)]
    late: set[int] = set()
    played = [-1] * 16
    at = tick = status = 0
    while True:
        delta = chunk[at]
        at += 1
        if delta > 127:
            delta, at = number_at(chunk, at - 1)
        tick += delta
        byte = chunk[at]
        if byte >= 0xF0:
            if byte == META and chunk[at + 1] == END:
                return Followed(changes, frozenset(late), tick)
            length, at = number_at(chunk, at + 1 + (byte == META))
            at += length
            if byte == META:
                continue
            if byte != SYSEX or chunk[at - 1] != END_OF_SYSEX:
                return None
            status = 0
            continue
        if byte > 127:
            status = byte
            at += 1
        if status < 0xC0:
            if status >= 0x90:
                if status < 0xA0:
                    played[status & 15] = tick
            elif not status:
                return None
            at += 2
        elif status < 0xD0:
            channel = status & 15
            if not changes[channel] and played[channel] == tick:
                late.add(channel)
            changes[channel].append((tick, chunk[at]))
            at += 1
        else:
            at += 1 if status < 0xE0 else 2
