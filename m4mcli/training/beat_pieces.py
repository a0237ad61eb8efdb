"""Pieces whose beats are known, as a beat tracker is trained on them.

Three kinds are found in folders: performances with `NAME_annotations.txt` beside `NAME.mid` (asap), `beat_midi.txt`
beside it (pop909_performance), and any other MIDI files, which are performed (`rubato`) on their own bars.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.bar_evidence import describe_beats
from m4mcli.analysis.beat_evidence import describe
from m4mcli.analysis.beat_network import INTERVALS_S
from m4mcli.dataset.beat_annotations import POP909, beat_file_of, read_beats
from m4mcli.errors import M4mError
from m4mcli.score.read import read_score
from m4mcli.training.rubato import Performance, notes_in_seconds, performed

Labels = NDArray[np.int64]

BEAT_NOTES, BAR_NOTES = 1500, 2500
"""Notes of a passage."""

TOLERANCE_S = 0.07
UNEVEN_S = 0.012
"""The standard deviation of how far tracked beats are from true ones."""

LONGEST_S = 900.0
FEWEST_NOTES, FEWEST_BEATS = 200, 16


@dataclass(frozen=True)
class BeatPiece:
    """A performance with its beats: `group` names the composition, `kind` the sort of source."""

    group: str
    kind: str
    music: Performance


def read_performance(midi: Path, rng: np.random.Generator) -> Performance | None:
    """The performance in a MIDI file with its known beats, or one made of it; None where it is of no use."""
    try:
        score = read_score(midi.read_bytes(), str(midi)).score
    except M4mError:
        return None
    if score.note_count < FEWEST_NOTES:
        return None
    told = beat_file_of(midi)
    return Performance(*notes_in_seconds(score), *read_beats(told)) if told else performed(score, rng)


def pieces_of(folder: Path, seed: int) -> Iterator[BeatPiece]:
    """The pieces of a folder and all below it."""
    for number, midi in enumerate(sorted(folder.rglob("*.mid"))):
        found = read_performance(midi, np.random.default_rng([seed, number]))
        if found is None or len(found.beats) < FEWEST_BEATS or found.begin[-1] > LONGEST_S:
            continue
        told = beat_file_of(midi)
        kind = "made" if told is None else "pop909" if told.name == POP909 else "asap"
        yield BeatPiece(str(midi.parent if kind == "asap" else midi), kind, found)


def varied(music: Performance, notes: int, rng: np.random.Generator) -> Performance:
    """A passage of at most so many notes, played a little faster or slower, higher or lower; sometimes without
    dynamics, with some notes missing, or shorter."""
    start = int(rng.integers(0, max(1, len(music.begin) - notes + 1)))
    kept = np.zeros(len(music.begin), bool)
    kept[start : start + notes] = True
    if rng.random() < 0.15:
        kept &= rng.random(len(kept)) < 0.9
    velocity = np.full(len(kept), 80.0) if rng.random() < 0.25 else music.velocity
    length = rng.uniform(0.3, 1.5) if rng.random() < 0.2 else 1.0
    passage = replace(
        music,
        begin=music.begin[kept],
        duration=music.duration[kept] * length,
        pitch=music.pitch[kept] + rng.integers(-4, 5),
        velocity=velocity[kept],
    )
    return passage.stretched(float(np.exp(rng.normal(0, 0.12))))


def beat_passage(piece: BeatPiece, rng: np.random.Generator) -> tuple[NDArray[np.float32], tuple[Labels, ...]]:
    """The features of the onsets of a varied passage (n, F), and (n,) each: whether it is a beat, and a downbeat, the
    index of the interval between beats around it, and whether beats are known there."""
    music = varied(piece.music, BEAT_NOTES, rng)
    onsets = describe(music.begin, music.duration, music.pitch, music.velocity)
    seconds = onsets.seconds
    nearest = nearest_onset(seconds, music.beats)
    heard = np.abs(seconds[nearest] - music.beats) < TOLERANCE_S
    beat, downbeat = np.zeros(len(seconds), np.int64), np.zeros(len(seconds), np.int64)
    beat[nearest[heard]] = 1
    downbeat[nearest[heard & music.downbeat]] = 1
    gaps = np.maximum(np.diff(music.beats), 0.01)
    around = np.clip(np.searchsorted(music.beats, seconds + 0.03) - 1, 0, len(gaps) - 1)
    borders = np.log((INTERVALS_S[1:] * INTERVALS_S[:-1]) ** 0.5)
    interval = np.searchsorted(borders, np.log(gaps))[around]
    known = (seconds > music.beats[0] - 0.1) & (seconds < music.beats[-1] + 0.1)
    return onsets.features, (beat, downbeat, interval, known.astype(np.int64))


def bar_passage(piece: BeatPiece, rng: np.random.Generator) -> tuple[NDArray[np.float32], tuple[Labels, ...]]:
    """The features of the beats of a varied passage (m, F), and (m,) each: whether it is a downbeat, and 1."""
    music = varied(piece.music, BAR_NOTES, rng)
    onsets = describe(music.begin, music.duration, music.pitch, music.velocity)
    there = (music.beats > onsets.seconds[0] - 0.1) & (music.beats < onsets.seconds[-1] + 0.1)
    told = music.beats[there] + rng.normal(0, UNEVEN_S, int(there.sum()))
    order = np.argsort(told)
    if not len(order):
        return bar_passage(piece, rng)
    features = describe_beats(onsets, told[order]).features
    return features, (music.downbeat[there][order].astype(np.int64), np.ones(len(order), np.int64))


def nearest_onset(onsets: NDArray[np.float64], beats: NDArray[np.float64]) -> NDArray[np.int64]:
    """The index of the onset nearest to each beat."""
    after = np.clip(np.searchsorted(onsets, beats), 0, len(onsets) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(onsets[before] - beats) < np.abs(onsets[after] - beats), before, after)
