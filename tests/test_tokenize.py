"""`m4m tokenize`: music on 16ths comes back whole, and any ids become music."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from conftest import Run, environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import m4mcli.tokens
from m4mcli.errors import M4mError
from m4mcli.frames.fields import note_fields
from m4mcli.frames.frames import tick_of, track_frames
from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, MAX_TRACKS
from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.read import read_score
from m4mcli.score.score import (
    BEND,
    CONTROL,
    KeySignature,
    Score,
    Tempo,
    TimeSignature,
    Track,
    notes_array,
)
from m4mcli.score.write import score_to_midi
from m4mcli.tokens.frames_scheme import FRAMES
from m4mcli.tokens.frames_vocabulary import END, VOCABULARY, VOICES, ids_of
from m4mcli.tokens.grammar import State
from m4mcli.tokens.scheme import DEFAULT_TPQ, Tokens, TokenTrack
from m4mcli.tokens.schemes import NAMES, open_scheme
from m4mcli.tokens.token_form import tokens_from_json, tokens_to_json, tokens_to_line

SCHEMA = json.loads((Path(m4mcli.tokens.__file__).parent / "schemas" / "tokens.schema.json").read_text("utf-8"))
START, STOP, BAR, TEMPO = map(VOCABULARY.id_of, ("START", "STOP", "BAR", "TEMPO"))

SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tracks(draw: st.DrawFn, tpq: int) -> Track:
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 70), st.integers(1, 200), st.integers(0, 127), st.integers(1, 127)), max_size=12
        )
    )
    ticks = [(tick_of(f, tpq), tick_of(f + d, tpq) - tick_of(f, tpq), pitch, loud) for f, d, pitch, loud in rows]
    name = draw(st.sampled_from(["", "Flöte", "two\nlines", "\x00", "笛"]))
    return Track(name, draw(st.sampled_from([0, 0, 40, 127])), draw(st.booleans()), notes_array(ticks))


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Any music on 16ths that the scheme can hold."""
    tpq = draw(st.sampled_from([4, 10, 24, 96, 480, 9600]))
    frames = st.lists(st.integers(0, 90), unique=True, max_size=4).map(sorted)

    def ticks() -> list[int]:
        return [tick_of(frame, tpq) for frame in draw(frames)]

    return Score(
        tpq,
        tuple(draw(st.lists(tracks(tpq), max_size=4))),
        tuple(Tempo(t, draw(st.integers(1, 0xFFFFFF))) for t in ticks()),
        tuple(TimeSignature(t, draw(st.integers(1, 255)), 1 << draw(st.integers(0, 6))) for t in ticks()),
        tuple(KeySignature(t, draw(st.integers(-7, 7)), draw(st.booleans())) for t in ticks()),
    )


def plain(ids: list[int], tracks: tuple[TokenTrack, ...] = ()) -> Tokens:
    return Tokens("frames", np.array(ids, np.int64), tracks=tracks)


@SETTINGS
@given(scores())
def test_music_on_16ths_comes_back_whole(score: Score) -> None:
    tokens, warnings = FRAMES.encode(score)
    assert warnings == ()
    assert FRAMES.grammar.refuses(tokens.ids) is None
    back, skipped = FRAMES.decode(tokens)
    assert skipped == 0
    assert score_to_json(back) == score_to_json(score)
    (read,) = tokens_from_json(tokens_to_json(tokens).encode(), "x", "frames")
    assert score_to_json(FRAMES.decode(read)[0]) == score_to_json(score)


ANY_IDS = st.lists(
    st.one_of(st.integers(0, VOCABULARY.size - 1), st.integers(4, 458), st.integers(-(2**63), 2**63 - 1)), max_size=200
)


@SETTINGS
@given(ANY_IDS)
def test_any_ids_become_music(ids: list[int]) -> None:
    score, skipped = FRAMES.decode(plain(ids))
    unknown = sum(not 0 <= i < VOCABULARY.size for i in ids)
    assert unknown <= skipped <= len(ids) - 3 * score.note_count
    longer, also = FRAMES.decode(plain([*ids, -1]))
    assert (score_to_json(longer), also) == (score_to_json(score), skipped + 1)
    assert score_to_json(score_from_json(score_to_json(score))) == score_to_json(score)
    assert read_score(score_to_midi(score), "x").score.note_count == score.note_count
    again, none = FRAMES.decode(FRAMES.encode(score)[0])
    assert none == 0
    assert score_to_json(again) == score_to_json(score)


FIELD_OF = [VOCABULARY.fields[kind].name for kind in VOCABULARY.kinds.tolist()]


def test_what_the_masks_allow_is_decoded_without_a_rest() -> None:
    """Every id that may follow every kind of place in a piece, each brought to its end the shortest way."""
    grammar = FRAMES.grammar
    shortest = {"TONE": "OCTAVE", "VOICE": "INSTRUMENT", "INSTRUMENT": "TONE", "NUMERATOR": "DENOMINATOR"}
    seen: set[tuple[object, ...]] = set()
    waiting: list[tuple[State, list[int]]] = [(grammar.start(), [])]
    checked = 0
    while waiting:
        state, ids = waiting.pop()
        for token in np.flatnonzero(grammar.allowed_next(state)).tolist():
            after = grammar.step(state, token)
            whole, at = [*ids, token], after
            while not grammar.may_end(at):
                free = np.flatnonzero(grammar.allowed_next(at)).tolist()
                wanted = [
                    i for i in free if FIELD_OF[i] in ("STOP", "END", shortest.get(at[0], ""), "DURATION", "BYTE")
                ]
                whole.append(min(wanted or free, key=lambda i: FIELD_OF[i] not in ("STOP", "END")))
                at = grammar.step(at, whole[-1])
            assert FRAMES.decode(plain(whole))[1] == 0, VOCABULARY.apart(np.array(whole))
            checked += 1
            place = (after[0], *after[2:-1])
            if place not in seen:
                seen.add(place)
                waiting.append((after, [*ids, token]))
    assert checked > 1000


HEADS = {"START", "STOP", "BAR", "END", "TEMPO", "NUMERATOR", "KEY", "VOICE", "INSTRUMENT"}


def damage(kinds: list[str], at: int) -> tuple[int, int]:
    """Tokens skipped and notes lost for an id of no token that stands before token `at` of a whole piece."""
    if at == len(kinds) or (kinds[at] in HEADS and (at == 0 or kinds[at - 1] != "VOICE")):
        # Between two things that are told nothing is lost; but START stands at the beginning alone.
        return (2 if at == 0 and kinds else 1), 0
    if kinds[at] == "INSTRUMENT":
        return 2, 0
    begin = max(i for i in range(at) if kinds[i] in HEADS)
    begin -= kinds[begin - 1] == "VOICE"
    end = next((i for i in range(at, len(kinds)) if kinds[i] in HEADS), len(kinds))
    if "DURATION" in kinds[begin:at]:
        return 1 + end - at, 0
    return 1 + end - begin, int("INSTRUMENT" in kinds[begin:at])


@SETTINGS
@given(scores(), st.data())
def test_damaged_tokens_cost_what_is_damaged(score: Score, data: st.DataObject) -> None:
    ids = FRAMES.encode(score)[0].ids
    at = data.draw(st.integers(0, len(ids)))
    back, skipped = FRAMES.decode(plain([*ids[:at].tolist(), -1, *ids[at:].tolist()]))
    assert (skipped, score.note_count - back.note_count) == damage(VOCABULARY.apart(ids)[0], at)


def test_a_bar_token_by_token() -> None:
    score = Score(
        480,
        (
            Track("Flute", 73, notes=notes_array([(0, 480, 60, 100), (480, 1080, 62, 1)])),
            Track("Beat", 0, True, notes_array([(0, 120, 36, 127)])),
            Track("Second flute", 73, notes=notes_array([(0, 120, 55, 64)])),
        ),
        (Tempo(0, 500_000),),
        (TimeSignature(0, 3, 4),),
        (KeySignature(0, -1, False),),
    )
    tokens, _ = FRAMES.encode(score)
    names, values = VOCABULARY.apart(tokens.ids)
    said = " ".join(f"{n}:{v}" if VOCABULARY.fields[0].name != n else n for n, v in zip(names, values, strict=True))
    head = "START:0 TEMPO:0 BYTE:7 BYTE:161 BYTE:32 NUMERATOR:3 DENOMINATOR:2 KEY:6 BAR:0"
    flute = "INSTRUMENT:73 TONE:0 OCTAVE:5 DURATION:3 VELOCITY:100"
    second = "VOICE:1 INSTRUMENT:73 TONE:7 OCTAVE:4 DURATION:0 VELOCITY:64"
    drum = "INSTRUMENT:128 TONE:48 DURATION:0 VELOCITY:127"
    end = " END:0"
    late = "INSTRUMENT:73 TONE:2 OCTAVE:5 DURATION:7 DURATION:0 VELOCITY:1"
    first_bar = f"{head} {flute} {second} {drum}{end}{end * 3} {late}{end}{end * 7}"
    assert said == f"{first_bar} BAR:0{end} STOP:0"


def test_tokens_are_the_fields_of_the_model() -> None:
    track = Track(program=40, notes=notes_array([(0, 120, 127, 80), (0, 480, 61, 80), (120, 240, 0, 80)]))
    names, values = VOCABULARY.apart(FRAMES.encode(Score(480, (track,)))[0].ids)
    found = {n: [v for name, v in zip(names, values, strict=True) if name == n] for n in set(names)}
    fields = note_fields(track_frames([track], 480))
    for column, name in enumerate(("INSTRUMENT", "TONE", "OCTAVE", "DURATION")):
        assert found[name] == fields[:, column].tolist()
    assert ids_of("INSTRUMENT")[-1] + 1 == END == VOCABULARY.id_of("INSTRUMENT", 0) + 129


def test_what_is_off_the_grid_or_has_no_tokens_is_told() -> None:
    track = Track(
        notes=notes_array([(10, 470, 60, 80), (480, 33, 60, 80)]),
        controls=np.array([(0, 64, 127)], CONTROL),
        bends=np.array([(0, 5), (9, 0)], BEND),
        lyrics=((0, "la"),),
    )
    score = Score(480, (track,), (Tempo(3, 500_000), Tempo(5, 400_000)), markers=((0, "Verse"),))
    tokens, warnings = FRAMES.encode(score)
    assert warnings == (
        "off-grid: 1 onset and 1 end of 2 notes moved to the nearest 16th",
        "off-grid: 2 tempo or signatures moved to the nearest 16th",
        "without-tokens: 1 controller, 2 pitch bends, 1 lyric, 1 marker left out",
    )
    back, _ = FRAMES.decode(tokens)
    assert back.tempos == (Tempo(0, 400_000),)
    assert back.tracks[0].notes.tolist() == [(0, 480, 60, 80), (480, 120, 60, 80)]


def test_more_tracks_of_one_instrument_than_voices() -> None:
    score = Score(480, tuple(Track(notes=notes_array([(0, 120, i, 80)])) for i in range(VOICES + 2)))
    tokens, warnings = FRAMES.encode(score)
    assert warnings == (f"many-tracks: 2 notes of more than {VOICES} tracks with one instrument merged",)
    assert [len(t.notes) for t in FRAMES.decode(tokens)[0].tracks] == [1] * (VOICES - 1) + [3, 0, 0]


NOTE = [VOCABULARY.id_of("INSTRUMENT", 40), VOCABULARY.id_of("TONE", 4), VOCABULARY.id_of("OCTAVE", 5)]
LONG = VOCABULARY.id_of("DURATION", 3)
DRUM = [VOCABULARY.id_of("INSTRUMENT", 128), VOCABULARY.id_of("TONE", 48)]

ODD = [
    ([], 0, 0),
    ([START, STOP], 0, 0),
    ([*NOTE, LONG], 1, 0),
    ([END, *NOTE, LONG, END], 1, 0),
    (NOTE, 0, 3),
    ([*NOTE[:2], LONG, END], 0, 3),
    ([*NOTE, *NOTE, LONG], 1, 3),
    ([*DRUM, LONG], 1, 0),
    ([DRUM[0], NOTE[1], LONG], 0, 3),
    ([NOTE[0], DRUM[1], LONG], 0, 3),
    ([NOTE[0], VOCABULARY.id_of("TONE", 8), VOCABULARY.id_of("OCTAVE", 10), LONG], 0, 4),
    ([VOCABULARY.id_of("VOICE", 3), END, *NOTE, LONG], 1, 1),
    ([TEMPO, *[ids_of("BYTE")[0]] * 3, END], 0, 4),
    ([TEMPO, *ids_of("BYTE")[1:3], END], 0, 3),
    ([VOCABULARY.id_of("NUMERATOR", 3), BAR, END], 0, 1),
    ([START, START, 0, 0, STOP, END, 0, STOP], 0, 3),
    ([-1, VOCABULARY.size, 10**12], 0, 3),
]


@pytest.mark.parametrize(("ids", "notes", "skipped"), ODD)
def test_odd_ids(ids: list[int], notes: int, skipped: int) -> None:
    score, found = FRAMES.decode(plain(ids))
    assert (score.note_count, found) == (notes, skipped)


def test_decoding_keeps_to_what_m4m_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    far = [END] * (4 * MAX_QUARTERS + 5)
    score, skipped = FRAMES.decode(plain([*far[:-7], *NOTE, *[LONG] * 20, *far[:3], *NOTE, LONG, *far[:5]]))
    assert skipped == 1 + 4 + 5
    assert score.end == MAX_QUARTERS * DEFAULT_TPQ
    assert score_from_json(score_to_json(score)).note_count == 1
    parts = [(v, i) for v in range(VOICES) for i in range(40)]
    ids = [x for v, i in parts for x in (*ids_of("VOICE")[v - 1 : v], NOTE[0] - 40 + i, *NOTE[1:], LONG)]
    score, _ = FRAMES.decode(plain(ids))
    assert len(score.tracks) == MAX_TRACKS
    monkeypatch.setattr("m4mcli.tokens.frames_decoding.MAX_NOTES", 3)
    assert FRAMES.decode(plain([*NOTE, LONG] * 5))[0].note_count == 3 < MAX_NOTES


def test_tracks_that_are_not_told_come_behind_those_that_are() -> None:
    ids = [*NOTE, LONG, *DRUM, LONG, VOCABULARY.id_of("VOICE", 1), *NOTE, LONG]
    score, _ = FRAMES.decode(plain(ids, (TokenTrack("Kit", 8, True), TokenTrack("Violin", 40, False))))
    assert [(t.name, t.program, t.is_drum) for t in score.tracks] == [
        ("Kit", 8, True),
        ("Violin", 40, False),
        ("", 40, False),
    ]


@SETTINGS
@given(scores())
def test_json_fits_its_schema(score: Score) -> None:
    tokens, _ = FRAMES.encode(score)
    for text in (tokens_to_json(tokens), tokens_to_line(tokens, "a.mid")):
        jsonschema.validate(json.loads(text), SCHEMA)
        (read,) = tokens_from_json(text.encode(), "x", "frames")
        assert (read.ids.tolist(), read.tpq, read.tracks) == (tokens.ids.tolist(), tokens.tpq, tokens.tracks)
    assert tokens_to_line(tokens, "a.mid").count("\n") == 1


GOOD: dict[str, Any] = {"m4m": 1, "kind": "tokens", "scheme": "frames", "scheme_version": 1, "ids": [1, 2]}


@pytest.mark.parametrize("form", [GOOD, [1, 2], GOOD | {"tpq": 96, "tracks": [{}], "file": "x", "vocabulary": 1}])
def test_forms_that_are_read(form: Any) -> None:
    for text in (json.dumps(form), json.dumps(form, indent=2), "\ufeff" + json.dumps(form)):
        (tokens,) = tokens_from_json(text.encode(), "x", "frames")
        assert tokens.ids.tolist() == [1, 2]
    assert len(tokens_from_json("\n".join([json.dumps(form)] * 3).encode(), "x", "frames")) == 3


BAD = [
    (b"", "x: empty input"),
    (b"MThd\x00\x00\x00\x06\xff", "no UTF-8"),
    (b"hello", "not JSON"),
    (b"3", "no object with the key 'm4m', and no list of ids"),
    (b"{}", "no object with the key 'm4m'"),
    (b"[1, 2.5]", r"ids\[1\] is 2.5, where a whole number is needed"),
    (b"[true]", r"ids\[0\] is true"),
    (json.dumps({"m4m": 1, "kind": "score"}).encode(), "kind \"score\", where 'tokens' is needed"),
    *(
        (json.dumps(GOOD | change).encode(), told)
        for change, told in (
            ({"m4m": 2}, "version 2, where this m4m reads version 1"),
            ({"scheme": "nosuch"}, 'scheme "nosuch", where m4m knows frames, remi'),
            ({"scheme_version": 9}, "in version 9, where this m4m reads 1"),
            ({"ids": 3}, "'ids' of the top is 3"),
            ({"tpq": 0}, "'tpq' of the top is 0"),
            ({"tracks": [3]}, r"tracks\[0\] is 3"),
            ({"tracks": [{"program": 128}]}, r"'program' of tracks\[0\] is 128"),
            ({"tracks": [{}] * 1025}, "1025 tracks, more than the 1024"),
            ({"extra": 1}, 'unknown key "extra"'),
        )
    ),
]


@pytest.mark.parametrize(("text", "told"), BAD)
def test_forms_that_are_refused(text: bytes, told: str) -> None:
    with pytest.raises(M4mError, match=told):
        tokens_from_json(text, "x", "frames")


def test_a_huge_number_is_an_id_that_no_token_has() -> None:
    (tokens,) = tokens_from_json(b"[1, 123456789012345678901234567890, 2]", "x", "frames")
    assert FRAMES.decode(tokens)[1] == 1


def test_the_vocabulary_is_one_range_without_holes(m4m: Run) -> None:
    names, values = VOCABULARY.apart(np.arange(VOCABULARY.size))
    again = [VOCABULARY.id_of(name, value) for name, value in zip(names, values, strict=True)]
    assert again == list(range(VOCABULARY.size))
    assert VOCABULARY.apart(np.array([-1, VOCABULARY.size])) == (["", ""], [0, 0])
    for name, value in (("TONE", 140), ("VOICE", 0), ("NO", 0)):
        with pytest.raises(ValueError, match=name):
            VOCABULARY.id_of(name, value)
    page = m4m("tokenize", "--vocabulary").stdout.decode()
    assert page == VOCABULARY.page()
    assert [line.split()[1] for line in page.splitlines()[1:]] == [field.name for field in VOCABULARY.fields]
    module = [sys.executable, "-m", "m4mcli.tokens.frames_scheme"]
    assert subprocess.run(module, capture_output=True, check=True, env=environment()).stdout.decode() == page
    assert all(name == open_scheme(name).name for name in NAMES)


ON_GRID = Score(
    480,
    (
        Track("Right", 0, notes=notes_array([(0, 480, 72, 80), (480, 120, 74, 64)])),
        Track("Left", 0, notes=notes_array([(0, 600, 48, 50)])),
        Track("Beat", 0, True, notes_array([(0, 120, 36, 100)])),
    ),
    (Tempo(0, 612_345), Tempo(480, 500_001)),
    (TimeSignature(0, 1, 4), TimeSignature(480, 6, 8)),
    (KeySignature(0, 3, True),),
)


def test_there_and_back_through_pipes(m4m: Run) -> None:
    midi = score_to_midi(ON_GRID)
    tokens = m4m("tokenize", stdin=midi)
    assert tokens.stderr == b""
    back = m4m("tokenize", "--decode", stdin=tokens.stdout)
    assert (back.stdout, back.stderr) == (midi, b"")
    text = score_to_json(ON_GRID).encode()
    assert m4m("tokenize", "--decode", "--json", stdin=m4m("tokenize", stdin=text).stdout).stdout == text


def test_many_files(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(score_to_midi(ON_GRID))
    (tmp_path / "b.json").write_text(score_to_json(replace(ON_GRID, tempos=())), "utf-8")
    done = m4m("tokenize", "--jsonl", "a.mid", "none.mid", "b.json", "-o", "all.jsonl")
    assert done.returncode == 1
    assert done.stderr.startswith(b"m4m tokenize: none.mid: no such file")
    assert done.stderr.count(b"\n") == 1
    lines = (tmp_path / "all.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["file"] for line in lines] == ["a.mid", "b.json"]
    back = m4m("tokenize", "--decode", "--jsonl", "all.jsonl").stdout.decode().splitlines()
    assert [score_to_json(score_from_json(line)) for line in back] == [
        score_to_json(ON_GRID),
        score_to_json(replace(ON_GRID, tempos=())),
    ]
    one = m4m("tokenize", "--decode", "all.jsonl")
    assert (one.returncode, one.stdout) == (2, b"")
    assert one.stderr == b"m4m tokenize: all.jsonl: 2 pieces, and one to write; add --jsonl to write one to a line\n"


def test_what_is_skipped_is_counted(m4m: Run) -> None:
    ids = json.dumps([*NOTE, LONG, 7, 7, END, "END"][:-1]).encode()
    done = m4m("tokenize", "--decode", "-v", stdin=ids)
    assert done.returncode == 0
    assert read_score(done.stdout, "x").score.note_count == 1
    assert done.stderr.decode().splitlines() == [
        "m4m tokenize: warning: stdin: 2 of 7 tokens make no sense where they stand and were skipped",
        "m4m tokenize: 7 tokens, 1 notes",
    ]
    assert m4m("tokenize", "--decode", "-q", stdin=ids).stderr == b""
    two = m4m("tokenize", "--decode", "--jsonl", stdin=b"[7]\n[133]\n")
    assert two.stderr == (
        b"m4m tokenize: warning: stdin, piece 1: 1 of 1 tokens make no sense where they stand and were skipped\n"
    )


WRONG = [
    (["a.mid", "b.mid"], "2 files, and one piece to write"),
    (["--midi", "a.mid"], "tokens are written as JSON, not as MIDI"),
    (["a.mid", "-o", "x.mid"], "tokens are written as JSON, not as MIDI"),
    (["--decode", "--json", "--midi", "a"], "--json and --midi exclude each other"),
    (["--decode", "--jsonl", "--midi", "a"], "--jsonl and --midi exclude each other"),
    (["--scheme", "nosuch", "a.mid"], "--scheme"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_wrong_usage(m4m: Run, arguments: list[str], told: str) -> None:
    done = m4m("tokenize", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_music_without_decode_and_tokens_with_it(m4m: Run) -> None:
    midi = score_to_midi(ON_GRID)
    assert b"leave out --decode" in m4m("tokenize", "--decode", stdin=midi + b"\xff").stderr
    done = m4m("tokenize", stdin=m4m("tokenize", stdin=midi).stdout)
    assert (done.returncode, b"tokens" in done.stderr) == (1, True)
