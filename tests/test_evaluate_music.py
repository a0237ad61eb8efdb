"""Figures of files and folders: tiny pieces whose values are worked out by hand, sets that are alike, copies."""

import json
import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import Run
from numpy.typing import NDArray

from m4mcli.evaluation.copying import Index, melody
from m4mcli.evaluation.corpora import FIGURES, measured
from m4mcli.evaluation.descriptive import descriptive, entropy
from m4mcli.evaluation.overlap import VECTORS, compared, density, likeness, vectors
from m4mcli.evaluation.stepped import Stepped, stepped
from m4mcli.evaluation.structure import fitness, structure
from m4mcli.score.score import KeySignature, Score, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

Rows = list[tuple[int, int, int]]


def piece(*tracks: Rows, drums: Rows | None = None, time: tuple[int, int] = (4, 4), key: int = 0) -> Stepped:
    """A piece from (onset, duration, pitch) rows in 16ths."""
    return stepped(score_of(*tracks, drums=drums, time=time, key=key))


def score_of(*tracks: Rows, drums: Rows | None = None, time: tuple[int, int] = (4, 4), key: int = 0) -> Score:
    made = [Track(notes=notes_array([(o * 120, d * 120, p, 80) for o, d, p in rows])) for rows in tracks]
    if drums is not None:
        made.append(Track(is_drum=True, notes=notes_array([(o * 120, d * 120, p, 80) for o, d, p in drums])))
    return Score(480, tuple(made), (), (TimeSignature(0, *time),), (KeySignature(0, key, False),))


def test_figures_worked_out_by_hand() -> None:
    """Two bars of 4/4: C4 E4 G4 A4 in quarters; then C4 for a half over C3 and E3 with F#4 on the last quarter."""
    top = [(0, 4, 60), (4, 4, 64), (8, 4, 67), (12, 4, 69), (16, 8, 60), (28, 3, 66)]
    low = [(16, 8, 48), (16, 4, 52)]
    found = descriptive(piece(top, low))
    assert found["pitch_range"] == 69 - 48
    assert (found["pitches"], found["pitch_classes"]) == (7, 5)
    shares = np.array([3, 2, 1, 1, 1]) / 8  # C E G A F#
    assert found["pitch_class_entropy"] == pytest.approx(-(shares * np.log2(shares)).sum())
    assert found["pitch_entropy"] == pytest.approx(-(6 / 8 * math.log2(1 / 8) + 2 / 8 * math.log2(2 / 8)))
    assert found["scale_consistency"] == 1  # G major
    assert found["pitch_in_scale_rate"] == 7 / 8  # C major has no F#
    sounding = 16 + 8 + 8 + 4 + 3
    assert found["polyphony"] == pytest.approx(sounding / (16 + 8 + 3))
    assert found["polyphony_rate"] == pytest.approx(4 / 31)  # C, C and E for a quarter
    assert found["empty_beat_rate"] == 0  # the half note's end counts for the beat that begins there
    assert found["empty_measure_rate"] == 0
    # Bar 1 has onsets on 4 quarters, bar 2 on the first and the last: they differ on 2 of 96 steps.
    assert found["groove_consistency"] == pytest.approx(1 - 2 / 96)
    assert found["drum_in_pattern_rate"] is None


def test_rests_and_the_bar_behind_the_end() -> None:
    found = descriptive(piece([(0, 4, 60), (60, 4, 60)]))
    # 16 quarters, and one more that begins where the last note ends; beats 1, 2, 16 and 17 are not empty.
    assert found["empty_beat_rate"] == pytest.approx(13 / 17)
    assert found["empty_measure_rate"] == pytest.approx(2 / 5)
    assert found["polyphony"] == 1
    waltz = descriptive(piece([(0, 4, 60), (12, 4, 60)], time=(3, 4)))
    assert waltz["groove_consistency"] == 1


def test_drums_have_patterns_and_no_pitches() -> None:
    third = Score(480, (Track(is_drum=True, notes=notes_array([(t, 60, 36, 80) for t in (0, 160, 320, 480, 600)])),))
    found = descriptive(stepped(third))
    assert found["drum_in_pattern_rate"] == 3 / 5
    assert found["drum_pattern_consistency"] == 4 / 5
    assert found["pitch_range"] is None
    assert found["polyphony"] is None
    compound = descriptive(stepped(replace(third, time_signatures=(TimeSignature(0, 6, 8),))))
    assert compound["drum_in_pattern_rate"] == 4 / 5


def test_entropy() -> None:
    assert entropy(np.array([1, 1, 1, 1])) == 2
    assert entropy(np.array([5, 0])) == 0
    assert entropy(np.zeros(3, np.int64)) is None


def test_notes_of_one_pitch_count_once() -> None:
    found = descriptive(piece([(0, 8, 60), (4, 8, 60)], [(0, 2, 60)]))
    assert (found["polyphony"], found["polyphony_rate"]) == (1, 0)


BARS = (
    [0, 4, 7, 4],
    [2, 5, 9, 5],
    [4, 7, 11, 7],
    [5, 9, 0, 9],
    [7, 11, 2, 11],
    [9, 0, 4, 0],
    [11, 2, 5, 2],
    [1, 3, 6, 8],
)


def in_bars(order: str, times: int = 1) -> Stepped:
    """A bar of four quarters for each letter, 2 s each."""
    rows = [
        (16 * bar + 4 * i, 4, 60 + p)
        for bar, name in enumerate(order)
        for i, p in enumerate(BARS["abcdefgh".index(name)])
    ]
    return piece(rows)


def test_structure() -> None:
    again, once = structure(in_bars("abcdabcd")), structure(in_bars("abcdefgh"))
    # A faultless repeat of half the piece: of 32 cells and 32 covered rows 16 are the segment's own.
    assert again["SI_mid"] == pytest.approx(0.5, abs=0.01)
    assert once["SI_mid"] is not None
    assert once["SI_mid"] < 0.3
    assert again["repeated_bars"] == 0.5
    assert once["repeated_bars"] == 0
    assert again["self_similarity"] == pytest.approx(1)
    assert once["self_similarity"] is not None
    assert once["self_similarity"] < 0.6
    assert again["H1"] == pytest.approx(1.5)  # three pitch classes: 1, 1 and 2 of 4 notes
    assert again["groove_similarity"] == 1
    assert structure(in_bars("a"))["groove_similarity"] is None
    uneven = structure(piece([(0, 4, 60), (16, 4, 60), (24, 4, 60)]))
    assert uneven["groove_similarity"] == pytest.approx(1 - 1 / 64)


def test_fitness_against_paths_one_by_one() -> None:
    """The dynamic programme for all segments at once gives what a plain one gives for each."""
    rng = np.random.default_rng(0)
    similar = np.where(rng.random((9, 9)) < 0.5, -2.0, rng.random((9, 9)))
    similar = np.maximum(similar, similar.T)
    np.fill_diagonal(similar, 1)
    found = fitness(similar)
    for length in range(1, 10):
        for first in range(10 - length):
            assert found[length - 1, first] == pytest.approx(plain_fitness(similar, first, length)), (first, length)


def plain_fitness(similar: NDArray[np.float64], first: int, length: int) -> float:
    """As in Mueller, Jiang and Grosche (2013), cell by cell: score, rows covered, cells of the best path family."""
    n = len(similar)
    nothing = (-1e9, 0.0, 0.0)
    rows: list[list[tuple[float, float, float]]] = []
    waiting = (0.0, 0.0, 0.0)
    for row in range(n):
        if rows and rows[-1][-1][0] > waiting[0]:
            waiting = rows[-1][-1]
        now = []
        for column in range(length):
            best = (waiting[0], waiting[1] + 1, waiting[2] + 1) if column == 0 else nothing
            for back, left, more in ((1, 1, 1), (2, 1, 2), (1, 2, 1)):
                if row >= back and column >= left:
                    score, rows_covered, cells = rows[row - back][column - left]
                    if score > best[0]:
                        best = (score, rows_covered + more, cells + 1)
            now.append((best[0] + similar[row, first + column], best[1], best[2]))
        rows.append(now)
    score, covered, cells = rows[-1][-1] if rows[-1][-1][0] > waiting[0] else waiting
    mean, share = max(0.0, (score - length) / max(cells, 1)), max(0.0, (covered - length) / n)
    return 2 * mean * share / (mean + share) if mean + share else 0.0


def test_overlap_of_distributions() -> None:
    rng = np.random.default_rng(1)
    within, same, other = rng.normal(5, 1, 2000), rng.normal(5, 1, 2000), rng.normal(7, 1, 2000)
    alike, apart = compared(within, same), compared(within, other)
    assert alike.area > 0.95
    assert alike.divergence < 0.02
    assert apart.area == pytest.approx(0.317, abs=0.04)  # 2 Phi(-1)
    assert apart.divergence == pytest.approx(2, abs=0.5)  # (7 - 5)^2 / 2
    assert compared(np.ones(5), np.ones(5)).area == 1
    assert likeness([np.ones(1)], [np.ones(1)] * 3) is None
    grid = np.linspace(-5, 5, 400)
    assert density(rng.normal(0, 1, 5000), grid, 0.01).max() == pytest.approx(0.3989, abs=0.03)


def test_vectors_worked_out_by_hand() -> None:
    found = vectors(piece([(0, 4, 60), (4, 4, 64), (8, 8, 60)]))
    assert found.keys() == set(VECTORS)
    assert found["pitch_class_shares"][[0, 4]].tolist() == [2 / 3, 1 / 3]
    transitions = found["pitch_class_transitions"].reshape(12, 12)
    assert (transitions[0, 4], transitions[4, 0], transitions.sum()) == (0.5, 0.5, 1)
    assert found["note_lengths"][[1, 2]].tolist() == [1 / 3, 2 / 3]
    assert found["note_length_transitions"].reshape(12, 12)[2, [1, 2]].tolist() == [0.5, 0.5]
    assert (found["notes"][0], found["interval"][0], found["onset_gap"][0]) == (3, 4, 0.5)


TUNE = [0, 2, 4, 0, 5, 7, 9, 5, 4, 2, 11, 7, 9, 4, 5, 2, 0, 12, 7, 3]


def line(pitches: list[int], start: int = 0) -> Rows:
    return [(start + 2 * i, 2, 60 + p) for i, p in enumerate(pitches)]


def test_the_longest_shared_run_is_found_transposed() -> None:
    whole = melody(piece(line(TUNE)))
    other = melody(piece(line([1, 8, 6]), line([t + 5 for t in TUNE[3:17]], start=32)))
    nothing = melody(piece([(0, 3, 60), (7, 3, 61)]))
    index = Index([nothing, whole])
    run, none, alone = index.longest([other, nothing, melody(piece(drums=[(0, 1, 36)]))])
    assert run is not None
    assert (run.notes, run.start, run.piece, run.place, run.semitones) == (14, 3, 1, 3, 5)
    assert none is not None
    assert (none.notes, none.piece) == (2, 0)
    assert alone is None
    assert index.copied([other, nothing]) == [14 / 17, 0]
    assert Index([]).longest([whole]) == [None]


def test_runs_do_not_go_on_from_part_to_part() -> None:
    parts = melody(piece(line(TUNE[:8]), line(TUNE[8:])))
    (run,) = Index([parts]).longest([melody(piece(line(TUNE)))])
    assert run is not None
    assert run.notes == 12
    slower = melody(piece([(4 * i, 2, 60 + p) for i, p in enumerate(TUNE)]))
    assert Index([slower]).longest([melody(piece(line(TUNE)))]) == [None]


def test_every_figure_is_measured() -> None:
    found = measured("x", piece(line(TUNE), drums=[(0, 1, 36), (16, 1, 36)]))
    assert set(FIGURES) <= found.figures.keys()
    assert [name for name in FIGURES if found.figures[name] is None] == ["H4", "SI_short", "SI_mid", "SI_long"]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three tunes, and three others: one of them is a tune of the first in another key, one a file of the same name."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()
    tunes = {"a": TUNE, "b": [2 * p % 11 for p in TUNE], "c": [p % 5 for p in TUNE]}
    for name, tune in tunes.items():
        (mine / f"{name}.mid").write_bytes(score_to_midi(score_of(line(tune))))
    others = {"a": [*TUNE[:10], *[p + 1 for p in TUNE[10:]]], "y": [p + 3 for p in tunes["b"]], "z": [9, 3, 9, 1, 0, 3]}
    for name, tune in others.items():
        (theirs / f"{name}.mid").write_bytes(score_to_midi(score_of(line(tune))))
    return mine, theirs


def test_folders_on_the_command_line(m4m: Run, folders: tuple[Path, Path], tmp_path: Path) -> None:
    done = m4m("evaluate", "mine", "--against", "theirs", "--plot", "out.svg")
    assert (done.returncode, done.stderr) == (0, b"")
    rows = {row[0]: row[1:] for row in map(str.split, done.stdout.decode().splitlines()) if row}
    assert rows["figure"] == ["mine", "theirs", "overlap", "divergence"]
    assert rows["pieces"] == ["3", "3"]
    assert rows["notes"][0] == "20.000±0.000"
    assert "20 notes of mine/b.mid from bar 1 are in theirs/y.mid from bar 1, 3 semitones below" in done.stdout.decode()
    assert rows["note_F1"][0] == "0.500"
    picture = ElementTree.parse(tmp_path / "out.svg").getroot()
    texts = [element.text for element in picture.iter() if element.text]
    assert {"mine (3)", "theirs (3)", "pitch_class_entropy"} <= set(texts)


def test_figures_as_json(m4m: Run, folders: tuple[Path, Path]) -> None:
    done = m4m("evaluate", "mine", "theirs", "--against", "theirs", "--json", "--metrics", "notes,copied,note_F1")
    found = json.loads(done.stdout)
    assert (found["m4m"], found["kind"], found["task"]) == (1, "evaluation", "music")
    assert [one["name"] for one in found["sets"]] == ["mine", "theirs"]
    assert found["sets"][0]["figures"]["notes"] == {"mean": 20, "error": 0, "pieces": 3}
    assert found["sets"][0]["figures"].keys() == {"notes", "copied"}
    assert found["sets"][0]["pieces"][1] == {"file": "mine/b.mid", "figures": {"notes": 20, "copied": 1}}
    assert found["runs"][0]["source"] == "theirs/y.mid"
    assert found["against"].keys() == {"notes"}
    assert found["notes"]["pairs"] == 1


def test_files_without_comparison(m4m: Run, folders: tuple[Path, Path]) -> None:
    (folders[0] / "odd.mid").write_bytes(b"MThd")
    done = m4m("evaluate", "mine", "theirs/a.mid", "--metrics", "notes,pitch_range")
    assert done.returncode == 1
    assert done.stderr.startswith(b"m4m evaluate: mine/odd.mid: ")
    assert done.stdout.decode() == (
        "figure               mine   a.mid\npieces                  3       1\npitch_range   8.667±2.404  13.000\n"
        "notes        20.000±0.000  20.000\n"
    )


WRONG = [
    (["harmonise"], "harmonise: neither a task nor a file"),
    (["mine", "--pack", "x"], "--pack: mine is no task"),
    (["harmonize", "--against", "x"], "--against: harmonize is a task"),
    (["mine", "--metrics", "loudness"], "no figure 'loudness'"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_wrong_usage(m4m: Run, folders: tuple[Path, Path], arguments: list[str], told: str) -> None:
    done = m4m("evaluate", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert told in done.stderr.decode()


def test_one_file_that_cannot_be_read_is_told_in_one_line(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.mid").write_text("no music")
    done = m4m("evaluate", "bad.mid")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"m4m evaluate: bad.mid: not a MIDI file (text); m4m reads MIDI, m4m JSON and ABC\n"
