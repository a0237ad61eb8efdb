"""Generation: frames are legal, any length, samples on their own, fixed frames exact, transposed as what is given."""

import tracemalloc
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from numpy.typing import NDArray
from test_rules import RULES, legal
from toy import FakeNetwork, chords, melody, metre, request

from m4mcli.frames.canonical import canonical_shift, chord_frames, shifted
from m4mcli.frames.fields import DURATIONS, MAX_NOTES
from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.generation.generate import CONTEXT, LOOKAHEAD, FrameWriter, context, generate, lookahead
from m4mcli.generation.request import Piece, Sample
from m4mcli.generation.rules import Masks, Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.generation.window import MOST, Window, part_of, slots

HOT = Sampling(temperature=1.5)
CHORDS = Rules(instruments=(0,), at_most=6, at_least=3, chords=True, continuous=True)


def frames_of(notes: NDArray[np.void]) -> list[list[tuple[int, int]]]:
    return [
        [(int(n["instrument"]), int(n["pitch"])) for n in group]
        for _, group in groupby(notes, key=lambda n: int(n["frame"]))
    ]


def same(a: list[Sample], b: list[Sample]) -> bool:
    return [x.notes.tobytes() for x in a] == [x.notes.tobytes() for x in b]


@pytest.mark.parametrize("name", RULES)
def test_every_frame_of_every_sample_is_legal(name: str) -> None:
    rules = RULES[name]
    length = 60
    for sample in generate(FakeNetwork(), request(length), rules, HOT, seed=1, samples=4):
        assert all(legal(rules, frame) for frame in frames_of(sample.notes))
        assert (sample.notes["frame"] + sample.notes["duration"] <= length).all()
        assert np.isin(sample.notes["duration"], DURATIONS).all()
        assert sample.log_likelihood < 0 < sample.choices
        assert np.isfinite(sample.log_likelihood)


def test_music_beyond_the_window_is_legal_and_takes_no_more_memory() -> None:
    network, done = FakeNetwork(window=48, alignment="aligned"), []
    given = melody(1000)

    def peak(length: int) -> int:
        tracemalloc.start()
        told = request(length, given[given["frame"] < length], begin=np.arange(length) % 4 == 0)
        samples = generate(network, told, CHORDS, HOT, progress=lambda at, of: done.append(at))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert all(legal(CHORDS, frame) for frame in frames_of(samples[0].notes))
        assert samples[0].notes["frame"].max() > length - 64
        return top

    first, second = peak(200), peak(1000)
    assert network.widest <= 48
    assert second < 2 * first
    assert done[-1] == 997


@pytest.mark.parametrize("bar", [12, 16, 20, 47, 300])
@pytest.mark.parametrize("window", [8, 33, 64])
def test_any_window_and_any_bar(window: int, bar: int) -> None:
    network = FakeNetwork(window=window)
    (sample,) = generate(network, request(150, metre=metre(150, bar)), Rules(at_most=2), HOT)
    assert network.widest <= window
    assert len(np.unique(sample.notes["frame"])) > 20


def test_large_windows_overlap_as_they_are_trained() -> None:
    assert (context(384), lookahead(384)) == (CONTEXT, LOOKAHEAD) == (context(256), lookahead(256))
    assert (context(48), lookahead(48)) == (24, 12)


def test_the_same_seed_gives_the_same_notes_and_another_one_others() -> None:
    network, told = FakeNetwork(), request(48)
    assert same(generate(network, told, Rules(), HOT, seed=3), generate(network, told, Rules(), HOT, seed=3))
    assert not same(generate(network, told, Rules(), HOT, seed=3), generate(network, told, Rules(), HOT, seed=4))


@pytest.mark.parametrize("rules", [Rules(at_most=3), CHORDS, RULES["narrowest"]], ids=["any", "chords", "narrowest"])
def test_a_sample_does_not_depend_on_how_many_are_made(rules: Rules) -> None:
    network, told = FakeNetwork(), request(60)
    five = generate(network, told, rules, HOT, seed=5, samples=5)
    assert len({s.notes.tobytes() for s in five}) > 1 or rules is RULES["narrowest"]
    for n in (1, 2, 3):
        fewer = generate(network, told, rules, HOT, seed=5, samples=n)
        assert same(fewer, five[:n])
        for a, b in zip(fewer, five, strict=False):
            assert a.choices == b.choices
            assert a.log_likelihood == pytest.approx(b.log_likelihood)


class Counted:
    """A generator of numbers that counts how many were drawn."""

    def __init__(self) -> None:
        self.rng, self.drawn = np.random.default_rng(0), 0

    def random(self) -> float:
        self.drawn += 1
        return float(self.rng.random())


def write_one(rules: Rules, pieces: list[Piece]) -> list[list[tuple[int, int, int, int]]]:
    state = np.ones((len(pieces), 8), np.float32), np.zeros((len(pieces), 12, 4), np.float32)
    return FrameWriter(FakeNetwork(), state, pieces, (Masks(rules), HOT), [True] * len(pieces), 64).write()


def test_one_number_is_drawn_for_each_choice() -> None:
    pieces = [Piece(Counted()) for _ in range(3)]  # type: ignore[arg-type]
    written = write_one(Rules(instruments=(0, 5), at_least=2, at_most=4), pieces)
    for piece, notes in zip(pieces, written, strict=True):
        assert 2 <= len(notes) <= 4
        assert piece.rng.drawn == piece.choices  # type: ignore[attr-defined]
        assert 3 * len(notes) <= piece.choices <= 4 * len(notes) + 1


def test_end_ends_only_its_own_piece() -> None:
    found = [write_one(Rules(at_most=8), [Piece(np.random.default_rng(s)) for s in range(9)])]
    sizes = [len(notes) for notes in found[0]]
    assert min(sizes) < max(sizes)


def test_a_full_frame_ends() -> None:
    (notes,) = write_one(Rules(at_least=MAX_NOTES), [Piece(np.random.default_rng(0))])
    assert len(notes) == MAX_NOTES


def test_nothing_begins_where_nothing_may_begin() -> None:
    begin = np.arange(64) % 8 == 0
    for sample in generate(FakeNetwork(), request(64, begin=begin), Rules(at_least=1), HOT, samples=2):
        assert len(sample.notes)
        assert (sample.notes["frame"] % 8 == 0).all()
    nothing = generate(FakeNetwork(), request(64, begin=np.zeros(64, bool)), Rules(), HOT)
    assert len(nothing[0].notes) == nothing[0].choices == 0


def test_the_network_is_asked_as_seldom_as_may_be() -> None:
    """Where one instrument plays, its tone is told together with it; where any may, for itself."""

    class Asked(FakeNetwork):
        steps = rest = 0

        def note_step(self, *inputs):  # type: ignore[no-untyped-def]
            self.steps += 1
            return super().note_step(*inputs)

        def note_rest(self, *inputs):  # type: ignore[no-untyped-def]
            self.rest += 1
            return super().note_rest(*inputs)

    alone, many = Asked(), Asked()
    (sample,) = generate(alone, request(40), Rules(instruments=(7,), at_most=4), HOT)
    assert 0 < len(sample.notes) < alone.steps <= 40 + len(sample.notes)
    assert alone.rest <= 2 * len(sample.notes)
    (sample,) = generate(many, request(40), Rules(at_most=4), HOT)
    assert many.steps > 40 + len(sample.notes)


def test_fixed_frames_come_out_as_they_were_given() -> None:
    fixed = np.zeros(64, bool)
    fixed[16:32] = True
    told = request(64, fixed=fixed, fixed_notes=chords(64))
    kept = chords(64)[(chords(64)["frame"] >= 16) & (chords(64)["frame"] < 32)]
    for sample in generate(FakeNetwork(), told, Rules(at_most=3), HOT, samples=2):
        inside = (sample.notes["frame"] >= 16) & (sample.notes["frame"] < 32)
        assert sample.notes[inside].tobytes() == kept.tobytes()
        assert not inside.all()


def test_what_is_fixed_matters_to_what_follows() -> None:
    fixed = np.arange(64) < 16
    told = request(64, fixed=fixed, fixed_notes=chords(64, 1))
    other = replace(told, fixed_notes=chords(64, 2))
    ours, theirs = (generate(FakeNetwork(), t, CHORDS, Sampling(temperature=0))[0].notes for t in (told, other))
    assert ours[ours["frame"] >= 16].tobytes() != theirs[theirs["frame"] >= 16].tobytes()


def test_continuous_music_has_no_hole_and_begins_in_time() -> None:
    told = request(96, begin=np.arange(96) % 4 == 0, start_by=8)
    for sample in generate(FakeNetwork(), told, CHORDS, HOT, samples=6):
        spans = chord_frames(sample.notes)
        assert spans[0][0] <= 8
        sounding = np.zeros(96, bool)
        for start, stop, _, _ in spans:
            sounding[start:stop] = True
        # A chord that ends between two frames where notes may begin is followed at the next of them.
        assert np.diff(np.flatnonzero(sounding)).max(initial=1) <= 4


@pytest.mark.parametrize("form", ["none", "aligned"])
@pytest.mark.parametrize("semitones", [1, 5, -3, 12, -14])
def test_transposing_what_is_given_transposes_what_is_written(semitones: int, form: str) -> None:
    def harmonized(given: NDArray[np.void]) -> NDArray[np.void]:
        shift = canonical_shift(given)
        told = request(96, shifted(given, shift))
        (sample,) = generate(FakeNetwork(alignment=form), told, CHORDS, HOT, seed=9)
        return shifted(sample.notes, -shift)

    given = melody(96, 3)
    here, there = harmonized(given), harmonized(shifted(given, semitones))
    np.testing.assert_array_equal(here["pitch"] + semitones, there["pitch"])
    for name in ("frame", "instrument", "duration"):
        np.testing.assert_array_equal(here[name], there[name])


def test_music_without_metre_and_without_frames() -> None:
    assert len(generate(FakeNetwork(), request(48, metre=None), Rules(), HOT)[0].notes)
    assert len(generate(FakeNetwork(), request(0), Rules(), HOT)[0].notes) == 0


def test_reading_in_pieces_is_reading_at_once() -> None:
    network, piece = FakeNetwork(alignment="aligned"), Piece(np.random.default_rng(0))
    piece.add(chords(64))
    told = request(64, melody(64))
    whole = Window(network, told, 0, 1).read_to(63, [piece])[0][0]
    window = Window(network, told, 0, 1)
    parts = [window.read_to(frame, [piece])[0][0] for frame in (0, 1, 20, 21, 63)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_parts_and_slots_by_hand() -> None:
    notes = np.array([(0, 0, 60, 4), (3, 0, 62, 1), (6, DRUMS, 36, 2)], FRAME_NOTE)
    assert part_of(notes, 2, 6)[["frame", "pitch"]].tolist() == [(-2, 60), (1, 62)]
    rows = slots(np.array([0, 2, 2]), np.arange(15).reshape(3, 5), 4)
    assert rows.shape == (4, 2, 5)
    assert rows[:, :, 0].tolist() == [[0, -1], [-1, -1], [5, 10], [-1, -1]]


def test_a_frame_fuller_than_the_network_reads_is_thinned_evenly() -> None:
    count = np.array([MOST, 2 * MOST, MOST + 1])
    fields = np.arange(count.sum() * 5).reshape(-1, 5)
    rows = slots(np.repeat(np.arange(3), count), fields, 3)
    assert rows.shape == (3, MOST, 5)
    assert rows[0].tolist() == fields[:MOST].tolist()
    assert rows[1].tolist() == fields[MOST : 3 * MOST : 2].tolist()
    assert len(np.unique(rows[2, :, 0])) == MOST


def test_a_piece_keeps_its_notes_and_when_they_end() -> None:
    piece = Piece(np.random.default_rng(0))
    assert len(piece.notes) == piece.sounds_until == 0
    for start in range(3):
        piece.add(np.array([(start, 0, 60, 10 - 4 * start)], FRAME_NOTE))
    assert piece.notes["frame"].tolist() == [0, 1, 2]
    assert piece.sounds_until == 10


def test_the_notes_that_sound_are_found_at_any_frame() -> None:
    rng, piece = np.random.default_rng(0), Piece(np.random.default_rng(0))
    assert not piece.begun
    for frame in range(300):
        notes = np.zeros(int(rng.integers(0, 3)), FRAME_NOTE)
        notes["frame"], notes["duration"] = frame, rng.integers(1, 60, len(notes))
        piece.add(notes)
        # Back at every hundredth frame, as where a window opens.
        asked = frame - (128 if frame % 100 == 0 else 36)
        expected = piece.notes[piece.notes["frame"] + piece.notes["duration"] > asked]
        assert piece.sounding_from(asked).tolist() == expected.tolist()
    assert piece.begun
