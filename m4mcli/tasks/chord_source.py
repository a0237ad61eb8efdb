"""Find the chords of a piece: the track that is asked for, named so or made of block chords; and read them off it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.frames import frame_of, sounding, track_frames
from m4mcli.score.score import Score, Track
from m4mcli.tasks.chord_track import ChordSpan, chord_spans, merged
from m4mcli.tasks.ground import Ground, ground_of
from m4mcli.tasks.melody import find_melody
from m4mcli.tasks.placement import bar_beats

NAMED = re.compile(r"chord|akkord|accord(?!i)|acorde|harmon(?!ica)", re.IGNORECASE)
"""What chord tracks are called."""

WHOLE = 3
"""Pitch classes of a chord that is not part of another one."""

BLOCK = 0.5
"""Share of a part's onsets at which a whole chord begins, from which on it is read chord by chord."""

HEARD = 0.12
"""Share of the sounding time of half a bar from which on a pitch class belongs to its chord."""


@dataclass(frozen=True)
class FoundChords:
    """The chords of a piece, in frames, and the piece up to their end, which is a beat; what was done, in words.

    `broken` tells that they were gathered from a part without block chords: then `reason` is worth a warning.
    """

    spans: tuple[ChordSpan, ...]
    ground: Ground
    reason: str
    broken: bool = False

    @property
    def end(self) -> int:
        """The frame at which the last chord ends."""
        return self.spans[-1].stop


def find_chords(score: Score, choice: str | None = None) -> FoundChords:
    """The chords of the track that `choice` names (number from 1, name, part of a name), or of the likeliest one.

    Without a choice that is a track named for its chords, else the one with the most block chords. Of block chords each
    lasts to the next one, through rests of less than a bar; of any other part what sounds in half a bar is a chord.
    Raises M4mError where there are none, or (status 2) if `choice` does not name one pitched track with notes.
    """
    index, why = _index(score, choice)
    track = score.tracks[index]
    ground = ground_of(score, int((track.notes["onset"] + track.notes["duration"]).max()))
    notes = track_frames([track], score.tpq)
    name = f" {track.name.strip()!r}" if track.name.strip() else ""
    reason, broken = f"chords: track {index + 1}{name}, {why}", blockness(notes) < BLOCK
    if broken:
        reason += "; it has no block chords, so what sounds in half a bar was taken for one"
    spans = merged(_halves(notes, ground) if broken else _held(_gathered(chord_spans(notes), ground), ground), ())
    stop = min((f for f in _beats(ground) if f >= spans[-1].stop), default=ground.length)
    return FoundChords((*spans[:-1], replace(spans[-1], stop=stop)), ground, reason, broken)


def blockness(notes: NDArray[np.void]) -> float:
    """Share 0-1 of the onset frames of FRAME_NOTE rows at which notes of at least WHOLE pitch classes begin."""
    if not len(notes):
        return 0.0
    frames, place = np.unique(notes["frame"], return_inverse=True)
    begun = np.zeros((len(frames), 12), bool)
    begun[place, notes["pitch"] % 12] = True
    return float((begun.sum(axis=1) >= WHOLE).mean())


def _index(score: Score, choice: str | None) -> tuple[int, str]:
    if choice is not None:
        return find_melody(score, choice).indices[0], "as asked"
    pitched = [i for i, track in enumerate(score.tracks) if len(track.notes) and not track.is_drum]
    block = {i: blockness(track_frames([score.tracks[i]], score.tpq)) for i in pitched}
    for i in sorted(pitched, key=lambda i: -block[i]):
        if NAMED.search(score.tracks[i].name):
            return i, "found by its name"
    presence = {i: block[i] * _presence(score.tracks[i], score) for i in pitched if block[i] >= BLOCK}
    if presence:
        return max(presence, key=lambda i: presence[i]), "the one with the most block chords"
    what = "no track has block chords" if pitched else "it has only drums" if score.note_count else "it has no notes"
    raise M4mError(
        f"no chords found: {what}", "name their track with --chords-track, write --chords, or pipe in m4m analyze"
    )


def _presence(track: Track, score: Score) -> float:
    """Share 0-1 of the piece's whole notes in which a track begins something."""
    whole = 4 * score.tpq
    return len(np.unique(track.notes["onset"] // whole)) / (score.end // whole + 1)


def _gathered(spans: Sequence[ChordSpan], ground: Ground) -> Iterator[ChordSpan]:
    """Chords whose notes do not all begin together: a bass and, in the same bar, the rest of its chord, are one."""
    last: ChordSpan | None = None
    after_bass = False
    for span in spans:
        alike = last is not None and ground.bar_of(last.start) == ground.bar_of(span.start)
        bass = len(span.pitch_classes) < WHOLE
        if last and alike and bass and span.pitch_classes <= last.pitch_classes:
            last, after_bass = replace(last, stop=span.stop), True
        elif last and alike and after_bass and last.pitch_classes <= span.pitch_classes:
            last = replace(last, stop=span.stop, pitch_classes=span.pitch_classes)
        else:
            if last:
                yield last
            last, after_bass = span, bass
    if last:
        yield last


def _held(spans: Iterator[ChordSpan], ground: Ground) -> Iterator[ChordSpan]:
    """Each chord lasts to the next one, where less than a bar is between them."""
    kept = list(spans)
    for span, following in pairwise(kept):
        near = following.start - span.stop < ground.metre[min(span.stop, ground.length - 1), 1]
        yield replace(span, stop=following.start) if near else span
    yield kept[-1]


def _halves(notes: NDArray[np.void], ground: Ground) -> Iterator[ChordSpan]:
    """What sounds in each half bar (in each bar, where the beats cannot be halved) as a chord; at least one."""
    roll = sounding(notes, ground.length)
    for start, stop in pairwise([*_half_bars(ground), ground.length]):
        now = roll[start:stop]
        shares = np.bincount(np.arange(128) % 12, weights=now.sum(axis=0), minlength=12)
        if shares.any():
            classes = frozenset(np.flatnonzero(shares >= HEARD * shares.sum()).tolist())
            yield ChordSpan(start, stop, classes, int(now.any(axis=0).argmax()) % 12)


def _half_bars(ground: Ground) -> list[int]:
    edges = set()
    for i, bar in enumerate(ground.bars):
        beats = bar_beats(ground.bars, i, ground.tpq)
        halved = len(beats) >= 4 and len(beats) % 2 == 0
        edges |= {bar.tick, *([beats[len(beats) // 2]] if halved else [])}
    return sorted({frame_of(tick, ground.tpq) for tick in edges})


def _beats(ground: Ground) -> list[int]:
    ticks = (tick for i in range(len(ground.bars)) for tick in bar_beats(ground.bars, i, ground.tpq))
    return [frame_of(tick, ground.tpq) for tick in ticks]
