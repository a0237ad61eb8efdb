"""A trained network as a model folder: ONNX graphs in 8 bits, verified against torch before they are kept."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from m4mcli.errors import USAGE, M4mError
from m4mcli.models.registry import HASHES, read_model, write_hashes
from m4mcli.models.session import OnnxNetwork
from m4mcli.networks.adapter import Lora
from m4mcli.networks.config import FoundationConfig
from m4mcli.networks.foundation import Foundation
from m4mcli.training.checkpoint import fingerprint, load_adapter, load_network, save_shards
from m4mcli.training.graphs import DATA, export_graphs, graphs, trace, write_graphs
from m4mcli.training.recipe import as_toml, build_recipe
from m4mcli.training.torch_network import TorchNetwork
from m4mcli.training.verify import Piece, require_close, require_exact

MADE = ("encoder.onnx", "frame_step.onnx", "note_step.onnx", DATA, "model.json", "export.json", HASHES)
MADE_MANY = ("adapter-*.npz", "weights-*.safetensors")
"""Files of an older export, by name and by pattern, which a new one does not keep."""

FORMS_OF_ONE_NETWORK = {"none", "self"}
"""Forms of alignment that differ in what is read, not in the weights."""

Measured = dict[str, Any]


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


def require_place(out: Path) -> None:
    """Raise M4mError unless a model folder may be written there: nothing is there, or an older model."""
    if out.exists() and not (out.is_dir() and ((out / "model.json").is_file() or not any(out.iterdir()))):
        raise M4mError(f"{out}: exists and is no model folder", "give another -o", USAGE)


def export_model(
    checkpoint: Path,
    out: Path,
    *,
    pieces: list[Piece],
    card: str = "",
    recipe: Path | None = None,
    adapters: tuple[Path, ...] = (),
    adapter_inputs: bool = False,
    shard_bytes: int = 0,
    quiet: bool = True,
) -> Measured:
    """Export a checkpoint as a model folder: verified graphs, facts, recipe, card, hashes. Returns what was measured.

    The full-precision graphs must equal torch and the 8-bit ones come close to it, with each adapter too; else nothing
    is written and M4mError is raised. Files of an older export in `out` are replaced, others (metrics.json) are kept.
    `shard_bytes` above 0 adds the weights as fp16 safetensors of that size.
    """
    require_place(out)
    model, facts = load_network(checkpoint)
    tasks = [read_task(path, model) for path in adapters]
    described = _described(model, facts, tasks)
    measured: Measured = {"pieces": len(pieces)}
    out.parent.mkdir(parents=True, exist_ok=True)
    traced = trace(model, adapter=adapter_inputs or bool(tasks), quiet=quiet)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as work:
        for bits in (32, 8):
            folder = Path(work) / str(bits)
            folder.mkdir()
            write_graphs(traced, folder, bits=bits, quiet=quiet)
            for task in tasks:
                np.savez(folder / task.file, **_arrays(task.lora))
            (folder / "model.json").write_text(json.dumps(described, indent=1) + "\n")
            write_hashes(folder)
            measured[f"{bits} bit"] = _verified(bits, folder, model, tasks, pieces, out)
        (folder / "export.json").write_text(json.dumps(measured, indent=1) + "\n")
        _add_texts(folder, facts, card, recipe)
        if shard_bytes:
            save_shards(model, folder, shard_bytes, {k: facts[k] for k in ("recipe", "step", "frames") if k in facts})
        _put(folder, out)
    return measured


def _described(model: Foundation, facts: dict[str, Any], tasks: list[Task]) -> dict[str, Any]:
    recipe = facts.get("recipe", {})
    described = {
        "m4m": 1,
        "task": recipe.get("task", "continue"),
        "network": model.config.as_dict(),
        "window": recipe.get("data", {}).get("frames", 384),
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_frames": facts.get("frames", 0),
    }
    if tasks:
        described["adapters"] = {task.name: task.described() for task in tasks}
    return described


def _arrays(lora: Lora) -> dict[str, Any]:
    return {name: tensor.detach().half().numpy() for name, tensor in lora.parts.items()}


def _verified(
    bits: int, folder: Path, model: Foundation, tasks: list[Task], pieces: list[Piece], out: Path
) -> Measured:
    """How far the exported network and each adapter are from torch. Raises M4mError where it is too far."""
    found = read_model(folder)
    require, window = (require_exact if bits == 32 else require_close), found.facts["window"]
    peers = [("", TorchNetwork(model, window), OnnxNetwork(found))]
    for task in tasks:
        trained = TorchNetwork(task.model, window, [t.detach() for t in task.lora.tensors()])
        peers.append((task.name, trained, OnnxNetwork(found, adapter=task.name)))
    measured: Measured = {}
    for name, trained, exported in peers:
        difference = require(trained, exported, pieces, out)
        (measured.setdefault("adapters", {}).setdefault(name, {}) if name else measured).update(
            largest_logit_difference=difference.logits, kl_nats=difference.kl, decisions=difference.decisions
        )
    return measured


def _add_texts(folder: Path, facts: dict[str, Any], card: str, recipe: Path | None) -> None:
    if recipe is not None:
        shutil.copy(recipe, folder / "recipe.toml")
    elif "recipe" in facts:
        (folder / "recipe.toml").write_text(as_toml(build_recipe(facts["recipe"])), encoding="utf-8")
    if card:
        (folder / "card.md").write_text(card, encoding="utf-8")


def _put(folder: Path, out: Path) -> None:
    """Put a finished folder in the place of an older one, with what that holds besides."""
    if out.exists():
        stale = {path.name for pattern in MADE_MANY for path in out.glob(pattern)} | set(MADE)
        for path in out.iterdir():
            if path.name not in stale and not (folder / path.name).exists():
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, folder / path.name)
    write_hashes(folder)
    if out.exists():
        old = folder.with_name("old")
        out.rename(old)
    folder.rename(out)


__all__ = ["export_graphs", "export_model", "graphs", "read_task", "require_place"]
