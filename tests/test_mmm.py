"""The scheme `mmm`: tracks of bars and bars to be filled in; the parts of pieces that a model is trained on."""

import json
from collections.abc import Iterator

import numpy as np
from conftest import Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tokens import mmm_vocabulary as v
from m4mcli.tokens.coder import open_coder
from m4mcli.tokens.given import given_instruments
from m4mcli.tokens.grammar import State
from m4mcli.tokens.mmm import MMM
from m4mcli.tokens.mmm_crops import Sheet, crop, sheet_of
from m4mcli.tokens.mmt import DURATIONS
from m4mcli.tokens.scheme import Tokens

TICK = 40
NAMES = MMM.vocabulary.names


def ids_called(text: str) -> np.ndarray:
    """Ids by their names: `START Metre_4/4 Track ...`; a field of one id goes by the field's name."""
    named = {name: i for i, name in enumerate(NAMES)}
    return np.array([named.get(word, named.get(f"{word}_0")) for word in text.split()], np.int64)


def heard(score: Score) -> list[tuple[int, bool, list[tuple[int, ...]]]]:
    return [(t.program, t.is_drum, [row[:3] for row in t.notes.tolist()]) for t in score.tracks if len(t.notes)]


def band(bars: int = 12) -> Score:
    """Piano in quarters, a bass in halves that is silent in every third bar, drums; three bars of 3/4 among 4/4."""
    piano = [(480 * i, 480, 60 + i % 12, 64) for i in range(4 * bars)]
    bass = [(960 * i, 960, 40 + i % 5, 64) for i in range(2 * bars) if i // 2 % 3]
    drums = [(240 * i, 120, (36, 42)[i % 2], 64) for i in range(8 * bars)]
    parts = (("Piano", 0, False, piano), ("Bass", 33, False, bass), ("Drums", 0, True, drums))
    tracks = tuple(Track(name, program, drum, notes_array(rows)) for name, program, drum, rows in parts)
    metres = (TimeSignature(0, 4, 4), TimeSignature(4 * 1920, 3, 4), TimeSignature(4 * 1920 + 3 * 1440, 4, 4))
    return Score(480, tracks, time_signatures=tuple(m for m in metres if m.tick < bars * 1920))


# There and back


@st.composite
def pieces(draw: st.DrawFn) -> Score:
    """Music on 12ths in bars of any metre, some tracks of one program."""
    signatures, end = [], 0
    for place in draw(st.lists(st.integers(0, len(v.METRES) - 1), min_size=1, max_size=4)):
        signatures.append(TimeSignature(end, *v.METRES[place]))
        end += int(v.LENGTHS[place]) * 120
    tracks = []
    for program, drum in draw(st.lists(st.tuples(st.sampled_from((0, 33)), st.booleans()), min_size=1, max_size=3)):
        at = st.tuples(st.integers(0, end // TICK - 1), st.integers(0, 127), st.sampled_from(DURATIONS.tolist()))
        found = {(onset, pitch): length for onset, pitch, length in draw(st.lists(at, min_size=1, max_size=6))}
        rows = [(o * TICK, 120 if drum else n * TICK, pitch, 64) for (o, pitch), n in sorted(found.items())]
        tracks.append(Track("", 0 if drum else program, drum, notes_array(rows)))
    return Score(480, tuple(tracks), time_signatures=tuple(signatures))


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(score=pieces())
def test_music_on_the_grid_comes_back(score: Score) -> None:
    tokens, warnings = MMM.encode(score)
    assert warnings == ()
    assert MMM.grammar.refuses(tokens.ids) is None
    back, skipped = MMM.decode(tokens)
    assert (skipped, heard(back)) == (0, heard(score))
    changes = {(s.numerator, s.denominator) for s in back.time_signatures}
    assert changes <= {(s.numerator, s.denominator) for s in score.time_signatures}


def test_a_piece_in_words() -> None:
    tokens, _ = MMM.encode(band(1))
    said = """START Metre_4/4
        Track Program_0 Density_1 Bar Position_0 Pitch_60 Duration_12 Position_12 Pitch_61 Duration_12
        Position_24 Pitch_62 Duration_12 Position_36 Pitch_63 Duration_12
        Track Program_-1 Density_2 Bar Position_0 PitchDrum_36 Position_6 PitchDrum_42 Position_12 PitchDrum_36
        Position_18 PitchDrum_42 Position_24 PitchDrum_36 Position_30 PitchDrum_42 Position_36 PitchDrum_36
        Position_42 PitchDrum_42 STOP"""
    assert [NAMES[i] for i in tokens.ids] == [NAMES[i] for i in ids_called(said)]


def test_what_the_scheme_cannot_hold_is_told() -> None:
    rows = [(5, 470, 60, 64), (5, 100, 60, 64), (1030 * 1920, 480, 62, 64)]
    metres = (TimeSignature(0, 4, 4), TimeSignature(1920, 37, 16), TimeSignature(1920 + 37 * 120, 4, 4))
    score = Score(480, (Track(notes=notes_array(rows)),), time_signatures=metres)
    tokens, warnings = MMM.encode(score)
    assert warnings == (
        "off-grid: 2 of 3 notes moved to the nearest 12th of a beat",
        "metre: 1 bar told in other metres",
        "doubled: 1 note of one pitch and onset left out",
        "too-long: 1 note left out, behind bar 1024",
    )
    assert MMM.grammar.refuses(tokens.ids) is None
    metres_told = [v.METRES[i - v.FIRST[v.METRE]] for i in tokens.ids[1:5]]
    assert metres_told == [(4, 4), (4, 4), (4, 4), (5, 16)]
    many = Score(480, tuple(Track(notes=notes_array([(0, 480, 60, 64)])) for _ in range(130)))
    assert MMM.encode(many)[1] == ("many-tracks: 2 notes of more than 128 tracks left out",)


def test_bars_that_are_filled_in_stand_in_their_places() -> None:
    said = """START Metre_2/4 Metre_3/4
        Track Program_0 Density_1 Bar Position_0 Pitch_60 Duration_12 FillIn
        Track Program_-1 Density_1 FillIn Bar Position_0 PitchDrum_36
        Fill Density_1 Position_24 Pitch_64 Duration_12 Fill Density_0 STOP"""
    ids = ids_called(said)
    assert MMM.grammar.refuses(ids) is None
    back, skipped = MMM.decode(Tokens("mmm", ids))
    assert skipped == 0
    assert heard(back) == [(0, False, [(0, 480, 60), (1920, 480, 64)]), (0, True, [(960, 120, 36)])]
    assert [(s.tick, s.numerator) for s in back.time_signatures] == [(0, 2), (960, 3)]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    ids=st.lists(
        st.one_of(
            st.integers(0, MMM.vocabulary.size),
            st.sampled_from(
                ids_called(
                    "START STOP PAD Metre_3/4 Track Program_0 Program_-1 Density_1 Bar FillIn Fill Position_0 "
                    "Pitch_60 PitchDrum_36 Duration_12"
                ).tolist()
            ),
            st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=60,
    )
)
def test_any_ids_become_music(ids: list[int]) -> None:
    score, skipped = MMM.decode(Tokens("mmm", np.array(ids, np.int64)))
    unknown = sum(not 0 <= i < MMM.vocabulary.size for i in ids)
    assert unknown <= skipped <= len(ids) - score.note_count
    assert score_to_json(score_from_json(score_to_json(score))) == score_to_json(score)
    again, _ = MMM.encode(score)
    assert MMM.decode(again)[1] == 0


# The grammar

FEW = ids_called(
    "PAD START STOP Metre_1/8 Track Program_0 Program_-1 Density_0 Density_6 Bar FillIn Fill Position_0 Position_5 "
    "Pitch_0 Pitch_127 PitchDrum_0 PitchDrum_127 Duration_1 Duration_384"
).tolist()
"""The first and the last of what a mask may let through, of each field."""


def bounded(state: State) -> bool:
    """At most two bars and two tracks: more of them bring no other kind of place."""
    return len(state[1]) <= 2 and state[2] <= 2


def explored() -> Iterator[tuple[State, tuple[int, ...], np.ndarray]]:
    """Every state that the few ids lead to, a way to it, and its mask."""
    grammar = MMM.grammar
    seen: set[State] = {grammar.start()}
    waiting: list[tuple[State, tuple[int, ...]]] = [(grammar.start(), ())]
    while waiting:
        state, way = waiting.pop()
        mask = grammar.allowed_next(state)
        yield state, way, mask
        for token in FEW:
            if mask[token]:
                after = grammar.step(state, token)
                if after not in seen and bounded(after):
                    seen.add(after)
                    waiting.append((after, (*way, token)))


def ended(way: tuple[int, ...], state: State) -> list[int]:
    """A piece brought to its end: on to the next bar, fill or STOP as soon as that may be."""
    ids, grammar = list(way), MMM.grammar
    wish = ids_called("STOP Fill Bar Track Density_0 Program_0 Duration_1 Position_0 Position_5").tolist()
    while not grammar.may_end(state):
        mask = grammar.allowed_next(state)
        ids.append(next((i for i in wish if mask[i]), int(np.argmax(mask))))
        state = grammar.step(state, ids[-1])
    return ids


def test_what_the_masks_allow_is_decoded_without_a_rest() -> None:
    """Each kind of id behind each state; a published sampler let the ids of the next field through."""
    grammar, states, tried = MMM.grammar, 0, set()
    for state, way, mask in explored():
        states += 1
        assert mask.shape == (MMM.vocabulary.size,)
        assert mask.any()
        for field in MMM.vocabulary.fields:
            span = mask[MMM.vocabulary.span(field.name)]
            if field.name == "Position" and span.any():
                length = int(v.LENGTHS[state[5]]) * v.PER_SIXTEENTH
                assert np.flatnonzero(span).tolist() == list(range(state[6] + 1, length))
            elif field.name in ("Pitch", "PitchDrum") and span.any():
                assert np.flatnonzero(span).tolist() == list(range(state[7] + 1, 128))
                assert (field.name == "PitchDrum") == state[4]
            else:
                assert span.all() or not span.any()
        for token in FEW:
            # What is allowed depends on the state alone; the way there matters to the decoder by its last two ids.
            place = (way[-2:], token, len(state[8]) - state[9])
            if mask[token] and place not in tried:
                tried.add(place)
                ids = np.array(ended((*way, token), grammar.step(state, token)), np.int64)
                assert MMM.decode(Tokens("mmm", ids))[1] == 0, [NAMES[i] for i in ids]
    assert states > 500
    assert len(tried) > 200


def test_a_piece_ends_when_all_is_filled_in() -> None:
    mask = {}
    for text in ("FillIn", "FillIn Fill Density_0", "FillIn Fill Density_6", "Bar"):
        state = MMM.grammar.start()
        for token in ids_called(f"START Metre_1/8 Track Program_0 Density_1 {text}").tolist():
            assert MMM.grammar.allowed_next(state)[token]
            state = MMM.grammar.step(state, token)
        mask[text] = {NAMES[i].partition("_")[0] for i in np.flatnonzero(MMM.grammar.allowed_next(state))}
    assert mask["FillIn"] == {"Track", "Fill"}
    assert mask["FillIn Fill Density_0"] == {"STOP"}
    assert mask["FillIn Fill Density_6"] == {"Position"}
    assert mask["Bar"] == {"Position", "Track", "STOP"}


def test_only_the_instruments_play_that_are_asked_for() -> None:
    given = given_instruments(open_coder("mmm"), (33, 0))
    open_ = [NAMES[i] for i in np.flatnonzero(~given.barred[0])]
    assert [name for name in open_ if name.startswith("Program")] == ["Program_0", "Program_33"]
    assert not any(name.startswith("PitchDrum") for name in open_)


# Parts of pieces


def test_a_part_is_a_piece_itself() -> None:
    (rows,) = open_coder("mmm").pieces(band(24))
    whole, filled, kinds = sheet_of(rows[:, 0]), 0, set()
    bars = {ids.tobytes() for line in whole.lines for ids in line.bars}
    for seed in range(45):
        part = crop(rows[:, 0], (160, 400, 1000)[seed % 3], np.random.default_rng(seed))
        assert len(part) <= (160, 400, 1000)[seed % 3]
        assert MMM.grammar.refuses(part) is None
        assert part[-1] == v.FIRST[v.STOP]
        names = [NAMES[i].partition("_")[0] for i in part]
        assert names.count("FillIn") == names.count("Fill")
        filled += names.count("Fill") > 0
        kinds |= {tuple(part[np.flatnonzero(v.KINDS[part] == v.PROGRAM)].tolist())}
        score, skipped = MMM.decode(Tokens("mmm", part))
        assert skipped == 0
        assert score.note_count
        again, _ = MMM.encode(score)
        assert {ids.tobytes() for line in sheet_of(again.ids).lines for ids in line.bars} <= bars
    assert 25 < filled < 45
    assert len(kinds) > 6
    first = crop(rows[:, 0], 300, None)
    assert "FillIn_0" not in {NAMES[i] for i in first}
    assert MMM.decode(Tokens("mmm", first))[0].note_count
    silent = MMM.encode(Score(480))[0].ids
    assert crop(silent, 100, np.random.default_rng(0)).tolist() == silent.tolist()


def test_densities_are_those_of_what_is_told() -> None:
    sheet = sheet_of(MMM.encode(band(6))[0].ids)
    hidden = np.zeros((3, len(sheet.metres)), np.bool_)
    hidden[1, :2] = True
    said = [NAMES[i] for i in sheet.ids(hidden) if v.KINDS[i] == v.DENSITY]
    assert said == ["Density_1", "Density_0.5", "Density_2", "Density_0", "Density_0.5"]
    assert v.nearest_rate(np.array([0.1, 0.3, 0.6, 1.1, 2.4, 2.5, 5, 50])).tolist() == [1, 1, 2, 4, 6, 7, 9, 9]


def test_there_and_back_through_pipes(m4m: Run) -> None:
    tokens = m4m("tokenize", "--scheme", "mmm", "-q", stdin=score_to_midi(band(4)))
    assert (tokens.returncode, tokens.stderr) == (0, b"")
    assert sum(line.startswith(b"%d" % v.FIRST[v.TRACK]) for line in tokens.stdout.splitlines()) >= 2
    back = score_from_json(m4m("tokenize", "--decode", "--json", stdin=tokens.stdout).stdout.decode())
    assert [t.name for t in back.tracks] == ["Piano", "Bass", "Drums"]
    assert heard(back) == heard(band(4))
    assert json.loads(tokens.stdout)["vocabulary"] == 565


def test_a_sheet_is_what_was_read() -> None:
    ids = MMM.encode(band(5))[0].ids
    sheet = sheet_of(ids)
    assert isinstance(sheet, Sheet)
    assert sheet.ids(np.zeros((3, len(sheet.metres)), np.bool_)).tolist() == ids.tolist()
    assert sheet.costs().sum() + 2 + len(sheet.metres) == len(ids)
