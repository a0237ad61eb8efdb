"""Style adapters: learnt from a folder, put on without torch, refused where they do not belong; as users have them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from numpy.typing import NDArray
from toy import piece

from m4mcli.dataset.pack import write_pack
from m4mcli.errors import M4mError
from m4mcli.models.eight_bits import narrowed, widened
from m4mcli.models.registry import find_model, weights_hash
from m4mcli.models.stored import stored_tensors
from m4mcli.models.style import read_style, styled
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

SCALE = (0, 2, 4, 5, 7, 9, 11, 12)


def scale(root: int) -> Score:
    """A major scale up and down in 16ths, three times."""
    steps = (*SCALE, *SCALE[-2:0:-1]) * 3
    notes = notes_array([(120 * i, 120, root + step, 80) for i, step in enumerate(steps)])
    return Score(480, (Track("Melody", 0, False, notes),), time_signatures=(TimeSignature(0, 4, 4),))


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scales, one of them held out."""
    folder = tmp_path_factory.mktemp("music") / "scales"
    for root in range(57, 62):
        path = folder / ("valid" if root == 60 else "train") / f"{root}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(score_to_midi(scale(root)))
    return folder


def adapter(path: Path, changes: dict[str, NDArray[Any]] | None = None, **told: object) -> Path:
    """An adapter for the model of `continue` that does as good as nothing."""
    model = find_model(None, "continue")
    about = {"m4m": 1, "kind": "style", "adapters": {"continue": {"weights": weights_hash(model.path)} | told}}
    arrays = {"continue/frame_step/model.norm.weight/add": np.zeros(224, np.float16)} if changes is None else changes
    np.savez(path, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    return path


def test_a_model_of_several_tasks_is_adapted_by_examples_of_the_one(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from m4mcli.dataset.pack import Pack
    from m4mcli.training.adapt import Plan, recipe_for

    write_pack(tmp_path / "pack", [piece("one", "train", 96, 1)])
    model, pack = find_model(None, "infill"), Pack(tmp_path / "pack")
    for task, make in (("continue", "whole"), ("infill", "masked"), ("accompany", "others")):
        (mix,) = recipe_for(model, task, pack, Plan()).data.mix
        assert (mix.make, mix.sources) == (make, {"tunes": 1.0})


def test_a_style_is_learnt_reported_put_on_and_measured(m4m: Run, songs: Path, examples: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "scales.npz"
    done = m4m("adapt", songs, "-o", path, "--steps", "6", "--remember", "0", "--rate", "0.01", "--json", "-q")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["adapters"]["continue"]
    nats = told["nats_per_note"]
    assert nats["own"]["after"] < nats["own"]["before"] - 0.05
    assert nats["neutral"].keys() == {"before", "after"}
    assert told["pieces"] == {"train": 4, "valid": 1}
    assert told["kl_nats"] < 0.005
    tune = examples / "ode-to-joy.mid"
    arguments = ("continue", "--bars", "2", "--best-of", "1", tune)
    plain, adapted = m4m(*arguments), m4m(*arguments, "--adapter", path)
    assert (adapted.returncode, adapted.stderr) == (0, b"")
    assert adapted.stdout != plain.stdout
    write_pack(tmp_path / "pack", [piece("p", "valid", 64, 3), piece("q", "train", 64, 4)])
    measured = m4m("evaluate", "foundation", "--pack", tmp_path / "pack", "--adapter", path, "--json")
    rows = json.loads(measured.stdout)["tables"][0]["rows"]
    assert [row["system"] for row in rows] == ["m4m", "m4m with scales.npz", "frequencies of the values"]
    assert rows[0]["figures"]["nats_per_note"]["mean"] != rows[1]["figures"]["nats_per_note"]["mean"]
    measured = m4m("evaluate", "hub", "--model", "foundation-small", "--adapter", path, "--json")
    rows = json.loads(measured.stdout)["tables"][0]["rows"]
    assert [row["system"] for row in rows] == [f"foundation-small{with_} (continue)" for with_ in ("", " with scales")]
    assert rows[0]["figures"]["pitch_class_entropy"] != rows[1]["figures"]["pitch_class_entropy"]
    other = m4m("infill", "--bars", "2", "--adapter", path, tune)
    assert other.returncode == 1
    assert b"an adapter for continue, not for infill; m4m adapt --task infill" in other.stderr


def test_what_the_model_knew_is_measured_where_it_changes() -> None:
    torch = pytest.importorskip("torch")
    from toy import band_piece, toy_recipe, toy_sizes

    from m4mcli.networks.foundation import Foundation
    from m4mcli.training.rehearsal import change, remembered
    from m4mcli.training.style import changed_weights, half, learner_of

    torch.manual_seed(0)
    recipe = toy_recipe("data.mix=[{make = 'whole', sources = {tunes = 1.0}}]")
    network = Foundation(toy_sizes()).eval()
    windows = remembered(network, [band_piece(48, 1), band_piece(48, 2)], recipe)
    assert len(windows) == 2
    learner = learner_of(network, 2)
    network.eval()
    assert change(network, windows[0]).item() == 0.0
    with torch.no_grad():
        for parameter in learner.trained.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    moved = change(network, windows[0]).item()
    assert moved > 0
    # The weights with the changes added are the network with them put on.
    plain = Foundation(toy_sizes()).eval()
    plain.load_state_dict(changed_weights(network, half(dict(learner.trained.state_dict()))))
    assert change(plain, windows[0]).item() == pytest.approx(moved, rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("nowhere", "-o", "a.npz"), 1, "nowhere: no such folder"),
        ((".", "-o", "a.mid"), 2, "a.mid: not the name of an .npz file"),
        ((".", "-o", "a.npz", "--task", "sing"), 2, "--task sing: no such task"),
        ((".", "-o", "a.npz", "--task", "continue", "--task", "infill", "--model", "x"), 2, "--model is for one task"),
        (("one.mid", "-o", "a.npz"), 1, "one.mid"),
    ],
)
def test_what_cannot_be_learnt_is_told_in_one_line(
    m4m: Run, tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    if said == "one.mid":
        pytest.importorskip("torch")
    (tmp_path / "one.mid").write_bytes(score_to_midi(scale(60)))
    done = m4m("adapt", *arguments)
    assert done.returncode == status
    assert done.stderr.decode().count("\n") == 1
    assert said in done.stderr.decode()


def test_an_adapter_that_does_not_belong_is_refused(tmp_path: Path) -> None:
    model = find_model(None, "continue")
    tensors = stored_tensors(model.path / "frame_step.onnx")
    matrix = next(name.removesuffix("_Q8") for name in tensors if name.endswith("_Q8"))
    parts = {f"continue/frame_step/{matrix}/{part}": np.zeros(size) for part, size in (("a", (9, 1)), ("b", (1, 224)))}
    assert styled(read_style(adapter(tmp_path / "fits.npz")), model, "continue").keys() == {"frame_step"}
    wrong = {
        "made for the weights of": adapter(tmp_path / "w.npz", weights="0" * 64),
        "does not fit": adapter(tmp_path / "s.npz", {"continue/frame_step/model.norm.weight/add": np.zeros(3)}),
        f"frame_step, {matrix}": adapter(tmp_path / "m.npz", parts),
        "nowhere": adapter(tmp_path / "g.npz", {"continue/nowhere/x/add": np.zeros(3)}),
        "not a style adapter": adapter(tmp_path / "n.npz", {"continue/frame_step/x/add": np.full(3, np.nan)}),
    }
    for said, path in wrong.items():
        with pytest.raises(M4mError, match=said) as error:
            styled(read_style(path), model, "continue")
        assert "\n" not in str(error.value)


def test_a_file_that_is_no_adapter_is_refused_unread(tmp_path: Path) -> None:
    objects = tmp_path / "objects.npz"
    np.savez(objects, about=np.array([{"a": 1}], dtype=object))
    plain = tmp_path / "plain.npz"
    np.savez(plain, a=np.zeros(3))
    text = tmp_path / "text.npz"
    text.write_text("no archive")
    for path in (objects, plain, text, tmp_path / "missing.npz", tmp_path):
        with pytest.raises(M4mError) as error:
            read_style(path)
        assert "\n" not in str(error.value)


def test_weights_made_wide_are_the_same_when_narrow_again() -> None:
    path = find_model(None, "continue").path / "note_step.onnx"
    stored = stored_tensors(path)
    names = [name.removesuffix("_Q8") for name in stored if name.endswith("_Q8")]
    assert len(names) > 10
    for name in names:
        narrow, scales = stored[f"{name}_Q8"].read(), stored[f"{name}_scales"].read()
        inputs = narrow.shape[1] * narrow.shape[2]
        again, found = narrowed(widened(narrow, scales.reshape(narrow.shape[:2]), inputs), narrow.shape[2])
        assert np.array_equal(again, narrow)
        assert np.array_equal(found.reshape(scales.shape), scales)
