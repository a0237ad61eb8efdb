"""Low-rank adapters (LoRA, arXiv 2106.09685): a task as small tensors beside a foundation whose weights stay."""

import torch
from torch import Tensor, nn

from m4mcli.networks.config import FoundationConfig
from m4mcli.networks.layers import Adapter

ADAPTED = ("qkv", "output", "wide", "narrow")
"""The linears of a block that have an addition."""


def adapted_sizes(width: int) -> dict[str, tuple[int, int]]:
    """Inputs and outputs of each linear of ADAPTED."""
    sizes = ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width))
    return dict(zip(ADAPTED, sizes, strict=True))


def tensor_names(layers: int) -> tuple[str, ...]:
    """Names of an adapter's tensors as graph inputs, in the order layer, linear, (a, b)."""
    return tuple(f"adapter_{i}_{name}_{part}" for i in range(layers) for name in ADAPTED for part in "ab")


def layered(tensors: list[Tensor]) -> list[Adapter] | None:
    """An adapter's tensors, in the order of `tensor_names`, by layer and linear; None for no tensors."""
    if not tensors:
        return None
    pairs = [(tensors[i], tensors[i + 1]) for i in range(0, len(tensors), 2)]
    step = len(ADAPTED)
    return [dict(zip(ADAPTED, pairs[i : i + step], strict=True)) for i in range(0, len(pairs), step)]


class Lora(nn.Module):
    """An adapter in training. It starts as no change at all: `b` is zero."""

    def __init__(self, config: FoundationConfig, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.parts = nn.ParameterDict()
        for name in tensor_names(config.layers):
            linear, part = name.split("_")[2:]
            inputs, outputs = adapted_sizes(config.width)[linear]
            start = torch.randn(inputs, rank) * inputs**-0.5 if part == "a" else torch.zeros(rank, outputs)
            self.parts[name] = nn.Parameter(start)

    def tensors(self) -> list[Tensor]:
        """All tensors, in the order of `tensor_names`."""
        return list(self.parts.values())

    def adapters(self) -> list[Adapter]:
        """The additions by layer, as the foundation's `run` takes them."""
        return layered(self.tensors()) or []
