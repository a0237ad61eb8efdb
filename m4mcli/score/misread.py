"""What symusic reads otherwise than the standard says: seen from the bytes of a track, without following its events.

It loses the notes of a running status that goes on behind a system exclusive message, counts bytes of such messages in
pieces as events, and takes tempi and signatures of a false length at their word.
"""

from collections.abc import Sequence

from m4mcli.score.followed import END_OF_SYSEX, SYSEX, follow
from m4mcli.score.metas import KEY_SIGNATURE, TEMPO, TIME_SIGNATURE, number_at

META = b"\xff"
LENGTHS = {TEMPO: 3, TIME_SIGNATURE: 4, KEY_SIGNATURE: 2}


def metas_of(chunk: bytes) -> list[bytes]:
    """Type and first byte of the length of each meta event of a track, and of what only looks like one.

    Bytes FF are rare: to part a track at them is several times faster than to search it for pairs of bytes.
    """
    return [part[:2] for part in chunk.split(META)[1:]]


def read_alike(chunk: bytes, metas: Sequence[bytes]) -> bool:
    """Whether symusic reads a sound track as `read_score` does."""
    if any(meta[0] in LENGTHS and LENGTHS[meta[0]] != meta[-1] for meta in {*metas} if meta):
        return False
    return (SYSEX not in chunk and END_OF_SYSEX not in chunk) or _sysex_whole(chunk) or follow(chunk) is not None


def _sysex_whole(chunk: bytes) -> bool:
    """Whether what looks like a system exclusive message ends as it should, an event with a status behind it."""
    at, ends = chunk.find(SYSEX), 0
    try:
        while at >= 0:
            length, at = number_at(chunk, at + 1)
            at += length
            ends += 1
            if chunk[at - 1] != END_OF_SYSEX or chunk[number_at(chunk, at)[1]] < 0x80:
                return False
            at = chunk.find(SYSEX, at)
    except IndexError:
        return False
    return chunk.count(END_OF_SYSEX) == ends
