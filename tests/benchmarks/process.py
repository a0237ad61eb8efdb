"""`m4m harmonize` as a process on a melody of 24 bars: CPU time, wall time, peak memory; and what starting costs.

    python tests/benchmarks/process.py                    # the shipped model
    python tests/benchmarks/process.py --base             # random weights of the recipe foundation-base (needs torch)
    python tests/benchmarks/process.py --minutes 10       # a long melody

Processes of two kinds are run in turn, and the least CPU time of each counts: other work on the machine lengthens
wall time more than CPU time.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from m4mcli.cli import COMMANDS
from m4mcli.score.score import Score, Track, notes_array
from m4mcli.score.write import score_to_midi

ROUNDS = 7
LAUNCHER = """
import os, subprocess, sys, time
start = time.monotonic()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a command from a small process: a child's peak memory begins with that of the process that starts it."""

SCALE = (60, 62, 64, 65, 67, 69, 71, 72)


def melody(bars: int) -> bytes:
    """Eighths in 4/4, up and down a scale at random."""
    rng = random.Random(0)
    rows = [(240 * i, 240, rng.choice(SCALE), 80) for i in range(8 * bars)]
    return score_to_midi(Score(480, (Track("Melody", notes=notes_array(rows)),)))


def measured(command: list[str]) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak MB of a process that must succeed."""
    # Modules are compiled once, as they are where m4m is installed, whatever is told to the interpreter here.
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    surroundings["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "m4m-benchmark-modules")
    launcher = [sys.executable, "-S", "-c", LAUNCHER]
    done = subprocess.run([*launcher, *command], capture_output=True, check=False, env=surroundings)
    if done.returncode:
        raise SystemExit(f"{command}: status {done.returncode}: {done.stderr.decode()}")
    cpu, wall, peak = map(float, done.stdout.split())
    kilo = 1 if sys.platform != "darwin" else 1 / 1024
    return cpu, wall, peak * kilo / 1024


def least(commands: list[list[str]], rounds: int) -> list[tuple[float, float, float]]:
    """The least of each figure over the rounds, for each command."""
    runs = [[measured(command) for command in commands] for _ in range(rounds)]
    return [tuple(min(run[i][k] for run in runs) for k in range(3)) for i in range(len(commands))]  # type: ignore[misc]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", action="store_true")
    parser.add_argument("--minutes", type=int)
    given = parser.parse_args()
    m4m = [sys.executable, "-m", "m4mcli"]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "melody.mid"
        source.write_bytes(melody(30 * given.minutes if given.minutes else 24))
        options: list[str] = []
        if given.base:
            base = Path(folder) / "base"
            maker = Path(__file__).with_name("folders.py")
            subprocess.run([sys.executable, maker, "foundation-base", base], check=True, capture_output=True)
            options = ["--model", str(base)]
        what = f"{given.minutes} minutes" if given.minutes else "24 bars"
        ((cpu, wall, peak),) = least([[*m4m, "harmonize", *options, str(source)]], 1 if given.minutes else ROUNDS)
        print(f"harmonize, {what}, {'base size' if given.base else 'shipped model'}: ", end="")
        print(f"{cpu:.2f} s CPU, {wall:.2f} s wall, {peak:.0f} MB peak")
    typer = [sys.executable, "-c", "import typer"]
    (shown, *_), (bare, *_) = least([[*m4m, "--help"], typer], ROUNDS)
    print(f"m4m --help {shown:.2f} s CPU, import typer {bare:.2f} s CPU, ratio {shown / bare:.2f}")
    (bare, *_), *helps = least([typer, *([*m4m, name, "--help"] for name in COMMANDS)], ROUNDS)
    slowest, name = max((cpu, name) for (cpu, *_), name in zip(helps, COMMANDS, strict=True))
    print(f"slowest of the commands: m4m {name} --help {slowest:.2f} s CPU, ratio {slowest / bare:.2f}")


if __name__ == "__main__":
    main()
