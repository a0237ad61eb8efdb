"""Measure how likely music is under a model that is given nothing but what came before it.

Each piece counts with its first window, in canonical key, every decision given all the earlier ones. Beside the model
stand the frequencies of each field's values in the same source's training pieces, as a model that knows no context.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import Pack, PackedPiece
from m4mcli.errors import M4mError
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.table import Row, Table, row_of
from m4mcli.frames.canonical import canonical_shift, shifted
from m4mcli.frames.decisions import target_rows
from m4mcli.frames.fields import END, SIZES
from m4mcli.frames.frames import DRUMS
from m4mcli.generation.likelihood import teacher_forced
from m4mcli.generation.request import Request
from m4mcli.models.network import Network

FIGURES = ("nats_per_note", "nats_per_frame", "instrument", "tone", "octave", "duration")
FEWEST_NOTES = 32
COUNTED = 400
"""Training pieces whose values are counted at most."""


@dataclass(frozen=True)
class Excerpt:
    """The first frames of a piece: FRAME_NOTE rows in canonical key, and the metre (frames, 3)."""

    notes: NDArray[np.void]
    metre: NDArray[np.int32]

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return len(self.metre)


def excerpt(piece: PackedPiece, length: int) -> Excerpt:
    """A piece's first `length` frames, or all of a shorter one."""
    notes = piece.of_tracks(range(len(piece.tracks)))
    metre = piece.metre()[:length]
    moved = shifted(notes, canonical_shift(notes)) if len(notes) else notes
    return Excerpt(moved[moved["frame"] < len(metre)], metre)


def figures(nats: Sequence[float], notes: int, frames: int) -> Figures:
    """Nats of the four fields as figures: all of them per note and per frame, each field per note."""
    fields = dict(zip(FIGURES[2:], (n / notes for n in nats), strict=True))
    return {"nats_per_note": sum(nats) / notes, "nats_per_frame": sum(nats) / frames, **fields}


def frequencies(pieces: Iterable[PackedPiece], length: int) -> tuple[NDArray[np.float64], ...]:
    """Log probability of each field's values by their counts in some pieces, each counted once more than found."""
    counts = tuple(np.ones(size) for size in SIZES)
    for piece in pieces:
        for field, taken in enumerate(_taken(excerpt(piece, length))):
            np.add.at(counts[field], taken, 1)
    return tuple(np.log(c / c.sum()) for c in counts)


def _taken(music: Excerpt) -> tuple[NDArray[np.int64], ...]:
    _, fields = target_rows(music.notes, music.frames)
    note, pitched = fields[:, 0] != END, fields[:, 0] < DRUMS
    return fields[:, 0], fields[note, 1], fields[pitched, 2], fields[note, 3]


def foundation_tables(
    pack: Pack,
    networks: Mapping[str, Network],
    *,
    sources: Sequence[str] = (),
    split: str = "valid",
    songs: int | None = None,
) -> Iterator[Table]:
    """For each source (all of the split, unless named) a table of the networks by name and the frequencies.

    Raises M4mError where nothing can be measured.
    """
    length = min((network.shape.window for network in networks.values()), default=256)
    known = dict.fromkeys(str(p["source"]).partition("/")[0] for p in pack.pieces if p["split"] == split)
    done = 0
    for source in sources or known:
        found = (excerpt(p, length) for p in pack.select(split, [source]))
        measured = list(islice((e for e in found if len(e.notes) >= FEWEST_NOTES), songs))
        if not measured:
            continue
        counted = frequencies(islice(pack.select("train", [source]), COUNTED), length)
        rows: list[Row] = [
            row_of(name, [[surprise(network, music)] for music in measured], FIGURES)
            for name, network in networks.items()
        ]
        plain = [[_by_counts(counted, music)] for music in measured]
        rows.append(row_of("frequencies of the values", plain, FIGURES))
        about: dict[str, object] = {"source": source, "split": split, "length": length}
        yield Table(f"{source}, {split} pieces, first {length} frames", about, tuple(rows))
        done += 1
    if not done:
        raise M4mError(f"nothing to measure in the split {split!r} of the pack", "see m4m dataset build")


def surprise(network: Network, music: Excerpt) -> Figures:
    """What an excerpt costs under a network."""
    everywhere = np.ones(music.frames, bool)
    request = Request(None, music.metre, music.frames, everywhere, ~everywhere)
    nats = teacher_forced(network, request, music.notes).nats()
    return figures(nats, len(music.notes), music.frames)


def _by_counts(counted: tuple[NDArray[np.float64], ...], music: Excerpt) -> Figures:
    nats = [-float(log_p[taken].sum()) for log_p, taken in zip(counted, _taken(music), strict=True)]
    return figures(nats, len(music.notes), music.frames)
