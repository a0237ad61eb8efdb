"""What a run trains: all weights of a network, or an adapter on one whose weights stay as they are."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from m4mcli.errors import USAGE, M4mError
from m4mcli.networks.adapter import Lora
from m4mcli.networks.config import FoundationConfig
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.layers import Adapter, Block
from m4mcli.training.checkpoint import Checkpoint, fingerprint, load_network
from m4mcli.training.recipe import Recipe


@dataclass(frozen=True)
class Learner:
    """A network and, where one is trained, its adapter; `base` is then the fingerprint of the network's weights.

    `fresh` names the parts of the network that its start did not have.
    """

    model: Foundation
    lora: Lora | None = None
    base: str = ""
    fresh: tuple[str, ...] = ()

    @property
    def trained(self) -> nn.Module:
        """The module whose tensors change."""
        return self.model if self.lora is None else self.lora

    def adapters(self) -> list[Adapter] | None:
        """What the network is run with."""
        return None if self.lora is None else self.lora.adapters()

    def facts(self, recipe: Recipe) -> dict[str, Any]:
        """What a checkpoint says about it."""
        facts: dict[str, Any] = {"recipe": asdict(recipe), "network": self.model.config.as_dict()}
        if self.lora is not None:
            facts |= {"adapter": {"rank": self.lora.rank}, "base": self.base}
        return facts

    def averaged(self, average: dict[str, Tensor]) -> "Learner":
        """The same with other tensors in the place of the trained ones, for measuring."""
        device = next(self.model.parameters()).device
        model = Foundation(self.model.config).to(device).eval()
        if self.lora is None:
            model.load_state_dict(average)
            return Learner(model)
        model.load_state_dict(self.model.state_dict())
        lora = Lora(self.model.config, self.lora.rank).to(device)
        lora.load_state_dict(average)
        return Learner(model, lora)


def build(recipe: Recipe, saved: Checkpoint | None, device: str) -> Learner:
    """The learner of a recipe, with the weights of its own checkpoint where there is one.

    Raises M4mError where checkpoint, start and recipe do not belong together.
    """
    if saved is not None and (change := _change(recipe, saved.facts)):
        raise M4mError(f"--resume: the run has {change}", "give another --out to train another network", USAGE)
    assert isinstance(recipe.network, FoundationConfig)
    model = Foundation(recipe.network)
    base, lora = "", None
    fresh: tuple[str, ...] = ()
    if recipe.start and (recipe.adapter.rank or saved is None):
        base, fresh = _warm(model, Path(recipe.start))
    if recipe.adapter.rank:
        if fresh:
            raise M4mError(f"start {recipe.start} has no {', '.join(fresh)}", "an adapter needs a whole network", USAGE)
        if saved is not None and saved.facts["base"] != base:
            raise M4mError(f"--resume: {recipe.start} is not the network that the adapter was begun on")
        lora = Lora(recipe.network, recipe.adapter.rank)
        model.requires_grad_(False)
    learner = Learner(model, lora, base, fresh)
    if saved is not None:
        learner.trained.load_state_dict(saved.weights)
    learner.trained.to(device).train()
    model.to(device)
    if recipe.trainer.compile:
        _compile(model)
    return learner


def _compile(model: Foundation) -> None:
    """Compile the blocks where they stand, so names of weights stay; what is packed has another size in every step."""
    for block in model.modules():
        if isinstance(block, Block):
            block.compile()


def _change(recipe: Recipe, facts: dict[str, Any]) -> str:
    """The first size in which a checkpoint is not what the recipe says; dropout may change. Empty if there is none."""
    now, then = recipe.network.as_dict(), facts["network"]
    for name in now:
        if name != "dropout" and now[name] != then.get(name):
            return f"network.{name} = {then.get(name)}, the recipe says {now[name]}"
    rank = facts.get("adapter", {}).get("rank", 0)
    return "" if rank == recipe.adapter.rank else f"adapter.rank = {rank}, the recipe says {recipe.adapter.rank}"


def _warm(model: Foundation, start: Path) -> tuple[str, tuple[str, ...]]:
    """Take all weights that a start has in common with the network.

    Returns the fingerprint of the start and the parts that it lacks. Raises M4mError where sizes differ.
    """
    known, _ = load_network(start)
    theirs, ours = known.state_dict(), model.state_dict()
    for name in ours.keys() & theirs.keys():
        if ours[name].shape != theirs[name].shape:
            sizes = tuple(theirs[name].shape), tuple(ours[name].shape)
            raise M4mError(f"start {start}: {name} is {sizes[0]}, in the recipe {sizes[1]}", status=USAGE)
    model.load_state_dict({k: v for k, v in theirs.items() if k in ours}, strict=False)
    return fingerprint(known), tuple(dict.fromkeys(_part(name) for name in ours if name not in theirs))


def _part(name: str) -> str:
    return "cross attention" if ".cross." in name else name.partition(".")[0]
