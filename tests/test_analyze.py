"""`m4m analyze`: the form and its schema, .lab files, labels as music, charts, odd pieces, and how it is measured."""

import io
import json
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import mido
import mir_eval
import numpy as np
import pytest
from conftest import Run
from labelled_songs import labelled_song, write_labelled

import m4mcli.analysis
from m4mcli.analysis.beat_grid import BeatGrid, grid_of
from m4mcli.analysis.chart import chart
from m4mcli.dataset.labelled import labelled_pieces, sources_in
from m4mcli.errors import M4mError
from m4mcli.evaluation.analyze import analyze_tables, chord_figures, key_figures
from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.score import Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.analyze import PARTS, Places, analysis_form, analyze, parse_parts
from m4mcli.tasks.written_chords import parse_progression

SCHEMA = json.loads((Path(m4mcli.analysis.__file__).parent / "schemas" / "analysis.schema.json").read_text("utf-8"))
SONG, NAMES = labelled_song(5)
"""F Dm Bb C7, twice, and F: nine bars of 4/4 at 120."""


def said(m4m: Run, *arguments: str | Path, stdin: bytes = b"") -> Any:
    done = m4m("analyze", *arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    for one in found if isinstance(found, list) else [found]:
        jsonschema.validate(one, SCHEMA)
    return found


def test_a_song(m4m: Run) -> None:
    found = said(m4m, stdin=score_to_midi(SONG))
    assert [c["label"] for c in found["chords"]] == ["F:maj", "D:min", "Bb:maj", "C:7"] * 2 + ["F:maj"]
    assert [(c["start"], c["end"]) for c in found["chords"]] == [(a / 2, b / 2) for a, b, _ in NAMES]
    assert [(c["start_bar"], c["start_beat"]) for c in found["chords"]] == [(i + 1, 1) for i in range(9)]
    assert [c["symbol"] for c in found["chords"]][:4] == ["F", "Dm", "Bb", "C7"]
    assert [(k["label"], k["start"], k["end"]) for k in found["keys"]] == [("F major", 0, 18)]
    assert found["beats"] == [i / 2 for i in range(36)]
    assert found["downbeats"] == [2 * i for i in range(9)]
    assert found["time_signatures"] == [{"start": 0, "start_bar": 1, "time": "4/4"}]
    assert found["tempos"] == [{"start": 0, "bpm": 120}]
    summary = found["summary"]
    assert (summary["key"], summary["mode"], summary["time"], summary["bpm"]) == ("F major", "major", "4/4", 120)
    assert (summary["bars"], summary["beats"], summary["seconds"]) == (9, 36, 18)
    assert (summary["lowest"], summary["highest"]) == ("C2", "F5")
    assert summary["instruments"] == ["Flute", "Acoustic Grand Piano"]


def test_the_same_from_json_and_from_a_file(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "song.json").write_text(score_to_json(SONG))
    found = said(m4m, "song.json")
    assert found.pop("file") == "song.json"
    assert found.items() <= said(m4m, stdin=score_to_midi(SONG)).items()


def test_changes_of_metre_and_tempo() -> None:
    tempos = (Tempo(0, 500_000), Tempo(768, 1_000_000))
    score = replace(SONG, tempos=tempos, time_signatures=(TimeSignature(0, 4, 4), TimeSignature(768, 3, 4)))
    form = analysis_form(analyze(score))
    assert form["tempos"] == [{"start": 0, "bpm": 120}, {"start": 4, "bpm": 60}]
    assert form["time_signatures"][1] == {"start": 4, "start_bar": 3, "time": "3/4"}
    assert form["downbeats"][:4] == [0, 2, 4, 7]
    assert form["summary"]["time"] == "3/4"
    assert form["summary"]["seconds"] == 32


def test_a_pickup_and_compound_beats(m4m: Run, examples: Path) -> None:
    found = said(m4m, examples / "greensleeves.mid")
    assert found["beats"][:4] == [0, 0.45, 1.8, 3.15]
    assert found["summary"]["key"] == "A minor"
    assert {c["start_beat"] for c in found["chords"]} <= {1, 2, 1.333, 1.667, 2.333, 2.667}
    assert found["chords"][-1]["end"] == found["summary"]["seconds"]


def test_beats_that_are_given() -> None:
    grid = BeatGrid(np.arange(48, 36 * 96, 96), np.arange(36) % 3 == 2, (TimeSignature(0, 3, 4),))
    form = analysis_form(analyze(SONG, grid), ("beats", "metre"))
    assert form["beats"][:3] == [0.25, 0.75, 1.25]
    assert form["downbeats"][:2] == [1.25, 2.75]
    assert form["time_signatures"] == [{"start": 0, "start_bar": 1, "time": "3/4"}]


def test_places_of_ticks() -> None:
    places = Places(grid_of(SONG), SONG.end)
    assert [(places.bar(t), places.beat(t)) for t in (0, 48, 96, 384, 480)] == [
        (1, 1),
        (1, 1.5),
        (1, 2),
        (2, 1),
        (2, 2),
    ]


@pytest.mark.parametrize(
    ("only", "keys"),
    [
        ("chords,key", {"keys", "chords"}),
        ("Beats", {"beats", "downbeats"}),
        ("metre, tempo", {"time_signatures", "tempos"}),
        ("summary", {"summary"}),
    ],
)
def test_only_some_parts(m4m: Run, only: str, keys: set[str]) -> None:
    found = said(m4m, "--only", only, stdin=score_to_midi(SONG))
    assert set(found) - {"m4m", "kind", "file", "warnings"} == keys


def test_parts_by_name() -> None:
    assert parse_parts("tempo,chords") == ("chords", "tempo")
    assert parse_parts(",".join(PARTS)) == PARTS
    for text in ("melody", "", ","):
        with pytest.raises(M4mError) as error:
            parse_parts(text)
        assert error.value.status == 2


# Several files


def test_several_files(m4m: Run, tmp_path: Path) -> None:
    for name in ("a.mid", "b.mid"):
        (tmp_path / name).write_bytes(score_to_midi(SONG))
    (tmp_path / "broken.mid").write_bytes(b"hello")
    assert [one["file"] for one in said(m4m, "a.mid", "b.mid")] == ["a.mid", "b.mid"]
    done = m4m("analyze", "--jsonl", "--only", "keys", "a.mid", "broken.mid", "none.mid", "b.mid")
    assert done.returncode == 1
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["a.mid", "b.mid"]
    told = [line.split(":")[:2] for line in done.stderr.decode().splitlines()]
    assert told == [["m4m analyze", " broken.mid"], ["m4m analyze", " none.mid"]]
    charts = m4m("analyze", "--chart", "a.mid", "b.mid").stdout.decode().split("\n")
    assert charts[0] == "a.mid"
    assert "b.mid" in charts
    assert m4m("analyze", "broken.mid").returncode == 1


def test_a_folder_of_results(m4m: Run, tmp_path: Path) -> None:
    for name in ("a.mid", "b.mid"):
        (tmp_path / name).write_bytes(score_to_midi(SONG))
    for options, suffix in (((), "json"), (("--jsonl",), "jsonl"), (("--midi",), "mid"), (("--chart",), "txt")):
        done = m4m("analyze", *options, "--out-dir", "out", "a.mid", "b.mid")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert (tmp_path / "out" / f"a.{suffix}").exists()
        assert (tmp_path / "out" / f"b.{suffix}").exists()
    assert json.loads((tmp_path / "out" / "a.json").read_text())["file"] == "a.mid"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--midi", "--chart", "a.mid"),
        ("--jsonl", "--chart", "a.mid"),
        ("--only", "melody", "a.mid"),
        ("--chart", "--only", "keys", "a.mid"),
        ("--midi", "a.mid", "b.mid"),
        ("--out-dir", "x", "-o", "y", "a.mid"),
        ("--lab", "x", "a.mid", "sub/a.mid"),
        ("--midi", "--out-dir", ".", "a.mid"),
    ],
)
def test_wrong_usage(m4m: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    before = score_to_midi(SONG)
    (tmp_path / "a.mid").write_bytes(before)
    done = m4m("analyze", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "a.mid").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mid"]


@pytest.mark.parametrize("option", ["--lab", "--out-dir"])
def test_a_file_where_a_folder_is_wanted(m4m: Run, tmp_path: Path, option: str) -> None:
    before = score_to_midi(SONG)
    (tmp_path / "a.mid").write_bytes(before)
    done = m4m("analyze", option, "a.mid", "a.mid")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"a.mid: not a folder" in done.stderr
    assert (tmp_path / "a.mid").read_bytes() == before


# Other forms


def test_lab_files_are_read_by_mir_eval(m4m: Run, tmp_path: Path) -> None:
    found = said(m4m, "--lab", "labels", stdin=score_to_midi(SONG))
    folder = tmp_path / "labels"
    intervals, labels = mir_eval.io.load_labeled_intervals(str(folder / "stdin.chords.lab"))
    assert labels == [c["label"] for c in found["chords"]]
    assert intervals.tolist() == [[c["start"], c["end"]] for c in found["chords"]]
    assert mir_eval.chord.evaluate(intervals, labels, intervals, labels)["sevenths"] == 1
    assert mir_eval.io.load_key(str(folder / "stdin.key.lab")) == "F major"
    _, keys = mir_eval.io.load_labeled_intervals(str(folder / "stdin.keys.lab"))
    assert keys == ["F:maj"]
    assert mir_eval.io.load_events(str(folder / "stdin.beats.lab")).tolist() == found["beats"]
    assert mir_eval.io.load_events(str(folder / "stdin.downbeats.lab")).tolist() == found["downbeats"]


def test_labels_as_music(m4m: Run) -> None:
    midi = score_to_midi(SONG)
    done = m4m("analyze", "--midi", stdin=midi)
    assert (done.returncode, done.stderr) == (0, b"")
    tracks = mido.MidiFile(file=io.BytesIO(done.stdout)).tracks
    assert done.stdout[14 : len(midi)] == midi[14:]
    chords, metre, markers = tracks[-3:]
    assert (chords.name, metre.name) == ("Chords", "Metre")
    words = [message.text for message in chords if message.type == "lyrics"]
    assert words == ["F", "Dm", "Bb", "C7", "F", "Dm", "Bb", "C7", "F"]
    clicks = [message.note for message in metre if message.type == "note_on" and message.velocity]
    assert clicks == [76, 77, 77, 77] * 9
    assert {message.channel for message in metre if message.type == "note_on"} == {9}
    assert [message.text for message in markers if message.type == "marker"] == ["F major"]


def test_labels_as_music_from_json(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "song.json").write_text(score_to_json(replace(SONG, markers=((0, "A"), (384, "B")))))
    assert m4m("analyze", "--midi", "song.json", "-o", "out.mid").returncode == 0
    done = m4m("quantize", "--json", "out.mid")
    score = score_from_json(done.stdout.decode())
    assert [text for _, text in score.markers] == ["A", "F major", "B"]
    assert len(score.tracks) == len(SONG.tracks) + 2


def test_the_added_chords_are_analyzed_alike(m4m: Run) -> None:
    music = m4m("analyze", "--midi", stdin=score_to_midi(SONG)).stdout
    plain, again = (said(m4m, "--only", "chords", stdin=piece) for piece in (score_to_midi(SONG), music))
    assert [c["label"] for c in plain["chords"]] == [c["label"] for c in again["chords"]]


def test_a_chart(m4m: Run) -> None:
    shown = m4m("analyze", "--chart", stdin=score_to_midi(SONG)).stdout.decode()
    assert shown == "| F | Dm | Bb | C7 |\n| F | Dm | Bb | C7 |\n| F |\n"


def test_a_chart_is_read_by_harmonize(m4m: Run, examples: Path) -> None:
    tune = examples / "greensleeves.mid"
    shown = m4m("analyze", "--chart", tune).stdout.decode()
    assert len(parse_progression(shown)) == 16
    done = m4m("harmonize", "--best-of", "1", "--chords", shown, tune)
    assert done.returncode == 0, done.stderr


HALF = Fraction(1, 2)
CHARTS: list[tuple[list[tuple[int, list[tuple[Fraction, str]]]], str]] = [
    ([(4, [(Fraction(0), "C")]), (4, []), (4, [(Fraction(0), "Am"), (Fraction(2), "F")])], "| C | % | Am F |\n"),
    ([(3, [(Fraction(0), "C"), (Fraction(2), "G7")])], "| C . G7 |\n"),
    ([(4, [(Fraction(0), "C")]), (4, [(Fraction(3), "D")]), (4, [])], "| C | . . . D | D |\n"),
    ([(2, [(Fraction(0), "C"), (HALF, "F"), (Fraction(1), "G")])], "| C F G . |\n"),
    ([(2, [(Fraction(0), "C"), (Fraction(2, 3), "F")])], "| C . F . . . |\n"),
    ([(4, [(Fraction(0), name)]) for name in "CDEFGAB"], "| C | D | E | F |\n| G | A | B |\n"),
    ([(4, [])], "| N.C. |\n"),
]


@pytest.mark.parametrize(("bars", "text"), CHARTS, ids=[text.strip() for _, text in CHARTS])
def test_bars_of_a_chart(bars: list[tuple[int, list[tuple[Fraction, str]]]], text: str) -> None:
    assert chart(bars) == text
    assert len(parse_progression(text)) == len(bars)


# Odd pieces


def test_silence_and_drums(m4m: Run) -> None:
    nothing = said(m4m, stdin=score_to_midi(Score(480)))
    assert (nothing["chords"], nothing["keys"], nothing["beats"], nothing["downbeats"]) == ([], [], [], [])
    assert nothing["summary"]["key"] is None
    beats = Track("", 0, True, notes_array([(i * 480, 240, 36, 80) for i in range(8)]))
    drums = said(m4m, stdin=score_to_midi(Score(480, (beats,))))
    assert [c["label"] for c in drums["chords"]] == ["N"]
    assert (drums["keys"], drums["summary"]["lowest"]) == ([], None)
    assert len(drums["beats"]) == 8
    for piece in (Score(480), Score(480, (beats,))):
        assert m4m("analyze", "--midi", stdin=score_to_midi(piece)).returncode == 0
        assert m4m("analyze", "--chart", stdin=score_to_midi(piece)).returncode == 0


def test_one_note(m4m: Run) -> None:
    found = said(m4m, stdin=score_to_midi(Score(480, (Track(notes=notes_array([(0, 480, 60, 80)])),))))
    assert len(found["chords"]) == 1
    assert len(found["beats"]) == 1


@pytest.mark.parametrize(
    ("numerator", "denominator", "beats"), [(7, 8, 7), (5, 4, 5), (12, 8, 4), (3, 2, 3), (1, 64, 1)]
)
def test_other_metres(numerator: int, denominator: int, beats: int) -> None:
    score = replace(SONG, time_signatures=(TimeSignature(0, numerator, denominator),))
    form = analysis_form(analyze(score))
    assert form["beats"][beats] == form["downbeats"][1]
    assert [c["label"] for c in form["chords"]].count("F:maj") >= 2
    assert all(a["end"] == b["start"] for a, b in zip(form["chords"], form["chords"][1:], strict=False))


def test_without_a_time_signature_it_is_four_four() -> None:
    bare, told = analysis_form(analyze(replace(SONG, time_signatures=()))), analysis_form(analyze(SONG))
    assert bare == told


def test_five_minutes_take_seconds() -> None:
    score, _ = labelled_song(0, rounds=38)
    assert score.end / score.tpq / 2 > 300
    began = time.process_time()
    assert len(analyze(score).chords) == 153
    assert time.process_time() - began < 10


# Measuring


def test_labelled_pieces(tmp_path: Path) -> None:
    folder = write_labelled(tmp_path)
    assert sources_in(folder, "valid") == ["nottingham", "pop909"]
    tune, _ = labelled_pieces(folder, "nottingham", "valid")
    assert (tune.name, tune.key, len(tune.chords), len(tune.bars)) == ("song0", "G:maj", 9, 9)
    inputs = tune.inputs()
    assert {kind: len(score.tracks) for kind, score in inputs.items()} == {"melody": 1, "melody and chords": 2}
    song, _ = labelled_pieces(folder, "pop909", "valid")
    assert [len(score.tracks) for score in song.inputs().values()] == [1]
    for score in (*inputs.values(), *song.inputs().values()):
        assert score.key_signatures == ()
        assert {track.name for track in score.tracks} == {""}
    with pytest.raises(M4mError, match=r"no \*\.chords\.tsv"):
        list(labelled_pieces(folder, "jazz", "valid"))
    with pytest.raises(M4mError):
        sources_in(tmp_path / "none", "valid")


def test_figures_of_what_is_right_and_wrong(tmp_path: Path) -> None:
    piece, _ = labelled_pieces(write_labelled(tmp_path), "nottingham", "valid")
    score = piece.inputs()["melody and chords"]
    right = [(round(a * 96), round(b * 96), name) for a, b, name in piece.chords]
    assert set(chord_figures(piece, score, right).values()) == {1}
    assert chord_figures(piece, score, [])["majmin"] == 0
    relative = key_figures(piece, score, (4, True), [(0, score.end, (7, False))])
    assert relative == {"weighted": pytest.approx(0.3), "exact": 0, "local": 1}


def test_tables(tmp_path: Path) -> None:
    tables = list(analyze_tables(write_labelled(tmp_path), songs=1))
    assert [table.title for table in tables[:3]] == [
        f"{what}: nottingham, valid songs, melody" for what in ("chords", "keys", "bars")
    ]
    assert len(tables) == 9
    both = {row.system: row.figures for row in tables[3].rows}
    ours = both["m4m analyze"]["majmin"]
    assert ours is not None
    assert ours.mean == pytest.approx(1)
    assert set(both) >= {"m4m analyze", "templates by half bar", "templates + Viterbi"}
    bars = tables[5].rows[0].figures["downbeat F"]
    assert bars is not None
    assert bars.mean == 1


def test_evaluate_on_the_command_line(m4m: Run, tmp_path: Path) -> None:
    folder = write_labelled(tmp_path / "labelled")
    done = m4m(
        "evaluate", "analyze", "--folder", folder, "--source", "pop909", "--metrics", "majmin,weighted", "--json"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    chords, keys, bars = json.loads(done.stdout)["tables"]
    assert {row["system"] for row in chords["rows"]} >= {"m4m analyze", "templates + Viterbi"}
    assert [set(row["figures"]) for row in (chords["rows"][0], keys["rows"][0], bars["rows"][0])] == [
        {"majmin"}, {"weighted"}, set()
    ]  # fmt: skip
    assert 0.6 < chords["rows"][0]["figures"]["majmin"]["mean"] <= 1
    text = m4m("evaluate", "analyze", "--folder", folder, "--songs", "1").stdout.decode()
    assert text.count("songs, melody and chords") == 3


def test_chords_that_a_model_writes_are_measured_beside(m4m: Run, tmp_path: Path) -> None:
    folder = write_labelled(tmp_path / "labelled")
    how = ("--source", "nottingham", "--songs", "1", "--model", "harmonize-small", "--metrics", "majmin", "--json")
    done = m4m("evaluate", "analyze", "--folder", folder, *how)
    assert (done.returncode, done.stderr) == (0, b"")
    tables = [table for table in json.loads(done.stdout)["tables"] if table["what"] == "chords"]
    written = [row for table in tables for row in table["rows"] if row["system"] == "written by harmonize-small"]
    assert len(written) == len(tables) == 2
    assert all(0.3 < row["figures"]["majmin"]["mean"] <= 1 for row in written)
    other = m4m("evaluate", "analyze", "--folder", folder, "--model", "drumify-small")
    assert (other.returncode, other.stdout) == (1, b"")
    assert b"a model for drumify, not for chart" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("analyze",), b"analyze needs pieces to be measured on; add --folder DIR"),
        (("analyze", "--pack", "p"), b"--pack: analyze is measured on --folder DIR; leave it out"),
        (("harmonize", "--folder", "p"), b"--folder: harmonize is measured on --pack DIR; leave it out"),
        (("analyze", "--folder", "p", "--best-of", "2"), b"analyze is measured as it is"),
    ],
)
def test_evaluate_refuses_what_does_not_belong_together(m4m: Run, arguments: tuple[str, ...], told: bytes) -> None:
    done = m4m("evaluate", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert told in done.stderr


def test_evaluate_needs_labels(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "x" / "valid").mkdir(parents=True)
    for more in ((), ("--source", "x")):
        done = m4m("evaluate", "analyze", "--folder", tmp_path, *more)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.count(b"\n") == 1


def rubato(bars: int = 24) -> bytes:
    """C F G C in block chords with a tune, bars of 4/4 of a swelling tempo, in a file that says 120."""
    rng = np.random.default_rng(3)
    beats = np.cumsum(0.6 + 0.12 * np.sin(np.arange(4 * bars + 1) / 7))
    rows = []
    for i in range(4 * bars):
        root = (0, 5, 7, 0)[i // 4 % 4]
        start = beats[i] + rng.normal(0, 0.008)
        if i % 4 in (0, 2):
            rows += [(start, 0.9 * (beats[i + 1] - beats[i]) * 2, 36 + root, 84 - 10 * (i % 4 == 2))]
            rows += [(start, 0.9 * (beats[i + 1] - beats[i]), 60 + (root + t) % 12, 70) for t in (0, 4, 7)]
        rows += [(start, 0.4, 72 + (root + (0, 4, 7, 4)[i % 4]) % 12, 80)]
        rows += [(start + (beats[i + 1] - beats[i]) / 2, 0.2, 72 + (root + 7) % 12, 64)]
    notes = notes_array([(round(960 * a), max(1, round(960 * d)), p, v) for a, d, p, v in sorted(rows)])
    return score_to_midi(Score(480, (Track(notes=notes),)))


def test_the_beats_of_a_performance_are_tracked(m4m: Run) -> None:
    file, tracked = (said(m4m, "--beats", beats, stdin=rubato()) for beats in ("file", "auto"))
    assert file["summary"]["bpm"] == pytest.approx(120, abs=0.01)
    gaps = np.diff(tracked["beats"])
    assert 0.45 < np.median(gaps) < 0.75
    assert len(tracked["tempos"]) > 20
    truth = np.cumsum(0.6 + 0.12 * np.sin(np.arange(97) / 7))[:96]
    assert mir_eval.beat.f_measure(truth, np.array(tracked["beats"])) > 0.9
    assert {c["label"] for c in tracked["chords"]} - {"N"} == {"C:maj", "F:maj", "G:maj"}
    assert [c["symbol"] for c in tracked["chords"] if c["label"] != "N"][:3] == ["C", "F", "G"]
