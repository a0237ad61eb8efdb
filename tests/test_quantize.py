"""`m4m quantize`: where notes go, and that nothing else does."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from m4mcli.errors import M4mError
from m4mcli.score.quantization import Ends, Quantization, grid_lines, quantized
from m4mcli.score.read import read_score
from m4mcli.score.requantization import requantized
from m4mcli.score.score import CONTROL, Score, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.theory.grid import Grid

EIGHTHS = Quantization(Grid.parse("1/8"))
QUARTERS = Quantization(Grid.parse("1/4"))

Row = tuple[int, int, int, int]


def piece(rows: list[Row], *metres: TimeSignature, tpq: int = 480) -> Score:
    return Score(tpq, (Track(notes=notes_array(rows)),), time_signatures=metres)


def rows_of(score: Score) -> list[Row]:
    return [(int(n["onset"]), int(n["duration"]), int(n["pitch"]), int(n["velocity"])) for n in score.tracks[0].notes]


def onsets(score: Score) -> list[int]:
    return [row[0] for row in rows_of(score)]


@pytest.mark.parametrize(
    ("name", "step"),
    [("1/4", 480), ("1/8", 240), ("1/16", 120), ("1/32", 60), ("1/4t", 320), ("1/8t", 160), ("1/16T", 80)],
)
def test_grids_as_musicians_write_them(name: str, step: int) -> None:
    assert Grid.parse(name).lines(1920, 1920, 480).tolist() == list(range(0, 1920, step))


@pytest.mark.parametrize("name", ["", "1", "1/5", "2/8", "1/8tt", "1/64", "1/-8", "16"])
def test_what_is_no_grid_is_refused(m4m: Run, name: str) -> None:
    with pytest.raises(M4mError, match="is no grid"):
        Grid.parse(name)
    assert m4m("quantize", f"--grid={name}", stdin=b"").returncode == 2


def test_notes_go_to_the_nearest_line_and_halves_to_the_later() -> None:
    score, left = quantized(piece([(110, 250, 60, 80), (130, 250, 61, 80), (120, 250, 62, 80)]), EIGHTHS)
    assert rows_of(score) == [(0, 480, 60, 80), (240, 240, 61, 80), (240, 240, 62, 80)]
    assert left == 0


def test_the_grid_begins_anew_at_every_bar_line() -> None:
    metres = (TimeSignature(0, 5, 8), TimeSignature(1200, 4, 4))
    lines = grid_lines(piece([(1200, 480, 60, 80)], *metres), QUARTERS).written.tolist()
    assert lines[:7] == [0, 480, 960, 1200, 1680, 2160, 2640]


def test_a_pickup_has_the_lines_of_the_bar_that_it_ends() -> None:
    metres = (TimeSignature(0, 4, 4), TimeSignature(720, 4, 4))
    lines = grid_lines(piece([(0, 240, 60, 80)], *metres), QUARTERS).written.tolist()
    assert lines[:4] == [240, 720, 1200, 1680]


@pytest.mark.parametrize(("strength", "onset"), [(0.0, 100), (0.25, 75), (0.5, 50), (1.0, 0)])
def test_strength_is_the_share_of_the_way(strength: float, onset: int) -> None:
    how = replace(QUARTERS, strength=strength, ends="length")
    assert rows_of(quantized(piece([(100, 300, 60, 80)]), how)[0]) == [(onset, 300, 60, 80)]


def test_strength_0_changes_nothing() -> None:
    rows: list[Row] = [(7, 111, 60, 80), (333, 55, 60, 81), (400, 1000, 64, 82)]
    for ends in ("grid", "keep", "length"):
        assert rows_of(quantized(piece(rows), replace(QUARTERS, strength=0.0, ends=ends))[0]) == rows


def test_swing_is_added_and_kept_and_taken_away() -> None:
    straight = piece([(i * 240, 200, 60 + i, 80) for i in range(8)])
    swing = replace(EIGHTHS, swing=0.75)
    swung, _ = quantized(straight, swing)
    assert onsets(swung) == [0, 360, 480, 840, 960, 1320, 1440, 1800]
    assert quantized(swung, swing)[0].tracks[0].notes.tolist() == swung.tracks[0].notes.tolist()
    back, _ = quantized(swung, replace(EIGHTHS, unswing=0.75))
    assert onsets(back) == onsets(straight)


@pytest.mark.parametrize(
    ("ends", "rows"),
    [
        ("grid", [(0, 240, 60, 80), (480, 240, 62, 80)]),
        ("keep", [(0, 150, 60, 80), (480, 250, 62, 80)]),
        ("length", [(0, 100, 60, 80), (480, 300, 62, 80)]),
    ],
)
def test_note_ends(ends: Ends, rows: list[Row]) -> None:
    played = piece([(50, 100, 60, 80), (430, 300, 62, 80)])
    assert rows_of(quantized(played, replace(EIGHTHS, ends=ends))[0]) == rows


@pytest.mark.parametrize("ends", ["grid", "keep", "length"])
def test_a_note_that_runs_into_the_next_of_its_pitch_ends_there(ends: Ends) -> None:
    score, _ = quantized(piece([(100, 500, 60, 80), (600, 300, 60, 90)]), replace(QUARTERS, ends=ends))
    first, second = rows_of(score)
    assert first[0] + first[1] <= second[0] == 480


def test_of_notes_that_would_fall_together_the_nearest_takes_the_line() -> None:
    trill: list[Row] = [(i * 60, 50, 60 + i % 2, 80) for i in range(8)]
    score, left = quantized(piece(trill), replace(QUARTERS, ends="length"))
    assert left == 4
    assert len(set(zip(onsets(score), (row[2] for row in rows_of(score)), strict=True))) == 8
    assert {0, 480} <= set(onsets(score))


def test_doubled_notes_stay_together() -> None:
    score, left = quantized(piece([(30, 200, 60, 80), (30, 200, 60, 90)]), QUARTERS)
    assert (onsets(score), left) == ([0, 0], 0)


def quantizations() -> st.SearchStrategy[Quantization]:
    grids = st.sampled_from(["1/4", "1/8", "1/16", "1/32", "1/8t", "1/16t"]).map(Grid.parse)
    swings = st.sampled_from([0.5, 0.5, 0.6, 0.75])
    return st.builds(Quantization, grids, st.just(1.0), swings, st.none(), st.sampled_from(["grid", "keep", "length"]))


def pieces() -> st.SearchStrategy[Score]:
    note = st.tuples(st.integers(0, 4000), st.integers(1, 900), st.integers(60, 63), st.integers(1, 127))
    metre = st.sampled_from([(4, 4), (3, 4), (6, 8), (5, 8), (7, 16), (1, 8)])
    return st.builds(
        lambda rows, metres, ticks, tpq: piece(
            rows,
            *(TimeSignature(t, *m) for t, m in zip([0, *sorted(ticks)], metres, strict=False)),
            tpq=tpq,
        ),
        st.lists(note, max_size=12),
        st.lists(metre, max_size=3),
        st.lists(st.integers(1, 3000), max_size=2, unique=True),
        st.sampled_from([24, 100, 480]),
    )


def pitches(score: Score) -> Counter[tuple[int, int]]:
    return Counter((row[2], row[3]) for row in rows_of(score))


@settings(max_examples=300, deadline=None)
@given(pieces(), quantizations())
def test_twice_is_once(score: Score, how: Quantization) -> None:
    once, _ = quantized(score, how)
    assert rows_of(quantized(once, how)[0]) == rows_of(once)


@settings(max_examples=300, deadline=None)
@given(pieces(), quantizations(), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_no_note_is_lost_or_empty_or_moved_by_more_than_a_step(
    score: Score, how: Quantization, strength: float
) -> None:
    after, _ = quantized(score, replace(how, strength=strength))
    assert pitches(after) == pitches(score)
    assert all(duration >= 1 and onset >= 0 for onset, duration, _, _ in rows_of(after))
    lines = grid_lines(score, how).written
    widest = max(int(np.diff(lines).max()), int(lines[0]))
    for pitch in {row[2] for row in rows_of(score)}:
        pairs = zip(
            sorted(row[0] for row in rows_of(score) if row[2] == pitch),
            sorted(row[0] for row in rows_of(after) if row[2] == pitch),
            strict=True,
        )
        assert all(abs(new - old) <= widest for old, new in pairs)


@settings(max_examples=100, deadline=None)
@given(pieces(), quantizations())
def test_the_bytes_and_the_arrays_agree(score: Score, how: Quantization) -> None:
    midi = score_to_midi(score)
    reading = read_score(midi, "made")
    bytes_moved, left = requantized(midi, reading.score, how)
    arrays_moved, left_too = quantized(reading.score, how)
    again = read_score(bytes_moved, "moved").score
    assert left == left_too
    if reading.score.tracks:
        assert sorted(row[:3] for row in rows_of(again)) == sorted(row[:3] for row in rows_of(arrays_moved))
        assert pitches(again) == pitches(arrays_moved)


def test_a_file_on_the_grid_comes_out_as_it_went_in(m4m: Run, examples: Path) -> None:
    on_grid = m4m("quantize", examples / "played.mid").stdout
    assert m4m("quantize", stdin=on_grid).stdout == on_grid


def test_the_played_ode_is_mended(m4m: Run, examples: Path) -> None:
    mended = json.loads(m4m("quantize", "--grid", "1/8", "--json", examples / "played.mid").stdout)
    wanted = json.loads(m4m("quantize", "--grid", "1/8", "--json", examples / "ode-to-joy.mid").stdout)
    places = [[(n["onset"], n["pitch"]) for n in song["tracks"][0]["notes"]] for song in (mended, wanted)]
    assert places[0] == places[1]


def test_notes_left_in_place_are_told(m4m: Run) -> None:
    trill = score_to_midi(piece([(i * 60, 50, 60, 80) for i in range(8)]))
    done = m4m("quantize", "--grid", "1/4", stdin=trill)
    assert done.returncode == 0
    assert b"warning: 6 repeated notes are too close together for 1/4" in done.stderr


@pytest.mark.parametrize(
    "options", [("--grid", "1/8t", "--swing", "0.6"), ("--swing", "0.6", "--unswing", "0.6"), ("--swing", "0.9")]
)
def test_options_that_exclude_each_other(m4m: Run, examples: Path, options: tuple[str, ...]) -> None:
    assert m4m("quantize", *options, examples / "played.mid").returncode == 2


def test_a_piece_without_notes_goes_through(m4m: Run) -> None:
    empty = score_to_midi(Score(480, time_signatures=(TimeSignature(0, 3, 4),)))
    assert m4m("quantize", stdin=empty).stdout == empty


def test_controls_of_a_json_piece_stay(m4m: Run) -> None:
    pedal = np.array([(13, 64, 127), (200, 64, 0)], CONTROL)
    score = Score(480, (Track(notes=notes_array([(7, 200, 60, 80)]), controls=pedal, lyrics=((7, "la"),)),))
    written = json.loads(m4m("quantize", "--json", stdin=score_to_midi(score)).stdout)["tracks"][0]
    assert [c["tick"] for c in written["controls"]] == [13, 200]
    assert [c["tick"] for c in written["lyrics"]] == [7]
