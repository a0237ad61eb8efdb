"""Is an exported autoencoder the one that was trained? Its graphs, and its logits and melodies beside torch's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from m4mcli.dataset.corpus import Corpus
from m4mcli.dataset.melodies import Windows, melody_windows
from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.melody_attributes import FILE, directions
from m4mcli.generation.latent_sampling import LIKELIEST, told_logits, written
from m4mcli.generation.sampling import Sampling, log_softmax
from m4mcli.models.latent_model import LatentModel
from m4mcli.models.latent_session import OnnxLatentModel
from m4mcli.models.network import Integers
from m4mcli.models.registry import read_model
from m4mcli.networks.latent import Believe, EventStep, Guide, Latent, ReadStep
from m4mcli.training.checkpoint import load_latent_network
from m4mcli.training.graphs import BATCH, Graph, trace_all
from m4mcli.training.latent_lesson import LatentLesson
from m4mcli.training.recipe import build_recipe
from m4mcli.training.subject import Measured, Subject
from m4mcli.training.torch_latent_model import TorchLatentModel
from m4mcli.training.verify import Difference, require_small, tune

EACH = 4
"""Windows of every kind and source that it is verified on."""

HEARD, PARTS = 4096, 16
"""Training windows from which the directions of its attributes are found, and in how many parts these are read."""


class LatentSubject(Subject):
    """An autoencoder, verified on windows of a pack or on a built-in tune; attributes are found in a pack alone."""

    def __init__(self, checkpoint: Path, pack: Path | None) -> None:
        self.model, self.facts = load_latent_network(checkpoint)
        self.path = checkpoint
        self.heard: Windows | None = None
        if pack is None:
            # The tune has eight bars; of it as many windows are made as the network needs.
            events = melody_windows(tune().score(), 32, 32).ravel()
            self.windows = np.resize(events, (2, self.model.config.events)).astype(np.int64)
        else:
            self._hear(pack)

    def _hear(self, pack: Path) -> None:
        recipe = build_recipe(self.facts["recipe"])
        lesson = LatentLesson(recipe, Corpus(pack, [s for mix in recipe.data.mix for s in mix.sources]))
        found = [windows for _, windows in lesson.validation(EACH)]
        if not found:
            raise M4mError("the pack has no validation pieces of the recipe's sources", "leave --pack out")
        self.windows = np.concatenate(found).astype(np.int64)
        rng = np.random.default_rng(0)
        self.heard = np.stack([lesson.draw(rng) for _ in range(HEARD)])

    @property
    def count(self) -> int:
        """How many windows it is verified on."""
        return len(self.windows)

    def traced(self, quiet: bool) -> dict[str, onnx.ModelProto]:
        """Its graphs."""
        return trace_all(latent_graphs(self.model.eval()), quiet=quiet)

    def described(self) -> dict[str, Any]:
        """What model.json says."""
        recipe = self.facts["recipe"]
        return {
            "m4m": 1,
            "task": recipe["task"],
            "part": recipe["data"]["mix"][0]["make"],
            "network": self.model.config.as_dict(),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "trained_frames": self.facts.get("windows", 0) * self.model.config.events,
        }

    def add_files(self, folder: Path) -> None:
        """The directions in which its attributes grow, where music was given to find them in."""
        if self.heard is None:
            return
        model = TorchLatentModel(self.model)
        parts = np.array_split(self.heard.astype(np.int64), PARTS)
        points = [model.encode(part)[0] for part in parts]
        np.savez(folder / FILE, **directions(self.heard, np.concatenate(points)))  # type: ignore[arg-type]

    def add_shards(self, folder: Path, shard_bytes: int) -> None:
        """Only the foundation is trained further from shards. Raises M4mError."""
        raise M4mError(f"{self.path}: an autoencoder has no shards", "leave --shards out", USAGE)

    def verified(self, bits: int, folder: Path, out: Path) -> Measured:
        """How far the exported network is from torch. Raises M4mError where it is too far."""
        trained, exported = TorchLatentModel(self.model), OnnxLatentModel(read_model(folder))
        found = compare(trained, exported, self.windows)
        require_small(found, bits, out)
        if bits == 32 and not same_melodies(trained, exported, self.windows):
            raise M4mError(f"{out}: the same seed gives other music than torch")
        return {"largest_logit_difference": found.logits, "kl_nats": found.kl, "decisions": found.decisions}


def compare(a: LatentModel, b: LatentModel, windows: Integers) -> Difference:
    """How far two networks' logits are apart on the same windows, each from the point that it makes of them itself."""
    x, y = (told_logits(model, model.encode(windows)[0], windows) for model in (a, b))
    p, q = log_softmax(x), log_softmax(y)
    return Difference(float(np.abs(x - y).max()), float((np.exp(p) * (p - q)).sum(-1).mean()), windows.size)


def same_melodies(a: LatentModel, b: LatentModel, windows: Integers) -> bool:
    """Whether two networks write the same events: the likeliest of these windows' points, and draws of other points."""
    drawn = np.random.default_rng(0).standard_normal((2, a.latent)).astype(np.float32)
    for sampling, points in ((LIKELIEST, a.encode(windows)[0]), (Sampling(temperature=0.9, top_p=0.98), drawn)):
        ours, theirs = (
            written(model, points, sampling, [np.random.default_rng(i) for i in range(len(points))]) for model in (a, b)
        )
        if not np.array_equal(ours, theirs):
            return False
    return True


def latent_graphs(model: Latent) -> Iterator[tuple[str, Graph]]:
    """The graphs of an autoencoder by name: read_N for each layer of its reader, believe, guide, event_step."""
    c = model.config
    free = {0: torch.export.Dim("batch")}
    hands = ("outputs", "cells")
    for layer in range(c.encoder_layers):
        x = torch.zeros(BATCH, 2, 2 * c.encoder_width) if layer else torch.zeros(BATCH, 2, dtype=torch.int64)
        states = [torch.zeros(BATCH, 2, c.encoder_width) for _ in hands]
        names = ("next_outputs", "next_cells")
        yield f"read_{layer}", Graph(ReadStep(model, layer), (x, *states), ("x", *hands), names, (free,) * 3)
    last = torch.zeros(BATCH, 2 * c.encoder_width)
    yield "believe", Graph(Believe(model), (last,), ("last",), ("mean", "deviation"), (free,))
    point = torch.zeros(BATCH, c.latent)
    yield "guide", Graph(Guide(model), (point,), ("point",), ("guides", *hands), (free,))
    event = torch.zeros(BATCH, dtype=torch.int64)
    guide = torch.zeros(BATCH, model.config.told)
    states = [torch.zeros(BATCH, c.layers, c.width) for _ in hands]
    told = ("logits", "next_outputs", "next_cells")
    yield "event_step", Graph(EventStep(model), (event, guide, *states), ("event", "guide", *hands), told, (free,) * 4)
