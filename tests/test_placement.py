"""Where chords may begin, notes in ticks, and how loud they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAME_NOTE, frame_of
from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.placement import bar_beats, beat_frames, beat_ticks, frame_ticks, has_pickup, placed, shares

TPQ = 480


def piece(
    *signatures: tuple[int, int, int], end_quarters: float = 8, pickup: int = 0, tpq: int = TPQ
) -> tuple[Bar, ...]:
    """The bars of a piece; signatures as (quarter, numerator, denominator)."""
    metres = tuple(TimeSignature(q * tpq, n, d) for q, n, d in signatures)
    return bars(Score(tpq, time_signatures=metres), end=int(end_quarters * tpq), pickup=pickup)


def quarters(score_bars: tuple[Bar, ...], per_bar: int | None = None, length: int = 32) -> list[float]:
    """Where chords may begin, in quarters."""
    return sorted(t / TPQ for t in beat_ticks(score_bars, TPQ, length, per_bar).values())


def loud(onsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """One velocity for all."""
    return np.full(len(onsets), 80)


@pytest.mark.parametrize(
    ("metre", "per_bar", "expected"),
    [
        ((4, 4), None, [0, 1, 2, 3]),
        ((4, 4), 1, [0]),
        ((4, 4), 2, [0, 2]),
        ((4, 4), 4, [0, 1, 2, 3]),
        ((3, 4), None, [0, 1, 2]),
        ((3, 4), 1, [0]),
        ((3, 4), 2, [0, 2]),
        ((3, 4), 4, [0, 1, 2]),
        ((5, 4), 2, [0, 3]),
        ((5, 4), 4, [0, 2, 3, 4]),
        ((2, 4), 2, [0, 1]),
        ((2, 4), 4, [0, 1]),
        ((2, 2), None, [0, 2]),
        ((2, 2), 2, [0, 2]),
        ((2, 2), 4, [0, 1, 2, 3]),
        ((6, 8), None, [0, 1.5]),
        ((6, 8), 1, [0]),
        ((6, 8), 2, [0, 1.5]),
        ((6, 8), 4, [0, 1.5]),
        ((9, 8), 2, [0, 3]),
        ((12, 8), 2, [0, 3]),
        ((12, 8), 4, [0, 1.5, 3, 4.5]),
        ((7, 8), None, [0, 0.5, 1, 1.5, 2, 2.5, 3]),
        ((7, 8), 1, [0]),
        ((7, 8), 2, [0, 2]),
        ((7, 8), 4, [0, 1, 2]),
        ((5, 8), 2, [0, 1.5]),
        ((5, 8), 4, [0, 1.5]),
        ((11, 8), 4, [0, 1.5, 3, 4.5]),
        ((3, 8), 1, [0]),
    ],
)
def test_where_chords_may_begin_in_a_bar(metre: tuple[int, int], per_bar: int | None, expected: list[float]) -> None:
    score_bars = piece((0, *metre), end_quarters=0.25)
    assert len(score_bars) == 1
    assert quarters(score_bars, per_bar) == expected


def test_pickups_have_the_beats_of_the_end_of_a_bar() -> None:
    for score_bars in (piece((0, 4, 4), pickup=TPQ), piece((0, 4, 4), (1, 4, 4)), piece((0, 1, 4), (1, 4, 4))):
        assert has_pickup(score_bars, TPQ)
        assert quarters(score_bars, length=24) == [0, 1, 2, 3, 4, 5]
        assert quarters(score_bars, 1, length=24) == [1, 5]
        assert quarters(score_bars, 2, length=24) == [1, 3, 5]
    two = piece((0, 4, 4), pickup=2 * TPQ)
    assert quarters(two, 2, length=24) == [0, 2, 4]
    # An upbeat of one and a half beats begins between beats.
    assert quarters(piece((0, 4, 4), pickup=3 * TPQ // 2), length=14) == [0.5, 1.5, 2.5]
    # One of an eighth has no beat.
    assert quarters(piece((0, 4, 4), pickup=TPQ // 2), length=8) == [0.5, 1.5]


def test_a_piece_without_a_pickup() -> None:
    assert not has_pickup(piece((0, 4, 4)), TPQ)
    assert not has_pickup(piece((0, 4, 4), (4, 3, 4)), TPQ)
    assert not has_pickup(piece((0, 4, 4), end_quarters=1), TPQ)
    assert not has_pickup(piece((0, 7, 32), tpq=10), 10)


def test_metre_changes_in_mid_piece() -> None:
    changing = piece((0, 4, 4), (4, 3, 4), (7, 6, 8), (10, 4, 4), end_quarters=14)
    expected = [0, 1, 2, 3, 4, 5, 6, 7, 8.5, 10, 11, 12, 13]
    assert quarters(changing, length=56) == expected
    assert quarters(changing, 2, length=56) == [0, 2, 4, 6, 7, 8.5, 10, 12]
    # The second bar is cut short by the change: it keeps the beats it has, counted from its barline.
    cut = piece((0, 4, 4), (7, 3, 4), end_quarters=10)
    assert bar_beats(cut, 1, TPQ) == [4 * TPQ, 5 * TPQ, 6 * TPQ]
    assert quarters(cut, 2, length=40) == [0, 2, 4, 6, 7, 9]


def test_there_is_always_a_place_to_begin() -> None:
    score_bars = piece((0, 4, 4), pickup=TPQ)
    assert beat_ticks(score_bars, TPQ, 3, 1) == {0: 0}
    assert beat_ticks(score_bars, TPQ, 0) == {}


@pytest.mark.parametrize("tpq", [1, 10, 24, 96, 120, 480, 9600])
@pytest.mark.parametrize("metre", [(4, 4), (3, 4), (6, 8), (7, 32), (5, 16), (11, 8), (1, 64)])
@pytest.mark.parametrize("per_bar", [None, 1, 2, 4])
def test_each_barline_is_a_place_on_its_exact_tick(tpq: int, metre: tuple[int, int], per_bar: int | None) -> None:
    score_bars = piece((0, *metre), tpq=tpq, end_quarters=12)
    ticks = beat_ticks(score_bars, tpq, 48, per_bar)
    assert all(frame_of(tick, tpq) == frame for frame, tick in ticks.items())
    barlines = {bar.tick for bar in score_bars}
    for bar in score_bars:
        frame = frame_of(bar.tick, tpq)
        if frame < 48:
            assert ticks[frame] in barlines
    mask = beat_frames(score_bars, tpq, 48, per_bar)
    assert mask.shape == (48,)
    assert np.flatnonzero(mask).tolist() == sorted(ticks)


@given(st.integers(1, 40), st.integers(1, 40))
def test_shares_begin_on_beats_with_the_longer_first(count: int, parts: int) -> None:
    starts = shares(count, parts)
    assert starts[0] == 0
    assert len(starts) == min(count, parts)
    sizes = np.diff([*starts, count])
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1
    assert sizes[0] == sizes.max()


def frame_notes(*rows: tuple[int, int, int]) -> NDArray[np.void]:
    """FRAME_NOTE rows from (frame, pitch, duration)."""
    return np.array([(frame, 0, pitch, duration) for frame, pitch, duration in rows], FRAME_NOTE)


def on(track: Track) -> list[tuple[int, int, int]]:
    """Onset, duration, pitch of a track's notes."""
    return [(int(n["onset"]), int(n["duration"]), int(n["pitch"])) for n in track.notes]


def test_chords_begin_and_end_on_the_beats_own_ticks() -> None:
    score_bars = piece((0, 7, 32), tpq=10, end_quarters=5)
    ticks = beat_ticks(score_bars, 10, 20, per_bar=1)
    assert ticks == {0: 0, 4: 9, 7: 18, 10: 26, 14: 35, 18: 44}
    part = frame_notes((0, 48, 4), (0, 52, 4), (4, 50, 3), (7, 48, 5))
    track = placed(part, 10, name="Chords", program=4, velocities=loud, ticks=ticks)
    assert on(track) == [(0, 9, 48), (0, 9, 52), (9, 9, 50), (18, 12, 48)]
    assert (track.name, track.program, track.is_drum) == ("Chords", 4, False)
    assert track.notes["velocity"].tolist() == [80] * 4


def test_written_ticks_join_those_of_the_beats() -> None:
    assert frame_ticks([0, 3, 10], 10) == {0: 0, 1: 3, 4: 10}
    assert frame_ticks([9, 10, 11], 10) == {4: 9}


def test_a_note_struck_again_ends_there_and_doubled_notes_are_one() -> None:
    track = placed(
        frame_notes((0, 60, 8), (0, 60, 4), (4, 60, 4), (4, 64, 4)), 480, name="", program=0, velocities=loud
    )
    assert on(track) == [(0, 480, 60), (480, 480, 60), (480, 480, 64)]


def test_no_note_lasts_beyond_the_end_or_begins_there() -> None:
    part = frame_notes((0, 60, 64), (8, 62, 4), (6, 64, 4))
    track = placed(part, 480, name="", program=0, velocities=loud, end=960)
    assert on(track) == [(0, 960, 60), (720, 240, 64)]


def test_legato_closes_what_a_scale_of_durations_leaves_open() -> None:
    part = frame_notes((0, 60, 8), (9, 62, 12), (20, 64, 16), (28, 60, 4), (36, 60, 8))
    track = placed(part, 480, name="", program=0, velocities=loud, legato=True)
    frames = [(onset // 120, (onset + duration) // 120) for onset, duration, _ in on(track)]
    # 8 of 9 and 12 of 11 meet the next chord; 16 of 8 is meant to sound on; the rest after 32 is meant as well.
    assert frames == [(0, 9), (9, 20), (20, 36), (28, 32), (36, 44)]


def test_no_notes_make_an_empty_track() -> None:
    assert len(placed(frame_notes(), 480, name="", program=0, velocities=loud, legato=True).notes) == 0


@given(
    st.lists(st.tuples(st.integers(0, 64), st.integers(60, 64), st.integers(1, 20)), max_size=30),
    st.sampled_from([1, 2, 3, 10, 96, 480]),
    st.booleans(),
    st.booleans(),
)
def test_placed_notes_are_well_formed(rows: list[tuple[int, int, int]], tpq: int, legato: bool, exact: bool) -> None:
    ticks = beat_ticks(piece((0, 5, 16), tpq=tpq, end_quarters=20), tpq, 80) if exact else None
    part = placed(frame_notes(*rows), tpq, name="", program=0, velocities=loud, ticks=ticks, legato=legato).notes
    assert (part["duration"] >= 1).all()
    assert bool(len(part)) == bool(rows)
    assert part["onset"].tolist() == sorted(part["onset"])
    for pitch in range(60, 65):
        line = part[part["pitch"] == pitch]
        assert (line["onset"][:-1] + line["duration"][:-1] <= line["onset"][1:]).all()


def sung(levels: list[int]) -> Score:
    """A note on each quarter with these velocities."""
    rows = [(i * TPQ, TPQ, 60, v) for i, v in enumerate(levels)]
    return Score(TPQ, (Track(notes=notes_array(rows)),))


def test_velocities_follow_the_metre() -> None:
    score = sung([80] * 16)
    found = velocities(np.arange(0, 16 * TPQ, TPQ // 2), bars(score), score)
    downbeats, beats, off = found[::8], found[2::8], found[1::2]
    assert len({*downbeats}) == len({*beats}) == len({*off}) == 1
    assert downbeats[0] > beats[0] > off[0]
    assert beats[0] < 80


def test_a_pickup_is_no_downbeat() -> None:
    score = sung([80] * 9)
    found = velocities(np.array([0, TPQ]), bars(score, pickup=TPQ), score)
    assert found[0] < found[1]


def test_velocities_follow_the_input() -> None:
    score = sung(list(range(30, 110)))
    downbeats = velocities(np.arange(0, 80 * TPQ, 4 * TPQ), bars(score), score)
    assert (np.diff(downbeats) > 0).all()
    assert downbeats[-1] - downbeats[0] > 50


@pytest.mark.parametrize("level", [1, 2, 64, 126, 127])
def test_velocities_are_never_constant_or_out_of_range(level: int) -> None:
    score = sung([level] * 16)
    found = velocities(np.arange(0, 16 * TPQ, TPQ), bars(score), score)
    assert found.min() >= 1
    assert found.max() <= 127
    assert len(set(found.tolist())) > 1


def test_drums_lend_their_dynamics_only_where_nothing_else_plays() -> None:
    melody = Track(notes=notes_array([(0, 100, 60, 40)]))
    hits = Track(is_drum=True, notes=notes_array([(0, 100, 36, 127)]))
    onset, whole = np.array([0]), piece((0, 4, 4))
    softly = velocities(onset, whole, Score(TPQ, (melody, hits)))
    assert softly == velocities(onset, whole, Score(TPQ, (melody,)))
    assert velocities(onset, whole, Score(TPQ, (hits,))) > softly


def test_a_rest_takes_the_dynamics_around_it() -> None:
    score = Score(TPQ, (Track(notes=notes_array([(0, 480, 60, 40), (400 * TPQ, 480, 60, 120)])),))
    early, middle, late = velocities(np.array([40, 200, 360]) * TPQ, bars(score), score)
    assert early < middle < late


def test_velocities_without_notes() -> None:
    whole = piece((0, 4, 4))
    assert velocities(np.array([0]), whole, Score(TPQ))[0] > 0
    assert len(velocities(np.zeros(0, np.int64), whole, sung([80]))) == 0
