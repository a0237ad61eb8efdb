"""Which piece, which window, when: training batches by seed and step, and the fixed windows for validation."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import Pack, within
from m4mcli.errors import M4mError
from m4mcli.training.batches import Batch, Example, collate
from m4mcli.training.examples import MAKERS, Augmentation, example
from m4mcli.training.recipe import Mix, Recipe

SHORTEST = 32
"""Frames that a piece must have to be trained on."""

PATIENCE = 10_000
"""Draws without one usable example after which the pack is taken to hold none."""

Table = tuple[float, NDArray[np.int64], NDArray[np.float64]]
"""A source: its share, the numbers of its pieces, and the running sum of their shares by length."""


class Sampler:
    """Training examples drawn by the recipe's shares; the same seed and step give the same batch."""

    def __init__(self, pack: Pack, recipe: Recipe) -> None:
        self.pack, self.recipe = pack, recipe
        self.mixes = [(m, self._tables(m, "train")) for m in recipe.data.mix]
        if not any(tables for _, tables in self.mixes):
            raise M4mError(f"recipe {recipe.name}: the pack holds none of its sources", "see m4m dataset build")

    def _tables(self, mix: Mix, split: str) -> list[Table]:
        tables = []
        for source, share in mix.sources.items():
            rows = [i for i, p in enumerate(self.pack.pieces) if p["split"] == split and within(p["source"], source)]
            if rows:
                length = np.array([self.pack.pieces[i]["length"] for i in rows], float)
                tables.append((share, np.array(rows), np.cumsum(length / length.sum())))
        return tables

    def draw(self, rng: np.random.Generator) -> Example:
        """One example. Raises M4mError where the pack seems to hold none."""
        weights = np.cumsum([m.weight if tables else 0.0 for m, tables in self.mixes])
        for _ in range(PATIENCE):
            mix, tables = self.mixes[int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))]
            shares = np.cumsum([t[0] for t in tables])
            _, rows, ladder = tables[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]
            piece = self.pack[int(rows[min(int(np.searchsorted(ladder, rng.random())), len(rows) - 1)])]
            pair = MAKERS[mix.make](mix.transforms.applied(piece, rng), rng)
            if pair is not None and pair.length >= SHORTEST:
                return example(pair, self.recipe.data.frames, self.recipe.augmentation, rng)
        makes = ", ".join(m.make for m, _ in self.mixes)
        raise M4mError(f"recipe {self.recipe.name}: no piece of the pack gives an example of {makes}")

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        return collate([self.draw(rng) for _ in range(self.recipe.data.windows)])

    def validation(self, limit: int) -> Iterator[tuple[str, list[Example]]]:
        """Name and fixed validation windows of each kind and source, the same in every run."""
        for mix in self.recipe.data.mix:
            for source in mix.sources:
                rng = np.random.default_rng(0)
                pieces = list(self.pack.select("valid", [source]))
                pairs = [MAKERS[mix.make](p, rng) for p in pieces[:: max(1, len(pieces) // limit)][:limit]]
                found = [example(p, self.recipe.data.frames, Augmentation(), rng) for p in pairs if p]
                if found:
                    yield f"{mix.make}/{source}", found
