"""Recipes: how one model is trained, as a TOML file read into plain dataclasses."""

import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from m4mcli.errors import USAGE, M4mError
from m4mcli.networks.foundation import FoundationConfig
from m4mcli.training.examples import Augmentation

T = TypeVar("T")


@dataclass(frozen=True)
class Mix:
    """One kind of training example: `make` names it, `weight` its share, `sources` the share of each source."""

    make: str
    weight: float = 1.0
    sources: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """Windows of `frames` frames, `windows` of them in a step; `clean_only` leaves out sources of unclear licence."""

    mix: tuple[Mix, ...] = ()
    frames: int = 384
    windows: int = 3


@dataclass(frozen=True)
class Optimizer:
    """AdamW; the rate rises over `warmup` steps, stays, and falls to zero over the last `decay` (0..1) of `steps`."""

    lr: float = 1.5e-3
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    clip: float = 1.0
    warmup: int = 100
    steps: int = 10_000
    decay: float = 0.3
    average: float = 0.999


@dataclass(frozen=True)
class Trainer:
    """When to save and measure (in steps), in which precision (`fp32`, `bf16`), on how many validation windows a source."""

    save_every: int = 500
    evaluate_every: int = 500
    evaluate_windows: int = 40
    precision: str = "bf16"
    threads: int = 1
    compile: bool = False


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run gives, except the pack itself."""

    name: str
    task: str
    seed: int = 0
    start: str = ""
    network: FoundationConfig = field(default_factory=FoundationConfig)
    data: Data = field(default_factory=Data)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: Optimizer = field(default_factory=Optimizer)
    trainer: Trainer = field(default_factory=Trainer)


def _build(kind: type[T], values: Any, place: str) -> T:
    if not isinstance(values, dict):
        raise M4mError(f"recipe: {place} must be a table", status=USAGE)
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise M4mError(f"recipe: unknown {place}.{unknown[0]}", f"known: {', '.join(sorted(known))}", USAGE)
    out = {}
    for name, value in values.items():
        hint = hints[name]
        if is_dataclass(hint):
            value = _build(hint, value, name)  # type: ignore[arg-type]
        elif name == "mix":
            value = tuple(_build(Mix, v, "data.mix") for v in value)
        elif isinstance(value, list):
            value = tuple(value)
        elif hint is float and isinstance(value, int):
            value = float(value)
        out[name] = value
    try:
        return kind(**out)
    except TypeError as e:
        raise M4mError(f"recipe: {place}: {e}", status=USAGE) from e


def with_setting(values: dict[str, Any], setting: str) -> dict[str, Any]:
    """The recipe's table with one `a.b=value` set, the value written as in TOML (bare words are strings)."""
    path, _, text = setting.partition("=")
    if not text:
        raise M4mError(f"--set {setting}: no value", "write --set optimizer.lr=0.001", USAGE)
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, name = path.split(".")
    out = dict(values)
    inner = out
    for table in tables:
        inner[table] = dict(inner.get(table, {}))
        inner = inner[table]
    inner[name] = value
    return out


def read_recipe(path: Path, settings: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe, with `a.b=value` settings applied. Raises M4mError on unknown names."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise M4mError(f"{path}: cannot read the recipe: {e}", status=USAGE) from e
    for setting in settings:
        values = with_setting(values, setting)
    return _build(Recipe, values, "recipe")
