"""What may be written where: rules as data, and the masks they give, small pure functions over arrays.

A mask is True where a value may be chosen; `last` is the note written before in the same frame. Within a frame notes
come by instrument, then by pitch, upwards, as in what the network was trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.fields import DURATIONS, END, MAX_NOTES, OCTAVES, SIZES, TONES
from m4mcli.frames.frames import DRUMS

Mask = NDArray[np.bool_]


PITCH = np.arange(OCTAVES)[:, None] * 12 + np.arange(12)[None, :]
"""(OCTAVES, 12) the pitch of each octave and pitch class."""


@dataclass(frozen=True)
class Part:
    """What one pitched instrument may play, or how many drums may be hit at once.

    `lowest`..`highest` pitch (drums have no use for them); `at_most` notes of it begin in a frame; `monophonic`: none
    of its notes sounds beyond the next one's onset, which is for whoever places the notes to see to.
    """

    instrument: int
    lowest: int = 0
    highest: int = 127
    at_most: int = MAX_NOTES
    monophonic: bool = False


@dataclass(frozen=True)
class Rules:
    """Constraints on what is written.

    `instruments` that may play; `lowest`..`highest` pitch of pitched notes; `drum_sounds` that may be hit; `at_most`
    and `at_least` notes where anything begins; `chords`: each frame's notes are one chord in close position above its
    bass, whose octave is `bass_octave`; `continuous`: something always sounds from the first note on; `parts`: narrower
    bounds of single instruments, which chords do not have. Raises M4mError where no frame could hold `at_least` notes.
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
    parts: tuple[Part, ...] = ()
    tables: dict[str, Mask] = field(init=False, repr=False, compare=False)
    room_after: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    ranges: dict[int, Mask] = field(init=False, repr=False, compare=False)
    limits: dict[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        allowed = np.zeros(SIZES[0], bool)
        allowed[list(self.instruments)] = True
        drums = np.zeros(TONES, bool)
        drums[[12 + s for s in self.drum_sounds]] = True
        pitch = PITCH
        in_range = (pitch >= self.lowest) & (pitch <= min(self.highest, 127))
        object.__setattr__(self, "tables", {"instruments": allowed, "drums": drums, "range": in_range})
        ranges = {p.instrument: in_range & (pitch >= p.lowest) & (pitch <= p.highest) for p in self.parts}
        object.__setattr__(self, "ranges", ranges)
        object.__setattr__(self, "limits", {p.instrument: p.at_most for p in self.parts})
        if self.chords and self.parts:
            raise M4mError("chords have no bounds of single instruments", status=USAGE)
        room = np.where(np.arange(SIZES[0]) == DRUMS, drums.sum(), in_range.sum()) * allowed
        for part in self.parts:
            held = room[DRUMS] if part.instrument == DRUMS else ranges[part.instrument].sum()
            room[part.instrument] = min(int(held), part.at_most) * allowed[part.instrument]
        after = room.sum() - np.cumsum(room)
        object.__setattr__(self, "room_after", after * (not self.chords))
        if not 1 <= self.at_least <= self.at_most:
            raise M4mError(f"at least {self.at_least} notes and at most {self.at_most} in a frame", status=USAGE)
        if not instrument_mask(self, Last(), must_begin=True, may_begin=True)[:END].any():
            raise M4mError("these rules leave nothing to play", "allow more instruments or a wider range", USAGE)


@dataclass(frozen=True)
class Last:
    """The note written before in the frame, and the frame's first: -1 where there is none yet.

    `count` notes so far, `own_count` of them by the instrument written before (untold: 1).
    """

    instrument: int = -1
    pitch: int = -1
    first_pitch: int = -1
    count: int = 0
    own_count: int = 1


def enough_above(left: Mask, wanted: int, reach: int = 128) -> Mask:
    """Of what is left, what has `wanted` more of it above, fewer than `reach` higher. The array is in rising order."""
    flat = left.reshape(-1)
    upto = np.concatenate(([0], np.cumsum(flat)))
    index = np.arange(len(flat))
    above = upto[np.minimum(index + reach, len(flat))] - upto[index + 1]
    kept: Mask = left & (above >= wanted).reshape(left.shape)
    return kept


def wanted_after(rules: Rules, last: Last, instrument: int) -> int:
    """How many notes of an instrument must at least follow the next one, for the frame to come to `at_least`."""
    return max(0, rules.at_least - last.count - 1 - int(rules.room_after[instrument]))


def may_still(rules: Rules, last: Last, instrument: int) -> int:
    """How many more notes an instrument may begin in the frame, as far as its own bound goes."""
    limit = rules.limits.get(instrument, 128)
    return limit - last.own_count if instrument == last.instrument else limit


def enough_left(rules: Rules, last: Last, instrument: int, left: Mask) -> Mask:
    """Of what an instrument has left, in rising order, what it may play so that the frame can come to `at_least`."""
    wanted, more = wanted_after(rules, last, instrument), may_still(rules, last, instrument)
    return enough_above(left, wanted) if wanted < more else np.zeros_like(left)


def pitches_left(rules: Rules, last: Last, instrument: int) -> Mask:
    """(OCTAVES, 12) pitches that a pitched instrument may play next.

    In range, above what it played before, and not so high that no room is left for the notes that must follow.
    """
    pitch = PITCH
    left: Mask = rules.ranges.get(instrument, rules.tables["range"]).copy()
    if rules.chords and last.count == 0:
        left = enough_above(left, wanted_after(rules, last, instrument), 12)
        left &= pitch // 12 == rules.bass_octave
        return left
    if rules.chords:
        left &= (pitch > last.pitch) & (pitch < last.first_pitch + 12)
    elif instrument == last.instrument:
        left &= pitch > last.pitch
    if rules.chords:
        return enough_above(left, wanted_after(rules, last, instrument))
    return enough_left(rules, last, instrument, left)


def drums_left(rules: Rules, last: Last) -> Mask:
    """(TONES,) drum sounds that may be hit next: allowed, above the one before."""
    left: Mask = rules.tables["drums"].copy()
    if last.instrument == DRUMS:
        left[: 12 + last.pitch + 1] = False
    return enough_left(rules, last, DRUMS, left)


def instrument_mask(rules: Rules, last: Last, *, must_begin: bool, may_begin: bool) -> Mask:
    """(130,) instruments that may play next, and END. Each must have something left to play.

    `must_begin`: the frame may not stay empty; `may_begin`: it may hold onsets at all.
    """
    mask = np.zeros(SIZES[0], bool)
    mask[END] = last.count >= rules.at_least if last.count else not must_begin
    if may_begin and last.count < rules.at_most:
        mask |= rules.tables["instruments"]
        mask[: max(last.instrument, 0)] = False
        if rules.chords and last.count:
            mask[last.instrument + 1 : END] = False
        mask[:DRUMS] &= _pitched(rules, last)
        if mask[DRUMS]:
            mask[DRUMS] = drums_left(rules, last).any() and not rules.chords
    if not mask.any():
        mask[END] = True
    return mask


def _pitched(rules: Rules, last: Last) -> Mask:
    """(128,) pitched instruments that have a pitch left to play."""
    if rules.chords:
        return np.full(DRUMS, pitches_left(rules, last, 0).any())
    wanted = np.maximum(0, rules.at_least - last.count - 1 - rules.room_after[:DRUMS])
    mask: Mask = rules.tables["range"].sum() > wanted
    for instrument in rules.ranges.keys() - {DRUMS}:
        mask[instrument] = pitches_left(rules, last, instrument).any()
    if 0 <= last.instrument < DRUMS:
        mask[last.instrument] = pitches_left(rules, last, last.instrument).any()
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
        lowest: Mask = np.arange(OCTAVES) == 0
        return lowest
    mask: Mask = pitches_left(rules, last, instrument)[:, tone].copy()
    if rules.chords and last.count:
        mask &= np.cumsum(mask) == 1
    return mask


def duration_mask(frames_left: int) -> Mask:
    """(16,) durations that end within the music; the shortest always may be chosen."""
    mask = np.array(frames_left >= DURATIONS, dtype=bool)
    mask[0] = True
    return mask


class Masks:
    """The masks of each field under rules, each made once: the same few places come again in every frame."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._made: dict[tuple[object, ...], Mask] = {}

    def field(self, index: int, last: Last, chosen: Sequence[int], must_begin: bool, frames_left: int) -> Mask:
        """What field `index` of a note may be, in a frame that may hold onsets, after the fields `chosen` before it."""
        left = min(frames_left, int(DURATIONS[-1]))
        place = (index, left) if index == 3 else (index, last, must_begin, *chosen[:index])
        if place not in self._made:
            self._made[place] = self._make(index, last, chosen, must_begin, left)
        return self._made[place]

    def _make(self, index: int, last: Last, chosen: Sequence[int], must_begin: bool, frames_left: int) -> Mask:
        match index:
            case 0:
                return instrument_mask(self.rules, last, must_begin=must_begin, may_begin=True)
            case 1:
                return tone_mask(self.rules, last, chosen[0])
            case 2:
                return octave_mask(self.rules, last, chosen[0], chosen[1])
        return duration_mask(frames_left)
