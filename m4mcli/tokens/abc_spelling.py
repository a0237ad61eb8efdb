"""How pitches and times are written in ABC: staff steps and accidentals by key; plain lengths, triplets and ties."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from m4mcli.score.abc_fields import FIFTHS, Key
from m4mcli.score.abc_items import LETTERS
from m4mcli.score.abc_measures import SCALE
from m4mcli.tokens.abc_vocabulary import HIGHEST_STEP, LENGTHS, LOWEST_STEP, MOST_IN_TUPLET

TRIPLETS = (2, 4, 8, 16, 32)
"""Units of the notes of triplets, from 32nds to halves."""


def spelt(pitch: int, fifths: int, minor: bool) -> tuple[int, int]:
    """Staff step and alteration of a pitch in a key: of the twelve notes nearest to it on the line of fifths."""
    lowest = fifths - (3 if minor else 5)
    place = lowest + (7 * pitch - lowest) % 12
    alteration, letter = divmod(place + 1, 7)
    step = _step(pitch, FIFTHS[letter], alteration)
    if not LOWEST_STEP <= step <= HIGHEST_STEP:
        step = LOWEST_STEP if pitch < 64 else HIGHEST_STEP
        alteration = pitch - SCALE[step % 7] - 12 * (step // 7)
    return step, alteration


def _step(pitch: int, letter: str, alteration: int) -> int:
    place = LETTERS.index(letter)
    return (pitch - alteration - SCALE[place]) // 12 * 7 + place


class Accidentals:
    """What holds in a bar, as readers may see it: for all octaves or one, in all lines of the bar or each by itself."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._held: list[dict[tuple[int, ...], int]] = [{}, {}, {}, {}]

    def next_line(self) -> None:
        """Another line of notes in the same bar."""
        self._held[2:] = [{}, {}]

    def needed(self, step: int, alteration: int) -> bool:
        """Whether an accidental has to be written, which then holds."""
        letter = step % 7
        names: list[tuple[int, ...]] = [(letter,), (letter, step // 7)] * 2
        plain = self._key.alterations[letter]
        told = any(held.get(name, plain) != alteration for held, name in zip(self._held, names, strict=True))
        if told:
            for held, name in zip(self._held, names, strict=True):
                held[name] = alteration
        return told


class Piece(NamedTuple):
    """What lasts from `begin` to `end` units of its bar: pitches, none for a rest; `tie`: they go on behind it."""

    begin: int
    end: int
    pitches: tuple[int, ...]
    tie: bool = False


class Written(NamedTuple):
    """A piece in halves of a 16th, which are two thirds as long in a triplet; `tuplet`: one of so many begins."""

    pitches: tuple[int, ...]
    halves: int
    tie: bool
    begin: int
    tuplet: int = 0


def written(pieces: Sequence[Piece]) -> Iterator[Written]:
    """The pieces of a bar, one behind the other, with the lengths that ABC has for them."""
    group: list[Written] = []
    for piece in pieces:
        for part in _parts(piece):
            width = part.end - part.begin
            if not group and width % 3 == 0:
                yield from _plain(part)
                continue
            group.append(Written(part.pitches, width // 2, part.tie, part.begin))
            if part.end % 6 == 0 or len(group) == MOST_IN_TUPLET:
                yield from _tuplet(group)
                group = []
    yield from _tuplet(group)


def _tuplet(group: list[Written]) -> Iterator[Written]:
    for place, one in enumerate(group):
        yield one._replace(tuplet=len(group)) if place == 0 else one


def _plain(part: Piece) -> Iterator[Written]:
    begin = part.begin
    while (left := part.end - begin) > 3 * LENGTHS:
        yield Written(part.pitches, LENGTHS, bool(part.pitches), begin)
        begin += 3 * LENGTHS
    yield Written(part.pitches, left // 3, part.tie, begin)


def _parts(piece: Piece) -> Iterator[Piece]:
    """The piece, divided where one of its ends is on 32nds and the other one in a triplet."""
    begin, end, pitches, tie = piece
    while (cut := _cut(begin, end)) is not None:
        yield Piece(begin, cut, pitches, bool(pitches))
        begin = cut
    yield Piece(begin, end, pitches, tie)


def _cut(begin: int, end: int) -> int | None:
    """Where a piece is to be divided, on a 16th; None where it can be written whole."""
    width = end - begin
    if begin % 3 == 0 and width % 3 == 0:
        return None
    if begin % 2 == 0 and width in TRIPLETS:
        return None
    first, last = begin - begin % 6 + 6, end - end % 6
    if begin % 3 == 0:
        return last if last > begin else None
    return first if first < end else None
