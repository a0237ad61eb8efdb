"""A style adapter in training: low-rank changes of a network's matrices, and changes of its biases and gains."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from m4mcli.models.style import KIND
from m4mcli.networks.foundation import Foundation
from m4mcli.training.dequantised import Opened
from m4mcli.training.recipe import Recipe

CHANGED = ("blocks.", "encoder.", "inject.", "decoder.", "norm.", "encoder_norm.")
"""How the names of the parameters begin that an adapter changes; those of them that embed notes stay."""

KEPT = ("decoder.note.", "decoder.chosen.", "decoder.circle.", "decoder.to_circle.", "decoder.tone.")
"""The rest of what stays: the way to the notes that turns with the music is the same in every style."""


class LowRank(nn.Module):
    """A matrix (outputs, inputs) and what is added to it (LoRA, arXiv 2106.09685). It starts as no change."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.a = nn.Parameter(torch.randn(inputs, rank) * inputs**-0.5)
        self.b = nn.Parameter(torch.zeros(rank, outputs))

    def forward(self, weight: Tensor) -> Tensor:
        """The changed matrix."""
        return weight + (self.a @ self.b).T


class Shift(nn.Module):
    """A vector and what is added to it."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.add = nn.Parameter(torch.zeros_like(weight))

    def forward(self, weight: Tensor) -> Tensor:
        """The changed vector."""
        return weight + self.add


@dataclass(frozen=True)
class StyleLearner:
    """A network whose weights stay, with the changes that are learnt put on. A Pupil (m4mcli.training.lesson)."""

    model: Foundation
    changes: nn.ModuleDict
    fresh: tuple[str, ...] = ()

    @property
    def trained(self) -> nn.Module:
        """The changes."""
        return self.changes

    def adapters(self) -> None:
        """Adapters of the other kind: none."""
        return

    def facts(self, recipe: Recipe) -> dict[str, Any]:
        """What a checkpoint says about it."""
        return {"network": self.model.config.as_dict(), "adapter": {"rank": 0}}

    def averaged(self, average: dict[str, Tensor]) -> "StyleLearner":
        """The network with averaged changes in its weights, for measuring."""
        changes = nn.ModuleDict(dict(_changes(self.model, 1)))
        plain = Foundation(self.model.config)
        plain.load_state_dict(changed_weights(self.model, average))
        return StyleLearner(plain.eval(), changes)


def learner_of(network: Foundation, rank: int) -> StyleLearner:
    """A learner of changes to a network, which is changed in its place."""
    network.requires_grad_(False)
    changes = nn.ModuleDict(dict(_changes(network, rank)))
    for name, change in changes.items():
        owner, _, parameter = name.replace("-", ".").rpartition(".")
        parametrize.register_parametrization(network.get_submodule(owner), parameter, change)
    return StyleLearner(network.train(), changes)


def _changes(network: Foundation, rank: int) -> Iterator[tuple[str, nn.Module]]:
    """The changes by name; names of modules cannot have a dot."""
    for name, weight in _plain(network).items():
        if name.startswith(CHANGED) and not name.startswith(KEPT):
            yield name.replace(".", "-"), LowRank(weight, rank) if weight.dim() == 2 else Shift(weight)


def _plain(network: Foundation) -> dict[str, Tensor]:
    """The network's own weights, whether changes are put on or not."""
    return {
        name.replace("parametrizations.", "").removesuffix(".original"): value
        for name, value in network.state_dict().items()
        if not name.endswith((".0.a", ".0.b", ".0.add"))
    }


def changed_weights(network: Foundation, changes: dict[str, Tensor]) -> dict[str, Tensor]:
    """All weights of a network with changes added: tensors by the names of a learner's `trained`."""
    weights = {name: value.clone() for name, value in _plain(network).items()}
    for name, value in changes.items():
        flat, _, part = name.rpartition(".")
        target = flat.replace("-", ".")
        if part == "add":
            weights[target] += value
        elif part == "a":
            weights[target] += (value @ changes[f"{flat}.b"]).T
    return weights


def half(changes: dict[str, Tensor]) -> dict[str, Tensor]:
    """Changes as they are stored."""
    return {name: value.half().float() for name, value in changes.items()}


def arrays_of(changes: dict[str, Tensor], found: Opened, task: str) -> dict[str, NDArray[Any]]:
    """The changes as the arrays of an adapter's file: by task, graph, tensor and part."""
    out = {}
    for name, value in changes.items():
        flat, _, part = name.rpartition(".")
        for place in found.places[flat.replace("-", ".")]:
            out[f"{task}/{place.graph}/{place.tensor}/{part}"] = value.half().numpy()
    return out


def write_style(path: Path, arrays: dict[str, NDArray[Any]], adapters: dict[str, Any]) -> None:
    """Write an adapter's file; it takes its name when it is whole."""
    about = json.dumps({"m4m": 1, "kind": KIND, "adapters": adapters}).encode()
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as file:
            np.savez_compressed(file, about=np.frombuffer(about, np.uint8), **arrays)  # type: ignore[arg-type]
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
