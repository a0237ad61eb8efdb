"""Every command that takes a file on one file, in a process that may die of it, and what must hold of every run.

    python tests/odd_runs.py FOLDER [NAME]...  # these command lines, or all, on all files: a table, and what went wrong
    python tests/odd_runs.py --brief FOLDER    # harmonize and some of the others on each file: lines of JSON

The process is forked from this one, in which everything is imported, and does its command lines one after the other,
each twice.
"""

import hashlib
import io
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from preloaded import import_all

TUNE = Path(__file__).parent.parent / "commands" / "examples" / "greensleeves.mid"
FEW = ("--best-of", "1")
LENGTHY: dict[str, tuple[str, ...]] = {
    "harmonize": ("harmonize", *FEW, "FILE"),
    "melodize": ("melodize", *FEW, "FILE"),
    "drumify": ("drumify", *FEW, "FILE"),
    "accompany": ("accompany", *FEW, "FILE"),
    "continue": ("continue", *FEW, "--bars", "1", "FILE"),
    "infill": ("infill", *FEW, "--bars", "1", "FILE"),
    "harmonize --prompt": ("harmonize", *FEW, "--prompt", "FILE", "TUNE"),
    "continue --adapter": ("continue", *FEW, "--bars", "1", "--adapter", "FILE", "TUNE"),
    "interpolate": ("interpolate", "--steps", "1", "FILE", "FILE"),
    "sample --prompt": ("sample", "music-vae", "--prompt", "FILE"),
    "evaluate": ("evaluate", "FILE"),
    "map": ("map", "quantize", "FILE", "--out", "out", "--jobs", "1"),
    "dataset build": ("dataset", "build", "--workers", "1", "--out", "pack", "FOLDER"),
}
OTHERS: dict[str, tuple[str, ...]] = {
    "analyze": ("analyze", "FILE"),
    "analyze --midi": ("analyze", "--midi", "FILE"),
    "quantize": ("quantize", "FILE"),
    "tokenize": ("tokenize", "FILE"),
    "tokenize --scheme remi": ("tokenize", "--scheme", "remi", "FILE"),
    "tokenize --decode": ("tokenize", "--decode", "FILE"),
    "info": ("info", "--json", "FILE"),
    "roll": ("roll", "FILE"),
    "roll --as svg": ("roll", "--as", "svg", "FILE"),
    "render": ("render", "--rate", "8000", "--soundfont", "none", "FILE"),
    "render --soundfont": ("render", "--rate", "8000", "--soundfont", "FILE", "TUNE"),
    "play": ("play", "--soundfont", "none", "FILE"),
    "pipe": ("pipe", "quantize | info", "FILE"),
    "diff": ("diff", "FILE", "TUNE"),
    "check": ("check", "--json", "FILE"),
    "check --fix": ("check", "--fix", "-q", "FILE"),
    "train": ("train", "--print", "FILE"),
}
COMMANDS = LENGTHY | OTHERS
"""Command lines by name; FILE is the odd file, FOLDER one that holds it alone, TUNE a piece without fault."""

LIMIT_S = 10
LIMIT_BYTES = 1 << 30
EIGHT_MINUTES = "bars of 255 by 1.mid"
"""One bar of it is as long as two songs: to write one is left to the whole table."""

SAYS_NO = ("check", "check --fix", "diff", "pipe")
"""What may end with status 3."""

FILLS_A_FOLDER = ("dataset build", "map")
"""What leaves files, whatever it was given."""

BLAMES_OPTIONS = ("infill", "train")
"""What may end with status 2: the bars that are named are not there or too short, the recipe is none."""


@dataclass(frozen=True)
class Run:
    """What one command line did: status, hash of the output and its length, messages, files written, CPU seconds."""

    status: int
    stdout: str
    length: int
    stderr: str
    files: list[str]
    seconds: float

    @property
    def product(self) -> tuple[object, ...]:
        """What must be the same each time."""
        return self.status, self.stdout, self.length, self.stderr, self.files


@dataclass(frozen=True)
class Done:
    """What one process did: the two runs of each command line that it came to, its end, its peak memory."""

    runs: dict[str, list[Run]]
    ended: int
    memory: int


def done(names: Sequence[str], file: Path, scratch: Path, limit_s: float = LIMIT_S) -> Done:
    """Run the command lines of these names on a file that lies alone in its folder, in a process of their own."""
    report = scratch / "report"
    report.touch()
    child = os.fork()
    if child == 0:
        _work(names, file, scratch, report, limit_s)
    watch = os.pidfd_open(child)
    try:
        # The processor's time is limited in the child: this is for one that sleeps.
        if not select.select([watch], [], [], 30 * LIMIT_S * len(names))[0]:
            os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
    finally:
        os.close(watch)
    runs: dict[str, list[Run]] = {}
    for line in report.read_text("utf-8").splitlines():
        name, told = json.loads(line)
        runs.setdefault(name, []).append(Run(**told))
    report.unlink()
    return Done(runs, os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10)


def _work(names: Sequence[str], file: Path, scratch: Path, report: Path, limit_s: float) -> None:
    """In the child: do the runs, write what came of them, and end."""
    status = 70
    try:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        with report.open("a", encoding="utf-8") as told:
            for name in names:
                for _ in range(2):
                    signal.setitimer(signal.ITIMER_PROF, limit_s)
                    told.write(json.dumps([name, asdict(_run(name, file, scratch))]) + "\n")
                    told.flush()
        status = 0
    finally:
        os._exit(status)


def _run(name: str, file: Path, scratch: Path) -> Run:
    from m4mcli.cli import run

    places = {"FILE": str(file), "FOLDER": str(file.parent), "TUNE": str(TUNE)}
    arguments = [places.get(word, word) for word in COMMANDS[name]]
    work = Path(tempfile.mkdtemp(dir=scratch))
    os.chdir(work)
    before = time.process_time()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as told:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, stream in ((1, out), (2, told)):
            os.dup2(stream.fileno(), number)
        sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", closefd=False), "utf-8")
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(os.fdopen(n, "wb", closefd=False), "utf-8", line_buffering=n == 2) for n in (1, 2)
        )
        status = run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        seconds = time.process_time() - before
        texts = []
        for stream in (out, told):
            stream.seek(0)
            texts.append(stream.read())
    files = [f"{p.relative_to(work)} {_digest(p.read_bytes())}" for p in sorted(work.rglob("*")) if p.is_file()]
    os.chdir(scratch)
    shutil.rmtree(work)
    return Run(status, _digest(texts[0]), len(texts[0]), texts[1].decode("utf-8", "replace"), files, seconds)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def faults(name: str, found: Done) -> list[str]:
    """What is wrong with the two runs of a command line; nothing, if all is well.

    They must end by themselves, with status 0 or 1 (3 from what checks); tell each thing in one line; after a failure
    leave nothing on standard output and no file; and be the same.
    """
    runs = found.runs.get(name, [])
    if len(runs) < 2:
        return ["hang" if found.ended in (-signal.SIGPROF, -signal.SIGKILL) else f"ended with {found.ended}"]
    first, again = runs
    allowed = {0, 1, *((3,) if name in SAYS_NO else ()), *((2,) if name in BLAMES_OPTIONS else ())}
    lines = first.stderr.splitlines()
    failures = [line for line in lines if ": warning: " not in line]
    refused = first.status in (1, 2)
    left = first.files if name not in FILLS_A_FOLDER else [path for path in first.files if ".tmp" in path]
    wrong = {
        f"status {first.status}": first.status not in allowed,
        "messages that are not lines of m4m": not all(x.startswith("m4m ") and x.isprintable() for x in lines),
        "internal error": any("internal error" in line for line in lines),
        "a failure with output": refused and first.length > 0,
        "a failure not told in one line": refused and len(failures) != 1,
        "a complaint without a failure": first.status == 0 and bool(failures) and name != "dataset build",
        "files left": bool(left),
        "not the same twice": first.product != again.product,
    }
    return [what for what, is_so in wrong.items() if is_so]


def prepared(scratch: Path) -> None:
    """Import what commands need, and put a player that plays nothing on PATH."""
    import_all()
    player = scratch / "aplay"
    player.write_text("#!/bin/sh\nexit 0\n")
    player.chmod(0o755)
    os.environ |= {"PATH": f"{scratch}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


def on_file(file: Path, names: Sequence[str], scratch: Path, limit_s: float = LIMIT_S) -> Done:
    """`done` for a copy of the file in a folder of its own, which must be as it was afterwards."""
    alone = scratch / "alone"
    alone.mkdir()
    copy = alone / file.name
    shutil.copy(file, copy)
    found = done(names, copy, scratch, limit_s)
    assert [p.name for p in alone.iterdir()] == [file.name]
    assert copy.read_bytes() == file.read_bytes()
    shutil.rmtree(alone)
    return found


def brief(folder: Path) -> None:
    """Print for each file the status of each command line and what was wrong with it, as JSON.

    Each file goes through harmonize, one more of the lengthy command lines and a third of the others; the next file
    through the next ones.
    """
    lengthy, others = [name for name in LENGTHY if name != "harmonize"], [*OTHERS]
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        prepared(scratch)
        for number, file in enumerate(sorted(folder.iterdir())):
            names = ["harmonize", lengthy[number % len(lengthy)], *others[number % 3 :: 3]]
            names = [name for name in names if file.name != EIGHT_MINUTES or not name.startswith("continue")]
            found = on_file(file, names, scratch)
            wrong = [f"{name}: {fault} {found.runs.get(name)}" for name in names for fault in faults(name, found)]
            wrong += [f"{found.memory >> 20} MB"] if found.memory > LIMIT_BYTES else []
            statuses = {name: runs[0].status for name, runs in found.runs.items()}
            print(json.dumps({"file": file.name, "statuses": statuses, "wrong": wrong}), flush=True)


def main(folder: Path, names: Sequence[str]) -> int:
    """Print a line for each command: how many files it took, refused and failed on, its longest and largest run."""
    files = sorted(p for p in folder.iterdir() if p.is_file())
    wrong = 0
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        prepared(scratch)
        print("| command | done | says no | refused | wrong | longest | largest |\n|---|---|---|---|---|---|---|")
        for name in names:
            counts: Counter[str] = Counter()
            longest, largest = 0.0, 0
            for file in files:
                found = on_file(file, [name], scratch, LIMIT_S * (6 if name in LENGTHY else 1))
                for one in found.runs.get(name, [])[:1]:
                    counts[{0: "done", 3: "no"}.get(one.status, "refused")] += 1
                    longest = max(longest, one.seconds)
                largest = max(largest, found.memory)
                for fault in faults(name, found):
                    counts["wrong"] += 1
                    print(f"{file.name}: m4m {name}: {fault}: {found.runs.get(name)}", file=sys.stderr, flush=True)
            row = (counts[key] for key in ("done", "no", "refused", "wrong"))
            print(f"| {name} | {' | '.join(map(str, row))} | {longest:.1f} s | {largest >> 20} MB |", flush=True)
            wrong += counts["wrong"]
    return 1 if wrong else 0


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.argv[1] == "--brief":
        brief(Path(sys.argv[2]))
    else:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or [*COMMANDS]))
