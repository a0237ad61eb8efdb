"""Every model that is found, side by side: its size, what it has heard, how likely music is under it, what it writes.

A model over tokens reads its part of a piece in its own tokens, the foundation all of it in frames; so a note tells
more in one model than in another, and only rows with the same reading can be compared by `nats_per_note`. Models that
write to something given are not asked how likely music is. Speeds are those of one sample after another.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from m4mcli.dataset.corpus import Corpus
from m4mcli.dataset.pack import PackedPiece, pack_piece
from m4mcli.dataset.parts import PARTS
from m4mcli.dataset.roles import roles
from m4mcli.errors import M4mError
from m4mcli.evaluation.foundation import FEWEST_NOTES, Excerpt, excerpt, surprise
from m4mcli.evaluation.interpolate import Space, open_space
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.sample import DESCRIBED, LENGTH, Writer, described, open_writer
from m4mcli.evaluation.table import Row, Table, row_of
from m4mcli.frames.scored import score_of
from m4mcli.generation.generate import Request, generate
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.generation.token_likelihood import nats_of
from m4mcli.models.network import Network
from m4mcli.models.registry import ModelFolder, available, read_model
from m4mcli.models.session import Device, open_network
from m4mcli.score.metre import bars
from m4mcli.score.score import Score
from m4mcli.tasks.melody_space import TASK as SPACE
from m4mcli.tasks.melody_space import How, melodies, prior_points
from m4mcli.tasks.melody_space import score_of as score_of_events
from m4mcli.tasks.task import TASKS
from m4mcli.tasks.token_piece import Wish, write_pieces

SIZES = ("parameters", "megabytes", "heard", "petaflops")
FIGURES = (*SIZES, "nats_per_note", *DESCRIBED, "notes_per_quarter", "notes_per_second")
UNCONDITIONAL = "continue"
WRITTEN_FRAMES = 128
"""Of a piece that the foundation writes from nothing."""

MILLION = 1e6
PETA = 1e15
PASSES = 6
"""Operations a parameter and place: a product and a sum to tell, twice as many to learn."""

HEARD = ("trained_frames", "trained_rows", "trained_windows")
"""What a model has heard, by the unit that it is counted in."""


@dataclass(frozen=True)
class Asked:
    """What is measured: pieces of a split, at most so many, and how many are written for each.

    `adapter` is the file of a style, with which the foundation has a row of its own.
    """

    split: str = "valid"
    songs: int | None = None
    samples: int = 1
    seed: int = 0
    device: Device = "cpu"
    threads: int = 1
    adapter: str | None = None

    def clock(self) -> float:
        """Seconds: those of one core alone where one computes, so that other work on the machine does not count."""
        return time.process_time() if self.device == "cpu" and self.threads == 1 else time.perf_counter()


def size_of(model: ModelFolder) -> Figures:
    """What a model is: its size and what it took to train it.

    Millions of parameters, megabytes of graphs and weights, millions of units of music (frames, rows or events) that it
    was trained on, and the operations of that, in 10^15: six for each parameter and unit, as transformers are reckoned
    (J. Kaplan et al., arXiv 2001.08361).
    """
    files = [p for p in model.path.iterdir() if p.name.endswith((".onnx", ".data", ".npz"))]
    facts = model.facts
    heard = next((facts[name] for name in HEARD if name in facts), None)
    parameters = facts.get("parameters")
    return {
        "parameters": None if parameters is None else parameters / MILLION,
        "megabytes": sum(p.stat().st_size for p in files) / MILLION,
        "heard": None if heard is None else heard / MILLION,
        "petaflops": None if heard is None or parameters is None else PASSES * parameters * heard / PETA,
    }


def reading(model: ModelFolder) -> str:
    """What a model reads: its task, of several the first, and the scheme and part of a model over tokens."""
    if "tokens" in model.facts:
        return f"{model.facts['tokens']['scheme']}, {model.facts['part']}"
    return next(iter(model.tasks), "?")


def hub_tables(
    folder: Path | None, name: str | None, *, sources: Sequence[str] = (), asked: Asked | None = None
) -> Iterator[Table]:
    """For each source of a pack or folder (all of the split, unless named) a table of the models and the real pieces.

    Without a folder one table, in which nothing is said of likelihood. `name` is that of one model, else all are taken.
    Raises M4mError where there is none, or nothing to measure on.
    """
    asked = asked or Asked()
    models = [read_model(path) for path in _paths(name)]
    if folder is None:
        about: dict[str, object] = {"samples": asked.samples}
        yield Table("models", about, tuple(_rows(models, [], asked)))
        return
    corpus = Corpus(folder, sources)
    known = dict.fromkeys(p.source.partition("/")[0] for p in corpus.places if p.split == asked.split)
    done = 0
    for source in sources or known:
        numbers = list(islice(_numbers(corpus, asked.split, source), asked.songs))
        if not numbers:
            continue
        pieces = [(corpus, number) for number in numbers]
        rows = [_real(pieces, part) for part in ("whole", "melody")]
        rows += _rows(models, pieces, asked)
        about = {"source": source, "split": asked.split, "samples": asked.samples}
        yield Table(f"{source}, {asked.split} pieces, {asked.samples} samples each", about, tuple(rows))
        done += 1
    if not done:
        raise M4mError(f"nothing to measure in the split {asked.split!r} of {folder}", "name a pack, or a folder")


Pieces = list[tuple[Corpus, int]]


def _paths(name: str | None) -> list[Path]:
    models = available()
    if name is None:
        if not models:
            raise M4mError("no model found", "install m4m with its models, or set M4M_MODELS")
        return list(models.values())
    path = Path(name) if (Path(name) / "model.json").is_file() else models.get(name)
    if path is None:
        raise M4mError(f"no model {name!r}", f"known: {', '.join(models) or 'none'}, or a folder")
    return [path]


def _numbers(corpus: Corpus, split: str, source: str) -> Iterator[int]:
    """The pieces that have enough notes to be measured."""
    for number in corpus.select(split, source):
        score = corpus.score(number)
        if score is not None and score.note_count >= FEWEST_NOTES:
            yield number


def _real(pieces: Pieces, part: str) -> Row:
    scores = (corpus.score(number) for corpus, number in pieces)
    parts = [PARTS[part](score) for score in scores if score is not None]
    found: list[list[Figures]] = [[described(score)] for score in parts if score is not None and score.note_count]
    return row_of(f"real, {part}", found, FIGURES)


def _rows(models: Sequence[ModelFolder], pieces: Pieces, asked: Asked) -> Iterator[Row]:
    for model in models:
        yield _row(model, pieces, asked)
        if asked.adapter is not None and model.facts.get("task") == UNCONDITIONAL:
            yield _row(model, pieces, asked, asked.adapter)


def _row(model: ModelFolder, pieces: Pieces, asked: Asked, style: str | None = None) -> Row:
    size: list[Figures] = [size_of(model)]
    answers: list[list[Figures]] = []
    empty = 0
    if "tokens" in model.facts:
        answers, empty = _of_writer(open_writer(str(model.path), asked.device, asked.threads), pieces, asked)
    elif model.facts.get("task") == SPACE:
        answers, empty = _of_space(open_space(str(model.path), asked.device, asked.threads), pieces, asked)
    elif model.facts.get("task") in TASKS:
        network = open_network(model, model.facts["task"], asked.device, asked.threads, style)
        if model.facts["task"] == UNCONDITIONAL:
            answers, empty = _of_foundation(network, pieces, asked)
    name = model.name if style is None else f"{model.name} with {Path(style).stem}"
    row = row_of(f"{name} ({reading(model)})", answers, FIGURES, empty)
    told = row_of(row.system, [size], FIGURES).figures
    figures = {name: told[name] if name in size[0] else row.figures[name] for name in FIGURES}
    return Row(row.system, row.songs, asked.samples * len(answers), empty, figures)


def _of_writer(writer: Writer, pieces: Pieces, asked: Asked) -> tuple[list[list[Figures]], int]:
    answers, empty = [], 0
    for song, (corpus, number) in enumerate(pieces or [(None, 0)]):
        found: list[Figures] = []
        rows = None if corpus is None else writer.rows(corpus.score(number))
        if rows is not None:
            notes = writer.coder.score(rows)[0].note_count
            found.append({"nats_per_note": nats_of(writer.model, rows) / max(1, notes)})
        for i in range(asked.samples):
            began = asked.clock()
            wish = Wish(1, LENGTH, writer.sampling, asked.seed + song * asked.samples + i)
            score = write_pieces(writer.model, writer.coder, wish)[0].score
            found.append(_described(score, asked.clock() - began))
            empty += not score.note_count
        answers.append(found)
    return answers, empty


def _of_space(space: Space, pieces: Pieces, asked: Asked) -> tuple[list[list[Figures]], int]:
    answers, empty = [], 0
    for song in range(len(pieces) or 1):
        found: list[Figures] = []
        for i in range(asked.samples):
            began = asked.clock()
            how = How(Sampling(), asked.seed + song * asked.samples + i)
            score = score_of_events(melodies(space.model, prior_points(space.model, 1, how.seed), how), [""])
            found.append(_described(score, asked.clock() - began))
            empty += not score.note_count
        answers.append(found)
    return answers, empty


def _of_foundation(network: Network, pieces: Pieces, asked: Asked) -> tuple[list[list[Figures]], int]:
    answers, empty = [], 0
    position = np.arange(WRITTEN_FRAMES)
    metre = np.stack([position % 16, np.full_like(position, 16), np.full_like(position, 4)], axis=1)
    everywhere = np.ones(WRITTEN_FRAMES, bool)
    request = Request(None, metre, WRITTEN_FRAMES, everywhere, ~everywhere, start_by=0)
    for song, (corpus, number) in enumerate(pieces or [(None, 0)]):
        music = None if corpus is None else excerpt(_packed(corpus, number), network.shape.window)
        found: list[Figures] = [] if music is None else [_likely(network, music)]
        for i in range(asked.samples):
            began = asked.clock()
            seed = asked.seed + song * asked.samples + i
            (sample,) = generate(network, request, Rules(), TASKS[UNCONDITIONAL].sampling, seed=seed)
            found.append(_described(score_of(sample.notes), asked.clock() - began))
            empty += not len(sample.notes)
        answers.append(found)
    return answers, empty


def _likely(network: Network, music: Excerpt) -> Figures:
    return {"nats_per_note": surprise(network, music)["nats_per_note"]} if len(music.notes) else {}


def _described(score: Score, seconds: float) -> Figures:
    return {**described(score), "notes_per_second": score.note_count / seconds} if score.note_count else {}


def _packed(corpus: Corpus, number: int) -> PackedPiece:
    """A piece as the foundation reads it."""
    if corpus.pack is not None:
        return corpus.pack[number]
    score, place = corpus.score(number), corpus.places[number]
    assert score is not None
    about: dict[str, Any] = {"name": place.name, "source": place.source, "split": place.split}
    return pack_piece(score, bars(score), roles(score), **about)
