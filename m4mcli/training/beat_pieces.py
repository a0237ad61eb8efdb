"""Pieces whose beats are known, as a beat tracker is trained on them.

Three kinds are found in folders: performances with `NAME_annotations.txt` beside `NAME.mid` (asap), `beat_midi.txt`
beside it (pop909_performance), and any other MIDI files, which are performed (`rubato`) on their own bars.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.bar_evidence import Detail, describe_beats
from m4mcli.analysis.beat_evidence import describe
from m4mcli.analysis.beat_network import INTERVALS_S
from m4mcli.analysis.metre_finding import METRES
from m4mcli.dataset.beat_annotations import POP909, beat_file_of, read_beats
from m4mcli.errors import M4mError
from m4mcli.score.read import read_score
from m4mcli.training.rubato import Performance, notes_in_seconds, performed, rewarped, written

Labels = NDArray[np.int64]

MADE = "made"

BEAT_NOTES, BAR_NOTES = 1300, 1800
"""Notes of a passage."""

BEATS_AROUND = 4
"""Beats before and after a passage that are kept."""

OTHER_METRE = -1
LEVELS = ((1.0, 0.0), (0.5, 0.0), (2.0, None), (1 / 3, 0.0), (3.0, None), (1.0, 0.5), (1.5, None), (2 / 3, 0.0))
"""What a tracker's beats may be to the written ones: how many of these they last, and on which the first is (any:
None)."""

WRITTEN = 0
LEVEL_CHANCES = (0.45, 0.13, 0.12, 0.04, 0.06, 0.1, 0.05, 0.05)
"""How often beats are at each of LEVELS, at least in part."""

TOLERANCE_S = 0.07
UNEVEN_S = 0.012
"""The standard deviation of how far tracked beats are from true ones."""

LONGEST_S = 900.0
FEWEST_NOTES, FEWEST_BEATS = 200, 16


@dataclass(frozen=True)
class BeatPiece:
    """A performance with its beats, or a score to be performed (`kind` MADE): `group` names the composition, `kind` the
    sort of source."""

    group: str
    kind: str
    music: Performance


def read_music(midi: Path) -> Performance | None:
    """The performance in a MIDI file with its known beats, or the score in it; None where it is of no use."""
    try:
        score = read_score(midi.read_bytes(), str(midi)).score
    except M4mError:
        return None
    if score.note_count < FEWEST_NOTES:
        return None
    told = beat_file_of(midi)
    return Performance(*notes_in_seconds(score), *read_beats(told)) if told else written(score)


def pieces_of(folder: Path) -> Iterator[BeatPiece]:
    """The pieces of a folder and all below it."""
    for midi in sorted(folder.rglob("*.mid")):
        found = read_music(midi)
        if found is None or len(found.beats) < FEWEST_BEATS or found.begin[-1] > LONGEST_S:
            continue
        told = beat_file_of(midi)
        kind = MADE if told is None else "pop909" if told.name == POP909 else "asap"
        yield BeatPiece(str(midi.parent if kind == "asap" else midi), kind, found)


def varied(piece: BeatPiece, notes: int, rng: np.random.Generator) -> Performance:
    """A passage of at most so many notes, performed anew, faster or slower, higher or lower; sometimes without
    dynamics, with some notes missing, or shorter."""
    music = cut(piece.music, int(rng.integers(0, max(1, len(piece.music.begin) - notes + 1))), notes)
    music = performed(music, rng) if piece.kind == MADE else rewarped(music, rng)
    kept = rng.random(len(music.begin)) < (0.9 if rng.random() < 0.15 else 1)
    velocity = np.full(len(kept), 80.0) if rng.random() < 0.25 else music.velocity
    length = rng.uniform(0.3, 1.5) if rng.random() < 0.2 else 1.0
    passage = replace(
        music,
        begin=music.begin[kept],
        duration=music.duration[kept] * length,
        pitch=music.pitch[kept] + rng.integers(-5, 6),
        velocity=velocity[kept],
    )
    return passage.stretched(float(np.exp(rng.normal(0, 0.16))))


def cut(music: Performance, start: int, notes: int) -> Performance:
    """So many notes of a piece from one of them on, and the beats around them, two at least."""
    part = slice(start, start + notes)
    begin = music.begin[part]
    first, last = np.searchsorted(music.beats, (begin[0], begin[-1])).tolist()
    around = slice(max(0, min(first - BEATS_AROUND, len(music.beats) - 2)), last + BEATS_AROUND)
    return Performance(
        begin,
        music.duration[part],
        music.pitch[part],
        music.velocity[part],
        music.beats[around],
        music.downbeat[around],
    )


def beat_passage(piece: BeatPiece, rng: np.random.Generator) -> tuple[NDArray[np.float32], tuple[Labels, ...]]:
    """The features of the onsets of a varied passage (n, F), and (n,) each: whether it is a beat, and a downbeat, the
    index of the interval between beats around it, that of its bar's metre in METRES (OTHER_METRE for any other), and
    whether beats are known there."""
    music = varied(piece, BEAT_NOTES, rng)
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
    return onsets.features, (beat, downbeat, interval, _metres(music.downbeat)[around], known.astype(np.int64))


def bar_passage(
    detail: Detail, piece: BeatPiece, rng: np.random.Generator
) -> tuple[NDArray[np.float32], tuple[Labels, ...]]:
    """The features of the beats of a varied passage (m, F), looked at as closely as `detail` says, and (m,) each:
    whether it is a downbeat, the index of its bar's metre in METRES (OTHER_METRE for any other), that of its level in
    LEVELS, and 1."""
    music = varied(piece, BAR_NOTES, rng)
    onsets = describe(music.begin, music.duration, music.pitch, music.velocity)
    there = (music.beats > onsets.seconds[0] - 0.1) & (music.beats < onsets.seconds[-1] + 0.1)
    count = int(there.sum())
    places, levels = _tracked_places(count, rng)
    if not len(places):
        return bar_passage(detail, piece, rng)
    told = np.interp(places, np.arange(count), music.beats[there]) + rng.normal(0, UNEVEN_S, len(places))
    order = np.argsort(told)
    places, levels = places[order], levels[order]
    beat = places.astype(np.int64)
    downbeat = music.downbeat[there][beat] & (places == beat)
    metre = np.where(levels == WRITTEN, _metres(music.downbeat)[there][beat], OTHER_METRE)
    features = describe_beats(onsets, told[order], detail)
    return features, (downbeat.astype(np.int64), metre, levels, np.ones(len(places), np.int64))


def _tracked_places(count: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], Labels]:
    """Where a tracker may find the beats of a passage of `count`, (m,) in beats, and the indexes of their levels.

    Some find those that are written; others for a while, or all through, twice or half as many, or those between.
    """
    start, stop = (0, count) if rng.random() < 0.5 else np.sort(rng.integers(0, count + 1, 2)).tolist()
    level = int(rng.choice(len(LEVELS), p=LEVEL_CHANCES))
    step, first = LEVELS[level]
    first = first if first is not None else float(rng.integers(round(step)))
    within = np.arange(start + first, stop - 0.99 if step < 1 else stop - 0.5, step)
    parts = [np.arange(start, dtype=np.float64), within, np.arange(stop, count, dtype=np.float64)]
    levels = np.repeat([WRITTEN, level, WRITTEN], [len(part) for part in parts])
    places = np.concatenate(parts)
    near = np.rint(places)
    kept = places <= count - 1
    return np.where(np.abs(places - near) < 1e-6, near, places)[kept], levels[kept]


def _metres(downbeat: NDArray[np.bool_]) -> Labels:
    """The index in METRES of each beat's bar (m,), where the bar begins and ends among the beats and is of these."""
    found = np.full(len(downbeat), OTHER_METRE, np.int64)
    for start, stop in pairwise(np.flatnonzero(downbeat).tolist()):
        if stop - start in METRES:
            found[start:stop] = METRES.index(stop - start)
    return found


def nearest_onset(onsets: NDArray[np.float64], beats: NDArray[np.float64]) -> NDArray[np.int64]:
    """The index of the onset nearest to each beat."""
    after = np.clip(np.searchsorted(onsets, beats), 0, len(onsets) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(np.abs(onsets[before] - beats) < np.abs(onsets[after] - beats), before, after)
