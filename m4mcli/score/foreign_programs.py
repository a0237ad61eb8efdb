"""Programs that one track of a MIDI file sets for the notes of another, found without reading every track.

`read_score` gives a note whose own track has set no program yet the one that its channel has over all tracks at its
onset; symusic gives it 0.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.container import Container
from m4mcli.score.followed import Followed, follow
from m4mcli.score.heads import Head, marked, program_told
from m4mcli.score.score import Score, Track

NEVER = np.iinfo(np.int64).max


def with_foreign_programs(container: Container, heads: Sequence[Head], score: Score) -> Score | None:
    """The score as symusic reads `container`, its notes of program 0 given the programs that other tracks set.

    None where that is not clear: a program is set at the tick of a note before it, or notes would join another part.
    """
    from symusic import Score as Source

    chunks = container.tracks
    if len(chunks) > 127:
        return None
    tracks = tuple(marked(chunk, number) for number, chunk in enumerate(chunks, 1))
    source: Any = Source.from_midi(container.with_tracks(tracks).to_bytes())
    places = _places(source)
    unsure = [i for i, track in enumerate(score.tracks) if not track.program and not track.is_drum and len(track.notes)]
    if places is None or len(places) != len(unsure):
        return None
    changes = _Changes(chunks)
    found: dict[int, list[Track]] = {}
    for i, (number, channel) in zip(unsure, places, strict=True):
        if program_told(chunks, heads, number, channel):
            continue
        parts = changes.parted(score.tracks[i], number, channel)
        if parts is None:
            return None
        found[i] = parts
    if not found:
        return score
    return replace(score, tracks=tuple(p for i, track in enumerate(score.tracks) for p in found.get(i, [track])))


def _places(source: Any) -> list[tuple[int, int]] | None:
    """Track, from 0, and channel of each part with program 0 that plays more than its mark; None where a mark lacks."""
    places = []
    for track in source.tracks:
        if track.program or track.is_drum or len(track.notes) < 2:
            continue
        notes = track.notes.numpy()
        marks = np.flatnonzero((notes["time"] == 0) & (notes["duration"] == 0))
        if len(marks) != 1:
            return None
        places.append((int(notes["velocity"][marks[0]]) - 1, int(notes["pitch"][marks[0]])))
    return places


class _Changes:
    """The program changes of the tracks of a file, each track followed when it is first asked for."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks
        self.found: dict[int, Followed | None] = {}

    def of(self, number: int) -> "Followed | None":
        """The changes of a track; None where it cannot be followed."""
        if number not in self.found:
            self.found[number] = follow(self.chunks[number])
        return self.found[number]

    def parted(self, track: Track, number: int, channel: int) -> list[Track] | None:
        """The part that a track of the file plays on a channel with program 0, by its true programs."""
        setters = [i for i, chunk in enumerate(self.chunks) if 0xC0 | channel in chunk]
        followed = [self.of(i) for i in setters]
        own = self.of(number) if number in setters else Followed([[]] * 16, frozenset())
        if own is None or None in followed or channel in own.unclear:
            return None
        mine = own.changes[channel]
        merged = sorted((c for f in followed if f for c in f.changes[channel]), key=lambda change: change[0])
        ticks, programs = (np.array([change[k] for change in merged], np.int64) for k in (0, 1))
        onsets = track.notes["onset"]
        untold = onsets < (mine[0][0] if mine else NEVER)
        at = np.searchsorted(ticks, onsets, "right")
        true = np.where(untold & (at > 0), np.append(programs, 0)[at - 1], 0)
        if not true.any():
            return [track]
        return None if mine else _by_program(track, true)


def _by_program(track: Track, programs: NDArray[np.int64]) -> list[Track]:
    return [
        replace(track, program=int(program), notes=track.notes[programs == program]) for program in np.unique(programs)
    ]
