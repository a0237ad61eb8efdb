"""The one training loop: batches by seed and step, averaged weights, measurements, checkpoints."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from m4mcli.dataset.pack import Pack
from m4mcli.errors import M4mError
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.objective import FieldLosses, TensorBatch, field_losses
from m4mcli.training.batches import Batch, collate
from m4mcli.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_network,
    optimizer_moments,
    restore_moments,
    save_checkpoint,
)
from m4mcli.training.examples import MAKERS, Augmentation, Example, example
from m4mcli.training.recipe import Mix, Recipe

Report = Callable[[dict[str, float]], None]


class Sampler:
    """Training examples drawn by the recipe's shares; the same seed and step give the same batch."""

    def __init__(self, pack: Pack, recipe: Recipe) -> None:
        self.pack, self.recipe = pack, recipe
        self.mixes = [(m, self._tables(m, "train")) for m in recipe.data.mix]
        if not any(tables for _, tables in self.mixes):
            raise M4mError(f"recipe {recipe.name}: the pack holds none of its sources", "see m4m dataset")

    def _tables(self, mix: Mix, split: str) -> list[tuple[float, np.ndarray, np.ndarray]]:
        tables = []
        for source, share in mix.sources.items():
            rows = [i for i, p in enumerate(self.pack.pieces) if (p["source"], p["split"]) == (source, split)]
            if rows:
                length = np.array([self.pack.pieces[i]["length"] for i in rows], float)
                tables.append((share, np.array(rows), np.cumsum(length / length.sum())))
        return tables

    def draw(self, rng: np.random.Generator) -> Example:
        """One example."""
        weights = np.cumsum([m.weight if tables else 0.0 for m, tables in self.mixes])
        while True:
            mix, tables = self.mixes[int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))]
            shares = np.cumsum([t[0] for t in tables])
            _, rows, ladder = tables[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]
            piece = self.pack[int(rows[min(int(np.searchsorted(ladder, rng.random())), len(rows) - 1)])]
            pair = MAKERS[mix.make](piece, rng)
            if pair is not None and pair.length >= 32:
                return example(pair, self.recipe.data.frames, self.recipe.augmentation, rng)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        return collate([self.draw(rng) for _ in range(self.recipe.data.windows)])

    def validation(self, limit: int) -> Iterator[tuple[str, list[Example]]]:
        """Name and fixed validation windows of each kind and source, the same in every run."""
        for mix in self.recipe.data.mix:
            for source in mix.sources:
                rng = np.random.default_rng(0)
                pieces = list(self.pack.select("valid", [source]))
                pairs = [MAKERS[mix.make](p, rng) for p in pieces[:: max(1, len(pieces) // limit)][:limit]]
                found = [example(p, self.recipe.data.frames, Augmentation(), rng) for p in pairs if p]
                if found:
                    yield f"{mix.make}/{source}", found


def tensors(batch: Batch, device: str) -> TensorBatch:
    """A packed batch on the device."""
    return TensorBatch(
        **{f.name: torch.from_numpy(getattr(batch, f.name)).to(device, non_blocking=True) for f in fields(batch)}
    )


def summed(losses: FieldLosses) -> torch.Tensor:
    """Nats per note of a batch, every decision counted."""
    total = losses.instrument.sum() + losses.tone.sum() + losses.octave.sum() + losses.duration.sum()
    return total / max(1, len(losses.tone))


def rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of a step: warm-up, level, linear fall to zero."""
    o = recipe.optimizer
    left = max(0.0, o.steps - step) / max(1.0, o.decay * o.steps)
    return o.lr * min(1.0, (step + 1) / o.warmup, left)


@torch.no_grad()
def measure(model: Foundation, examples: list[Example], device: str) -> dict[str, float]:
    """Nats per note and per frame, and accuracy and nats of each frame's first pitch class (the root of a chord)."""
    sums = np.zeros(9)
    for start in range(0, len(examples), 8):
        batch = collate(examples[start : start + 8])
        losses = field_losses(model, tensors(batch, device))
        pitched = batch.row_fields[batch.note_row, 0] < 128
        first = (batch.row_first[batch.note_row] == batch.note_row) & pitched
        tone = batch.row_fields[batch.note_row, 1]
        right = losses.tone_log.argmax(dim=1).cpu().numpy() == tone
        parts = [losses.instrument, losses.tone, losses.octave, losses.duration]
        nats = losses.tone.cpu().numpy()
        counts = (len(nats), batch.valid.sum(), first.sum(), nats[first].sum(), right[first].sum())
        sums += [*(float(x.sum()) for x in parts), *counts]
    notes = max(1.0, sums[4])
    return {
        "nats_per_note": sums[:4].sum() / notes,
        "nats_per_frame": sums[:4].sum() / max(1.0, sums[5]),
        "tone_nats": sums[1] / notes,
        "root_accuracy": sums[8] / max(1.0, sums[6]),
        "root_nats": sums[7] / max(1.0, sums[6]),
    }


def train(
    recipe: Recipe,
    pack: Pack,
    folder: Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
    device: str = "cpu",
    report: Report = lambda facts: None,
) -> Path:
    """Train a recipe on a pack; returns the checkpoint. `resume` goes on from the folder's checkpoint.

    Writes FOLDER/checkpoint.safetensors and FOLDER/metrics.jsonl. Stops after recipe.optimizer.steps steps or `max_minutes`.
    """
    torch.manual_seed(recipe.seed)
    if device == "cpu":
        torch.set_num_threads(recipe.trainer.threads)
    path = folder / "checkpoint.safetensors"
    o = recipe.optimizer
    saved = load_checkpoint(path) if resume and path.exists() else None
    model = Foundation(recipe.network) if not recipe.start else load_network(Path(recipe.start))[0]
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), o.lr, o.betas, weight_decay=o.weight_decay, fused=True)
    step, frames = 0, 0
    if saved is not None:
        model.load_state_dict(saved.weights)
        restore_moments(model, optimizer, {k: v.to(device) for k, v in saved.moments.items()})
        step, frames = saved.facts["step"], saved.facts["frames"]
    average = {k: (saved.average[k].to(device) if saved else v.detach().clone()) for k, v in model.state_dict().items()}
    sampler = Sampler(pack, recipe)
    folder.mkdir(parents=True, exist_ok=True)

    def save() -> None:
        facts = {"recipe": asdict(recipe), "network": recipe.network.as_dict(), "step": step, "frames": frames}
        weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        save_checkpoint(path, Checkpoint(weights, average, optimizer_moments(model, optimizer), facts))

    def evaluate() -> None:
        averaged = Foundation(recipe.network).to(device)
        averaged.load_state_dict(average)
        averaged.eval()
        for name, examples in sampler.validation(recipe.trainer.evaluate_windows):
            write({"step": step, "frames": frames, "valid": name, **measure(averaged, examples, device)})

    def write(facts: dict[str, object]) -> None:
        with (folder / "metrics.jsonl").open("a") as f:
            f.write(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in facts.items()}) + "\n")

    began = time.monotonic()
    autocast = torch.autocast(device.split(":")[0], torch.bfloat16, enabled=recipe.trainer.precision == "bf16")
    recent: list[float] = []
    done_before = step
    try:
        while step < o.steps and (max_minutes is None or time.monotonic() - began < 60 * max_minutes):
            torch.manual_seed(recipe.seed * 1_000_003 + step)
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, recipe)
            batch = sampler.batch(step)
            with autocast:
                loss = summed(field_losses(model, tensors(batch, device)))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), o.clip)
            optimizer.step()
            step, frames = step + 1, frames + int(batch.valid.sum())
            decay = min(o.average, (step + 1) / (step + 10))
            with torch.no_grad():
                for k, v in model.state_dict().items():
                    average[k].lerp_(v, 1 - decay)
            recent.append(float(loss.detach()))
            if step % 50 == 0:
                speed = (step - done_before) / (time.monotonic() - began)
                facts = {"step": step, "frames": frames, "loss": float(np.mean(recent)), "steps_per_second": speed}
                write({**facts, "lr": rate_at(step, recipe)})
                report(facts)
                recent = []
            if step % recipe.trainer.evaluate_every == 0:
                evaluate()
            if step % recipe.trainer.save_every == 0:
                save()
    finally:
        save()
    return path
