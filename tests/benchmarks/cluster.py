"""`m4m map` on a Ray cluster of two worker processes beside the local engine's two, and with one of them killed.

    python tests/benchmarks/cluster.py                 # 40 files of 100 bars through drumify
    python tests/benchmarks/cluster.py 10000 --bars 100

The engines take turns, and the best of the rounds counts. Start-up is in the time of both; with few files it is most
of what Ray loses, so the time of a run over two files is told as well. All runs must write the same bytes, the
manifest included; the last one is Ray's with a worker process killed when half of the files are there.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pieces import song

CHAIN = "drumify --best-of 1 --no-fills"


def started(source: Path, out: Path, engine: str) -> subprocess.Popen[bytes]:
    """A run over a folder, in two processes."""
    shutil.rmtree(out, ignore_errors=True)
    words = ["map", CHAIN, str(source), "--out", str(out), "--engine", engine, "--jobs", "2"]
    return subprocess.Popen([sys.executable, "-m", "m4mcli", *words], env=os.environ | {"OMP_NUM_THREADS": "1"})


def seconds(source: Path, out: Path, engine: str) -> float:
    """Wall time of a run."""
    begin = time.monotonic()
    if started(source, out, engine).wait():
        raise SystemExit(f"{engine}: failed")
    return time.monotonic() - begin


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def workers(parent: int) -> list[int]:
    """The processes below a process in which Ray runs tasks."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    below = {parent}
    for _ in range(4):
        below |= {int(pid) for pid, above, *_ in rows if int(above) in below}
    return [int(pid) for pid, _, *args in rows if int(pid) in below and args and args[0].startswith("ray::_worked")]


def with_one_killed(source: Path, out: Path, count: int) -> int:
    """Run with Ray, and kill a worker process when half of the files are there; how many were killed."""
    run = started(source, out, "ray")
    killed = 0
    while run.poll() is None:
        if not killed and len(list(out.glob("*.mid"))) >= count // 2 and (found := workers(run.pid)):
            os.kill(found[0], signal.SIGKILL)
            killed += 1
        time.sleep(0.1)
    if run.returncode:
        raise SystemExit(f"ray with a worker killed: status {run.returncode}")
    return killed


def main() -> None:
    """Print the figures; the status is 1 where the engines differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=int, nargs="?", default=40)
    parser.add_argument("--bars", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, count in (("songs", given.files), ("two", 2)):
            (folder / name).mkdir()
            for i in range(count):
                (folder / name / f"{i:06}.mid").write_bytes(song(given.bars, seed=i))
        engines = ("local", "ray")
        idle = {engine: seconds(folder / "two", folder / "idle", engine) for engine in engines}
        rounds = [{e: seconds(folder / "songs", folder / e, e) for e in engines} for _ in range(given.rounds)]
        best = {engine: min(one[engine] for one in rounds) for engine in engines}
        for engine in engines:
            print(f"{engine}: {given.files / best[engine]:.2f} files/s, {best[engine]:.0f} s", end="; ")
            print(f"two files {idle[engine]:.1f} s")
        print(f"ray / local {best['local'] / best['ray']:.2f}", end="; ")
        behind = (best["local"] - idle["local"]) / (best["ray"] - idle["ray"])
        print(f"behind the first two files {behind:.2f}")
        killed = with_one_killed(folder / "songs", folder / "killed", given.files)
        expected = contents(folder / "local")
        same = [contents(folder / name) == expected for name in ("ray", "killed")]
        print(f"{len(expected) - 1} results and the manifest: ray {'the same' if same[0] else 'OTHERS'}", end=", ")
        print(f"with {killed} worker killed {'the same' if same[1] else 'OTHERS'}")
        if not (all(same) and killed):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
