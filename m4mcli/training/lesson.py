"""What the training loop asks of whatever is trained: batches by step, a loss, measurements, weights to be kept."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

from torch import Tensor, nn

from m4mcli.training.checkpoint import Checkpoint
from m4mcli.training.recipe import Recipe

Facts = dict[str, Any]


class Pupil(Protocol):
    """A network that is trained, or a part of one."""

    @property
    def trained(self) -> nn.Module:
        """The module whose tensors change."""

    @property
    def fresh(self) -> tuple[str, ...]:
        """Names of the parts that its start did not have."""

    def facts(self, recipe: Recipe) -> Facts:
        """What a checkpoint says about it."""


class Lesson(ABC):
    """A kind of network and how it is trained. Batches depend on the recipe's seed and the step alone."""

    unit = "frames"
    """What is counted of what was seen."""

    @abstractmethod
    def begin(self, saved: Checkpoint | None, device: str) -> Pupil:
        """The pupil, with the weights of its own checkpoint where there is one. Raises M4mError."""

    @abstractmethod
    def tensors(self, step: int) -> dict[str, Tensor]:
        """The batch of a step."""

    @abstractmethod
    def batch(self, tensors: dict[str, Tensor], device: str) -> tuple[Any, int]:
        """A batch on the device, and how many units of music it holds."""

    @abstractmethod
    def loss(self, pupil: Pupil, batch: Any) -> Tensor:
        """Nats per note, or per row of tokens."""

    @abstractmethod
    def validation(self, limit: int) -> list[tuple[str, Any]]:
        """Names and fixed windows to measure on, the same in every run."""

    @abstractmethod
    def measure(self, pupil: Pupil, average: dict[str, Tensor], windows: Any, device: str) -> dict[str, float]:
        """What these weights reach on windows; `nats_per_note` first of all."""
