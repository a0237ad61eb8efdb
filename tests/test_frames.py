"""Frames: ticks to 16ths and back, metre, the fields that a model reads and writes."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from m4mcli.frames.decisions import row_classes, target_rows
from m4mcli.frames.fields import (
    DURATIONS,
    END,
    HELD,
    MAX_HELD,
    MAX_NOTES,
    ONSET,
    SIZES,
    UNKNOWN_METRE,
    active_fields,
    duration_index,
    field_notes,
    metre_fields,
    note_fields,
    thinned,
)
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, frame_of, in_order, metre_frames, sounding, tick_of, track_frames
from m4mcli.score.metre import bars
from m4mcli.score.score import Score, TimeSignature, Track, notes_array

INSTRUMENTS = st.one_of(st.just(DRUMS), st.integers(0, 127))
ROWS = st.lists(st.tuples(st.integers(0, 60), INSTRUMENTS, st.integers(0, 127), st.integers(1, 90)), max_size=40)

SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def frame_notes(rows: list[tuple[int, int, int, int]]) -> NDArray[np.void]:
    return in_order(np.array(rows, FRAME_NOTE))


@SETTINGS
@given(st.integers(0, 100_000), st.integers(4, 32767))
def test_a_frame_is_the_frame_of_its_tick(frame: int, tpq: int) -> None:
    assert frame_of(tick_of(frame, tpq), tpq) == frame


@SETTINGS
@given(st.integers(0, 10**6), st.sampled_from([24, 96, 120, 480, 960, 9600]))
def test_a_tick_is_at_most_half_a_frame_from_its_frame(tick: int, tpq: int) -> None:
    assert abs(tick_of(frame_of(tick, tpq), tpq) - tick) <= tpq / 8 + 0.5


@SETTINGS
@given(ROWS, st.sampled_from([4, 10, 96, 480]))
def test_notes_on_the_grid_come_back(rows: list[tuple[int, int, int, int]], tpq: int) -> None:
    notes = frame_notes(rows)
    tracks = []
    for instrument in np.unique(notes["instrument"]).tolist():
        mine = notes[notes["instrument"] == instrument].tolist()
        ticks = [(tick_of(f, tpq), tick_of(f + d, tpq) - tick_of(f, tpq), p, 80) for f, _, p, d in mine]
        tracks.append(Track("", 0 if instrument == DRUMS else instrument, instrument == DRUMS, notes_array(ticks)))
    assert track_frames(tracks, tpq).tolist() == notes.tolist()


def test_off_the_grid_notes_go_to_the_nearest_frame_and_last_at_least_one() -> None:
    track = Track(notes=notes_array([(59, 1, 60, 80), (60, 200, 62, 80), (130, 110, 64, 80)]))
    assert track_frames([track], 480).tolist() == [(0, 0, 60, 1), (1, 0, 62, 1), (1, 0, 64, 1)]


def test_of_doubled_notes_the_longest_stays() -> None:
    one = Track(program=4, notes=notes_array([(0, 120, 60, 80)]))
    two = Track(program=4, notes=notes_array([(0, 480, 60, 80)]))
    assert track_frames([one, two], 480).tolist() == [(0, 4, 60, 4)]
    assert len(track_frames([], 480)) == 0


@SETTINGS
@given(ROWS)
def test_order_is_by_frame_instrument_pitch_without_doubles(rows: list[tuple[int, int, int, int]]) -> None:
    notes = frame_notes(rows)
    keys = [row[:3] for row in notes.tolist()]
    assert keys == sorted({row[:3] for row in rows})
    longest: dict[tuple[int, int, int], int] = {}
    for frame, instrument, pitch, duration in rows:
        key = frame, instrument, pitch
        longest[key] = max(longest.get(key, 0), duration)
    assert [row[3] for row in notes.tolist()] == [longest[key] for key in keys]


def metre(signatures: list[tuple[int, int, int]], length: int, pickup: int = 0) -> list[list[int]]:
    """The metre of `length` frames of a piece with the given (tick, numerator, denominator), 480 ticks a quarter."""
    score = Score(480, time_signatures=tuple(TimeSignature(*s) for s in signatures))
    found: list[list[int]] = metre_frames(bars(score, length * 120, pickup), 480, length).tolist()
    return found


def test_metre_of_plain_bars() -> None:
    assert metre([], 17) == [[i, 16, 4] for i in range(16)] + [[0, 16, 4]]
    assert metre([(0, 3, 4)], 13) == [[i % 12, 12, 4] for i in range(13)]
    assert metre([(0, 6, 8)], 13) == [[i % 12, 12, 6] for i in range(13)]
    assert metre([(0, 5, 4)], 21) == [[i % 20, 20, 4] for i in range(21)]


@pytest.mark.parametrize("pickup", [0, 1, 239, 240, 241, 480, 4800])
@pytest.mark.parametrize("signatures", [((0, 1, 8), (240, 6, 8)), ((240, 3, 4),), ((0, 4, 4), (1, 3, 4)), ()])
def test_bars_follow_one_another_whatever_the_pickup(signatures: tuple[tuple[int, int, int], ...], pickup: int) -> None:
    score = Score(480, time_signatures=tuple(TimeSignature(*s) for s in signatures))
    found = bars(score, 3000, pickup)
    assert found[0].tick == 0
    assert all(one.length > 0 and one.tick + one.length == two.tick for one, two in itertools.pairwise(found))
    assert found[-1].tick + found[-1].length >= 3000
    assert {tick for tick, *_ in signatures} <= {bar.tick for bar in found}


def test_metre_of_a_pickup_and_of_changes() -> None:
    written = metre([(0, 1, 8), (240, 6, 8)], 15)
    assert [m[0] for m in written] == [0, 1, *range(12), 0]
    assert [m[1] for m in written] == [2] * 2 + [12] * 13
    # An upbeat that is told but would reach into the second signature ends where that stands.
    assert metre([(0, 1, 8), (240, 6, 8)], 15, pickup=480) == written
    change = metre([(0, 4, 4), (1920, 3, 4)], 29)
    assert [m[0] for m in change] == [*range(16), *range(12), 0]
    cut_short = metre([(0, 4, 4), (1440, 3, 4)], 13)
    assert [m[:2] for m in cut_short] == [[i, 12] for i in range(12)] + [[0, 12]]
    counted = metre([(0, 3, 4)], 17, pickup=480)
    assert [m[0] for m in counted] == [*range(4), *range(12), 0]


SIGNATURES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 13), st.sampled_from([2, 4, 8, 16])), max_size=4)


@SETTINGS
@given(SIGNATURES, st.integers(1, 200), st.integers(0, 15))
def test_metre_counts_every_frame_from_its_bar(found: list[tuple[int, int, int]], length: int, pickup: int) -> None:
    ticks = np.cumsum([0, *(gap for gap, _, _ in found)]).tolist()[: len(found)]
    assume(len(ticks) < 2 or pickup <= ticks[1])
    rows = np.array(metre([(t * 120, n, d) for t, (_, n, d) in zip(ticks, found, strict=True)], length, pickup * 120))
    assert rows.shape == (length, 3)
    assert (rows[:, 0] < rows[:, 1]).all()
    assert (rows[:, 1:] >= 1).all()
    begins = rows[1:, 0] == 0
    assert rows[0, 0] == 0
    assert (rows[1:, 0][~begins] == rows[:-1, 0][~begins] + 1).all()
    # A bar ends where it says, but for what the end of the piece cuts.
    assert (rows[:-1, 0][begins] == rows[:-1, 1][begins] - 1).all()


def test_metre_without_bars_is_four_four() -> None:
    assert metre_frames((), 480, 18).tolist() == [[i % 16, 16, 4] for i in range(18)]
    assert metre_frames((), 480, 0).shape == (0, 3)


def test_metre_as_the_model_reads_it() -> None:
    told = metre_fields(np.array([[3, 16, 4], [70, 255, 64]], np.int32))
    assert told.tolist() == [[3, 16, 4], [UNKNOWN_METRE - 1] * 3]


@SETTINGS
@given(ROWS, st.integers(1, 70))
def test_what_sounds(rows: list[tuple[int, int, int, int]], length: int) -> None:
    notes = frame_notes(rows)
    roll = sounding(notes, length)
    expected = np.zeros((length, 128), bool)
    for frame, instrument, pitch, duration in notes.tolist():
        if instrument != DRUMS:
            expected[frame : frame + duration, pitch] = True
    assert (roll == expected).all()


def test_what_sounds_on_from_before_the_window() -> None:
    notes = np.array([(-4, 0, 60, 6), (-4, 0, 62, 2), (3, 0, 64, 9)], FRAME_NOTE)
    assert np.argwhere(sounding(notes, 4)).tolist() == [[0, 60], [1, 60], [3, 64]]


def test_the_nearest_duration_ties_to_the_shorter() -> None:
    assert duration_index(DURATIONS).tolist() == list(range(len(DURATIONS)))
    told = DURATIONS[duration_index(np.array([9, 11, 13, 15, 20, 21, 40, 1000]))]
    assert told.tolist() == [8, 10, 12, 14, 16, 24, 32, 64]


@SETTINGS
@given(st.integers(1, 300))
def test_no_other_duration_is_nearer(frames: int) -> None:
    chosen = int(DURATIONS[duration_index(np.array([frames]))[0]])
    distance = np.abs(DURATIONS - frames)
    assert chosen == min(DURATIONS[distance == distance.min()])


@SETTINGS
@given(ROWS)
def test_fields_are_in_range_and_come_back(rows: list[tuple[int, int, int, int]]) -> None:
    notes = frame_notes(rows)
    fields = note_fields(notes)
    assert (fields >= 0).all()
    assert (fields < np.array(SIZES)).all()
    for note, row in zip(notes, fields, strict=True):
        back = field_notes(int(note["frame"]), row[None])[0]
        assert back.tolist()[:3] == note.tolist()[:3]
        assert back["duration"] == DURATIONS[duration_index(note["duration"])]


@SETTINGS
@given(ROWS, st.integers(1, 80))
def test_active_notes_are_told_in_each_of_their_frames(rows: list[tuple[int, int, int, int]], length: int) -> None:
    notes = frame_notes(rows)
    frame, fields = active_fields(notes, length)
    assert (np.diff(frame) >= 0).all()
    expected: Counter[tuple[int, ...]] = Counter()
    for note, row in zip(notes.tolist(), note_fields(notes).tolist(), strict=True):
        start, instrument, _, duration = note
        for age in range(1 if instrument == DRUMS else min(duration, MAX_HELD + 1)):
            if start + age < length:
                left = int(duration_index(np.array([duration - age]))[0])
                expected[start + age, *row[:3], left, HELD if age else ONSET] += 1
    told = np.concatenate((frame[:, None], fields), axis=1).tolist()
    assert Counter(tuple(row) for row in told) == expected


def test_active_notes_sound_on_from_before_the_window() -> None:
    frame, fields = active_fields(np.array([(-2, 5, 61, 4)], FRAME_NOTE), 8)
    assert frame.tolist() == [0, 1]
    assert fields.tolist() == [[5, 1, 5, 1, HELD], [5, 1, 5, 0, HELD]]


@SETTINGS
@given(st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_full_frames_are_thinned(sizes: list[int]) -> None:
    rows = [(frame, 0, 20 + pitch, 1) for frame, size in enumerate(sizes) for pitch in range(size)]
    notes = frame_notes(rows)
    kept = thinned(notes)
    for frame, size in enumerate(sizes):
        here = kept[kept["frame"] == frame]["pitch"].tolist()
        assert len(here) == len(set(here)) == min(size, MAX_NOTES)
        assert (here[0], here[-1]) == (20, 19 + size)
    assert len(thinned(notes[:0])) == 0


@SETTINGS
@given(ROWS, st.integers(1, 64))
def test_decisions_are_the_notes_of_each_frame_and_an_end(rows: list[tuple[int, int, int, int]], length: int) -> None:
    notes = frame_notes(rows)
    frame, fields = target_rows(notes, length)
    for t in range(length):
        here = fields[frame == t]
        mine = notes[notes["frame"] == t]
        ended = len(mine) < MAX_NOTES
        assert here[: len(mine)].tolist() == note_fields(mine).tolist()
        assert here[len(mine) :].tolist() == ([[END, 0, 0, 0]] if ended else [])
    first, classes = row_classes(frame, fields)
    assert (frame[first] == frame).all()
    assert classes.shape == (len(frame), 12, 3)


def test_pitch_classes_written_in_a_frame() -> None:
    notes = frame_notes([(0, 0, 60, 1), (0, 0, 64, 1), (0, DRUMS, 36, 1), (2, 0, 67, 1)])
    _, classes = row_classes(*target_rows(notes, 3))
    written = [sorted(np.flatnonzero(row[:, 0]).tolist()) for row in classes]
    # Rows: C, E, drum, END; END; G, END.
    assert written == [[], [0], [0, 4], [0, 4], [], [], [7]]
    assert np.flatnonzero(classes[1][:, 1]).tolist() == [0]
    assert np.flatnonzero(classes[2][:, 1]).tolist() == [4]
    assert not classes[3][:, 1].any()
    assert np.flatnonzero(classes[2][:, 2]).tolist() == [0]


@pytest.mark.parametrize("count", [MAX_NOTES, MAX_NOTES + 1])
def test_a_full_frame_has_no_end(count: int) -> None:
    notes = frame_notes([(0, 0, 30 + i, 1) for i in range(count)])
    assert (target_rows(notes, 1)[1][:, 0] == END).sum() == 0
