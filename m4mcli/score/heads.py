"""How the tracks of a MIDI file begin: what symusic's reading of it does not tell, without reading them whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from m4mcli.score.followed import END, META
from m4mcli.score.metas import number_at
from m4mcli.score.score import DRUM_CHANNEL

EVENTS = 256
"""Events among which a track's first note is sought."""

TRACK_NAME = 0x03
ALL = frozenset(range(16))


@dataclass(frozen=True)
class Head:
    """The beginning of a track: its name, as bytes (None: none), and the channel of its first note (None: no note).

    `sets` are the channels whose program it makes other than 0 before that note, `sets_to_0` those that it makes 0. A
    track that does not play within EVENTS is taken to set all channels.
    """

    name: bytes | None
    first: int | None
    sets: frozenset[int]
    sets_to_0: frozenset[int] = frozenset()


def head(chunk: bytes) -> Head:
    """The beginning of the track `chunk`, the bytes of a sound MTrk chunk."""
    set_to: dict[int, int] = {}
    name: bytes | None = None
    at = status = 0
    try:
        for _ in range(EVENTS):
            at = number_at(chunk, at)[1]
            byte = chunk[at]
            if byte > 127:
                at += 1
            if 127 < byte < 0xF0:
                status = byte
            kind = status & 0xF0
            if byte >= 0xF0:
                meta = chunk[at] if byte == META else -1
                length, at = number_at(chunk, at + (byte == META))
                if meta == END:
                    return _head(name, None, set_to)
                if meta == TRACK_NAME and name is None:
                    name = chunk[at : at + length]
                at += length
            elif kind == 0x90:
                return _head(name, status & 15, set_to)
            else:
                if kind == 0xC0:
                    set_to[status & 15] = chunk[at]
                at += 1 if 0xC0 <= status < 0xE0 else 2
    except IndexError:
        pass
    return Head(name, None, ALL)


def _head(name: bytes | None, first: int | None, set_to: dict[int, int]) -> Head:
    silent = frozenset(channel for channel, program in set_to.items() if not program)
    return Head(name, first, frozenset(set_to) - silent, silent)


def programs_clear(chunks: Sequence[bytes], heads: Sequence[Head], parts: int) -> bool:
    """Whether the heads show that each note's program is its own track's, told before it, or never told.

    `parts` are those with notes. Where there are more than tracks, a track may play on channels that its head does not
    tell.
    """
    if parts > sum(one.first is not None for one in heads):
        return False
    for i, (chunk, one) in enumerate(zip(chunks, heads, strict=True)):
        if one.first is None:
            if one.sets == ALL and any(0x90 | channel in chunk for channel in ALL):
                return False
            continue
        if one.first in (DRUM_CHANNEL, *one.sets):
            continue
        if any(one.first in other.sets for j, other in enumerate(heads) if j != i):
            return False
        # A data byte is never that high: it is a program change, or by a rare chance a part of a time or of text.
        if one.first not in one.sets_to_0 and 0xC0 | one.first in chunk:
            return False
    return True


def marked(chunk: bytes, number: int) -> bytes:
    """The track with a mark on each channel that it may play on: a note without length, before all else.

    Its pitch is the channel, its velocity the number of the track.
    """
    channels = [channel for channel in ALL if 0x90 | channel in chunk]
    return b"".join(bytes((0, 0x90 | c, c, number, 0, 0x80 | c, c, 0)) for c in channels) + chunk


def program_told(chunks: Sequence[bytes], heads: Sequence[Head], i: int, channel: int) -> bool:
    """Whether notes of track `i` with program 0 on a channel have it because the track said so, or no track did."""
    one, chunk = heads[i], chunks[i]
    if channel == one.first and channel in one.sets | one.sets_to_0:
        return True
    own = _set_at(chunk, channel)
    if channel != one.first and 0 <= own < chunk.find(0x90 | channel):
        return True
    return all(_set_at(other, channel) < 0 for other in chunks)


def _set_at(chunk: bytes, channel: int) -> int:
    """Where a chunk seems to set the program of a channel first: a status byte between two that are none; else -1."""
    at = chunk.find(0xC0 | channel)
    while at >= 0 and (chunk[at - 1] > 127 or chunk[at + 1 : at + 2] > b"\x7f"):
        at = chunk.find(0xC0 | channel, at + 1)
    return at
