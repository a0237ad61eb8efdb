"""m4m's token encoders and decoders against MidiTok's, in one process, on the same files.

    python tests/benchmarks/tokens.py FOLDER                   # REMI and TSD, 200 files
    python tests/benchmarks/tokens.py FOLDER --files 50 --schemes remi tsd midilike structured

Each file is read, encoded and decoded by both in turn, with MidiTok's defaults; reading counts as encoding. CPU time,
not wall time: others may use the machine. The best of the rounds counts.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import miditok
from symusic import Score as Source

from m4mcli.score.quick import read_quickly
from m4mcli.score.read import read_score
from m4mcli.tokens.scheme import Scheme
from m4mcli.tokens.schemes import MIDITOK, open_scheme
from m4mcli.tokens.settings import Settings

ROUNDS = 3


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what the work gave."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def one_round(scheme: Scheme, theirs: Any, files: list[bytes]) -> tuple[list[float], int]:
    """Seconds of both for encoding and decoding, and how many files have the same ids."""
    ours_encoded, tokens = timed(
        lambda: [scheme.encode(read_quickly(data) or read_score(data, "").score)[0] for data in files]
    )
    ours_decoded, _ = timed(lambda: [scheme.decode(one) for one in tokens])
    encoded, found = timed(lambda: [theirs.encode(Source.from_midi(data)) for data in files])
    ids = [[seq.ids for seq in one] for one in found]
    decoded, _ = timed(lambda: [theirs.decode(one) for one in found])
    equal = sum([s.tolist() for s in mine.sequences] == one for mine, one in zip(tokens, ids, strict=True))
    return [ours_encoded, encoded, ours_decoded, decoded], equal


def rates(name: str, files: list[bytes], rounds: int) -> tuple[list[float], int]:
    """Files a second that m4m encodes, MidiTok encodes, m4m decodes, MidiTok decodes; files that have the same ids."""
    theirs = getattr(miditok, next(k for k, v in MIDITOK.items() if v == name))()
    found = [one_round(open_scheme(name, Settings()), theirs, files) for _ in range(rounds)]
    return [len(files) / min(times[i] for times, _ in found) for i in range(4)], found[0][1]


def measured(name: str, files: list[bytes], rounds: int) -> None:
    """Print a line for one scheme."""
    (ours, other, ours_back, other_back), equal = rates(name, files, rounds)
    print(f"{name:10}  encode {ours:6.0f} files/s, MidiTok {other:5.1f}: {ours / other:5.1f} x", end="   ")
    print(f"decode {ours_back:6.0f}, {other_back:5.0f}: {ours_back / other_back:4.1f} x", end="   ")
    print(f"equal {equal} of {len(files)}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--schemes", nargs="+", default=["remi", "tsd"], choices=MIDITOK.values())
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    files = [path.read_bytes() for path in sorted(given.folder.rglob("*.mid"))[: given.files]]
    for name in given.schemes:
        measured(name, files, given.rounds)


if __name__ == "__main__":
    main()
