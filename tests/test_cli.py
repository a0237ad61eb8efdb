"""The command line itself: help, versions, usage errors, exit statuses, what is imported when."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run, environment

from m4mcli import __version__
from m4mcli.cli import COMMANDS, explain
from m4mcli.errors import M4mError

HEAVY = ("numpy", "symusic", "mido", "onnxruntime", "torch", "rich")


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("help",)])
def test_help_lists_every_command_with_its_summary(m4m: Run, arguments: tuple[str, ...]) -> None:
    done = m4m(*arguments)
    assert done.returncode == 0
    shown = done.stdout.decode()
    for name, entry in COMMANDS.items():
        assert name in shown
        assert entry.summary in shown


def test_alone_it_helps_on_stderr_and_fails(m4m: Run) -> None:
    done = m4m()
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Commands:" in done.stderr


def test_version(m4m: Run) -> None:
    assert m4m("--version").stdout.decode() == f"m4m {__version__}\n"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_of_each_command_shows_two_examples(m4m: Run, name: str) -> None:
    done = m4m(name, "--help")
    assert done.returncode == 0, done.stderr
    examples = done.stdout.decode().partition("Examples:\n")[2].partition("\n\n")[0]
    assert len(examples.splitlines()) >= 2
    assert all("m4m " in line for line in examples.splitlines())
    assert m4m("help", name).stdout == done.stdout


def imported(tmp_path: Path, *arguments: str) -> set[str]:
    """The top-level modules and the modules of m4mcli that are loaded when `m4m ARGUMENTS` has run."""
    program = (
        f"import sys, m4mcli.cli as cli\ncli.run({list(arguments)!r})\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=tmp_path, env=environment(), check=True
    )
    return set(done.stderr.decode().split())


def test_help_imports_no_command_and_nothing_heavy(tmp_path: Path) -> None:
    loaded = imported(tmp_path, "--help")
    assert loaded.isdisjoint(HEAVY)
    assert not [name for name in loaded if name.startswith("m4mcli.commands.")]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_of_a_command_imports_that_one_and_nothing_heavy(tmp_path: Path, name: str) -> None:
    loaded = imported(tmp_path, name, "--help")
    assert loaded.isdisjoint(HEAVY)
    commands = [module for module in loaded if module.startswith("m4mcli.commands.")]
    assert commands == [COMMANDS[name].target.partition(":")[0]]


def test_nothing_is_kept_or_sent_of_what_was_done(tmp_path: Path, examples: Path) -> None:
    # ONNX Runtime's builds have telemetry, which begins with a file of its own below the home folder.
    home = tmp_path / "home"
    home.mkdir()
    kept = {k: v for k, v in environment(HOME=str(home)).items() if not k.startswith(("XDG_", "ORT_"))}
    command = [sys.executable, "-m", "m4mcli", "harmonize", "--best-of", "1", str(examples / "greensleeves.mid")]
    done = subprocess.run(command, capture_output=True, env=kept, cwd=tmp_path, check=True)
    assert done.stdout.startswith(b"MThd")
    assert list(tmp_path.rglob("*")) == [home]


USAGE_ERRORS = [
    (("quantise",), "m4m: no such command: 'quantise'; did you mean quantize?"),
    (("xyzzy",), "m4m: no such command: 'xyzzy'; m4m --help lists the commands"),
    (("--colour",), "m4m: no such option: --colour; try: m4m --help"),
    (("quantize", "--gird", "1/8"), "m4m quantize: no such option: --gird; did you mean --grid"),
    (("quantize", "--strength", "2"), "m4m quantize: invalid value for '--strength'"),
    (("quantize", "--ends", "loose"), "m4m quantize: invalid value for '--ends': 'loose' is not one of 'grid'"),
    (("quantize", "--grid"), "m4m quantize: option '--grid' requires an argument"),
    (("quantize", "a.mid", "b.mid"), "m4m quantize: got unexpected extra argument"),
    (("quantize", "--json", "--midi"), "m4m quantize: --json and --midi exclude each other"),
    (("completions",), "m4m completions: missing argument 'SHELL'"),
]


@pytest.mark.parametrize(("arguments", "line"), USAGE_ERRORS)
def test_wrong_usage_is_told_in_one_line_with_status_2(m4m: Run, arguments: tuple[str, ...], line: str) -> None:
    done = m4m(*arguments)
    told = done.stderr.decode()
    assert done.returncode == 2
    assert done.stdout == b""
    assert told.startswith(line)
    assert told.count("\n") == 1


def test_control_characters_of_arguments_do_not_reach_the_terminal(m4m: Run) -> None:
    told = m4m("info", "no\x1b[31m\nsuch.mid").stderr
    assert b"\x1b" not in told
    assert told.count(b"\n") == 1


ERRORS: list[tuple[BaseException, int, str]] = [
    (M4mError("a.mid: broken", "mend it"), 1, "a.mid: broken; mend it"),
    (M4mError("not so", status=3), 3, "not so"),
    (KeyboardInterrupt(), 130, ""),
    (BrokenPipeError(), 1, ""),
    (FileNotFoundError(2, "No such file or directory", "a.toml"), 1, "a.toml: no such file or directory"),
    (OSError(28, "No space left on device"), 1, "no space left on device"),
    (MemoryError(), 1, "out of memory; try a shorter piece"),
    (
        ModuleNotFoundError("No module named 'torch'", name="torch"),
        1,
        "needs torch, which is not installed; try: pip install 'm4m[train]'",
    ),
    (
        ZeroDivisionError("division by zero"),
        1,
        "internal error: ZeroDivisionError: division by zero; please report it, M4M_DEBUG=1 shows where it happened",
    ),
]


@pytest.mark.parametrize(("error", "status", "line"), ERRORS)
def test_every_failure_has_a_status_and_a_line(error: BaseException, status: int, line: str) -> None:
    assert explain(error) == (status, line)


def test_debug_shows_the_traceback(m4m: Run) -> None:
    assert b"Traceback" not in m4m("info", "missing.mid").stderr
    assert b"Traceback" in m4m("info", "missing.mid", M4M_DEBUG="1").stderr


def on_terminal(tmp_path: Path, arguments: list[str], *, stdin: bool) -> tuple[int, bytes]:
    """Run m4m with a terminal as its standard input, or else as its standard output; the status and stderr."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "m4mcli", *arguments],
            stdin=theirs if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdin else theirs,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(),
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stderr


def test_without_file_on_a_terminal_it_says_how_instead_of_waiting(tmp_path: Path) -> None:
    status, told = on_terminal(tmp_path, ["quantize"], stdin=True)
    assert status == 2
    assert b"usage: m4m quantize [OPTIONS] [FILE]" in told


def test_midi_is_not_written_to_a_terminal_unless_forced(tmp_path: Path, examples: Path) -> None:
    song = str(examples / "played.mid")
    status, told = on_terminal(tmp_path, ["quantize", song], stdin=False)
    assert status == 2
    assert b"redirect with > out.mid" in told
    assert on_terminal(tmp_path, ["quantize", "--force", song], stdin=False)[0] == 0
    assert on_terminal(tmp_path, ["quantize", "--json", song], stdin=False)[0] == 0


KINDS = [
    ("played.mid", (), "midi"),
    ("played.mid", ("--json",), "json"),
    ("played.mid", ("-o", "out.json"), "json"),
    ("played.mid", ("-o", "out.JSON"), "json"),
    ("played.mid", ("-o", "out.mid"), "midi"),
    ("played.mid", ("-o", "out.txt"), "midi"),
    ("played.mid", ("--midi", "-o", "out.json"), "midi"),
    ("played.json", (), "json"),
    ("played.json", ("--midi",), "midi"),
    ("played.json", ("-o", "out.midi"), "midi"),
    ("played.json", ("-o", "out"), "json"),
]


@pytest.mark.parametrize(("source", "arguments", "kind"), KINDS)
def test_the_output_is_of_the_kind_of_the_input_unless_told_otherwise(
    m4m: Run, tmp_path: Path, examples: Path, source: str, arguments: tuple[str, ...], kind: str
) -> None:
    song = examples / "played.mid"
    if source.endswith("json"):
        song = tmp_path / source
        song.write_bytes(m4m("quantize", "--json", examples / "played.mid").stdout)
    done = m4m("quantize", song, *arguments)
    assert done.returncode == 0, done.stderr
    written = (tmp_path / arguments[-1]).read_bytes() if "-o" in arguments else done.stdout
    assert written.startswith(b"MThd") if kind == "midi" else json.loads(written)["kind"] == "score"


def test_quiet_and_verbose(m4m: Run, tmp_path: Path, examples: Path) -> None:
    cut = tmp_path / "cut.mid"
    cut.write_bytes((examples / "played.mid").read_bytes()[:-9])
    assert b"m4m quantize: warning: cut-short" in m4m("quantize", cut).stderr
    assert m4m("quantize", "-q", cut).stderr == b""
    assert b"m4m quantize: 62 notes" in m4m("quantize", "-q", "-v", cut).stderr


def test_python_dash_m_is_m4m(m4m: Run) -> None:
    assert m4m("--help").stdout.startswith(b"Usage: m4m ")
