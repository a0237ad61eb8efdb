"""The foundation and its adapters as what is exported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from m4mcli.errors import M4mError
from m4mcli.models.registry import read_model
from m4mcli.models.session import OnnxNetwork
from m4mcli.networks.adapter import Lora
from m4mcli.networks.config import FoundationConfig
from m4mcli.networks.foundation import Foundation
from m4mcli.training.checkpoint import fingerprint, load_adapter, load_network, save_shards
from m4mcli.training.graphs import trace
from m4mcli.training.subject import Measured, Subject
from m4mcli.training.torch_network import TorchNetwork
from m4mcli.training.verify import Piece, require_close, require_exact

FORMS_OF_ONE_NETWORK = {"none", "self"}
"""Forms of alignment that differ in what is read, not in the weights."""


@dataclass(frozen=True)
class Task:
    """An adapter to export: the task it is for, its tensors, and the network in the form in which it was trained."""

    name: str
    lora: Lora
    model: Foundation

    @property
    def file(self) -> str:
        """Its file in the model folder."""
        return f"adapter-{self.name}.npz"

    def described(self) -> dict[str, Any]:
        """What model.json says about it."""
        return {"file": self.file, "alignment": self.model.config.alignment, "rank": self.lora.rank}


def read_task(path: Path, base: Foundation) -> Task:
    """An adapter's checkpoint as what is exported, its tensors in half precision. Raises M4mError on another base."""
    lora, facts = load_adapter(path)
    config = FoundationConfig(**facts["network"])
    if facts["base"] != fingerprint(base):
        raise M4mError(f"{path}: an adapter of another network", f"it was trained on {facts['recipe']['start']}")
    forms = {config.alignment, base.config.alignment}
    if len(forms) > 1 and forms != FORMS_OF_ONE_NETWORK:
        raise M4mError(f"{path}: {config.alignment} alignment, its network has {base.config.alignment}")
    model = Foundation(config)
    model.load_state_dict(base.state_dict())
    with torch.no_grad():
        for tensor in lora.tensors():
            tensor.copy_(tensor.half().float())
    return Task(facts["recipe"]["task"], lora, model.eval())


class FrameSubject(Subject):
    """A foundation, verified on pieces of frames."""

    def __init__(
        self, checkpoint: Path, pieces: list[Piece], adapters: tuple[Path, ...] = (), adapter_inputs: bool = False
    ) -> None:
        self.model, self.facts = load_network(checkpoint)
        self.pieces, self.tasks = pieces, [read_task(path, self.model) for path in adapters]
        self.adapter_inputs = adapter_inputs or bool(self.tasks)

    @property
    def count(self) -> int:
        """How many pieces it is verified on."""
        return len(self.pieces)

    def traced(self, quiet: bool) -> dict[str, onnx.ModelProto]:
        """Its graphs."""
        return trace(self.model, adapter=self.adapter_inputs, quiet=quiet)

    def described(self) -> dict[str, Any]:
        """What model.json says."""
        recipe = self.facts.get("recipe", {})
        described = {
            "m4m": 1,
            "task": recipe.get("task", "continue"),
            "also": list(recipe.get("also", ())),
            "network": self.model.config.as_dict(),
            "window": recipe.get("data", {}).get("frames", 384),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "trained_frames": self.facts.get("frames", 0),
        }
        if self.tasks:
            described["adapters"] = {task.name: task.described() for task in self.tasks}
        return described

    def add_files(self, folder: Path) -> None:
        """The adapters."""
        for task in self.tasks:
            arrays: dict[str, Any] = {n: tensor.detach().half().numpy() for n, tensor in task.lora.parts.items()}
            np.savez(folder / task.file, **arrays)

    def add_shards(self, folder: Path, shard_bytes: int) -> None:
        """The weights for torch."""
        told: Measured = {k: self.facts[k] for k in ("recipe", "step", "frames") if k in self.facts}
        save_shards(self.model, folder, shard_bytes, told)

    def verified(self, bits: int, folder: Path, out: Path) -> Measured:
        """How far the exported network and each adapter are from torch. Raises M4mError where it is too far."""
        found = read_model(folder)
        require, window = (require_exact if bits == 32 else require_close), found.facts["window"]
        peers = [("", TorchNetwork(self.model, window), OnnxNetwork(found))]
        for task in self.tasks:
            trained = TorchNetwork(task.model, window, [t.detach() for t in task.lora.tensors()])
            peers.append((task.name, trained, OnnxNetwork(found, adapter=task.name)))
        measured: Measured = {}
        for name, trained, exported in peers:
            difference = require(trained, exported, self.pieces, out)
            (measured.setdefault("adapters", {}).setdefault(name, {}) if name else measured).update(
                largest_logit_difference=difference.logits, kl_nats=difference.kl, decisions=difference.decisions
            )
        return measured
