"""How an autoencoder over melodies is trained: windows of a corpus, told again from a point."""

import math
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from m4mcli.dataset.corpus import Corpus
from m4mcli.dataset.melodies import Windows, melody_windows
from m4mcli.dataset.parts import PARTS
from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.melody_events import OFF, Told, moved, told_again
from m4mcli.networks.config import LatentConfig, read_config
from m4mcli.networks.latent import Belief, Latent
from m4mcli.training.checkpoint import Checkpoint
from m4mcli.training.lesson import Lesson, Pupil
from m4mcli.training.recipe import LatentPlan, Mix, Recipe

AT_ONCE = 256


@dataclass(frozen=True)
class LatentLearner:
    """An autoencoder in training."""

    model: Latent
    fresh: tuple[str, ...] = ()

    @property
    def trained(self) -> Latent:
        """All of it."""
        return self.model

    def facts(self, recipe: Recipe) -> dict[str, Any]:
        """What a checkpoint says about it."""
        return {"recipe": asdict(recipe), "network": self.model.config.as_dict()}


@dataclass(frozen=True)
class Lines:
    """A batch: events (windows, length), and the number of the step, by which the loss changes."""

    events: Tensor
    step: int


class LatentLesson(Lesson):
    """Windows of the melodies of a corpus, drawn by the recipe's shares of sources; in a source all are alike."""

    unit = "windows"

    def __init__(self, recipe: Recipe, corpus: Corpus) -> None:
        assert isinstance(recipe.network, LatentConfig)
        self.recipe, self.corpus, self.config = recipe, corpus, recipe.network
        self.mixes = [(mix, self._tables(mix)) for mix in recipe.data.mix]
        if not any(tables for _, tables in self.mixes):
            bars = self.config.events // 16
            raise M4mError(f"{corpus.folder}: holds no melody of {bars} bars of 4/4 to train {recipe.name} on")

    def windows(self, mix: Mix, source: str, split: str, hop: int) -> Windows:
        """All windows of a source in a split (n, events), one every `hop` events."""
        found = [np.zeros((0, self.config.events), np.int16)]
        for number in self.corpus.select(split, source):
            score = self.corpus.score(number)
            part = None if score is None else PARTS[mix.make](score)
            if part is not None:
                found.append(melody_windows(part, self.config.events, hop))
        return np.concatenate(found)

    def _tables(self, mix: Mix) -> list[tuple[float, Windows]]:
        found = [(share, self.windows(mix, s, "train", 1)) for s, share in (mix.sources or {"": 1.0}).items()]
        return [(share, windows) for share, windows in found if len(windows) and share > 0]

    def draw(self, rng: np.random.Generator) -> Windows:
        """One window (events,), in a key that the mix allows."""
        weights = np.cumsum([mix.weight if tables else 0.0 for mix, tables in self.mixes])
        mix, tables = self.mixes[int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))]
        shares = np.cumsum([share for share, _ in tables])
        windows = tables[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))][1]
        span = mix.transforms.transpose
        window: Windows = windows[int(rng.integers(len(windows)))]
        return moved(window, int(rng.integers(span[0], span[1] + 1))).astype(np.int16) if span else window

    def tensors(self, step: int) -> dict[str, Tensor]:
        """The batch of a step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        events = np.stack([self.draw(rng) for _ in range(self.recipe.data.windows)]).astype(np.int64)
        return {"events": torch.from_numpy(events), "step": torch.tensor(step)}

    def batch(self, tensors: dict[str, Tensor], device: str) -> tuple[Lines, int]:
        """A batch on the device, and its windows."""
        events = tensors["events"]
        return Lines(events.to(device, non_blocking=True), int(tensors["step"])), len(events)

    def begin(self, saved: Checkpoint | None, device: str) -> LatentLearner:
        """The recipe's network. Raises M4mError where the checkpoint is of another."""
        model = Latent(self.config)
        if saved is not None:
            if read_config(saved.facts["network"]) != self.config:
                raise M4mError("--resume: the run has another network", "give another --out to train this one", USAGE)
            model.load_state_dict(saved.weights)
        return LatentLearner(model.to(device).train())

    def loss(self, pupil: Pupil, batch: Lines) -> Tensor:
        """Nats per window, the divergence weighed as the recipe says."""
        model, plan = cast(LatentLearner, pupil).model, self.recipe.latent
        belief = model.encode(batch.events)
        logits = model.decode(point_of(belief), batch.events, own_share(plan, batch.step))
        nats = event_nats(logits, batch.events).sum(1)
        beta = plan.beta * (1 - plan.beta_rate ** max(0, batch.step - plan.beta_after))
        above = (belief.divergence() - plan.free_bits * math.log(2)).clamp(min=0)
        return (nats + beta * above).mean()

    def validation(self, limit: int) -> list[tuple[str, Windows]]:
        """Windows of each kind and source that do not overlap, `limit` of them."""
        found = []
        for mix in self.recipe.data.mix:
            for source in mix.sources or {"": 1.0}:
                windows = self.windows(mix, source, "valid", self.config.events)
                windows = windows[:: max(1, len(windows) // limit)][:limit]
                if len(windows):
                    found.append((f"{mix.make}/{source}" if source else mix.make, windows))
        return found

    @torch.no_grad()
    def measure(self, pupil: Pupil, average: dict[str, Tensor], windows: Windows, device: str) -> dict[str, float]:
        """The bound on nats per note and its two parts; accuracies teacher-forced and free-running."""
        model = Latent(self.config).to(device).eval()
        model.load_state_dict(average)
        return measured(model, windows, device)


def own_share(plan: LatentPlan, step: int) -> float:
    """The share of events told before the next one that are the decoder's own, at a step."""
    k = plan.sampling_rate
    return 1 / (1 + k * math.exp(-min(step / k, 100.0))) if k else 0.0


def point_of(belief: Belief) -> Tensor:
    """A point of each belief, in full precision."""
    return Belief(belief.mean.float(), belief.deviation.float()).drawn()


def event_nats(logits: Tensor, events: Tensor) -> Tensor:
    """What each event costs (batch, length)."""
    return F.cross_entropy(logits.float().transpose(1, 2), events, reduction="none")


@torch.no_grad()
def measured(model: Latent, windows: Windows, device: str) -> dict[str, float]:
    """See LatentLesson.measure. Nats are of points drawn from the beliefs, accuracies of their means."""
    nats, divergence, right = 0.0, 0.0, 0.0
    again = Told()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for start in range(0, len(windows), AT_ONCE):
            part = windows[start : start + AT_ONCE].astype(np.int64)
            events = torch.from_numpy(part).to(device)
            belief = model.encode(events)
            nats += float(event_nats(model.decode(belief.drawn(), events), events).sum())
            divergence += float(belief.divergence().sum())
            right += float((model.decode(belief.mean, events).argmax(-1) == events).sum())
            again += told_again(part, model.written(belief.mean).cpu().numpy())
    notes = max(1, int((windows < OFF).sum()))
    return {
        "nats_per_note": (nats + divergence) / notes,
        "reconstruction_nats": nats / len(windows),
        "divergence_nats": divergence / len(windows),
        "teacher_forced": right / windows.size,
        "free_running": again.accuracy,
        "notes": again.note_accuracy,
    }
