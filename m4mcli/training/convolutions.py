"""Train the networks of `analysis.convolution_network` with torch, and write their weights."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from m4mcli.analysis.convolution_network import TAPS

Batch = tuple[Tensor, ...]
"""Features (batch, F, n), already normalised, and then what the loss is to know."""

RATE, DECAY, DROPPED = 3e-3, 1e-2, 0.12
RATE_FROM_WEIGHTS = 2e-3
"""The rate of a network that begins with trained weights."""

TOLD_EVERY = 100

_GATES = {"gates": "weight_ih_l0", "gates_bias": "bias_ih_l0", "memory": "weight_hh_l0", "memory_bias": "bias_hh_l0"}
_WAYS = ("", "_reverse")


class Convolutions(nn.Module):
    """The network as torch trains it: `blocks` residual blocks of `channels`, dilated 1, 2, 4, ... times, and gated
    units with so many `states` in either direction (0: none)."""

    def __init__(self, features: int, channels: int, blocks: int, states: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(features, channels, 3, padding=1)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, TAPS, padding=TAPS // 2 << i, dilation=1 << i) for i in range(blocks)
        )
        self.mixtures = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(blocks))
        self.gated = nn.GRU(channels, states, batch_first=True, bidirectional=True) if states else None
        self.last = nn.Conv1d(channels + 2 * states, outputs, 1)
        self.drop = nn.Dropout1d(DROPPED)

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (batch, outputs, n) of normalised features (batch, F, n)."""
        hidden = functional.elu(self.first(features))
        for convolution, mixture in zip(self.convolutions, self.mixtures, strict=True):
            hidden = hidden + mixture(self.drop(functional.elu(convolution(hidden))))
        hidden = functional.elu(hidden)
        if self.gated is not None:
            hidden = torch.cat([hidden, self._remembered(self.gated, hidden)], dim=1)
        outputs: Tensor = self.last(hidden)
        return outputs

    def _remembered(self, gated: nn.GRU, hidden: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            states: Tensor = gated(self.drop(hidden.float()).transpose(1, 2))[0]
        remembered: Tensor = self.drop(states.transpose(1, 2))
        return remembered


def train(
    network: Convolutions, batch: Callable[[], Batch], loss_of: Callable[..., Tensor], steps: int, rate: float = RATE
) -> None:
    """Take `steps` steps at a learning rate that rises to `rate` and falls; `loss_of` gets the outputs and the rest of
    the batch. Prints the loss as it falls."""
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.05)
    total = 0.0
    for step in range(1, steps + 1):
        features, *rest = batch()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network(features)
        loss = loss_of(outputs.float(), *rest)
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


def begin_with(network: Convolutions, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Make a network do what narrower weights with as many blocks do: its further channels add nothing yet.

    `arrays` have the names that `ConvolutionNetwork.of` reads; outputs that they do not have stay random. With gated
    units they are as wide as the network, without any these add nothing yet.
    """
    known = len(arrays["first_bias"])

    def put(module: nn.Module, name: str, bias_name: str, *, inner: bool) -> None:
        weight, bias = module.get_parameter("weight"), module.get_parameter("bias")
        values = arrays[name] if arrays[name].ndim == 3 else arrays[name][None]
        turned = torch.from_numpy(values.transpose(2, 1, 0).copy())
        if inner:
            weight[: len(turned), known:] = 0
        weight[: len(turned), : turned.shape[1]] = turned
        bias[: len(turned)] = torch.from_numpy(arrays[bias_name])

    with torch.no_grad():
        put(network.first, "first", "first_bias", inner=False)
        for i, (convolution, mixture) in enumerate(zip(network.convolutions, network.mixtures, strict=True)):
            put(convolution, f"convolution{i}", f"convolution_bias{i}", inner=True)
            put(mixture, f"mixture{i}", f"mixture_bias{i}", inner=True)
        put(network.last, "last", "last_bias", inner=True)
        if network.gated is not None and "gates" in arrays:
            for name, parameter in _GATES.items():
                for way, values in zip(_WAYS, arrays[name], strict=True):
                    network.gated.get_parameter(parameter + way).copy_(torch.from_numpy(values.T.copy()))


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
    if network.gated is not None:
        for name, parameter in _GATES.items():
            ways = [network.gated.get_parameter(parameter + way).detach().numpy().T for way in _WAYS]
            found[name] = np.stack(ways)
    found |= {"last": turned(network.last)[0], "last_bias": bias(network.last)}
    return {name: array.astype(np.float16) for name, array in found.items()}
