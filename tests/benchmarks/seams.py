"""Is it heard where one window of a long part ends and the next begins? `python tests/benchmarks/seams.py --pack PACK`.

Each song is written twice, the second time without its first bars, so that the seams lie on other bar lines. Every bar
line with a seam in one of the two is measured in both: what differs is the seam alone. Where windows meet is a matter
of counting in bars, so it often is where phrases do, and other bar lines of the song would not be its like.

  density_change  |difference| of the onsets in the bars before and behind the line, as a share of the greater one
  likeness        what the two bars' pitch classes (or drums) share, 0 to 1
  key             correlation of the pitch classes of the four bars before and the four behind; not for drums

Rows hold means over bar lines and their standard errors; the last one that of the differences, line by line.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import Pack, PackedPiece
from m4mcli.evaluation.table import Row, Table, as_text, estimate
from m4mcli.frames.canonical import pitch_class_histogram
from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.generation.generate import context, lookahead, seams
from m4mcli.generation.request import Request
from m4mcli.models.registry import find_model
from m4mcli.tasks.accompaniment import accompanist
from m4mcli.tasks.continuation import continuer
from m4mcli.tasks.drums import drummer
from m4mcli.tasks.harmonize import harmonizer
from m4mcli.tasks.melodize import melodizer

LONGEST = 1600
"""Frames of the longest song that is measured."""
COLUMNS = ("density_change", "likeness", "key")

Notes = NDArray[np.void]
Write = Callable[[PackedPiece], Notes]
"""Writes the part of a whole piece."""

Pair = tuple[dict[str, float], dict[str, float]]
"""What changes at a bar line with a seam, and without one."""


@dataclass(frozen=True)
class Written:
    """A part in frames of the whole song, and the bar lines next to its seams."""

    notes: Notes
    at: set[int]


def written(write: Write, piece: PackedPiece, window: int, skipped: int, given: int) -> Written:
    """The part of a piece without its first bars; the first `given` frames of what is left are not written."""
    lines = piece.bars["frame"]
    start = int(lines[skipped])
    rest = piece.notes[piece.notes["frame"] >= start].copy()
    rest["frame"] -= start
    bars = piece.bars[skipped:].copy()
    bars["frame"] -= start
    notes = write(replace(piece, notes=rest, bars=bars, length=piece.length - start)).copy()
    notes["frame"] += start
    frames = np.arange(piece.length - start)
    request = Request(None, None, len(frames), frames >= given, frames < given)
    return Written(notes, {int(lines[np.abs(lines - start - f).argmin()]) for f in seams(request, window)})


def change(notes: Notes, bars: NDArray[np.void], line: int) -> dict[str, float] | None:
    """How much a part changes at a bar line, by COLUMNS; None where a bar next to it is empty."""
    place = int(np.searchsorted(bars["frame"], line))
    edges = [int(bars["frame"][np.clip(place + i, 0, len(bars) - 1)]) for i in (-4, -1, 1, 4)]
    far, before, behind, farther = (
        notes[(notes["frame"] >= a) & (notes["frame"] < b)]
        for a, b in ((edges[0], line), (edges[1], line), (line, edges[2]), (line, edges[3]))
    )
    if not len(before) or not len(behind):
        return None
    is_drums = (notes["instrument"] == DRUMS).all()
    kinds = [np.bincount(n["pitch"] if is_drums else n["pitch"] % 12, minlength=128) for n in (before, behind)]
    found = {
        "density_change": abs(len(before) - len(behind)) / max(len(before), len(behind)),
        "likeness": float(np.minimum(kinds[0] / len(before), kinds[1] / len(behind)).sum()),
    }
    keys = [pitch_class_histogram(n) for n in (far, farther)]
    if min(x.std() for x in keys) > 0:
        found["key"] = float(np.corrcoef(keys[0], keys[1])[0, 1])
    return found


def pairs(two: tuple[Written, Written], bars: NDArray[np.void]) -> Iterator[Pair]:
    """What changes at each bar line that has a seam in one of two parts: in that one, in the other one."""
    for one, other in (two, two[::-1]):
        for line in sorted(one.at - other.at):
            here, there = (change(part.notes, bars, line) for part in (one, other))
            if here is not None and there is not None:
                yield here, there


def table(name: str, found: list[Pair]) -> Table:
    """The means with seams and without."""
    columns = {
        c: np.array([[pair[0][c], pair[1][c]] for pair in found if c in pair[0] and c in pair[1]]) for c in COLUMNS
    }
    rows = []
    for system, weights in (("with a seam", (1, 0)), ("without", (0, 1)), ("difference", (1, -1))):
        figures = {c: estimate((x @ weights).tolist()) for c, x in columns.items() if len(x)}
        rows.append(Row(system, len(found), len(found), 0, figures))
    return Table(f"{name}: {len(found)} bar lines", {"task": name}, tuple(rows))


NOTHING = np.zeros(0, FRAME_NOTE)
GIVEN = 128
"""Frames of the song that are given where it is gone on from."""


def band(piece: PackedPiece, *, drums: bool) -> Notes:
    """The drums of a piece, or all else."""
    return piece.of_tracks(i for i, track in enumerate(piece.tracks) if track.is_drum == drums)


def chords(best_of: int) -> Write:
    """Chords under the melody."""
    answers = harmonizer(None, best_of=best_of)
    return lambda piece: answers(piece.part("melody"), piece.metre(), NOTHING, 0, 1, 0)[0]


def melody(best_of: int) -> Write:
    """A melody over the chords."""
    answers = melodizer(None, best_of=best_of)
    return lambda piece: answers(piece.part("chord"), piece.metre(), NOTHING, 0, 1, 0)[0]


def beat(best_of: int) -> Write:
    """Drums to the other instruments."""
    answers = drummer(None, best_of=best_of)
    return lambda piece: answers(band(piece, drums=False), piece.metre(), NOTHING, 0, 1, 0)[0]


def accompaniment(best_of: int) -> Write:
    """The other instruments to the drums."""
    answers = accompanist(None, best_of=best_of)

    def write(piece: PackedPiece) -> Notes:
        programs = tuple(np.unique(band(piece, drums=False)["instrument"]).tolist())
        return answers(band(piece, drums=True), programs, piece.metre(), NOTHING, 0, 1, 0)[0]

    return write


def continuation(best_of: int) -> Write:
    """All tracks, from GIVEN on."""
    answers = continuer(None, best_of=best_of)

    def write(piece: PackedPiece) -> Notes:
        notes = piece.of_tracks(range(len(piece.tracks)))
        notes = notes[notes["frame"] < GIVEN]
        return answers(notes, piece.metre(), GIVEN, piece.length - GIVEN, 1, 0)[0]

    return write


TASKS: dict[str, tuple[str, Callable[[int], Write], int]] = {
    "harmonize": ("pop909", chords, 0),
    "melodize": ("pop909", melody, 0),
    "drumify": ("multitrack", beat, 0),
    "accompany": ("multitrack", accompaniment, 0),
    "continue": ("multitrack", continuation, GIVEN),
}
"""Of each task the source on which it is measured, what makes its writer, and the frames that are given to it."""


def long_pieces(pack: Pack, source: str, songs: int) -> Iterator[PackedPiece]:
    """The first validation pieces of a source that are longer than two windows."""
    return islice((p for p in pack.select("valid", [source]) if 800 < p.length < LONGEST), songs)


def main() -> None:
    """Measure the tasks asked for on the packs' songs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True, action="append")
    parser.add_argument("--task", choices=TASKS, action="append")
    parser.add_argument("--songs", type=int, default=8)
    parser.add_argument("--best-of", type=int, default=2)
    asked = parser.parse_args()
    for task in asked.task or TASKS:
        source, make, given = TASKS[task]
        window = int(find_model(None, task).facts["window"])
        write = make(asked.best_of)
        found: list[Pair] = []
        for piece in (p for folder in asked.pack for p in long_pieces(Pack(folder), source, asked.songs)):
            # Half the way from one seam to the next.
            skipped = int(piece.bars["frame"].searchsorted((window - context(window) - lookahead(window)) // 2))
            one, other = (written(write, piece, window, bars, given) for bars in (0, skipped))
            found += pairs((one, other), piece.bars)
        if found:
            print(as_text(table(task, found)))


if __name__ == "__main__":
    main()
