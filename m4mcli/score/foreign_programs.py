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
from m4mcli.score.score import Score, Track, joined

Place = tuple[int, int]
"""Where a part comes from: its track of the file, from 0, and its channel."""


def places_of(container: Container, score: Score) -> list[Place] | None:
    """The place of each part that plays, of a score as symusic reads `container`; None where that is not clear."""
    from symusic import Score as Source

    if len(container.tracks) > 127:
        return None
    tracks = tuple(marked(chunk, number) for number, chunk in enumerate(container.tracks, 1))
    source: Any = Source.from_midi(container.with_tracks(tracks).to_bytes())
    places, number, channel = [], 0, 0
    for track in source.tracks:
        count = len(track.notes)
        if count and not track.program:
            # The parts of a channel follow each other, that with program 0, which has the mark, before the others.
            notes = track.notes.numpy()
            marks = np.flatnonzero((notes["time"] == 0) & (notes["duration"] == 0))
            if len(marks) != 1:
                return None
            number, channel = int(notes["velocity"][marks[0]]) - 1, int(notes["pitch"][marks[0]])
            count -= 1
        if count:
            places.append((number, channel))
    return places if len(places) == sum(len(track.notes) > 0 for track in score.tracks) else None


def with_foreign_programs(
    chunks: Sequence[bytes], heads: Sequence[Head], places: Sequence[Place], score: Score
) -> Score | None:
    """The score as symusic reads the tracks `chunks`, its notes of program 0 given the programs that other tracks set.

    None where that is not clear.
    """
    changes = _Changes(chunks)
    found: dict[tuple[int, int, int], list[Track]] = {}
    changed = False
    for track, (number, channel) in zip((t for t in score.tracks if len(t.notes)), places, strict=True):
        parts = [track]
        if not track.program and not track.is_drum and not program_told(chunks, heads, number, channel):
            programs = changes.at(track.notes["onset"], number, channel)
            if programs is None:
                return None
            parts = [replace(track, program=int(p), notes=track.notes[programs == p]) for p in np.unique(programs)]
        changed |= any(part.program != track.program for part in parts)
        for part in parts:
            found.setdefault((number, channel, part.program), []).append(part)
    return replace(score, tracks=tuple(map(_together, (found[key] for key in sorted(found))))) if changed else score


def _together(parts: Sequence[Track]) -> Track:
    if len(parts) == 1:
        return parts[0]
    notes = joined(parts)
    return replace(parts[0], notes=notes[np.lexsort((notes["pitch"], notes["onset"]))])


class _Changes:
    """The program changes of the tracks of a file, each track followed when it is first asked for."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self.chunks = chunks
        self.found: dict[int, Followed | None] = {}

    def of(self, number: int) -> Followed | None:
        """The changes of a track; None where it cannot be followed."""
        if number not in self.found:
            self.found[number] = follow(self.chunks[number])
        return self.found[number]

    def at(self, onsets: NDArray[np.int64], number: int, channel: int) -> NDArray[np.int64] | None:
        """The true programs of notes that a track plays on a channel, symusic says with program 0; None: not clear."""
        setters = [i for i, chunk in enumerate(self.chunks) if 0xC0 | channel in chunk]
        if any(self.of(i) is None for i in setters):
            return None
        merged = [change for i in setters if (one := self.of(i)) for change in one.changes[channel]]
        merged.sort(key=lambda change: change[0])
        untold = np.ones(len(onsets), np.bool_)
        own = self.of(number) if number in setters else None
        if own is not None and (mine := own.changes[channel]):
            first = mine[0][0]
            untold = onsets < first
            if channel in own.late:
                if (first, 0) in mine:
                    return None
                untold |= onsets == first
        ticks, programs = (np.array([0, *(change[k] for change in merged)], np.int64) for k in (0, 1))
        return np.where(untold, programs[np.searchsorted(ticks[1:], onsets, "right")], 0)
