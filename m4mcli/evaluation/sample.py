"""Measure a model over tokens: how likely music is under it, and what its own music is like beside the real.

Each song of a split counts with its beginning, as many rows as the model reads at most. Beside the model stand the
frequencies of the ids in the same source's training pieces. What is written from nothing is described by some of the
figures of `descriptive` and by `notes_per_quarter`. `notes_per_second` is the speed of sampling piece by piece.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.corpus import Corpus
from m4mcli.dataset.parts import part_of
from m4mcli.errors import USAGE, M4mError
from m4mcli.evaluation.descriptive import descriptive
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.stepped import stepped
from m4mcli.evaluation.table import Row, Table, row_of
from m4mcli.generation.sampling import Sampling, own_sampling
from m4mcli.generation.token_likelihood import nats_of
from m4mcli.generation.token_sampling import Rows
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device
from m4mcli.models.token_model import TokenModel
from m4mcli.models.token_session import OnnxTokenModel
from m4mcli.score.score import Score
from m4mcli.tasks.token_piece import TASK, Wish, write_pieces
from m4mcli.tokens.coder import Coder
from m4mcli.tokens.merged import opened_coder

DESCRIBED = ("pitch_class_entropy", "scale_consistency", "groove_consistency")
FIGURES = ("nats_per_note", *DESCRIBED, "notes_per_quarter", "notes_per_second")
LENGTH = 256
"""Rows of a piece that is written, at most."""

COUNTED = 200
"""Training pieces whose ids are counted at most."""


@dataclass(frozen=True)
class Writer:
    """A model over tokens with what it reads: its part of a piece, in its tokens."""

    model: TokenModel
    coder: Coder
    part: str
    sampling: Sampling
    one_key: bool = False

    def rows(self, score: Score | None) -> Rows | None:
        """The beginning of a piece; None where it has no such part."""
        part = None if score is None else part_of(score, self.part, one_key=self.one_key)
        pieces = [] if part is None else [rows for rows in self.coder.pieces(part) if len(rows) > 2]
        return self.coder.part(pieces[0], self.model.context or LENGTH * 4) if pieces else None


def open_writer(
    name: str | None,
    device: Device = "cpu",
    threads: int = 1,
    temperature: float | None = None,
    top_p: float | None = None,
    best_of: int | None = None,
) -> Writer:
    """A model of that name or folder, the first that there is unless named. Raises M4mError."""
    if best_of is not None:
        raise M4mError("--best-of: nothing is chosen among what a model over tokens writes", "leave it out", USAGE)
    found = find_model(name, TASK)
    coder = opened_coder(found.facts["tokens"], str(found.path))
    model = OnnxTokenModel(found, device, threads)
    sampling = own_sampling(found.facts).asked(temperature, top_p)
    return Writer(model, coder, found.facts["part"], sampling, found.facts.get("one_key", False))


def described(score: Score) -> Figures:
    """What music is like; nothing of silence."""
    if not score.note_count:
        return {}
    found = descriptive(stepped(score))
    return {name: found[name] for name in DESCRIBED} | {
        "notes_per_quarter": score.note_count * score.tpq / max(1, score.end)
    }


def sample_tables(
    folder: Path,
    writer: Writer | None,
    *,
    sources: Sequence[str] = (),
    split: str = "valid",
    songs: int | None = None,
    samples: int = 1,
    seed: int = 0,
    name: str = "model",
) -> Iterator[Table]:
    """For each source (all of the split, unless named) a table of the model, the real pieces and the frequencies.

    Raises M4mError where nothing can be measured.
    """
    if writer is None:
        raise M4mError("sample has no baselines without a model", "leave --baselines out")
    corpus = Corpus(folder, sources)
    known = dict.fromkeys(p.source.partition("/")[0] for p in corpus.places if p.split == split)
    done = 0
    for source in sources or known:
        real = list(islice(_pieces(corpus, writer, split, source), songs))
        if not real:
            continue
        counted = _frequencies(writer, (rows for rows, _ in islice(_pieces(corpus, writer, "train", source), COUNTED)))
        rows: list[Row] = [
            row_of("real", [[described(score)] for _, score in real], FIGURES),
            _of_model(name, writer, [r for r, _ in real], samples, seed),
            row_of(
                "frequencies of the ids", [[_per_note(writer, r, _by_counts(counted, r))] for r, _ in real], FIGURES
            ),
        ]
        about: dict[str, object] = {"source": source, "split": split, "samples": samples}
        yield Table(f"{source}, {split} pieces, {samples} samples each", about, tuple(rows))
        done += 1
    if not done:
        raise M4mError(f"nothing to measure in the split {split!r} of {folder}", "name a folder of music or a pack")


def _pieces(corpus: Corpus, writer: Writer, split: str, source: str) -> Iterator[tuple[Rows, Score]]:
    for number in corpus.select(split, source):
        rows = writer.rows(corpus.score(number))
        if rows is not None:
            yield rows, writer.coder.score(rows)[0]


def _per_note(writer: Writer, rows: Rows, nats: float) -> Figures:
    return {"nats_per_note": nats / max(1, writer.coder.score(rows)[0].note_count)}


def _of_model(name: str, writer: Writer, real: list[Rows], samples: int, seed: int) -> Row:
    answers, empty = [], 0
    for song, rows in enumerate(real):
        found = [_per_note(writer, rows, nats_of(writer.model, rows))]
        for i in range(samples):
            began = time.perf_counter()
            wish = Wish(1, LENGTH, writer.sampling, seed + song * samples + i)
            (piece,) = write_pieces(writer.model, writer.coder, wish)
            speed = piece.score.note_count / (time.perf_counter() - began)
            empty += not piece.score.note_count
            found.append({**described(piece.score), "notes_per_second": speed} if piece.score.note_count else {})
        answers.append(found)
    row = row_of(name, answers, FIGURES, empty)
    return Row(row.system, row.songs, samples * len(real), empty, row.figures)


def _frequencies(writer: Writer, pieces: Iterator[Rows]) -> list[NDArray[np.float64]]:
    """Log probability of each column's ids by their counts, each counted once more than found."""
    counts = [np.ones(n) for n in writer.coder.sizes]
    for rows in pieces:
        for column, count in enumerate(counts):
            np.add.at(count, rows[1:, column], 1)
    return [np.log(count / count.sum()) for count in counts]


def _by_counts(counted: list[NDArray[np.float64]], rows: Rows) -> float:
    return -sum(float(log_p[rows[1:, column]].sum()) for column, log_p in enumerate(counted))
