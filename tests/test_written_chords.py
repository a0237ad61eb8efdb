"""Progressions as they are written, and where they lie in a piece."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m4mcli.errors import USAGE, M4mError
from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import Score, TimeSignature
from m4mcli.tasks.written_chords import fixed_frames, fixed_ticks, parse_progression
from m4mcli.theory.chord_names import chord_symbol
from m4mcli.theory.chords import Chord

TPQ = 480


def piece(
    *signatures: tuple[int, int, int], end_quarters: float = 32, pickup: int = 0, tpq: int = TPQ
) -> tuple[Bar, ...]:
    """The bars of a piece; signatures as (quarter, numerator, denominator)."""
    metres = tuple(TimeSignature(q * tpq, n, d) for q, n, d in signatures)
    return bars(Score(tpq, time_signatures=metres), end=int(end_quarters * tpq), pickup=pickup)


def symbol(chord: Chord | None) -> str:
    """The chord's name."""
    return chord_symbol(chord.pitch_classes, chord.bass) if chord else "N.C."


def laid(text: str, score_bars: tuple[Bar, ...]) -> list[tuple[float, float, str]]:
    """Start and stop in quarters, and the symbol."""
    spans = fixed_ticks(parse_progression(text), score_bars, TPQ)
    return [(a / TPQ, b / TPQ, symbol(chord)) for a, b, chord in spans]


FOUR = piece((0, 4, 4))
THREE = piece((0, 3, 4))


@pytest.mark.parametrize(
    "text",
    [
        "Am|.|F|G",
        "| Am | . | F | G |",
        " Am | . | F | G |",
        "|| Am | . || F | G ||",
        "Am | . |\n| F | G\n",
        "Am\n.\nF\nG",
    ],
)
def test_barlines_at_the_ends_may_be_written_or_not(text: str) -> None:
    assert laid(text, FOUR) == [(0, 4, "Am"), (8, 12, "F"), (12, 16, "G")]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Dm7 G7", [(0, 2, "Dm7"), (2, 4, "G7")]),
        ("Cmaj7 / A7b9", [(0, 2, "Cmaj7"), (2, 4, "A7b9")]),
        ("C . . G", [(0, 3, "C"), (3, 4, "G")]),
        ("C / / G", [(0, 3, "C"), (3, 4, "G")]),
        ("C / G /", [(0, 2, "C"), (2, 4, "G")]),
        ("C / / /", [(0, 4, "C")]),
        ("C .", [(0, 4, "C")]),
        ("C Am F G", [(0, 1, "C"), (1, 2, "Am"), (2, 3, "F"), (3, 4, "G")]),
        ("C Am F", [(0, 2, "C"), (2, 3, "Am"), (3, 4, "F")]),
        (
            "C C7 F Fm C G7 C C7",
            [(i / 2, i / 2 + 0.5, s) for i, s in enumerate(["C", "C7", "F", "Fm", "C", "G7", "C", "C7"])],
        ),
        (". . . G", [(3, 4, "G")]),
        ("C | . G", [(0, 6, "C"), (6, 8, "G")]),
        ("C | . | . G", [(0, 4, "C"), (10, 12, "G")]),
        (". . | C", [(4, 8, "C")]),
        ("N.C. | C N.C.", [(0, 4, "N.C."), (4, 6, "C"), (6, 8, "N.C.")]),
        ("C | C", [(0, 4, "C"), (4, 8, "C")]),
        ("C G | % | %", [(i * 2, i * 2 + 2, "CG"[i % 2]) for i in range(6)]),
        (". | % | C", [(8, 12, "C")]),
        ("C6/9 D/F# | Cm(maj7, 9)", [(0, 2, "C6/9"), (2, 4, "D/F#"), (4, 8, "Cm(maj7,9)")]),
    ],
)
def test_shares_of_a_bar_in_four(text: str, spans: list[tuple[float, float, str]]) -> None:
    assert laid(text, FOUR) == spans


def test_shares_are_on_beats_in_other_metres() -> None:
    assert laid("C G | C . G | C Am F", THREE)[:4] == [(0, 2, "C"), (2, 3, "G"), (3, 5, "C"), (5, 6, "G")]
    assert laid("C G", piece((0, 5, 4))) == [(0, 3, "C"), (3, 5, "G")]
    assert laid("C G | C . . G . .", piece((0, 6, 8)))[2:] == [(3, 4.5, "C"), (4.5, 6, "G")]
    assert laid("C G", piece((0, 7, 8))) == [(0, 2, "C"), (2, 3.5, "G")]
    assert laid("C F G", piece((0, 7, 8))) == [(0, 1, "C"), (1, 2, "F"), (2, 3.5, "G")]
    assert laid("C . . G", piece((0, 2, 2))) == [(0, 3, "C"), (3, 4, "G")]


def test_a_pickup_is_not_counted() -> None:
    assert laid("C | G", piece((0, 4, 4), pickup=TPQ)) == [(1, 5, "C"), (5, 9, "G")]
    assert laid("C | G", piece((0, 4, 4), (1, 4, 4))) == [(1, 5, "C"), (5, 9, "G")]
    assert laid("C | G", piece((0, 1, 4), (1, 3, 4))) == [(1, 4, "C"), (4, 7, "G")]


def test_bars_follow_the_metre_changes_of_the_piece() -> None:
    changing = piece((0, 4, 4), (8, 3, 4), (14, 6, 8))
    expected = [(0, 4, "C"), (4, 8, "D"), (8, 10, "E"), (10, 11, "A"), (11, 14, "G"), (14, 15.5, "C"), (15.5, 17, "F")]
    assert laid("C | D | E A | G | C F", changing) == expected


def test_frames_of_a_fine_metre() -> None:
    score_bars = piece((0, 7, 32), end_quarters=7, tpq=10)
    found = fixed_frames(parse_progression("C | . | G"), score_bars, 10)
    assert [(a, b, symbol(c)) for a, b, c in found] == [(0, 4, "C"), (7, 10, "G")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("C | Foo", "bar 2 of the chords: not a chord: 'Foo'"),
        ("C | G am", "bar 2 of the chords: not a chord: 'am'"),
        ("C | | G", "bar 2 of the chords is empty"),
        ("", "no chords are written"),
        (" | ", "no chords are written"),
        ("%", "bar 1"),
        ("C | % G", "bar 2 of the chords: not a chord: '%'"),
        ("C | / /", "bar 2 of the chords has strokes"),
        ("C |: G", "':'"),
    ],
)
def test_errors_name_bar_and_symbol(text: str, words: str) -> None:
    with pytest.raises(M4mError) as raised:
        parse_progression(text)
    assert words in str(raised.value)
    assert raised.value.status == USAGE


def test_more_bars_than_the_piece_has_are_refused() -> None:
    eight = "C |" * 8
    assert len(laid(eight, FOUR)) == 8
    assert len(laid(eight + ". | .", FOUR)) == 8
    with pytest.raises(M4mError, match="bar 9, but the piece has 8 bars"):
        laid(eight + "C", FOUR)
    with pytest.raises(M4mError, match="bar 8, but the piece has 7 bars beside the pickup"):
        laid(eight, piece((0, 4, 4), pickup=TPQ, end_quarters=29))


def test_more_chords_than_a_bar_holds_are_refused() -> None:
    assert len(laid("C " * 16, FOUR)) == 16
    for count in (17, 40, 1000):
        with pytest.raises(M4mError, match="bar 1"):
            laid("C " * count, FOUR)


@given(
    st.lists(
        st.lists(st.sampled_from(["C", "Am7", ".", "N.C.", "F/G"]), min_size=1, max_size=4), min_size=1, max_size=8
    ),
    st.sampled_from([(4, 4), (3, 4), (6, 8), (5, 4), (7, 8), (2, 2), (12, 8)]),
    st.sampled_from([24, 96, 480, 1000]),
    st.integers(0, 1),
)
def test_spans_are_in_order_and_bars_begin_on_barlines(
    written: list[list[str]], metre: tuple[int, int], tpq: int, pickup: int
) -> None:
    score_bars = bars(Score(tpq, time_signatures=(TimeSignature(0, *metre),)), end=80 * tpq, pickup=pickup * tpq // 2)
    progression = parse_progression("|".join(" ".join(bar) for bar in written))
    spans = fixed_ticks(progression, score_bars, tpq)
    for (_, stop, _), (start, _, _) in pairwise(spans):
        assert stop <= start
    for bar, entries in enumerate(written):
        barline = score_bars[bar + pickup].tick
        starts = {start for start, _, _ in spans}
        assert (barline in starts) == (entries[0] != ".")
    for start, stop, _ in fixed_frames(progression, score_bars, tpq):
        assert stop > start
