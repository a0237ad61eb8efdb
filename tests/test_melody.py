"""Which track is the melody, and the top line of a thick part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m4mcli.errors import USAGE, M4mError
from m4mcli.score.score import Score, Track, notes_array
from m4mcli.tasks.melody import find_melody, skyline, thickness

TPQ = 480
# The first eight bars of "Twinkle, twinkle", quarters and halves.
TUNE = (60, 60, 67, 67, 69, 69, 67, None, 65, 65, 64, 64, 62, 62, 60, None) * 2


def tune(name: str = "", transposed: int = 12) -> Track:
    """A song in quarters."""
    rows = [(i * TPQ, TPQ, p + transposed, 90) for i, p in enumerate(TUNE) if p is not None]
    return Track(name, notes=notes_array(rows))


def chords(name: str = "") -> Track:
    """Triads in half notes below the song."""
    rows = [(i * 2 * TPQ, 2 * TPQ, p, 60) for i in range(16) for p in (48, 52, 55)]
    return Track(name, notes=notes_array(rows))


def bass(name: str = "") -> Track:
    """One low note a bar."""
    return Track(name, 33, notes=notes_array([(i * 4 * TPQ, 4 * TPQ, 36, 80) for i in range(8)]))


def drums(name: str = "") -> Track:
    """A bass drum on every beat."""
    return Track(name, is_drum=True, notes=notes_array([(i * TPQ, 60, 36, 100) for i in range(32)]))


def test_the_melodic_track_is_found_without_names() -> None:
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
        tracks = (tune(), chords(), bass(), drums())
        found = find_melody(Score(TPQ, tuple(tracks[i] for i in order)))
        assert found.indices == (order.index(0),)
        assert not found.skyline
        assert "most melodic of 3" in found.reason
        assert np.array_equal(found.notes, tune().notes)


@pytest.mark.parametrize("name", ["Melody", "MELODIE", "Lead Vocal", "voice", "Sopran", "Singstimme", "lead guitar"])
def test_a_name_goes_before_likeness(name: str) -> None:
    found = find_melody(Score(TPQ, (tune("flute"), bass(name), drums("melody drums"))))
    assert found.indices == (1,)
    assert "by its name" in found.reason


@pytest.mark.parametrize(
    "name", ["Backing vocals", "Harmony voice", "Melody bass", "Lead drums", "Depressing", "Counter melody"]
)
def test_other_names_are_not_taken_for_melodies(name: str) -> None:
    assert find_melody(Score(TPQ, (bass(name), tune("flute")))).indices == (1,)


def test_of_two_tracks_with_such_names_the_more_melodic_one() -> None:
    assert find_melody(Score(TPQ, (bass("voice 2"), tune("voice 1")))).indices == (1,)
    assert find_melody(Score(TPQ, (tune("voice"), bass("melody")))).indices == (1,)


def test_a_track_is_chosen_by_number_or_name() -> None:
    score = Score(TPQ, (tune("Flute"), chords("Piano left"), chords("Piano right"), bass("Flute bass")))
    for choice, index in (("1", 0), ("4", 3), ("flute", 0), (" FLUTE ", 0), ("left", 1), ("bass", 3)):
        assert find_melody(score, choice).indices == (index,)
    assert "as asked" in find_melody(score, "1").reason


@pytest.mark.parametrize("choice", ["0", "7", "piano", "oboe", "", "drums", "5", "empty"])
def test_a_choice_that_names_no_melody_lists_the_tracks(choice: str) -> None:
    tracks = (tune("Flute"), chords("Piano left"), chords("Piano right"), drums("Drums"), drums(), Track("empty"))
    with pytest.raises(M4mError) as raised:
        find_melody(Score(TPQ, tracks), choice)
    assert raised.value.status == USAGE
    assert "1 'Flute' (28 notes), 2 'Piano left' (48 notes)" in str(raised.value)
    assert "4 'Drums' (drums)" in str(raised.value)


def test_many_tracks_are_not_all_listed() -> None:
    with pytest.raises(M4mError) as raised:
        find_melody(Score(TPQ, (tune(),) * 300), "oboe")
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    ("tracks", "what"), [((), "no notes"), ((Track("melody"),), "no notes"), ((drums("melody"), Track()), "only drums")]
)
def test_nothing_to_harmonize(tracks: tuple[Track, ...], what: str) -> None:
    with pytest.raises(M4mError, match=f"nothing to harmonize: it has {what}"):
        find_melody(Score(TPQ, tracks))


def test_of_a_piano_part_the_top_line_is_taken_and_told() -> None:
    piano = Track("Piano", notes=np.sort(np.concatenate((tune().notes, chords().notes)), order=("onset", "pitch")))
    found = find_melody(Score(TPQ, (piano, drums())))
    assert found.indices == (0,)
    assert found.skyline
    assert "top line" in found.reason
    assert "the only one" in found.reason
    # Where the song rests, the accompaniment does not come to the top: its chords began under the song.
    assert np.array_equal(found.notes, tune().notes)
    assert find_melody(Score(TPQ, (piano,)), "1").skyline


def test_a_slurred_line_stays_whole() -> None:
    slurred = tune().notes.copy()
    slurred["duration"] += 60
    found = find_melody(Score(TPQ, (Track(notes=slurred),)))
    assert not found.skyline
    line = skyline(slurred)
    assert line["onset"].tolist() == slurred["onset"].tolist()
    assert (line["onset"][:-1] + line["duration"][:-1] <= line["onset"][1:]).all()


def test_spread_chords_leave_their_highest_note() -> None:
    spread = notes_array(
        [(480 * i + 15 * k, 460 - 15 * k, p, 80) for i in range(4) for k, p in enumerate((60, 64, 67, 72))]
    )
    assert skyline(spread)["pitch"].tolist() == [72] * 4


def test_what_accompanies_a_long_note_is_left_out() -> None:
    notes = notes_array([(0, 1920, 76, 90), (480, 480, 60, 50), (960, 480, 64, 50), (1920, 480, 74, 90)])
    assert skyline(notes)["pitch"].tolist() == [76, 74]


NOTES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 200), st.integers(0, 127), st.integers(1, 127)), max_size=40
)


@given(NOTES)
def test_a_top_line_is_one_line_of_the_part(rows: list[tuple[int, int, int, int]]) -> None:
    notes = notes_array(rows)
    line = skyline(notes)
    assert thickness(line) == 0.0
    assert bool(len(line)) == bool(rows)
    assert (line["duration"] > 0).all()
    assert {(n["onset"], n["pitch"]) for n in line} <= {(n["onset"], n["pitch"]) for n in notes}
    again = skyline(line)
    assert np.array_equal(again, line)


@given(NOTES)
def test_thickness_is_a_share(rows: list[tuple[int, int, int, int]]) -> None:
    assert 0.0 <= thickness(notes_array(rows)) <= 1.0


def test_thickness_of_known_parts() -> None:
    assert thickness(tune().notes) == 0.0
    assert thickness(chords().notes) == 1.0
    assert thickness(notes_array([(0, 100, 60, 80), (50, 100, 64, 80)])) == pytest.approx(1 / 3)
