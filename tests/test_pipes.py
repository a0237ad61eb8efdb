"""m4m among other programs: pipes that break, files that cannot be written, interruptions."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Run, environment

M4M = f"{sys.executable} -m m4mcli"

posix = pytest.mark.skipif(os.name != "posix", reason="signals and devices of Unix")


def shell(command: str, tmp_path: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", command.replace("m4m ", f"{M4M} ")],
        capture_output=True,
        cwd=tmp_path,
        env=environment(),
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("source", ["played.mid", "ode-to-joy.mid", "greensleeves.mid"])
def test_a_pipe_gives_the_bytes_of_the_same_steps_through_files(
    m4m: Run, tmp_path: Path, examples: Path, source: str
) -> None:
    song = examples / source
    piped = shell(f"m4m quantize --grid 1/8 - < {song} 2>/dev/null | m4m quantize --grid 1/4", tmp_path)
    assert m4m("quantize", "--grid", "1/8", song, "-o", "a.mid").returncode == 0
    assert m4m("quantize", "--grid", "1/4", "a.mid", "-o", "b.mid").returncode == 0
    assert piped.returncode == 0
    assert piped.stdout == (tmp_path / "b.mid").read_bytes()


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
def test_a_pipe_may_be_named_as_a_file(m4m: Run, tmp_path: Path, examples: Path) -> None:
    song = examples / "played.mid"
    whole = m4m("quantize", song).stdout
    assert m4m("quantize", song, "-o", "/dev/stdout").stdout == whole
    tokens = m4m("tokenize", song, "--jsonl").stdout
    assert m4m("tokenize", song, "--jsonl", "-o", "/dev/stdout").stdout == tokens
    done = shell(f"m4m quantize {song} -o >(cat > copy.mid); sleep .2; cmp copy.mid <(m4m quantize {song})", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_failure_upstream_is_empty_input_downstream(tmp_path: Path) -> None:
    done = shell("set -o pipefail; m4m quantize missing.mid | m4m quantize > out.mid", tmp_path)
    assert done.returncode == 1
    assert b"stdin: empty input" in done.stderr
    assert (tmp_path / "out.mid").read_bytes() == b""


def test_no_input_at_all(m4m: Run) -> None:
    done = m4m("quantize")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"m4m quantize: stdin: empty input; did the command before it fail?\n"


@posix
def test_a_reader_that_leaves_ends_m4m_silently(tmp_path: Path, examples: Path) -> None:
    many = " ".join([str(examples / "played.mid")] * 300)
    done = shell(f"m4m info --json {many} | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert done.stdout == b"141\n"
    assert done.stderr == b""


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["quantize", "info", "completions bash", "--help"])
def test_a_full_disk_is_told_in_one_line(tmp_path: Path, examples: Path, command: str) -> None:
    song = "" if command in ("completions bash", "--help") else examples / "played.mid"
    done = shell(f"m4m {command} {song} > /dev/full", tmp_path)
    assert done.returncode == 1
    assert b"no space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_closed_standard_output_is_told(tmp_path: Path, examples: Path) -> None:
    done = shell(f"m4m quantize {examples / 'played.mid'} >&-", tmp_path)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_output_may_be_the_input(m4m: Run, tmp_path: Path, examples: Path) -> None:
    song = tmp_path / "song.mid"
    song.write_bytes((examples / "played.mid").read_bytes())
    wanted = m4m("quantize", song).stdout
    assert m4m("quantize", song, "-o", song).returncode == 0
    assert song.read_bytes() == wanted
    assert [path.name for path in tmp_path.iterdir()] == ["song.mid"]


def test_nothing_is_left_where_nothing_can_be_written(m4m: Run, tmp_path: Path, examples: Path) -> None:
    done = m4m("quantize", examples / "played.mid", "-o", tmp_path / "no" / "such" / "folder.mid")
    assert done.returncode == 1
    assert b"folder.mid: cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_leaves_the_old_file(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "out.mid").write_bytes(b"before")
    assert m4m("quantize", "-o", "out.mid", stdin=b"not music").returncode == 1
    assert (tmp_path / "out.mid").read_bytes() == b"before"


@posix
def test_interruption_gives_130_and_no_traceback(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "m4mcli", "quantize", "-o", "out.mid"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(),
        # In the background of a shell script SIGINT is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert running.stdin is not None
        # More than a pipe holds: once it is written, m4m has begun to read. Then it waits for more.
        running.stdin.write(bytes(1 << 20))
        running.stdin.flush()
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
        assert running.stderr is not None
        assert running.stderr.read() == b""
        assert list(tmp_path.iterdir()) == []
    finally:
        running.kill()
        running.wait()
        for stream in (running.stdin, running.stderr):
            if stream is not None:
                stream.close()


def test_no_escape_codes_into_a_pipe(m4m: Run, examples: Path) -> None:
    assert b"\x1b" not in m4m("info", examples / "played.mid").stdout
    assert b"\x1b" not in m4m("--help").stdout


def test_a_missing_gpu_is_no_word_on_standard_output(m4m: Run, examples: Path) -> None:
    tune = (examples / "ode-to-joy.mid").read_bytes()
    one, other = (m4m("harmonize", "--best-of", "1", "--device", device, stdin=tune) for device in ("cpu", "auto"))
    assert (other.returncode, other.stderr) == (0, b"")
    assert other.stdout[:4] == b"MThd"
    if "CUDAExecutionProvider" not in str(m4m("doctor", "--json").stdout.partition(b'"sessions"')[2]):
        assert other.stdout == one.stdout
