"""`m4m info`: what it says, and that odd names do no harm."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from m4mcli.score.clock import seconds_at
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.theory.instruments import FAMILIES, PROGRAMS, instrument_name
from m4mcli.theory.names import pitch_name, signature_name

PIECE = Score(
    480,
    (
        Track("Tune", 40, False, notes_array([(0, 480, 60, 80), (1440, 480, 72, 80)])),
        Track("Beat", 0, True, notes_array([(0, 120, 36, 100), (5760, 960, 38, 100)])),
    ),
    (Tempo(0, 500_000), Tempo(2880, 1_000_000)),
    (TimeSignature(0, 3, 4), TimeSignature(2880, 4, 4)),
    (KeySignature(0, -3, True),),
)


def test_what_it_says_in_json(m4m: Run) -> None:
    said = json.loads(m4m("info", "--json", stdin=score_to_midi(PIECE)).stdout)
    assert said["file"] == "-"
    assert (said["bars"], said["beats"], said["seconds"], said["notes"]) == (4, 14, 11.0, 4)
    assert said["tempos"] == [{"tick": 0, "bar": 1, "bpm": 120.0}, {"tick": 2880, "bar": 3, "bpm": 60.0}]
    assert [s["time"] for s in said["time_signatures"]] == ["3/4", "4/4"]
    assert said["key_signatures"] == [{"tick": 0, "bar": 1, "key": "C minor"}]
    tune, beat = said["tracks"]
    assert tune == {
        "name": "Tune",
        "program": 40,
        "instrument": "Violin",
        "drums": False,
        "notes": 2,
        "lowest": "C4",
        "highest": "C5",
    }
    assert (beat["instrument"], beat["drums"]) == ("Drums", True)


def test_what_it_says_in_words(m4m: Run) -> None:
    assert m4m("info", stdin=score_to_midi(PIECE)).stdout.decode().splitlines() == [
        "-",
        "length  4 bars, 14 beats, 11.0 s, 4 notes",
        "metre   3/4, 4/4 from bar 3",
        "tempo   120, 60 from bar 3 bpm",
        "key     C minor",
        "track  name  instrument  notes  range",
        "1      Tune  Violin      2      C4-C5",
        "2      Beat  Drums       2      C2-D2",
    ]


def test_one_of_a_thing_is_told_as_one(m4m: Run) -> None:
    piece = Score(480, (Track("Tune", 0, notes=notes_array([(0, 240, 60, 80)])),), (), (TimeSignature(0, 1, 4),))
    said = m4m("info", stdin=score_to_midi(piece)).stdout.decode()
    assert said.splitlines()[1] == "length  1 bar, 1 beat, 0.2 s, 1 note"


def test_the_number_of_a_track_names_it_elsewhere(m4m: Run) -> None:
    parts = (("Pad", 50), ("Tune", 72), ("Answer", 65))
    tracks = tuple(Track(name, 0, notes=notes_array([(0, 1920, pitch, 80)])) for name, pitch in parts)
    piece = score_to_midi(Score(480, tracks))
    numbers = {line.split()[1]: line.split()[0] for line in m4m("info", stdin=piece).stdout.decode().splitlines()[-3:]}
    assert len(numbers) == len(parts)
    for name, number in numbers.items():
        done = m4m("harmonize", "-v", "--best-of", "1", "--melody", number, stdin=piece)
        assert f"melody: track {number} '{name}', as asked" in done.stderr.decode()


def test_json_of_a_score_is_described_like_its_midi(m4m: Run, examples: Path) -> None:
    song = examples / "greensleeves.mid"
    as_json = m4m("quantize", "--grid", "1/32", "--json", song).stdout
    as_midi = m4m("quantize", "--grid", "1/32", song).stdout
    one, other = (json.loads(m4m("info", "--json", stdin=piece).stdout) for piece in (as_json, as_midi))
    assert (one.pop("format"), other.pop("format")) == ("json", "midi")
    assert one == other


def test_a_piece_without_notes(m4m: Run) -> None:
    said = json.loads(m4m("info", "--json", stdin=score_to_midi(Score(480))).stdout)
    assert (said["bars"], said["beats"], said["seconds"], said["tracks"]) == (0, 0, 0.0, [])
    assert m4m("info", stdin=score_to_midi(Score(480))).returncode == 0


def test_several_files(m4m: Run, tmp_path: Path, examples: Path) -> None:
    songs = sorted(examples.glob("*.mid"))
    as_array = json.loads(m4m("info", "--json", *songs).stdout)
    as_lines = [json.loads(line) for line in m4m("info", "--jsonl", *songs).stdout.splitlines()]
    assert as_array == as_lines
    assert [one["file"] for one in as_array] == [str(song) for song in songs]

    (tmp_path / "broken.mid").write_bytes(b"hello")
    done = m4m("info", "--jsonl", songs[0], "broken.mid", "missing.mid", songs[1])
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2
    told = done.stderr.decode().splitlines()
    assert [line.split(":")[:2] for line in told] == [["m4m info", " broken.mid"], ["m4m info", " missing.mid"]]


NAMES = ["\x1b[31mred\x1b[0m", "[bold]loud[/bold]", "two\nlines\ttabs", "bell\x07 null\x00", "\u202egnirts\u202c", "笛"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_harmless_in_words_and_whole_in_json(m4m: Run, name: str) -> None:
    piece = score_to_midi(replace(PIECE, tracks=(replace(PIECE.tracks[0], name=name),)))
    shown = m4m("info", stdin=piece).stdout.decode()
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert len(shown.splitlines()) == 7
    assert ("[bold]" in shown) == ("[bold]" in name)
    assert json.loads(m4m("info", "--json", stdin=piece).stdout)["tracks"][0]["name"] == name


def test_general_midi_names() -> None:
    assert len(PROGRAMS) == 128
    assert len(set(PROGRAMS)) == 128
    assert all(len(names.split("|")) == 8 for names in FAMILIES.values())
    assert [instrument_name(program) for program in (0, 24, 40, 56, 73, 127)] == [
        "Acoustic Grand Piano",
        "Acoustic Guitar (nylon)",
        "Violin",
        "Trumpet",
        "Flute",
        "Gunshot",
    ]
    assert instrument_name(0, is_drum=True) == "Drums"


@pytest.mark.parametrize(("pitch", "name"), [(0, "C-1"), (21, "A0"), (60, "C4"), (61, "C#4"), (127, "G9")])
def test_pitch_names(pitch: int, name: str) -> None:
    assert pitch_name(pitch) == name


SIGNATURES = [(0, False, "C major"), (0, True, "A minor"), (-7, False, "Cb major"), (7, False, "C# major")]
SIGNATURES += [(7, True, "A# minor"), (-7, True, "Ab minor"), (-1, False, "F major"), (2, True, "B minor")]


@pytest.mark.parametrize(("fifths", "minor", "name"), SIGNATURES)
def test_key_signatures(fifths: int, minor: bool, name: str) -> None:
    assert signature_name(fifths, minor) == name


def test_seconds_follow_every_tempo() -> None:
    score = Score(100, tempos=(Tempo(0, 600_000), Tempo(200, 300_000), Tempo(200, 1_000_000)))
    assert seconds_at(score, np.array([0, 100, 200, 350])).tolist() == pytest.approx([0, 0.6, 1.2, 2.7])
    assert seconds_at(Score(480), np.array([960])).tolist() == [1.0]


def test_a_folder_is_told_as_a_whole(m4m: Run, tmp_path: Path) -> None:
    inside = tmp_path / "songs" / "more"
    inside.mkdir(parents=True)
    (tmp_path / "songs" / "a.mid").write_bytes(score_to_midi(PIECE))
    (inside / "b.mid").write_bytes(score_to_midi(replace(PIECE, tracks=PIECE.tracks[:1], key_signatures=())))
    (inside / "c.abc").write_text("X:1\nM:3/4\nK:Cm\nC6|{d}c6|\n")
    (inside / "odd.mid").write_bytes(b"MThd")
    (inside / "notes.txt").write_text("not music")
    done = m4m("info", "songs")
    assert done.returncode == 1
    assert done.stderr.startswith(b"m4m info: songs/more/odd.mid: ")
    assert done.stdout.decode().splitlines() == [
        "songs",
        "files   3, and 1 unreadable",
        "length  9 bars, 16.0 s, 8 notes",
        "metre   3/4 100 %",
        "tempo   120 to 120 bpm, median 120",
        "key     C minor 67 %",
        "tracks  Violin 67 %, Acoustic Grand Piano 33 %, Drums 33 %",
        "odd     groups-of-grace-notes 33 %",
    ]
    lines = m4m("info", "--jsonl", "songs", "songs/a.mid").stdout.splitlines()
    files = [json.loads(line)["file"] for line in lines]
    assert files == ["songs/a.mid", "songs/more/b.mid", "songs/more/c.abc", "songs/a.mid"]
    whole = json.loads(m4m("info", "--json", "songs").stdout)
    assert [one["notes"] for one in whole] == [4, 2, 2]
    assert m4m("info", tmp_path / "songs" / "more" / "odd.mid").returncode == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    assert b"no music in this folder" in m4m("info", empty).stderr
