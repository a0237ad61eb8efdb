"""The weights of chord recognition and key finding, learnt from labelled pieces.

`python -m m4mcli.training.analysis FOLDER` reads the `train` split of the sources below FOLDER (see
`m4mcli.dataset.labelled`) and writes `chords.npz` and `keys.npz` to `models/analyze`, or to `--out`. The
same folder gives the same weights. About 40 minutes on one core.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from m4mcli.analysis import chord_model, key_features, key_finding
from m4mcli.analysis.beat_grid import grid_of
from m4mcli.analysis.chord_recognition import recognize_chords
from m4mcli.analysis.pitch_features import pictures, units_of
from m4mcli.analysis.rotating_network import RotatingNetwork
from m4mcli.analysis.targets import UNKNOWN, at, chord_state, key_state
from m4mcli.dataset.labelled import LabelledPiece, labelled_pieces, sources_in
from m4mcli.score.score import Score
from m4mcli.training.analysis_folder import FOLDER, store
from m4mcli.training.chains import ChordChain, KeyChain, Rotating, chain_loss

CHORD_SHARES = {
    ("pop909", "all"): 4.0, ("pop909", "melody"): 1.5, ("dcml", "all"): 3.0, ("bach370", "all"): 1.0,
    ("nottingham", "melody"): 2.0, ("nottingham", "melody and chords"): 0.6,
    ("openewld", "melody"): 0.7, ("openewld", "melody and chords"): 0.7,
}  # fmt: skip
"""Sources and inputs of the chords, and how often one is drawn."""

KEY_SHARES = {
    ("nottingham", "melody"): 2.0, ("nottingham", "melody and chords"): 2.0, ("dcml", "all"): 4.0,
    ("bach370", "all"): 1.0, ("pop909", "all"): 0.5,
}  # fmt: skip
"""Likewise for the keys."""

LENGTH, BATCH = 64, 24
"""Units or bars of an excerpt, excerpts in a step."""

CHORD_STEPS, KEY_STEPS, WHOLE_STEPS = 6000, 1500, 1500
CHORD_HIDDEN, KEY_HIDDEN, WHOLE_HIDDEN = 96, 32, 16
RATE = 4e-3
BASS = 0.15
"""What the basses weigh beside the chords."""


Batch = tuple[Tensor, ...]
Loss = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class Example:
    """A piece as rows: pictures (n, P, 12), scalars (n, S), states (n,), basses (n,); the `key` of the whole."""

    pictures: NDArray[np.float16]
    scalars: NDArray[np.float16]
    states: NDArray[np.int16]
    basses: NDArray[np.int16]
    key: int = UNKNOWN
    whole: NDArray[np.float32] | None = None


def chord_example(piece: LabelledPiece, score: Score) -> Example:
    """The units of a piece and their chords."""
    units = units_of(grid_of(score), score.end)
    seen, plain = pictures(score, units)
    middles = (units.ticks[:-1] + units.ticks[1:]) / (2 * score.tpq)
    labels = [(UNKNOWN, 0) if label is None else chord_state(label) for label in at(middles, piece.chords)]
    states, basses = np.array(labels, np.int16).reshape(-1, 2).T
    return Example(seen.astype(np.float16), plain.astype(np.float16), states, basses)


def train_chords(examples: dict[tuple[str, str], list[Example]], steps: int = CHORD_STEPS) -> ChordChain:
    """The chain of chords."""
    torch.manual_seed(0)
    chain = ChordChain(CHORD_HIDDEN)

    def loss(batch: Batch) -> Tensor:
        seen, plain, states, basses, there = batch
        fit, bass, change = chain(seen, plain)
        states, basses, there = states[:, 1:], basses[:, 1:], there[:, 1:]
        known = (states >= 0) & (states < chord_model.SILENCE)
        root = (states.clamp(min=0) % 12)[..., None, None].expand(-1, -1, 1, 12)
        heard = torch.gather(bass, 2, root)[:, :, 0]
        wrong = nn.functional.cross_entropy(heard[known], basses[known])
        return chain_loss(fit, change, chain.table(), states, there) + BASS * wrong

    _descend(chain, loss, _batches(examples, CHORD_SHARES, before=1), steps, "chords")
    return chain


def key_example(
    piece: LabelledPiece, score: Score, model: chord_model.ChordModel
) -> tuple[Example, NDArray[np.float32]]:
    """The bars of a piece and their keys, and how many units each bar has."""
    harmony = recognize_chords(score, grid_of(score), model)
    streams, length = key_features.bar_streams(score, harmony.units, harmony.probabilities)
    seen, plain = key_features.key_pictures(streams, length)
    edges = np.append(harmony.units.ticks[:-1][np.diff(harmony.units.bar, prepend=-1) > 0], harmony.units.ticks[-1])
    middles = (edges[:-1] + edges[1:]) / (2 * score.tpq)
    states = [UNKNOWN if label is None else key_state(label) for label in at(middles, piece.keys)]
    key = UNKNOWN if piece.key is None else key_state(piece.key)
    made = np.array(states, np.int16)
    return Example(seen.astype(np.float16), plain.astype(np.float16), made, made, key, streams), length


def train_keys(examples: dict[tuple[str, str], list[Example]], steps: int = KEY_STEPS) -> KeyChain:
    """The chain of local keys."""
    torch.manual_seed(0)
    chain = KeyChain(key_features.PICTURES, key_features.SCALARS, KEY_HIDDEN)

    def loss(batch: Batch) -> Tensor:
        seen, plain, states, _, there = batch
        fit, change = chain(seen, plain)
        return chain_loss(fit, change, chain.table(), states, there)

    _descend(chain, loss, _batches(examples, KEY_SHARES), steps, "local keys")
    return chain.eval()


def train_whole(examples: dict[tuple[str, str], list[Example]], seed: int, steps: int = WHOLE_STEPS) -> Rotating:
    """A network of the whole piece's key; the examples have one row each."""
    torch.manual_seed(seed)
    seen = next(iter(examples.values()))[0].pictures
    network = Rotating(seen.shape[1], 0, 2, WHOLE_HIDDEN, dropout=0.3)

    def loss(batch: Batch) -> Tensor:
        answers = network(batch[0][:, 0], batch[1][:, 0]).transpose(-1, -2).flatten(-2)
        return nn.functional.cross_entropy(answers, batch[2][:, 0])

    _descend(network, loss, _batches(examples, KEY_SHARES, length=1), steps, "keys")
    return network.eval()


def _descend(module: nn.Module, loss: Loss, batches: Iterator[Batch], steps: int, name: str) -> None:
    optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    recent: list[float] = []
    for step in range(1, steps + 1):
        value = loss(next(batches))
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recent.append(float(value.detach()))
        if step % 250 == 0 or step == steps:
            print(f"{name}: step {step} of {steps}, {np.mean(recent[-250:]):.4f} nats", file=sys.stderr, flush=True)


def _batches(
    examples: dict[tuple[str, str], list[Example]],
    shares: dict[tuple[str, str], float],
    length: int = LENGTH,
    before: int = 0,
) -> Iterator[Batch]:
    """Pictures, scalars, states, basses and which rows are there, of excerpts drawn by length; `before` rows more."""
    rng = np.random.default_rng(0)
    kinds = [kind for kind in shares if examples.get(kind)]
    weights = np.array([shares[kind] for kind in kinds])
    ends = {kind: np.cumsum([len(example.states) for example in examples[kind]]) for kind in kinds}
    some = examples[kinds[0]][0]
    rows = length + before
    while True:
        seen = np.zeros((BATCH, rows, *some.pictures.shape[1:]), np.float32)
        plain = np.zeros((BATCH, rows, some.scalars.shape[1]), np.float32)
        states, basses = np.full((BATCH, rows), UNKNOWN), np.zeros((BATCH, rows), np.int64)
        there = np.zeros((BATCH, rows), bool)
        for i in range(BATCH):
            kind = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
            example = examples[kind][int(np.searchsorted(ends[kind], rng.integers(ends[kind][-1]), side="right"))]
            start = int(rng.integers(max(1, len(example.states) - length + 1)))
            stop = min(len(example.states), start + length)
            first = max(0, start - before)
            into = slice(before - (start - first), before + stop - start)
            seen[i, into], plain[i, into] = example.pictures[first:stop], example.scalars[first:stop]
            states[i, into], basses[i, into] = example.states[first:stop], example.basses[first:stop]
            there[i, into] = True
        yield tuple(torch.from_numpy(array) for array in (seen, plain, states, basses, there))


def _inputs(
    folder: Path, shares: dict[tuple[str, str], float]
) -> Iterator[tuple[tuple[str, str], LabelledPiece, Score]]:
    there = sources_in(folder, "train")
    for source in dict.fromkeys(source for source, _ in shares if source in there):
        for piece in labelled_pieces(folder, source, "train"):
            for kind, score in piece.inputs().items():
                if (source, kind) in shares and score.end:
                    yield (source, kind), piece, score


def main(arguments: Sequence[str]) -> int:
    """Train both and write their weights; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m m4mcli.training.analysis")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--keys-only", action="store_true", help="with the chords.npz of --out")
    parser.add_argument("--steps", type=int, help="of each training; else as many as the shipped weights took")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if not asked.keys_only:
        chord_examples: dict[tuple[str, str], list[Example]] = {}
        for kind, piece, score in _inputs(asked.folder, CHORD_SHARES):
            chord_examples.setdefault(kind, []).append(chord_example(piece, score))
        store(asked.out, chord_model.WEIGHTS, train_chords(chord_examples, asked.steps or CHORD_STEPS).arrays())
        del chord_examples
    with np.load(asked.out / chord_model.WEIGHTS) as weights:
        chords = chord_model.ChordModel.of(weights)
    _train_both_keys(asked.folder, asked.out, chords, asked.steps)
    return 0


def _train_both_keys(folder: Path, out: Path, chords: chord_model.ChordModel, steps: int | None) -> None:
    local: dict[tuple[str, str], list[Example]] = {}
    lengths: dict[tuple[str, str], list[NDArray[np.float32]]] = {}
    for kind, piece, score in _inputs(folder, KEY_SHARES):
        example, length = key_example(piece, score, chords)
        local.setdefault(kind, []).append(example)
        lengths.setdefault(kind, []).append(length)
    chain = train_keys(local, steps or KEY_STEPS)
    moves = chain.moves.detach().numpy()
    network = RotatingNetwork.of(chain.network.arrays())
    model = key_finding.KeyModel(network, (), moves)
    whole: dict[tuple[str, str], list[Example]] = {}
    for kind, examples in local.items():
        for example, length in zip(examples, lengths[kind], strict=True):
            if example.key != UNKNOWN and example.whole is not None:
                likely = key_finding.local_probabilities(model, example.whole, length)
                seen, plain = key_finding.whole_pictures(example.whole, length, likely)
                key = np.array([example.key], np.int16)
                whole.setdefault(kind, []).append(Example(seen.astype(np.float16), plain.astype(np.float16), key, key))
    arrays = chain.network.arrays("local_") | {"moves": moves}
    for seed in range(key_finding.WHOLE_NETWORKS):
        arrays |= train_whole(whole, seed, steps or WHOLE_STEPS).arrays(f"whole{seed}_")
    store(out, key_finding.WEIGHTS, arrays)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
