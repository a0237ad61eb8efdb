"""How fast `m4m dataset build` is: a part of a corpus packed, beside symusic's reading and the encoding alone.

    python tests/benchmarks/dataset.py FOLDER [--files 500] [--rounds 3]

All are measured by turns in one process, in seconds of its processor, and the best round of each counts. `rows` is the
encoding as frame notes and bars alone; `all` encodes all that a pack holds of a piece: hashes, grid, key, metre, and
the sketch by which near-duplicates are found. The build also checks each file, mends what is odd, writes the pack and
settles its splits. The bar: half the speed of reading and encoding, a ratio of 2.
"""

import argparse
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import symusic

from m4mcli.dataset.build import Plan, build_items
from m4mcli.dataset.copies import sketch
from m4mcli.dataset.facts import facts_of
from m4mcli.dataset.pack import pack_piece
from m4mcli.dataset.sources import Item, find_items
from m4mcli.errors import M4mError
from m4mcli.score.metre import bars
from m4mcli.score.quick import read_notes
from m4mcli.score.read import read_score
from m4mcli.score.score import Score


def scores_of(items: list[Item]) -> list[Score | None]:
    """The score of each file, for the encoding; None where it cannot be read."""
    found: list[Score | None] = []
    for item in items:
        data = item.path.read_bytes()
        try:
            found.append(read_notes(data) or read_score(data, item.name).score)
        except M4mError:
            found.append(None)
    return found


def bare(items: list[Item], scores: list[Score | None], *, everything: bool) -> float:
    """Seconds that symusic's reading of each file and the encoding of its score take, file by file as in a build."""
    start = time.process_time()
    for item, score in zip(items, scores, strict=True):
        with suppress(RuntimeError):
            symusic.Score.from_midi(item.path.read_bytes())
        if score is None:
            continue
        # A new one: the old one knows its end by now.
        score = replace(score)
        measures = bars(score)
        piece = pack_piece(score, measures, [""] * len(score.tracks), name="", source="", split="")
        if everything:
            facts_of(score, measures, piece.notes)
            sketch(piece.notes)
    return time.process_time() - start


def whole(items: list[Item]) -> float:
    """Seconds that a build of the files takes."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        build_items(items, Path(folder) / "pack", Plan(workers=1))
        return time.process_time() - start


def measured(items: list[Item], rounds: int) -> tuple[list[Score], float, float, float]:
    """The scores that can be read; seconds of the encoding as rows, of all of it, and of the build, each the least."""
    scores = scores_of(items)
    found = [
        (bare(items, scores, everything=False), bare(items, scores, everything=True), whole(items))
        for _ in range(rounds)
    ]
    rows, everything, built = (min(column) for column in zip(*found, strict=True))
    return [score for score in scores if score is not None], rows, everything, built


def some(folder: Path, count: int) -> list[Item]:
    """So many pieces of a folder, from all over it."""
    every = find_items(folder)
    return every[:: max(1, len(every) // count)][:count]


def main() -> None:
    """Measure both and print files a second and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    items = some(chosen.folder, chosen.files)
    read, rows, everything, built = measured(items, chosen.rounds)
    print(f"{len(items)} files, {len(read)} readable, {sum(s.note_count for s in read)} notes")
    print(f"dataset build                {len(items) / built:6.0f} files/s")
    print(f"symusic and encoding, all    {len(items) / everything:6.0f} files/s   ratio {built / everything:.2f}")
    print(f"symusic and encoding, rows   {len(items) / rows:6.0f} files/s   ratio {built / rows:.2f}")


if __name__ == "__main__":
    main()
