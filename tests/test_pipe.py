"""`m4m pipe`: the bytes of the shell's pipeline, its failures and its exit status."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Run, environment

from m4mcli.chain import parsed
from m4mcli.errors import M4mError
from m4mcli.score.score import Score
from m4mcli.score.write import score_to_midi

M4M = f"{sys.executable} -m m4mcli"

CHAINS = [
    "quantize --grid 1/16 | quantize --grid 1/8 --strength 0.5",
    "quantize --grid 1/8 --json | quantize --midi | info --json",
    "quantize | harmonize --seed 3 --best-of 1",
    "tokenize | tokenize --decode",
    "melodize --chords 'Am | G' --bars 2 --best-of 1 --time 3/4 | roll --width 60",
]


@pytest.mark.parametrize("chain", CHAINS)
def test_the_bytes_are_those_of_the_shell(m4m: Run, tmp_path: Path, examples: Path, chain: str) -> None:
    song = "" if chain.startswith("melodize") else str(examples / "played.mid")
    steps = [f"{M4M} {step}" for step in chain.replace("' | ", "'| ").replace("Am | G", "Am ! G").split(" | ")]
    steps[0] += f" {song}"
    shell = subprocess.run(
        ["bash", "-c", "set -o pipefail; " + " | ".join(steps).replace("Am ! G", "Am | G")],
        capture_output=True,
        cwd=tmp_path,
        env=environment(),
        check=False,
    )
    assert shell.returncode == 0
    done = m4m("pipe", chain, *([song] if song else []))
    assert (done.returncode, done.stdout, done.stderr) == (0, shell.stdout, shell.stderr)


def test_the_output_is_the_last_step_s(m4m: Run, tmp_path: Path, examples: Path) -> None:
    song = examples / "played.mid"
    assert m4m("pipe", "quantize | quantize --grid 1/8", song, "-o", "out.json").stdout == b""
    assert (tmp_path / "out.json").read_bytes().startswith(b'{"m4m": 1, "kind": "score"')


def test_it_reads_standard_input(m4m: Run, examples: Path) -> None:
    song = examples / "played.mid"
    wanted = m4m("quantize", "--grid", "1/8", song).stdout
    assert m4m("pipe", "quantize --grid 1/8 | quantize --grid 1/8", stdin=song.read_bytes()).stdout == wanted
    assert m4m("pipe", "quantize --grid 1/8", "-", stdin=song.read_bytes()).stdout == wanted


def test_a_failing_step_ends_the_chain(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "out.mid").write_bytes(b"before")
    done = m4m("pipe", "quantize | harmonize", "-o", "out.mid", stdin=score_to_midi(Score(480)))
    assert done.returncode == 1
    assert done.stderr.startswith(b"m4m harmonize: ")
    assert done.stderr.count(b"\n") == 1
    assert (tmp_path / "out.mid").read_bytes() == b"before"
    missing = m4m("pipe", "quantize | info", "missing.mid")
    assert (missing.returncode, missing.stdout) == (1, b"")
    assert missing.stderr == b"m4m quantize: missing.mid: no such file or directory\n"


def test_a_step_that_says_no_does_not_end_it(m4m: Run, examples: Path) -> None:
    done = m4m("pipe", "check --fix -q | info", examples / "played.mid")
    assert done.returncode == 3
    assert b"62 notes" in done.stdout


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        ("quantize | nosuch", "step 2: no such command: 'nosuch'"),
        ("quantize | | info", "step 2 of the pipeline is empty"),
        ("", "step 1 of the pipeline is empty"),
        ("quantize > x.mid", "> in a pipeline"),
        ("quantize; info", "; in a pipeline"),
        ("quantize 'x", "cannot be read"),
        ("info | quantize --grud 1/8", "no such option: --grud; did you mean --grid?"),
        ("info | quantize --strength 9", "quantize: "),
    ],
)
def test_wrong_use_is_told_before_anything_runs(m4m: Run, examples: Path, chain: str, told: str) -> None:
    done = m4m("pipe", chain, examples / "played.mid")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"m4m pipe: ")
    assert told in done.stderr.decode()


def test_steps() -> None:
    assert parsed("quantize --grid 1/8|m4m info") == [["quantize", "--grid", "1/8"], ["info"]]
    assert parsed("melodize --chords 'Am | G'") == [["melodize", "--chords", "Am | G"]]
    assert parsed('melodize --chords "F#m7b5 | B7"') == [["melodize", "--chords", "F#m7b5 | B7"]]
    with pytest.raises(M4mError):
        parsed("quantize && info")
