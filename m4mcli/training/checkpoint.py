"""Checkpoints: safetensors files written atomically, resumable to the same next batch; never pickle."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from m4mcli.errors import M4mError
from m4mcli.networks.adapter import Lora
from m4mcli.networks.build import token_network
from m4mcli.networks.config import FoundationConfig, LatentConfig, read_config
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.latent import Latent
from m4mcli.networks.token_network import TokenNetwork


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on: weights, their running average, optimiser moments, and the facts beside them.

    Facts: `recipe` and `network` as plain values, `step`, `frames` seen; of an adapter also `adapter` (its rank) and
    `base`, the fingerprint of the weights that it adapts.
    """

    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    moments: dict[str, Tensor]
    facts: dict[str, Any]


def _save(tensors: dict[str, Tensor], facts: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        # safetensors leaves its files to the owner alone, whatever the umask says.
        beside.touch()
        mode = beside.stat().st_mode
        save_file({k: v.contiguous() for k, v in tensors.items()}, beside, metadata={"facts": json.dumps(facts)})
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not path.is_file():
        raise M4mError(f"{path}: no such checkpoint", "m4m train makes one")
    try:
        with safe_open(path, framework="pt") as f:
            facts = json.loads((f.metadata() or {})["facts"])
            if "network" not in facts:
                raise ValueError("it names no network")
            return {k: f.get_tensor(k) for k in f.keys()}, facts  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as e:
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
        if part not in parts:
            raise M4mError(f"{path}: not a readable checkpoint: it holds {name}")
        parts[part][rest] = value
    return Checkpoint(parts["weights"], parts["average"], parts["moments"], facts)


def save_shards(
    model: Foundation, folder: Path, shard_bytes: int = 15 << 20, facts: dict[str, Any] | None = None
) -> list[Path]:
    """Weights alone as fp16 safetensors of at most `shard_bytes` each, `weights-00.safetensors` on.

    A tensor larger than that is a shard of its own. `facts` go with them, as in a checkpoint.
    """
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, value in model.state_dict().items():
        half = value.half()
        if size and size + half.nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = half
        size += half.nbytes
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"weights-{i:02d}.safetensors" for i in range(len(shards))]
    told = {**(facts or {}), "network": model.config.as_dict(), "shards": len(shards)}
    for path, shard in zip(paths, shards, strict=True):
        _save(shard, told, path)
    return paths


def _load_shards(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    paths = sorted(folder.glob("weights-*.safetensors"))
    if not paths:
        raise M4mError(f"{folder}: no weights-*.safetensors here")
    tensors: dict[str, Tensor] = {}
    for path in paths:
        part, facts = _load(path)
        tensors |= {k: v.float() for k, v in part.items()}
        if facts.get("shards") != len(paths):
            raise M4mError(f"{folder}: {len(paths)} of {facts.get('shards')} shards here")
    return tensors, facts


def load_network(path: Path, *, averaged: bool = True) -> tuple[Foundation, dict[str, Any]]:
    """A network from a checkpoint file, or from a folder of fp16 shards; and the facts stored with it.

    Raises M4mError where there is none, or where it is an adapter's.
    """
    if path.is_dir():
        tensors, facts = _load_shards(path)
    else:
        checkpoint = load_checkpoint(path)
        tensors, facts = checkpoint.average if averaged else checkpoint.weights, checkpoint.facts
    if "adapter" in facts:
        raise M4mError(f"{path}: an adapter, not a network", f"its network is {facts['recipe']['start']}")
    if "kind" in facts["network"]:
        raise M4mError(f"{path}: a network over tokens, not the foundation")
    try:
        model = Foundation(FoundationConfig(**facts["network"]))
        model.load_state_dict(tensors)
    except (TypeError, RuntimeError) as e:
        raise M4mError(f"{path}: not the weights of the network it names: {str(e).splitlines()[0]}") from e
    return model.eval(), facts


def load_token_network(path: Path) -> tuple[TokenNetwork, dict[str, Any]]:
    """A network over tokens with its averaged weights, and the facts stored with it. Raises M4mError."""
    checkpoint = load_checkpoint(path)
    facts = checkpoint.facts
    try:
        config = read_config(facts["network"])
        if isinstance(config, FoundationConfig | LatentConfig):
            raise M4mError(f"{path}: no network over tokens")
        model = token_network(config, facts["tokens"]["sizes"])
        model.load_state_dict(checkpoint.average)
    except (KeyError, TypeError, RuntimeError) as e:
        raise M4mError(f"{path}: not the weights of the network it names: {str(e).splitlines()[0]}") from e
    return model.eval(), facts


def load_latent_network(path: Path) -> tuple[Latent, dict[str, Any]]:
    """An autoencoder with its averaged weights, and the facts stored with it. Raises M4mError."""
    checkpoint = load_checkpoint(path)
    try:
        config = read_config(checkpoint.facts["network"])
        if not isinstance(config, LatentConfig):
            raise M4mError(f"{path}: no autoencoder over melodies")
        model = Latent(config)
        model.load_state_dict(checkpoint.average)
    except (KeyError, TypeError, RuntimeError) as e:
        raise M4mError(f"{path}: not the weights of the network it names: {str(e).splitlines()[0]}") from e
    return model.eval(), checkpoint.facts


def load_adapter(path: Path) -> tuple[Lora, dict[str, Any]]:
    """An adapter's averaged tensors and the facts stored with them. Raises M4mError where it is none."""
    checkpoint = load_checkpoint(path)
    facts = checkpoint.facts
    if "adapter" not in facts:
        raise M4mError(f"{path}: a network, not an adapter")
    lora = Lora(FoundationConfig(**facts["network"]), facts["adapter"]["rank"])
    lora.load_state_dict(checkpoint.average)
    return lora.eval(), facts


def fingerprint(model: Foundation) -> str:
    """SHA-256 of a network's weights, in hex: by it an adapter knows its base."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
