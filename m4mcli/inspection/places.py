"""Where in a piece a tick is, as musicians say it: bar and beat."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import Score
from m4mcli.tasks.placement import has_pickup


@dataclass(frozen=True)
class Places:
    """The bars of a piece. Bars and beats are counted from 1; a pickup is bar 0, its beats those before bar 1."""

    score: Score

    @cached_property
    def bars(self) -> tuple[Bar, ...]:
        """All bars up to the last note's end."""
        return bars(self.score)

    @cached_property
    def lowest(self) -> int:
        """The number of the first bar."""
        return 0 if has_pickup(self.bars, self.score.tpq) else 1

    @cached_property
    def _starts(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return np.array([bar.tick for bar in self.bars])

    def at(self, tick: int) -> tuple[int, float]:
        """Bar and beat of a tick; beyond the last bar its beats go on."""
        index = max(0, int(np.searchsorted(self._starts, tick, side="right")) - 1)
        bar = self.bars[index]
        whole = bar.whole or bar.length
        missing = whole - bar.length if index == 0 and self.lowest == 0 else 0.0
        return index + self.lowest, round(1 + (tick - bar.tick + missing) / bar.beat_length, 2)

    def named(self, tick: int) -> str:
        """`bar 3, beat 2.5`."""
        bar, beat = self.at(tick)
        return f"bar {bar}, beat {beat:g}"
