"""Make a model one's own: a style adapter learnt from a folder of files, and what it changed."""

import math
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from m4mcli.dataset.pack import Pack
from m4mcli.errors import FAILED, M4mError
from m4mcli.models.registry import ModelFolder, find_model, weights_hash
from m4mcli.models.session import OnnxNetwork
from m4mcli.models.style import Style, styled
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.objective import TensorBatch
from m4mcli.training.batches import Example
from m4mcli.training.checkpoint import Checkpoint, load_checkpoint
from m4mcli.training.dequantised import opened
from m4mcli.training.examples import MAKERS, TASK_OF, Augmentation, example
from m4mcli.training.frame_lesson import FrameLesson
from m4mcli.training.lesson import Pupil
from m4mcli.training.loop import BEST, Report, train
from m4mcli.training.measure import measure
from m4mcli.training.own_music import neutral_pieces
from m4mcli.training.recipe import Mix, Recipe, read_recipe
from m4mcli.training.rehearsal import Window, change, remembered, written_pieces
from m4mcli.training.style import StyleLearner, arrays_of, changed_weights, half, learner_of
from m4mcli.training.torch_network import TorchNetwork
from m4mcli.training.verify import compare, require_small, tune

Facts = dict[str, Any]
WRITES = "continue"
"""The task whose models write from nothing."""


@dataclass(frozen=True)
class Plan:
    """How an adapter is learnt: in at most `steps`, or until `patience` measurements have brought nothing.

    `remember` pieces are written by the model beforehand, on which it is to stay as it is. `windows` of the pieces held
    out, at most, are measured every `evaluate_every` steps.
    """

    rank: int = 16
    remember: int = 16
    steps: int = 400
    evaluate_every: int = 25
    patience: int = 4
    windows: int = 60
    lr: float = 4e-3
    seed: int = 0
    threads: int = 1
    max_minutes: float | None = None


@dataclass(frozen=True)
class Adapted:
    """An adapter's arrays, what its file says of the task, and what was measured."""

    arrays: dict[str, NDArray[Any]]
    told: Facts


class StyleLesson(FrameLesson):
    """Windows of one's own music, for a network whose weights stay."""

    def __init__(self, recipe: Recipe, pack: Pack, network: Foundation, rank: int, known: list[Window]) -> None:
        super().__init__(recipe, pack)
        self.network, self.rank, self.known = network, rank, known
        self.steps = 0

    def begin(self, saved: Checkpoint | None, device: str) -> StyleLearner:  # type: ignore[override]
        """The network with changes put on, none of them made yet."""
        return learner_of(self.network, self.rank)

    def loss(self, pupil: Pupil, batch: TensorBatch) -> Tensor:
        """Nats per note, and the change of what was known before."""
        nats = super().loss(pupil, batch)
        if not self.known:
            return nats
        self.steps += 1
        return nats + change(self.network, self.known[self.steps % len(self.known)])


def recipe_for(model: ModelFolder, task: str, pack: Pack, plan: Plan) -> Recipe:
    """The model's own recipe for the task, with the pack's sources in the place of its own and the plan's optimiser.

    Raises M4mError for a model without a recipe.
    """
    path = model.path / "recipe.toml"
    if not path.is_file():
        raise M4mError(f"{path}: missing, so nothing says how the model is trained", "m4m export-onnx writes it")
    recipe = read_recipe(path)
    sources = dict.fromkeys(sorted({line["source"].partition("/")[0] for line in pack.pieces}), 1.0)
    fitting = [mix for mix in recipe.data.mix if TASK_OF.get(mix.make) == task] or recipe.data.mix
    mixes = tuple(Mix(mix.make, mix.weight, sources, mix.transforms) for mix in fitting)
    optimizer = replace(
        recipe.optimizer, lr=plan.lr, steps=plan.steps, warmup=10, decay=0.5, weight_decay=0.0, average=0.95
    )
    trainer = replace(
        recipe.trainer,
        report_every=5,
        save_every=plan.steps,
        evaluate_every=plan.evaluate_every,
        evaluate_windows=plan.windows,
        stop_after=plan.patience,
        precision="fp32",
        threads=plan.threads,
        compile=False,
    )
    data = replace(recipe.data, mix=mixes)
    return replace(
        recipe, name=f"style of {task}", seed=plan.seed, start="", data=data, optimizer=optimizer, trainer=trainer
    )


def adapt(
    pack: Pack,
    model: ModelFolder,
    task: str,
    plan: Plan,
    *,
    neutral: Pack | None = None,
    report: Report = lambda facts: None,
) -> Adapted:
    """Learn an adapter of a model from the split `train` of a pack; `valid` says when to end.

    Raises M4mError where the pack has no music for the task, where nothing is gained on what was held out, and where
    the model with the adapter put on is not what was learnt.
    """
    began = time.monotonic()
    found = opened(model)
    recipe = recipe_for(model, task, pack, plan)
    written = written_pieces(_writer(model, task), plan.remember, plan.seed) if plan.remember else []
    known = remembered(found.network, written, recipe)
    lesson = StyleLesson(recipe, pack, found.network, plan.rank, known)
    windows = {"own": [e for _, examples in lesson.validation(plan.windows) for e in examples]}
    if not windows["own"]:
        raise M4mError(f"nothing for {task} in the files held out", "more files, or put some into FOLDER/valid")
    windows["neutral"] = neutral_windows(recipe, neutral, plan.windows)
    before = {name: measure(found.network, w)["nats_per_note"] for name, w in windows.items() if w}
    report({"step": 0, "frames": 0, "valid": "before", "nats_per_note": before["own"]})
    with tempfile.TemporaryDirectory(prefix="m4m-adapt-") as run:
        last = train(recipe, lesson, Path(run), max_minutes=plan.max_minutes, report=report)
        best = last.with_name(BEST)
        checkpoint = load_checkpoint(best if best.exists() else last)
    changes = half(checkpoint.average)
    changed = Foundation(found.network.config)
    changed.load_state_dict(changed_weights(found.network, changes))
    after = {name: measure(changed.eval(), windows[name])["nats_per_note"] for name in before}
    if not after["own"] < before["own"] or not math.isfinite(after["own"]):
        rates = f"{before['own']:.3f} nats a note before, {after['own']:.3f} after"
        raise M4mError(f"nothing gained on the files held out: {rates}", "more files, or a lower --rate", FAILED)
    told = {
        "model": model.name,
        "weights": weights_hash(model.path),
        "rank": plan.rank,
        "step": checkpoint.facts["step"],
        "pieces": {split: sum(line["split"] == split for line in pack.pieces) for split in ("train", "valid")},
        "windows": {name: len(windows[name]) for name in before},
        "nats_per_note": {name: {"before": before[name], "after": after[name]} for name in before},
    }
    arrays = arrays_of(changes, found, task)
    told["kl_nats"] = _verified(changed, arrays, told, model, task)
    told["seconds"] = round(time.monotonic() - began, 1)
    return Adapted(arrays, told)


def _writer(model: ModelFolder, task: str) -> OnnxNetwork:
    """What writes the music to be remembered: the model itself, or that of `continue` where it needs a reference."""
    return OnnxNetwork(model if task == WRITES else find_model(None, WRITES))


def neutral_windows(recipe: Recipe, pack: Pack | None, most: int) -> list[Example]:
    """Windows of music that is not the person's: of a pack's validation pieces, or the tunes that ship."""
    if pack is None:
        pieces = list(neutral_pieces())
    else:
        held = [i for i, line in enumerate(pack.pieces) if line["split"] == "valid"]
        pieces = [pack[i] for i in held[:: -(-len(held) // most)]]
    rng = np.random.default_rng(0)
    made = (MAKERS[mix.make](piece, rng) for mix in recipe.data.mix for piece in pieces)
    return [example(pair, recipe.data.frames, Augmentation(), rng) for pair in made if pair is not None]


def _verified(changed: Foundation, arrays: dict[str, Any], told: Facts, model: ModelFolder, task: str) -> float:
    """Nats a decision by which the model with its adapter put on is from what was learnt. Raises M4mError."""
    style = Style(Path("the adapter"), {task: told}, arrays)
    network = OnnxNetwork(model, weights=styled(style, model, task))
    difference = compare(TorchNetwork(changed, model.facts["window"]), network, [tune()])
    require_small(difference, 8, model.path)
    return difference.kl
