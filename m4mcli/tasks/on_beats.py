"""Put a piece on its beats: the file's own where its notes fit them, else beats tracked in the notes."""

from dataclasses import dataclass, replace
from typing import Literal

from m4mcli.analysis.beat_map import with_beats
from m4mcli.analysis.beats import UNSURE, tracking
from m4mcli.analysis.grid_check import usable_grid
from m4mcli.analysis.retiming import retimed
from m4mcli.errors import M4mError
from m4mcli.score.read import Reading, read_score

Beats = Literal["auto", "file", "track"]
"""Whose beats: of the file, tracked ones, or tracked where those of the file do not fit the notes."""


@dataclass(frozen=True)
class OnBeats:
    """A piece on its beats, what was decided and why, and what deserves a warning."""

    reading: Reading
    why: str
    warning: str | None = None


def on_beats(reading: Reading, beats: Beats, *, midi: bool) -> OnBeats:
    """The piece as it was read, or, every event at its second, under a tempo map that follows its tracked beats.

    With `midi` the bytes of the file are moved too, where it was one. Raises M4mError where `track` is asked for and
    there is too much music to track beats in.
    """
    if beats == "file" or not reading.score.note_count:
        return OnBeats(reading, "beats of the file")
    usable, why = usable_grid(reading.score) if beats == "auto" else (False, "as asked")
    if usable:
        return OnBeats(reading, f"beats of the file: {why}")
    try:
        found = tracking(reading.score)
    except M4mError as error:
        if beats == "track":
            raise
        return OnBeats(reading, "beats of the file", f"beats of the file: {error.message}")
    grid = found.grid
    said = f"{len(grid.beat_ticks)} beats, {int(grid.downbeat.sum())} bars, confidence {found.confidence:.2f}"
    unsure = f"the beats found are uncertain (confidence {found.confidence:.2f}); see -v, or use --beats file"
    warning = unsure if found.confidence < UNSURE else None
    if reading.midi is None or not midi:
        moved = replace(reading, score=with_beats(reading.score, grid))
    else:
        file = retimed(reading.midi, reading.score, grid)
        moved = replace(reading, score=read_score(file, "the music on its beats").score, midi=file)
    return OnBeats(moved, f"beats tracked: {why}; {said}", warning)
