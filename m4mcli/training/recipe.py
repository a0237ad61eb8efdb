"""Recipes: how one model is trained, as a TOML file read into plain dataclasses."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from m4mcli.dataset.parts import PARTS
from m4mcli.dataset.transforms import Transforms
from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.melody_events import BAR
from m4mcli.generation.sampling import Sampling
from m4mcli.networks.config import DecoderConfig, FoundationConfig, LatentConfig, RecurrentConfig
from m4mcli.training.examples import MAKERS, Augmentation
from m4mcli.training.tables import as_value, build, with_setting

SHIPPED = Path(__file__).resolve().parent / "recipes"


@dataclass(frozen=True)
class Mix:
    """One kind of training example: `make` names it, `weight` its share, `sources` the share of each source.

    `transforms` change the pieces before examples are made of them; those for validation stay as they are. `one_key`:
    of networks over tokens, all pieces are moved to C major or A minor first.
    """

    make: str
    weight: float = 1.0
    sources: dict[str, float] = field(default_factory=dict)
    transforms: Transforms = field(default_factory=Transforms)
    one_key: bool = False


@dataclass(frozen=True)
class Data:
    """Windows of at most `frames` frames, or of at most `rows` rows of tokens, `windows` of them in a step."""

    mix: tuple[Mix, ...] = ()
    frames: int = 384
    rows: int = 256
    windows: int = 3


@dataclass(frozen=True)
class TokenPlan:
    """The tokens that a network over tokens reads: a scheme of `m4m tokenize`.

    `config` sets the scheme in MidiTok's words; what it does not say is as in MidiTok. `bpe` is a file of `m4m tokenize
    --train-bpe`: its ids are merged, and its settings are taken in the place of `config`.
    """

    scheme: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    bpe: str = ""


@dataclass(frozen=True)
class LatentPlan:
    """What an autoencoder's loss is made of, in the words of MusicVAE (arXiv 1803.05428).

    The divergence above `free_bits` costs `beta` times what it is, which it comes near by 1 - `beta_rate` ^ step, where
    steps are counted after the first `beta_after`: until then points are only told again. Of several processes that
    train, each batch counts as a step.
    `sampling_rate` is the k of the inverse sigmoid k / (k + exp(step / k)): the share of real events that are told
    before the next one; 0: all are real.
    """

    beta: float = 0.2
    beta_rate: float = 0.99999
    beta_after: int = 0
    free_bits: float = 48.0
    sampling_rate: float = 1000.0


@dataclass(frozen=True)
class Optimizer:
    """The method and its rate, which rises over `warmup` steps to `lr` and then goes by the `schedule`.

    `linear`: stays, and falls to zero over the last `decay` (0..1) of `steps`. `cosine`: falls to zero along a half
    wave. `onecycle`: rises along a half wave over the first 30 %, whatever `warmup` says, and falls along another.
    `plateau`: falls to `decay` times what it was where `patience` measurements have brought nothing. `average` is the
    share of the old in the running average of the weights.
    """

    method: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    schedule: Literal["linear", "cosine", "onecycle", "plateau"] = "linear"
    lr: float = 1.5e-3
    betas: tuple[float, float] = (0.9, 0.95)
    momentum: float = 0.0
    weight_decay: float = 0.05
    clip: float = 1.0
    warmup: int = 100
    steps: int = 10_000
    decay: float = 0.3
    patience: int = 4
    average: float = 0.999


@dataclass(frozen=True)
class Trainer:
    """When to report, save and measure, in steps; on how many validation windows of each source; how to compute.

    `stop_after` measurements without a better one the run ends (0: never). `precision` is that of the products,
    `threads` are those of the processor, `compile` compiles the blocks; `logger` is told beside metrics.jsonl.
    """

    report_every: int = 50
    save_every: int = 500
    evaluate_every: int = 500
    evaluate_windows: int = 40
    stop_after: int = 0
    precision: Literal["fp32", "bf16"] = "bf16"
    threads: int = 1
    compile: bool = False
    logger: Literal["none", "tensorboard", "wandb"] = "none"


@dataclass(frozen=True)
class AdapterPlan:
    """A low-rank adapter is trained and the weights of `start` stay as they are; rank 0: all weights are trained."""

    rank: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run gives, except the pack itself.

    `also` are further tasks that the same weights are trained for. `start` is a checkpoint, or a folder of shards, to
    begin from: what the network has in common with it. `sampling` is how a network over tokens is sampled unless one
    asks for something else.
    """

    name: str
    task: str
    also: tuple[str, ...] = ()
    seed: int = 0
    start: str = ""
    network: FoundationConfig | DecoderConfig | RecurrentConfig | LatentConfig = field(default_factory=FoundationConfig)
    tokens: TokenPlan = field(default_factory=TokenPlan)
    latent: LatentPlan = field(default_factory=LatentPlan)
    adapter: AdapterPlan = field(default_factory=AdapterPlan)
    data: Data = field(default_factory=Data)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: Optimizer = field(default_factory=Optimizer)
    trainer: Trainer = field(default_factory=Trainer)
    sampling: Sampling = field(default_factory=Sampling)


def _faults(recipe: Recipe) -> Iterator[str]:
    n, d, o, t = recipe.network, recipe.data, recipe.optimizer, recipe.trainer
    counts = {"network.layers": n.layers, "network.width": n.width, "data.windows": d.windows}
    counts |= {"data.frames": d.frames, "data.rows": d.rows, "optimizer.steps": o.steps}
    counts |= {"optimizer.warmup": o.warmup, "trainer.threads": t.threads, "trainer.report_every": t.report_every}
    counts |= {"trainer.save_every": t.save_every, "trainer.evaluate_every": t.evaluate_every}
    counts |= {"trainer.evaluate_windows": t.evaluate_windows, "optimizer.patience": o.patience}
    if isinstance(n, FoundationConfig | DecoderConfig):
        counts["network.heads"] = n.heads
    yield from (f"{name} must be 1 or more" for name, count in counts.items() if count < 1)
    if isinstance(n, LatentConfig):
        yield from _latent_faults(recipe, n)
    else:
        yield from _frame_faults(recipe, n) if isinstance(n, FoundationConfig) else _token_faults(recipe, n)
    if not d.mix:
        yield "data.mix is empty: nothing to train on"
    if recipe.adapter.rank < 0:
        yield "adapter.rank must be 0 or more"
    if recipe.adapter.rank and not recipe.start:
        yield "adapter.rank needs a start: the network that it adapts"


def _mix_faults(recipe: Recipe, makers: Iterable[str]) -> Iterator[str]:
    known = tuple(makers)
    for mix in recipe.data.mix:
        if mix.make not in known:
            yield f"data.mix.make = {mix.make!r} is unknown: one of {', '.join(known)}"
        if mix.one_key and isinstance(recipe.network, FoundationConfig | LatentConfig):
            yield "data.mix.one_key is for networks over tokens: the others read all music in one key anyway"
        if min(mix.sources.values(), default=0) < 0:
            yield f"data.mix of {mix.make} needs sources with shares above 0"
        yield from (f"data.mix.transforms.{fault}" for fault in mix.transforms.faults())


def _frame_faults(recipe: Recipe, n: FoundationConfig) -> Iterator[str]:
    if n.heads > 0 and (n.width % n.heads or n.width // n.heads % 2):
        yield "network.width must be an even number for each of network.heads"
    if n.alignment == "cross" and (n.cross_rank < 8 or n.cross_rank % 8):
        yield "network.cross_rank must be a multiple of 8"
    yield from _mix_faults(recipe, MAKERS)
    for mix in recipe.data.mix:
        if not any(share > 0 for share in mix.sources.values()):
            yield f"data.mix of {mix.make} needs sources with shares above 0"


def _token_faults(recipe: Recipe, n: DecoderConfig | RecurrentConfig) -> Iterator[str]:
    d = recipe.data
    if isinstance(n, DecoderConfig):
        if (n.heads > 0 and n.size < 2) or (not n.head_width and n.width % max(1, n.heads)):
            yield "network.width must be a multiple of network.heads, unless network.head_width is given"
        if min(n.feed, n.column_feed, n.column_layers) < 0:
            yield "network.feed, network.column_feed and network.column_layers must be 0 or more"
        if n.positions == "rotary" and n.size % 2:
            yield "network.head_width must be even for rotary positions"
        if d.rows > n.context:
            yield f"data.rows = {d.rows} is more than network.context = {n.context}"
    if not recipe.tokens.scheme:
        yield "tokens.scheme is missing: see m4m tokenize"
    if recipe.adapter.rank:
        yield "adapter.rank: only the foundation takes adapters"
    for mix in d.mix:
        if mix.transforms != Transforms(crop_bars=mix.transforms.crop_bars, transpose=mix.transforms.transpose):
            yield "data.mix.transforms: networks over tokens take crop_bars and transpose alone"
    yield from _mix_faults(recipe, PARTS)


def _latent_faults(recipe: Recipe, n: LatentConfig) -> Iterator[str]:
    sizes = {"latent": n.latent, "encoder_width": n.encoder_width, "encoder_layers": n.encoder_layers}
    sizes |= {"segments": n.segments, "conductor_width": n.conductor_width, "conductor_layers": n.conductor_layers}
    sizes |= {"conductor_input": n.conductor_input, "guide, unless 0,": n.guide or 1}
    yield from (f"network.{name} must be 1 or more" for name, size in sizes.items() if size < 1)
    if n.events < BAR or n.events % BAR or (n.segments > 0 and n.events % n.segments):
        yield f"network.events must be whole bars of {BAR}, and a multiple of network.segments"
    if not 0 <= recipe.latent.beta_rate <= 1 or recipe.latent.beta < 0 or recipe.latent.free_bits < 0:
        yield "latent.beta and latent.free_bits must be 0 or more, latent.beta_rate from 0 to 1"
    if min(recipe.latent.sampling_rate, recipe.latent.beta_after) < 0:
        yield "latent.sampling_rate and latent.beta_after must be 0 or more"
    if recipe.start or recipe.adapter.rank:
        yield "start and adapter.rank: only the foundation takes adapters, and an autoencoder begins anew"
    for mix in recipe.data.mix:
        if mix.transforms != Transforms(transpose=mix.transforms.transpose):
            yield "data.mix.transforms: autoencoders take transpose alone"
    yield from _mix_faults(recipe, PARTS)


def build_recipe(values: dict[str, Any]) -> Recipe:
    """A recipe from its table. Raises M4mError on names, kinds and sizes that make no recipe."""
    recipe = build(Recipe, values)
    for fault in _faults(recipe):
        raise M4mError(f"recipe: {fault}", status=USAGE)
    return recipe


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


def as_toml(recipe: Recipe) -> str:
    """The whole recipe, defaults included, as TOML that reads back as the same recipe."""
    values = asdict(recipe)
    lines = [f"{k} = {as_value(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for name, table in values.items():
        if isinstance(table, dict):
            mixes = table.pop("mix", ())
            lines += ["", f"[{name}]", *(f"{k} = {as_value(v)}" for k, v in table.items())]
            for mix in mixes:
                lines += ["", f"[[{name}.mix]]", *(f"{k} = {as_value(v)}" for k, v in mix.items())]
    return "\n".join(lines) + "\n"
