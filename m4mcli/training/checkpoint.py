"""Checkpoints: safetensors files written atomically, resumable to the same next batch; never pickle."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from m4mcli.errors import M4mError
from m4mcli.networks.foundation import Foundation, FoundationConfig


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on: weights, their running average, optimiser moments, and the facts beside them."""

    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    moments: dict[str, Tensor]
    facts: dict[str, Any]


def _save(tensors: dict[str, Tensor], facts: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".checkpoint-")
    os.close(handle)
    try:
        save_file({k: v.contiguous() for k, v in tensors.items()}, name, metadata={"facts": json.dumps(facts)})
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as f:
            facts = json.loads((f.metadata() or {}).get("facts", "{}"))
            return {k: f.get_tensor(k) for k in f.keys()}, facts  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, ValueError) as e:
        raise M4mError(f"{path}: not a readable checkpoint: {e}") from e


def optimizer_moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's state as named tensors."""
    out = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            out[f"{key}/{name}"] = torch.as_tensor(value)
    return out


def restore_moments(model: nn.Module, optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    """Put named tensors back as AdamW's state."""
    for name, parameter in model.named_parameters():
        state = {k.split("/", 1)[0]: v for k, v in moments.items() if k.split("/", 1)[1] == name}
        if state:
            optimizer.state[parameter] = state


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a run killed at any moment leaves the old one or the new one whole."""
    named = {
        **{f"weights/{k}": v for k, v in checkpoint.weights.items()},
        **{f"average/{k}": v for k, v in checkpoint.average.items()},
        **{f"moments/{k}": v for k, v in checkpoint.moments.items()},
    }
    _save(named, checkpoint.facts, path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises M4mError where it is missing or broken."""
    tensors, facts = _load(path)
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "moments": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = value
    return Checkpoint(parts["weights"], parts["average"], parts["moments"], facts)


def save_shards(model: Foundation, folder: Path, shard_bytes: int = 15 << 20) -> list[Path]:
    """Weights alone as fp16 safetensors of at most `shard_bytes` each, `weights-00.safetensors` on."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in model.state_dict().items():
        half = value.half()
        if size and size + half.nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = half
        size += half.nbytes
    paths = [folder / f"weights-{i:02d}.safetensors" for i in range(len(shards))]
    for path, shard in zip(paths, shards, strict=True):
        _save(shard, {"network": model.config.as_dict(), "shards": len(shards)}, path)
    return paths


def load_network(path: Path, *, averaged: bool = True) -> tuple[Foundation, dict[str, Any]]:
    """A network from a checkpoint file, or from a folder of fp16 shards; and the facts stored with it."""
    if path.is_dir():
        tensors: dict[str, Tensor] = {}
        facts: dict[str, Any] = {}
        for shard in sorted(path.glob("weights-*.safetensors")):
            part, facts = _load(shard)
            tensors |= {k: v.float() for k, v in part.items()}
        if not tensors:
            raise M4mError(f"{path}: no weights-*.safetensors here")
    else:
        checkpoint = load_checkpoint(path)
        tensors, facts = checkpoint.average if averaged else checkpoint.weights, checkpoint.facts
    model = Foundation(FoundationConfig(**facts["network"]))
    model.load_state_dict(tensors)
    return model.eval(), facts
