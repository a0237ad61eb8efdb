"""How fast the networks over tokens write, at any length, and that what they write decodes whole. One core.

    taskset -c 0 python tests/benchmarks/hub.py mmt-20m folk-rnn     # rows a second at some lengths
    python tests/benchmarks/hub.py --pieces 1000 multihead           # so many pieces, and how many of their tokens skip

A recipe is measured with random weights, which write at the speed of trained ones; a model folder as it is. `window` is
the same network in torch reading all rows again for each new one, as the published samplers of MMT and folk-rnn do.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from m4mcli.generation.sampling import Sampling
from m4mcli.generation.token_sampling import Asked, sample
from m4mcli.models.registry import read_model, write_hashes
from m4mcli.models.token_session import OnnxTokenModel
from m4mcli.networks.build import token_network
from m4mcli.networks.config import FoundationConfig, LatentConfig
from m4mcli.networks.token_network import TokenNetwork
from m4mcli.tokens.coder import Coder, open_coder
from m4mcli.tokens.merged import opened_coder
from m4mcli.training.graphs import trace_all, write_graphs
from m4mcli.training.recipe import find_recipe, read_recipe
from m4mcli.training.token_export import about
from m4mcli.training.token_graphs import token_graphs

LENGTHS = (10, 100, 250, 500, 980)
STEPS = 40


def guessing(name: str) -> tuple[TokenNetwork, Coder]:
    """The network of a recipe with random weights, always the same."""
    recipe = read_recipe(find_recipe(name))
    assert not isinstance(recipe.network, FoundationConfig | LatentConfig)
    coder = open_coder(recipe.tokens.scheme, recipe.tokens.config)
    torch.manual_seed(0)
    return token_network(recipe.network, coder.sizes).eval(), coder


def folder_of(name: str, work: Path) -> tuple[Path, TokenNetwork | None, Coder]:
    """A model folder, and torch's network where it was made of a recipe."""
    if (Path(name) / "model.json").is_file():
        return Path(name), None, opened_coder(read_model(Path(name)).facts["tokens"], name)
    network, coder = guessing(name)
    folder = work / name
    if not folder.exists():
        folder.mkdir(parents=True)
        write_graphs(trace_all(token_graphs(network)), folder, bits=8)
        (folder / "model.json").write_text(json.dumps(about(network, coder.facts())))
        write_hashes(folder)
    return folder, network, coder


def row_at(model: OnnxTokenModel, coder: Coder, length: int) -> float:
    """Processor seconds that a row takes behind so many rows: masks, choices and all."""
    rng, grammar = np.random.default_rng(0), coder.grammar
    past = np.stack([rng.integers(0, n, length) for n in coder.sizes], axis=-1)[None]
    memory = model.begin(1)
    model.read(past, memory)
    state, times = coder.started(), []
    for _ in range(STEPS):
        began = time.process_time()
        row = np.zeros((1, 0), np.int64)
        ahead = model.read(past[:, -1:], memory)
        for _ in coder.sizes:
            logits = ahead.logits(row)
            mask = grammar.allowed_next(state)
            value = int(np.where(mask, logits[0], -np.inf).argmax())
            state = grammar.step(state, value)
            row = np.concatenate((row, [[value]]), axis=1)
        times.append(time.process_time() - began)
        if (row[0] == coder.end).all():
            state = coder.started()
    return float(np.median(times))


def window_at(network: TokenNetwork, coder: Coder, length: int) -> float:
    """Seconds that torch takes to tell a row from all rows before it, read anew."""
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(np.stack([rng.integers(0, n, length) for n in coder.sizes], axis=-1)[None])
    times = []
    with torch.no_grad():
        for _ in range(3):
            began = time.process_time()
            hidden = network.hidden(rows)
            network.heads(hidden[:, -1:], rows[:, -1:])
            times.append(time.process_time() - began)
    return min(times)


def speeds(name: str, work: Path) -> None:
    """Print rows a second by length."""
    folder, network, coder = folder_of(name, work)
    model = OnnxTokenModel(read_model(folder))
    for length in LENGTHS:
        if not model.context or length + STEPS <= model.context:
            plain = "" if network is None else f"{1 / window_at(network, coder, length):8.1f} rows/s window"
            print(f"{name:14} {length:5} {1 / row_at(model, coder, length):8.1f} rows/s{plain}", flush=True)


def pieces(name: str, count: int, length: int, work: Path) -> None:
    """Sample pieces; print how many tokens decoding skipped."""
    folder, _, coder = folder_of(name, work)
    model, began = OnnxTokenModel(read_model(folder)), time.monotonic()
    rows = skipped = notes = ended = 0
    for first in range(0, count, 16):
        asked = Asked(coder.lead[None], length, Sampling(), first=first)
        for piece in sample(model, coder, asked, min(16, count - first)):
            score, lost = coder.score(piece.rows)
            rows, skipped, notes, ended = (
                rows + len(piece.rows),
                skipped + lost,
                notes + score.note_count,
                ended + piece.ended,
            )
    seconds = time.monotonic() - began
    print(f"{name}: {count} pieces, {ended} ended, {rows} rows, {notes} notes, {skipped} skipped, {seconds:.0f} s")


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--pieces", type=int, default=0)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--work", type=Path, default=Path("hub-bench"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.names:
        if given.pieces:
            pieces(name, given.pieces, given.length, given.work)
        else:
            speeds(name, given.work)


if __name__ == "__main__":
    main()
