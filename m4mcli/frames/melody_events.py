"""A melody as one event per 16th: a note begins, the note ends, or nothing happens; 130 events.

Source: A. Roberts et al., arXiv 1803.05428, section 4: 128 pitches, note-off and hold, sixteen to a 4/4 bar.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAMES_PER_QUARTER, frame_of, tick_of
from m4mcli.score.metre import bars
from m4mcli.score.score import NOTE, Score

OFF, HOLD, EVENTS = 128, 129, 130
"""The note ends; all stays as it is; how many events there are. Those below OFF are pitches that begin."""

BAR = 4 * FRAMES_PER_QUARTER
"""Events of a 4/4 bar."""

VELOCITY = 80

Events = NDArray[np.int64]


def melody_events(score: Score) -> Events:
    """All of a score's notes as one voice (n,): of notes that sound together the highest; each ends where one begins.

    Time is counted from tick 0 in the score's own beats.
    """
    notes = [t.notes for t in score.tracks if not t.is_drum and len(t.notes)]
    if not notes:
        return np.full(0, OFF, np.int64)
    joined = np.concatenate(notes)
    first = [frame_of(int(tick), score.tpq) for tick in joined["onset"]]
    stop = [
        max(a + 1, frame_of(int(t), score.tpq))
        for a, t in zip(first, joined["onset"] + joined["duration"], strict=True)
    ]
    highest: dict[int, tuple[int, int]] = {}
    for onset, end, pitch in zip(first, stop, joined["pitch"].tolist(), strict=True):
        highest[onset] = max(highest.get(onset, (-1, 0)), (pitch, end))
    events = np.full(max(stop), HOLD, np.int64)
    onsets = sorted(highest)
    for onset, following in zip(onsets, [*onsets[1:], len(events)], strict=True):
        pitch, end = highest[onset]
        events[onset] = pitch
        if end < following:
            events[end] = OFF
    return events


def melody_notes(events: Events, tpq: int, velocity: int = VELOCITY) -> NDArray[np.void]:
    """The notes of events (n,), in ticks; a note that nothing ends lasts to the end. A hold after nothing is a rest."""
    rows, began, pitch = [], 0, -1
    for frame, event in enumerate([*events.tolist(), OFF]):
        if event == HOLD:
            continue
        if pitch >= 0:
            rows.append((tick_of(began, tpq), tick_of(frame, tpq) - tick_of(began, tpq), pitch, velocity))
        began, pitch = frame, event if event < OFF else -1
    return np.array(rows, NOTE)


def moved(events: NDArray[np.integer], semitones: int) -> NDArray[np.integer]:
    """Events so many semitones higher; by octaves less where a pitch would leave 0..127."""
    notes = events[events < OFF]
    while len(notes) and semitones and not 0 <= notes.min() + semitones <= notes.max() + semitones <= 127:
        semitones -= int(np.sign(semitones)) * min(12, abs(semitones))
    return np.where(events < OFF, events + semitones, events)


def padded(events: Events, length: int) -> Events:
    """Events with rests behind them, so that they are a whole number of windows of `length`, at least one."""
    missing = -len(events) % length if len(events) else length
    behind = np.full(missing, HOLD, np.int64)
    if missing and len(events) and events[-1] != OFF:
        behind[0] = OFF
    return np.concatenate((events, behind))


def bar_starts(score: Score, length: int) -> list[int]:
    """Where windows of `length` events may begin: bar lines (in events) behind which all bars in it are of 4/4."""
    found = bars(score)
    starts = {frame_of(b.tick, score.tpq): frame_of(b.tick + b.length, score.tpq) for b in found}
    whole = {start for start, stop in starts.items() if stop - start == BAR}
    return [start for start in sorted(whole) if all(start + ahead in whole for ahead in range(0, length, BAR))]


@dataclass(frozen=True)
class Told:
    """How far events were told again: counts of events and of notes, those that are right, and notes written."""

    events: int = 0
    events_right: int = 0
    notes: int = 0
    notes_right: int = 0
    notes_written: int = 0

    def __add__(self, other: "Told") -> "Told":
        return Told(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def accuracy(self) -> float:
        """Share of the events that are right."""
        return self.events_right / max(1, self.events)

    @property
    def note_accuracy(self) -> float:
        """Notes with the same pitch at the same 16th, as a share of the real notes, or of those written if more."""
        return self.notes_right / max(1, self.notes, self.notes_written)


def told_again(real: NDArray[np.integer], written: NDArray[np.integer]) -> Told:
    """How far events are those that were to be told again; both of one shape."""
    same, notes = real == written, real < OFF
    return Told(real.size, int(same.sum()), int(notes.sum()), int((same & notes).sum()), int((written < OFF).sum()))
