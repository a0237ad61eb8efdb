"""Canonical key and register: a rule that moves with the music."""

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from m4mcli.frames.canonical import (
    CHORD_BASS,
    LOWEST_MEAN,
    as_one_instrument,
    block_chords,
    canonical_shift,
    chord_frames,
    pitch_class_histogram,
    shift_for,
    shifted,
    voiced,
)
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order
from m4mcli.theory.keys import estimate_key

MUSIC = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from([0, 40, DRUMS]), st.integers(45, 82), st.integers(1, 16)),
    min_size=1,
    max_size=40,
)

SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def frame_notes(rows: list[tuple[int, int, int, int]]) -> NDArray[np.void]:
    return in_order(np.array(rows, FRAME_NOTE))


@SETTINGS
@given(MUSIC, st.integers(-12, 12))
def test_canonical_music_is_the_same_in_every_key(rows: list[tuple[int, int, int, int]], semitones: int) -> None:
    notes = frame_notes(rows)
    assume(estimate_key(pitch_class_histogram(notes)) is not None)
    moved = shifted(notes, semitones)
    assert canonical_shift(moved) == canonical_shift(notes) - semitones
    assert shifted(moved, canonical_shift(moved)).tolist() == shifted(notes, canonical_shift(notes)).tolist()


@SETTINGS
@given(MUSIC, st.integers(-1, 1))
def test_without_a_key_only_the_octave_is_canonical(rows: list[tuple[int, int, int, int]], octaves: int) -> None:
    notes = frame_notes([(f, i, pitch, 4) for f, i, _, _ in rows for pitch in (60, 66)])
    assert estimate_key(pitch_class_histogram(notes)) is None
    assert canonical_shift(notes) % 12 == 0
    moves = 12 * octaves if (notes["instrument"] != DRUMS).any() else 0
    assert canonical_shift(shifted(notes, 12 * octaves)) == canonical_shift(notes) - moves


@SETTINGS
@given(MUSIC)
def test_the_mean_pitch_lies_in_the_canonical_octave(rows: list[tuple[int, int, int, int]]) -> None:
    notes = frame_notes(rows)
    pitched = notes[notes["instrument"] != DRUMS]
    assume(len(pitched))
    mean = float(np.average(pitched["pitch"], weights=pitched["duration"])) + canonical_shift(notes)
    assert LOWEST_MEAN - 1e-6 <= mean < LOWEST_MEAN + 12 + 1e-6


def test_a_major_tune_goes_to_c_and_a_minor_one_to_a() -> None:
    scale = frame_notes(
        [(i, 0, 62 + step, 8 if step in (0, 7) else 2) for i, step in enumerate((0, 2, 4, 5, 7, 9, 11))]
    )
    assert estimate_key(pitch_class_histogram(scale)) == (2, False)
    assert (62 + canonical_shift(scale)) % 12 == 0
    minor = frame_notes(
        [(i, 0, 64 + step, 8 if step in (0, 7) else 2) for i, step in enumerate((0, 2, 3, 5, 7, 8, 10))]
    )
    assert (64 + canonical_shift(minor)) % 12 == 9


def test_a_given_key_overrules_the_estimate() -> None:
    notes = frame_notes([(0, 0, 67, 4)])
    assert (shift_for(notes, (7, False)) % 12, shift_for(notes, (7, True)) % 12) == (5, 2)
    assert shift_for(notes[:0], (7, False)) == 0
    assert shift_for(frame_notes([(0, DRUMS, 36, 1)]), None) == 0


@SETTINGS
@given(MUSIC, st.integers(-140, 140))
def test_moving_leaves_drums_times_and_pitch_classes(rows: list[tuple[int, int, int, int]], semitones: int) -> None:
    notes = frame_notes(rows)
    moved = shifted(notes, semitones)
    drums = notes["instrument"] == DRUMS
    assert (moved["pitch"][drums] == notes["pitch"][drums]).all()
    assert ((moved["pitch"] >= 0) & (moved["pitch"] <= 127)).all()
    pitch = notes["pitch"][~drums] + semitones
    assert (moved["pitch"][~drums] % 12 == pitch % 12).all()
    inside = (pitch >= 0) & (pitch <= 127)
    assert (moved["pitch"][~drums][inside] == pitch[inside]).all()
    for field in ("frame", "instrument", "duration"):
        assert (moved[field] == notes[field]).all()


def test_one_instrument() -> None:
    notes = frame_notes([(0, 40, 60, 4), (0, 41, 64, 4)])
    assert as_one_instrument(notes, 7)["instrument"].tolist() == [7, 7]
    assert notes["instrument"].tolist() == [40, 41]


@SETTINGS
@given(st.frozensets(st.integers(0, 11), min_size=1), st.integers(0, 11))
def test_chords_are_voiced_closely_above_their_bass(classes: frozenset[int], bass: int) -> None:
    notes = voiced(classes, bass)
    assert notes[0] % 12 == bass
    assert CHORD_BASS <= notes[0] < CHORD_BASS + 12
    assert list(notes) == sorted(set(notes))
    assert notes[-1] < notes[0] + 12
    assert {p % 12 for p in notes} == classes | {bass}


CHORDS = st.lists(
    st.tuples(st.integers(1, 16), st.frozensets(st.integers(0, 11), min_size=1), st.integers(0, 11)),
    min_size=1,
    max_size=8,
)


@SETTINGS
@given(CHORDS)
def test_chords_are_read_as_they_are_written(found: list[tuple[int, frozenset[int], int]]) -> None:
    stops = np.cumsum([length for length, _, _ in found]).tolist()
    chords = [(stop - n, stop, pcs | {bass}, bass) for stop, (n, pcs, bass) in zip(stops, found, strict=True)]
    assert chord_frames(block_chords(chords)) == chords


def test_a_held_bass_and_moving_chords() -> None:
    notes = frame_notes([(0, 0, 36, 16), (0, 0, 64, 8), (8, 0, 65, 8), (20, 0, 60, 4)])
    assert chord_frames(notes) == [
        (0, 8, frozenset({0, 4}), 0),
        (8, 16, frozenset({0, 5}), 0),
        (20, 24, frozenset({0}), 0),
    ]
    assert chord_frames(notes[:0]) == []
