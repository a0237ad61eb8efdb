"""Is it heard where one window of a long part ends and the next begins? `python tests/benchmarks/seams.py --pack PACK`.

For every bar line of drums written to whole songs, and of chords under whole melodies: how much the number of onsets in
the bar before differs from that in the bar behind it, and how alike the two bars' pitch classes (or drums) are, 0 to 1.
The lines nearest to a seam are set beside all others: mean and standard error.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import Pack, PackedPiece
from m4mcli.evaluation.table import Row, Table, as_text, estimate
from m4mcli.frames.frames import DRUMS
from m4mcli.generation.generate import seams
from m4mcli.tasks.drums import drum_request, drummer
from m4mcli.tasks.harmonize import harmonizer

LONGEST = 3000


def bar_differences(notes: NDArray[np.void], lines: list[int]) -> Iterator[tuple[int, float, float]]:
    """For each bar line between two bars with notes: its frame, |difference of onsets|, likeness of the histograms."""
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        first, second = (
            notes[(notes["frame"] >= a) & (notes["frame"] < b)] for a, b in ((before, line), (line, after))
        )
        if len(first) and len(second):
            kinds = [
                np.bincount(n["pitch"] if n["instrument"][0] == DRUMS else n["pitch"] % 12, minlength=128)
                for n in (first, second)
            ]
            shared = np.minimum(kinds[0] / len(first), kinds[1] / len(second)).sum()
            yield line, abs(len(first) - len(second)) / max(len(first), len(second)), float(shared)


def measured(name: str, parts: list[tuple[NDArray[np.void], list[int], set[int]]]) -> Table:
    """The table of one task: (part, bar lines, bar lines next to seams) of each song."""
    found: dict[str, list[tuple[float, float]]] = {"at a seam": [], "inside a window": []}
    for notes, lines, at in parts:
        for line, density, likeness in bar_differences(notes, lines):
            found["at a seam" if line in at else "inside a window"].append((density, likeness))
    rows = []
    for system, values in found.items():
        columns = {c: estimate([v[i] for v in values]) for i, c in enumerate(("density_change", "likeness"))}
        rows.append(Row(system, len(values), len(values), 0, columns))
    return Table(f"{name}: bar lines", {"task": name}, tuple(rows))


def long_pieces(pack: Pack, source: str, songs: int) -> Iterator[PackedPiece]:
    """The first validation pieces of a source that are longer than two windows."""
    return islice((p for p in pack.select("valid", [source]) if 800 < p.length < LONGEST), songs)


def nearest(lines: list[int], frames: list[int]) -> set[int]:
    """Of the bar lines, those nearest to the frames."""
    return {min(lines, key=lambda line: abs(line - frame)) for frame in frames}


def main() -> None:
    """Measure drums on multitrack and chords on pop909."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True, action="append")
    parser.add_argument("--songs", type=int, default=8)
    given = parser.parse_args()
    drums, harmony = drummer(None, best_of=2), harmonizer(None, best_of=2)
    drum_parts, chord_parts = [], []
    for pack in map(Pack, given.pack):
        for piece in long_pieces(pack, "multitrack", given.songs):
            metre, lines = piece.metre(), piece.bars["frame"].tolist()
            others = piece.of_tracks(i for i, t in enumerate(piece.tracks) if not t.is_drum)
            request, _ = drum_request(others, metre, others[:0], 0, len(metre))
            (part,) = drums(others, metre, others[:0], 0, 1, 0)
            drum_parts.append((part, lines, nearest(lines, list(seams(request, 384)))))
        for piece in long_pieces(pack, "pop909", given.songs):
            metre, lines, melody = piece.metre(), piece.bars["frame"].tolist(), piece.part("melody")
            request, _ = drum_request(melody, metre, melody[:0], 0, len(metre))
            (part,) = harmony(melody, metre, melody[:0], 0, 1, 0)
            chord_parts.append((part, lines, nearest(lines, list(seams(request, 384)))))
    for name, parts in (("drumify", drum_parts), ("harmonize", chord_parts)):
        if parts:
            print(as_text(measured(name, parts)))


if __name__ == "__main__":
    main()
