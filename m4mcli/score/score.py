"""A piece of music as plain arrays: what every reader returns and every task works on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

NOTE = np.dtype([("onset", "i8"), ("duration", "i8"), ("pitch", "i2"), ("velocity", "i2")])
"""One note: onset and duration in ticks, MIDI pitch 0-127, velocity 1-127."""

NOTE_BYTES = np.dtype((np.void, NOTE.itemsize))
"""A note as mere bytes: numpy joins arrays of fields field by field, ten times slower."""

CONTROL = np.dtype([("tick", "i8"), ("number", "i2"), ("value", "i2")])
"""One control change: tick, controller number 0-127, value 0-127."""

BEND = np.dtype([("tick", "i8"), ("value", "i4")])
"""One pitch bend: tick, value -8192..8191."""

PEDAL = np.dtype([("tick", "i8"), ("duration", "i8")])

DRUM_CHANNEL = 9


def notes_array(rows: list[tuple[int, int, int, int]] | None = None) -> NDArray[np.void]:
    """Notes from (onset, duration, pitch, velocity) rows, ordered by onset, then pitch."""
    notes = np.array(rows or [], dtype=NOTE)
    return notes[np.lexsort((notes["pitch"], notes["onset"]))]


@dataclass(frozen=True)
class Track:
    """One part: its notes in ticks, ordered by onset then pitch, and what goes with them."""

    name: str = ""
    program: int = 0
    is_drum: bool = False
    notes: NDArray[np.void] = field(default_factory=notes_array)
    controls: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, CONTROL))
    bends: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, BEND))
    lyrics: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Tempo:
    """From `tick` on, a quarter note lasts `microseconds`."""

    tick: int
    microseconds: int


@dataclass(frozen=True)
class TimeSignature:
    """From `tick` on, bars of `numerator`/`denominator`."""

    tick: int
    numerator: int
    denominator: int


@dataclass(frozen=True)
class KeySignature:
    """From `tick` on, `fifths` sharps (negative: flats); `minor` names the mode."""

    tick: int
    fifths: int
    minor: bool


@dataclass(frozen=True)
class Score:
    """A whole piece. All times are in ticks, `tpq` ticks to the quarter note."""

    tpq: int
    tracks: tuple[Track, ...] = ()
    tempos: tuple[Tempo, ...] = ()
    time_signatures: tuple[TimeSignature, ...] = ()
    key_signatures: tuple[KeySignature, ...] = ()
    markers: tuple[tuple[int, str], ...] = ()

    @cached_property
    def end(self) -> int:
        """The tick at which the last note ends; 0 for a piece without notes."""
        notes = joined(self.tracks)
        return int((notes["onset"] + notes["duration"]).max(initial=0))

    @property
    def note_count(self) -> int:
        """How many notes the piece has."""
        return sum(len(t.notes) for t in self.tracks)

    def with_track(self, track: Track) -> "Score":
        """The same piece with one more track at the end."""
        return replace(self, tracks=(*self.tracks, track))


def joined(tracks: Sequence[Track]) -> NDArray[np.void]:
    """The notes of tracks one after another, in one array."""
    if not tracks:
        return notes_array()
    return np.concatenate([track.notes.view(NOTE_BYTES) for track in tracks]).view(NOTE)
