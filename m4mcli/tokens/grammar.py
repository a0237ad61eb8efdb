"""Which ids may come next: masks over the vocabulary for whoever writes tokens one by one."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
State = tuple[Any, ...]
"""Where a sequence stands: all that decides what may follow. Comparable and hashable."""


class Grammar(ABC):
    """The order that encoded music keeps to. What it allows can be decoded; what it forbids no encoder writes."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first id."""

    @abstractmethod
    def allowed_next(self, state: State) -> Mask:
        """Which ids may come next; for rows, over the ids of the next column."""

    @abstractmethod
    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""

    @abstractmethod
    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""

    def refuses(self, ids: NDArray[np.integer]) -> int | None:
        """The place of the first id that may not stand where it does; None where all may."""
        state = self.start()
        flat = ids.reshape(-1).tolist()
        for place, token in enumerate(flat):
            mask = self.allowed_next(state)
            if not (0 <= token < len(mask) and mask[token]):
                return place
            state = self.step(state, token)
        return None
