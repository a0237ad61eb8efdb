"""Batches on their way to the device: made ahead by worker processes, in the same order as without any."""

import multiprocessing
import os
from collections.abc import Callable, Generator
from dataclasses import fields

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from m4mcli.networks.objective import TensorBatch
from m4mcli.training.batches import Batch

MOST_WORKERS = 12


class Steps(Dataset[dict[str, Tensor]]):
    """The batch of every step, by its number."""

    def __init__(self, make: Callable[[int], dict[str, Tensor]]) -> None:
        self.make = make

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        return self.make(step)


def as_tensors(batch: Batch) -> dict[str, Tensor]:
    """A batch's arrays as tensors, by field."""
    return {f.name: torch.from_numpy(getattr(batch, f.name)) for f in fields(batch)}


def on_device(tensors: dict[str, Tensor], device: str) -> TensorBatch:
    """A batch on the device; from pinned memory the copy runs beside the work of the step before."""
    return TensorBatch(**{name: x.to(device, non_blocking=True) for name, x in tensors.items()})


def default_workers(device: str) -> int:
    """As many worker processes as keep a GPU busy; none where the processor itself does the work."""
    if device == "cpu" or "fork" not in multiprocessing.get_all_start_methods():
        return 0
    return max(0, min(MOST_WORKERS, (os.cpu_count() or 1) - 1))


def feed(
    make: Callable[[int], dict[str, Tensor]], steps: range, device: str, workers: int = 0
) -> Generator[dict[str, Tensor]]:
    """The batches of some steps, as `make` gives them.

    Worker processes are forked, so they share what `make` has mapped into memory; they never touch the device.
    """
    loader = DataLoader(
        Steps(make),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="fork" if workers else None,
        pin_memory=device != "cpu",
    )
    yield from loader
