"""Measure beats and downbeats: tracked beats, those that `auto` takes, and a plain tracker in one table.

Performances are measured without their tempo maps and time signatures, so that nothing but the notes tells the beats.
A beat counts as found within 70 ms (`mir_eval.beat.f_measure`, from the first second on, not the fifth as for audio).
`grid_tables` tells what that means for quantizing: how many notes of a performance come to the place in the quarter
that they have in the score.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import BeatGrid
from m4mcli.analysis.beat_map import with_beats
from m4mcli.analysis.beats import auto_beats, track_beats
from m4mcli.dataset.beat_annotations import POP909, SCORE, beat_file_of, read_beats
from m4mcli.errors import M4mError
from m4mcli.evaluation.beat_baselines import steady_beats
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.table import Table, row_of
from m4mcli.score.clock import seconds_at
from m4mcli.score.quantization import Quantization, grid_lines
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, Track
from m4mcli.theory.grid import Grid

Seconds = NDArray[np.float64]
Piece = TypeVar("Piece")
Tracker = Callable[[Score], BeatGrid]

FIGURES = ("beat_f", "downbeat_f")
GRID_FIGURES = ("in_place",)
SYSTEMS: dict[str, Tracker] = {"m4m": track_beats, "steady": steady_beats}
NEUTRAL_TPQ = 480
"""Ticks to the quarter of a piece without its tempo map, at 120 to the minute."""

SIXTEENTHS = Quantization(Grid.parse("1/16"))
SAME_NOTE = 0.5
"""Quarters between where a performed note is in the score and a score note of its pitch, at most."""


@dataclass(frozen=True)
class Annotated:
    """A piece and its true beats in seconds, downbeats among them."""

    midi: Path
    score: Score
    beats: Seconds
    downbeat: NDArray[np.bool_]


def annotated_pieces(folder: Path, kind: str) -> Iterator[Annotated]:
    """The pieces below a folder whose beats are told, in order of their paths: of `kind` performance, song or score.

    Performances and scores are asap's, songs pop909's.
    """
    for midi in sorted(folder.rglob("*.mid")):
        told = beat_file_of(midi)
        if told is None:
            continue
        found = "song" if told.name == POP909 else "score" if midi.name == SCORE else "performance"
        if found == kind:
            yield Annotated(midi, read_score(midi.read_bytes(), str(midi)).score, *read_beats(told))


def has_beats(folder: Path) -> bool:
    """Whether the beats of a piece below the folder are told."""
    return any(beat_file_of(midi) is not None for midi in folder.rglob("*.mid"))


def without_tempo_map(score: Score) -> Score:
    """The notes of a piece at their seconds, under no tempo and no time signature."""

    def moved(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.rint(seconds_at(score, ticks) * 2 * NEUTRAL_TPQ).astype(np.int64)

    tracks = []
    for track in score.tracks:
        notes = track.notes.copy()
        notes["onset"] = moved(track.notes["onset"])
        notes["duration"] = moved(track.notes["onset"] + track.notes["duration"]) - notes["onset"]
        tracks.append(Track(track.name, track.program, track.is_drum, notes))
    return Score(NEUTRAL_TPQ, tuple(tracks))


def figures_of(score: Score, grid: BeatGrid, beats: Seconds, downbeat: NDArray[np.bool_]) -> Figures:
    """F-measures of found beats and downbeats against the true ones."""
    from mir_eval.beat import f_measure

    found = seconds_at(score, grid.beat_ticks)
    return {
        "beat_f": float(f_measure(beats, found)) if len(found) else 0.0,
        "downbeat_f": float(f_measure(beats[downbeat], found[grid.downbeat])) if grid.downbeat.any() else 0.0,
    }


def beat_tables(folder: Path, *, songs: int | None = None) -> Iterator[Table]:
    """Tables of asap performances and pop909 songs without tempo maps, and of asap scores as they are.

    Only kinds that the folder holds; `songs` limits each to that many, spread over it. Raises M4mError where there are
    none.
    """
    done = 0
    for kind, title, systems in (
        ("performance", "performances, no tempo map", SYSTEMS),
        ("song", "songs as performed, no tempo map", SYSTEMS),
        ("score", "scores, their own tempo map", {"auto": auto_beats} | SYSTEMS),
    ):
        pieces = spread(annotated_pieces(folder, kind), songs)
        if not pieces:
            continue
        music = [piece.score if kind == "score" else without_tempo_map(piece.score) for piece in pieces]
        rows = []
        for name, tracker in systems.items():
            figures = [
                [figures_of(score, tracker(score), piece.beats, piece.downbeat)]
                for piece, score in zip(pieces, music, strict=True)
            ]
            rows.append(row_of(name, figures, FIGURES))
        yield Table(title, {"kind": kind, "tolerance_s": 0.07}, tuple(rows))
        done += 1
    if not done:
        raise M4mError(f"{folder}: no MIDI files with beats beside them", "it takes asap or pop909_performance")


def spread(pieces: Iterable[Piece], songs: int | None) -> list[Piece]:
    """At most so many of the pieces, evenly over all of them; all if None."""
    every = list(pieces)
    step = max(1, len(every) // songs) if songs else 1
    return list(islice(every[::step], songs))


def grid_tables(folder: Path, *, songs: int | None = None) -> Iterator[Table]:
    """For each composer the share of notes that quantizing to 1/16 brings to their place in the quarter.

    Performances on tracked beats and on the grid of the file, against the score beside them (asap).
    """
    shares: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for piece in spread(annotated_pieces(folder, "performance"), songs):
        path = piece.midi.with_name(SCORE)
        if not path.exists():
            continue
        told = beat_file_of(path)
        written = read_score(path.read_bytes(), str(path)).score
        beats = read_beats(told)[0] if told else np.zeros(0)
        if len(beats) != len(piece.beats):
            continue
        played = without_tempo_map(piece.score)
        on_beats = with_beats(played, track_beats(played))
        places = _score_places(piece, written, beats)
        shares[piece.midi.relative_to(folder).parts[0]].append(
            (_share_in_place(on_beats, places), _share_in_place(played, places))
        )
    for composer, values in shares.items():
        rows = [
            row_of(system, [[{"in_place": pair[i]}] for pair in values], GRID_FIGURES)
            for i, system in enumerate(("m4m", "file grid"))
        ]
        better = sum(tracked > fixed for tracked, fixed in values)
        about: dict[str, object] = {"composer": composer, "grid": "1/16", "better": better}
        yield Table(f"{composer}, notes in place after quantizing ({better} better)", about, tuple(rows))


def _score_places(piece: Annotated, written: Score, beats: Seconds) -> Seconds:
    """The place in its quarter, 0 to 1, of each performed note in the score; nan where it is not found there.

    The notes are in the order of the piece's tracks.
    """
    lines = grid_lines(written, SIXTEENTHS)
    rows = np.concatenate([track.notes for track in written.tracks])
    when = seconds_at(written, rows["onset"])
    quarter = rows["onset"] / written.tpq
    beat_quarters = np.interp(beats, *_rising(when, quarter))
    onsets = np.concatenate([track.notes["onset"] for track in piece.score.tracks])
    pitches = np.concatenate([track.notes["pitch"] for track in piece.score.tracks])
    expected = np.interp(seconds_at(piece.score, onsets), piece.beats, beat_quarters)
    places = np.full(len(onsets), np.nan)
    for pitch in np.unique(pitches):
        there = np.sort(rows["onset"][rows["pitch"] == pitch])
        mine = np.flatnonzero(pitches == pitch)
        if len(there):
            near = there[np.abs(there[None, :] / written.tpq - expected[mine, None]).argmin(axis=1)]
            found = np.abs(near / written.tpq - expected[mine]) <= SAME_NOTE
            places[mine[found]] = (lines.nearest(near[found]) / written.tpq) % 1
    return places


def _rising(x: Seconds, y: Seconds) -> tuple[Seconds, Seconds]:
    kept, first = np.unique(x, return_index=True)
    return kept, y[first]


def _share_in_place(score: Score, places: Seconds) -> float:
    lines = grid_lines(score, SIXTEENTHS)
    onsets = np.concatenate([track.notes["onset"] for track in score.tracks])
    now = (lines.nearest(onsets) / score.tpq) % 1
    told = ~np.isnan(places)
    off = np.abs(now[told] - places[told])
    return float((np.minimum(off, 1 - off) < 1 / 32).mean()) if told.any() else 0.0
