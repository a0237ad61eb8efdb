"""Make `beats.npz` and `bars.npz` of `models/analyze`, the networks of the beat tracker, from pieces with known beats.

    python -m m4mcli.training.beats FOLDER...

Folders are as `beat_pieces` reads them. One thread, one seed: the same folders give the same weights on one machine.
Takes an hour and a half of one core.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from m4mcli.analysis import bar_evidence, beat_evidence, beat_network, metre_finding
from m4mcli.training.analysis_folder import FOLDER, store
from m4mcli.training.beat_pieces import BeatPiece, bar_passage, beat_passage, pieces_of
from m4mcli.training.convolutions import Batch, Convolutions, arrays_of, train

BATCH = 16
NOISE = 0.1
FOR_SCALE = 400
"""Passages that the mean and the deviation of the features are taken of."""

WEIGHT = {"asap": 1.0, "pop909": 0.4, "made": 0.25}
"""How often a piece of each kind is seen, times the root of its length, over a power of its composition's pieces."""

INTERVAL_WEIGHT = 0.2

Passage = tuple[NDArray[np.float32], tuple[NDArray[np.int64], ...]]
"""Features (n, F), and labels (n,) of which the last is whether the others are known."""


@dataclass(frozen=True)
class Recipe:
    """One network: its file, its size, how long its passages are and how many steps it takes, what it loses."""

    file: str
    features: int
    channels: int
    blocks: int
    outputs: int
    length: int
    steps: int
    passage: Callable[[BeatPiece, np.random.Generator], Passage]
    loss: Callable[..., Tensor]


def beat_loss(outputs: Tensor, beat: Tensor, downbeat: Tensor, interval: Tensor, known: Tensor) -> Tensor:
    """Mean over the known onsets of what beats, downbeats and intervals cost."""
    cost = binary_cross_entropy_with_logits(outputs[:, 0], beat.float(), reduction="none")
    cost = cost + binary_cross_entropy_with_logits(outputs[:, 1], downbeat.float(), reduction="none")
    cost = cost + INTERVAL_WEIGHT * cross_entropy(outputs[:, 2:], interval, reduction="none")
    return (cost * known).sum() / known.sum()


def bar_loss(outputs: Tensor, downbeat: Tensor, known: Tensor) -> Tensor:
    """Mean over the beats of what downbeats cost."""
    cost = binary_cross_entropy_with_logits(outputs[:, 0], downbeat.float(), reduction="none")
    return (cost * known).sum() / known.sum()


RECIPES = (
    Recipe(
        beat_network.WEIGHTS,
        beat_evidence.FEATURES,
        64,
        8,
        2 + len(beat_network.INTERVALS_S),
        640,
        8000,
        beat_passage,
        beat_loss,
    ),
    Recipe(metre_finding.WEIGHTS, bar_evidence.FEATURES, 32, 6, 1, 192, 5000, bar_passage, bar_loss),
)


def weights_of(pieces: Sequence[BeatPiece]) -> NDArray[np.float64]:
    """How often each piece is drawn; they sum to 1."""
    sizes = Counter(piece.group for piece in pieces)
    raw = [WEIGHT[p.kind] * min(len(p.music.begin), 6000) ** 0.5 / sizes[p.group] ** 0.6 for p in pieces]
    return np.array([weight / sum(raw) for weight in raw])


def stacked(passages: Iterable[Passage], recipe: Recipe, rng: np.random.Generator) -> Batch:
    """Passages with normalised features as one batch, the first `length` of each; some get a bias on every feature."""
    features = np.zeros((BATCH, recipe.features, recipe.length), np.float32)
    labels: list[NDArray[np.int64]] = []
    for row, (seen, told) in enumerate(passages):
        labels = labels or [np.zeros((BATCH, recipe.length), np.int64) for _ in told]
        part = seen[: recipe.length] + NOISE * rng.normal(size=recipe.features) * (rng.random() < 0.5)
        features[row, :, : len(part)] = part.T
        for rows, values in zip(labels, told, strict=True):
            rows[row, : len(part)] = values[: recipe.length]
    return (torch.from_numpy(features), *map(torch.from_numpy, labels))


def made(recipe: Recipe, pieces: Sequence[BeatPiece], steps: int, seed: int) -> dict[str, NDArray[np.float16]]:
    """The weights of one network after so many steps."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    chances = weights_of(pieces)

    def drawn(count: int) -> list[Passage]:
        return [recipe.passage(pieces[i], rng) for i in rng.choice(len(pieces), count, p=chances)]

    sample = np.concatenate([features for features, _ in drawn(FOR_SCALE)])
    scale = np.stack([sample.mean(axis=0), sample.std(axis=0) + 1e-3]).astype(np.float16).astype(np.float32)

    def batch() -> Batch:
        return stacked((((f - scale[0]) / scale[1], told) for f, told in drawn(BATCH)), recipe, rng)

    network = Convolutions(recipe.features, recipe.channels, recipe.blocks, recipe.outputs)
    train(network, batch, recipe.loss, steps)
    return arrays_of(network, scale)


def main() -> None:
    """Read the folders, train both networks, write their weights."""
    parser = argparse.ArgumentParser(prog="python -m m4mcli.training.beats", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder for the weights")
    parser.add_argument("--steps", type=int, help="steps of each network, instead of its recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[recipe.file for recipe in RECIPES], help="make one of the files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pieces = [piece for folder in options.folders for piece in pieces_of(folder, options.seed)]
    if not pieces:
        parser.error("no pieces with beats in these folders")
    print(f"{len(pieces)} pieces: {dict(Counter(piece.kind for piece in pieces))}", flush=True)
    for recipe in RECIPES:
        if options.only in (None, recipe.file):
            arrays = made(recipe, pieces, options.steps or recipe.steps, options.seed)
            store(options.out, recipe.file, arrays)


if __name__ == "__main__":
    main()
