"""From music to the tokens of the scheme `mmm`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.container import counted
from m4mcli.score.metre import bars
from m4mcli.score.score import Score, Track
from m4mcli.tokens.losses import without_tokens
from m4mcli.tokens.mmm_vocabulary import (
    BAR,
    BARS,
    DENSITY,
    DRUM,
    DRUMS,
    DURATION,
    FIRST,
    LENGTHS,
    METRE,
    PER_QUARTER,
    PER_SIXTEENTH,
    PITCH,
    POSITION,
    PROGRAM,
    START,
    STOP,
    TRACK,
    TRACKS,
    density,
    metres_of,
)
from m4mcli.tokens.mmt import DURATIONS
from m4mcli.tokens.scheme import Tokens, TokenTrack
from m4mcli.tokens.times import closest

Ids = NDArray[np.int64]

SPAN = 2 * 129
"""Numbers for what may stand at one position: itself, then pitch by pitch two ids."""


@dataclass(frozen=True)
class Bars:
    """The bars of a piece: places of their metres, and where each begins, with the end, in 12ths of a quarter."""

    metres: tuple[int, ...]

    @property
    def edges(self) -> Ids:
        """(bars + 1,)."""
        lengths = LENGTHS[list(self.metres)] if self.metres else LENGTHS[:0]
        return np.concatenate(([0], np.cumsum(lengths * PER_SIXTEENTH)))


@dataclass(frozen=True)
class Part:
    """A track's notes in 12ths of a quarter note; `program` 128 are the drums, whose lengths are not told."""

    program: int
    onset: Ids
    duration: Ids
    pitch: Ids


def encode(score: Score) -> tuple[Tokens, tuple[str, ...]]:
    """The tokens of a piece, and warnings: what was moved, what was left out."""
    told, changed, whole = _bars(score) if score.note_count else (Bars(()), 0, True)
    end = int(told.edges[-1])
    sounding = [track for track in score.tracks if len(track.notes)]
    parts, moved, late, doubled = [], 0, 0, 0
    for track in sounding[:TRACKS]:
        part, off = _part(track, PER_QUARTER / score.tpq)
        if whole:
            # A note near the end may have gone to the line behind the last bar.
            np.minimum(part.onset, end - 1, out=part.onset)
        inside = part.onset < end
        kept, same = _once(part, inside)
        parts.append(kept)
        moved, late, doubled = moved + off, late + int((~inside).sum()), doubled + same
    left = sum(len(track.notes) for track in sounding[TRACKS:])
    ids = ids_of(told, parts)
    tracks = tuple(TokenTrack(t.name, t.program, t.is_drum) for t in sounding[:TRACKS])
    warnings = []
    if moved:
        warnings.append(f"off-grid: {moved} of {counted(score.note_count, 'note')} moved to the nearest 12th of a beat")
    if changed:
        warnings.append(f"metre: {counted(changed, 'bar')} told in other metres")
    if doubled:
        warnings.append(f"doubled: {counted(doubled, 'note')} of one pitch and onset left out")
    if late:
        warnings.append(f"too-long: {counted(late, 'note')} left out, behind bar {BARS}")
    if left:
        warnings.append(f"many-tracks: {counted(left, 'note')} of more than {TRACKS} tracks left out")
    return Tokens("mmm", ids, score.tpq, tracks), (*warnings, *without_tokens(score))


def _bars(score: Score) -> tuple[Bars, int, bool]:
    """The piece's bars on 16ths, how many are told in other metres, and whether these are all."""
    found: list[int] = []
    changed = 0
    for bar in bars(score):
        if len(found) >= BARS:
            return Bars(tuple(found[:BARS])), changed, False
        first, last = (round(tick * 4 / score.tpq) for tick in (bar.tick, bar.tick + bar.length))
        metres = metres_of(last - first, bar.numerator, bar.denominator)
        changed += len(metres) != 1 or LENGTHS[metres[0]] * bar.denominator != 16 * bar.numerator
        found += metres
    return Bars(tuple(found[:BARS])), changed, len(found) <= BARS


def _part(track: Track, scale: float) -> tuple[Part, int]:
    """A track's notes on the grid, and how many of them were moved."""
    onset, length = track.notes["onset"] * scale, track.notes["duration"] * scale
    start, place = np.floor(onset + 0.5).astype(np.int64), closest(DURATIONS, length)
    off = start != onset
    if not track.is_drum:
        off |= DURATIONS[place] != length
    program = DRUMS if track.is_drum else track.program
    return Part(program, start, DURATIONS[place], track.notes["pitch"].astype(np.int64)), int(off.sum())


def _once(part: Part, inside: NDArray[np.bool_]) -> tuple[Part, int]:
    """The notes inside, of those of one onset and pitch the longest, in order; and how many were doubled."""
    onset, duration, pitch = (x[inside] for x in (part.onset, part.duration, part.pitch))
    order = np.lexsort((-duration, pitch, onset))
    onset, duration, pitch = onset[order], duration[order], pitch[order]
    new = np.ones(len(onset), np.bool_)
    new[1:] = (np.diff(onset) > 0) | (np.diff(pitch) > 0)
    return Part(part.program, onset[new], duration[new], pitch[new]), int((~new).sum())


def ids_of(told: Bars, parts: Sequence[Part]) -> Ids:
    """The ids of a piece whose parts lie in these bars, each pitch of a part once at a time, in order."""
    head = [FIRST[START], *(FIRST[METRE] + place for place in told.metres)]
    return np.concatenate([np.array(head, np.int64), *(_track_ids(told, part) for part in parts), [FIRST[STOP]]])


def _track_ids(told: Bars, part: Part) -> Ids:
    edges = told.edges
    bar = np.searchsorted(edges, part.onset, side="right") - 1
    position, number = part.onset - edges[bar], np.arange(len(told.metres))
    width = int(LENGTHS.max()) * PER_SIXTEENTH + 1
    new = np.ones(len(bar), np.bool_)
    new[1:] = np.diff(part.onset) > 0
    at = (bar * width + position + 1) * SPAN
    drums = part.program == DRUMS
    pitches = FIRST[DRUM if drums else PITCH] + part.pitch
    durations = FIRST[DURATION] + np.searchsorted(DURATIONS, part.duration)
    where = [number * width * SPAN, at[new], at + 2 * part.pitch + 2]
    ids = [np.full(len(number), FIRST[BAR]), FIRST[POSITION] + position[new], pitches]
    if not drums:
        where.append(at + 2 * part.pitch + 3)
        ids.append(durations)
    body = np.concatenate(ids)[np.argsort(np.concatenate(where), kind="stable")]
    sounding = np.unique(bar)
    quarters = LENGTHS[np.array(told.metres, np.int64)[sounding]].sum() / 4
    level = int(density(np.array(len(bar)), quarters))
    return np.concatenate(([FIRST[TRACK], FIRST[PROGRAM] + part.program, FIRST[DENSITY] + level], body))
