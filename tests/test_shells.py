"""TAB in real zsh and fish (bash: test_manual), and where an installation puts what shells and man look for."""

import shutil
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT
from shells import COMPLETIONS, Zsh, fish

from m4mcli.cli import COMMANDS

FILES = ("a tune.mid", "b.json", "notes.txt", "x.kar")
TABS: dict[str, set[str]] = {
    "m4m qu": {"quantize"},
    "m4m ": {*COMMANDS, "help"},
    "m4m help inf": {"infill", "info"},
    "m4m quantize --st": {"--strength"},
    "m4m quantize --ends ": {"grid", "keep", "length"},
    "m4m quantize --ends k": {"keep"},
    "m4m quantize --grid ": set(),
    "m4m quantize ": {"a tune.mid", "b.json", "x.kar", "sub/"},
    "m4m quantize -o ": {*FILES, "sub/"},
    "m4m analyze --lab ": {"sub/"},
    "m4m completions z": {"zsh"},
    "m4m --v": {"--version"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_what_fish_offers_at_tab(folder: Path) -> None:
    assert dict(zip(TABS, fish([*TABS], folder), strict=True)) == TABS


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_what_zsh_offers_at_tab(folder: Path) -> None:
    with Zsh(folder) as shell:
        for line, offered in TABS.items():
            answer = shell.offered(line).replace("\\ ", " ")
            new = answer if len(offered) == 1 else answer.replace(line.strip(), "")
            assert all(word in new for word in offered), (line, answer)
            others = {*FILES, "sub/", *COMMANDS, "--strength"} - offered - set(line.split())
            assert [word for word in others if word in new.split()] == [], (line, answer)


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
def test_zsh_may_evaluate_them_in_its_start_file(folder: Path) -> None:
    with Zsh(folder, evaluated=True) as shell:
        assert shell.offered("m4m qu").split() == ["m4m", "quantize", "done"]
        assert shell.offered("m4m quantize --ends k").split() == ["m4m", "quantize", "--ends", "keep", "done"]


def test_an_installation_has_them_where_shells_and_man_look() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {
        "completions/m4m.bash": "share/bash-completion/completions/m4m",
        "completions/_m4m": "share/zsh/site-functions/_m4m",
        "completions/m4m.fish": "share/fish/vendor_completions.d/m4m.fish",
        "commands/man": "share/man",
    }
    assert {path.name for path in COMPLETIONS.iterdir()} == {"m4m.bash", "_m4m", "m4m.fish"}
    assert all((ROOT / source).exists() for source in shared)
