"""Progress: on a terminal, after a second, wiped at the end; nothing anywhere else."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

SHORT_WORK = """
import time
from m4mcli import progress
progress.SECONDS_BEFORE_SHOWN = {wait}
with progress.shown("chords") as told:
    if told is None:
        print("nothing")
    for i in range(20):
        time.sleep(0.01)
        if told is not None:
            told(i + 1, 20)
"""


def on_a_terminal(code: str, *arguments: str, **env: str) -> tuple[bytes, bytes]:
    """What a program writes on standard output, and on a terminal as standard error."""
    ours, theirs = pty.openpty()
    kept = {k: v for k, v in environment().items() if k not in ("CI", "NO_COLOR")} | {"TERM": "xterm"} | env
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=theirs, env=kept, check=True
    )
    os.set_blocking(ours, False)
    try:
        seen = os.read(ours, 1 << 16)
    except BlockingIOError:
        seen = b""
    os.close(ours)
    os.close(theirs)
    return done.stdout, seen


def test_progress_shows_and_is_wiped() -> None:
    printed, seen = on_a_terminal(SHORT_WORK.format(wait=0.05))
    assert printed == b""
    assert b"chords" in seen
    assert seen.rstrip(b"\r").endswith(b"\x1b[2K")
    assert seen.count(b"\x1b[?25l") == seen.count(b"\x1b[?25h") == 1


def test_short_work_writes_nothing() -> None:
    assert on_a_terminal(SHORT_WORK.format(wait=60)) == (b"", b"")


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"CI": "1"}])
def test_where_nothing_is_to_be_shown(env: dict[str, str]) -> None:
    assert on_a_terminal(SHORT_WORK.format(wait=0), **env) == (b"nothing\n", b"")


ALL_AT_ONCE = """
import sys
from m4mcli import progress
from m4mcli.cli import run
progress.SECONDS_BEFORE_SHOWN = -1
tune, out = sys.argv[1:]
print(run(["analyze", "-o", out, tune]), run(["check", "--fix", "-o", out, tune]))
"""


def test_one_long_piece_shows_its_steps(tmp_path: Path, examples: Path) -> None:
    printed, seen = on_a_terminal(ALL_AT_ONCE, str(examples / "ode-to-joy.mid"), str(tmp_path / "out"))
    assert printed == b"0 0\n"
    assert b"beats, chords, keys" in seen
    assert b"mending" in seen
