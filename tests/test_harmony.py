"""Pitch-class features: they turn with the music, and history knows nothing of the future."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from m4mcli.frames.canonical import shifted
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order
from m4mcli.frames.harmony import (
    HISTORY_FEATURES,
    PAST,
    REFERENCE_FEATURES,
    chroma,
    history_features,
    reference_features,
)

LENGTH = 80
MUSIC = st.lists(
    st.tuples(st.integers(0, LENGTH - 1), st.sampled_from([0, DRUMS]), st.integers(30, 90), st.integers(1, 40)),
    max_size=24,
)
METRE = np.array([(t % 12, 12, 4) for t in range(LENGTH)])

SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def frame_notes(rows: list[tuple[int, int, int, int]]) -> NDArray[np.void]:
    return in_order(np.array(rows, FRAME_NOTE))


@SETTINGS
@given(MUSIC, st.integers(-12, 12), st.lists(st.booleans(), min_size=LENGTH, max_size=LENGTH))
def test_transposing_the_music_turns_the_features(
    rows: list[tuple[int, int, int, int]], semitones: int, seen: list[bool]
) -> None:
    notes, known = frame_notes(rows), np.array(seen)
    moved = shifted(notes, semitones)
    there = reference_features(notes, METRE, LENGTH)
    assert there.shape == (LENGTH, 12, REFERENCE_FEATURES)
    assert (reference_features(moved, METRE, LENGTH) == np.roll(there, semitones, axis=1)).all()
    past = history_features(notes, LENGTH, known)
    assert past.shape == (LENGTH, 12, HISTORY_FEATURES)
    assert (history_features(moved, LENGTH, known) == np.roll(past, semitones, axis=1)).all()


@SETTINGS
@given(MUSIC, MUSIC, st.integers(0, LENGTH - 1))
def test_history_knows_nothing_of_the_future(
    rows: list[tuple[int, int, int, int]], others: list[tuple[int, int, int, int]], now: int
) -> None:
    before = [(f, i, p, min(d, now - f)) for f, i, p, d in rows if f < now]
    after = [row for row in others if row[0] >= now]
    known = np.ones(LENGTH, bool)
    one = history_features(frame_notes(before), LENGTH, known)
    two = history_features(frame_notes(before + after), LENGTH, known)
    assert (one[: now + 1] == two[: now + 1]).all()


@SETTINGS
@given(MUSIC, st.integers(0, LENGTH - 1), st.integers(1, LENGTH))
def test_history_that_may_not_be_seen_is_not(rows: list[tuple[int, int, int, int]], start: int, span: int) -> None:
    known = np.ones(LENGTH, bool)
    known[start : start + span] = False
    inside = [row for row in rows if start <= row[0] and row[0] + row[3] <= start + span]
    outside = [row for row in rows if row[0] + row[3] <= start or row[0] >= start + span]
    seen = history_features(frame_notes(outside), LENGTH, known)
    assert (history_features(frame_notes(inside + outside), LENGTH, known) == seen).all()


def test_chroma_and_lowest() -> None:
    now, lowest = chroma(frame_notes([(0, 0, 64, 2), (1, 0, 55, 2), (1, DRUMS, 40, 2)]), 4)
    assert [np.flatnonzero(row).tolist() for row in now] == [[4], [4, 7], [7], []]
    assert [np.flatnonzero(row).tolist() for row in lowest] == [[4], [7], [7], []]


def test_means_of_reference_and_history() -> None:
    notes = frame_notes([(4, 0, 60, 4)])
    told = reference_features(notes, METRE, LENGTH)[:, 0]
    # At frame 0: four frames of C in the next 8 and 16, none in the next 4; in its bar of 12, none in the next bar.
    assert told[0].tolist()[2:8] == [0, 0.5, 0.25, 0, np.float32(4 / 12), 0]
    assert told[4].tolist()[:3] == [1, 1, 1]
    past = history_features(notes, LENGTH, np.ones(LENGTH, bool))[:, 0]
    assert [row.tolist()[:2] for row in past[3:10]] == [[0, 0]] * 2 + [[1, 1]] * 4 + [[0, 0]]
    assert past[8, 2] == np.float32(4 / PAST)
    assert past[PAST + 6, 2] == np.float32(2 / PAST)
