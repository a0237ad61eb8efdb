"""ABC notation: what it says, note for note, and that no text whatever brings the reader down."""

from fractions import Fraction

import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from m4mcli.errors import M4mError
from m4mcli.score.abc import read_abc, read_tune, split_tunes
from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.read import read_score
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature
from m4mcli.theory.names import pitch_name

KESH = """X:1
T:The Kesh
R:jig
M:6/8
L:1/8
Q:3/8=120
K:G
|:D|"G"GAG GAB|"D"ABA ABd|"G"edd gdd|"D"edB dBA|
"G"GAG GAB|"D"ABA ABd|"G"edd gdB|"D7"AGF "G"G2:|
|:B|"G"B2B d2d|"C"ege "G"dBG|B2B dBG|"D"ABA AGA|
"G"BAB dBd|"C"ege "G"dBd|"C"gfg "D"aga|1"G"bgg g2:|2"G"bgg g3|]
"""


def music(body: str, header: str = "L:1/4\nK:C") -> Score:
    return read_abc(f"X:1\n{header}\n{body}\n")


def said(score: Score, track: int = 0) -> str:
    """The notes of a track: name, onset and duration in quarters."""
    rows = score.tracks[track].notes.tolist()
    quarters = [(Fraction(onset, score.tpq), Fraction(length, score.tpq), pitch) for onset, length, pitch, _ in rows]
    return " ".join(f"{pitch_name(pitch)}@{onset}+{length}" for onset, length, pitch in quarters)


def names(score: Score, track: int = 0) -> str:
    return " ".join(pitch_name(pitch) for pitch in score.tracks[track].notes["pitch"].tolist())


def test_a_tune_with_repeats_endings_and_chords() -> None:
    score, warnings = read_tune(KESH)
    assert warnings == ()
    melody, chords = score.tracks
    assert (melody.name, len(melody.notes), chords.name) == ("The Kesh", 182, "Chords")
    assert names(score)[:38] == "D4 G4 A4 G4 G4 A4 B4 A4 B4 A4 A4 B4 D5"
    assert names(score).endswith("A5 G5 A5 B5 G5 G5 G5")
    assert score.time_signatures == (TimeSignature(0, 1, 8), TimeSignature(240, 6, 8))
    assert score.key_signatures == (KeySignature(0, 1, False),)
    assert score.tempos == (Tempo(0, 333_333),)
    assert chords.lyrics[:3] == ((240, "G"), (1680, "D"), (3120, "G"))
    assert [row[:3] for row in chords.notes.tolist()[:3]] == [(240, 1440, 43), (240, 1440, 50), (240, 1440, 59)]
    assert score.end == 240 * (1 + 6 * 32)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("C,, C, C c c' c''", "C2 C3 C4 C5 C6 C7"),
        ("^C ^^C _D __D =C", "C#4 D4 C#4 C4 C4"),
        ("^F F f F, | F", "F#4 F#4 F#5 F#3 F4"),  # an accidental holds in all octaves to the bar's end
        ("^F-|F F", "F#4 F4"),  # but a tie carries its pitch
        ("[C^Eg] c", "C4 F4 G5 C5"),
        ('"^slowly"C !trill!D +fermata+E ~F {ag}G vA uB (cd) .e', "C4 D4 E4 F4 G4 A4 B4 C5 D5 E5"),
        ("C % a comment\nD \\\nE", "C4 D4 E4"),
        ("C2x2D2|Z|E", "C4 D4 E4"),
        ("[K:D]F C [K:Fm]E A", "F#4 C#4 D#4 G#4"),
        ("[K:Ador]F [K:A mixolydian]F [K:Bphr]F [K:none]F [K:Hp]F c", "F#4 F#4 F#4 F4 F#4 C#5"),
        ("[K:D exp _e ^g]E G F [K:A phr ^c]B c", "D#4 G#4 F4 A#4 C#5"),
        ("[K:C clef=bass]C [K:C octave=-1]C", "C4 C3"),
    ],
)
def test_pitches(body: str, wanted: str) -> None:
    assert names(music(body)) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("C2 D/ E/2 F3/2 G// A3/4", "C4@0+2 D4@2+1/2 E4@5/2+1/2 F4@3+3/2 G4@9/2+1/4 A4@19/4+3/4"),
        ("C>D E<F A>>B c3<d", "C4@0+3/2 D4@3/2+1/2 E4@2+1/2 F4@5/2+3/2 A4@4+7/4 B4@23/4+1/4 C5@6+3/2 D5@15/2+3/2"),
        ("(3CDE F", "C4@0+2/3 D4@2/3+2/3 E4@4/3+2/3 F4@2+1"),
        ("(3:2:2C2D E (2FG (5:4:5A/B/c/d/e/", "C4@0+4/3 D4@4/3+2/3 E4@2+1 F4@3+3/2 G4@9/2+3/2 "
         "A4@6+2/5 B4@32/5+2/5 C5@34/5+2/5 D5@36/5+2/5 E5@38/5+2/5"),
        ("C2-|C2 D-D", "C4@0+4 D4@4+2"),
        ("[CE]2-[C2E]", "C4@0+4 E4@0+3"),
        ("[CE-]E C", "C4@0+1 E4@0+2 C4@2+1"),
        ("C2 D2 & z E3 | F", "C4@0+2 E4@1+3 D4@2+2 F4@4+1"),
        ("C [L:1/8] D [L:1/16] E", "C4@0+1 D4@1+1/2 E4@3/2+1/4"),
    ],
)  # fmt: skip
def test_times(body: str, wanted: str) -> None:
    assert said(music(body)) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("C:|D", "C C D"),
        ("C|:D|E:|F", "C D E D E F"),
        ("C::D:|", "C C D D"),
        ("|:C::|", "C C C"),
        ("|:C|1D:|2E|F", "C D C E F"),
        ("|:C|[1D:|[2E|]F", "C D C E F"),
        ("|:C|1,3D:|2E:|F", "C D C E C D F"),
        ("|:C|1-2D:|3E|]F", "C D C D C E F"),
        ("|:C|1D:|2E:|", "C D C E"),
        ("|:C|1D:|2E|:F|1G:|2A|]", "C D C E F G F A"),
        ("|:C|1D:|2E||F:|", "C D C E F F"),
        ("C|D|]E:|", "C D E C D E"),
    ],
)
def test_repeats(body: str, wanted: str) -> None:
    assert names(music(body)).replace("4", "") == wanted


def test_parts() -> None:
    body = "P:A\nC|D|\nP:B\nE:|"
    assert names(music(body, "P:A(BA)2\nK:C")).replace("4", "") == "C D E E C D E E C D"
    assert names(music(body)).replace("4", "") == "C D E C D E"


def test_voices_have_names_instruments_and_their_own_state() -> None:
    score = music(
        'V:1\n%%MIDI program 73\nCD|[V:2]E,,4|[V:1]E2|\nV:2\n%%MIDI channel 10\n"G"^F,,2 F,,2|',
        'M:2/4\nL:1/4\nQ:1/4=90\nV:1 name="Flute"\nV:2 nm=Kit octave=1\nK:C',
    )
    assert [(t.name, t.program, t.is_drum) for t in score.tracks] == [
        ("Flute", 73, False),
        ("Kit", 0, True),
        ("Chords", 0, False),
    ]
    assert said(score) == "C4@0+1 D4@1+1 E4@2+2"
    assert said(score, 1) == "E3@0+4 F#3@4+2 F#3@6+2"


def test_metres_keys_and_tempi_change() -> None:
    score = music("D4|[M:3/4][K:Dm]D3|[Q:120]D3|\nM:C|\nD4|D2", "M:4/4\nL:1/4\nK:D")
    assert score.time_signatures == (
        TimeSignature(0, 4, 4),
        TimeSignature(4 * 480, 3, 4),
        TimeSignature(10 * 480, 2, 2),
    )
    assert score.key_signatures == (KeySignature(0, 2, False), KeySignature(4 * 480, -1, True))
    assert score.tempos == (Tempo(7 * 480, 500_000),)


@pytest.mark.parametrize(
    ("text", "bpm"),
    [("1/4=120", 120), ("3/8=80", 120), ("120", 60), ("C=100", 50), ('"Lively" 1/2=60', 120), ("1/4 1/4=60", 120)],
)
def test_tempi(text: str, bpm: float) -> None:
    assert [60e6 / t.microseconds for t in music("C", f"L:1/8\nQ:{text}\nK:C").tempos] == [bpm]


def test_the_unit_follows_the_metre() -> None:
    assert [music("C", f"M:{metre}\nK:C").end for metre in ("2/4", "3/4", "C", "none")] == [120, 240, 240, 240]


def test_a_bar_that_a_repeat_divides_is_one_bar() -> None:
    score = music("|:D|E4|F3:|G|A4|B4|", "M:4/4\nL:1/4\nK:C")
    assert score.time_signatures == (TimeSignature(0, 1, 4), TimeSignature(480, 4, 4))


def test_words_and_dynamics() -> None:
    score = music("!p!CD2E|F!f!G|\nw: Hap-py~o * | birth_\nw: other verse")
    assert score.tracks[0].lyrics == ((0, "Hap-"), (480, "py o"), (1920, "birth"))
    assert score.tracks[0].notes["velocity"].tolist() == [60, 60, 60, 60, 105]


def test_a_collection_is_split() -> None:
    text = "%abc-2.1\n% mine\nM:3/4\n\nX:1\nT:One\nK:G\nF3|\n\nX:2\r\nT:Two\r\nM:2/4\r\nK:C\r\nF2|\r\n"
    one, two = split_tunes(text)
    assert [read_abc(t).time_signatures[0].numerator for t in (one, two)] == [3, 2]
    assert [names(read_abc(t)) for t in (one, two)] == ["F#4", "F4"]
    assert read_tune(text)[1] == ("tunes: the first of 2 is read",)
    assert split_tunes("") == []


def test_what_is_left_out_is_told() -> None:
    _, warnings = read_tune('X:1\nK:C\n{ag}A {b}c "H7"d "Z"e § f\n')
    assert warnings == (
        "groups-of-grace-notes: 2 left out",
        "unknown-characters: 1 left out",
        "chord-symbols: 2 symbols not understood, such as 'H7'",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no ABC tune"),
        ("X:1\nK:C\n", "without music"),
        ("X:1\nK:C\nC99999999\n", "a note of the length 99999999"),
        ("X:1\nK:C\nC/0\n", "a note of the length"),
        ("X:1\nK:C\n" + "C4096" * 50, "longer than the 40000 quarter notes"),
        ("X:1\nP:" + "(" * 9 + "A" + "9)" * 9 + "\nK:C\nP:A\nC|", "parts in a row"),
        ("X:1\nP:A" + "9" * 4 + "\nK:C\nP:A\n" + "C|" * 50, "more than 100000 measures"),
    ],
)
def test_what_is_no_tune_is_refused(text: str, message: str) -> None:
    with pytest.raises(M4mError, match=message):
        read_abc(text)


SIGNS = r"""C ^ _ = c' , 2 / 3/2 z Z2 x | :| |: :: |1 [2 |] [ ] (3 (5:4:3 - > << & "Am" " { } !f! ! % \ [K:D] [M:6/8]
[L:1/16] [V:2] [Q:99] [P:A]"""
LINES = ["\nV:1\n", "\nw: a-b |c\n", "\nK:none\n", "\nP:B\n", "\n%%MIDI program 4\n", "\n"]
PIECES = st.sampled_from([*SIGNS.split(), *LINES])


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES, max_size=40), st.text(max_size=10))
def test_any_text_is_read_or_refused(pieces: list[str], text: str) -> None:
    try:
        score, _ = read_tune(f"X:1\nM:4/4\nK:G\n{''.join(pieces)}{text}")
    except M4mError:
        return
    assert score_to_json(score_from_json(score_to_json(score))) == score_to_json(score)


def test_abc_goes_in_where_music_goes_in(m4m: Run) -> None:
    shown = m4m("info", stdin=KESH.encode())
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"length  33 bars, 65 beats, 32.2 s" in shown.stdout
    made = m4m("quantize", "--grid", "1/8", stdin=KESH.encode())
    assert (made.returncode, made.stdout[:4]) == (0, b"MThd")
    assert [len(t.notes) for t in read_score(made.stdout, "x").score.tracks] == [182, 116]
    odd = m4m("info", stdin=b"X:1\nK:C\n")
    assert odd.stderr == b"m4m info: stdin: an ABC tune without music; a tune's music follows its K: field\n"
