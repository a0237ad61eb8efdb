"""Model folders for the benchmarks, without training: what counts there is the size.

python tests/benchmarks/folders.py foundation-base FOLDER    # random weights of a recipe
"""

import json
import sys
from pathlib import Path

import torch

from m4mcli.models.registry import write_hashes
from m4mcli.networks.config import FoundationConfig
from m4mcli.networks.foundation import Foundation
from m4mcli.training.graphs import export_graphs
from m4mcli.training.recipe import find_recipe, read_recipe


def guessing(recipe: str) -> Foundation:
    """The network of a recipe with random weights, always the same."""
    torch.manual_seed(0)
    sizes = read_recipe(find_recipe(recipe)).network
    assert isinstance(sizes, FoundationConfig)
    return Foundation(sizes).eval()


def model_folder(model: Foundation, path: Path, window: int = 384) -> Path:
    """The network as a model folder for harmonize, in 8 bits."""
    path.mkdir()
    export_graphs(model, path)
    facts = {"m4m": 1, "task": "harmonize", "network": model.config.as_dict(), "window": window}
    (path / "model.json").write_text(json.dumps(facts))
    write_hashes(path)
    return path


if __name__ == "__main__":
    model_folder(guessing(sys.argv[1]), Path(sys.argv[2]))
