"""Chord symbols and Harte labels, read and written."""

from itertools import combinations

import pytest

from m4mcli.errors import USAGE, M4mError
from m4mcli.theory.chord_names import QUALITIES, chord_of, chord_symbol, harte_label
from m4mcli.theory.chords import Chord, parse_chord

ROOTS = ("C", "C#", "Db", "D", "D#", "Eb", "E", "F", "F#", "Gb", "G", "G#", "Ab", "A", "A#", "Bb", "B", "Cb", "B#")


def chord(text: str) -> Chord:
    """A chord that is no N.C."""
    found = parse_chord(text)
    assert found is not None
    return found


def over_root(text: str) -> list[int]:
    """The intervals of a chord over its root."""
    found = chord(text)
    return sorted((p - found.root) % 12 for p in found.pitch_classes)


@pytest.mark.parametrize(
    ("text", "intervals"),
    [
        ("C", [0, 4, 7]),
        ("CM", [0, 4, 7]),
        ("Cm", [0, 3, 7]),
        ("C-", [0, 3, 7]),
        ("Cmin", [0, 3, 7]),
        ("C7", [0, 4, 7, 10]),
        ("Cmaj7", [0, 4, 7, 11]),
        ("CM7", [0, 4, 7, 11]),
        ("CMaj7", [0, 4, 7, 11]),
        ("C7M", [0, 4, 7, 11]),
        ("CΔ", [0, 4, 7, 11]),
        ("CΔ7", [0, 4, 7, 11]),
        ("CΔ9", [0, 2, 4, 7, 11]),
        ("C-7", [0, 3, 7, 10]),
        ("CmM7", [0, 3, 7, 11]),
        ("Cm(maj7)", [0, 3, 7, 11]),
        ("C-Δ", [0, 3, 7, 11]),
        ("Cm7b5", [0, 3, 6, 10]),
        ("Cm7(b5)", [0, 3, 6, 10]),
        ("C-7-5", [0, 3, 6, 10]),
        ("Cø", [0, 3, 6, 10]),
        ("Cø7", [0, 3, 6, 10]),
        ("Cdim", [0, 3, 6]),
        ("C°", [0, 3, 6]),
        ("Co7", [0, 3, 6, 9]),
        ("C°7", [0, 3, 6, 9]),
        ("Cdim7", [0, 3, 6, 9]),
        ("C+", [0, 4, 8]),
        ("Caug", [0, 4, 8]),
        ("C+7", [0, 4, 8, 10]),
        ("C7+", [0, 4, 8, 10]),
        ("Caug7", [0, 4, 8, 10]),
        ("C7#5", [0, 4, 8, 10]),
        ("Csus", [0, 5, 7]),
        ("Csus2", [0, 2, 7]),
        ("C7sus4", [0, 5, 7, 10]),
        ("C9sus", [0, 2, 5, 7, 10]),
        ("C7b9sus4", [0, 1, 5, 7, 10]),
        ("C6", [0, 4, 7, 9]),
        ("Cm6", [0, 3, 7, 9]),
        ("C6/9", [0, 2, 4, 7, 9]),
        ("C69", [0, 2, 4, 7, 9]),
        ("Cadd9", [0, 2, 4, 7]),
        ("C(9)", [0, 2, 4, 7]),
        ("C2", [0, 2, 4, 7]),
        ("Cmadd9", [0, 2, 3, 7]),
        ("C9", [0, 2, 4, 7, 10]),
        ("C7/9", [0, 2, 4, 7, 10]),
        ("C7#9", [0, 3, 4, 7, 10]),
        ("C7+9", [0, 3, 4, 7, 10]),
        ("C7(b9,#11)", [0, 1, 4, 6, 7, 10]),
        ("C7♭9♯11", [0, 1, 4, 6, 7, 10]),
        ("C7(b9, b13)", [0, 1, 4, 7, 8, 10]),
        ("C13", [0, 2, 4, 7, 9, 10]),
        ("C13b9", [0, 1, 4, 7, 9, 10]),
        ("C7(13)", [0, 4, 7, 9, 10]),
        ("Cm11", [0, 2, 3, 5, 7, 10]),
        ("Cmaj7#11", [0, 4, 6, 7, 11]),
        ("C7alt", [0, 1, 3, 4, 8, 10]),
        ("C5", [0, 7]),
        ("C(no3)", [0, 7]),
        ("Cmaj7(no5)", [0, 4, 11]),
        ("C minor", [0, 3, 7]),
        ("C:maj", [0, 4, 7]),
        ("C:min7", [0, 3, 7, 10]),
        ("C:hdim7", [0, 3, 6, 10]),
        ("C:7(b9)", [0, 1, 4, 7, 10]),
        ("C:sus4(b7)", [0, 5, 7, 10]),
        ("C:maj(*5)", [0, 4]),
        ("C:(1,3)", [0, 4]),
        ("C:(3)", [0, 4]),
        ("C:7sus4", [0, 5, 7, 10]),
        ("C:13", [0, 2, 4, 5, 7, 9, 10]),
    ],
)
def test_what_musicians_write(text: str, intervals: list[int]) -> None:
    assert over_root(text) == intervals


@pytest.mark.parametrize(
    ("text", "root", "bass"),
    [
        ("Am", 9, 9),
        ("Bb7#9", 10, 10),
        ("Bbb", 9, 9),
        ("F#m7b5", 6, 6),
        ("Dm7/G", 2, 7),
        ("C6/9/E", 0, 4),
        ("Abm/Cb", 8, 11),
        ("A:min7/5", 9, 4),
        ("Bb:maj7/3", 10, 2),
        ("C:7/b7", 0, 10),
        ("C/3", 0, 4),
        ("  G♯m/B ", 8, 11),
    ],
)
def test_roots_and_basses(text: str, root: int, bass: int) -> None:
    found = chord(text)
    assert (found.root, found.bass) == (root, bass)
    assert bass in found.pitch_classes


@pytest.mark.parametrize("text", ["N.C.", "NC", "n.c.", "N.C", "N", " N.C. "])
def test_no_chord(text: str) -> None:
    assert parse_chord(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "am",
        "H7",
        "Cfoo",
        "C:foo",
        "C:",
        "C:maj/0",
        "C/E/G",
        "C/h",
        "Cadd",
        "X",
        "C4",
        "7",
        "N:maj",
        "C:maj(q)",
        "/E",
    ],
)
def test_errors_name_the_symbol(text: str) -> None:
    with pytest.raises(M4mError) as raised:
        parse_chord(text)
    assert repr(text) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.status == USAGE


@pytest.mark.parametrize(("symbol", "harte"), QUALITIES)
def test_a_quality_is_the_same_in_both_ways(symbol: str, harte: str) -> None:
    assert chord("C" + symbol) == chord("C:" + harte)


@pytest.mark.parametrize("root", ROOTS)
def test_symbol_to_chord_to_symbol_for_every_quality_and_inversion(root: str) -> None:
    for symbol, harte in QUALITIES:
        written = chord(root + symbol)
        assert written == chord(f"{root}:{harte}")
        for bass in range(12):
            classes = written.pitch_classes | {bass}
            again = chord(chord_symbol(classes, bass))
            assert (again.pitch_classes, again.bass) == (classes, bass)
            again = chord(harte_label(classes, bass))
            assert (again.pitch_classes, again.bass) == (classes, bass)
            assert chord_of(classes, bass) == again


def test_a_quality_in_root_position_keeps_its_name() -> None:
    for symbol, harte in QUALITIES:
        classes = chord("C" + symbol).pitch_classes
        assert chord_symbol(classes, 0) == "C" + symbol
        assert harte_label(classes, 0) == "C:" + harte


def test_every_set_of_pitch_classes_has_a_name() -> None:
    for size in range(12):
        for others in combinations(range(1, 12), size):
            classes = frozenset((0, *others))
            for name in (chord_symbol(classes, 0), harte_label(classes, 0)):
                again = chord(name)
                assert (again.pitch_classes, again.bass) == (classes, 0), name


def test_transposing_a_chord_transposes_its_name() -> None:
    for text in ("Am7/E", "F/G", "C7(no5)", "Bm7b5/A", "G13sus4", "Csus2"):
        for semitones in range(12):
            moved = chord(text).transposed(semitones)
            again = chord(chord_symbol(moved.pitch_classes, moved.bass))
            assert (again.pitch_classes, again.bass) == (moved.pitch_classes, moved.bass)
            assert (again.root - chord(text).root) % 12 == semitones


COMMON = """
    C/E Am7/G C7/Bb F/G C/D D9sus4 C6 Am7/E Cm6 Bm7b5/A Cadd9 Dm/F G7/F C5 E7b9 Fmaj7/A Csus4 C7(13) C9(#11) C(no5)
    Cm(maj7,9) C7b9(#11) Dm(add9)
"""


@pytest.mark.parametrize("text", COMMON.split())
def test_common_chords_keep_their_names(text: str) -> None:
    found = chord(text)
    assert chord_symbol(found.pitch_classes, found.bass) == text


@pytest.mark.parametrize(
    ("text", "key", "name"),
    [
        ("A#", (5, False), "Bb"),
        ("Bb", (11, False), "A#"),
        ("F#", (1, False), "Gb"),
        ("Gb", (4, False), "F#"),
        ("Ab/C", (8, False), "Ab/C"),
        ("D/F#", (5, False), "D/F#"),
        ("D/F#", (10, True), "D/F#"),
        ("Abm/Cb", (3, True), "Abm/Cb"),
        ("Cb", (6, False), "B"),
        ("B", (3, True), "Cb"),
        ("G#dim7", (9, True), "G#dim7"),
        ("Dbdim7", (0, False), "C#dim7"),
        ("D#", (0, False), "Eb"),
        ("G#", (0, False), "Ab"),
        ("Ab7", (9, True), "G#7"),
        ("C", (6, False), "C"),
        ("C+/G#", (0, False), "Ab+"),
        ("Dbmaj7/C", (0, False), "Dbmaj7/C"),
    ],
)
def test_names_are_spelt_to_the_key(text: str, key: tuple[int, bool], name: str) -> None:
    found = chord(text)
    assert chord_symbol(found.pitch_classes, found.bass, key) == name


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("minor", [False, True])
def test_in_every_key_names_have_at_most_one_accidental_on_the_root(tonic: int, minor: bool) -> None:
    for root in range(12):
        for classes in ({0, 4, 7}, {0, 3, 6, 9}):
            name = chord_symbol({(root + c) % 12 for c in classes}, root, (tonic, minor))
            assert "##" not in name
            assert "bb" not in name
            assert chord(name).root == root


def test_no_notes_have_a_name() -> None:
    assert chord_symbol((), 0) == "N.C."
    assert harte_label((), 0) == "N"
    assert chord_of((), 0) is None


def test_mir_eval_reads_every_label() -> None:
    mir_eval_chord = pytest.importorskip("mir_eval.chord")
    for size in range(12):
        for others in combinations(range(1, 12), size):
            for root in (0, 5):
                classes = {root} | {(root + p) % 12 for p in others}
                label = harte_label(classes, root)
                found, intervals, bass = mir_eval_chord.encode(label)
                assert (found + bass) % 12 == root
                assert {(found + i) % 12 for i in range(12) if intervals[i]} <= classes
