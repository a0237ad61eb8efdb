"""The one training loop: batches by seed and step, averaged weights, measurements, checkpoints."""

import json
import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from m4mcli.dataset.pack import Pack
from m4mcli.errors import USAGE, M4mError
from m4mcli.networks.objective import TensorBatch, field_losses
from m4mcli.training.batches import Example
from m4mcli.training.checkpoint import Checkpoint, load_checkpoint, optimizer_moments, restore_moments, save_checkpoint
from m4mcli.training.feed import default_workers, feed
from m4mcli.training.learner import Learner, build
from m4mcli.training.measure import measure, summed
from m4mcli.training.recipe import Recipe
from m4mcli.training.sampler import Sampler

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.jsonl"
Facts = dict[str, Any]
Report = Callable[[Facts], None]


def rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of a step: warm-up, level, linear fall to zero."""
    o = recipe.optimizer
    left = max(0.0, o.steps - step) / max(1.0, o.decay * o.steps)
    return o.lr * min(1.0, (step + 1) / o.warmup, left)


@dataclass
class Run:
    """A training run: what is trained, how far it is, and where it is written."""

    recipe: Recipe
    folder: Path
    device: str
    learner: Learner
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    step: int = 0
    frames: int = 0
    losses: list[Tensor] = field(default_factory=list)

    def advance(self, batch: TensorBatch, frames: int) -> None:
        """One step on a batch of so many frames."""
        o, trained = self.recipe.optimizer, self.learner.trained
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.recipe)
        kind = self.device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=self.recipe.trainer.precision == "bf16"):
            loss = summed(field_losses(self.learner.model, batch, self.learner.adapters()))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained.parameters(), o.clip)
        self.optimizer.step()
        self.step, self.frames = self.step + 1, self.frames + frames
        decay = min(o.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, value in trained.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        self.losses.append(loss.detach())

    def recent_loss(self) -> float:
        """Mean loss of the steps since this was last asked. Raises M4mError where it is no number."""
        # Read here and not at each step: a GPU would have to wait for it.
        loss = float(torch.stack(self.losses).double().mean())
        self.losses.clear()
        self._check(loss)
        return loss

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            hint = "the checkpoint is as it was last saved; a lower optimizer.lr may help"
            raise M4mError(f"{self.folder}: the loss is {loss} at step {self.step}", hint)

    def save(self) -> None:
        """Write the checkpoint. Raises M4mError where training has come to nothing."""
        if self.losses:
            self._check(float(self.losses[-1]))
        weights = {k: v.detach().clone() for k, v in self.learner.trained.state_dict().items()}
        moments = optimizer_moments(self.learner.trained, self.optimizer)
        facts = self.learner.facts(self.recipe) | {"step": self.step, "frames": self.frames}
        save_checkpoint(self.folder / CHECKPOINT, Checkpoint(weights, self.average, moments, facts))

    def write(self, facts: Facts) -> None:
        """Add a line to the metrics."""
        rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in facts.items()}
        with (self.folder / METRICS).open("a", encoding="utf-8") as f:
            f.write(json.dumps(rounded) + "\n")


def begin(recipe: Recipe, folder: Path, *, resume: bool, device: str) -> Run:
    """A run at its start, or where its checkpoint was written. Raises M4mError where it cannot go on from that."""
    path, o = folder / CHECKPOINT, recipe.optimizer
    if path.exists() and not resume:
        raise M4mError(f"{folder} holds a run already", "go on with --resume, or give another --out", USAGE)
    saved = load_checkpoint(path) if path.exists() else None
    torch.manual_seed(recipe.seed)
    learner = build(recipe, saved, device)
    optimizer = torch.optim.AdamW(learner.trained.parameters(), o.lr, o.betas, weight_decay=o.weight_decay, fused=True)
    weights = learner.trained.state_dict()
    if saved is None:
        return Run(recipe, folder, device, learner, optimizer, {k: v.detach().clone() for k, v in weights.items()})
    restore_moments(learner.trained, optimizer, {k: v.to(device) for k, v in saved.moments.items()})
    average = {k: saved.average[k].to(device) for k in weights}
    return Run(recipe, folder, device, learner, optimizer, average, saved.facts["step"], saved.facts["frames"])


def forget_after(path: Path, step: int) -> None:
    """Drop the metrics of steps that a resumed run does again."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if kept != lines:
        beside = path.with_suffix(".tmp")
        beside.write_text("".join(kept), encoding="utf-8")
        beside.replace(path)


def train(
    recipe: Recipe,
    pack: Pack,
    folder: Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
    device: str = "cpu",
    workers: int | None = None,
    report: Report = lambda facts: None,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Train a recipe on a pack; returns the checkpoint. `resume` goes on from the folder's checkpoint, if it has one.

    Writes FOLDER/checkpoint.safetensors and FOLDER/metrics.jsonl. Ends after recipe.optimizer.steps steps or
    `max_minutes`, or after the step in which `stop` says so. `workers` processes make batches ahead (None: as many as
    suit the device); they change no batch. On a processor a run in several pieces gives the same bits as one in a
    piece. Raises M4mError for a GPU that torch does not see.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise M4mError("--device cuda: torch sees no GPU", "use --device cpu, or install torch for CUDA")
    if device == "cpu":
        torch.set_num_threads(recipe.trainer.threads)
    else:
        torch.set_float32_matmul_precision("high")
    sampler = Sampler(pack, recipe)
    run = begin(recipe, folder, resume=resume, device=device)
    folder.mkdir(parents=True, exist_ok=True)
    forget_after(folder / METRICS, run.step)
    windows: list[tuple[str, list[Example]]] = []
    plan, steps = recipe.trainer, range(run.step, recipe.optimizer.steps)
    began, reported = time.monotonic(), (time.monotonic(), run.step)
    report({"step": run.step, "frames": run.frames, "fresh": run.learner.fresh})
    with closing(feed(sampler, steps, device, default_workers(device) if workers is None else workers)) as batches:
        while run.step < recipe.optimizer.steps and not stop():
            if max_minutes is not None and time.monotonic() - began >= 60 * max_minutes:
                break
            run.advance(*next(batches))
            if run.step % plan.report_every == 0:
                now = time.monotonic()
                speed = (run.step - reported[1]) / (now - reported[0])
                reported = now, run.step
                facts = {"step": run.step, "frames": run.frames, "loss": run.recent_loss(), "steps_per_second": speed}
                run.write({**facts, "lr": rate_at(run.step, recipe)})
                report(facts)
            if run.step % plan.evaluate_every == 0:
                windows = windows or list(sampler.validation(plan.evaluate_windows))
                for facts in evaluate(run, windows):
                    run.write(facts)
                    report(facts)
            if run.step % plan.save_every == 0:
                run.save()
    run.save()
    return folder / CHECKPOINT


def evaluate(run: Run, windows: list[tuple[str, list[Example]]]) -> list[Facts]:
    """What the averaged weights reach on validation windows, by kind and source."""
    averaged = run.learner.averaged(run.average)
    where: Facts = {"step": run.step, "frames": run.frames}
    return [
        {**where, "valid": name, **measure(averaged.model, examples, run.device, averaged.adapters())}
        for name, examples in windows
    ]
