"""Where models are found, and that they are whole: folders with ONNX graphs, weights, card, recipe, metrics, hashes."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

from m4mcli.errors import M4mError

HASHES = "SHA256SUMS"
LOADED = (".onnx", ".data", ".npz", "model.json")
"""How the names of the files end that a session reads."""

PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk and what its `model.json` says: task, network sizes, sampling defaults."""

    path: Path
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks it can do: its own, those that it was trained for beside it, and those that it has adapters for."""
        own = [self.facts["task"]] if "task" in self.facts else []
        return (*own, *self.facts.get("also", ()), *self.facts.get("adapters", {}))


def search_path() -> list[Path]:
    """Folders that hold models, first wins: $M4M_MODELS, the installed package's, the checkout's."""
    given = [Path(p) for p in os.environ.get("M4M_MODELS", "").split(os.pathsep) if p]
    return [*given, PACKAGE / "weights", PACKAGE.parent.parent / "models"]


def available() -> dict[str, Path]:
    """Every model found, by name."""
    found: dict[str, Path] = {}
    for folder in search_path():
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if (path / "model.json").is_file():
                    found.setdefault(path.name, path)
    return found


def find_model(name: str | None, task: str, *others: str) -> ModelFolder:
    """A model by folder path or name; without one the first that is found for the task.

    Raises M4mError where none is found, or where the named one neither was made for the task (or one of the others) nor
    has an adapter for it.
    """
    models = available()
    if name is not None:
        path = Path(name) if (Path(name) / "model.json").is_file() else models.get(name)
        if path is None:
            raise M4mError(f"no model {name!r}", f"known: {', '.join(models) or 'none'}, or a folder")
        model = read_model(path)
        if not {task, *others} & {*model.tasks}:
            made_for = f"a model for {', '.join(model.tasks) or 'no task'}, not for {task}"
            raise M4mError(f"{name}: {made_for}", f"models for {task}: {', '.join(_fitting(models, task)) or 'none'}")
        return model
    for path in models.values():
        model = read_model(path)
        if task in model.tasks:
            return model
    raise M4mError(f"no model for {task} found", "install m4m with its models, or set M4M_MODELS")


def _fitting(models: dict[str, Path], task: str) -> Iterator[str]:
    """The names of the models that do a task; what cannot be read is passed over."""
    for name, path in models.items():
        with contextlib.suppress(M4mError):
            if task in read_model(path).tasks:
                yield name


def read_model(path: Path) -> ModelFolder:
    """Read a model folder's facts. Raises M4mError where they are missing or not for this version."""
    try:
        facts = json.loads((path / "model.json").read_text(encoding="utf-8"))
        if facts["m4m"] != 1:
            raise ValueError(f"made for format {facts['m4m']}")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise M4mError(f"{path}: not a model folder: {e}") from e
    return ModelFolder(path, facts)


def read_arrays(model: ModelFolder, name: str) -> "dict[str, NDArray[Any]]":
    """The arrays of an .npz file of a model folder, by name. Raises M4mError where it is missing or damaged."""
    import numpy as np

    verify(model.path, (name,))
    try:
        with np.load(model.path / name, allow_pickle=False) as stored:
            return dict(stored)
    except (OSError, ValueError) as e:
        raise M4mError(f"{model.path / name}: no arrays: {e}", "install the model again") from e


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def fingerprint(folder: Path) -> str:
    """What tells one version of a model from another: the first 12 digits of the hash of its SHA256SUMS."""
    try:
        return file_hash(folder / HASHES)[:12]
    except OSError:
        return "damaged"


def weights_hash(folder: Path) -> str:
    """SHA-256 over the hashes of a model's graphs and weights, in hex: by which an adapter knows them; else empty."""
    try:
        lines = (folder / HASHES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    loaded = sorted(line for line in lines if line.endswith((".onnx", ".data")))
    return hashlib.sha256("\n".join(loaded).encode()).hexdigest()


def write_hashes(folder: Path) -> None:
    """Write SHA256SUMS over the files of a model folder that are loaded, as sha256sum does. Its card may change."""
    names = sorted(p.name for p in folder.iterdir() if p.name.endswith(LOADED))
    (folder / HASHES).write_text("".join(f"{file_hash(folder / n)}  {n}\n" for n in names))


def verify(folder: Path, suffixes: tuple[str, ...] = LOADED) -> None:
    """Check the files that are loaded against SHA256SUMS. Raises M4mError on a missing, truncated or altered file."""
    try:
        lines = (folder / HASHES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise M4mError(f"{folder}: no readable {HASHES}", "install the model again") from e
    known = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for path in sorted(folder.iterdir()):
        if path.name.endswith(suffixes) and known.get(path.name) != file_hash(path):
            raise M4mError(f"{path}: does not match {HASHES}", "the file is damaged: install the model again")
    for name in known:
        if name.endswith(suffixes) and not (folder / name).is_file():
            raise M4mError(f"{folder / name}: missing", "install the model again")
