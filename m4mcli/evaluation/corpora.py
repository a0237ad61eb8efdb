"""Sets of files measured and compared: the figures of each piece, in several processes, and what they come to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.evaluation import descriptive, structure
from m4mcli.evaluation.copying import Index, Melody, melody
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.overlap import VECTORS, Likeness, likeness, vectors
from m4mcli.evaluation.stepped import Stepped, stepped
from m4mcli.evaluation.table import Estimate, estimate
from m4mcli.score.read import read_score, read_source

FIGURES = (*descriptive.FIGURES, *structure.FIGURES)
COPIES = ("longest_run", "copied")
PAIRED = ("note_precision", "note_recall", "note_F1", "note_F1_ends")
SECONDS = 0.05
"""Onsets no farther apart are the same in the figures of notes."""


@dataclass(frozen=True)
class Piece:
    """What is measured of one file; `failure` says why nothing is."""

    file: str
    figures: Figures = field(default_factory=dict)
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    melody: Melody | None = None
    edges: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    failure: str = ""

    def bar(self, step: int) -> int:
        """The bar, from 1, in which a step lies."""
        return max(1, int(np.searchsorted(self.edges, step, side="right")))


@dataclass(frozen=True)
class Corpus:
    """The pieces of one folder, or one file, by its name."""

    name: str
    pieces: tuple[Piece, ...]

    def means(self) -> dict[str, Estimate | None]:
        """Mean and standard error of each figure over the pieces that have it."""
        names = dict.fromkeys(name for piece in self.pieces for name in piece.figures)
        return {
            name: estimate([v for piece in self.pieces if (v := piece.figures.get(name)) is not None]) for name in names
        }

    def values(self, name: str) -> list[NDArray[np.float64]]:
        """A figure of all pieces that have it, as vectors."""
        if name in VECTORS and any(piece.vectors for piece in self.pieces):
            return [piece.vectors[name].astype(np.float64) for piece in self.pieces if name in piece.vectors]
        return [np.array([v]) for piece in self.pieces if (v := piece.figures.get(name)) is not None]


def measure(file: str, compared: bool = False) -> Piece:
    """The figures of a file, or why there are none; what is only needed to compare it, if it is.

    Raises nothing of the file's making.
    """
    try:
        score = read_score(*read_source(None if file == "-" else file)).score
    except M4mError as error:
        return Piece(file, failure=str(error))
    if not score.note_count:
        return Piece(file, failure=f"{file}: no notes in it")
    found = measured(file, stepped(score))
    return found if compared else Piece(file, found.figures)


def measured(file: str, piece: Stepped) -> Piece:
    """The figures of a piece in steps."""
    found = vectors(piece)
    figures = descriptive.descriptive(piece) | structure.structure(piece)
    figures |= {name: float(value[0]) for name, value in found.items() if len(value) == 1}
    short = {name: value.astype(np.float32) for name, value in found.items()}
    return Piece(file, figures, short, melody(piece), piece.edges.astype(np.int32))


def likenesses(ours: Corpus, theirs: Corpus) -> dict[str, Likeness]:
    """How alike two sets are, by each figure that both have."""
    found = {name: likeness(ours.values(name), theirs.values(name)) for name in (*FIGURES, *VECTORS)}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class Copy:
    """A run of notes that one piece (bar from 1) shares with another, which has it `semitones` lower."""

    notes: int
    file: str
    bar: int
    source: str
    source_bar: int
    semitones: int


def copies(ours: Corpus, theirs: Corpus) -> tuple[Corpus, list[Copy]]:
    """The first set with COPIES among its figures, and the longest run of each piece, longest first.

    A piece is not compared with itself, where both sets hold the same file.
    """
    known = {str(Path(piece.file).resolve()) for piece in ours.pieces}
    others = [p for p in theirs.pieces if str(Path(p.file).resolve()) not in known]
    index = Index([p.melody for p in others if p.melody is not None])
    mine = [piece.melody for piece in ours.pieces if piece.melody is not None]
    pieces, found = [], []
    for piece, run, share in zip(ours.pieces, index.longest(mine), index.copied(mine), strict=True):
        more: Figures = {"longest_run": float(run.notes) if run else 0.0, "copied": share}
        pieces.append(Piece(piece.file, piece.figures | more, piece.vectors, piece.melody, piece.edges))
        if run and piece.melody is not None:
            source = others[run.piece]
            assert source.melody is not None
            bars = piece.bar(int(piece.melody.onset[run.start])), source.bar(int(source.melody.onset[run.place]))
            found.append(Copy(run.notes, piece.file, bars[0], source.file, bars[1], run.semitones))
    return Corpus(ours.name, tuple(pieces)), sorted(found, key=lambda copy: (-copy.notes, copy.file))


def pairs(ours: Corpus, theirs: Corpus) -> Iterator[tuple[str, str]]:
    """Files of both sets that have one name without suffix, where it is the only such name in its set."""
    names: list[dict[str, str]] = []
    for one in (ours, theirs):
        stems = [Path(piece.file).stem for piece in one.pieces]
        names.append({stem: p.file for stem, p in zip(stems, one.pieces, strict=True) if stems.count(stem) == 1})
    for stem, file in names[0].items():
        if stem in names[1]:
            yield file, names[1][stem]


def note_agreement(files: tuple[str, str]) -> Figures:
    """PAIRED of a file against the one that it is to be like, by mir_eval.transcription: onsets within 50 ms, pitches.

    note_F1_ends also wants the ends, within 50 ms or a fifth of the note.
    """
    import mir_eval

    (est, est_pitch), (ref, ref_pitch) = (_intervals(file) for file in files)
    if not len(ref) or not len(est):
        return dict.fromkeys(PAIRED, 0.0)
    match = mir_eval.transcription.precision_recall_f1_overlap
    precision, recall, both, _ = match(ref, ref_pitch, est, est_pitch, onset_tolerance=SECONDS, offset_ratio=None)
    _, _, ends, _ = match(ref, ref_pitch, est, est_pitch, onset_tolerance=SECONDS)
    return {"note_precision": precision, "note_recall": recall, "note_F1": both, "note_F1_ends": ends}


def _intervals(file: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The notes of a file that are no drums: from and to in seconds (n, 2), frequencies (n,)."""
    from m4mcli.score.clock import seconds_at

    score = read_score(*read_source(file)).score
    notes = [track.notes for track in score.tracks if not track.is_drum and len(track.notes)]
    if not notes:
        return np.zeros((0, 2)), np.zeros(0)
    rows = np.concatenate(notes)
    times = np.stack([seconds_at(score, rows["onset"]), seconds_at(score, rows["onset"] + rows["duration"])], axis=1)
    times[:, 1] = np.maximum(times[:, 1], times[:, 0] + 1e-3)
    return times, 440.0 * 2.0 ** ((rows["pitch"].astype(np.float64) - 69) / 12)
