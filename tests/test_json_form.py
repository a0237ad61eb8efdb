"""The JSON form of a score: lossless, stable, as its schema says, and strict with strangers."""

import json
import re
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m4mcli.errors import M4mError
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

SCHEMA = json.loads((files("m4mcli.score") / "schemas" / "score.schema.json").read_text())

TUNE = Score(
    480,
    (
        Track(
            'Flöte "1"\n',
            73,
            notes=notes_array([(0, 480, 72, 80), (480, 0, 74, 1)]),
            controls=np.array([(0, 64, 127)], CONTROL),
            bends=np.array([(3, -8192)], BEND),
            lyrics=((0, "la"),),
        ),
        Track(is_drum=True),
    ),
    (Tempo(0, 500_000),),
    (TimeSignature(0, 6, 8),),
    (KeySignature(0, -3, True),),
    ((960, "B"),),
)

TEXT = r"""{"m4m": 1, "kind": "score", "tpq": 480,
"tempos": [
{"tick": 0, "microseconds": 500000}
],
"time_signatures": [
{"tick": 0, "numerator": 6, "denominator": 8}
],
"key_signatures": [
{"tick": 0, "fifths": -3, "minor": true}
],
"markers": [
{"tick": 960, "text": "B"}
],
"tracks": [
{"name": "Flöte \"1\"\n", "program": 73, "drums": false,
"notes": [
{"onset": 0, "duration": 480, "pitch": 72, "velocity": 80},
{"onset": 480, "duration": 0, "pitch": 74, "velocity": 1}
],
"controls": [
{"tick": 0, "number": 64, "value": 127}
],
"bends": [
{"tick": 3, "value": -8192}
],
"lyrics": [
{"tick": 0, "text": "la"}
]},
{"name": "", "program": 0, "drums": true,
"notes": [],
"controls": [],
"bends": [],
"lyrics": []}
]}
"""


def test_the_form_is_stable() -> None:
    assert score_to_json(TUNE) == TEXT
    assert score_to_json(Score(24)).endswith('"tracks": []}\n')


def test_the_form_is_read_back() -> None:
    score = score_from_json(TEXT)
    assert score_to_json(score) == TEXT
    first = score.tracks[0]
    assert (first.name, first.program, first.is_drum, first.lyrics) == ('Flöte "1"\n', 73, False, ((0, "la"),))
    assert first.notes.tolist() == [(0, 480, 72, 80), (480, 0, 74, 1)]
    assert (score.tempos, score.markers) == (TUNE.tempos, TUNE.markers)
    assert (score.time_signatures, score.key_signatures) == (TUNE.time_signatures, TUNE.key_signatures)


def test_what_is_left_out_has_a_default_and_order_does_not_matter() -> None:
    notes = '[{"onset":9,"pitch":60,"velocity":80,"duration":5},{"velocity":80,"duration":5,"onset":0,"pitch":61}]'
    score = score_from_json('{"tracks":[{"notes":' + notes + '},{}],"tpq":24,"kind":"score","m4m":1}')
    assert score.tracks[0].notes.tolist() == [(0, 5, 61, 80), (9, 5, 60, 80)]
    assert score_to_json(score_from_json(score_to_json(score))) == score_to_json(score)
    assert (score.tracks[1].name, score.tempos) == ("", ())


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Any score at all, notes of one pitch that overlap included."""
    tpq = draw(st.integers(1, 32767))
    tick = st.integers(0, 20_000 * tpq)
    text = st.text(st.characters(exclude_categories=["Cs"]))
    byte = st.integers(0, 127)

    def rows(*columns: st.SearchStrategy[Any]) -> list[Any]:
        return sorted(draw(st.lists(st.tuples(tick, *columns), max_size=5)), key=lambda row: row[0])

    def track() -> Track:
        return Track(
            draw(text),
            draw(byte),
            draw(st.booleans()),
            notes_array(rows(tick, byte, st.integers(1, 127))),
            np.array(rows(byte, byte), CONTROL),
            np.array(rows(st.integers(-8192, 8191)), BEND),
            tuple(rows(text)),
        )

    return Score(
        tpq,
        tuple(track() for _ in range(draw(st.integers(0, 4)))),
        tuple(Tempo(*row) for row in rows(st.integers(1, 0xFFFFFF))),
        tuple(TimeSignature(*row) for row in rows(st.integers(1, 255), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))),
        tuple(KeySignature(*row) for row in rows(st.integers(-7, 7), st.booleans())),
        tuple(rows(text)),
    )


@given(scores())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_score_comes_back_equal_and_keeps_to_the_schema(score: Score) -> None:
    text = score_to_json(score)
    again = score_from_json(text)
    assert score_to_json(again) == text
    for track, read in zip(score.tracks, again.tracks, strict=True):
        assert np.array_equal(track.notes, read.notes)
        assert np.array_equal(track.controls, read.controls)
        assert np.array_equal(track.bends, read.bends)
        assert (track.name, track.program, track.is_drum, track.lyrics) == (
            read.name,
            read.program,
            read.is_drum,
            read.lyrics,
        )
    assert (score.tempos, score.time_signatures) == (again.tempos, again.time_signatures)
    assert (score.key_signatures, score.markers) == (again.key_signatures, again.markers)
    jsonschema.validate(json.loads(text), SCHEMA)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def with_change(path: list[str | int], value: Any) -> str:
    """TEXT with the value at `path` changed, `...` taking it out."""
    top = json.loads(TEXT)
    place = top
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(top)


NOTE: list[str | int] = ["tracks", 0, "notes", 1]

WRONG: list[tuple[list[str | int], Any, str]] = [
    (["m4m"], ..., "no object with the key 'm4m'"),
    (["m4m"], 2, "version 2, where this m4m reads version 1"),
    (["m4m"], True, "version true"),
    (["m4m"], 1.0, "version 1.0"),
    (["kind"], "tokens", "kind \"tokens\", where 'score' is needed"),
    (["kind"], ..., "kind null"),
    (["tpq"], ..., "the top has no 'tpq'"),
    (["tpq"], 0, "'tpq' of the top is 0, where an integer from 1 to 32767 is needed"),
    (["tpq"], 480.5, "'tpq' of the top is 480.5"),
    (["tracks"], ..., "the top has no 'tracks'"),
    (["tracks"], {}, "'tracks' of the top is an object, where a list is needed"),
    (["tracks", 1], 7, "tracks[1] is 7, where an object is needed"),
    (["track"], [], 'the top has the unknown key "track"'),
    (["tracks", 0, "channel"], 1, 'tracks[0] has the unknown key "channel"'),
    (["tracks", 0, "name"], None, "'name' of tracks[0] is null, where whole Unicode text is needed"),
    (["tracks", 0, "name"], "\ud800", "'name' of tracks[0] is"),
    (["tracks", 0, "program"], 128, "'program' of tracks[0] is 128"),
    (["tracks", 0, "drums"], 1, "'drums' of tracks[0] is 1, where true or false is needed"),
    ([*NOTE, "pitch"], 128, "'pitch' of tracks[0].notes[1] is 128, where an integer from 0 to 127 is needed"),
    ([*NOTE, "pitch"], "C4", "'pitch' of tracks[0].notes[1] is \"C4\""),
    ([*NOTE, "pitch"], True, "'pitch' of tracks[0].notes[1] is true"),
    ([*NOTE, "velocity"], 0, "'velocity' of tracks[0].notes[1] is 0"),
    ([*NOTE, "velocity"], ..., "tracks[0].notes[1] has no 'velocity'"),
    ([*NOTE, "onset"], -1, "'onset' of tracks[0].notes[1] is -1"),
    ([*NOTE, "onset"], 1e300, "'onset' of tracks[0].notes[1] is 1e+300"),
    ([*NOTE, "onset"], 10**30, "'onset' of tracks[0].notes[1] is a huge number"),
    ([*NOTE, "duration"], 19_200_000, "tracks[0].notes[1] ends at tick 19200480"),
    ([*NOTE, "channel"], 1, 'tracks[0].notes[1] has the unknown key "channel"'),
    (NOTE, [0, 1, 2, 3], "tracks[0].notes[1] is a list, where an object is needed"),
    (["tracks", 0, "controls", 0, "value"], 128, "tracks[0].controls[0]"),
    (["tracks", 0, "bends", 0, "value"], 8192, "tracks[0].bends[0]"),
    (["tracks", 0, "lyrics", 0, "text"], 5, "tracks[0].lyrics[0]"),
    (["tempos", 0, "microseconds"], 0, "tempos[0]"),
    (["tempos", 0, "microseconds"], 1 << 24, "tempos[0]"),
    (["time_signatures", 0, "numerator"], 0, "time_signatures[0]"),
    (["time_signatures", 0, "denominator"], 6, "time_signatures[0] is 6, where 1, 2, 4, 8, 16, 32 or 64"),
    (["key_signatures", 0, "fifths"], 8, "key_signatures[0]"),
    (["key_signatures", 0, "minor"], 0, "key_signatures[0]"),
    (["markers", 0, "tick"], 1 << 40, "markers[0]"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_a_wrong_value_is_refused_at_its_place(path: list[str | int], value: Any, message: str) -> None:
    with pytest.raises(M4mError, match=re.escape(message)) as caught:
        score_from_json(with_change(path, value))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_the_schema_refuses_it_too(path: list[str | int], value: Any, message: str) -> None:
    whole = isinstance(value, float) and value.is_integer() and value < 9
    beyond_json_schema = path[-1] == "duration" or value == "\ud800" or whole
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert validator.is_valid(json.loads(with_change(path, value))) == beyond_json_schema


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: expecting value in line 1, column 1"),
        ('{"m4m": 1,', "not JSON"),
        ("[1, 2]", "not m4m JSON"),
        ("null", "not m4m JSON"),
        ('{"m4m": 1, "m4m": 1}', 'the key "m4m" stands twice'),
        ('{"m4m": NaN}', "NaN is not a number of JSON"),
        ('{"m4m": -Infinity}', "-Infinity is not a number of JSON"),
        ('{"m4m": ' + "9" * 5000 + "}", "a number of thousands of digits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"m4m": 1, "kind": "score", "tpq": 24, "tracks": [' + "{}," * 1024 + "{}]}", "1025 tracks"),
    ],
)
def test_hostile_text_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(M4mError, match=re.escape(message)) as caught:
        score_from_json(text)
    assert str(caught.value).isprintable()


def test_the_reader_knows_json_by_its_content_and_names_the_file() -> None:
    for start in (b"", b" \n\t", b"\xef\xbb\xbf"):
        reading = read_score(start + TEXT.encode(), "tune.mid")
        assert (reading.kind, reading.midi, reading.warnings) == ("json", None, ())
        assert score_to_json(reading.score) == TEXT
    with pytest.raises(M4mError, match=r"^tune\.json: not JSON"):
        read_score(b"{", "tune.json")
    with pytest.raises(M4mError, match="JSON that is not UTF-8"):
        read_score(TEXT.encode("latin-1"), "tune.json")


def test_a_hundred_thousand_notes_take_seconds() -> None:
    rows = [(i, 10, 60, 80) for i in range(100_000)]
    text = score_to_json(Score(480, (Track(notes=notes_array(rows)),)))
    assert score_from_json(text).note_count == 100_000
