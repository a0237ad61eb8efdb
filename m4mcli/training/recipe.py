"""Recipes: how one model is trained, as a TOML file read into plain dataclasses."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from m4mcli.dataset.transforms import Transforms
from m4mcli.errors import USAGE, M4mError
from m4mcli.networks.config import FoundationConfig
from m4mcli.training.examples import MAKERS, Augmentation

T = TypeVar("T")
SHIPPED = Path(__file__).resolve().parent / "recipes"


@dataclass(frozen=True)
class Mix:
    """One kind of training example: `make` names it, `weight` its share, `sources` the share of each source.

    `transforms` change the pieces before examples are made of them; those for validation stay as they are.
    """

    make: str
    weight: float = 1.0
    sources: dict[str, float] = field(default_factory=dict)
    transforms: Transforms = field(default_factory=Transforms)


@dataclass(frozen=True)
class Data:
    """Windows of `frames` frames, `windows` of them in a step."""

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
    """When to report, save and measure, in steps; on how many validation windows of each source; how to compute.

    `precision` is that of the products, `threads` are those of the processor, `compile` compiles the blocks.
    """

    report_every: int = 50
    save_every: int = 500
    evaluate_every: int = 500
    evaluate_windows: int = 40
    precision: Literal["fp32", "bf16"] = "bf16"
    threads: int = 1
    compile: bool = False


@dataclass(frozen=True)
class AdapterPlan:
    """A low-rank adapter is trained and the weights of `start` stay as they are; rank 0: all weights are trained."""

    rank: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run gives, except the pack itself.

    `start` is a checkpoint, or a folder of shards, to begin from: what the network has in common with it.
    """

    name: str
    task: str
    seed: int = 0
    start: str = ""
    network: FoundationConfig = field(default_factory=FoundationConfig)
    adapter: AdapterPlan = field(default_factory=AdapterPlan)
    data: Data = field(default_factory=Data)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: Optimizer = field(default_factory=Optimizer)
    trainer: Trainer = field(default_factory=Trainer)


def _wrong(place: str, what: str, hint: str = "") -> M4mError:
    return M4mError(f"recipe: {place} {what}", hint, USAGE)


def _value(value: Any, hint: Any, place: str) -> Any:
    """A value as its type hint wants it. Raises M4mError where it is of another kind."""
    if is_dataclass(hint):
        return _build(hint, value, place)  # type: ignore[arg-type]
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise _wrong(place, f"is {value!r}", f"it is one of: {', '.join(get_args(hint))}")
        return value
    if get_origin(hint) is tuple:
        kind, *others = get_args(hint)
        if not isinstance(value, list | tuple) or (others != [...] and len(value) != 1 + len(others)):
            raise _wrong(place, "must be a list" + ("" if others == [...] else f" of {1 + len(others)}"))
        return tuple(_value(v, kind, place) for v in value)
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise _wrong(place, "must be a table")
        return {k: _value(v, get_args(hint)[1], f"{place}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "a word in quotes"}
        raise _wrong(place, f"is {value!r}, not {names[hint]}")
    return value


def _build(kind: type[T], values: Any, place: str = "") -> T:
    if not isinstance(values, dict):
        raise _wrong(place, "must be a table")
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    where = f"{place}." if place else ""
    if unknown := sorted(set(values) - known):
        raise _wrong(where + unknown[0], "is unknown", f"known: {', '.join(sorted(known))}")
    try:
        return kind(**{name: _value(value, hints[name], where + name) for name, value in values.items()})
    except TypeError as e:
        missing = str(e).partition(": ")[2] or str(e)
        raise _wrong(place or "file", f"lacks {missing}") from e


def _faults(recipe: Recipe) -> Iterator[str]:
    n, d, o, t = recipe.network, recipe.data, recipe.optimizer, recipe.trainer
    counts = {"network.layers": n.layers, "network.heads": n.heads, "network.width": n.width}
    counts |= {"data.frames": d.frames, "data.windows": d.windows, "optimizer.steps": o.steps}
    counts |= {"optimizer.warmup": o.warmup, "trainer.threads": t.threads, "trainer.report_every": t.report_every}
    counts |= {"trainer.save_every": t.save_every, "trainer.evaluate_every": t.evaluate_every}
    counts |= {"trainer.evaluate_windows": t.evaluate_windows}
    yield from (f"{name} must be 1 or more" for name, count in counts.items() if count < 1)
    if n.heads > 0 and (n.width % n.heads or n.width // n.heads % 2):
        yield "network.width must be an even number for each of network.heads"
    if n.alignment == "cross" and (n.cross_rank < 8 or n.cross_rank % 8):
        yield "network.cross_rank must be a multiple of 8"
    if not d.mix:
        yield "data.mix is empty: nothing to train on"
    for mix in d.mix:
        if mix.make not in MAKERS:
            yield f"data.mix.make = {mix.make!r} is unknown: one of {', '.join(MAKERS)}"
        if not any(share > 0 for share in mix.sources.values()) or min(mix.sources.values(), default=0) < 0:
            yield f"data.mix of {mix.make} needs sources with shares above 0"
        yield from (f"data.mix.transforms.{fault}" for fault in mix.transforms.faults())
    if recipe.adapter.rank < 0:
        yield "adapter.rank must be 0 or more"
    if recipe.adapter.rank and not recipe.start:
        yield "adapter.rank needs a start: the network that it adapts"


def build_recipe(values: dict[str, Any]) -> Recipe:
    """A recipe from its table. Raises M4mError on names, kinds and sizes that make no recipe."""
    recipe = _build(Recipe, values)
    for fault in _faults(recipe):
        raise M4mError(f"recipe: {fault}", status=USAGE)
    return recipe


def with_setting(values: dict[str, Any], setting: str) -> dict[str, Any]:
    """The recipe's table with one `a.b=value` set, the value written as in TOML (bare words are strings)."""
    path, _, text = setting.partition("=")
    if not text or not all(path.split(".")):
        raise M4mError(f"--set {setting}: no name and value", "write --set optimizer.lr=0.001", USAGE)
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, name = path.split(".")
    out = dict(values)
    inner = out
    for table in tables:
        if not isinstance(inner.get(table, {}), dict):
            raise M4mError(f"--set {setting}: {table} is no table", status=USAGE)
        inner[table] = dict(inner.get(table, {}))
        inner = inner[table]
    inner[name] = value
    return out


def read_recipe(path: Path, settings: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe, with `a.b=value` settings applied. Raises M4mError where it is none."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise M4mError(f"{path}: cannot read the recipe: {e}", status=USAGE) from e
    for setting in settings:
        values = with_setting(values, setting)
    return build_recipe(values)


def find_recipe(name: str) -> Path:
    """The file of a recipe, given by path or as the name of one that ships. Raises M4mError."""
    if Path(name).is_file():
        return Path(name)
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}
    if name not in shipped:
        raise M4mError(f"{name}: no such recipe", f"a file, or one of: {', '.join(shipped)}", USAGE)
    return shipped[name]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("-", "_").isidentifier() else json.dumps(name, ensure_ascii=False)


def as_toml(recipe: Recipe) -> str:
    """The whole recipe, defaults included, as TOML that reads back as the same recipe."""
    values = asdict(recipe)
    lines = [f"{k} = {_toml(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for name, table in values.items():
        if isinstance(table, dict):
            mixes = table.pop("mix", ())
            lines += ["", f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in table.items())]
            for mix in mixes:
                lines += ["", f"[[{name}.mix]]", *(f"{k} = {_toml(v)}" for k, v in mix.items())]
    return "\n".join(lines) + "\n"
