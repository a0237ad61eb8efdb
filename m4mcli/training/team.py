"""Several processes train one network: torchrun starts them, each takes batches of its own, gradients are averaged.

The networks are called part by part, not by one `forward`, so what torch's DistributedDataParallel hooks into does not
happen; the gradients are averaged here, in one message a step, and that is all there is to it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn

Value = TypeVar("Value")


@dataclass(frozen=True)
class Team:
    """One process of several: its number, and how many there are. A process alone sends nothing."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that measures, tells and writes."""
        return self.rank == 0

    def batch(self, step: int) -> int:
        """The number of this process's batch of a step: no two processes see the same one."""
        return step * self.size + self.rank

    def average(self, module: nn.Module) -> None:
        """Replace the gradients of a module by their mean over all processes."""
        if self.size == 1:
            return
        learnt = [p for p in module.parameters() if p.requires_grad]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in learnt])
        distributed.all_reduce(flat)
        flat /= self.size
        for parameter, part in zip(learnt, torch.split(flat, [p.numel() for p in learnt]), strict=True):
            parameter.grad = part.view_as(parameter)

    def sums(self, *numbers: int) -> list[int]:
        """Each number summed over all processes."""
        if self.size == 1:
            return list(numbers)
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        told = torch.tensor(numbers, dtype=torch.int64, device=device)
        distributed.all_reduce(told)
        return [int(n) for n in told.tolist()]

    def leaders(self, value: Value) -> Value:
        """The value that the leading process has."""
        if self.size == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held)
        return held[0]


@contextmanager
def team(device: str) -> Iterator[tuple[Team, str]]:
    """The team that torchrun has started this process in, or one of its own; and the device that is its."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield Team(), device
        return
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device != "cpu" else "gloo")
    try:
        yield Team(distributed.get_rank(), size), device
    finally:
        distributed.destroy_process_group()
