"""Repeats, endings and parts of ABC, written out: the order in which measures are played."""

import re
from collections.abc import Sequence

from m4mcli.errors import M4mError
from m4mcli.score.abc_measures import Measure

MOST_MEASURES = 100_000
MOST_PARTS = 10_000


def playing_order(measures: Sequence[Measure], parts: str = "") -> list[int]:
    """The places of the measures in the order in which they are played.

    `parts` is the order of parts that the tune's header tells, such as `A(BC)2`. Raises M4mError for more than a
    hundred thousand measures.
    """
    labels = {measure.part for measure in measures if measure.part}
    sequence = [part for part in spelt_out(parts) if part in labels] if labels else []
    if not sequence:
        return _unrolled(measures, 0, len(measures), MOST_MEASURES)
    order: list[int] = []
    sections = _sections(measures)
    if "" in sections:
        order += _unrolled(measures, *sections[""], MOST_MEASURES)
    for part in sequence:
        order += _unrolled(measures, *sections[part], MOST_MEASURES - len(order))
    return order


def _sections(measures: Sequence[Measure]) -> dict[str, tuple[int, int]]:
    """Where each part begins and ends, where it stands first."""
    found: dict[str, tuple[int, int]] = {}
    start = 0
    for i in range(1, len(measures) + 1):
        if i == len(measures) or measures[i].part != measures[start].part:
            found.setdefault(measures[start].part, (start, i))
            start = i
    return found


def spelt_out(parts: str) -> str:
    """The order of parts without brackets and numbers: `A(BC)2` is ABCBC. Raises M4mError for too many."""
    stack: list[str] = [""]
    last = ""
    for sign in re.findall(r"[A-Z]|\d+|[()]", parts):
        if sign == "(":
            stack.append("")
            last = ""
        elif sign == ")":
            last = stack.pop() if len(stack) > 1 else ""
            stack[-1] += last
        elif sign.isdigit():
            stack[-1] += last * (min(int(sign[:6]), MOST_PARTS) - 1)
        else:
            last = sign
            stack[-1] += sign
        if sum(map(len, stack)) > MOST_PARTS:
            raise M4mError(f"more than {MOST_PARTS} parts in a row", "is it ABC?")
    return "".join(stack)


def _unrolled(measures: Sequence[Measure], first: int, stop: int, most: int) -> list[int]:
    """The measures from `first` to `stop` with their repeats written out."""
    order: list[int] = []
    start, rounds, at, ended = first, 1, first, False
    while at < stop:
        if len(order) >= most:
            raise M4mError(f"more than {MOST_MEASURES} measures with all repeats", "write fewer repeats")
        measure = measures[at]
        if measure.opens and at != start:
            start, rounds, ended = at, 1, False
        if measure.rounds and rounds not in measure.rounds:
            found = _ending(measures, start, stop, rounds)
            at = _behind(measures, at, stop) if found is None else found
            if at >= stop:
                break
            measure = measures[at]
        ended |= bool(measure.rounds)
        order.append(at)
        if measure.repeats and _again(measures, start, stop, rounds, ended, measure.repeats):
            rounds += 1
            at, ended = start, False
            continue
        at += 1
        if measure.repeats or (measure.double and ended):
            start, rounds, ended = at, 1, False
    return order


def _again(measures: Sequence[Measure], start: int, stop: int, rounds: int, ended: bool, repeats: int) -> bool:
    """Whether the section from `start` on is played once more after so many rounds."""
    if ended:
        return _ending(measures, start, stop, rounds + 1) is not None
    return rounds <= repeats


def _ending(measures: Sequence[Measure], start: int, stop: int, rounds: int) -> int | None:
    """Where the ending for this round begins in the section from `start` on."""
    for at in range(start, stop):
        if measures[at].opens and at != start:
            return None
        if rounds in measures[at].rounds:
            return at
    return None


def _behind(measures: Sequence[Measure], at: int, stop: int) -> int:
    """The first measure behind the ending that begins at `at`."""
    while at < stop and not measures[at].repeats:
        at += 1
    return at + 1
