"""`m4m tokenize` over a corpus of tiny files: neither files to a second nor memory are to depend on its size.

    python tests/benchmarks/corpus.py                              # 1,000, 10,000 and 100,000 files
    python tests/benchmarks/corpus.py --sizes 1000 --scheme abc --workers 2

The files, of four bars each and all different, are made in a scratch folder and removed. CPU time of all
processes, their start counted in, because others may use the machine, and wall time; memory of the largest process.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from process import measured

from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

FOLDER = 1000
"""Files to a folder."""


def tiny(number: int) -> bytes:
    """Four bars of a melody that no other number has."""
    rows = [(240 * i, 240, 48 + (number >> 3 * (i % 6) & 7) + i % 12, 80) for i in range(32)]
    return score_to_midi(
        Score(480, (Track("Tiny", number % 128, notes=notes_array(rows)),), (), (TimeSignature(0, 4, 4),))
    )


def make(folder: Path, first: int, stop: int) -> None:
    """Write the files with these numbers."""
    for number in range(first, stop):
        place = folder / f"{number // FOLDER:03}"
        if number % FOLDER == 0:
            place.mkdir()
        (place / f"{number:06}.mid").write_bytes(tiny(number))


def tokenized(folder: Path, scheme: str, workers: int | None) -> tuple[float, float, float, int]:
    """CPU seconds, seconds, MiB of the largest process, bytes written."""
    command = [sys.executable, "-m", "m4mcli", "tokenize", "--scheme", scheme, "--jsonl", "--quiet", str(folder)]
    command += ["--workers", str(workers)] if workers else []
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "tokens.jsonl"
        cpu, wall, memory = measured([*command, "--output", str(out)])
        return cpu, wall, memory, out.stat().st_size


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--scheme", default="remi")
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = 0
        for size in sorted(given.sizes):
            make(Path(folder), done, size)
            done = size
            cpu, wall, memory, written = tokenized(Path(folder), given.scheme, given.workers)
            told = f"{size:7} files  {cpu:6.1f} s CPU  {size / cpu:5.0f} files/s  {wall:6.1f} s  {memory:4.0f} MiB"
            print(f"{told}  {written >> 10} KiB", flush=True)


if __name__ == "__main__":
    main()
