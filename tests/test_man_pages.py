"""The pages for `man`: complete, current, and without a warning of man-db and mandoc."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

from m4mcli.cli import COMMANDS
from m4mcli.command_tree import pages
from m4mcli.manual import man
from m4mcli.manual.roff import converted, literal

FOLDER = ROOT / "commands" / "man"
FILES = sorted(FOLDER.glob("man*/*"))
FORMATTING = re.compile(r"\\f[A-Z]")


def test_every_page_of_the_manual_is_a_page_for_man() -> None:
    assert {f.name for f in FOLDER.glob("man1/*")} == {"m4m.1", *(f"m4m-{name}.1" for name in COMMANDS)}
    others = {page.stem for page in (ROOT / "commands").glob("*.md")} - set(COMMANDS) - {"m4m"}
    assert {f.name for f in FOLDER.glob("man7/*")} == {f"m4m-{name}.7" for name in others}


def test_the_pages_are_current() -> None:
    assert man.main(["--check"], ROOT) == 0


def test_every_command_and_option_is_documented() -> None:
    index = (FOLDER / "man1" / "m4m.1").read_text("utf-8")
    for page in pages(COMMANDS):
        text = (FOLDER / "man1" / f"m4m-{page.name}.1").read_text("utf-8")
        written = (ROOT / "commands" / f"{page.name}.md").read_text("utf-8")
        assert rf"\fBm4m\-{literal(page.name)}\fR(1)" in index
        assert page.summary.rstrip(".") in FORMATTING.sub("", text).replace("\\", "")
        for option in (option for one in page.parts or (page,) for option in one.options):
            assert option.help, f"m4m {page.name} {option.flags}"
            for flag in option.flags:
                assert rf"\fB{literal(flag)}\fR" in text, f"m4m {page.name} {flag}"
                assert f"`{flag}`" in written, f"m4m {page.name} {flag}"


def test_every_variable_of_the_environment_is_documented() -> None:
    read = {name for path in (ROOT / "m4mcli").rglob("*.py") for name in re.findall(r"\bM4M_[A-Z]+", path.read_text())}
    assert {"M4M_SEED", "M4M_MODELS"} <= read
    told = (ROOT / "commands" / "m4m.md").read_text("utf-8")
    assert [name for name in read if f"`{name}`" not in told] == []


def shown(*command: str | Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFOPT": ""}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


@pytest.mark.skipif(not shutil.which("man") or not shutil.which("groff"), reason="no man-db with groff here")
def test_man_sets_them_without_a_warning() -> None:
    for file in FILES:
        done = shown("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", file)
        assert (done.returncode, done.stderr) == (0, ""), file.name
    quantize = re.sub(".\b", "", shown("man", "-E", "UTF-8", "-l", FOLDER / "man1" / "m4m-quantize.1").stdout)
    assert re.search(r"^NAME\n +m4m-quantize - Move notes onto a grid of the beat$", quantize, re.MULTILINE)
    assert re.search(r"^ +-o, --output FILE$", quantize, re.MULTILINE)


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here")
def test_mandoc_finds_nothing_but_the_missing_date() -> None:
    done = shown("mandoc", "-Tlint", "-W", "warning", *FILES)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line] == []


CASES = {
    "a `--flag` of *its* **own**": [".PP", r"a \fB\-\-flag\fR of \fIits\fR \fBown\fR"],
    ".hidden\n'quoted": [".PP", r"\&.hidden 'quoted"],
    "```sh\n.x 'y' \\ ~\n\nz\n```": [".PP", ".RS 4", ".nf", r"\&.x \(aqy\(aq \e \(ti", r"\&", "z", ".fi", ".RE"],
    "- one\n  more\n- two\n": [r".IP \(bu 3", "one more", r".IP \(bu 3", "two"],
    "| a | b |\n|---|---|\n| `x\\|y` | z |": [".TP", r"\fBx|y\fR", "z"],
    "see [m4m pipe](pipe.md) <!-- no -->": [".PP", "see L(m4m pipe, pipe.md) "],
}


@pytest.mark.parametrize("markdown", CASES)
def test_markdown_as_roff(markdown: str) -> None:
    assert converted(markdown, lambda words, target: f"L({words}, {target})") == CASES[markdown]
