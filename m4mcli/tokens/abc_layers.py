"""The notes of a track as lines of which each sounds one chord at a time, in pieces bar by bar."""

from collections.abc import Iterable, Sequence

from m4mcli.tokens.abc_spelling import Piece

Sounding = tuple[int, int, tuple[int, ...]]
"""From, to (in units), pitches from the lowest."""


def layers(notes: Iterable[tuple[int, int, int]]) -> list[list[Sounding]]:
    """Lines that hold all notes (begin, end, pitch): those of equal begin and end together, the highest first."""
    together: dict[tuple[int, int], list[int]] = {}
    for begin, end, pitch in notes:
        together.setdefault((begin, end), []).append(pitch)
    found: list[list[Sounding]] = []
    for (begin, end), pitches in sorted(together.items(), key=lambda item: (item[0][0], -max(item[1]), -item[0][1])):
        sounding = (begin, end, tuple(sorted(pitches)))
        for line in found:
            gap = begin - line[-1][1]
            if gap >= 0 and gap != 1:
                line.append(sounding)
                break
        else:
            found.append([sounding])
    return found


def bar_pieces(line: Sequence[Sounding], edges: Sequence[int]) -> list[list[Piece]]:
    """The line's pieces in each bar, rests between; none for bars in which it is silent."""
    found: list[list[Piece]] = [[] for _ in edges[1:]]
    bar = 0
    for begin, end, pitches in line:
        while edges[bar + 1] <= begin:
            bar += 1
        at = bar
        while begin < end and at < len(found):
            start, stop = edges[at], edges[at + 1]
            until = min(end, stop)
            _rest(found[at], begin - start)
            found[at].append(Piece(begin - start, until - start, pitches, until < end))
            begin, at = until, at + 1
    for pieces, start, stop in zip(found, edges, edges[1:], strict=False):
        if pieces:
            _rest(pieces, stop - start)
    return found


def _rest(pieces: list[Piece], until: int) -> None:
    """Silence up to a place in the bar."""
    at = pieces[-1].end if pieces else 0
    if at < until:
        pieces.append(Piece(at, until, ()))


def divided(pieces: Sequence[Piece], places: Iterable[int]) -> tuple[list[Piece], dict[int, int]]:
    """The pieces of a bar, divided at these places, and for each place the one at which a piece now begins.

    A place a single unit from the end of a piece goes to that end.
    """
    found = list(pieces)
    moved = {}
    for place in sorted(places):
        index = next((i for i, p in enumerate(found) if p.begin <= place < p.end), len(found) - 1)
        piece = found[index]
        if place - piece.begin <= 1:
            moved[place] = piece.begin
        elif piece.end - place <= 1 and index + 1 < len(found):
            moved[place] = piece.end
        elif piece.end - place <= 1:
            moved[place] = piece.begin
        else:
            first = piece._replace(end=place, tie=bool(piece.pitches))
            found[index : index + 1] = [first, piece._replace(begin=place)]
            moved[place] = place
    return found, moved
