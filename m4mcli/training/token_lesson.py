"""How networks over tokens are trained: windows of rows, each row told from those before it."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from m4mcli.dataset.corpus import Corpus
from m4mcli.dataset.parts import part_of
from m4mcli.errors import USAGE, M4mError
from m4mcli.networks.build import token_network
from m4mcli.networks.config import DecoderConfig, RecurrentConfig, TokenConfig, read_config
from m4mcli.networks.token_network import TokenNetwork
from m4mcli.score.excerpt import excerpt
from m4mcli.score.metre import bars
from m4mcli.score.score import Score
from m4mcli.score.transposition import transposed
from m4mcli.tokens.coder import Coder, without_end
from m4mcli.tokens.merged import planned_coder
from m4mcli.training.checkpoint import Checkpoint, load_token_network
from m4mcli.training.lesson import Lesson, Pupil
from m4mcli.training.recipe import Mix, Recipe

Rows = NDArray[np.int64]

NOTHING = -1
"""The ids of rows that fill a batch."""

HELD = 20_000
"""Pieces, each in one key, whose rows are kept."""

HELD_PARTS = 4_000
"""Pieces that are kept as music where parts of them are cut out by chance."""

PATIENCE = 2_000
"""Draws without one usable piece after which the corpus is taken to hold none."""

AT_ONCE = 8


@dataclass(frozen=True)
class TokenLearner:
    """A network over tokens in training."""

    model: TokenNetwork
    coder: Coder
    fresh: tuple[str, ...] = ()

    @property
    def trained(self) -> TokenNetwork:
        """All of it."""
        return self.model

    def facts(self, recipe: Recipe) -> dict[str, Any]:
        """What a checkpoint says about it."""
        return {"recipe": asdict(recipe), "network": self.model.config.as_dict(), "tokens": self.coder.facts()}


@dataclass(frozen=True)
class Window:
    """Rows of a piece, the first of which is only read, and how many notes the others are."""

    rows: Rows
    notes: int


class TokenLesson(Lesson):
    """Windows of rows of a corpus. A window begins where its piece does, or for some at any row."""

    unit = "rows"

    def __init__(self, recipe: Recipe, corpus: Corpus) -> None:
        assert isinstance(recipe.network, DecoderConfig | RecurrentConfig)
        self.recipe, self.corpus = recipe, corpus
        self.config: TokenConfig = recipe.network
        plan = recipe.tokens
        self.coder = planned_coder(plan.scheme, plan.config, plan.bpe)
        self.pieces = lru_cache(HELD)(self._pieces)
        self.parts = lru_cache(HELD_PARTS)(self._part)
        self.mixes = [(mix, self._tables(mix, "train")) for mix in recipe.data.mix]
        if not any(tables for _, tables in self.mixes):
            raise M4mError(f"{corpus.folder}: holds no music to train {recipe.name} on", "see m4m dataset build")

    def _tables(self, mix: Mix, split: str) -> list[tuple[float, list[int]]]:
        sources = mix.sources or {"": 1.0}
        tables = [(share, self.corpus.select(split, source)) for source, share in sources.items()]
        return [(share, numbers) for share, numbers in tables if numbers and share > 0]

    def _part(self, number: int, make: str, one_key: bool) -> tuple[Score | None, list[int]]:
        """The part of a piece that is read, and its bar lines in ticks."""
        score = self.corpus.score(number)
        part = None if score is None else part_of(score, make, one_key=one_key)
        return part, [] if part is None else [bar.tick for bar in bars(part)]

    def _pieces(self, number: int, make: str, one_key: bool, semitones: int) -> list[Rows]:
        """The sequences of a piece; none where it has no such part, or cannot be moved so far."""
        part, _ = self._part(number, make, one_key)
        return self._rows(part, semitones)

    def _rows(self, part: Score | None, semitones: int) -> list[Rows]:
        moved = None if part is None else transposed(part, semitones)
        return [] if moved is None else [rows for rows in self.coder.pieces(moved) if len(rows) > 2]

    def _cropped(self, number: int, mix: Mix, rng: np.random.Generator) -> list[Rows]:
        """As `_pieces`, of some bars from a bar line drawn at random; no end where the piece goes on."""
        part, lines = self.parts(number, mix.make, mix.one_key)
        fewest, most = mix.transforms.crop_bars
        semitones, count = _moved(mix, rng), int(rng.integers(fewest, most + 1))
        if part is None or len(lines) <= count:
            return self.pieces(number, mix.make, mix.one_key, semitones)
        from_start = rng.random() < self.recipe.augmentation.from_start
        first = 0 if from_start else int(rng.integers(0, len(lines) - count + 1))
        last = first + count >= len(lines)
        found = self._rows(excerpt(part, lines[first], part.end if last else lines[first + count]), semitones)
        return found if last else [without_end(rows, self.coder) for rows in found]

    def draw(self, rng: np.random.Generator) -> Rows:
        """One window. Raises M4mError where the corpus seems to hold none."""
        weights = np.cumsum([mix.weight if tables else 0.0 for mix, tables in self.mixes])
        for _ in range(PATIENCE):
            mix, tables = self.mixes[int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))]
            shares = np.cumsum([share for share, _ in tables])
            numbers = tables[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))][1]
            number = numbers[int(rng.integers(len(numbers)))]
            if mix.transforms.crop_bars:
                if found := self._cropped(number, mix, rng):
                    return self.coder.part(found[int(rng.integers(len(found)))], self.recipe.data.rows + 1, rng)
            elif found := self.pieces(number, mix.make, mix.one_key, _moved(mix, rng)):
                return self._window(found[int(rng.integers(len(found)))], rng)
        makes = ", ".join(mix.make for mix, _ in self.mixes)
        raise M4mError(f"recipe {self.recipe.name}: no piece of {self.corpus.folder} has a part like {makes}")

    def _window(self, rows: Rows, rng: np.random.Generator) -> Rows:
        length = self.recipe.data.rows + 1
        if self.coder.scheme.crop is not None:
            return self.coder.part(rows, length, rng)
        start = 0
        if len(rows) > length and rng.random() >= self.recipe.augmentation.from_start:
            start = int(rng.integers(0, len(rows) - length + 1))
        return rows[start : start + length]

    def tensors(self, step: int) -> dict[str, Tensor]:
        """The batch of a step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        return {"rows": torch.from_numpy(filled([self.draw(rng) for _ in range(self.recipe.data.windows)]))}

    def batch(self, tensors: dict[str, Tensor], device: str) -> tuple[Tensor, int]:
        """A batch on the device, and its rows."""
        return tensors["rows"].to(device, non_blocking=True), int((tensors["rows"][:, 1:, 0] >= 0).sum())

    def begin(self, saved: Checkpoint | None, device: str) -> TokenLearner:
        """The recipe's network. Raises M4mError where checkpoint, start and recipe do not belong together."""
        facts = {"network": self.config.as_dict(), "tokens": self.coder.facts()}
        if saved is not None and (change := _change(facts, saved.facts)):
            raise M4mError(f"--resume: the run has {change}", "give another --out to train another network", USAGE)
        model = token_network(self.config, self.coder.sizes)
        if saved is not None:
            model.load_state_dict(saved.weights)
        elif self.recipe.start:
            theirs, told = load_token_network(Path(self.recipe.start))
            if change := _change(facts, told):
                raise M4mError(f"start {self.recipe.start}: has {change}", status=USAGE)
            model.load_state_dict(theirs.state_dict())
        return TokenLearner(model.to(device).train(), self.coder)

    def loss(self, pupil: Pupil, batch: Tensor) -> Tensor:
        """Nats per row."""
        nats = column_nats(cast(TokenLearner, pupil).model, batch)
        return torch.stack([x.sum() for x in nats]).sum() / (batch[:, 1:, 0] >= 0).sum().clamp(min=1)

    def validation(self, limit: int) -> list[tuple[str, list[Window]]]:
        """The beginnings of pieces of each kind and source."""
        found = []
        for mix in self.recipe.data.mix:
            for source in mix.sources or {"": 1.0}:
                numbers = self.corpus.select("valid", source)
                numbers = numbers[:: max(1, len(numbers) // limit)][:limit]
                pieces = [(number, self.pieces(number, mix.make, mix.one_key, 0)) for number in numbers]
                windows = [self._measured(p[0], number) for number, p in pieces if p]
                if windows:
                    found.append((f"{mix.make}/{source}" if source else mix.make, windows))
        return found

    def _measured(self, rows: Rows, number: int) -> Window:
        part = self.coder.part(rows, self.recipe.data.rows + 1, np.random.default_rng(number))
        return Window(part, self.coder.score(part)[0].note_count)

    @torch.no_grad()
    def measure(self, pupil: Pupil, average: dict[str, Tensor], windows: list[Window], device: str) -> dict[str, float]:
        """Nats per note, nats per row, and the share of ids that were told right."""
        model = token_network(self.config, self.coder.sizes).to(device).eval()
        model.load_state_dict(average)
        return measured(model, windows, device)


def _moved(mix: Mix, rng: np.random.Generator) -> int:
    """By how many semitones a piece is moved."""
    span = mix.transforms.transpose
    return int(rng.integers(span[0], span[1] + 1)) if span else 0


def filled(windows: list[Rows]) -> Rows:
    """Windows as one array (windows, longest, columns), shorter ones filled at their end."""
    out = np.full((len(windows), max(map(len, windows)), windows[0].shape[1]), NOTHING, np.int64)
    for row, window in zip(out, windows, strict=True):
        row[: len(window)] = window
    return out


def column_nats(model: TokenNetwork, rows: Tensor) -> list[Tensor]:
    """What each id costs (windows, length - 1), a tensor for each column; 0 for what fills a batch."""
    told = model(rows)
    return [
        F.cross_entropy(x.transpose(1, 2).float(), rows[:, 1:, i], ignore_index=NOTHING, reduction="none")
        for i, x in enumerate(told)
    ]


@torch.no_grad()
def measured(model: TokenNetwork, windows: list[Window], device: str) -> dict[str, float]:
    """Nats per note, nats per row, and the share of ids that were told right."""
    sums = np.zeros(4)
    for start in range(0, len(windows), AT_ONCE):
        rows = torch.from_numpy(filled([w.rows for w in windows[start : start + AT_ONCE]])).to(device)
        told, following = model(rows), rows[:, 1:]
        real = following[..., 0] >= 0
        for i, x in enumerate(told):
            nats = F.cross_entropy(x.transpose(1, 2).float(), following[..., i], ignore_index=NOTHING, reduction="sum")
            right = (x.argmax(-1) == following[..., i]) & real
            sums += [float(nats), 0.0, float(right.sum()), float(real.sum())]
        sums[1] += float(real.sum())
    notes = sum(w.notes for w in windows)
    return {
        "nats_per_note": float(sums[0] / max(1, notes)),
        "nats_per_row": float(sums[0] / max(1.0, sums[1])),
        "accuracy": float(sums[2] / max(1.0, sums[3])),
    }


def _change(now: dict[str, Any], then: dict[str, Any]) -> str:
    """The first thing in which a checkpoint is not what the recipe says; dropout may change. Empty if there is none."""
    for part in ("network", "tokens"):
        ours, theirs = now[part], then.get(part) or {}
        if part == "network" and theirs.get("kind") == ours["kind"]:
            theirs = read_config(theirs).as_dict()
        for name in sorted(ours.keys() | theirs.keys()):
            if name not in ("dropout", "version") and ours.get(name) != theirs.get(name):
                return f"{part}.{name} = {theirs.get(name)}, the recipe says {ours.get(name)}"
    return ""
