"""A trained network as a model folder: ONNX graphs in 8 bits, verified against torch before they are kept."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from m4mcli.dataset.pack import Pack
from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.melody_attributes import FILE as ATTRIBUTES
from m4mcli.models.registry import HASHES, write_hashes
from m4mcli.training.checkpoint import load_checkpoint, load_network
from m4mcli.training.frame_export import FrameSubject
from m4mcli.training.graphs import DATA, write_graphs
from m4mcli.training.latent_export import LatentSubject
from m4mcli.training.recipe import as_toml, build_recipe
from m4mcli.training.sampler import Sampler
from m4mcli.training.subject import Measured, Subject
from m4mcli.training.token_export import TokenSubject, validation_scores
from m4mcli.training.verify import Piece, tune, validation_pieces

GRAPHS = (
    "encoder",
    "frame_step",
    "note_step",
    "note_rest",
    "append",
    "row_step",
    "column_step",
    "believe",
    "guide",
    "event_step",
)
MADE = (*(f"{name}.onnx" for name in GRAPHS), DATA, ATTRIBUTES, "model.json", "export.json", HASHES)
MADE_MANY = ("adapter-*.npz", "weights-*.safetensors", "read_*.onnx")
"""Files of an older export, by name and by pattern, which a new one does not keep."""


def require_place(out: Path) -> None:
    """Raise M4mError unless a model folder may be written there: nothing is there, or an older model."""
    if out.exists() and not (out.is_dir() and ((out / "model.json").is_file() or not any(out.iterdir()))):
        raise M4mError(f"{out}: exists and is no model folder", "give another -o", USAGE)


def subject_of(
    checkpoint: Path, pack: Path | None = None, adapters: tuple[Path, ...] = (), adapter_inputs: bool = False
) -> Subject:
    """The network of a checkpoint, to be verified on music of a pack, or on a built-in tune. Raises M4mError."""
    kind = None if checkpoint.is_dir() else load_checkpoint(checkpoint).facts["network"].get("kind")
    if kind is None:
        pieces = [tune()] if pack is None else _validation_pieces(checkpoint, pack)
        return FrameSubject(checkpoint, pieces, adapters, adapter_inputs)
    if adapters or adapter_inputs:
        raise M4mError(f"{checkpoint}: a network over tokens takes no adapter", status=USAGE)
    if kind == "latent":
        return LatentSubject(checkpoint, pack)
    return TokenSubject(checkpoint, [tune().score()] if pack is None else validation_scores(checkpoint, pack))


def _validation_pieces(checkpoint: Path, pack: Path) -> list[Piece]:
    _, facts = load_network(checkpoint)
    if "recipe" not in facts:
        raise M4mError(f"{checkpoint}: names no recipe, so no windows of a pack", "leave --pack out")
    return validation_pieces(Sampler(Pack(pack), build_recipe(facts["recipe"])))


def export_model(
    subject: Subject,
    out: Path,
    *,
    card: str = "",
    recipe: Path | None = None,
    shard_bytes: int = 0,
    quiet: bool = True,
) -> Measured:
    """Export a network as a model folder: verified graphs, facts, recipe, card, hashes. Returns what was measured.

    The full-precision graphs must equal torch and the 8-bit ones come close to it, with each adapter too; else nothing
    is written and M4mError is raised. Files of an older export in `out` are replaced, others (metrics.json) are kept.
    `shard_bytes` above 0 adds the weights as fp16 safetensors of that size.
    """
    require_place(out)
    measured: Measured = {"pieces": subject.count}
    out.parent.mkdir(parents=True, exist_ok=True)
    traced, described = subject.traced(quiet), subject.described()
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as work:
        for bits in (32, 8):
            folder = Path(work) / str(bits)
            folder.mkdir()
            write_graphs(traced, folder, bits=bits, quiet=quiet)
            subject.add_files(folder)
            (folder / "model.json").write_text(json.dumps(described, indent=1) + "\n")
            write_hashes(folder)
            measured[f"{bits} bit"] = subject.verified(bits, folder, out)
        (folder / "export.json").write_text(json.dumps(measured, indent=1) + "\n")
        _add_texts(folder, subject.facts, card, recipe)
        if shard_bytes:
            subject.add_shards(folder, shard_bytes)
        _put(folder, out)
    return measured


def _add_texts(folder: Path, facts: dict[str, Any], card: str, recipe: Path | None) -> None:
    if recipe is not None:
        shutil.copy(recipe, folder / "recipe.toml")
    elif "recipe" in facts:
        (folder / "recipe.toml").write_text(as_toml(build_recipe(facts["recipe"])), encoding="utf-8")
    if card:
        (folder / "card.md").write_text(card, encoding="utf-8")


def _put(folder: Path, out: Path) -> None:
    """Put a finished folder in the place of an older one, with what that holds besides."""
    if out.exists():
        stale = {path.name for pattern in MADE_MANY for path in out.glob(pattern)} | set(MADE)
        for path in out.iterdir():
            if path.name not in stale and not (folder / path.name).exists():
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, folder / path.name)
    write_hashes(folder)
    if out.exists():
        old = folder.with_name("old")
        out.rename(old)
    folder.rename(out)
