"""How long TAB takes in bash, zsh and fish, in milliseconds: the median of many.

    python tests/benchmarks/tab.py

bash and fish are timed by themselves; zsh from the key to the completed line, by the pseudo-terminal it runs in, and
beside it a command that it completes without m4m's function.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from shells import COMPLETIONS, Zsh

TIMES = 50
LINES = ("m4m quantize --st", "m4m harmonize --cho", "m4m qua")


def bash(line: str) -> float:
    """Milliseconds for one call of the completion function."""
    words = " ".join(line.split(" "))
    code = (
        f"source {COMPLETIONS / 'm4m.bash'}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        f"a=$EPOCHREALTIME; for ((i = 0; i < {TIMES}; i++)); do _m4m; done; echo $a $EPOCHREALTIME"
    )
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=True)
    began, ended = map(float, done.stdout.replace(",", ".").split())
    return (ended - began) * 1000 / TIMES


def fish(line: str) -> float:
    """Milliseconds for one completion, the time of a shell that does none taken off."""
    times = []
    for count in (0, TIMES):
        code = f"source {COMPLETIONS / 'm4m.fish'}; for i in (seq {count}); complete -C '{line}' >/dev/null; end"
        began = time.monotonic()
        subprocess.run(["fish", "--no-config", "-c", code], check=True)
        times.append(time.monotonic() - began)
    return (times[1] - times[0]) * 1000 / TIMES


def zsh(line: str) -> float:
    """Milliseconds from TAB to the answer, and the print that marks its end."""
    times = []
    with tempfile.TemporaryDirectory() as folder, Zsh(Path(folder)) as shell:
        for _ in range(TIMES):
            began = time.monotonic()
            shell.offered(line)
            times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def main() -> None:
    """Print a line for each shell that is here."""
    for shell, measured in {"bash": bash, "fish": fish, "zsh": zsh}.items():
        if shutil.which(shell):
            more = f", true --x {zsh('true --x'):.1f} ms" if shell == "zsh" else ""
            print(f"{shell}: " + ", ".join(f"{line!r} {measured(line):.1f} ms" for line in LINES) + more)


if __name__ == "__main__":
    main()
