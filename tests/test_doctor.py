"""`m4m doctor`: it tells what is there, and says 3 where a model is damaged or a soundfont is not."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, Run

from m4mcli import __version__
from m4mcli.commands.doctor import NEEDED
from m4mcli.manual.completions import completion


def test_what_it_tells(m4m: Run) -> None:
    done = m4m("doctor", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["problems"]) == (0, [])
    assert (said["m4m"], said["kind"], said["version"]) == (1, "doctor", __version__)
    assert all(said["packages"][name] for name in NEEDED)
    shipped = sorted(path.parent.name for path in (ROOT / "models").glob("*/model.json"))
    assert [(model["name"], model["whole"]) for model in said["models"]] == [(name, True) for name in shipped]
    assert all(model["tasks"] for model in said["models"])
    assert said["runtime"]["sessions"]["cpu"] == "CPUExecutionProvider"
    assert said["runtime"]["sessions"]["auto"] in said["runtime"]["offered"]
    assert said["completions"].keys() == {"bash", "zsh", "fish"}


def test_in_words(m4m: Run) -> None:
    lines = m4m("doctor").stdout.decode().splitlines()
    assert lines[0].split()[:2] == ["m4m", __version__]
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith("model ") and "whole" in line for line in lines) == len(
        list((ROOT / "models").glob("*/model.json"))
    )


@pytest.mark.parametrize("fault", ["truncated", "altered", "missing", "no facts"])
def test_a_damaged_model_is_told(m4m: Run, tmp_path: Path, fault: str) -> None:
    model = tmp_path / "models" / "mine"
    shutil.copytree(ROOT / "models" / "harmonize-small", model)
    graph = model / "note_step.onnx"
    if fault == "truncated":
        graph.write_bytes(graph.read_bytes()[:-1])
    elif fault == "altered":
        graph.write_bytes(graph.read_bytes().replace(b"MatMul", b"matMul", 1))
    elif fault == "missing":
        graph.unlink()
    else:
        (model / "model.json").write_text("{}")
    done = m4m("doctor", "--json", M4M_MODELS=str(tmp_path / "models"))
    said = json.loads(done.stdout)
    assert done.returncode == 3
    assert [m["whole"] for m in said["models"] if m["name"] == "mine"] == [False]
    (problem,) = said["problems"]
    assert problem.startswith("model mine: ")
    assert said["runtime"]["sessions"]["cpu"] == "CPUExecutionProvider", "another model is opened"


def test_soundfonts(m4m: Run, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "soundfonts"
    folder.mkdir(parents=True)
    for name in ("b.sf2", "FluidR3_GM.sf2", "notes.txt", "default-x.sf3"):
        (folder / name).touch()
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    found = json.loads(m4m("doctor", "--json", **home).stdout)["soundfonts"]
    assert [Path(path).name for path in found[:2]] == ["FluidR3_GM.sf2", "b.sf2"], "sf3 is not read"
    named = m4m("doctor", "--json", M4M_SOUNDFONT=str(folder / "b.sf2"))
    assert json.loads(named.stdout)["soundfonts"] == [str(folder / "b.sf2")]
    wrong = m4m("doctor", M4M_SOUNDFONT=str(tmp_path / "none.sf2"))
    assert wrong.returncode == 3
    assert b"problem: M4M_SOUNDFONT=" in wrong.stdout


@pytest.mark.skipif(os.name != "posix", reason="places of Unix")
def test_the_state_of_completions(m4m: Run, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    fish, zsh = tmp_path / "config/fish/completions/m4m.fish", tmp_path / ".zfunc/_m4m"
    for place in (fish, zsh):
        place.parent.mkdir(parents=True)
    fish.write_text(completion("fish"))
    zsh.write_text("old")
    (tmp_path / ".bashrc").write_text('eval "$(m4m completions bash)"\n')
    said = json.loads(m4m("doctor", "--json", **home).stdout)["completions"]
    assert said == {
        "bash": f"loaded by {tmp_path / '.bashrc'}",
        "zsh": f"old: {zsh}",
        "fish": f"current: {fish}",
    }
