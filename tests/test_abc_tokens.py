"""The scheme `abc`: music on its grid comes back, its text is ABC, any ids become music, masks and decoder agree."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from token_music import TPQ, metres

from m4mcli.score.abc import read_abc
from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tokens.abc_grid import PLACES
from m4mcli.tokens.abc_scheme import ABC, abc_text
from m4mcli.tokens.abc_vocabulary import BPM, TEXTS, VOCABULARY
from m4mcli.tokens.grammar import State
from m4mcli.tokens.scheme import Tokens

UNIT = TPQ // 24
SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@st.composite
def pieces(draw: st.DrawFn) -> Score:
    """Music that the scheme holds whole."""
    signatures, end = draw(metres())
    if draw(st.booleans()):
        signatures = ()
    edges = [s.tick for s in signatures] or [0]

    def place() -> int:
        tick = draw(st.integers(0, end - 1))
        start = max(e for e in edges if e <= tick)
        quarter = (tick - start) // TPQ
        return start + quarter * TPQ + int(draw(st.sampled_from(PLACES[:-1].tolist()))) * UNIT

    tracks = []
    for number in range(draw(st.integers(0, 3))):
        rows = []
        for _ in range(draw(st.integers(1, 8))):
            onset, until = sorted((place(), place()))
            if until - onset < 2 * UNIT:
                until = onset + TPQ // 4
            pitch = draw(st.one_of(st.integers(0, 127), st.integers(58, 66)))
            rows.append((onset, until - onset, pitch, 80))
        drums = draw(st.booleans())
        tracks.append(Track(f"part {number}", 0 if drums else draw(st.integers(0, 127)), drums, notes_array(rows)))
    tempos = [Tempo(t, round(60e6 / draw(st.sampled_from(BPM)))) for t in sorted({0, TPQ})]
    keys = [KeySignature(s, draw(st.integers(-7, 7)), draw(st.booleans())) for s in edges[: draw(st.integers(0, 2))]]
    return Score(TPQ, tuple(tracks), tuple(tempos), tuple(signatures), tuple(keys))


def heard(score: Score) -> list[tuple[str, int, bool, list[tuple[int, ...]]]]:
    return [(t.name, t.program, t.is_drum, sorted(map(tuple, t.notes.tolist()))) for t in score.tracks]


@SETTINGS
@given(pieces())
def test_music_on_the_grid_comes_back(score: Score) -> None:
    tokens, warnings = ABC.encode(score)
    assert warnings == ()
    assert ABC.grammar.refuses(tokens.ids) is None
    back, skipped = ABC.decode(tokens)
    assert (skipped, heard(back)) == (0, heard(score))
    if score.tracks:
        until = max(t.notes["onset"].max() for t in score.tracks)
        assert [s for s in back.time_signatures if s.tick <= until] == [
            s for s in score.time_signatures if s.tick <= until
        ]
        assert [(k.tick, k.fifths, k.minor) for k in back.key_signatures][:1] == [
            (k.tick, k.fifths, k.minor) for k in score.key_signatures if k.tick <= until
        ][:1]
    text = read_abc(abc_text(tokens)) if score.tracks else back
    scale = text.tpq // TPQ
    assert [(p, d, [(o // scale, n // scale, *m) for o, n, *m in rows]) for _, p, d, rows in heard(text)] == [
        (p, d, [tuple(row) for row in rows]) for _, p, d, rows in heard(score)
    ]


def tune() -> Score:
    rows = [(0, 480, 69), (480, 160, 71), (640, 160, 72), (800, 160, 73), (960, 720, 74), (1680, 1200, 66)]
    return Score(
        480,
        (Track("Tune", 73, notes=notes_array([(*row, 80) for row in rows])),),
        (Tempo(0, 500_000),),
        (TimeSignature(0, 4, 4),),
        (KeySignature(0, 2, False),),
    )


def test_a_tune_is_readable_text() -> None:
    tokens, _ = ABC.encode(tune())
    assert abc_text(tokens) == (
        "X:1\nT:Tune\nL:1/16\nM:4/4\nQ:1/4=120\nK:D\n%%MIDI program 73\nA4(3B2=c2^c2d6F2-|\nF8z8|\n"
    )
    assert tokens.bars.tolist() == [5, 23]


def test_voices_lines_and_chord_symbols() -> None:
    melody = Track("Tune", 0, notes=notes_array([(0, 1920, 72, 80), (0, 480, 64, 80), (1920, 960, 67, 80)]))
    bass = Track("Low", 32, notes=notes_array([(0, 960, 36, 80), (0, 960, 43, 80)]))
    kit = Track("Kit", 0, True, notes_array([(1920, 120, 36, 80)]))
    score = read_abc('X:1\nL:1/4\nM:4/4\nK:C\n"Am7/G"z2"N.C."z2|"F"z4|')
    chords = Track(
        "Chords",
        notes=notes_array([(0, 960, p, 64) for p in (43, 48, 52, 57)] + [(1920, 1920, p, 64) for p in (41, 48, 57)]),
        lyrics=((0, "Am7/G"), (1920, "F")),
    )
    whole = replace(score, tracks=(melody, bass, kit, chords), time_signatures=(TimeSignature(0, 4, 4),))
    tokens, warnings = ABC.encode(whole)
    assert warnings == ()
    assert abc_text(tokens) == (
        'X:1\nT:\nL:1/16\nM:4/4\nK:C\nV:1 name="Tune"\nV:2 name="Low"\n%%MIDI program 32\nV:3 name="Kit"\n'
        "%%MIDI channel 10\n"
        '[V:1]"Am7/G"c8-"N.C."c8&E4z12|[V:2][C,,G,,]8z8|[V:3]Z|\n[V:1]"F"G8z8|[V:2]Z|[V:3]C,,z15|\n'
    )
    back, _ = ABC.decode(tokens)
    assert heard(back) == heard(whole)
    assert back.tracks[3].lyrics == ((0, "Am7/G"), (1920, "F"))


def test_what_is_lost_is_told() -> None:
    score = tune()
    off = replace(
        score,
        tracks=(replace(score.tracks[0], notes=notes_array([(7, 480, 60, 80), (960, 20, 61, 80)])),),
        tempos=(Tempo(0, 500_001),),
        key_signatures=(KeySignature(480, 1, False),),
        markers=((0, "x"),),
    )
    assert ABC.encode(off)[1] == (
        "off-grid: 2 of 2 notes moved to 32nds or triplets",
        "key-signatures: 1 change moved to the next bar line",
        "tempi: 1 of 1 rounded or moved",
        "without-tokens: 1 marker left out",
    )


def plain(ids: list[int]) -> Tokens:
    return Tokens("abc", np.array(ids, np.int64))


V = VOCABULARY
USUAL = [
    i for i in range(V.size) if V.fields[int(V.kinds[i])].name not in ("Metre", "Tempo", "NewTempo", "Turn", "PAD")
]


@SETTINGS
@given(st.lists(st.one_of(st.sampled_from(USUAL), st.integers(-5, V.size + 5), st.just(2**40)), max_size=60))
def test_any_ids_become_music(ids: list[int]) -> None:
    score, skipped = ABC.decode(plain(ids))
    unknown = sum(not 0 <= i < V.size for i in ids)
    assert unknown <= skipped <= len(ids)
    longer, also = ABC.decode(plain([*ids, -1]))
    assert also == skipped + 1
    assert score_to_json(longer) == score_to_json(score)
    assert score_to_json(score_from_json(score_to_json(score))) == score_to_json(score)
    assert ABC.decode(ABC.encode(score)[0])[1] == 0


def test_too_long_music_is_cut_not_refused() -> None:
    whole = [V.id_of("START"), V.start("Metre") + 15, V.start("Key")]
    score, skipped = ABC.decode(plain([*whole, *[V.id_of("BarRest"), V.id_of("Bar")] * 700, V.start("Note") + 30]))
    assert (score.note_count, skipped) == (0, 75 + 1)


FIELD_OF = [V.fields[kind].name for kind in V.kinds.tolist()]


ENDS = ("STOP", "Row", "Bar", "Turn", "Quote", "Close", "Key", "START", "Note", "Rest", "Voice")


def brought_to_its_end(ids: list[int], state: State) -> list[int]:
    """The ids and the shortest way from there to the end of the tune."""
    grammar = ABC.grammar
    whole = list(ids)
    while not grammar.may_end(state):
        free = np.flatnonzero(grammar.allowed_next(state)).tolist()
        whole.append(min(free, key=lambda i: ENDS.index(FIELD_OF[i]) if FIELD_OF[i] in ENDS else 99))
        state = grammar.step(state, whole[-1])
        assert len(whole) < 200
    return whole


def tried(mask: NDArray[np.bool_], everything: bool) -> list[int]:
    """The ids to try of those that a mask allows: all, or the first and the last of each field."""
    allowed = np.flatnonzero(mask)
    if everything:
        return [int(i) for i in allowed]
    kinds = V.kinds[allowed]
    edges = np.flatnonzero(np.diff(kinds, prepend=-1) | np.diff(kinds, append=-1))
    return [int(i) for i in allowed[edges]]


def test_what_the_masks_allow_is_decoded_without_a_rest() -> None:
    """Every kind of place in a tune of up to two voices, every field that may follow it, in each kind all ids once."""
    grammar = ABC.grammar
    seen, whole_fields = set[State](), set[tuple[str, int, int]]()
    waiting = [(grammar.start(), list[int]())]
    checked = 0
    while waiting:
        state, ids = waiting.pop()
        kind = (state[0], state[1], min(state[4], 1))
        for token in tried(grammar.allowed_next(state), kind not in whole_fields):
            after = grammar.step(state, token)
            whole = brought_to_its_end([*ids, token], after)
            assert ABC.decode(plain(whole))[1] == 0, "".join(TEXTS[i] for i in whole)
            checked += 1
            if after not in seen and after[1] <= 2 and after[3] <= 2:
                seen.add(after)
                waiting.append((after, [*ids, token]))
        whole_fields.add(kind)
    assert checked > 5000


def test_there_and_back_through_pipes(m4m: Run) -> None:
    midi = score_to_midi(tune())
    text = m4m("tokenize", "--scheme", "abc", "--text", stdin=midi)
    assert (text.returncode, text.stderr, text.stdout[:10]) == (0, b"", b"X:1\nT:Tune")
    tokens = m4m("tokenize", "--scheme", "abc", stdin=text.stdout)
    back = m4m("tokenize", "--decode", "--json", stdin=tokens.stdout)
    assert heard(score_from_json(back.stdout.decode())) == heard(tune())
    wrong = m4m("tokenize", "--scheme", "remi", "--text", stdin=midi)
    assert (wrong.returncode, b"--scheme abc" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("fifths", range(-7, 8))
def test_accidentals_hold_as_any_reader_has_them(fifths: int) -> None:
    """In a run through all pitches each sounds as it was, whether accidentals hold for one octave or for all."""
    rows = [
        (i * 120, 120, pitch, 80) for i, pitch in enumerate([60, 61, 73, 60, 72, 61, 59, 71, 70, 58, 66, 65, 78, 77])
    ]
    score = Score(
        480, (Track("", notes=notes_array(rows)),), key_signatures=(KeySignature(0, fifths, fifths % 2 == 1),)
    )
    tokens, _ = ABC.encode(score)
    assert read_abc(abc_text(tokens)).tracks[0].notes["pitch"].tolist() == [row[2] for row in rows]
