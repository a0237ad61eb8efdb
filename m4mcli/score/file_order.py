"""Tempi and signatures in the order of the file, where symusic has many and tells those of one tick in any order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from m4mcli.score.metas import KEY_SIGNATURE, TEMPO, TIME_SIGNATURE
from m4mcli.score.score import KeySignature, Tempo, TimeSignature

Change = Tempo | TimeSignature | KeySignature
Told = TypeVar("Told", Tempo, TimeSignature, KeySignature)

STARTS: dict[type[Change], bytes] = {
    Tempo: bytes((0xFF, TEMPO, 3)),
    TimeSignature: bytes((0xFF, TIME_SIGNATURE, 4)),
    KeySignature: bytes((0xFF, KEY_SIGNATURE, 2)),
}


def in_file_order(told: Sequence[Told], chunks: Sequence[bytes]) -> tuple[Told, ...] | None:
    """Changes of one kind, ordered by tick, those of one tick as the one track that tells of them has them.

    `chunks` are the bytes of the MTrk chunks. None where several tracks tell of them, or the bytes are not clear.
    """
    start = STARTS[type(told[0])]
    tellers = [chunk for chunk in chunks if start in chunk]
    if len(tellers) != 1:
        return None
    values = [change_in(start, part) for part in tellers[0].split(start)[1:]]
    # What only looks like a change, in a text or a time, is one more than symusic found.
    kinds: dict[Change | None, Told] = {replace(one, tick=0): one for one in told}
    if Counter(values) != Counter(replace(one, tick=0) for one in told):
        return None
    return tuple(replace(kinds[value], tick=one.tick) for value, one in zip(values, told, strict=True))


def change_in(start: bytes, part: bytes) -> Change | None:
    """The change, at tick 0, whose type and length are `start`, its bytes the first of `part`; None where they lack."""
    if len(part) < start[2]:
        return None
    if start[1] == TEMPO:
        return Tempo(0, int.from_bytes(part[:3], "big"))
    if start[1] == TIME_SIGNATURE:
        return TimeSignature(0, part[0], 1 << part[1])
    return KeySignature(0, (part[0] + 128) % 256 - 128, part[1] == 1)
