"""Beats, downbeats and metre of a performance from its notes alone: their seconds, whatever the tempo map says."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_evidence import onsets_of
from m4mcli.analysis.beat_grid import BeatGrid, grid_of
from m4mcli.analysis.beat_network import STRETCHES, mean_opinion
from m4mcli.analysis.beat_network import WEIGHTS as BEATS
from m4mcli.analysis.convolution_network import ConvolutionNetwork
from m4mcli.analysis.grid_check import usable_grid
from m4mcli.analysis.metre_finding import READERS, FoundMetre, find_metre
from m4mcli.analysis.tempo_curve import likeliest_beats
from m4mcli.errors import M4mError
from m4mcli.score.clock import seconds_at
from m4mcli.score.score import Score, TimeSignature

FEWEST_ONSETS = 3
"""With fewer there is nothing to track: the file's own beats are taken."""

LONGEST_S = 3 * 3600.0
UNSURE = 0.65
"""Tracked beats of a lower confidence deserve a warning."""


@dataclass(frozen=True)
class Tracking:
    """Found beats, and the mean probability, 0 to 1, that the onsets on them are beats."""

    grid: BeatGrid
    confidence: float


def track_beats(score: Score) -> BeatGrid:
    """The beats of a piece as its notes tell them, in ticks of the score; no beats where there are no notes.

    The tempo map is used for nothing but the seconds of the notes, time signatures are not looked at.
    """
    return tracking(score).grid


def auto_beats(score: Score) -> BeatGrid:
    """The file's own beats where they fit the notes, else tracked ones: what `--beats auto` takes."""
    return grid_of(score) if usable_grid(score)[0] else track_beats(score)


def tracking(score: Score) -> Tracking:
    """The same with the confidence; 0 where there was nothing to track. Raises M4mError for more than LONGEST_S."""
    onsets = onsets_of(score)
    if len(onsets.seconds) and onsets.seconds[-1] > LONGEST_S:
        hours = onsets.seconds[-1] / 3600
        raise M4mError(f"{hours:.1f} hours of music are too long to track beats in", "split it, or use --beats file")
    if len(onsets.seconds) < FEWEST_ONSETS:
        return Tracking(grid_of(score), 0.0)
    views = [onsets_of(score, stretch).features for stretch in STRETCHES.tolist()]
    held = mean_opinion([ConvolutionNetwork.shipped(file) for file in BEATS], views)
    beats = likeliest_beats(onsets.seconds, held)
    readers = [(ConvolutionNetwork.shipped(file), detail) for file, detail in READERS.items()]
    metre = find_metre(readers, onsets, beats, held)
    ticks, first = np.unique(_ticks_at(score, beats.seconds), return_index=True)
    heard = held.beat[beats.onset[beats.onset >= 0]].astype(np.float64)
    confidence = float((1 / (1 + np.exp(-heard))).mean()) if len(heard) else 0.0
    return Tracking(BeatGrid(ticks, metre.downbeat[first], _signatures(ticks, metre, first)), confidence)


def _ticks_at(score: Score, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """The nearest tick, from 0, to each second: `seconds_at` the other way round."""
    starts = np.array(sorted({0, score.end} | {tempo.tick for tempo in score.tempos}), np.int64)
    starts = np.append(starts, starts[-1] + score.tpq)
    begun = seconds_at(score, starts)
    ticks = np.interp(seconds, begun, starts)
    beyond = np.maximum(0, seconds - begun[-1]) * score.tpq / (begun[-1] - begun[-2])
    return np.asarray(np.maximum(0, np.rint(ticks + beyond)), np.int64)


def _signatures(ticks: NDArray[np.int64], metre: FoundMetre, first: NDArray[np.int64]) -> tuple[TimeSignature, ...]:
    """A signature at tick 0 and at each downbeat from which bars have another number of beats."""
    counts = metre.beats_in_bar[first]
    found: list[TimeSignature] = []
    for i in np.flatnonzero(np.diff(counts, prepend=0)):
        count = int(counts[i])
        signature = (3 * count, 8) if metre.compound else (count, 4)
        found.append(TimeSignature(int(ticks[i]) if found else 0, *signature))
    return tuple(found)
