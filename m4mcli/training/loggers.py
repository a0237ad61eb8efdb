"""Where a run is told besides its metrics.jsonl: TensorBoard's files in the run's folder, or Weights & Biases."""

from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any

from m4mcli.training.recipe import Recipe

PROJECT = "m4m"


class Logger(ABC):
    """Takes the lines of the metrics."""

    @abstractmethod
    def write(self, facts: dict[str, Any]) -> None:
        """One line: `step`, numbers by name, and `valid`, the name of what was measured, where it is a measurement."""

    @abstractmethod
    def close(self) -> None:
        """No more lines come."""


def curves(facts: dict[str, Any]) -> dict[str, float]:
    """The numbers of a line by the names of their curves: `loss`, `valid/whole/pop909/nats_per_note`."""
    about = f"valid/{facts['valid']}/" if "valid" in facts else ""
    return {f"{about}{name}": float(x) for name, x in facts.items() if name != "step" and isinstance(x, int | float)}


class NoLogger(Logger):
    """Nobody is told."""

    def write(self, facts: dict[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class TensorBoard(Logger):
    """Event files for `tensorboard --logdir`."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def write(self, facts: dict[str, Any]) -> None:
        """A point on each curve."""
        for name, value in curves(facts).items():
            self.writer.add_scalar(name, value, facts["step"])

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()


class WeightsAndBiases(Logger):
    """A run of the project m4m at Weights & Biases, or wherever its own settings say; with the recipe."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        import wandb

        self.run = wandb.init(project=PROJECT, name=folder.name, dir=str(folder), config=asdict(recipe))

    def write(self, facts: dict[str, Any]) -> None:
        """A point on each curve."""
        self.run.log(curves(facts), step=facts["step"])

    def close(self) -> None:
        """End the run."""
        self.run.finish()


LOGGERS: dict[str, type[TensorBoard] | type[WeightsAndBiases]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}


def open_logger(recipe: Recipe, folder: Path) -> Logger:
    """The recipe's logger. Raises ModuleNotFoundError where its package is not installed."""
    name = recipe.trainer.logger
    return LOGGERS[name](recipe, folder) if name in LOGGERS else NoLogger()
