"""How fast m4m is, each figure beside a peer in the same run.

    python tests/benchmarks --quick                  # a minute: small sizes
    python tests/benchmarks                          # everything; the half-hour pieces take a while
    python tests/benchmarks tasks process --batches 1 16 --lengths short song
    python tests/benchmarks --json > figures.json

The parts: `start` (what starting costs, broken down), `tasks` (frames and notes a second of each task by batch, time to
the first note), `process` (whole commands: time and memory on 48 seconds, 5 minutes and 30 minutes of music), `runtime`
(the network's steps beside torch in eager mode with a cache, and beside the shape of the reference system), `reading`
(beside mido, pretty_midi, symusic; tokenizing beside MidiTok), `tokens` and `dataset` (many files, those of --folder,
tokenized beside MidiTok, and packed beside symusic's reading and the encoding alone: the bar is 0.5), `corpus`
(tokenizing 1,000, 10,000 and 100,000 files: time, memory, cores). A peer that is not installed is told. CPU time, where
it is not said to be wall time: others may use the machine.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from figures import Figure, as_json
from parts import PARTS, QUICK, Sizes
from pieces import LENGTHS


def main() -> None:
    """Print the figures as they come, or all together as JSON."""
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--batches", type=int, nargs="+")
    parser.add_argument("--lengths", nargs="+", choices=LENGTHS)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--folder", type=Path, help="music for tokens and dataset")
    parser.add_argument("--files", type=int, help="how many files of it")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    sizes = QUICK if given.quick else Sizes()
    sizes = replace(
        sizes,
        batches=tuple(given.batches or sizes.batches),
        lengths=tuple(given.lengths or sizes.lengths),
        rounds=given.rounds or sizes.rounds,
        files=given.files or sizes.files,
        folder=given.folder,
    )
    figures = list[Figure]()
    for name in given.parts or PARTS:
        try:
            for figure in PARTS[name](sizes):
                figures.append(figure)
                if not given.json:
                    print(figure.line(), flush=True)
        except ModuleNotFoundError as error:
            print(f"{name}: {error.name} is not installed, so this part is left out", file=sys.stderr)
    if given.json:
        print(as_json(figures), end="")


if __name__ == "__main__":
    main()
