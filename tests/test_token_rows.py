"""The schemes `tpd` and `mmt`: rows of ids, a grid in 12ths of a quarter note, no settings."""

import json

import numpy as np
import pytest
from conftest import Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.score import Score, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tokens import mmt, tpd
from m4mcli.tokens.grammar import State
from m4mcli.tokens.scheme import Tokens
from m4mcli.tokens.schemes import open_scheme

NAMES = ("tpd", "mmt")
TICK = 40
SETTINGS = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


@st.composite
def lines(draw: st.DrawFn) -> Score:
    """A part of chords on the steps of `tpd`, and for `mmt` others beside it."""
    rows, onset = {}, 0
    for _ in range(draw(st.integers(1, 12))):
        onset += draw(st.sampled_from(tpd.STEPS.tolist()))
        pitch = draw(st.integers(0, 127))
        rows[onset, pitch] = (onset * TICK, draw(st.sampled_from(tpd.DURATIONS.tolist())) * TICK, pitch, 64)
    return Score(480, (Track("Line", draw(st.integers(0, 127)), notes=notes_array(list(rows.values()))),))


def heard(score: Score) -> list[tuple[int, list[tuple[int, ...]]]]:
    return [(t.program, t.notes.tolist()) for t in score.tracks if len(t.notes)]


@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(score=lines())
def test_music_on_the_grid_comes_back(name: str, score: Score) -> None:
    scheme = open_scheme(name)
    tokens, warnings = scheme.encode(score)
    assert warnings == ()
    assert scheme.grammar.refuses(tokens.ids) is None
    back, skipped = scheme.decode(tokens)
    assert (skipped, heard(back)) == (0, heard(score))


def test_several_instruments_of_mmt() -> None:
    parts = ((40, [(0, 480, 60, 64), (480, 40, 61, 64)]), (0, [(480, 480, 48, 64), (480, 480, 36, 64)]))
    tracks = tuple(Track(f"p{program}", program, notes=notes_array(rows)) for program, rows in parts)
    tokens, warnings = mmt.encode(Score(480, (*tracks, Track("Beat", 0, True, notes_array([(0, 40, 36, 64)])))))
    assert warnings == ("drums: 1 note left out",)
    assert tokens.ids.tolist() == [
        [0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 41],
        [2, 0, 0, 0, 0, 0],
        [3, 1, 1, 61, 10, 41],
        [3, 2, 1, 37, 10, 1],
        [3, 2, 1, 49, 10, 1],
        [3, 2, 1, 62, 1, 41],
        [4, 0, 0, 0, 0, 0],
    ]
    back, _ = mmt.decode(tokens)
    assert [(t.name, t.program) for t in back.tracks] == [("p0", 0), ("p40", 40)]
    assert sorted(heard(back)) == sorted((t.program, t.notes.tolist()) for t in tracks)


def test_what_is_lost_is_told() -> None:
    score = Score(480, (Track(notes=notes_array([(7, 480, 60, 64), (480 * 300, 480, 60, 64)])),))
    assert mmt.encode(score)[1] == (
        "off-grid: 1 of 2 notes moved to the nearest 12th of a beat",
        "too-long: 1 note left out, behind beat 256",
    )
    assert tpd.encode(score)[1] == ("off-grid: 2 of 2 notes moved to the nearest step",)


def test_filling_is_no_step_in_time() -> None:
    """A published decoder takes PAD for the last step of its table."""
    rows = [[2, 62, 3], [0, 0, 0], [2, 66, 3], [1, 1, 1], [0, 0, 0], [2, 62, 3]]
    score, skipped = tpd.decode(Tokens("tpd", np.array(rows)))
    assert score.tracks[0].notes["onset"].tolist() == [0, 0]
    assert skipped == 1


@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(data=st.data())
def test_any_rows_become_music(name: str, data: st.DataObject) -> None:
    scheme = open_scheme(name)
    sizes = [table.size for table in scheme.vocabulary.tables()]
    row = st.tuples(*(st.one_of(st.integers(0, size - 1), st.integers(-1, 4), st.just(2**40)) for size in sizes))
    rows = data.draw(st.lists(row, max_size=20))
    tokens = Tokens(name, np.array(rows, np.int64).reshape(-1, len(sizes)))
    score, skipped = scheme.decode(tokens)
    assert 0 <= skipped <= len(rows) - score.note_count
    assert score_to_json(score_from_json(score_to_json(score))) == score_to_json(score)


def few(state: State) -> bool:
    """Whether at most one instrument is named, for `mmt`: of more, the order of their notes is tested below."""
    return len(state) < 5 or len(state[4]) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_what_the_masks_allow_is_decoded_without_a_rest(name: str) -> None:
    """Each id that may follow each place that is reached by the first and the last of the ids allowed before."""
    scheme = open_scheme(name)
    grammar, width = scheme.grammar, len(scheme.vocabulary.columns)
    sizes = [table.size for table in scheme.vocabulary.tables()]

    def ended(ids: list[int], state: State) -> list[int]:
        """The ids, brought to the end of the piece: the last id of each type, and the first of all others."""
        ids = list(ids)
        while not grammar.may_end(state):
            allowed = np.flatnonzero(grammar.allowed_next(state))
            ids.append(int(allowed[-1 if len(ids) % width == 0 else 0]))
            state = grammar.step(state, ids[-1])
        return ids

    seen = {grammar.start()}
    waiting: list[tuple[State, list[int]]] = [(grammar.start(), [])]
    tried = 0
    while waiting:
        state, ids = waiting.pop()
        mask = grammar.allowed_next(state)
        assert len(mask) == sizes[len(ids) % width]
        allowed = np.flatnonzero(mask).tolist()
        for token in allowed:
            after = grammar.step(state, token)
            whole = np.array(ended([*ids, token], after)).reshape(-1, width)
            assert scheme.decode(Tokens(name, whole))[1] == 0, whole
            tried += 1
            if token in (allowed[0], allowed[-1]) and after not in seen and few(after):
                seen.add(after)
                waiting.append((after, [*ids, token]))
    assert tried > 100


def test_instruments_that_are_named_may_play() -> None:
    """A published sampler let only the instruments of the prompt play, not those that the model named itself."""
    grammar = open_scheme("mmt").grammar
    state = grammar.start()
    for token in (0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 41, 2, 0, 0, 0, 0, 0, 3, 7, 5, 61, 10):
        assert grammar.allowed_next(state)[token]
        state = grammar.step(state, token)
    assert np.flatnonzero(grammar.allowed_next(state)).tolist() == [41]
    state = grammar.step(grammar.step(grammar.step(state, 41), 3), 7)
    assert np.flatnonzero(grammar.allowed_next(state)).tolist() == list(range(5, 13))


def test_notes_of_one_moment_come_in_order() -> None:
    """Independent heads would else write one moment for ever: without an order nothing ever takes them on."""
    grammar = open_scheme("mmt").grammar

    def after(*notes: tuple[int, ...]) -> State:
        state = grammar.start()
        named = ((0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 1), (1, 0, 0, 0, 0, 41), (2, 0, 0, 0, 0, 0))
        for token in (token for row in (*named, *notes) for token in row):
            assert grammar.allowed_next(state)[token]
            state = grammar.step(state, token)
        return state

    def allowed(*rows: tuple[int, ...]) -> list[int]:
        return np.flatnonzero(grammar.allowed_next(after(*rows))).tolist()

    low, high = (3, 5, 5, 61, 10, 1), (3, 5, 5, 70, 10, 41)
    assert allowed(low, (3, 5, 5, 61, 9)) == [41]
    assert allowed(low, (3, 5, 5, 61, 10)) == [1, 41]
    assert allowed(low, (3, 5, 5)) == list(range(1, 129))
    assert allowed(low, high, (3, 5, 5)) == list(range(70, 129))
    assert allowed(low, high, (3, 5, 5, 70)) == list(range(10, 33))
    assert allowed(low, high, (3, 5, 6)) == list(range(1, 129))
    assert allowed(low, high, (3, 5, 6, 60, 4)) == [1, 41]


@pytest.mark.parametrize("name", [*NAMES, "cpword", "octuple"])
def test_there_and_back_through_pipes(m4m: Run, name: str) -> None:
    score = Score(480, (Track("Line", 0, notes=notes_array([(0, 480, 60, 64), (480, 240, 62, 64)])),))
    tokens = m4m("tokenize", "--scheme", name, stdin=score_to_midi(score))
    assert (tokens.returncode, tokens.stderr) == (0, b"")
    assert all(isinstance(row, list) for row in json.loads(tokens.stdout)["ids"])
    back = m4m("tokenize", "--decode", "--json", stdin=tokens.stdout)
    found = score_from_json(back.stdout.decode())
    assert [row[:3] for row in found.tracks[0].notes.tolist()] == [(0, 480, 60), (480, 240, 62)]
    odd = json.dumps(json.loads(tokens.stdout) | {"ids": [[1]]}).encode()
    assert b"where a row of" in m4m("tokenize", "--decode", "--json", stdin=odd).stderr
