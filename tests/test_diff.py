"""`m4m diff`: every kind of difference, what is no difference, and the exit status."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from m4mcli.inspection.difference import difference
from m4mcli.inspection.places import Places
from m4mcli.score.json_form import score_to_json
from m4mcli.score.score import CONTROL, KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

ROWS = [(0, 480, 60, 80), (480, 480, 64, 80), (960, 480, 67, 80), (1920, 960, 72, 80)]
TUNE = Track("Tune", 40, False, notes_array(ROWS))
BASS = Track("Bass", 33, False, notes_array([(0, 1920, 36, 90), (1920, 960, 43, 90)]))
PIECE = Score(480, (TUNE, BASS), (Tempo(0, 500_000),), (TimeSignature(0, 4, 4),))


def with_rows(rows: list[tuple[int, int, int, int]]) -> Score:
    return replace(PIECE, tracks=(replace(TUNE, notes=notes_array(rows)), BASS))


def said(m4m: Run, folder: Path, first: Score, second: Score, *options: str) -> tuple[int, list[str]]:
    (folder / "a.mid").write_bytes(score_to_midi(first))
    (folder / "b.mid").write_bytes(score_to_midi(second))
    done = m4m("diff", *options, "a.mid", "b.mid")
    assert done.stderr == b""
    return done.returncode, done.stdout.decode().splitlines()


def test_each_kind_of_change_is_told_once(m4m: Run, tmp_path: Path) -> None:
    after = with_rows([(0, 480, 60, 99), (500, 480, 64, 80), (960, 240, 67, 80), (1920, 960, 71, 80)])
    assert said(m4m, tmp_path, PIECE, after) == (
        3,
        [
            "--- a.mid",
            "+++ b.mid",
            "track 1 'Tune': 1 gone, 1 added, 1 moved, 2 changed",
            "  ~ bar 1, beat 1: C4 velocity 80 -> 99",
            "  > bar 1, beat 2: E4 to bar 1, beat 2.04",
            "  ~ bar 1, beat 3: G4 length 1 -> 0.5",
            "  - bar 2, beat 1: C5",
            "  + bar 2, beat 1: B4",
        ],
    )
    assert said(m4m, tmp_path, PIECE, after, "--brief")[1][3:] == []


def test_the_same_music_in_other_forms_is_the_same(m4m: Run, tmp_path: Path) -> None:
    finer = replace(
        PIECE,
        tpq=960,
        tracks=tuple(
            replace(t, notes=notes_array([(o * 2, d * 2, p, v) for o, d, p, v in t.notes.tolist()]))
            for t in PIECE.tracks[::-1]
        ),
    )
    assert said(m4m, tmp_path, PIECE, finer) == (0, [])
    (tmp_path / "a.json").write_text(score_to_json(PIECE))
    assert m4m("diff", "a.json", "b.mid").returncode == 0
    assert m4m("diff", "a.json", "-", stdin=(tmp_path / "b.mid").read_bytes()).returncode == 0


def test_tempo_metre_key_and_markers(m4m: Run, tmp_path: Path) -> None:
    after = replace(
        PIECE,
        tempos=(Tempo(0, 500_000), Tempo(1920, 600_000)),
        time_signatures=(TimeSignature(0, 3, 4),),
        key_signatures=(KeySignature(0, -3, True),),
        markers=((960, "Verse"),),
    )
    status, lines = said(m4m, tmp_path, PIECE, after)
    assert status == 3
    assert lines[2:] == [
        "tempo: 120 bpm -> 100 bpm from bar 2, beat 1",
        "time signature: 4/4 -> 3/4 from bar 1, beat 1",
        "key signature: none -> C minor from bar 1, beat 1",
        "marker: none -> 'Verse' at bar 1, beat 3",
    ]
    assert said(m4m, tmp_path, PIECE, replace(PIECE, tempos=()))[0] == 0, "120 is what holds without a tempo"


def test_tracks_that_come_and_go_and_change(m4m: Run, tmp_path: Path) -> None:
    pedal = np.array([(0, 64, 127)], CONTROL)
    flute = replace(TUNE, name="Air", program=73, controls=pedal)
    drums = Track("Drums", 0, True, notes_array([(0, 60, 36, 90)]))
    status, lines = said(m4m, tmp_path, PIECE, replace(PIECE, tracks=(drums, flute)))
    assert status == 3
    assert lines[2:] == [
        "track 1 'Tune': name 'Tune' -> 'Air', program Violin -> Flute, controllers: 0 gone, 1 added",
        "- track 2 'Bass': 2 notes",
        "+ track 1 'Drums': 1 note",
    ]


def test_tolerance(m4m: Run, tmp_path: Path) -> None:
    late = with_rows([(onset + 10, length - 7, pitch, velocity) for onset, length, pitch, velocity in ROWS])
    assert said(m4m, tmp_path, PIECE, late)[0] == 3
    assert said(m4m, tmp_path, PIECE, late, "--tolerance", "0.03") == (0, [])
    assert said(m4m, tmp_path, PIECE, late, "--tolerance", "0.02")[0] == 3


def test_json(m4m: Run, tmp_path: Path) -> None:
    after = with_rows([*ROWS[:1], (500, 480, 64, 80), *ROWS[2:3]])
    status, lines = said(m4m, tmp_path, PIECE, after, "--json")
    found = json.loads("\n".join(lines))
    assert json.dumps(found, indent=2, ensure_ascii=False).splitlines() == lines
    assert (status, found["same"], found["files"]) == (3, False, ["a.mid", "b.mid"])
    (track,) = found["tracks"]
    assert [note["pitch"] for note in track["gone"]] == [72]
    assert track["moved"][0]["before"] == {
        "onset": 480,
        "duration": 480,
        "pitch": 64,
        "velocity": 80,
        "bar": 1,
        "beat": 2,
    }
    assert track["moved"][0]["after"]["onset"] == 500
    assert said(m4m, tmp_path, PIECE, PIECE, "--json")[0] == 0


def test_wrong_use(m4m: Run, examples: Path) -> None:
    song = examples / "ode-to-joy.mid"
    assert m4m("diff", song).returncode == 2
    assert m4m("diff", "-", "-").returncode == 2
    assert m4m("diff", song, "missing.mid").returncode == 1


def test_a_pickup_is_bar_0() -> None:
    score = Score(
        480,
        (Track(notes=notes_array([(0, 960, 60, 80), (240, 9, 60, 80)])),),
        (),
        (TimeSignature(0, 1, 8), TimeSignature(240, 6, 8)),
    )
    places = Places(score)
    assert places.at(0)[0] == 0
    assert places.at(240) == (1, 1.0)
    assert places.at(240 + 720) == (1, 2.0)


rows = st.tuples(st.integers(0, 4000), st.integers(0, 900), st.integers(50, 60), st.integers(1, 127))
notes = st.lists(rows, max_size=30).map(notes_array)
scores = st.lists(st.builds(Track, notes=notes, is_drum=st.booleans()), max_size=3).map(lambda t: Score(480, tuple(t)))


@settings(max_examples=150, deadline=None)
@given(scores, scores)
def test_every_note_of_both_is_accounted_for(first: Score, second: Score) -> None:
    found = difference(first, second)
    moved = sum(len(t.moved) for t in found.tracks)
    gone = sum(len(t.gone) for t in found.tracks)
    added = sum(len(t.added) for t in found.tracks)
    assert second.note_count - first.note_count == added - gone
    assert gone + moved <= first.note_count
    assert sorted(t.first for t in found.tracks if t.first is not None) == list(range(len(first.tracks)))
    assert sorted(t.second for t in found.tracks if t.second is not None) == list(range(len(second.tracks)))
    back = difference(second, first)
    assert found.same == back.same
    assert difference(first, first).same
