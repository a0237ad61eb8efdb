"""Model folders: found by name, task or path; what is damaged is refused in one line; nothing is unpickled."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

from m4mcli.errors import M4mError
from m4mcli.models.registry import HASHES, available, file_hash, find_model, read_model, verify, write_hashes
from m4mcli.models.session import OnnxNetwork, open_network, open_session, read_adapter

NETWORK = {"width": 8, "layers": 1, "heads": 2, "circle": 4, "alignment": "none"}
GRAPHS = ("frame_step.onnx", "note_step.onnx", "note_rest.onnx", "weights.data")


def model_folder(path: Path, task: str = "harmonize", **facts: Any) -> Path:
    """A folder that looks like a model; its graphs are nonsense."""
    path.mkdir(parents=True)
    described = {"m4m": 1, "task": task, "network": NETWORK, "window": 64} | facts
    (path / "model.json").write_text(json.dumps(described))
    for name in GRAPHS:
        (path / name).write_bytes(name.encode() * 100)
    write_hashes(path)
    return path


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("M4M_MODELS", str(folder))
    return folder


def one_line(error: pytest.ExceptionInfo[M4mError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert error.value.status == 1
    return text


def test_a_model_is_found_by_task_name_and_path(models: Path, tmp_path: Path) -> None:
    first, second = model_folder(models / "a", "drums"), model_folder(models / "b", "drums")
    elsewhere = model_folder(tmp_path / "mine" / "c", "drums")
    (models / "not-a-model").mkdir()
    assert find_model(None, "drums").path == first
    assert find_model("b", "drums").path == second
    assert find_model(str(elsewhere), "drums").name == "c"
    assert {"a", "b"} <= available().keys()
    assert "not-a-model" not in available()


def test_the_first_folder_that_has_a_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = model_folder(tmp_path / "x" / "m"), model_folder(tmp_path / "y" / "m")
    monkeypatch.setenv("M4M_MODELS", f"{ours.parent}:{tmp_path / 'no such'}:{theirs.parent}")
    assert available()["m"] == ours


def test_a_model_with_an_adapter_for_the_task_is_found(models: Path) -> None:
    folder = model_folder(models / "a", "whole", adapters={"split": {"file": "adapter-split.npz"}})
    found = find_model(None, "split")
    assert (found.path, found.tasks) == (folder, ("whole", "split"))


def test_a_model_that_was_trained_for_further_tasks_is_found_for_each(models: Path) -> None:
    folder = model_folder(models / "a", "whole", also=["masked", "others"])
    assert find_model(None, "others").path == find_model("a", "masked").path == find_model(None, "whole").path == folder
    assert find_model(None, "whole").tasks == ("whole", "masked", "others")


def test_a_model_for_another_task_is_refused(models: Path, tmp_path: Path) -> None:
    model_folder(models / "a", "whole", adapters={"split": {"file": "adapter-split.npz"}})
    model_folder(models / "b", "split")
    (model_folder(models / "broken", "split") / "model.json").write_text("{")
    elsewhere = str(model_folder(tmp_path / "c", "paint"))
    with pytest.raises(M4mError) as other:
        find_model("b", "whole")
    assert one_line(other) == "b: a model for split, not for whole; models for whole: a"
    with pytest.raises(M4mError) as folder:
        find_model(elsewhere, "split")
    assert one_line(folder) == f"{elsewhere}: a model for paint, not for split; models for split: a, b"
    with pytest.raises(M4mError) as adapted:
        find_model("a", "paint")
    assert one_line(adapted) == "a: a model for whole, split, not for paint; models for paint: none"
    assert find_model("a", "whole").path == find_model("a", "split").path


@pytest.mark.parametrize(
    ("command", "model", "task", "fitting"),
    [
        ("harmonize", "foundation-small", "continue, infill, accompany", "harmonize-small"),
        ("continue", "harmonize-small", "harmonize", "foundation-small"),
    ],
)
def test_the_shipped_models_do_not_do_each_others_task(
    m4m: Run, examples: Path, command: str, model: str, task: str, fitting: str
) -> None:
    done = m4m(command, "--model", model, examples / "ode-to-joy.mid")
    assert (done.returncode, done.stdout) == (1, b"")
    told = f"m4m {command}: {model}: a model for {task}, not for {command}; models for {command}: {fitting}\n"
    assert done.stderr.decode() == told


def test_what_is_not_there_is_said_in_one_line(models: Path) -> None:
    model_folder(models / "a")
    with pytest.raises(M4mError) as missing:
        find_model("b", "harmonize")
    assert one_line(missing).startswith("no model 'b'; known: a")
    with pytest.raises(M4mError) as no_task:
        find_model(None, "no such task")
    assert "no such task" in one_line(no_task)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"m4m": 2}', "\x00"])
def test_a_broken_description_is_said_in_one_line(tmp_path: Path, text: str) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "model.json").write_text(text)
    with pytest.raises(M4mError) as broken:
        read_model(folder)
    assert one_line(broken).startswith(f"{folder}: not a model folder")


def test_hashes_are_those_of_sha256sum(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "a.data").write_bytes(b"abc")
    (folder / "card.md").write_text("may change")
    (folder / HASHES).write_text("old")
    write_hashes(folder)
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (folder / HASHES).read_text() == f"{known}  a.data\n"
    assert file_hash(folder / "a.data") == known


@pytest.mark.parametrize("name", [*GRAPHS, "model.json"])
@pytest.mark.parametrize("damage", ["altered", "truncated", "missing"])
def test_a_damaged_file_is_refused_by_its_hash(tmp_path: Path, name: str, damage: str) -> None:
    model = read_model(model_folder(tmp_path / "m"))
    verify(model.path)
    path = model.path / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "truncated" else bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(M4mError) as refused:
        OnnxNetwork(model)
    assert one_line(refused).startswith(f"{path}: ")


def test_a_file_that_was_slipped_in_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "adapter-x.npz").write_bytes(b"more")
    with pytest.raises(M4mError) as refused:
        verify(folder)
    assert "adapter-x.npz" in one_line(refused)
    (folder / "card.md").write_text("what is not loaded is not hashed")
    (folder / "adapter-x.npz").unlink()
    verify(folder)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"no hashes here\n"])
def test_hashes_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes | None) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / HASHES).unlink()
    if content is not None:
        (folder / HASHES).write_bytes(content)
    with pytest.raises(M4mError) as refused:
        verify(folder)
    assert str(folder) in one_line(refused)


def test_a_graph_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    with pytest.raises(M4mError) as refused:
        open_session(folder / "frame_step.onnx", "cpu", 1)
    assert "not a usable ONNX model" in one_line(refused)
    with pytest.raises(M4mError):
        open_network(read_model(folder), "harmonize")


def test_a_model_of_an_earlier_version_is_said_in_one_line(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    (folder / "note_rest.onnx").unlink()
    write_hashes(folder)
    with pytest.raises(M4mError, match="exported by an earlier m4m; export it again") as refused:
        open_network(read_model(folder), "harmonize")
    one_line(refused)


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(sprung)))  # noqa: S301 (to see that the trap works)
    sprung.unlink()
    np.savez(tmp_path / "a.npz", adapter=np.array([Trap(sprung)], dtype=object))
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(M4mError, match="not a readable adapter"):
            read_adapter(tmp_path / name, {"adapter": (1,)})
    assert not sprung.exists()


def test_an_adapter_is_read_in_full_precision(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.ones((3, 2), np.float16), b=np.zeros((2, 5), np.float16))
    arrays = read_adapter(tmp_path / "a.npz", {"a": (3, "rank"), "b": ("rank", 5)})
    assert {name: x.shape for name, x in arrays.items()} == {"a": (3, 2), "b": (2, 5)}
    assert {str(x.dtype) for x in arrays.values()} == {"float32"}


@pytest.mark.parametrize("wanted", [{}, {"a": (3, "rank")}, {"a": (4, "rank"), "b": ("rank", 5)}, {"a": (3,), "b": ()}])
def test_an_adapter_of_another_model_is_refused(tmp_path: Path, wanted: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", a=np.ones((3, 2), np.float16), b=np.zeros((2, 5), np.float16))
    with pytest.raises(M4mError) as refused:
        read_adapter(tmp_path / "a.npz", wanted)
    assert "adapter" in one_line(refused)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"\x93NUMPY"])
def test_a_broken_adapter_is_said_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(M4mError) as refused:
        read_adapter(tmp_path / "a.npz", {"a": (1,)})
    assert "not a readable adapter" in one_line(refused)


def test_a_task_without_adapter_is_named(tmp_path: Path) -> None:
    model = read_model(model_folder(tmp_path / "m", adapters={"split": {"file": "adapter-split.npz"}}))
    with pytest.raises(M4mError) as refused:
        OnnxNetwork(model, adapter="whole")
    assert one_line(refused).endswith("it has: split")


def test_the_graphs_that_ship_name_no_source_files() -> None:
    graphs = sorted((Path(__file__).parent.parent / "models").glob("*/*.onnx"))
    assert graphs
    assert [path for path in graphs if b'.py"' in path.read_bytes()] == []
