"""The folder of the analysis model, which training fills file by file."""

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.models.registry import write_hashes

FOLDER = Path("models/analyze")
"""Where it is in a checkout."""


def store(folder: Path, name: str, arrays: dict[str, NDArray[np.floating]]) -> None:
    """Write arrays to an .npz file of the folder in half precision, with the hash that says it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    np.savez_compressed(path, **{key: array.astype(np.float16) for key, array in arrays.items()})  # type: ignore[arg-type]
    (folder / "model.json").write_text(json.dumps({"m4m": 1, "task": "analyze"}) + "\n")
    write_hashes(folder)
    print(f"{path}: {path.stat().st_size} bytes", file=sys.stderr)
