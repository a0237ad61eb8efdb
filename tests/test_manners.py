"""The manners of a Unix tool, one test for each rule: streams, operands, kinds, statuses, files, help, speed."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mido
import pytest
from conftest import ROOT, Run, environment

from m4mcli import __version__
from m4mcli.cli import COMMANDS
from m4mcli.command_tree import pages
from m4mcli.models.registry import available, fingerprint

READERS = [page.name for page in pages(COMMANDS) if any("MIDI" in operand.help for operand in page.operands)]
"""The commands with music as an operand."""


@pytest.fixture
def shell(tmp_path: Path, examples: Path) -> Run:
    """Run a line of shell in a folder with the example pieces, `m4m` on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "m4m").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m m4mcli "$@"\n')
    (programs / "m4m").chmod(0o755)
    for piece in examples.glob("*.mid"):
        shutil.copy(piece, tmp_path)

    def run(line: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", line],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=tmp_path,
            env=environment(PATH=path, **env),
            timeout=120,
            check=False,
        )

    return run


ONE_PROCESS = """
import json, sys
from m4mcli import cli, progress
progress.SECONDS_BEFORE_SHOWN = 0.0
for arguments in json.loads(sys.argv[1]):
    status = cli.run(arguments)
    if sys.argv[2:]:
        print("status", status, file=sys.stderr, flush=True)
"""


def on_terminal(
    folder: Path, *lines: tuple[str, ...], streams: tuple[int, ...], statuses: bool = True
) -> tuple[str, list[str]]:
    """Run command lines one after the other, with a terminal as some of the three streams.

    Returns what the terminal showed, and standard error (with statuses) in lines where that is no terminal.
    """
    ours, theirs = pty.openpty()
    env = {k: v for k, v in environment(TERM="xterm", COLUMNS="100").items() if k not in ("NO_COLOR", "CI")}
    ends = {n: theirs if n in streams else subprocess.DEVNULL if n == 0 else subprocess.PIPE for n in range(3)}
    code = [sys.executable, "-c", ONE_PROCESS, json.dumps(lines), *(["tell"] if statuses else [])]
    with subprocess.Popen(code, stdin=ends[0], stdout=ends[1], stderr=ends[2], cwd=folder, env=env) as running:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 1 << 16):
                shown += part
        except OSError:
            pass  # how Linux says that the other end is closed
        _, told = running.communicate(timeout=60)
    os.close(ours)
    assert running.returncode == 0
    return shown.decode(), (told or b"").decode().splitlines()


def test_rule_1_results_on_stdout_all_else_on_stderr(shell: Run) -> None:
    cut = "head -c -9 played.mid > cut.mid; "
    both = shell(cut + "m4m quantize -v cut.mid | m4m quantize -v --grid 1/8")
    results = shell("m4m quantize -v cut.mid 2>/dev/null | m4m quantize -v --grid 1/8 2>/dev/null")
    assert both.stdout == results.stdout != b""
    assert both.stdout[:4] == b"MThd"
    assert results.stderr == b""
    assert b"warning: cut-short" in both.stderr


def test_rule_2_operands(shell: Run, m4m: Run, tmp_path: Path) -> None:
    named = shell("m4m quantize played.mid")
    assert named.stdout[:4] == b"MThd"
    for same in ("m4m quantize < played.mid", "m4m quantize - < played.mid", "m4m quantize -o - -- played.mid"):
        assert shell(same).stdout == named.stdout
    dashed = shell("cp played.mid ./--x.mid && m4m quantize -o -y.mid -- --x.mid && cat ./-y.mid")
    assert dashed.stdout == named.stdout


def test_rule_2_without_file_a_terminal_is_told_the_usage(tmp_path: Path) -> None:
    needed = {"infill": ("--bars", "1"), "diff": ("-", "missing.mid"), "pipe": ("info",)}
    assert {"quantize", "harmonize", "info", "render", "play", "check", "diff", "pipe"} <= set(READERS)
    shown, told = on_terminal(tmp_path, *((name, *needed.get(name, ())) for name in READERS), streams=(0,))
    assert shown == ""
    assert told[1::2] == ["status 2"] * len(READERS)
    for name, line in zip(READERS, told[::2], strict=True):
        assert re.match(rf"m4m ({name}|info): .*(usage: m4m|no input|missing argument)", line)


LOOKS = [
    ("MIDI in RIFF", None, ""),
    ("gzip", b"\x1f\x8b\x08", "not a MIDI file (gzip data); try: gunzip -c odd.json"),
    ("HTML", b"<!DOCTYPE html><html>", "not a MIDI file (HTML)"),
    ("text", b"Am | G | F\n", "not a MIDI file (text)"),
    ("nothing", b"", "empty input"),
]


@pytest.mark.parametrize(("data", "told"), [look[1:] for look in LOOKS], ids=[look[0] for look in LOOKS])
def test_rule_3_content_decides_and_not_the_name(
    m4m: Run, tmp_path: Path, examples: Path, data: bytes | None, told: str
) -> None:
    if data is None:
        midi = (examples / "played.mid").read_bytes()
        chunk = b"data" + len(midi).to_bytes(4, "little") + midi
        data = b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"RMID" + chunk
    (tmp_path / "odd.json").write_bytes(data)
    done = m4m("quantize", "odd.json", "--midi")
    if told:
        assert (done.returncode, done.stdout) == (1, b"")
        assert f"m4m quantize: odd.json: {told}" in done.stderr.decode()
    else:
        assert done.stdout == m4m("quantize", examples / "played.mid").stdout


def test_rule_3_the_same_piece_under_any_name(m4m: Run, tmp_path: Path, examples: Path) -> None:
    asked = m4m("quantize", "--json", examples / "played.mid")
    for name in ("song.txt", "song.kar", "song", "song.json"):
        shutil.copy(examples / "played.mid", tmp_path / name)
        assert m4m("quantize", "--json", name).stdout == asked.stdout


def test_rule_4_the_kind_goes_out_that_came_in(m4m: Run, tmp_path: Path, examples: Path) -> None:
    song = examples / "played.mid"
    text = m4m("quantize", "--json", song).stdout
    assert text.endswith(b"\n")
    assert (json.loads(text)["m4m"], list(json.loads(text))[:3]) == (1, ["m4m", "kind", "tpq"])
    assert m4m("quantize", stdin=text).stdout.startswith(b"{")
    assert m4m("quantize", "--midi", stdin=text).stdout.startswith(b"MThd")
    assert m4m("quantize", song, "-o", "out.json").returncode == 0
    assert (tmp_path / "out.json").read_bytes() == text
    lines = m4m("info", "--jsonl", song, examples / "greensleeves.mid").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["info", "info"]


def test_rule_5_no_binary_on_a_terminal(tmp_path: Path, examples: Path) -> None:
    song = str(examples / "greensleeves.mid")
    lines = [
        ("quantize", song),
        ("check", "--fix", song),
        ("render", "--soundfont", "none", song),
        ("analyze", "--midi", song),
        ("roll", "--as", "png", song),
    ]
    shown, told = on_terminal(tmp_path, *lines, streams=(1,))
    assert shown == ""
    assert told[1::2] == ["status 2"] * len(lines)
    assert all("not written to a terminal; " in line for line in told[::2])


def test_rule_6_exit_statuses(shell: Run) -> None:
    cases = {
        "m4m quantize played.mid > out.mid": 0,
        "m4m quantize missing.mid": 1,
        "m4m quantize --grid": 2,
        "m4m check -q played.mid > report": 3,
        "m4m diff played.mid greensleeves.mid > report": 3,
        "m4m info --json " + "played.mid " * 400 + "| head -c 1 > one; exit ${PIPESTATUS[0]}": 141,
    }
    assert {line: shell(line).returncode for line in cases} == cases


def test_rule_7_an_upstream_failure_stops_the_pipeline(shell: Run) -> None:
    done = shell("set -o pipefail; m4m quantize missing.mid | m4m harmonize | m4m drumify -o song.mid; ls song.mid")
    assert done.returncode != 0
    told = done.stderr.decode().splitlines()
    assert told[0] == "m4m quantize: missing.mid: no such file or directory"
    assert "m4m harmonize: stdin: empty input; did the command before it fail?" in told
    assert "m4m drumify: stdin: empty input; did the command before it fail?" in told
    assert done.stdout == b""


def test_rule_8_files_appear_whole_or_not_at_all(shell: Run, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    assert shell("m4m quantize played.mid > by-shell.mid").returncode == 0
    done = shell(
        "umask 027; m4m quantize played.mid -o played.mid; echo old > kept.mid; m4m quantize -o kept.mid < /dev/null"
    )
    assert done.returncode == 1
    assert (tmp_path / "played.mid").read_bytes() == (tmp_path / "by-shell.mid").read_bytes()
    assert (tmp_path / "kept.mid").read_text() == "old\n"
    assert shell("umask 027; m4m quantize played.mid -o new.mid; stat -c %a new.mid").stdout == b"640\n"
    assert {path.name for path in tmp_path.iterdir()} == before | {"by-shell.mid", "kept.mid", "new.mid"}


def test_rule_9_an_error_is_one_line_with_the_next_step(shell: Run) -> None:
    for line, told in {
        "gzip -c played.mid > a.mid; m4m info a.mid": "m4m info: a.mid: not a MIDI file (gzip data); "
        "try: gunzip -c a.mid | m4m ...",
        "gzip -c played.mid | m4m info": "m4m info: stdin: not a MIDI file (gzip data); try: gunzip | m4m ...",
        "m4m harmonise played.mid": "m4m: no such command: 'harmonise'; did you mean harmonize?",
        "m4m info played.mid > /dev/full": "m4m info: stdout: cannot write: no space left on device",
    }.items():
        assert shell(line).stderr.decode() == f"{told}\n"


def test_rule_10_the_same_seed_gives_the_same_bytes(m4m: Run, examples: Path) -> None:
    song = examples / "ode-to-joy.mid"
    few = ("--best-of", "1", "--to-bar", "4")
    asked = m4m("drumify", *few, song)
    assert asked.returncode == 0
    for same in (("--seed", "0"), ("--threads", "8")):
        assert m4m("drumify", *few, *same, song).stdout == asked.stdout
    assert m4m("drumify", *few, "--seed", "1", song).stdout != asked.stdout
    drawn = m4m("drumify", *few, "--seed", "random", song)
    told = re.fullmatch(rb"m4m drumify: seed (\d+)\n", drawn.stderr)
    assert told
    assert m4m("drumify", *few, song, M4M_SEED=told[1].decode()).stdout == drawn.stdout


def test_rule_11_quiet_and_loud(m4m: Run, tmp_path: Path, examples: Path) -> None:
    (tmp_path / "cut.mid").write_bytes((examples / "ode-to-joy.mid").read_bytes()[:-9])
    told = m4m("harmonize", "-v", "--best-of", "1", "cut.mid").stderr.decode()
    assert "warning: cut-short" in told
    assert re.search(r"^m4m harmonize: .*harmonize-small", told, re.MULTILINE)
    assert "seed 0" in told
    assert m4m("harmonize", "-q", "--best-of", "1", "cut.mid").stderr == b""


def test_rule_11_progress_on_a_terminal_only(tmp_path: Path, examples: Path) -> None:
    render = ("render", "--soundfont", "none", "-o", "x.wav", str(examples / "greensleeves.mid"))
    shown, _ = on_terminal(tmp_path, render, streams=(2,), statuses=False)
    assert re.search("sound .* [0-9]+% [0-9]:[0-9]{2}:[0-9]{2}", COLOUR.sub("", shown))
    assert on_terminal(tmp_path, (*render, "-q"), (*render, "--no-progress"), streams=(2,), statuses=False)[0] == ""
    assert on_terminal(tmp_path, render, streams=(0, 1), statuses=False) == ("", [])


COLOUR = re.compile("\x1b\\[[0-9;]*m")
HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold red]../../x[/]\r\n\x9b31m"


def test_rule_12_names_from_files_do_nothing_to_the_terminal(tmp_path: Path, examples: Path) -> None:
    song = mido.MidiFile(examples / "greensleeves.mid", charset="utf-8")
    song.tracks[1].insert(0, mido.MetaMessage("track_name", name=HOSTILE))
    song.save(tmp_path / "hostile.mid")
    shutil.copy(examples / "greensleeves.mid", tmp_path / "plain.mid")
    commands = (("info",), ("roll",), ("check",), ("diff", "plain.mid"), ("analyze", "--chart"))
    lines = [(*command, "--no-progress", "hostile.mid") for command in commands]
    shown, _ = on_terminal(tmp_path, *lines, streams=(0, 1, 2), statuses=False)
    assert shown.count("[bold red]") >= 3
    left = COLOUR.sub("", shown).replace("\r\n", "\n")
    assert [c for c in left if not c.isprintable() and c != "\n"] == []
    assert {path.name for path in tmp_path.iterdir()} == {"hostile.mid", "plain.mid"}


def test_rule_13_help(m4m: Run) -> None:
    assert m4m("quantize", "-h").stdout == m4m("quantize", "--help").stdout == m4m("help", "quantize").stdout
    assert m4m("help").stdout == m4m("--help").stdout == m4m("help", "help").stdout
    assert m4m("help", "quantise").stderr == b"m4m: no such command: 'quantise'; did you mean quantize?\n"
    assert m4m("--version").stdout.decode() == f"m4m {__version__}\n"
    versions = m4m("--version", "-v").stdout.decode().splitlines()
    assert versions == [f"m4m {__version__}", *(f"{name} {fingerprint(path)}" for name, path in available().items())]
    assert m4m("-v", "--version").stdout.decode().splitlines() == versions


def test_rule_14_one_word_for_one_thing() -> None:
    meanings: dict[str, set[tuple[str, str]]] = {}
    for page in pages(COMMANDS):
        for option in page.options:
            for flag in option.flags:
                meanings.setdefault(flag, set()).add((option.name, page.name))
    short = {flag: {name for name, _ in uses} for flag, uses in meanings.items() if not flag.startswith("--")}
    assert {flag: names for flag, names in short.items() if len(names) > 1} == {}
    for flag in meanings:
        assert re.fullmatch(r"-[a-z]|--[a-z][a-z0-9]*(-[a-z0-9]+)*", flag)


def test_rule_14_musical_values_as_musicians_write_them(m4m: Run, examples: Path) -> None:
    song = examples / "ode-to-joy.mid"
    for arguments in (
        ("quantize", "--grid", "1/16t", song),
        ("quantize", "--grid", "1/8", "--swing", "0.67", song),
        ("harmonize", "--best-of", "1", "--key", "F# minor", "--chords", "Dm7 | G7 | Cmaj7", song),
        ("melodize", "--best-of", "1", "--chords", "Dm7 | G7 | Cmaj7 | .", "--time", "6/8", "--range", "C4-A5"),
        ("roll", "--bars", "2-3", song),
    ):
        done = m4m(*arguments)
        assert (done.returncode, done.stderr) == (0, b""), arguments
        assert done.stdout


def test_rule_15_options_before_environment_before_defaults(m4m: Run, tmp_path: Path, examples: Path) -> None:
    song = examples / "ode-to-joy.mid"
    few = ("drumify", "--best-of", "1", "--to-bar", "4")
    plain, other = m4m(*few, song).stdout, m4m(*few, song, M4M_SEED="5").stdout
    assert plain != other == m4m(*few, "--seed", "5", song).stdout
    assert m4m(*few, "--seed", "0", song, M4M_SEED="5").stdout == plain
    shutil.copytree(ROOT / "models" / "drumify-small", tmp_path / "models" / "mine")
    facts = m4m(*few, "-v", song, M4M_MODELS=str(tmp_path / "models")).stderr.decode()
    assert "mine" in facts
    assert b"none.sf2: no such file" in m4m("render", song, M4M_SOUNDFONT=str(tmp_path / "none.sf2")).stderr
    assert m4m("render", "--soundfont", "none", song, M4M_SOUNDFONT=str(tmp_path / "none.sf2")).returncode == 0


RULE = re.compile(r"^(%\.chords\.mid: %\.mid\n\t.*\n)", re.MULTILINE)


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_rule_16_makefiles(shell: Run, tmp_path: Path) -> None:
    (rule,) = RULE.findall((ROOT / "README.md").read_text("utf-8"))
    (tmp_path / "Makefile").write_text(rule)
    done = shell("env -u MAKEFLAGS make -j 2 ode-to-joy.chords.mid && env -u MAKEFLAGS make ode-to-joy.chords.mid")
    assert done.returncode == 0, done.stderr
    assert b"up to date" in done.stdout
    assert (tmp_path / "ode-to-joy.chords.mid").read_bytes()[:4] == b"MThd"
    assert (
        shell("touch bad.mid; env -u MAKEFLAGS make bad.chords.mid; ls bad.chords.mid").stdout.count(b"bad.chords") == 1
    )


def test_rule_17_a_pipeline_is_its_steps_through_files(shell: Run) -> None:
    few = "--best-of 1"
    done = shell(
        f"m4m quantize ode-to-joy.mid | m4m harmonize {few} | m4m drumify {few} > piped.mid;"
        f"m4m quantize ode-to-joy.mid -o a.mid; m4m harmonize {few} a.mid -o b.mid; m4m drumify {few} b.mid -o c.mid;"
        f'm4m pipe "quantize | harmonize {few} | drumify {few}" ode-to-joy.mid -o one.mid;'
        "cmp piped.mid c.mid && cmp one.mid c.mid && m4m info --json c.mid"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert [track["instrument"] for track in json.loads(done.stdout)["tracks"]][-1] == "Drums"


def test_rule_18_help_loads_no_library(tmp_path: Path) -> None:
    code = "import sys, m4mcli.cli as m; [m.run(a) for a in ARGUMENTS]; print(*sys.modules, file=sys.stderr)"
    given = [[name, "--help"] for name in COMMANDS]
    done = subprocess.run(
        [sys.executable, "-c", code.replace("ARGUMENTS", repr(given))],
        capture_output=True,
        env=environment(),
        check=True,
    )
    heavy = {"numpy", "mido", "symusic", "onnxruntime", "torch", "rich", "pydantic", "asyncio"}
    assert heavy.isdisjoint(done.stderr.decode().split())


def test_files_and_flags_are_read_without_pydantic(examples: Path) -> None:
    """Typer's validators cost a tenth of a second: only numbers and choices that are given are worth it."""
    words = ["info", "--json", str(examples / "ode-to-joy.mid")]
    code = f"import sys, m4mcli.cli as m; m.run({words}); print('pydantic' in sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment(), check=True)
    assert (done.stderr, json.loads(done.stdout)["format"]) == (b"False\n", "midi")
