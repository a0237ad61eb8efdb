"""What m4m may be trusted with: no network, no file but those it is told to write, no trace of what went wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mido
import pytest
from conftest import ROOT, Run, environment

from m4mcli.cli import COMMANDS
from m4mcli.models.registry import write_hashes
from m4mcli.score.write import write_output

M4M = f"{sys.executable} -m m4mcli"
SONG = ROOT / "commands" / "examples" / "greensleeves.mid"
FEW = ["--best-of", "1"]
EVERY: list[list[str | Path]] = [
    ["harmonize", *FEW, SONG, "-o", "a.mid"],
    ["melodize", *FEW, "--chords", "Am | G", "-o", "b.mid"],
    ["drumify", *FEW, SONG, "-o", "c.mid"],
    ["accompany", *FEW, "--instruments", "bass", "c.mid", "-o", "d.mid"],
    ["continue", *FEW, "--bars", "1", SONG, "-o", "e.mid"],
    ["infill", *FEW, "--bars", "3", SONG, "-o", "f.mid"],
    ["analyze", SONG, "-o", "g.json"],
    ["quantize", SONG, "-o", "h.mid"],
    ["tokenize", SONG, "-o", "i.json"],
    ["info", SONG],
    ["roll", SONG, "-o", "j.svg"],
    ["render", "--rate", "8000", SONG, "-o", "k.wav"],
    ["play", SONG],
    ["play", "--ports"],
    ["pipe", "quantize | info", SONG],
    ["diff", SONG, SONG],
    ["check", "--fix", SONG, "-o", "l.mid"],
    ["doctor", "-o", "m.txt"],
    ["completions", "bash"],
    ["train", "toy", "--print"],
    ["adapt", "missing", "-o", "never.npz"],
    ["map", "quantize", SONG, "--out", "o"],
    ["interpolate", "--steps", "1", SONG, SONG, "-o", "p.mid"],
    ["sample", "multihead", "--length", "24", "-o", "n.mid"],
    ["evaluate", "analyze", "--folder", "missing"],
    ["--version", "-v"],
]
KINDS = {"abcdefhlnp": "mid", "gi": "json", "j": "svg", "k": "wav", "m": "txt"}
WRITTEN = {"o", *(f"{letter}.{kind}" for letters, kind in KINDS.items() for letter in letters)}

AUDITED = """
import json, os, sys
from pathlib import Path

allowed = (os.getcwd(), os.environ["TMPDIR"], os.devnull, "/dev/null")
seen = []
NEVER = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
         "pickle.find_class")
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree")

def audit(event, arguments):
    if event in NEVER or event.startswith("urllib"):
        seen.append(f"{event} {arguments}")
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and not os.path.abspath(os.fsdecode(arguments[0])).startswith(allowed):
            seen.append(f"{event} {arguments}")
    if event in CHANGES and isinstance(arguments[0], (str, bytes)):
        if not os.path.abspath(os.fsdecode(arguments[0])).startswith(allowed):
            seen.append(f"{event} {arguments}")

sys.dont_write_bytecode = True
sys.addaudithook(audit)
from m4mcli import cli
statuses = [cli.run(line) for line in json.loads(sys.argv[1])]
print(json.dumps([statuses, seen]), file=sys.stderr)
"""


def test_no_command_uses_the_network_or_writes_what_it_was_not_told_to(tmp_path: Path) -> None:
    home, temporary, work, programs = (tmp_path / name for name in ("home", "temporary", "work", "programs"))
    for folder in (home, temporary, work, programs):
        folder.mkdir()
    (programs / "aplay").write_text("#!/bin/sh\nexit 0\n")
    (programs / "aplay").chmod(0o755)
    kept = {k: v for k, v in environment().items() if not k.startswith("XDG_")}
    env = kept | {"HOME": str(home), "TMPDIR": str(temporary), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    lines = json.dumps([[str(word) for word in line] for line in EVERY])
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, lines], capture_output=True, cwd=work, env=env, timeout=120, check=False
    )
    *told, last = done.stderr.decode().splitlines()
    statuses, seen = json.loads(last)
    assert seen == []
    failed = {str(line[0]) for line, status in zip(EVERY, statuses, strict=True) if status not in (0, 3)}
    assert failed == {"evaluate", "adapt"}, told
    assert {path.name for path in work.iterdir()} == WRITTEN
    assert [*home.rglob("*"), *temporary.rglob("*")] == []


def test_every_command_is_tried_without_a_network() -> None:
    needing_torch_or_packs = {"export-onnx", "dataset"}
    assert {str(line[0]) for line in EVERY} >= set(COMMANDS) - needing_torch_or_packs


def offline() -> bool:
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not offline(), reason="no network namespaces here")
def test_the_bytes_are_the_same_without_a_network(m4m: Run, tmp_path: Path) -> None:
    command: list[str | Path] = ["unshare", "-rn", sys.executable, "-m", "m4mcli", "drumify", *FEW, SONG]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == m4m("drumify", *FEW, SONG).stdout


def shell(line: str, folder: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "cut.mid").write_bytes(SONG.read_bytes()[:-9])
    return subprocess.run(
        ["bash", "-c", line.replace("m4m ", f"{M4M} ")],
        capture_output=True,
        cwd=folder,
        env=environment(**env),
        timeout=60,
        check=False,
    )


def test_closed_descriptors_do_not_mix_messages_into_music(m4m: Run, tmp_path: Path) -> None:
    music = m4m("quantize", "-q", SONG).stdout
    assert shell("m4m quantize cut.mid 2>&-", tmp_path).stdout[:4] == b"MThd"
    assert shell("m4m quantize cut.mid 2>/dev/full", tmp_path).stdout[:4] == b"MThd"
    closed = shell(f"m4m quantize {SONG} -o out.mid <&- >&- 2>&-; echo $?", tmp_path)
    assert closed.stdout == b"0\n"
    assert (tmp_path / "out.mid").read_bytes() == music
    statuses = shell(
        "m4m info missing.mid 2>&-; echo $?; m4m --nosuch 2>/dev/full; echo $?; m4m info <&-; echo $?", tmp_path
    )
    assert statuses.stdout == b"1\n2\n2\n"


def test_what_only_the_owner_may_read_stays_so(m4m: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.replace
    secret = tmp_path / "secret.mid"
    secret.write_bytes(b"old")
    secret.chmod(0o600)
    modes = []

    def replace(self: Path, target: Path) -> None:
        modes.append(self.stat().st_mode & 0o777)
        original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    write_output(b"new", str(secret))
    assert modes == [0o600]
    assert (secret.read_bytes(), secret.stat().st_mode & 0o777) == (b"new", 0o600)


UNWRITABLE = {
    "/dev/full": "no space left on device",
    "/proc/none.mid": "no such file or directory",
    ".": "is a directory",
    "cut.mid/out.mid": "not a directory",
    "x" * 300: "file name too long",
    "": "is a directory",
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("target", UNWRITABLE)
def test_what_cannot_be_written_is_told_and_leaves_nothing(m4m: Run, tmp_path: Path, target: str) -> None:
    (tmp_path / "cut.mid").write_bytes(SONG.read_bytes())
    done = m4m("quantize", SONG, "-o", target)
    assert done.returncode == 1
    assert UNWRITABLE[target] in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cut.mid"]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)])
def test_a_signal_in_the_middle_of_the_work_leaves_nothing(tmp_path: Path, sent: signal.Signals, status: int) -> None:
    long = tmp_path / "work"
    long.mkdir()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (long / "out.mid").write_text("old")
    running = subprocess.Popen(
        [sys.executable, "-m", "m4mcli", "drumify", "--best-of", "64", SONG, "-o", "out.mid"],
        stderr=subprocess.PIPE,
        cwd=long,
        env=environment(TMPDIR=str(temporary)),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert running.stderr is not None
    with running.stderr:
        maps, until = Path(f"/proc/{running.pid}/maps"), time.monotonic() + 60
        while (
            "note_step" not in maps.read_text() and "onnxruntime" not in maps.read_text() and time.monotonic() < until
        ):
            time.sleep(0.02)
        time.sleep(0.5)
        running.send_signal(sent)
        assert running.wait(30) == status
        assert running.stderr.read() == b""
    assert (long / "out.mid").read_text() == "old"
    assert [path.name for path in long.iterdir()] == ["out.mid"]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("harm", ["cut short", "one bit", "an array of objects", "a graph of text"])
def test_a_model_that_was_tampered_with_is_refused(m4m: Run, tmp_path: Path, harm: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(ROOT / "models" / "drumify-small", model)
    weights = max(model.glob("*.data"), key=lambda path: path.stat().st_size)
    data = bytearray(weights.read_bytes())
    if harm == "a graph of text":
        (model / "note_step.onnx").write_text("no graph")
        write_hashes(model)
    elif harm == "an array of objects":
        (model / "more.npz").write_bytes(b"cposix\nsystem\n(S'touch owned'\ntR.")
    else:
        data[1000] ^= 1
        weights.write_bytes(data[:-100] if harm == "cut short" else data)
    done = m4m("drumify", *FEW, "--model", model, SONG, "-o", "out.mid")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert (b"not a usable ONNX model" if harm == "a graph of text" else b"does not match SHA256SUMS") in done.stderr
    assert not (tmp_path / "out.mid").exists()
    assert not (tmp_path / "owned").exists()


def test_a_name_is_never_a_path(m4m: Run, tmp_path: Path) -> None:
    song = mido.MidiFile(SONG)
    song.tracks[1].insert(0, mido.MetaMessage("track_name", name="../../../escaped"))
    (tmp_path / "in").mkdir()
    song.save(tmp_path / "in" / "song.mid")
    done = m4m("drumify", *FEW, "in/song.mid", "-n", "2", "--out-dir", "deep/out")
    assert done.returncode == 0
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {"in/song.mid", "deep/out/song-1.mid", "deep/out/song-2.mid"}
