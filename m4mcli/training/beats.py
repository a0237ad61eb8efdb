"""Make `beats.npz`, `bars.npz` and `gated-bars.npz` of `models/analyze`: the networks of the beat tracker, from pieces
with known beats.

    python -m m4mcli.training.beats FOLDER...

Folders are as `beat_pieces` reads them. One thread, one seed: the same folders give the same weights on one machine.
Takes an hour and a half of one core.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from m4mcli.analysis import beat_evidence, beat_network, metre_finding
from m4mcli.analysis.bar_evidence import COARSE, FINE
from m4mcli.training.analysis_folder import FOLDER, store
from m4mcli.training.beat_pieces import LEVELS, MADE, OTHER_METRE, BeatPiece, bar_passage, beat_passage, pieces_of
from m4mcli.training.convolutions import RATE, RATE_FROM_WEIGHTS, Batch, Convolutions, arrays_of, begin_with, train

BATCH = 16
NOISE = 0.1
FOR_SCALE = 400
"""Passages that the mean and the deviation of the features are taken of."""

SHARES = {"asap": 0.45, "pop909": 0.2, MADE: 0.35}
"""How much of what is seen is of each kind: its pieces by the root of their lengths, over a power of how many there are
of a composition."""

INTERVAL_WEIGHT, ONSET_METRE_WEIGHT, METRE_WEIGHT, LEVEL_WEIGHT = 0.3, 0.2, 0.5, 0.5

Passage = tuple[NDArray[np.float32], tuple[NDArray[np.int64], ...]]
"""Features (n, F), and labels (n,) of which the last is whether the others are known."""


@dataclass(frozen=True)
class Recipe:
    """One network: its file, its size, how long its passages are and how many steps it takes, what it loses."""

    file: str
    features: int
    channels: int
    blocks: int
    states: int
    outputs: int
    length: int
    steps: int
    passage: Callable[[BeatPiece, np.random.Generator], Passage]
    loss: Callable[..., Tensor]


def beat_loss(
    outputs: Tensor, beat: Tensor, downbeat: Tensor, interval: Tensor, metre: Tensor, known: Tensor
) -> Tensor:
    """Mean over the known onsets of what beats, downbeats, intervals and metres cost."""
    cost = binary_cross_entropy_with_logits(outputs[:, 0], beat.float(), reduction="none")
    cost = cost + binary_cross_entropy_with_logits(outputs[:, 1], downbeat.float(), reduction="none")
    told, metres = outputs[:, 2 : 2 + len(beat_network.INTERVALS_S)], outputs[:, 2 + len(beat_network.INTERVALS_S) :]
    cost = cost + INTERVAL_WEIGHT * cross_entropy(told, interval, reduction="none")
    cost = cost + ONSET_METRE_WEIGHT * cross_entropy(metres, metre, ignore_index=OTHER_METRE, reduction="none")
    return (cost * known).sum() / known.sum()


def bar_loss(outputs: Tensor, downbeat: Tensor, metre: Tensor, level: Tensor, known: Tensor) -> Tensor:
    """Mean over the beats of what downbeats, metres and levels cost."""
    cost = binary_cross_entropy_with_logits(outputs[:, 0], downbeat.float(), reduction="none")
    metres, levels = outputs[:, 1 : 1 + len(metre_finding.METRES)], outputs[:, 1 + len(metre_finding.METRES) :]
    cost = cost + METRE_WEIGHT * cross_entropy(metres, metre, ignore_index=OTHER_METRE, reduction="none")
    cost = cost + LEVEL_WEIGHT * cross_entropy(levels, level, reduction="none")
    return (cost * known).sum() / known.sum()


BEAT_OUTPUTS = 2 + len(beat_network.INTERVALS_S) + len(metre_finding.METRES)
BAR_OUTPUTS = 1 + len(metre_finding.METRES) + len(LEVELS)

RECIPES = (
    Recipe("beats.npz", beat_evidence.FEATURES, 64, 8, 0, BEAT_OUTPUTS, 640, 8000, beat_passage, beat_loss),
    Recipe("bars.npz", COARSE.features, 32, 6, 0, BAR_OUTPUTS, 192, 5000, partial(bar_passage, COARSE), bar_loss),
    Recipe("gated-bars.npz", FINE.features, 48, 6, 48, BAR_OUTPUTS, 192, 3000, partial(bar_passage, FINE), bar_loss),
)


def weights_of(pieces: Sequence[BeatPiece]) -> NDArray[np.float64]:
    """How often each piece is drawn; they sum to 1."""
    sizes = Counter(piece.group for piece in pieces)
    raw = np.array([min(len(p.music.begin), 6000) ** 0.5 / sizes[p.group] ** 0.75 for p in pieces])
    for kind, share in SHARES.items():
        mine = np.array([p.kind == kind for p in pieces])
        raw[mine] *= share / max(raw[mine].sum(), 1e-9)
    return np.asarray(raw / raw.sum())


def weights_in(folder: Path, file: str) -> dict[str, NDArray[np.float32]]:
    """The weights in a file of a folder, in single precision."""
    with np.load(folder / file) as stored:
        return {name: array.astype(np.float32) for name, array in stored.items()}


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


def made(
    recipe: Recipe, pieces: Sequence[BeatPiece], steps: int, seed: int, start: Mapping[str, NDArray[np.float32]] | None
) -> dict[str, NDArray[np.float16]]:
    """The weights of one network after so many steps, from those of `start` on if given."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    chances = weights_of(pieces)

    def drawn(count: int) -> list[Passage]:
        return [recipe.passage(pieces[i], rng) for i in rng.choice(len(pieces), count, p=chances)]

    if start is None:
        sample = np.concatenate([features for features, _ in drawn(FOR_SCALE)])
        scale = np.stack([sample.mean(axis=0), sample.std(axis=0) + 1e-3]).astype(np.float16).astype(np.float32)
    else:
        scale = np.stack([start["mean"], start["deviation"]])

    def batch() -> Batch:
        return stacked((((f - scale[0]) / scale[1], told) for f, told in drawn(BATCH)), recipe, rng)

    network = Convolutions(recipe.features, recipe.channels, recipe.blocks, recipe.states, recipe.outputs)
    if start is not None:
        begin_with(network, start)
    train(network, batch, recipe.loss, steps, RATE if start is None else RATE_FROM_WEIGHTS)
    return arrays_of(network, scale)


def main() -> None:
    """Read the folders, train the networks, write their weights."""
    parser = argparse.ArgumentParser(prog="python -m m4mcli.training.beats", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder for the weights")
    parser.add_argument("--steps", type=int, help="steps of each network, instead of its recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[recipe.file for recipe in RECIPES], help="make one of the files")
    parser.add_argument("--start", type=Path, help="a folder with narrower weights to begin with")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pieces = [piece for folder in options.folders for piece in pieces_of(folder)]
    if not pieces:
        parser.error("no pieces with beats in these folders")
    print(f"{len(pieces)} pieces: {dict(Counter(piece.kind for piece in pieces))}", flush=True)
    for recipe in RECIPES:
        if options.only in (None, recipe.file):
            start = weights_in(options.start, recipe.file) if options.start else None
            arrays = made(recipe, pieces, options.steps or recipe.steps, options.seed, start)
            store(options.out, recipe.file, arrays)


if __name__ == "__main__":
    main()
