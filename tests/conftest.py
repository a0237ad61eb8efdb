"""What every test needs: m4m as users run it, in a process of its own, and small pieces of music."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import m4mcli

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 120

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def environment(**changes: str) -> dict[str, str]:
    """The environment for a process that is to import the m4mcli that the tests import."""
    package = str(Path(m4mcli.__file__).parent.parent)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("M4M_")}
    return kept | {"PYTHONPATH": package, "NO_COLOR": "1"} | changes


@pytest.fixture
def m4m(tmp_path: Path) -> Run:
    """Run `m4m` with arguments in an empty folder: `m4m("info", file, stdin=b"", env={...})`."""

    def run(*arguments: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "m4mcli", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment(**env),
            timeout=TIMEOUT_S,
            check=False,
        )

    return run


@pytest.fixture
def examples() -> Path:
    """The folder of example pieces that the manual uses."""
    return ROOT / "commands" / "examples"
