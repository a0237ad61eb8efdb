"""Train the networks of `analysis.convolution_network` with torch, and write their weights."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from m4mcli.analysis.convolution_network import TAPS

Batch = tuple[Tensor, ...]
"""Features (batch, F, n), already normalised, and then what the loss is to know."""

RATE, DECAY, DROPPED = 3e-3, 1e-2, 0.12
TOLD_EVERY = 100


class Convolutions(nn.Module):
    """The network as torch trains it: `blocks` residual blocks of `channels`, dilated 1, 2, 4, ... times."""

    def __init__(self, features: int, channels: int, blocks: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(features, channels, 3, padding=1)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, TAPS, padding=TAPS // 2 << i, dilation=1 << i) for i in range(blocks)
        )
        self.mixtures = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(blocks))
        self.last = nn.Conv1d(channels, outputs, 1)
        self.drop = nn.Dropout1d(DROPPED)

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (batch, outputs, n) of normalised features (batch, F, n)."""
        hidden = functional.elu(self.first(features))
        for convolution, mixture in zip(self.convolutions, self.mixtures, strict=True):
            hidden = hidden + mixture(self.drop(functional.elu(convolution(hidden))))
        outputs: Tensor = self.last(functional.elu(hidden))
        return outputs


def train(network: Convolutions, batch: Callable[[], Batch], loss_of: Callable[..., Tensor], steps: int) -> None:
    """Take `steps` steps; `loss_of` gets the outputs and the rest of the batch. Prints the loss as it falls."""
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.05)
    total = 0.0
    for step in range(1, steps + 1):
        features, *rest = batch()
        loss = loss_of(network(features), *rest)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
        if step % TOLD_EVERY == 0:
            print(f"step {step}: loss {total / TOLD_EVERY:.3f}", flush=True)
            total = 0.0
    network.eval()


def arrays_of(network: Convolutions, scale: NDArray[np.float32]) -> dict[str, NDArray[np.float16]]:
    """The weights under the names that `ConvolutionNetwork.of` reads, in half precision; `scale` is the mean and the
    deviation of the features (2, F)."""

    def turned(module: nn.Module) -> NDArray[np.float32]:
        return np.asarray(module.get_parameter("weight").detach().numpy().transpose(2, 1, 0))

    def bias(module: nn.Module) -> NDArray[np.float32]:
        return np.asarray(module.get_parameter("bias").detach().numpy())

    found = {"mean": scale[0], "deviation": scale[1], "first": turned(network.first), "first_bias": bias(network.first)}
    for i, (convolution, mixture) in enumerate(zip(network.convolutions, network.mixtures, strict=True)):
        found |= {f"convolution{i}": turned(convolution), f"convolution_bias{i}": bias(convolution)}
        found |= {f"mixture{i}": turned(mixture)[0], f"mixture_bias{i}": bias(mixture)}
    found |= {"last": turned(network.last)[0], "last_bias": bias(network.last)}
    return {name: array.astype(np.float16) for name, array in found.items()}
