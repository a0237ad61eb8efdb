"""Odd and damaged files: through both doors, and through every command that takes a file.

The programs `mutants` and `odd_runs` do the work in processes that may die of it, and say what must hold.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, environment
from odd_music import ODD

SHARES = 3
"""Tests that the odd files are dealt out to, so that several processes can share in them."""


def program(name: str, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, ROOT / "tests" / f"{name}.py", *arguments]
    return subprocess.run(command, capture_output=True, env=environment(**env), timeout=600, check=False)


def test_two_thousand_damaged_files() -> None:
    done = program("mutants", "2000")
    assert done.returncode == 0, done.stderr.decode()
    mutants, read, *wrong = (cell.strip() for cell in done.stdout.decode().splitlines()[-1].strip("|").split("|")[:5])
    assert (mutants, wrong) == ("2000", ["0", "0", "0"])
    assert 500 < int(read) < 2000


@pytest.mark.parametrize("share", range(SHARES))
def test_odd_files_through_every_command(tmp_path: Path, share: int) -> None:
    dealt = dict(list(ODD.items())[share::SHARES])
    folder, temporary = tmp_path / "odd", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    for name, (_, data) in dealt.items():
        (folder / f"{name.replace('/', ' by ')}.mid").write_bytes(data)
    done = program("odd_runs", "--brief", folder, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr.decode()
    found = {Path(one["file"]).stem: one for one in map(json.loads, done.stdout.decode().splitlines())}
    assert {name: one["wrong"] for name, one in found.items() if one["wrong"]} == {}
    wanted = {name.replace("/", " by "): status for name, (status, _) in dealt.items()}
    assert {name: one["statuses"]["harmonize"] for name, one in found.items()} == wanted
    assert list(temporary.iterdir()) == []
