"""The one training loop: batches by seed and step, averaged weights, measurements, checkpoints."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from m4mcli.dataset.corpus import Corpus
from m4mcli.dataset.pack import Pack
from m4mcli.errors import USAGE, M4mError
from m4mcli.networks.config import FoundationConfig, LatentConfig
from m4mcli.training.checkpoint import Checkpoint, load_checkpoint, optimizer_moments, restore_moments, save_checkpoint
from m4mcli.training.feed import default_workers, feed
from m4mcli.training.lesson import Lesson, Pupil
from m4mcli.training.loggers import Logger, NoLogger, open_logger
from m4mcli.training.recipe import Recipe, Trainer
from m4mcli.training.schedule import Standing, optimizer_of, rate_at
from m4mcli.training.team import Team, team

CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"
METRICS = "metrics.jsonl"
Facts = dict[str, Any]
Report = Callable[[Facts], None]


@dataclass
class Run:
    """A training run: what is trained, how far it is, and where it is written."""

    recipe: Recipe
    lesson: Lesson
    folder: Path
    device: str
    pupil: Pupil
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    step: int = 0
    seen: int = 0
    standing: Standing = field(default_factory=Standing)
    losses: list[Tensor] = field(default_factory=list)
    team: Team = field(default_factory=Team)
    logger: Logger = field(default_factory=NoLogger)

    @property
    def where(self) -> Facts:
        """How far the run is."""
        return {"step": self.step, self.lesson.unit: self.seen}

    @property
    def left(self) -> range:
        """The steps that are not done."""
        return range(self.step, self.recipe.optimizer.steps)

    def own_tensors(self, step: int) -> dict[str, Tensor]:
        """This process's batch of a step."""
        return self.lesson.tensors(self.team.batch(step))

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return rate_at(self.step, self.recipe, self.standing.scale)

    def advance(self, tensors: dict[str, Tensor]) -> None:
        """One step on a batch."""
        o, trained = self.recipe.optimizer, self.pupil.trained
        batch, units = self.lesson.batch(tensors, self.device)
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.team.batch(self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        kind = self.device.partition(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=self.recipe.trainer.precision == "bf16"):
            loss = self.lesson.loss(self.pupil, batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.team.average(trained)
        torch.nn.utils.clip_grad_norm_(trained.parameters(), o.clip)
        self.optimizer.step()
        self.step, self.seen = self.step + 1, self.seen + self.team.sums(units)[0]
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
        weights = {k: v.detach().clone() for k, v in self.pupil.trained.state_dict().items()}
        moments = optimizer_moments(self.pupil.trained, self.optimizer)
        save_checkpoint(self.folder / CHECKPOINT, Checkpoint(weights, self.average, moments, self._facts()))

    def _facts(self) -> Facts:
        facts = self.pupil.facts(self.recipe) | self.where
        return facts | ({"standing": told} if (told := self.standing.facts()) else {})

    def judge(self, nats: float) -> None:
        """Take a measurement into account: the best averaged weights are kept in a file of their own."""
        better = nats < self.standing.best
        self.standing = self.standing.after(nats, self.recipe.optimizer)
        if better:
            save_checkpoint(self.folder / BEST, Checkpoint({}, self.average, {}, self._facts()))

    @property
    def over(self) -> bool:
        """Whether measurements have brought nothing for as long as the recipe waits."""
        return 0 < self.recipe.trainer.stop_after <= self.standing.since

    def write(self, facts: Facts) -> None:
        """Add a line to the metrics."""
        rounded = {k: round(v, 5) if isinstance(v, float) else v for k, v in facts.items()}
        with (self.folder / METRICS).open("a", encoding="utf-8") as f:
            f.write(json.dumps(rounded) + "\n")
        self.logger.write(facts)


def lesson_of(recipe: Recipe, music: Pack | Path) -> Lesson:
    """How the recipe's network is trained on a pack, or on the music in a folder. Raises M4mError."""
    if isinstance(recipe.network, FoundationConfig):
        from m4mcli.training.frame_lesson import FrameLesson

        return FrameLesson(recipe, Pack(music) if isinstance(music, Path) else music)
    sources = [source for mix in recipe.data.mix for source in mix.sources]
    corpus = Corpus(music if isinstance(music, Path) else music.folder, sources)
    if isinstance(recipe.network, LatentConfig):
        from m4mcli.training.latent_lesson import LatentLesson

        return LatentLesson(recipe, corpus)
    from m4mcli.training.token_lesson import TokenLesson

    return TokenLesson(recipe, corpus)


def begin(recipe: Recipe, lesson: Lesson, folder: Path, *, resume: bool, device: str) -> Run:
    """A run at its start, or where its checkpoint was written. Raises M4mError where it cannot go on from that."""
    path = folder / CHECKPOINT
    if path.exists() and not resume:
        raise M4mError(f"{folder} holds a run already", "go on with --resume, or give another --out", USAGE)
    saved = load_checkpoint(path) if path.exists() else None
    torch.manual_seed(recipe.seed)
    pupil = lesson.begin(saved, device)
    optimizer = optimizer_of(recipe.optimizer, pupil.trained)
    weights = pupil.trained.state_dict()
    if saved is None:
        average = {k: v.detach().clone() for k, v in weights.items()}
        return Run(recipe, lesson, folder, device, pupil, optimizer, average)
    restore_moments(pupil.trained, optimizer, {k: v.to(device) for k, v in saved.moments.items()})
    average = {k: saved.average[k].to(device) for k in weights}
    step, seen = saved.facts["step"], saved.facts[lesson.unit]
    standing = Standing(**saved.facts.get("standing", {}))
    return Run(recipe, lesson, folder, device, pupil, optimizer, average, step, seen, standing)


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
    music: Pack | Path | Lesson,
    folder: Path,
    *,
    resume: bool = False,
    max_minutes: float | None = None,
    device: str = "cpu",
    workers: int | None = None,
    report: Report = lambda facts: None,
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Train a recipe on a pack, a folder of music, or as a lesson says; returns the checkpoint. `resume` goes on from
    the folder's one.

    Writes FOLDER/checkpoint.safetensors, FOLDER/best.safetensors and FOLDER/metrics.jsonl. Ends after
    recipe.optimizer.steps steps or `max_minutes`, or after the step in which `stop` says so. `workers` processes make
    batches ahead (None: as many as suit the device); they change no batch. On a processor a run in several pieces gives
    the same bits as one in a piece. Raises M4mError for a GPU that torch does not see.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise M4mError("--device cuda: torch sees no GPU", "use --device cpu, or install torch for CUDA")
    if device == "cpu":
        torch.set_num_threads(recipe.trainer.threads)
    else:
        torch.set_float32_matmul_precision("high")
    lesson = music if isinstance(music, Lesson) else lesson_of(recipe, music)
    ends = math.inf if max_minutes is None else time.monotonic() + 60 * max_minutes
    with team(device) as (ours, here):
        run = begin(recipe, lesson, folder, resume=resume, device=here)
        run.team = ours
        if ours.leads:
            folder.mkdir(parents=True, exist_ok=True)
            forget_after(folder / METRICS, run.step)
            report({**run.where, "fresh": run.pupil.fresh})
            run.logger = open_logger(recipe, folder)
        made = default_workers(here) if workers is None else workers
        with closing(run.logger), closing(feed(run.own_tensors, run.left, here, made)) as batches:
            _go(run, batches, Reporter(run, report), lambda: stop() or time.monotonic() >= ends)
        if ours.leads:
            run.save()
    return folder / CHECKPOINT


def _go(run: Run, batches: Iterator[dict[str, Tensor]], reporter: "Reporter", stop: Callable[[], bool]) -> None:
    """Step by step to the end, or until one process of the team is to stop."""
    while run.step < run.recipe.optimizer.steps and not run.over and not run.team.sums(int(stop()))[0]:
        run.advance(next(batches))
        reporter.after_step()


class Reporter:
    """What is told, measured and saved after a step, when its time has come."""

    def __init__(self, run: Run, report: Report) -> None:
        self.run, self.report = run, report
        self.windows: list[tuple[str, Any]] = []
        self.told = time.monotonic(), run.step

    def after_step(self) -> None:
        """Tell, measure, save."""
        run, plan = self.run, self.run.recipe.trainer
        if run.team.leads:
            self._lead(run, plan)
        if run.step % plan.evaluate_every == 0:
            run.standing = run.team.leaders(run.standing)

    def _lead(self, run: Run, plan: Trainer) -> None:
        if run.step % plan.report_every == 0:
            now = time.monotonic()
            speed = (run.step - self.told[1]) / (now - self.told[0])
            self.told = now, run.step
            facts = {**run.where, "loss": run.recent_loss(), "steps_per_second": speed}
            run.write({**facts, "lr": run.rate})
            self.report(facts)
        if run.step % plan.evaluate_every == 0:
            self.windows = self.windows or run.lesson.validation(plan.evaluate_windows)
            found = evaluate(run, self.windows)
            for facts in found:
                run.write(facts)
                self.report(facts)
            if found:
                run.judge(sum(facts["nats_per_note"] for facts in found) / len(found))
        if run.step % plan.save_every == 0:
            run.save()


def evaluate(run: Run, windows: list[tuple[str, Any]]) -> list[Facts]:
    """What the averaged weights reach on validation windows, by kind and source."""
    return [
        {**run.where, "valid": name, **run.lesson.measure(run.pupil, run.average, examples, run.device)}
        for name, examples in windows
    ]
