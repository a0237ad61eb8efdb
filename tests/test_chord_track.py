"""Chord parts in frames: layout, register, joining, and what holds of every part, written by a network that guesses."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.fields import SIZES
from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.consensus import by_consensus, closes_on
from m4mcli.generation.draw import AT_ONCE, within
from m4mcli.generation.request import Sample
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Floats, FrameInputs, Integers, Past, Shape
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.tasks.chord_track import ChordSpan, Melody, merged, write_chord_parts
from m4mcli.tasks.layout import LONG_REST, lay_out
from m4mcli.tasks.voicing import Register, register_like, register_under

C_MAJOR, G_MAJOR, NOTHING = frozenset({0, 4, 7}), frozenset({2, 7, 11}), frozenset[int]()


class Guess:
    """A network for which all is equally likely."""

    shape = Shape(width=8, layers=1, heads=2, circle=2, alignment="none", window=64)

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        raise AssertionError("this form has no encoder")

    def frame_step(
        self, inputs: FrameInputs, past: Past, memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, Past]:
        batch, frames = inputs.kind.shape
        return np.zeros((batch, frames, 8), np.float32), np.zeros((batch, frames, 12, 2), np.float32), past

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        first, tone = (np.zeros((len(hidden), size), np.float32) for size in SIZES[:2])
        return first, tone, hidden

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        octave, duration = (np.zeros((len(state), size), np.float32) for size in SIZES[2:])
        return octave, duration


def line(pitches: Sequence[int], step: int = 4) -> NDArray[np.void]:
    return np.array([(step * i, 0, p, step) for i, p in enumerate(pitches)], FRAME_NOTE)


def melody(bars: int = 8) -> Melody:
    frames = np.arange(16 * bars)
    metre = np.stack([frames % 16, np.full(len(frames), 16), np.full(len(frames), 4)], axis=1)
    return Melody(line([60, 64, 67, 72] * bars), metre, frames % 4 == 0)


def part(fixed: Sequence[ChordSpan] = (), **options: object) -> tuple[ChordSpan, ...]:
    (found,) = write_chord_parts(Guess(), melody(), fixed, sampling=Sampling(), **options)  # type: ignore[arg-type]
    return found.spans


@pytest.mark.parametrize("seed", range(4))
def test_a_part_is_whole_whatever_the_network_likes(seed: int) -> None:
    spans = part(seed=seed)
    assert spans[0].start == 0
    assert spans[-1].stop == 16 * 8
    assert all(a.stop == b.start for a, b in itertools.pairwise(spans))
    assert all(s.start % 4 == 0 and 3 <= len(s.pitch_classes) <= 6 and s.bass in s.pitch_classes for s in spans)


def test_what_is_fixed_comes_out() -> None:
    fixed = (ChordSpan(16, 32, G_MAJOR, 11), ChordSpan(40, 44, NOTHING, 0), ChordSpan(44, 48, C_MAJOR, 7))
    for seed in range(4):
        assert set(fixed) <= set(part(fixed, seed=seed))


def test_rests_are_silent_and_the_part_goes_on_behind_them() -> None:
    spans = part(rests=((32, 64),))
    assert [s for s in spans if not s.pitch_classes] == [ChordSpan(32, 64, NOTHING, 0)]
    assert any(s.start == 64 for s in spans)
    assert any(s.stop == 32 for s in spans)


def test_a_prompt_is_the_beginning() -> None:
    prompt = (ChordSpan(0, 8, C_MAJOR, 0), ChordSpan(8, 16, G_MAJOR, 7))
    spans = part(prompt, prompt_frames=16)
    assert spans[:2] == prompt
    assert spans[2].start == 16


def test_samples_do_not_depend_on_how_many_are_written() -> None:
    def spans(count: int) -> list[tuple[ChordSpan, ...]]:
        parts = write_chord_parts(Guess(), melody(2), [], sampling=Sampling(), count=count, seed=3)
        return [p.spans for p in parts]

    many = spans(AT_ONCE + 2)
    assert many[:3] == spans(3)
    assert len(set(many)) > AT_ONCE


def test_progress_of_several_runs_is_one() -> None:
    told: list[tuple[int, int]] = []
    progress = within(lambda done, of: told.append((done, of)), 1, 3)
    assert progress is not None
    progress(4, 10)
    assert told == [(14, 30)]
    assert within(None, 1, 3) is None


@given(st.lists(st.integers(48, 80), min_size=1, max_size=20), st.integers(-11, 11))
def test_the_canonical_shift_moves_with_the_melody(pitches: list[int], semitones: int) -> None:
    metre, begin = np.zeros((4 * len(pitches), 3), np.int64), np.ones(4 * len(pitches), bool)
    here, there = (Melody(line([p + s for p in pitches]), metre, begin) for s in (0, semitones))
    assert there.shift == here.shift - semitones
    assert (there.likely_key[0] - here.likely_key[0] - semitones) % 12 == 0


@given(
    st.lists(st.integers(0, 127), min_size=1, max_size=20), st.sets(st.integers(0, 11), min_size=1), st.integers(0, 11)
)
def test_chords_have_their_pitch_classes_and_bass_in_every_register(
    pitches: list[int], classes: set[int], bass: int
) -> None:
    notes, chord = line(pitches), frozenset(classes | {bass})
    for register in (register_under(notes), register_like(notes["frame"], notes["pitch"])):
        found = register.pitches(chord, bass)
        assert {p % 12 for p in found} == chord
        assert found[0] % 12 == bass
        assert list(found) == sorted(found)
        assert found[0] >= 0
        assert found[-1] <= 108
        assert register.pitches(NOTHING, 0) == ()


def test_a_triad_sounds_whole_above_its_bass_and_common_tones_are_held() -> None:
    register = register_under(line([72]))
    assert register == Register(43, 55)
    assert register.pitches(C_MAJOR, 0) == (48, 55, 60, 64)
    assert register.pitches(frozenset({9, 0, 4}), 9) == (45, 57, 60, 64)
    assert register.pitches(frozenset({7, 11, 2, 5}), 7) == (43, 59, 62, 65)


def test_a_register_follows_given_chords() -> None:
    close = [(0, p) for p in (48, 52, 55)] + [(4, p) for p in (43, 47, 50)]
    wide = [(0, p) for p in (36, 60, 64, 67)] + [(4, p) for p in (31, 59, 62, 67)]
    onsets, pitches = (np.array(x) for x in zip(*close, strict=True))
    assert register_like(onsets, pitches) == Register(40)
    assert Register(40).pitches(G_MAJOR, 11) == (47, 50, 55)
    onsets, pitches = (np.array(x) for x in zip(*wide, strict=True))
    assert register_like(onsets, pitches) == Register(28, 57)


def test_chords_that_repeat_are_joined_but_where_they_are_struck() -> None:
    spans = [
        ChordSpan(0, 4, C_MAJOR, 0),
        ChordSpan(4, 8, C_MAJOR, 0),
        ChordSpan(8, 12, C_MAJOR, 4),
        ChordSpan(12, 16, C_MAJOR, 4),
        ChordSpan(16, 20, C_MAJOR, 4),
    ]
    assert merged(spans, {0, 16}) == (ChordSpan(0, 8, C_MAJOR, 0), ChordSpan(8, 16, C_MAJOR, 4), spans[4])
    assert merged([], {0}) == ()


def score(*rows: tuple[int, int], tpq: int = 480, signatures: tuple[TimeSignature, ...] = ()) -> Score:
    notes = notes_array([(onset, stop - onset, 60, 80) for onset, stop in rows])
    return Score(tpq, (Track(notes=notes),), time_signatures=signatures)


ENTRIES = [
    ((0, 1920), 0, 0),
    ((480, 1920), 0, 0),
    ((960, 3840), 8, 16),
    ((1440, 3840), 12, 16),
    ((1700, 3840), 12, 16),
    ((1440, 1900), 12, 12),
    ((1915, 3840), 16, 16),
    ((5 * 1920 + 480, 6 * 1920), 80, 80),
]
"""Where the one note begins and ends; from which frame chords may begin, by which they have begun."""


@pytest.mark.parametrize(("note", "entry", "due"), ENTRIES)
def test_chords_enter_with_the_melody(note: tuple[int, int], entry: int, due: int) -> None:
    piece = score(note)
    found = lay_out(piece, piece.tracks[0].notes)
    assert int(np.flatnonzero(found.melody.begin)[0]) == entry
    assert found.melody.start_by == due
    assert found.melody.begin[due:].any()


def test_no_chord_begins_where_it_would_be_cut_off_at_once() -> None:
    stub, held, struck = score((0, 1930)), score((0, 2400)), score((0, 1920), (1920, 1930))
    last = [int(np.flatnonzero(lay_out(s, s.tracks[0].notes).melody.begin)[-1]) for s in (stub, held, struck)]
    assert last == [0, 16, 16]


def test_long_rests_of_the_melody_are_silent() -> None:
    bar, long = 1920, LONG_REST // 16
    piece = score((0, bar), (bar * (1 + long), bar * (2 + long)), (bar * (3 + 2 * long) + 480, bar * (4 + 2 * long)))
    assert lay_out(piece, piece.tracks[0].notes).rests == (((2 + long) * 16, (3 + 2 * long) * 16),)
    fixed = lay_out(piece, piece.tracks[0].notes, chords="| . " * (3 + long) + "| C")
    assert fixed.rests == ()


def test_fixed_chords_may_go_on_behind_the_melody_to_the_end_of_the_piece() -> None:
    accompaniment = Track("Pad", notes=notes_array([(0, 4 * 1920, 48, 80)]))
    piece = score((0, 1920)).with_track(accompaniment)
    notes = piece.tracks[0].notes
    assert lay_out(piece, notes).end == 1920
    assert lay_out(piece, notes, chords="C | . | F").end == 3 * 1920
    with pytest.raises(M4mError, match="4 bars"):
        lay_out(piece, notes, chords="C | . | F | G | C")


def test_a_pickup_is_the_end_of_a_bar_for_the_model() -> None:
    piece = score((0, 480), (480, 2400), signatures=(TimeSignature(0, 1, 4), TimeSignature(480, 4, 4)))
    metre = lay_out(piece, piece.tracks[0].notes).melody.metre
    assert metre[:4].tolist() == [[12 + i, 16, 4] for i in range(4)]
    assert metre[4].tolist() == [0, 16, 4]


def test_the_chords_of_a_melody_that_ends_on_its_tonic_triad_close_on_the_tonic() -> None:
    def sample(*chords: tuple[int, ...]) -> Sample:
        rows = [(8 * i, 0, pitch, 8) for i, chord in enumerate(chords) for pitch in chord]
        return Sample(np.array(rows, FRAME_NOTE), 0.0, 1)

    c, g7, a7 = (36, 40, 43), (43, 47, 50, 53), (45, 49, 52, 55)
    away, home = sample(c, g7, a7), sample(c, g7, c)
    assert by_consensus([away, away, home], 24) == [0, 1, 2]
    assert by_consensus([away, away, home], 24, close=(0, False)) == [2, 0, 1]
    assert not closes_on(sample((36, 39, 43)), 0, False)
    assert closes_on(sample((36, 39, 43)), 0, True)


def test_a_melody_says_where_it_closes_only_if_it_ends_on_its_tonic_triad() -> None:
    tune = np.array([(4 * i, 0, p, 4) for i, p in enumerate((60, 64, 67, 65, 62, 59, 62, 60))], FRAME_NOTE)
    metre = np.tile(np.array((0, 16, 4)), (32, 1))
    begin = np.ones(32, bool)
    assert Melody(tune, metre, begin, ends=True).close == (0, False)
    assert Melody(tune, metre, begin).close is None
    assert Melody(tune[:-1], metre, begin, key=(0, False), ends=True).close is None
