"""The manual is true: its examples run, its generated parts are current, every command has a page."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Run, environment

from m4mcli.cli import COMMANDS
from m4mcli.manual import cards, completions, examples, pages, vocabularies

MANUAL = ROOT / "commands"
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def steps(page: Path) -> Iterator[tuple[str, str]]:
    """The command lines of a page's console blocks, each with the output shown below it."""
    for block in CONSOLE.findall(page.read_text("utf-8")):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = step.partition("\n")
            yield command, shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the example pieces, and `m4m` in `bin/` beside it."""
    work, programs = tmp_path / "work", tmp_path / "bin"
    work.mkdir()
    programs.mkdir()
    for piece in (MANUAL / "examples").glob("*.mid"):
        shutil.copy(piece, work)
    script = programs / "m4m"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m m4mcli "$@"\n')
    script.chmod(0o755)
    return work


@pytest.mark.parametrize("page", sorted(MANUAL.glob("*.md")), ids=lambda page: page.stem)
def test_the_examples_of_the_manual_run_as_shown(page: Path, folder: Path) -> None:
    env = environment(PATH=f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}", LC_ALL="C.UTF-8")
    for command, shown in steps(page):
        done = subprocess.run(
            ["bash", "-c", f"exec 2>&1\n{command}"],
            stdout=subprocess.PIPE,
            cwd=folder,
            env=env,
            timeout=300,
            check=False,
        )
        assert done.stdout.decode() == shown, command
        assert done.returncode == 0, command


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_a_page_with_an_example(name: str) -> None:
    text = (MANUAL / f"{name}.md").read_text("utf-8")
    assert text.startswith(f"# m4m {name}\n")
    assert any(f"m4m {name} " in block for block in BLOCK.findall(text))


def test_every_command_is_in_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"[{name}](commands/{name}.md)" not in readme] == []


def test_links_of_the_manual_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *MANUAL.glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "main", [completions.main, pages.main, examples.main, vocabularies.main], ids=lambda main: main.__module__
)
def test_generated_files_are_current(
    main: Callable[[list[str], Path], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--check"], ROOT) == 0, capsys.readouterr().err
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_prints_what_is_checked_in(m4m: Run, shell: str) -> None:
    assert m4m("completions", shell).stdout == (ROOT / "completions" / completions.FILES[shell]).read_bytes()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_parse_its_completions(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    done = subprocess.run(
        [shell, "-n", ROOT / "completions" / completions.FILES[shell]], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


TABS = [
    ("m4m qu", {"quantize"}),
    ("m4m --v", {"--version"}),
    ("m4m help inf", {"infill", "info"}),
    ("m4m quantize --st", {"--strength"}),
    ("m4m quantize --ends ", {"grid", "keep", "length"}),
    ("m4m quantize --ends k", {"keep"}),
    ("m4m quantize --ends = k", {"keep"}),
    ("m4m quantize --grid ", set()),
    ("m4m quantize ", {"a tune.mid", "b.json", "sub"}),
    ("m4m quantize a", {"a tune.mid"}),
    ("m4m quantize -o ", {"a tune.mid", "b.json", "notes.txt", "sub"}),
    ("m4m completions ", {"bash", "zsh", "fish"}),
    ("m4m dataset ", {"build", "filter", "stats", "make", "--help"}),
    ("m4m dataset st", {"stats"}),
    ("m4m dataset filter --no-", {"--no-drums", "--no-leaks", "--no-progress"}),
    ("m4m dataset make ", {"scales", "eighth-notes"}),
    ("m4m dataset build ", {"sub"}),
    ("m4m nosuch ", set()),
]


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize(("line", "offered"), TABS)
def test_what_bash_offers_at_tab(tmp_path: Path, line: str, offered: set[str]) -> None:
    for name in ("a tune.mid", "b.json", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    words = line.split(" ")
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _m4m; '
        '[ ${#COMPREPLY[@]} = 0 ] || printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", ROOT / "completions" / "m4m.bash", *words],
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    assert set(done.stdout.decode().splitlines()) == offered
    assert done.stderr == b""


def test_a_card_without_measurements_is_not_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "models" / "m"
    model.mkdir(parents=True)
    (model / "card.md").write_text("# m\n\n<!-- generated: figures -->\n<!-- end -->\n")
    assert cards.main(["--check"], tmp_path) == 1
    assert "models/m/metrics.json is missing" in capsys.readouterr().err
    assert cards.main(["--check"], ROOT) == 0
