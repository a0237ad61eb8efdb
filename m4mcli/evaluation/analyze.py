"""Measure chords, keys and bars against what people wrote, with mir_eval.

What gives the answer away is taken out of the pieces: key signatures, markers, lyrics, names, and the chord tracks
wherever the input is not `melody and chords`. Chords and keys weigh as many quarters as they last; figures are means
over songs.

Figures
  majmin, sevenths   weighted chord symbol recall in mir_eval's vocabularies of these names
  root               the same for roots alone
  inversions         majmin with the bass
  segmentation       mir_eval's seg: how well the boundaries agree
  weighted           mir_eval's key score: 1 right, .5 a fifth off, .3 relative, .2 parallel
  exact              share of pieces whose key is right
  local              mean weighted score over the time of the local keys
  downbeat F         mir_eval's beat F-measure of the bars' beginnings, 70 ms
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import mir_eval
import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import grid_of
from m4mcli.analysis.chord_model import QUALITIES, SILENCE
from m4mcli.analysis.harte import harte
from m4mcli.dataset.labelled import LabelledPiece, labelled_pieces, sources_in
from m4mcli.errors import M4mError
from m4mcli.evaluation import beats
from m4mcli.evaluation.analyze_baselines import CHORD_BASELINES, KEY_BASELINES
from m4mcli.evaluation.analyze_peers import chord_peers, key_peers
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.table import Table, row_of
from m4mcli.score.clock import seconds_at
from m4mcli.score.score import Score
from m4mcli.tasks.analyze import analyze
from m4mcli.theory.keys import key_name, parse_key
from m4mcli.theory.names import LETTERS

CHORD_FIGURES = ("majmin", "sevenths", "root", "inversions", "segmentation")
KEY_FIGURES = ("weighted", "exact", "local")
BAR_FIGURES = ("downbeat F",)
FIGURES = CHORD_FIGURES + KEY_FIGURES + BAR_FIGURES + beats.FIGURES + beats.GRID_FIGURES
SYSTEM = "m4m analyze"

Key = tuple[int, bool]


Method = Callable[[Score], list[tuple[int, int, str]]]
"""What finds chords: start and end tick of each, and its Harte label."""


def all_tables(
    folder: Path,
    sources: Sequence[str] = (),
    split: str = "valid",
    songs: int | None = None,
    beside: Mapping[str, Method] | None = None,
) -> Iterator[Table]:
    """The tables of every source below the folder (all, unless named): of chords, keys and bars where these are
    labelled, of beats and of notes in place where beats are told.

    `beside` are further methods that find chords, by name. `songs` limits each source. Raises M4mError where a source,
    or the folder, has neither.
    """
    there = [path.parent.name for path in sorted(folder.glob(f"*/{split}")) if path.is_dir()]
    labelled = [name for name in there if any((folder / name / split).glob("*.chords.tsv"))]
    timed = [name for name in there if beats.has_beats(folder / name / split)]
    for source in sources or there:
        if sources and source not in labelled and source not in timed:
            raise M4mError(f"{folder / source / split}: no labels beside its pieces", "name another --source")
        if source in labelled:
            yield from analyze_tables(folder, (source,), split, songs, beside)
        if source in timed:
            about: dict[str, object] = {"source": source, "split": split}
            for table in chain(
                beats.beat_tables(folder / source / split, songs=songs),
                beats.grid_tables(folder / source / split, songs=songs),
            ):
                yield replace(table, title=f"{source}, {split}: {table.title}", about=about | table.about)
    if not labelled and not timed:
        raise M4mError(f"{folder}: no labelled pieces in */{split}", "name a folder of labelled sources")


def analyze_tables(
    folder: Path,
    sources: Sequence[str] = (),
    split: str = "valid",
    songs: int | None = None,
    beside: Mapping[str, Method] | None = None,
) -> Iterator[Table]:
    """For each source below the folder (all, unless named) and each kind of input a table of chords and one of keys,
    and one of bars.

    `beside` are further methods that find chords, by name. `songs` limits each source to so many, spread over it.
    Raises M4mError where a source has no labelled pieces.
    """
    for source in sources or sources_in(folder, split):
        pieces = beats.spread(labelled_pieces(folder, source, split), songs)
        kinds = dict.fromkeys(kind for piece in pieces for kind in piece.inputs())
        if not kinds:
            raise M4mError(f"{folder / source / split}: no piece has notes to analyze", "name another source")
        for kind in kinds:
            yield from _tables(source, split, kind, pieces, beside or {})


def _tables(
    source: str, split: str, kind: str, pieces: Sequence[LabelledPiece], beside: Mapping[str, Method]
) -> Iterator[Table]:
    plain = {name: _spans_of(method) for name, method in (CHORD_BASELINES | chord_peers()).items()}
    chord_methods, key_methods = {**beside, **plain}, KEY_BASELINES | key_peers()
    chords: dict[str, list[list[Figures]]] = {name: [] for name in (SYSTEM, *chord_methods)}
    keys: dict[str, list[list[Figures]]] = {name: [] for name in (SYSTEM, *key_methods)}
    bars: list[list[Figures]] = []
    for piece in pieces:
        score = piece.inputs().get(kind)
        if score is None or not score.end:
            continue
        found = analyze(score)
        spans = [(c.start, c.end, harte(c)) for c in found.chords]
        chords[SYSTEM].append([chord_figures(piece, score, spans)])
        for name, method in chord_methods.items():
            chords[name].append([chord_figures(piece, score, method(score))])
        local = [(s.start, s.end, s.key) for s in found.tonality.spans]
        keys[SYSTEM].append([key_figures(piece, score, found.tonality.key, local)])
        for name, find in key_methods.items():
            key = find(score)
            keys[name].append([key_figures(piece, score, key, [(0, score.end, key)] if key else [])])
        bars.append([bar_figures(piece, score)])
    about: dict[str, object] = {"source": source, "split": split, "input": kind}
    for what, systems, columns in (("chords", chords, CHORD_FIGURES), ("keys", keys, KEY_FIGURES)):
        rows = tuple(row_of(name, songs, columns) for name, songs in systems.items())
        yield Table(f"{what}: {source}, {split} songs, {kind}", about | {"what": what}, rows)
    rows = (row_of("the file's bars", bars, BAR_FIGURES),)
    yield Table(f"bars: {source}, {split} songs, {kind}", about | {"what": "bars"}, rows)


def _spans_of(method: Callable[[Score], tuple[NDArray[np.int64], NDArray[np.int64]]]) -> Method:
    def spans(score: Score) -> list[tuple[int, int, str]]:
        ticks, path = method(score)
        labels = ["N" if s == SILENCE else f"{LETTERS[s % 12]}:{QUALITIES[s // 12]}" for s in path.tolist()]
        return list(zip(ticks[:-1].tolist(), ticks[1:].tolist(), labels, strict=True))

    return spans


def chord_figures(piece: LabelledPiece, score: Score, spans: Sequence[tuple[int, int, str]]) -> Figures:
    """CHORD_FIGURES of chords (start and end tick, Harte label) against the piece's own, over the time of these."""
    if not piece.chords:
        return {}
    begin, end = piece.chords[0][0], piece.chords[-1][1]
    truth = np.array([label[:2] for label in piece.chords])
    names = [_readable(label[2]) for label in piece.chords]
    clipped = [(max(begin, a / score.tpq), min(end, b / score.tpq), name) for a, b, name in spans]
    clipped = [span for span in clipped if span[1] > span[0]] or [(begin, end, "N")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = mir_eval.chord.evaluate(truth, names, np.array([s[:2] for s in clipped]), [s[2] for s in clipped])
    wanted = zip(CHORD_FIGURES, ("majmin", "sevenths", "root", "majmin_inv", "seg"), strict=True)
    return {figure: float(said[name]) for figure, name in wanted}


def _readable(label: str) -> str:
    """The label, or X, which is not counted, where mir_eval cannot read it."""
    try:
        mir_eval.chord.encode(label)
    except mir_eval.chord.InvalidChordException:
        return "X"
    return label


def key_figures(piece: LabelledPiece, score: Score, key: Key | None, local: Sequence[tuple[int, int, Key]]) -> Figures:
    """KEY_FIGURES of a key, and of local keys (start and end tick), against the piece's own."""
    figures: Figures = {}
    if piece.key is not None:
        figures["weighted"] = _weighted(parse_key(piece.key), key)
        figures["exact"] = float(parse_key(piece.key) == key)
    total = points = 0.0
    for start, end, label in piece.keys:
        for a, b, found in local:
            together = min(end, b / score.tpq) - max(start, a / score.tpq)
            points += max(0.0, together) * _weighted(parse_key(label), found)
        total += end - start
    if total:
        figures["local"] = points / total
    return figures


def _weighted(truth: Key, found: Key | None) -> float:
    return float(mir_eval.key.weighted_score(key_name(*truth), key_name(*found))) if found else 0.0


def bar_figures(piece: LabelledPiece, score: Score) -> Figures:
    """BAR_FIGURES of the file's own bars against the written ones, over the time of the notes."""
    grid = grid_of(score)
    truth = np.array([round(bar * score.tpq) for bar in piece.bars if bar * score.tpq < score.end], np.int64)
    if not len(truth):
        return {}
    times = (seconds_at(score, truth), seconds_at(score, grid.beat_ticks[grid.downbeat]))
    return {"downbeat F": float(mir_eval.beat.f_measure(*(np.unique(t) for t in times)))}
