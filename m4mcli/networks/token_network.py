"""What all networks over tokens have in common: rows of ids in, logits of the next row's columns out.

A row has one id in each column; a scheme whose tokens are single ids has one column. Training reads whole windows;
sampling reads row by row, with what is carried from row to row as arrays, in the step functions that are exported.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from m4mcli.networks.config import TokenConfig


class TokenNetwork(nn.Module, ABC):
    """A causal network over rows; `sizes` are the numbers of ids of the columns."""

    def __init__(self, config: TokenConfig, sizes: Sequence[int]) -> None:
        super().__init__()
        self.config, self.sizes = config, tuple(sizes)

    @property
    def chained(self) -> bool:
        """Whether a column's logits depend on the row's ids in the columns before."""
        return False

    @abstractmethod
    def hidden(self, rows: Tensor) -> Tensor:
        """Rows (batch, length, columns) -> (batch, length, width); the place t knows rows 0..t."""

    @abstractmethod
    def heads(self, hidden: Tensor, following: Tensor) -> list[Tensor]:
        """Logits (batch, length, ids) of each column of the rows that follow.

        Of `following` (batch, length, columns) the columns before the one that is told are read, if any are.
        """

    @abstractmethod
    def step(self, rows: Tensor, length: Tensor, past: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """As `hidden`, behind `length` (1,) rows of which `past` is what is carried; and what is new of that."""

    def forward(self, rows: Tensor) -> list[Tensor]:
        """Logits of each column that tell rows 1..length - 1 of (batch, length, columns) from those before."""
        return self.heads(self.hidden(rows[:, :-1]), rows[:, 1:])


class Embedding(nn.Module):
    """The sum of a row's ids as vectors, a table for each column; ids below 0 are no ids and add nothing."""

    def __init__(self, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, width) for n in sizes)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (..., columns) -> (..., width)."""
        vectors = [table(rows[..., i].clamp(min=0)) for i, table in enumerate(self.tables)]
        known = [(rows[..., i, None] >= 0).to(v.dtype) for i, v in enumerate(vectors)]
        return torch.stack([v * k for v, k in zip(vectors, known, strict=True)]).sum(0)


class Heads(nn.Module):
    """A linear map to the logits of each column."""

    def __init__(self, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.columns = nn.ModuleList(nn.Linear(width, n) for n in sizes)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(..., width) -> (..., ids) of each column."""
        return [head(x) for head in self.columns]


class RowStep(nn.Module):
    """The step that is exported: (logits of all columns, or hidden states where these are chained) and the new state.

    rows (B, T, columns), length (1,), past arrays -> outputs (B, T, ...), present arrays.
    """

    def __init__(self, network: TokenNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: Tensor, length: Tensor, past: list[Tensor]) -> tuple[Tensor, ...]:
        """See the class."""
        hidden, present = self.network.step(rows, length, past)
        told = [hidden] if self.network.chained else self.network.heads(hidden, rows)
        return (*told, *present)


class ColumnStep(nn.Module):
    """The step inside a row that is exported for chained columns.

    hidden (B, 1, width) and the ids so far (B, 1, columns), -1 where there is none yet -> logits (B, 1, ids) of all
    columns, of which the next one counts.
    """

    def __init__(self, network: TokenNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, hidden: Tensor, chosen: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        return tuple(self.network.heads(hidden, chosen))
