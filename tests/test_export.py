"""Export to ONNX: equal to torch in every form, with adapters and without, and nothing written that fails."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from toy import chords, melody, request, toy_pack, toy_recipe, toy_sizes

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from m4mcli.cli import run  # noqa: E402
from m4mcli.dataset.pack import Pack  # noqa: E402
from m4mcli.errors import M4mError  # noqa: E402
from m4mcli.generation.generate import generate  # noqa: E402
from m4mcli.generation.likelihood import teacher_forced  # noqa: E402
from m4mcli.generation.rules import Rules  # noqa: E402
from m4mcli.generation.sampling import Sampling  # noqa: E402
from m4mcli.models.registry import read_model, verify, write_hashes  # noqa: E402
from m4mcli.models.session import OnnxNetwork, open_network  # noqa: E402
from m4mcli.networks.adapter import Lora  # noqa: E402
from m4mcli.networks.config import Alignment  # noqa: E402
from m4mcli.networks.foundation import Foundation  # noqa: E402
from m4mcli.training.checkpoint import Checkpoint, fingerprint, load_network, save_checkpoint  # noqa: E402
from m4mcli.training.export import export_model, require_place  # noqa: E402
from m4mcli.training.frame_export import FrameSubject  # noqa: E402
from m4mcli.training.graphs import trace, write_graphs  # noqa: E402
from m4mcli.training.sampler import Sampler  # noqa: E402
from m4mcli.training.torch_network import TorchNetwork  # noqa: E402
from m4mcli.training.verify import (  # noqa: E402
    Piece,
    compare,
    require_close,
    require_exact,
    same_notes,
    tune,
    validation_pieces,
)

torch.set_num_threads(1)
LENGTH = 32
PIECE = Piece(melody(LENGTH), chords(LENGTH), request(LENGTH).metre)  # type: ignore[arg-type]


def shaken(module: Any, seed: int) -> Any:
    """A module in which nothing is zero."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


def foundation(form: Alignment = "aligned", layers: int = 1) -> Foundation:
    torch.manual_seed(0)
    model: Foundation = shaken(Foundation(replace(toy_sizes(), alignment=form, layers=layers)), 1)
    return model


def save(model: Foundation, path: Path) -> Path:
    """A checkpoint as training writes it."""
    facts = {"recipe": asdict(toy_recipe()), "network": model.config.as_dict(), "step": 3, "frames": 99}
    average = {name: value.clone() for name, value in model.state_dict().items()}
    save_checkpoint(path, Checkpoint(model.state_dict(), average, {}, facts))
    return path


def save_adapter(base: Foundation, path: Path, form: Alignment = "self", task: str = "harmonize") -> Path:
    """The checkpoint of an adapter on a network, run in a form."""
    config = replace(base.config, alignment=form)
    lora = shaken(Lora(config, 3), 2)
    facts = {"recipe": asdict(toy_recipe(f"task={task}")), "network": config.as_dict(), "step": 3, "frames": 9}
    facts |= {"adapter": {"rank": 3}, "base": fingerprint(base)}
    average = {name: value.clone() for name, value in lora.state_dict().items()}
    save_checkpoint(path, Checkpoint(lora.state_dict(), average, {}, facts))
    return path


def described(model: Foundation, folder: Path, form: Alignment) -> Path:
    facts = {"m4m": 1, "task": "harmonize", "network": model.config.as_dict() | {"alignment": form}, "window": 64}
    (folder / "model.json").write_text(json.dumps(facts))
    write_hashes(folder)
    return folder


Graphs = dict[str, Any]
BASES: dict[str, tuple[Alignment, int]] = {"none": ("none", 2), "self": ("none", 2), "cross": ("cross", 1)}
"""Form and layers of the network that is traced for a form: without a reference and with one in front, the same."""


@pytest.fixture(scope="module")
def traced() -> Callable[[Alignment], Graphs]:
    """A toy network's graphs with adapter inputs; tracing takes seconds, so each is traced once."""
    made: dict[Alignment, Graphs] = {}

    def trace_once(form: Alignment) -> Graphs:
        form, layers = BASES[form]
        if form not in made:
            made[form] = trace(foundation(form, layers), adapter=True)
        return made[form]

    return trace_once


@pytest.fixture
def exported(traced: Callable[[Alignment], Graphs], tmp_path: Path) -> Callable[[Alignment], tuple[Foundation, Path]]:
    """A toy network in a form, and the folder of its graphs in full precision."""

    def export(form: Alignment) -> tuple[Foundation, Path]:
        folder = tmp_path / f"exported-{form}"
        folder.mkdir()
        write_graphs(traced(form), folder, bits=32)
        model = foundation(form, BASES[form][1])
        return model, described(model, folder, form)

    return export


Exported = Callable[[Alignment], tuple[Foundation, Path]]
WITH_ADAPTERS: tuple[Alignment, ...] = ("none", "self", "cross")


def stored(lora: Lora, path: Path) -> Path:
    np.savez(path, **{name: tensor.detach().numpy() for name, tensor in lora.parts.items()})
    return path


@pytest.mark.parametrize("given", [True, False], ids=["given", "nothing given"])
@pytest.mark.parametrize("form", WITH_ADAPTERS)
def test_every_form_is_equal_to_torch(exported: Exported, form: Alignment, given: bool) -> None:
    model, folder = exported(form)
    ours, theirs = TorchNetwork(model, 64), OnnxNetwork(read_model(folder))
    piece = PIECE if given else replace(PIECE, reference=None)
    found = compare(ours, theirs, [piece])
    assert found.logits < 1e-4
    assert found.kl < 1e-8
    assert found.decisions > 50
    assert same_notes(ours, theirs, [piece])


@pytest.mark.parametrize("form", WITH_ADAPTERS)
def test_an_adapter_of_any_rank_is_equal_to_torch(exported: Exported, form: Alignment, tmp_path: Path) -> None:
    model, folder = exported(form)
    for rank in (1, 5):
        lora = shaken(Lora(model.config, rank), 3)
        ours = TorchNetwork(model, 64, [t.detach() for t in lora.tensors()])
        theirs = OnnxNetwork(read_model(folder), adapter=stored(lora, tmp_path / "a.npz"))
        assert compare(ours, theirs, [PIECE]).logits < 1e-4
        assert same_notes(ours, theirs, [PIECE])
        assert compare(OnnxNetwork(read_model(folder)), theirs, [PIECE]).logits > 0.01


@pytest.mark.parametrize("form", WITH_ADAPTERS)
def test_a_new_adapter_is_no_adapter(exported: Exported, form: Alignment, tmp_path: Path) -> None:
    model, folder = exported(form)
    theirs = OnnxNetwork(read_model(folder), adapter=stored(Lora(model.config, 4), tmp_path / "new.npz"))
    assert compare(OnnxNetwork(read_model(folder)), theirs, [PIECE]).logits == 0.0


def test_weights_are_stored_once(exported: Exported) -> None:
    model, folder = exported("cross")
    weights = sum(p.numel() * 4 for p in model.parameters())
    assert (folder / "weights.data").stat().st_size < 1.2 * weights
    for name in ("encoder", "frame_step", "note_step", "note_rest", "append"):
        graph = (folder / f"{name}.onnx").read_bytes()
        assert len(graph) < 60_000
        # No names of the files that the network was traced in.
        assert b".py" not in graph


# Whole model folders


@pytest.fixture(scope="module")
def whole(traced: Callable[[Alignment], Graphs], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of an unaligned network, with one adapter in the self form, shards, and what was there before."""
    work = tmp_path_factory.mktemp("whole")
    base = foundation("none", 2)
    save(base, work / "base.safetensors")
    save_adapter(base, work / "adapter.safetensors", task="split")
    out = work / "model"
    out.mkdir()
    (out / "model.json").write_text("{}")
    (out / "metrics.json").write_text('{"kept": true}')
    (out / "adapter-old.npz").write_bytes(b"old")
    (out / "figures").mkdir()
    (out / "figures" / "a.txt").write_text("kept too")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("m4mcli.training.frame_export.trace", lambda *_, **__: traced("none"))
        pieces = [PIECE, replace(PIECE, reference=None)]
        subject = FrameSubject(work / "base.safetensors", pieces, (work / "adapter.safetensors",))
        measured = export_model(subject, out, card="# A card\n", shard_bytes=40_000)
    assert json.loads((out / "export.json").read_text()) == measured
    return out


def test_a_folder_holds_what_was_measured_and_what_was_there(whole: Path) -> None:
    measured = json.loads((whole / "export.json").read_text())
    assert measured["pieces"] == 2
    assert measured["32 bit"]["largest_logit_difference"] < 1e-3
    assert 0 < measured["8 bit"]["kl_nats"] < 5e-3
    assert measured["8 bit"]["adapters"]["split"]["kl_nats"] < 5e-3
    assert (whole / "metrics.json").read_text() == '{"kept": true}'
    assert (whole / "figures" / "a.txt").read_text() == "kept too"
    assert (whole / "card.md").read_text() == "# A card\n"
    assert not (whole / "adapter-old.npz").exists()
    assert not (whole / "encoder.onnx").exists()
    assert 'name = "toy"' in (whole / "recipe.toml").read_text()
    verify(whole)
    hashed = (whole / "SHA256SUMS").read_text()
    assert all(name in hashed for name in ("model.json", "frame_step.onnx", "weights.data", "adapter-split.npz"))
    assert [path.name for path in whole.parent.glob(".export-*")] == []


def test_a_folder_says_what_it_is(whole: Path) -> None:
    model = read_model(whole)
    assert model.tasks == ("harmonize", "split")
    assert (model.facts["window"], model.facts["trained_frames"]) == (64, 99)
    assert model.facts["adapters"]["split"] == {"file": "adapter-split.npz", "alignment": "self", "rank": 3}
    assert open_network(model, "harmonize").shape.alignment == "none"
    assert open_network(model, "split").shape.alignment == "self"


def test_8_bit_weights_are_8_bit(whole: Path) -> None:
    graph = onnx.load(whole / "frame_step.onnx", load_external_data=False).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("MatMulNBits") >= 8
    assert "Gemm" not in kinds
    notes = onnx.load(whole / "note_step.onnx", load_external_data=False).graph
    assert [n.op_type for n in notes.node].count("MatMulNBits") >= 10


def test_shards_of_a_folder_start_training(whole: Path) -> None:
    model, facts = load_network(whole)
    assert facts["frames"] == 99
    assert len(list(whole.glob("weights-*.safetensors"))) > 1
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, foundation("none", 2).state_dict()[name], atol=2e-3, rtol=1e-3)


def test_music_is_written_from_the_folder_alone(whole: Path) -> None:
    network = open_network(read_model(whole), "split")
    told = request(150, melody(150))
    rules = Rules(instruments=(0,), at_most=4)
    first, again = (generate(network, told, rules, Sampling(), seed=3, samples=2) for _ in range(2))
    assert [s.notes.tobytes() for s in first] == [s.notes.tobytes() for s in again]
    assert first[0].notes["frame"].max() > 100
    assert np.isfinite(teacher_forced(network, request(LENGTH, melody(LENGTH)), chords(LENGTH)).nats()).all()


class Bent(TorchNetwork):
    """A network whose instrument logits are off by a little."""

    by = 0.5

    def note_step(self, *arrays: Any) -> tuple[Any, Any, Any]:
        first, *others = super().note_step(*arrays)
        first = first.copy()
        first[:, 0] += self.by
        return (first, *others)  # type: ignore[return-value]


def test_what_differs_is_refused() -> None:
    model = foundation()
    ours, theirs = TorchNetwork(model, 64), Bent(model, 64)
    assert require_exact(ours, ours, [PIECE], Path("m")).logits == 0
    with pytest.raises(M4mError, match=r"m: logits differ from torch by 0\.5"):
        require_exact(ours, theirs, [PIECE], Path("m"))
    theirs.by = 1e-3
    require_exact(ours, theirs, [PIECE], Path("m"))
    theirs.by = 40.0
    with pytest.raises(M4mError, match=r"8-bit weights cost .* nats a decision"):
        require_close(ours, theirs, [PIECE], Path("m"))


def test_other_notes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = TorchNetwork(foundation(), 64), Bent(foundation(), 64)
    theirs.by = 40.0
    monkeypatch.setattr("m4mcli.training.verify.LARGEST_DIFFERENCE", 100.0)
    with pytest.raises(M4mError, match="the same seed gives other notes than torch"):
        require_exact(ours, theirs, [PIECE], Path("m"))


def test_nothing_is_written_where_the_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise M4mError("no")

    monkeypatch.setattr("m4mcli.training.frame_export.require_exact", fail)
    monkeypatch.setattr("m4mcli.training.frame_export.trace", lambda *_, **__: {})
    monkeypatch.setattr("m4mcli.training.frame_export.OnnxNetwork", lambda *_, **__: None)
    path = save(foundation(), tmp_path / "c.safetensors")
    out = tmp_path / "models" / "m"
    with pytest.raises(M4mError, match="no"):
        export_model(FrameSubject(path, [PIECE]), out)
    assert list((tmp_path / "models").iterdir()) == []
    out.mkdir()
    (out / "model.json").write_text("{}")
    with pytest.raises(M4mError, match="no"):
        export_model(FrameSubject(path, [PIECE]), out)
    assert [p.name for p in out.iterdir()] == ["model.json"]


@pytest.mark.parametrize("there", ["file", "other folder"])
def test_what_is_no_model_is_not_overwritten(tmp_path: Path, there: str) -> None:
    out = tmp_path / "precious"
    if there == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
    with pytest.raises(M4mError, match="precious: exists and is no model folder") as refused:
        require_place(out)
    assert refused.value.status == 2
    assert out.exists()


def test_an_adapter_of_another_network_is_refused(tmp_path: Path) -> None:
    base = foundation("none")
    path = save_adapter(base, tmp_path / "a.safetensors")
    other = save(shaken(foundation("none"), 9), tmp_path / "other.safetensors")
    with pytest.raises(M4mError, match="an adapter of another network"):
        FrameSubject(other, [PIECE], (path,))
    path = save_adapter(base, tmp_path / "b.safetensors", "cross")
    with pytest.raises(M4mError, match="cross alignment, its network has none"):
        FrameSubject(save(base, tmp_path / "c.safetensors"), [PIECE], (path,))


# Music to verify on


def test_the_tune_is_a_tune() -> None:
    piece = tune()
    assert len(piece.metre) == 128
    assert piece.reference is not None
    assert len(piece.reference) == 28
    assert (piece.part["frame"] + piece.part["duration"]).max() <= 128


def test_validation_windows_of_a_pack(tmp_path: Path) -> None:
    sampler = Sampler(Pack(toy_pack(tmp_path / "pack")), toy_recipe())
    pieces = validation_pieces(sampler)
    assert [len(piece.metre) for piece in pieces] == [64, 64]
    for row in sampler.pack.pieces:
        row["split"] = "train"
    with pytest.raises(M4mError, match="no validation windows"):
        validation_pieces(sampler)


# The command


def test_the_command_exports_and_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save(foundation("aligned"), tmp_path / "c.safetensors")
    toy_pack(tmp_path / "pack")
    (tmp_path / "card.md").write_text("# Toy\n")
    assert run(["export-onnx", "c.safetensors", "-o", "model", "--pack", "pack", "--card", "card.md"]) == 0
    shown = capfd.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert lines[0].startswith("32 bit: ")
    assert lines[0].endswith(", same notes as torch")
    assert lines[1].startswith("8 bit: ")
    verify(tmp_path / "model")
    assert (tmp_path / "model" / "card.md").read_text() == "# Toy\n"
    measured = json.loads((tmp_path / "model" / "export.json").read_text())
    assert measured["32 bit"]["largest_logit_difference"] < 1e-4
    assert measured["32 bit"]["decisions"] > 50
    network = OnnxNetwork(read_model(tmp_path / "model"))
    with pytest.raises(M4mError, match="takes no adapter"):
        OnnxNetwork(read_model(tmp_path / "model"), adapter=stored(Lora(foundation().config, 2), tmp_path / "a.npz"))
    nothing = compare(TorchNetwork(foundation(), 64), network, [replace(PIECE, reference=None)])
    assert nothing.kl < 5e-3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no-such.safetensors",), "no-such.safetensors: no such checkpoint; m4m train makes one"),
        (("broken.safetensors",), "broken.safetensors: not a readable checkpoint"),
        (("broken.safetensors", "--card", "no-card.md"), "no-card.md: no such file or directory"),
        (("broken.safetensors", "--card", "binary"), "binary: not a text file"),
        (("broken.safetensors", "--pack", "no-pack"), "no-pack: not a pack"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(
    m4m: Run, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    done = m4m("export-onnx", *arguments, "-o", "model")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith(f"m4m export-onnx: {said}")
    assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "model").exists()
