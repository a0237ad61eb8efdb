"""What sampling needs of a network over tokens, whichever runtime computes it: rows in, logits of the next row out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.models.network import Floats, Integers
from m4mcli.models.room import ROOM, put


@dataclass
class Memory:
    """What a network carries of some pieces: arrays (pieces, ...), and how many rows of each it has read."""

    arrays: list[Floats]
    length: int = 0

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Forget the other pieces."""
        self.arrays = [array[which] for array in self.arrays]


class TokenModel(ABC):
    """Step functions over numpy arrays.

    `sizes` are the numbers of ids of the columns; `context` is how many rows it reads at most (0: any number);
    `state` has the sizes of the carried arrays for one piece, 0 for an axis that grows with the rows; `chained`: a
    column's logits depend on the row's columns before it.
    """

    def __init__(self, sizes: tuple[int, ...], context: int, state: list[list[int]], chained: bool) -> None:
        self.sizes, self.context, self.state, self.chained = sizes, context, state, chained

    @abstractmethod
    def run(self, rows: Integers, length: Integers, past: list[Floats]) -> list[Floats]:
        """Outputs of a step: logits (B, T, ids) of each column, or one array (B, T, width); then what is new."""

    @abstractmethod
    def run_columns(self, hidden: Floats, chosen: Integers) -> list[Floats]:
        """Logits (B, 1, ids) of the columns, of chained ones."""

    def begin(self, pieces: int) -> Memory:
        """The memory of so many pieces of which nothing is read."""
        shapes = [[pieces, *(n or ROOM for n in sizes)] for sizes in self.state]
        return Memory([np.zeros(shape, np.float32) for shape in shapes])

    def read(self, rows: Integers, memory: Memory) -> "Ahead":
        """Read rows (B, T, columns) behind those of the memory, which then holds them; what they say of the next one.

        A network that carries a state reads one row at a time.
        """
        grows = any(0 in sizes for sizes in self.state)
        for part in [rows] if grows else np.split(rows, rows.shape[1], axis=1):
            given = np.array([memory.length], np.int64)
            found = self.run(np.ascontiguousarray(part), given, memory.arrays)
            told, new = found[: -len(self.state)], found[-len(self.state) :]
            for i, (sizes, array) in enumerate(zip(self.state, new, strict=True)):
                axis = sizes.index(0) + 1 if 0 in sizes else 0
                memory.arrays[i] = put(memory.arrays[i], array, axis, memory.length) if axis else array
            memory.length += part.shape[1]
        return Ahead(self, told)


@dataclass(frozen=True)
class Ahead:
    """What is known of the rows that follow those that were read: outputs (B, T, ...) of the step."""

    model: TokenModel
    told: list[Any]

    def logits(self, chosen: Integers) -> Floats:
        """Logits (B, ids) of the next column of the row behind the last, whose first columns are `chosen` (B, k)."""
        column = chosen.shape[1]
        if not self.model.chained:
            return np.asarray(self.told[column][:, -1])
        row = np.full((len(chosen), 1, len(self.model.sizes)), -1, np.int64)
        row[:, 0, :column] = chosen
        return np.asarray(self.model.run_columns(np.ascontiguousarray(self.told[0][:, -1:]), row)[column][:, 0])

    def all_logits(self, following: Integers) -> list[Floats]:
        """Logits (B, T, ids) of each column of the rows that follow (B, T, columns), each told the columns before."""
        if not self.model.chained:
            return [np.asarray(x) for x in self.told]
        b, t, c = following.shape
        flat = self.model.run_columns(self.told[0].reshape(b * t, 1, -1), following.reshape(b * t, 1, c))
        return [np.asarray(x).reshape(b, t, -1) for x in flat]
