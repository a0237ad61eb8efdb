"""Chains that are trained as they are used: rotating networks and the moves between their states, in torch.

The same arithmetic as `m4mcli.analysis.rotating_network`, `chord_model` and `chain`, which read the arrays by their
names here.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from m4mcli.analysis.chord_model import QUALITIES
from m4mcli.analysis.pitch_features import PICTURES, SCALARS

NEVER = -1e4
FLAT = 1e-30
TURN = (torch.arange(12)[:, None] + torch.arange(12)[None, :]) % 12


class Rotating(nn.Module):
    """Two hidden layers, looked through from each of 12 pitch classes: (..., P, 12), (..., S) -> (..., 12, outputs)."""

    def __init__(self, pictures: int, scalars: int, outputs: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(pictures * 12 + scalars, hidden)
        self.second = nn.Linear(hidden, hidden // 2)
        self.last = nn.Linear(hidden // 2, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, pictures: Tensor, scalars: Tensor) -> Tensor:
        """The outputs seen from each pitch class."""
        turned = pictures[..., TURN].movedim(-2, -3).flatten(-2)
        plain = scalars[..., None, :].expand(*scalars.shape[:-1], 12, scalars.shape[-1])
        hidden = self.dropout(torch.relu(self.first(torch.cat((turned, plain), -1))))
        out: Tensor = self.last(torch.relu(self.second(hidden)))
        return out

    def arrays(self, prefix: str = "") -> dict[str, NDArray[np.float32]]:
        """The weights by the names of `RotatingNetwork`."""
        layers = {"hidden1": self.first, "hidden2": self.second, "out": self.last}
        biases = {"bias1": self.first, "bias2": self.second, "bias_out": self.last}
        named = {name: layer.weight for name, layer in layers.items()} | {n: x.bias for n, x in biases.items()}
        return {prefix + name: tensor.detach().numpy() for name, tensor in named.items()}


class ChordChain(nn.Module):
    """`m4mcli.analysis.chord_model.ChordModel`."""

    def __init__(self, hidden: int, hidden_change: int = 16) -> None:
        super().__init__()
        count = len(QUALITIES)
        self.network = Rotating(PICTURES, SCALARS, count + 12, hidden)
        self.silence = nn.Linear(SCALARS, 1)
        self.change1 = nn.Linear(PICTURES + SCALARS, hidden_change)
        self.change2 = nn.Linear(hidden_change, 1)
        self.moves = nn.Parameter(torch.zeros(count, count, 12))
        self.into_silence = nn.Parameter(torch.zeros(count))
        self.out_of_silence = nn.Parameter(torch.zeros(count))

    def forward(self, pictures: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fit (b, n, STATES), basses (b, n, 12, 12) and change (b, n) of (b, n + 1, ...), the first unit being that
        before."""
        now, plain = pictures[:, 1:], scalars[:, 1:]
        answers = self.network(now, plain)
        count = len(QUALITIES)
        fit = torch.cat((answers[..., :count].transpose(2, 3).flatten(2), self.silence(plain)), -1)
        new = (now - pictures[:, :-1]).abs().sum(-1)
        change = self.change2(torch.relu(self.change1(torch.cat((new, plain), -1))))[..., 0]
        return fit, answers[..., count:], change

    def table(self) -> Tensor:
        """The moves (STATES, STATES), NEVER from a state to itself."""
        count = 12 * len(QUALITIES)
        table = torch.cat((by_root(self.moves), self.into_silence.repeat_interleave(12)[:, None]), 1)
        last = torch.cat((self.out_of_silence.repeat_interleave(12), torch.zeros(1)))
        return torch.cat((table, last[None]), 0).masked_fill(torch.eye(count + 1, dtype=torch.bool), NEVER)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The weights by the names of `ChordModel.of`."""
        tensors = {
            "silence": self.silence.weight, "bias_silence": self.silence.bias, "change1": self.change1.weight,
            "bias_change1": self.change1.bias, "change2": self.change2.weight, "bias_change2": self.change2.bias,
            "moves": self.moves, "into_silence": self.into_silence, "out_of_silence": self.out_of_silence,
        }  # fmt: skip
        return self.network.arrays() | {name: tensor.detach().numpy() for name, tensor in tensors.items()}


class KeyChain(nn.Module):
    """The local keys of `m4mcli.analysis.key_finding.KeyModel`."""

    def __init__(self, pictures: int, scalars: int, hidden: int) -> None:
        super().__init__()
        self.network = Rotating(pictures, scalars, 2, hidden, dropout=0.2)
        self.moves = nn.Parameter(torch.full((2, 2, 12), -3.0))

    def forward(self, pictures: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor]:
        """Fit (b, n, 24) and change (b, n), which is 0."""
        fit = self.network(pictures, scalars).transpose(-1, -2).flatten(-2)
        return fit, torch.zeros(fit.shape[:2])

    def table(self) -> Tensor:
        """The moves (24, 24), NEVER from a key to itself."""
        return by_root(self.moves).masked_fill(torch.eye(24, dtype=torch.bool), NEVER)


def by_root(moves: Tensor) -> Tensor:
    """Moves (k, k, 12 semitones up) as a table (12 k, 12 k) of states 12 * kind + root."""
    roots = torch.arange(12)
    up = (roots[None, :] - roots[:, None]) % 12
    kinds = len(moves)
    return moves[:, :, up].permute(0, 2, 1, 3).reshape(12 * kinds, 12 * kinds)


def chain_loss(fit: Tensor, change: Tensor, table: Tensor, states: Tensor, there: Tensor) -> Tensor:
    """Nats per unit of the right states (b, n); a state below 0 is not known and may be any. `there` (b, n) marks the
    units that exist."""
    right = (states[..., None] == torch.arange(fit.shape[-1])) | (states[..., None] < 0)
    every = _log_sum(fit, change, table, there)
    loss: Tensor = (every - _log_sum(fit.masked_fill(~right, NEVER), change, table, there)).sum() / there.sum()
    return loss


def _log_sum(fit: Tensor, change: Tensor, table: Tensor, there: Tensor) -> Tensor:
    """The logarithm of the sum over all paths (b,)."""
    move = torch.exp(table)
    reached = fit[:, 0]
    for t in range(1, fit.shape[1]):
        most = reached.max(1, keepdim=True).values
        moved = torch.log(torch.exp(reached - most) @ move + FLAT) + most + change[:, t, None]
        reached = torch.where(there[:, t, None], torch.logaddexp(reached, moved) + fit[:, t], reached)
    return reached.logsumexp(1)
