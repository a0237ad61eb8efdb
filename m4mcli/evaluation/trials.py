"""The frame in which every task is measured: songs of a pack as trials, answers to them, rows of a table.

A trial is a stretch of a song of which something is given and the rest is to be written. A study says how a task makes
trials, what it asks the model and what stands beside it, and by which figures answers are judged. Of several answers to
a song the figures are averaged first; the table then has mean and standard error over songs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import Pack, PackedPiece, within
from m4mcli.errors import M4mError
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.table import Row, Table, row_of
from m4mcli.frames.canonical import pitch_class_histogram
from m4mcli.frames.frames import in_order
from m4mcli.theory.keys import estimate_key

Notes = NDArray[np.void]
"""FRAME_NOTE rows."""

LENGTH = 384
"""Frames of each song that are measured where its beginning is: 24 bars of 4/4."""

SAMPLES = 8

TRAINING = "train"
"""The split on which baselines are counted."""


@dataclass(frozen=True)
class Trial:
    """A stretch of a song: what is `given` whole, and the part that is to be written in the frames [start, stop).

    `truth` is the original part; what of it begins before `start` is the prompt, and is given too. `metre` (frames, 3)
    reaches at least to `stop`.
    """

    name: str
    given: Notes
    truth: Notes
    metre: NDArray[np.int32]
    start: int
    stop: int

    @property
    def prompt(self) -> Notes:
        """The notes of the original part that begin before those that are to be written."""
        return self.truth[self.truth["frame"] < self.start]

    @property
    def real(self) -> Notes:
        """The notes of the original part in place of which others are to be written."""
        return self.made(self.truth)

    @property
    def bar(self) -> int:
        """Frames of the bar in which the first note is to be written."""
        return int(self.metre[self.start, 1])

    @property
    def key(self) -> tuple[int, bool] | None:
        """The key (tonic, minor) of the original, all that is given included."""
        return estimate_key(pitch_class_histogram(np.concatenate((self.given, self.truth))))

    def made(self, answer: Notes) -> Notes:
        """The notes of an answer that begin where notes were to be written."""
        return answer[(answer["frame"] >= self.start) & (answer["frame"] < self.stop)]

    def whole(self, answer: Notes) -> Notes:
        """The prompt and what was made behind it."""
        return in_order(np.concatenate((self.prompt, self.made(answer))))


System = Callable[[Trial, int], Sequence[Notes]]
"""What writes: the answers to a trial, the same for the same seed. What they hold outside the trial does not count."""


@dataclass(frozen=True)
class Study:
    """How a task is measured. `figures` are the columns of its tables, `needs` says which songs can be measured.

    `trial` makes a trial of a piece, None where it has nothing to measure; `measure` judges an answer; `models` are the
    systems that are measured; `baselines` makes what stands beside them from all trials of a source and its
    training pieces, if there are any. `about` and `title` say what was asked for.
    """

    figures: tuple[str, ...]
    needs: str
    trial: Callable[[PackedPiece], Trial | None]
    measure: Callable[[Trial, Notes], Figures]
    models: dict[str, System]
    baselines: Callable[[Sequence[Trial], Iterable[PackedPiece]], dict[str, System]]
    about: dict[str, object]
    title: str


def rows(study: Study, trials: Sequence[Trial], beside: Mapping[str, System], seed: int = 0) -> tuple[Row, ...]:
    """The rows of a table: the original, the models, and what stands beside them. The i-th trial gets seed + i."""
    systems: dict[str, System] = {"real": lambda trial, _: [trial.truth], **study.models, **beside}
    return tuple(_row(name, system, study, trials, seed) for name, system in systems.items())


def _row(name: str, system: System, study: Study, trials: Sequence[Trial], seed: int) -> Row:
    figures, empty = [], 0
    for i, trial in enumerate(trials):
        answers = system(trial, seed + i)
        figures.append([study.measure(trial, answer) for answer in answers])
        empty += sum(not len(trial.made(answer)) for answer in answers)
    return row_of(name, figures, study.figures, empty)


def study_tables(
    pack: Pack,
    study: Study,
    *,
    sources: Sequence[str] = (),
    split: str = "valid",
    songs: int | None = None,
    seed: int = 0,
) -> Iterator[Table]:
    """A table for each source of the split (all, unless named) that has songs to measure.

    `songs` limits each source to so many of those, evenly spread. Raises M4mError where a named source has no songs, or
    none can be measured.
    """
    done = 0
    for source in named_sources(pack, split, sources):
        pieces = list(pack.select(split, [source]))
        found = [trial for piece in pieces if (trial := study.trial(piece)) is not None]
        trials = spread(found, songs)
        if not trials:
            continue
        baselines = study.baselines(found, pack.select(TRAINING, [source]) if split != TRAINING else ())
        warnings = []
        if len(found) < len(pieces):
            warnings.append(f"{source}: {len(pieces) - len(found)} of {len(pieces)} songs lack {study.needs}")
        about: dict[str, object] = {"source": source, "split": split, **study.about}
        title = f"{source}, {split} songs, {study.title}"
        yield Table(title, about, rows(study, trials, baselines, seed), tuple(warnings))
        done += 1
    if not done:
        raise M4mError(f"no {split} songs with {study.needs} in the pack", "see m4m dataset build")


def named_sources(pack: Pack, split: str, sources: Sequence[str]) -> list[str]:
    """The named sources, or all of a split by their first names. Raises M4mError for one that has no songs there."""
    parts = list(dict.fromkeys(str(p["source"]) for p in pack.pieces if p["split"] == split))
    known = list(dict.fromkeys(part.partition("/")[0] for part in parts))
    for source in sources:
        if not any(within(part, source) for part in parts):
            listed = ", ".join(known) or "none"
            raise M4mError(f"no {split} songs of {source!r} in the pack", f"its sources of that split: {listed}")
    return list(sources) or known


def spread(trials: Sequence[Trial], count: int | None) -> list[Trial]:
    """At most so many trials, evenly spread: neighbours in a pack are often alike."""
    if count is None or count >= len(trials):
        return list(trials)
    return [trials[i * len(trials) // count] for i in range(count)]
