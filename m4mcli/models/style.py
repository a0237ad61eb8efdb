"""Style adapters: small changes of a model's weights, as `m4m adapt` learns them, put on when the model is opened.

An adapter is an .npz archive of plain arrays. `about` is JSON in bytes: `m4m`, `kind`, and `adapters`, which says by
task for which `weights` (a hash) the changes are and what was measured. TASK/GRAPH/TENSOR/a and /b are the factors
(inputs, rank) and (rank, outputs) of what is added to a matrix in 8 bits, TASK/GRAPH/TENSOR/add is what is added to
another tensor. The changed matrices are in 8 bits again, so that an adapter costs no time.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.models.eight_bits import narrowed, widened
from m4mcli.models.registry import ModelFolder, weights_hash
from m4mcli.models.stored import Stored, stored_tensors

KIND = "style"
MOST_BYTES = 256 << 20
"""Of an adapter's arrays: any more are no adapter of a model that ships."""

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Style:
    """An adapter's file: what it says of each task, and its arrays by name."""

    path: Path
    adapters: dict[str, dict[str, Any]]
    arrays: dict[str, NDArray[Any]]


def read_style(path: Path) -> Style:
    """Read an adapter. Raises M4mError where it is none."""
    if not path.is_file():
        raise M4mError(f"{path}: no such adapter", "m4m adapt makes one")
    try:
        with ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise ValueError("too large")
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        about = json.loads(arrays.pop("about").tobytes())
        if about["m4m"] != 1 or about["kind"] != KIND:
            raise ValueError(f"made for format {about['m4m']}")
        return Style(path, {str(task): dict(told) for task, told in about["adapters"].items()}, arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile) as e:
        raise M4mError(f"{path}: not a style adapter: {e}", "m4m adapt makes one") from e


def styled(style: Style, model: ModelFolder, task: str) -> dict[str, Weights]:
    """The changed weights of a model by graph, to be put in the place of its own.

    Raises M4mError where the adapter is for another task or for other weights, or where its arrays do not fit.
    """
    told = style.adapters.get(task)
    if told is None:
        known = ", ".join(style.adapters) or "no task"
        raise M4mError(f"{style.path}: an adapter for {known}, not for {task}", f"m4m adapt --task {task} makes one")
    if told.get("weights") != weights_hash(model.path):
        whose = f"{told.get('model', 'another model')}, as it was when the adapter was made"
        raise M4mError(f"{style.path}: made for the weights of {whose}, not for these", "make it again with m4m adapt")
    found: dict[str, dict[str, dict[str, NDArray[Any]]]] = {}
    for name, array in style.arrays.items():
        parts = name.split("/")
        if len(parts) != 4 or not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
            raise M4mError(f"{style.path}: not a style adapter: {name}", "make it again with m4m adapt")
        if parts[0] == task:
            found.setdefault(parts[1], {}).setdefault(parts[2], {})[parts[3]] = array.astype(np.float32)
    return {graph: _changed(style, model, graph, changes) for graph, changes in found.items()}


def _changed(style: Style, model: ModelFolder, graph: str, changes: dict[str, dict[str, NDArray[Any]]]) -> Weights:
    path = model.path / f"{graph}.onnx"
    known = stored_tensors(path) if path.is_file() else {}
    out: Weights = {}
    for name, parts in changes.items():
        try:
            out |= _matrix(known, name, parts) if "a" in parts else _tensor(known[name], name, parts["add"])
        except (KeyError, ValueError) as e:
            raise M4mError(f"{style.path}: does not fit {model.name}: {graph}, {name}") from e
    return out


def _matrix(known: dict[str, Stored], name: str, parts: dict[str, NDArray[Any]]) -> Weights:
    matrix, scales = f"{name}_Q8", f"{name}_scales"
    stored = known[matrix].read()
    change = (parts["a"] @ parts["b"]).T
    inputs, size = len(parts["a"]), stored.shape[2]
    if change.shape[0] != len(stored) or -(-inputs // size) != stored.shape[1]:
        raise ValueError(name)
    told = known[scales].read().reshape(stored.shape[:2])
    narrow, found = narrowed(widened(stored, told, inputs) + change, size)
    return {matrix: narrow, scales: found.reshape(known[scales].shape)}


def _tensor(stored: Stored, name: str, change: NDArray[Any]) -> Weights:
    if change.shape != stored.shape or stored.dtype != np.float32:
        raise ValueError(name)
    return {name: stored.read() + change}
