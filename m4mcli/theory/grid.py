"""Grids as musicians write them, and the places of their lines in a bar. Lengths are in ticks."""

import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError

PATTERN = re.compile(r"1/(4|8|16|32)(t?)\Z", re.IGNORECASE)
STRAIGHT = 0.5


@dataclass(frozen=True)
class Grid:
    """Equally spaced lines: `step` is their distance in whole notes (1/8 for eighths, 1/12 for eighth triplets)."""

    step: Fraction
    triplet: bool = False

    @classmethod
    def parse(cls, text: str) -> "Grid":
        """The grid that `text` names: `1/4` to `1/32`, with `t` for triplets. `1/8t` is three lines to a quarter.

        Raises M4mError (status 2) for anything else.
        """
        match = PATTERN.match(text.strip())
        if not match:
            raise M4mError(f"{text!r} is no grid", "write 1/4, 1/8, 1/16 or 1/32, with t for triplets (1/8t)", USAGE)
        step = Fraction(1, int(match[1]))
        return cls(step * 2 / 3, True) if match[2] else cls(step)

    def lines(self, length: int, full: float, tpq: int, swing: float = STRAIGHT) -> NDArray[np.float64]:
        """Ticks of the lines in a bar of `length` ticks whose metre has `full` ticks, counted from the bar's start.

        `swing` is where the second line of each pair stands in the pair: 0.5 is straight, 0.67 a triplet feel. A bar
        shorter than its metre is the end of a whole one (a pickup): its lines are those of the whole bar.

        Example: Grid.parse("1/8").lines(960, 960, 480, 0.75) -> [0, 360, 480, 840]
        """
        step = float(4 * tpq * self.step)
        missing = full - length
        first, last = int(np.ceil(missing / step)), int(np.ceil(full / step))
        k = np.arange(first, max(last, first + 1))
        straight = k * step - missing
        swung = straight + (k % 2) * (2 * swing - 1) * step
        inside = (straight >= 0) & (straight < length)
        return np.where(swung < length, swung, straight)[inside]
