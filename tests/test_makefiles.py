"""The Makefile of the manual makes what it says, once."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, environment

MAKEFILE = re.compile(r"^```make\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = ROOT / "commands" / "examples"


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_the_makefile_of_the_manual(tmp_path: Path) -> None:
    programs, work = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    work.mkdir()
    (programs / "m4m").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m m4mcli "$@"\n')
    (programs / "m4m").chmod(0o755)
    for name in ("played", "greensleeves"):
        shutil.copy(EXAMPLES / f"{name}.mid", work)
    (makefile,) = MAKEFILE.findall((ROOT / "commands" / "makefiles.md").read_text("utf-8"))
    (work / "Makefile").write_text(makefile)
    kept = {k: v for k, v in environment().items() if not k.startswith(("MAKE", "MFLAGS"))}
    kept["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def make(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["make", *arguments], capture_output=True, text=True, cwd=work, env=kept, check=False)

    made = {
        f"{n}.{s}" for n in ("played", "greensleeves") for s in ("straight.mid", "song.mid", "chords.tsv", "info.json")
    }
    first = make("-j", "2")
    assert (first.returncode, first.stderr) == (0, "")
    assert {p.name for p in work.iterdir()} == made | {"Makefile", "played.mid", "greensleeves.mid"}
    before = {name: (work / name).read_bytes() for name in made}
    assert "m4m" not in make().stdout
    (work / "played.mid").touch()
    again = make()
    assert "played.song.mid" in again.stdout
    assert "greensleeves" not in again.stdout
    assert {name: (work / name).read_bytes() for name in made} == before

    (work / "empty.mid").touch()
    failed = make()
    assert failed.returncode == 2
    assert "m4m quantize: empty.mid: empty input" in failed.stderr
    assert not list(work.glob("empty.*.*"))
    assert make("clean").returncode == 0
    assert {p.name for p in work.iterdir()} == {"Makefile", "played.mid", "greensleeves.mid", "empty.mid"}
