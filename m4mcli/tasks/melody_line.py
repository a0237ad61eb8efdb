"""Write a melody over chords, in frames: canonical key in, samples, the chosen one back in the chords' own key."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.canonical import as_one_instrument, block_chords, shift_for, shifted
from m4mcli.frames.fields import duration_index
from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.consensus import by_likelihood
from m4mcli.generation.draw import Draw, within
from m4mcli.generation.request import Progress, Request
from m4mcli.generation.rules import Rules
from m4mcli.models.network import Network
from m4mcli.tasks.chord_track import ChordSpan
from m4mcli.tasks.melody_choice import by_fit
from m4mcli.tasks.pace import paced_samples
from m4mcli.tasks.task import TASKS, Choice
from m4mcli.theory.keys import estimate_key

TASK = TASKS["melodize"]

USUAL = 64, 82
"""The octave and a half, in canonical key and octave, that holds nine tenths of the melodies it was trained on."""

BELOW_PROMPT, ABOVE_PROMPT = 13, 17
"""How far from the mean pitch of its beginning a melody goes: as far as those of nine tenths of the songs do."""

LONG_REST = 128
"""Frames without chords through which the melody goes on; longer rests are left silent."""


@dataclass(frozen=True)
class Changes:
    """What a melody is written over: chords, at least one, by start; metre (length, 3); `key` (tonic, minor) if told.

    Notes may begin from the frame `first` on.
    """

    spans: tuple[ChordSpan, ...]
    metre: NDArray[np.integer]
    first: int = 0
    key: tuple[int, bool] | None = None

    @property
    def length(self) -> int:
        """Frames."""
        return len(self.metre)

    @property
    def likely_key(self) -> tuple[int, bool]:
        """The key that is told or estimated; where none stands out, that of the last chord over its bass."""
        histogram = np.zeros(12)
        for span in self.spans:
            histogram[list(span.pitch_classes)] += span.stop - span.start
        last = next((s for s in reversed(self.spans) if s.pitch_classes), self.spans[-1])
        minor = {3, 4} & {(p - last.bass) % 12 for p in last.pitch_classes} == {3}
        return self.key or estimate_key(histogram) or (last.bass, minor)

    @property
    def open(self) -> NDArray[np.bool_]:
        """Frames (length,) in which a note may begin: not before the first, nor in long rests."""
        begin = np.arange(self.length) >= self.first
        for span, following in pairwise(s for s in self.spans if s.pitch_classes):
            if following.start - span.stop > LONG_REST:
                begin[span.stop : following.start] = False
        return begin

    def moved(self, semitones: int) -> NDArray[np.void]:
        """The chords transposed, as canonical block chords."""
        spans = [s.moved(semitones) for s in self.spans if s.pitch_classes]
        return block_chords([(s.start, s.stop, s.pitch_classes, s.bass) for s in spans])


@dataclass(frozen=True)
class Compass:
    """Where a melody lies: semitones from its own key and octave to the canonical ones, its lowest and highest pitch.

    Raises M4mError (status 2) for a range without pitches.
    """

    shift: int
    lowest: int
    highest: int

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.highest <= 127:
            raise M4mError(f"no pitches from {self.lowest} to {self.highest}", "write a range such as C4-A5", USAGE)

    @property
    def rules(self) -> Rules:
        """The task's rules within the range, in canonical octave."""
        lowest, highest = (int(np.clip(p + self.shift, 0, 127)) for p in (self.lowest, self.highest))
        return replace(TASK.rules, lowest=lowest, highest=highest)


def compass_between(key: tuple[int, bool], lowest: int, highest: int) -> Compass:
    """The compass of a melody in a key that is to stay from one MIDI pitch to another."""
    middle = np.array([(0, 0, (lowest + highest) // 2, 1)], FRAME_NOTE)
    return Compass(shift_for(middle, key), lowest, highest)


def compass_around(key: tuple[int, bool], centre: float) -> Compass:
    """The usual compass of melodies in a key, in the octave whose middle is next to a MIDI pitch: it moves with the
    key, so that the melody does."""
    by_class = (9 if key[1] else 0) - key[0]
    shift = by_class + 12 * round((sum(USUAL) / 2 - centre - by_class) / 12)
    lowest, highest = (p - shift for p in USUAL)
    return Compass(shift, lowest, highest)


def compass_of(key: tuple[int, bool], prompt: NDArray[np.void]) -> Compass:
    """The compass of a melody that begins with FRAME_NOTE rows (n > 0)."""
    mean = float(np.average(prompt["pitch"], weights=prompt["duration"]))
    lowest = min(int(prompt["pitch"].min()), round(mean) - BELOW_PROMPT)
    highest = max(int(prompt["pitch"].max()), round(mean) + ABOVE_PROMPT)
    return Compass(shift_for(prompt, key), max(0, lowest), min(127, highest))


def write_lines(
    network: Network,
    changes: Changes,
    compass: Compass,
    how: Draw,
    *,
    prompt: NDArray[np.void] | None = None,
    prompt_frames: int = 0,
    density: float = 1.0,
    choice: Choice = TASK.choice,
    progress: Progress | None = None,
) -> list[NDArray[np.void]]:
    """`how.count` melodies as FRAME_NOTE rows, the prompt's notes (FRAME_NOTE rows, one at a time) at their beginning.

    No two notes sound at once, all but the prompt's lie within the compass, none goes on beyond the last frame.
    `density` multiplies the usual number of notes. Raises M4mError where a melody would have no notes.
    """
    given = np.zeros(0, FRAME_NOTE) if prompt is None else prompt
    request = Request(
        reference=changes.moved(compass.shift),
        metre=changes.metre,
        length=changes.length,
        begin=changes.open,
        fixed=np.arange(changes.length) < prompt_frames,
        fixed_notes=as_one_instrument(shifted(given, compass.shift)),
    )

    def new_notes(seed: int, told: Progress | None) -> NDArray[np.void]:
        once = replace(how, seed=seed, count=1)
        samples = paced_samples(network, request, compass.rules, once, density, prompt_frames, told)
        order = by_likelihood(samples) if choice == "likelihood" else by_fit(samples, request, prompt_frames)
        made = samples[order[0]].notes
        new: NDArray[np.void] = made[made["frame"] >= prompt_frames]
        if not len(new) and request.begin[prompt_frames:].any():
            raise M4mError("the model wrote rests alone", "try another --seed, or a higher --temperature")
        return new

    lines = []
    for i in range(how.count):
        new = new_notes(how.seed + i, within(progress, i, how.count))
        line = np.concatenate((given, shifted(new, -compass.shift)))
        lines.append(one_at_a_time(line, changes.length))
    return lines


def one_at_a_time(notes: NDArray[np.void], length: int) -> NDArray[np.void]:
    """A line, FRAME_NOTE rows in order with one onset each, in which no note sounds on when the next begins.

    A note that could last to the next one's onset or to the end, `length`, and be told by the same step of the scale of
    durations, does.
    """
    line = notes.copy()
    room = np.diff(line["frame"], append=length)
    fills = duration_index(room) == duration_index(line["duration"])
    line["duration"] = np.where(fills, room, np.minimum(line["duration"], room))
    return line
