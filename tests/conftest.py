"""What every test needs: m4m as users run it, in a process of its own, and the example pieces."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from preloaded import Preloaded

import m4mcli

# The same examples every time: a suite that passed passes again. `--hypothesis-profile=hunt` looks for new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("hunt", derandomize=False, print_blob=True)
settings.load_profile("same")

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 120

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def environment(**changes: str) -> dict[str, str]:
    """The environment for a process that is to import the m4mcli that the tests import."""
    package = str(Path(m4mcli.__file__).parent.parent)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("M4M_")}
    return kept | {"PYTHONPATH": package, "NO_COLOR": "1"} | changes


@pytest.fixture(scope="session")
def preloaded() -> Iterator[Preloaded]:
    """The process that every run of m4m is forked from."""
    process = Preloaded(environment())
    yield process
    process.close()


@pytest.fixture
def m4m(tmp_path: Path, preloaded: Preloaded) -> Run:
    """Run `m4m` with arguments in an empty folder: `m4m("info", file, stdin=b"", M4M_CACHE="...")`."""

    def run(*arguments: str | Path, stdin: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        return preloaded.run([*map(str, arguments)], stdin, tmp_path, environment(**env), TIMEOUT_S)

    return run


@pytest.fixture
def examples() -> Path:
    """The folder of example pieces that the manual uses."""
    return ROOT / "commands" / "examples"
