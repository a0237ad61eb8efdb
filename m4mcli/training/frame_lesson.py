"""How the foundation and its adapters are trained."""

from typing import cast

from torch import Tensor

from m4mcli.dataset.pack import Pack
from m4mcli.networks.objective import TensorBatch, field_losses
from m4mcli.training.batches import Example
from m4mcli.training.checkpoint import Checkpoint
from m4mcli.training.feed import as_tensors, on_device
from m4mcli.training.learner import Learner, build
from m4mcli.training.lesson import Lesson, Pupil
from m4mcli.training.measure import measure, summed
from m4mcli.training.recipe import Recipe
from m4mcli.training.sampler import Sampler


class FrameLesson(Lesson):
    """Windows of frames of a pack, for the foundation."""

    def __init__(self, recipe: Recipe, pack: Pack) -> None:
        self.recipe, self.sampler = recipe, Sampler(pack, recipe)

    def begin(self, saved: Checkpoint | None, device: str) -> Learner:
        """The learner of the recipe."""
        return build(self.recipe, saved, device)

    def tensors(self, step: int) -> dict[str, Tensor]:
        """The batch of a step."""
        return as_tensors(self.sampler.batch(step))

    def batch(self, tensors: dict[str, Tensor], device: str) -> tuple[TensorBatch, int]:
        """A batch on the device, and its frames."""
        return on_device(tensors, device), int(tensors["valid"].sum())

    def loss(self, pupil: Pupil, batch: TensorBatch) -> Tensor:
        """Nats per note."""
        learner = cast(Learner, pupil)
        return summed(field_losses(learner.model, batch, learner.adapters()))

    def validation(self, limit: int) -> list[tuple[str, list[Example]]]:
        """Windows of each kind and source."""
        return list(self.sampler.validation(limit))

    def measure(
        self, pupil: Pupil, average: dict[str, Tensor], windows: list[Example], device: str
    ) -> dict[str, float]:
        """Nats, and the first pitch class of each frame."""
        averaged = cast(Learner, pupil).averaged(average)
        return measure(averaged.model, windows, device, averaged.adapters())
