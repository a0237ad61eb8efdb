"""What may be written where: rules as data, and the masks they give, small pure functions over arrays.

A mask is True where a value may be chosen. Rows are pieces of a batch; `last` is the note written before in the same frame.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.fields import DURATIONS, END, MAX_NOTES, OCTAVES, SIZES, TONES
from m4mcli.frames.frames import DRUMS

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """Constraints on a part.

    `instruments` that may play; `lowest`..`highest` pitch of pitched notes; `drum_sounds` that may be hit; `at_most` and
    `at_least` notes where anything begins; `chords`: each frame's notes are one chord in close position above its bass, whose
    octave is `bass_octave`; `continuous`: something always sounds from the first note on.
    """

    instruments: tuple[int, ...] = tuple(range(END))
    lowest: int = 0
    highest: int = 127
    drum_sounds: tuple[int, ...] = tuple(range(128))
    at_most: int = MAX_NOTES
    at_least: int = 1
    chords: bool = False
    bass_octave: int = 3
    continuous: bool = False
    tables: dict[str, Mask] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        allowed = np.zeros(SIZES[0], bool)
        allowed[list(self.instruments)] = True
        drums = np.zeros(TONES, bool)
        drums[[12 + s for s in self.drum_sounds]] = True
        pitch = np.arange(OCTAVES)[:, None] * 12 + np.arange(12)[None, :]
        in_range = (pitch >= self.lowest) & (pitch <= min(self.highest, 127))
        object.__setattr__(self, "tables", {"instruments": allowed, "drums": drums, "range": in_range})


@dataclass(frozen=True)
class Last:
    """The note written before in the frame, and the frame's first: -1 where there is none yet. `count` notes so far."""

    instrument: int = -1
    pitch: int = -1
    first_pitch: int = -1
    count: int = 0


def pitches_left(rules: Rules, last: Last, instrument: int) -> Mask:
    """(OCTAVES, 12) pitches that a pitched instrument may play next: in range, above what it played before."""
    pitch = np.arange(OCTAVES)[:, None] * 12 + np.arange(12)[None, :]
    left: Mask = rules.tables["range"].copy()
    if rules.chords:
        if last.count == 0:
            left &= pitch // 12 == rules.bass_octave
        else:
            left &= (pitch > last.pitch) & (pitch < last.first_pitch + 12)
    elif instrument == last.instrument:
        left &= pitch > last.pitch
    return left


def drums_left(rules: Rules, last: Last) -> Mask:
    """(TONES,) drum sounds that may be hit next: allowed, above the one before."""
    left: Mask = rules.tables["drums"].copy()
    if last.instrument == DRUMS:
        left[: 12 + last.pitch + 1] = False
    return left


def instrument_mask(rules: Rules, last: Last, *, must_begin: bool, may_begin: bool) -> Mask:
    """(130,) instruments that may play next, and END. Instruments come in order; each must have a pitch left to play.

    `must_begin`: the frame may not stay empty; `may_begin`: it may hold onsets at all.
    """
    mask = np.zeros(SIZES[0], bool)
    enough = last.count >= rules.at_least if last.count else not must_begin
    mask[END] = enough
    if may_begin and last.count < rules.at_most:
        mask |= rules.tables["instruments"]
        mask[: max(last.instrument, 0)] = False
        if rules.chords and last.count:
            mask[[i for i in rules.instruments if i != last.instrument]] = False
        for instrument in {last.instrument, DRUMS} & set(np.flatnonzero(mask).tolist()):
            if not tone_mask(rules, last, int(instrument)).any():
                mask[instrument] = False
        if not rules.tables["range"].any():
            mask[:DRUMS] = False
    if not mask.any():
        mask[END] = True
    return mask


def tone_mask(rules: Rules, last: Last, instrument: int) -> Mask:
    """(140,) tones that an instrument may play next."""
    if instrument == DRUMS:
        return drums_left(rules, last)
    mask = np.zeros(TONES, bool)
    mask[:12] = pitches_left(rules, last, instrument).any(axis=0)
    return mask


def octave_mask(rules: Rules, last: Last, instrument: int, tone: int) -> Mask:
    """(11,) octaves in which a tone may be played."""
    if instrument == DRUMS:
        return np.arange(OCTAVES) == 0
    mask: Mask = pitches_left(rules, last, instrument)[:, tone]
    if rules.chords and last.count:
        mask = mask & (np.cumsum(mask) == 1)
    return mask


def duration_mask(frames_left: int) -> Mask:
    """(16,) durations that end within the music; the shortest always may be chosen."""
    mask: Mask = frames_left >= DURATIONS
    mask[0] = True
    return mask
