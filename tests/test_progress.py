"""Progress: on a terminal, after a second, wiped at the end; nothing anywhere else."""

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
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
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=theirs, env=kept
    ) as running:
        os.close(theirs)
        seen = b""
        # A terminal whose programs have ended cannot be read.
        with suppress(OSError):
            while part := os.read(ours, 1 << 16):
                seen += part
        printed, _ = running.communicate()
    os.close(ours)
    assert running.returncode == 0
    return printed, seen


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


ONE_FILE_EACH = """
import sys
from m4mcli import progress
from m4mcli.cli import run
progress.SECONDS_BEFORE_SHOWN = -1
tune, out = sys.argv[1:]
lines = ["roll -o", "diff --json -o", "tokenize -o", "check -o"]
print(*(run([*line.split(), out, *[tune] * (1 + (line[:4] == "diff"))]) for line in lines))
print(run(["info", "--jsonl", tune, tune]))
"""


def test_a_single_file_is_told_of_by_every_command_that_reads_it(tmp_path: Path, examples: Path) -> None:
    printed, seen = on_a_terminal(ONE_FILE_EACH, str(examples / "ode-to-joy.mid"), str(tmp_path / "out"))
    for label in (b"reading", b"comparing", b"tokens", b"checking", b"files"):
        assert label in seen
    statuses, *told, last = printed.splitlines()
    assert (statuses, last) == (b"0 0 0 0", b"0")
    assert [json.loads(line)["kind"] for line in told] == ["info", "info"], "results went to the terminal of the bar"


WITHOUT_A_WORD = """
import time
from m4mcli import progress
progress.SECONDS_BEFORE_SHOWN = 0.05
with progress.shown("one long call"):
    time.sleep(0.6)
"""


def test_work_that_tells_nothing_is_shown_all_the_same() -> None:
    _, seen = on_a_terminal(WITHOUT_A_WORD)
    assert b"one long call" in seen
    assert seen.rstrip(b"\r").endswith(b"\x1b[2K")


BOTH_ON_ONE = """
import sys
from m4mcli import progress
from m4mcli.options import Invocation
progress.SECONDS_BEFORE_SHOWN = -1
sys.stdout = sys.stderr
with progress.shown("files") as told:
    told(1, 2)
    Invocation("info").write("the result\\n")
"""


def test_a_result_for_the_same_terminal_stands_on_a_line_of_its_own() -> None:
    _, seen = on_a_terminal(BOTH_ON_ONE)
    before, _, after = seen.partition(b"the result\r\n")
    assert b"files" in before
    assert before.rstrip(b"\r").endswith(b"\x1b[2K")
    assert after.count(b"\x1b[1A") <= after.count(b"\n"), "it was wiped with the bar"


SEVERAL_ODD_FILES = """
import sys
from m4mcli import progress
from m4mcli.cli import run
progress.SECONDS_BEFORE_SHOWN = -1
print(run(["map", "quantize", "--jobs", "1", *sys.argv[1:], "--out", "out"]))
"""


def test_messages_stand_between_the_bars(tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one.mid", "two.mid"):
        Path(name).write_bytes((examples / "ode-to-joy.mid").read_bytes()[:-9])
    printed, seen = on_a_terminal(SEVERAL_ODD_FILES, "one.mid", "two.mid")
    assert printed == b"0\n"
    before, *messages = re.split(rb"(?:\x1b\[2K|\r\n)m4m map: warning: (?=[a-z]+.mid: quantize: cut-short)", seen)
    assert b"files" in before, "there was a bar to be wiped"
    for file, message in zip((b"one.mid", b"two.mid"), messages, strict=True):
        assert message.startswith(file + b": quantize: cut-short: ")
        assert b"\x1b" not in message.partition(b"\r\n")[0]
