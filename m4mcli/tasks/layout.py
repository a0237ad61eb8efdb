"""A request for chords laid out in frames: where they may begin, what is fixed, which rests stay silent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.frames import frame_of, track_frames
from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import Score, Track
from m4mcli.tasks.chord_track import ChordSpan, Melody, chord_spans
from m4mcli.tasks.ground import bar_metre
from m4mcli.tasks.placement import bar_beats, beat_ticks, frame_ticks, has_pickup
from m4mcli.tasks.prompt import Prompt, prompt_of
from m4mcli.tasks.task import TASKS
from m4mcli.tasks.written_chords import fixed_ticks, parse_progression
from m4mcli.theory.chords import Chord

LONG_REST = 128
"""Frames of rest in the melody, eight bars of 4/4, through which the chords go on; longer rests are left silent."""


@dataclass(frozen=True)
class Layout:
    """The melody as the model sees it, and where its frames lie in the piece.

    `ticks` are the exact ticks of the frames in which chords may begin or are fixed; `rests` are stretches of silence
    (start, stop) in frames; `end` is the tick at which the part ends.
    """

    tpq: int
    bars: tuple[Bar, ...]
    melody: Melody
    ticks: dict[int, int]
    end: int
    fixed: tuple[ChordSpan, ...] = ()
    rests: tuple[tuple[int, int], ...] = ()
    prompt: Prompt | None = None

    @property
    def prompt_frames(self) -> int:
        """The frame at which the prompt ends; 0 without one."""
        return self.prompt.frames if self.prompt else 0

    @property
    def struck(self) -> set[int]:
        """The frames in which a chord is struck even where it repeats the one before: bar lines, and what is given."""
        given = {f for span in self.fixed for f in (span.start, span.stop)}
        return given | {frame_of(bar.tick, self.tpq) for bar in self.bars}


def lay_out(
    score: Score,
    notes: NDArray[np.void],
    *,
    chords: str | None = None,
    prompt: Score | None = None,
    per_bar: int | None = None,
    key: tuple[int, bool] | None = None,
) -> Layout:
    """Lay out chords under `notes` (NOTE rows, at least one) of a score.

    `chords` is a written progression; with it the part may go on beyond the melody, to the end of the piece. `prompt`
    is a score that holds the part's first bars; `per_bar` the places for chords in a bar (None: every beat). Raises
    M4mError (status 2) where these do not fit.
    """
    if chords is not None and prompt is not None:
        raise M4mError("--chords and --prompt exclude each other", "give one of them", USAGE)
    tpq, end = score.tpq, int((notes["onset"] + notes["duration"]).max())
    written: list[tuple[int, int, Chord | None]] = []
    if chords is not None:
        last = max(end, score.end)
        written = fixed_ticks(parse_progression(chords), bars(score, last), tpq)
        end = max(end, *(min(stop, last) for _, stop, _ in written), 0)
    places = bars(score, end)
    length = max(1, -(-end * 4 // tpq))
    line = track_frames([Track(notes=notes)], tpq)
    given = None if prompt is None else _prompt(prompt, tpq, length)
    fixed = tuple(_fixed(written, tpq, length))
    if given is not None:
        fixed = tuple(chord_spans(track_frames([Track(notes=given.notes)], tpq)))
    entry, due = _entry(places, tpq, int(line["frame"].min()))
    ticks = beat_ticks(places, tpq, length, per_bar) | frame_ticks((t for a, b, _ in written for t in (a, b)), tpq)
    barlines = frozenset(frame_of(bar.tick, tpq) for bar in places if bar.tick <= end - tpq // 2)
    begin = _begin(ticks, length, entry, barlines, int(line["frame"].max()))
    if not begin[due:].any():
        due = int(np.flatnonzero(begin)[0])
    melody = Melody(line, bar_metre(places, tpq, length), begin, due, key, ends=True)
    silent = fixed if given is None else (ChordSpan(0, given.frames, frozenset(), 0),)
    rests = [r for r in _long_rests(line, places, tpq) if not any(s.start < r[1] and s.stop > r[0] for s in silent)]
    return Layout(tpq, places, melody, ticks, end, fixed, tuple(rests), given)


def _fixed(written: Sequence[tuple[int, int, Chord | None]], tpq: int, length: int) -> Iterator[ChordSpan]:
    for start, stop, chord in written:
        a, b = frame_of(start, tpq), min(frame_of(stop, tpq), length)
        if b > a:
            yield ChordSpan(a, b, chord.pitch_classes if chord else frozenset(), chord.bass if chord else 0)


def _prompt(prompt: Score, tpq: int, length: int) -> Prompt:
    """The prompt's chord track, or all its pitched notes where none is called so, in ticks of the piece."""
    tracks = [t for t in prompt.tracks if len(t.notes) and not t.is_drum]
    if not tracks:
        raise M4mError("--prompt: the file has no pitched notes", "give a file with the part's first bars")
    named = [t for t in tracks if t.name.strip().casefold() == TASKS["harmonize"].track_name.casefold()]
    tracks = named or tracks
    return prompt_of(prompt, tracks, tpq, length)


def _entry(places: tuple[Bar, ...], tpq: int, frame: int) -> tuple[int, int]:
    """The frame from which chords may begin under a melody that enters at `frame`, and that by which they have.

    An entry in the first half of a bar has its chord from the bar line; one in the second half, or in a pickup, is an
    upbeat: from the beat before it, at the latest with the next bar.
    """
    starts = [frame_of(bar.tick, tpq) for bar in places]
    index = max(0, int(np.searchsorted(starts, frame, side="right")) - 1)
    bar = places[index]
    following = frame_of(bar.tick + bar.length, tpq)
    if index == 0 and has_pickup(places, tpq):
        return starts[0], following
    if 2 * frame < starts[index] + following:
        return starts[index], starts[index]
    beats = [frame_of(tick, tpq) for tick in bar_beats(places, index, tpq)]
    return max((f for f in beats if f <= frame), default=starts[index]), following


def _begin(
    ticks: dict[int, int], length: int, entry: int, barlines: frozenset[int], last_onset: int
) -> NDArray[np.bool_]:
    """The frames in which a chord may begin, at least one: from `entry` on, behind the last onset on `barlines`.

    So the last note has one chord a bar.
    """
    begin = np.zeros(length, bool)
    begin[[f for f in ticks if entry <= f < length and (f <= last_onset or f in barlines)]] = True
    if not begin.any():
        begin[min(entry, length - 1)] = True
    return begin


def _long_rests(line: NDArray[np.void], places: tuple[Bar, ...], tpq: int) -> Iterator[tuple[int, int]]:
    """Stretches of more than LONG_REST frames, from the bar line behind a note to where chords may begin again."""
    starts = np.array([frame_of(bar.tick, tpq) for bar in places])
    ends = np.maximum.accumulate(line["frame"] + line["duration"])
    for i in np.flatnonzero(line["frame"][1:] - ends[:-1] > LONG_REST):
        following = starts[starts >= ends[i]]
        stop, _ = _entry(places, tpq, int(line["frame"][i + 1]))
        if len(following) and stop - int(following[0]) > LONG_REST:
            yield int(following[0]), stop
