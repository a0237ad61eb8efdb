"""Figures checked by hand, baselines on tunes whose chords are plain, tables, and the command on a small pack."""

import importlib.util
import itertools
import json
import math
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import Run
from numpy.typing import NDArray

from m4mcli import cli
from m4mcli.dataset.pack import PACK_BAR, PACK_NOTE, Pack, PackedPiece, PackedTrack, write_pack
from m4mcli.errors import M4mError
from m4mcli.evaluation.baselines import baselines, hold, repeat, segments, template, viterbi
from m4mcli.evaluation.counts import count_chords, counted_baselines
from m4mcli.evaluation.drums import accompaniment, drums_against, onset_f1
from m4mcli.evaluation.harmonize import evaluate_harmonize, harmonize_tables, songs_of
from m4mcli.evaluation.melody_chord import (
    FIGURES,
    all_figures,
    chord_agreement,
    harmonic_rhythm,
    melody_chord,
    tonal_centroids,
)
from m4mcli.evaluation.notes import pitch_classes, timed_notes
from m4mcli.evaluation.table import Row, Table, as_data, as_text, estimate, mean_figures, row_of
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order

Notes = NDArray[np.void]

C, F, G = (48, 52, 55), (53, 57, 60), (55, 59, 62)
NOTHING = np.zeros(0, FRAME_NOTE)


def notes(*rows: tuple[int, int, int], instrument: int = 0) -> Notes:
    """Notes from (frame, duration, pitch)."""
    return in_order(np.array([(f, instrument, p, d) for f, d, p in rows], FRAME_NOTE))


def line(pitches: list[int], length: int = 4, start: int = 0) -> Notes:
    """A melody of notes of one length."""
    return notes(*((start + i * length, length, p) for i, p in enumerate(pitches)))


def chords(*held: tuple[int, int, tuple[int, ...]]) -> Notes:
    """Block chords from (frame, duration, pitches)."""
    return notes(*((f, d, p) for f, d, pitches in held for p in pitches))


def metre(length: int, bar: int = 16, beat: int = 4) -> NDArray[np.int32]:
    """Bars of one length from frame 0 on."""
    position = np.arange(length, dtype=np.int32) % bar
    return np.stack([position, np.full(length, bar, np.int32), np.full(length, beat, np.int32)], axis=1)


def piece(name: str, melody: Notes, harmony: Notes, split: str = "valid", source: str = "tunes") -> PackedPiece:
    """A packed lead sheet in 4/4."""
    rows = []
    for track, part in enumerate((melody, harmony)):
        packed = np.zeros(len(part), PACK_NOTE)
        for field in FRAME_NOTE.names or ():
            packed[field] = part[field]
        packed["track"] = track
        rows.append(packed)
    merged = np.concatenate(rows)
    length = int((merged["frame"] + merged["duration"]).max())
    bars = np.array([(f, 16, 4) for f in range(0, length, 16)], PACK_BAR)
    tracks = (PackedTrack("", 0, False, "melody"), PackedTrack("", 0, False, "chord"))
    return PackedPiece(name, source, split, length, tracks, merged, bars)


def tune(shift: int = 0, bars: int = 6) -> tuple[Notes, Notes]:
    """Broken triads over the chords that they break: C, F, G, C, and so on, a bar each."""
    melody, harmony = [], []
    for bar in range(bars):
        triad = (C, F, G, C)[bar % 4]
        melody += [(16 * bar + 4 * i, 4, p + 12 + shift) for i, p in enumerate((*triad, triad[0]))]
        harmony += [(16 * bar, 16, p - 12 + shift) for p in triad]
    return notes(*melody), notes(*harmony)


# Figures by hand


def test_melody_over_a_triad() -> None:
    # C and E are chord tones; D moves on to E by a tone; B has nothing to move to.
    figures = melody_chord(line([60, 62, 64, 59]), chords((0, 16, C)), 0, 16)
    assert figures["CTR"] == 2 / 4
    assert figures["CTnCTR"] == 3 / 4
    # Against C, E, G: C is 1, 1, 0; D is -1, -1, 1; E is 1, 1, 1; B is -1, 1, 1.
    assert figures["PCS"] == pytest.approx((2 / 3 - 1 / 3 + 1 + 1 / 3) / 4)


def test_tonal_distance_is_nothing_at_the_unison_and_two_diameters_at_the_tritone() -> None:
    # A tritone is half-way round the circles of fifths and minor thirds and all the way round that of major thirds.
    assert melody_chord(line([60]), chords((0, 4, (48,))), 0, 4)["MCTD"] == pytest.approx(0)
    assert melody_chord(line([66]), chords((0, 4, (48,))), 0, 4)["MCTD"] == pytest.approx(math.sqrt(8))


def test_the_augmented_triad_is_at_the_middle_of_the_circle_of_fifths() -> None:
    centroid = tonal_centroids(np.isin(np.arange(12), (0, 4, 8))[None])[0]
    assert centroid[0] == pytest.approx(0)
    assert centroid[3] == pytest.approx(0)


def test_a_repeated_or_distant_tone_resolves_nothing() -> None:
    assert melody_chord(line([62, 62]), chords((0, 8, C)), 0, 8)["CTnCTR"] == 0
    assert melody_chord(line([62, 65]), chords((0, 8, C)), 0, 8)["CTnCTR"] == 0


def test_the_highest_of_overlapping_melody_notes_is_heard() -> None:
    melody = notes((0, 4, 60), (0, 4, 61))
    assert melody_chord(melody, chords((0, 4, (48,))), 0, 4)["PCS"] == -1


def test_agreement_with_other_chords() -> None:
    truth, ours = chords((0, 8, C), (8, 8, F)), chords((0, 16, C))
    # Over F, C major shares one of five pitch classes.
    assert chord_agreement(ours, truth, 0, 16) == {"identical": 0.5, "Jaccard": (1 + 1 / 5) / 2, "bass": 0.5}
    inverted = chords((0, 16, (52, 55, 60)))
    assert chord_agreement(inverted, truth, 0, 8) == {"identical": 1, "Jaccard": 1, "bass": 0}


def test_frames_without_an_original_chord_do_not_count() -> None:
    assert chord_agreement(chords((0, 16, C)), chords((8, 8, C)), 0, 16)["identical"] == 1
    assert chord_agreement(chords((8, 8, C)), chords((0, 16, C)), 0, 16)["identical"] == 0.5


def test_the_original_agrees_with_itself() -> None:
    melody, harmony = tune()
    figures = all_figures(melody, harmony, harmony, 16, 96)
    assert tuple(figures) == FIGURES
    assert [figures[name] for name in ("identical", "Jaccard", "bass", "cover", "CTR")] == [1, 1, 1, 1, 1]


def test_harmonic_rhythm() -> None:
    # C, silence, C, F: one change in two bars, three quarters of them with a chord.
    held = chords((0, 8, C), (16, 8, C), (24, 8, F))
    assert harmonic_rhythm(held, 0, 32) == {"changes_per_bar": 0.5, "cover": 0.75}


def test_nothing_to_measure_is_none_not_nought() -> None:
    figures = all_figures(line([60]), NOTHING, NOTHING, 0, 4)
    assert figures == dict.fromkeys(FIGURES) | {"changes_per_bar": 0, "cover": 0}
    assert harmonic_rhythm(chords((0, 4, C)), 4, 4) == {"changes_per_bar": None, "cover": None}


def test_an_onset_before_the_window_stays_outside_it_though_it_is_rounded_in() -> None:
    melody = timed_notes([15.6, 20.2], [20, 24], [61, 60])
    assert melody["frame"].tolist() == [16, 20]
    assert melody_chord(melody, chords((0, 32, C)), 16, 32)["CTR"] == 1
    assert melody_chord(melody, chords((0, 32, C)), 15, 32)["CTR"] == 0.5


def test_drum_onsets_by_hand() -> None:
    truth = notes((0, 1, 36), (4, 1, 38), (8, 1, 36), (12, 1, 38), instrument=DRUMS)
    made = notes((0, 1, 36), (4, 1, 40), (6, 1, 42), instrument=DRUMS)
    figures = drums_against(made, truth, 0)
    assert figures == {"density": 3 / 4, "F1_any": 4 / 7, "F1_kick": 2 / 3, "F1_snare": 2 / 3, "F1_hat": 0}
    assert drums_against(made, truth, 6)["F1_any"] == 0


def test_drums_agree_with_themselves() -> None:
    truth = notes((0, 1, 36), (4, 1, 38), (6, 1, 42), instrument=DRUMS)
    assert set(drums_against(truth, truth, 0).values()) == {1}
    assert onset_f1(np.array([], int), np.array([], int)) == 1


def test_pitched_notes_are_no_drums() -> None:
    truth = notes((0, 1, 36), instrument=DRUMS)
    assert drums_against(notes((0, 1, 36)), truth, 0) == {
        "density": 1,
        "F1_any": 0,
        "F1_kick": 0,
        "F1_snare": 1,
        "F1_hat": 1,
    }


def test_accompaniment_by_hand() -> None:
    drums = notes((4, 1, 36), (8, 1, 36), instrument=DRUMS)
    made = notes((0, 4, 60), (4, 4, 62), (6, 4, 64), (6, 4, 60))
    truth = notes((4, 4, 60), (8, 4, 62))
    # From the first hit on: frame 4 holds a hit, frame 6 none. C, D, E are 1/2, 1/4, 1/4 against 1/2, 1/2, 0.
    assert accompaniment(made, drums, truth, 0) == {"on_hit": 0.5, "pitch_class_overlap": 0.75, "density": 2}
    assert accompaniment(made, drums[:0], truth, 0)["on_hit"] is None


def test_every_figure_of_a_piece_off_the_grid() -> None:
    # Halves are rounded to even: C in frames 0-3, D 4-7, E 8-11, and an F whose onset is rounded out of the window.
    melody = timed_notes([0.5, 4.5, 8.25, 15.5], [4.5, 8.5, 12, 20], [60, 62, 64, 65])
    # C major in frames 0-9, F major 10-15; in the original they change at 8, and the second stands on A.
    ours = timed_notes([0.25] * 3 + [10.5] * 3, [10] * 3 + [16.5] * 3, [48, 52, 55, 53, 57, 60])
    truth = timed_notes([0] * 3 + [8] * 3, [8] * 3 + [16] * 3, [48, 52, 55, 45, 48, 53])
    by_hand = {
        "CTR": 2 / 3,
        "CTnCTR": 1,
        # Over C: C 2/3 in 4 frames, D -1/3 in 4, E 1 in 2; over F: E 1/3 in 2.
        "PCS": 1 / 3,
        # In the same frames, from the angles 210, 270 and 120 degrees a semitone and the radii 1, 1 and 1/2.
        "MCTD": (4 * 1.0293416658 + 4 * 1.9086323895 + 2 * 1.1776648650 + 2 * 1.7944993362) / 12,
        "identical": 14 / 16,
        "Jaccard": (14 + 2 / 5) / 16,
        "bass": 8 / 16,
        "changes_per_bar": 1,
        "cover": 1,
    }
    assert all_figures(melody, ours, truth, 0, 16) == pytest.approx(by_hand)


@pytest.mark.parametrize("start", [0, 2])
def test_every_figure_of_drums_off_the_grid(start: int) -> None:
    # Frames 0, 4, 8, 12 in both: kick, snare, hi-hat, snare against kick, snare, hi-hat, hi-hat.
    made = timed_notes([0.5, 4.25, 7.75, 12], [1, 5, 9, 13], [36, 38, 42, 40], True)
    truth = timed_notes([0.5, 3.75, 8.5, 11.5], [1, 5, 9, 13], [35, 38, 42, 46], True)
    by_hand = {"density": 1, "F1_any": 1, "F1_kick": 1, "F1_snare": 2 / 3, "F1_hat": 2 / 3}
    assert drums_against(made, truth, start) == pytest.approx(by_hand)


# The same figures elsewhere: M4M_YARDSTICK names a file of Python that computes them from lists of notes.


@pytest.fixture
def yardstick() -> ModuleType:
    path = os.environ.get("M4M_YARDSTICK", "")
    if not path:
        pytest.skip("M4M_YARDSTICK names no other implementation")
    spec = importlib.util.spec_from_file_location("yardstick", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def loose_notes(generator: np.random.Generator, count: int, pitches: tuple[int, int], drum: float = 0) -> Any:
    """Random notes off the grid, many of them half-way between frames, as arrays and as dictionaries."""
    onset = np.sort(np.round(generator.uniform(0, 90, count) * 4) / 4)
    end = onset + generator.integers(0, 24, count) / 2
    pitch = generator.integers(*pitches, count)
    is_drum = generator.random(count) < drum
    rows = [
        {"on": float(a), "off": float(b), "pitch": int(p), "drum": bool(d)}
        for a, b, p, d in zip(onset, end, pitch, is_drum, strict=True)
    ]
    return timed_notes(onset, end, pitch, is_drum), rows


def assert_same(ours: dict[str, float | None], theirs: dict[str, float | None]) -> None:
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert ours[name] is None if value is None else ours[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("seed", range(20))
def test_melody_and_chords_agree_with_the_yardstick(yardstick: ModuleType, seed: int) -> None:
    generator = np.random.default_rng(seed)
    melody, melody_rows = loose_notes(generator, 40, (55, 80))
    ours, our_rows = loose_notes(generator, 25, (36, 60))
    truth, true_rows = loose_notes(generator, 60, (36, 60))
    start, end = 16 * (seed % 2), 64 + seed
    theirs = yardstick.melody_chord(melody_rows, our_rows, start, end)
    theirs |= yardstick.chord_agreement(our_rows, true_rows, start, end)
    theirs |= yardstick.harmonic_rhythm(our_rows, start, end)
    assert_same(all_figures(melody, ours, truth, start, end), theirs)


@pytest.mark.parametrize("seed", range(20))
def test_drums_agree_with_the_yardstick(yardstick: ModuleType, seed: int) -> None:
    generator = np.random.default_rng(seed)
    made, made_rows = loose_notes(generator, 60, (35, 50), 0.9)
    truth, true_rows = loose_notes(generator, 60, (35, 50), 1)
    others, other_rows = loose_notes(generator, 50, (40, 80))
    start = 2 * seed
    assert_same(drums_against(made, truth, start), yardstick.drums_against(made_rows, true_rows, start))
    theirs = yardstick.accompaniment(other_rows, true_rows, made_rows, start)
    assert_same(accompaniment(others, truth, made, start), theirs)


# Baselines


def sets(part: Notes, length: int) -> list[set[int]]:
    """The pitch classes of each frame."""
    return [set(np.flatnonzero(row).tolist()) for row in pitch_classes(part, length)]


def test_hold_keeps_the_first_chord_of_the_prompt() -> None:
    melody, _ = tune()
    held = hold(melody, metre(96), chords((0, 8, F), (8, 8, C)), 16)
    assert sets(held, 96)[4::8] == [{0, 5, 9}, {0, 4, 7}, *[{0, 5, 9}] * 10]


def test_hold_takes_the_tonic_where_the_prompt_has_no_chord() -> None:
    melody, _ = tune(shift=2)
    assert sets(hold(melody, metre(96), NOTHING, 16), 96)[16:] == [{2, 6, 9}] * 80
    assert sets(hold(NOTHING, metre(8), NOTHING, 0), 8) == [{0, 4, 7}] * 8


def test_repeat_goes_through_the_last_bar_of_the_prompt() -> None:
    prompt = chords((0, 16, G), (16, 8, C), (24, 8, F))
    again = sets(repeat(NOTHING, metre(80), prompt, 32), 80)
    assert again[36::8] == [{0, 4, 7}, {0, 5, 9}] * 3
    assert sets(repeat(NOTHING, metre(24), chords((0, 8, C)), 8), 24) == [{0, 4, 7}] * 24


def test_the_template_finds_the_chords_of_broken_triads() -> None:
    melody, harmony = tune()
    assert sets(template(melody, metre(96), NOTHING, 0), 96) == sets(harmony, 96)


@pytest.mark.parametrize("shift", range(-5, 7))
def test_templates_move_with_the_music(shift: int) -> None:
    pitches = np.random.default_rng(3).integers(60, 76, 40)
    here = sets(template(line(pitches.tolist()), metre(160), NOTHING, 0), 160)
    there = sets(template(line((pitches + shift).tolist()), metre(160), NOTHING, 0), 160)
    assert there == [{(pc + shift) % 12 for pc in now} for now in here]


@pytest.mark.parametrize(("bar", "beat"), [(16, 4), (12, 4), (12, 6), (20, 4), (8, 4), (3, 1)])
@pytest.mark.parametrize("prompt_frames", [0, 7, 16, 60])
def test_every_baseline_fills_the_song_after_its_prompt(bar: int, beat: int, prompt_frames: int) -> None:
    melody, harmony = tune(bars=4)
    counts = count_chords([piece("a", melody, harmony)])
    assert counts is not None
    prompt = harmony[harmony["frame"] < prompt_frames]
    for name, baseline in (baselines(True) | counted_baselines(counts)).items():
        part = baseline(melody, metre(62, bar, beat), prompt, prompt_frames)
        assert (part["duration"] > 0).all(), name
        assert np.isin(prompt, part).all(), name
        assert all(sets(part, 62)), name


def test_chords_begin_with_the_half_bars_of_even_metres() -> None:
    assert segments(metre(32), 0).tolist() == [0, 8, 16, 24]
    assert segments(metre(24, 12, 6), 0).tolist() == [0, 6, 12, 18]
    assert segments(metre(24, 12, 4), 5).tolist() == [5, 12]
    assert segments(metre(8), 8).tolist() == []


def test_viterbi_finds_the_best_of_all_paths() -> None:
    generator = np.random.default_rng(0)
    scores, change = generator.normal(size=(5, 3)), generator.normal(size=(3, 3))

    def total(path: tuple[int, ...]) -> float:
        steps = sum(change[a, b] for a, b in itertools.pairwise(path))
        return float(scores[np.arange(5), path].sum() + steps)

    assert tuple(viterbi(scores, change)) == max(itertools.product(range(3), repeat=5), key=total)


def test_counted_chords_are_those_of_the_training_songs_in_the_key_of_the_song() -> None:
    counts = count_chords([piece(str(i), *tune(shift)) for i, shift in enumerate((0, 3, 5))])
    assert counts is not None
    assert set(counts.major.chords) == {
        (frozenset(c), c0) for c, c0 in (({0, 4, 7}, 0), ({5, 9, 0}, 5), ({7, 11, 2}, 7))
    }
    melody, harmony = tune(shift=-4)
    for baseline in counted_baselines(counts).values():
        assert sets(baseline(melody, metre(96), NOTHING, 0), 96) == sets(harmony, 96)


def test_songs_without_chords_count_nothing() -> None:
    assert count_chords([piece("a", tune()[0], NOTHING)]) is None


# Tables


def test_estimate_is_mean_and_standard_error() -> None:
    found = estimate([1, 2, 3, 6])
    assert found is not None
    assert found.mean == 3
    # The squared deviations 4, 1, 0, 9 give a variance of 14 / 3.
    assert found.error == pytest.approx(math.sqrt(14 / 3 / 4))
    assert estimate([2.0]) is not None
    assert estimate([]) is None


def test_songs_weigh_the_same_however_many_answers_have_the_figure() -> None:
    assert mean_figures([{"a": 1.0}, {"a": None}, {"a": 0.0}]) == {"a": 0.5}
    row = row_of("x", [[{"a": 1.0}, {"a": None}], [{"a": 0.0}, {"a": 0.0}], [{"a": None}]], ["a"])
    found = row.figures["a"]
    assert found is not None
    assert (found.mean, found.songs, row.songs, row.answers) == (0.5, 2, 3, 5)


def test_text_and_data_of_a_table() -> None:
    rows = (row_of("real", [[{"a": 1.0, "b": None}], [{"a": 0.5}]], ["a", "b"]), Row("silent", 2, 2, 2, {}))
    table = Table("tunes", {"source": "tunes"}, rows)
    assert as_text(table).splitlines() == [
        "tunes",
        "system  songs  empty            a  b",
        "real        2    0/2  0.750±0.250  -",
        "silent      2    2/2            -  -",
    ]
    figures = {"a": {"mean": 0.75, "error": 0.25, "songs": 2}, "b": None}
    first = {"system": "real", "songs": 2, "answers": 2, "empty": 0, "figures": figures}
    assert as_data(table)["rows"] == [first, {"system": "silent", "songs": 2, "answers": 2, "empty": 2, "figures": {}}]


# The evaluation


def means(row: Row) -> dict[str, float | None]:
    return {name: None if e is None else e.mean for name, e in row.figures.items()}


def test_a_song_is_cut_at_the_end_of_its_melody_or_the_window() -> None:
    melody, harmony = tune(bars=30)
    long, short = songs_of([piece("long", melody, harmony), piece("short", *tune(bars=2))])
    assert (long.end, short.end) == (384, 32)
    assert long.metre.shape == (384, 3)
    assert int(long.melody["frame"].max()) < 384


def test_songs_with_nothing_to_measure_are_left_out() -> None:
    melody, harmony = tune(bars=4)
    pieces = [piece("no chords", melody, NOTHING), piece("over", *tune(bars=1)), piece("early", melody, harmony[:3])]
    assert songs_of(pieces, prompt_frames=16) == []
    assert [song.name for song in songs_of(pieces, prompt_frames=0)] == ["over", "early"]


def test_the_harmonizer_is_told_the_prompt_and_judged_after_it() -> None:
    songs = [piece("a", *tune()), piece("b", *tune(2))]
    asked = []

    def half(melody: Notes, bars: Any, prompt: Notes, prompt_frames: int, samples: int, seed: int) -> list[Notes]:
        asked.append((len(melody), bars.shape, prompt["frame"].tolist(), prompt_frames, samples, seed))
        shift = 0 if len(asked) == 1 else 2
        return [tune(shift)[1], prompt]

    rows = evaluate_harmonize(half, songs, prompt_frames=16, samples=2, seed=7, name="half")
    assert asked == [(24, (96, 3), [0, 0, 0], 16, 2, 7), (24, (96, 3), [0, 0, 0], 16, 2, 8)]
    by_name = {row.system: row for row in rows}
    assert list(by_name)[:2] == ["real", "half"]
    assert means(by_name["real"])["identical"] == 1
    row = by_name["half"]
    assert (row.songs, row.answers, row.empty) == (2, 4, 2)
    assert means(row)["identical"] == 0.5
    assert means(row)["cover"] == 0.5
    # Silence has no chord tones to share.
    assert means(row)["CTR"] == 1


def test_there_is_no_bar_to_repeat_without_a_prompt() -> None:
    songs = [piece("a", *tune())]
    assert [row.system for row in evaluate_harmonize(None, songs)] == ["real", *baselines(True)]
    assert [row.system for row in evaluate_harmonize(None, songs, prompt_frames=0)] == ["real", *baselines(False)]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack with two songs to measure, one without chords, and three for training."""
    valid = [piece("a", *tune()), piece("b", *tune(2)), piece("c", tune()[0], NOTHING)]
    train = [piece(f"t{i}", *tune(i), split="train") for i in range(3)]
    write_pack(tmp_path / "pack", [*valid, *train])
    return tmp_path / "pack"


def test_tables_come_with_and_without_prompt_and_say_what_is_missing(pack: Path) -> None:
    with_prompt, without = harmonize_tables(Pack(pack), None)
    assert [t.about["prompt_frames"] for t in (with_prompt, without)] == [16, 0]
    assert with_prompt.rows[-1].system == "hidden Markov model"
    assert with_prompt.warnings == ("tunes: 1 of 3 songs have no melody or no chords to measure",)
    assert len(list(harmonize_tables(Pack(pack), None, prompt_frames=0))) == 1
    (table, _) = harmonize_tables(Pack(pack), None, songs=1)
    assert (table.rows[0].songs, table.warnings) == (1, ())
    (table, _) = harmonize_tables(Pack(pack), None, split="train")
    assert table.warnings == ("tunes: no training songs, so no counted baselines",)


def test_unknown_sources_and_splits_are_told(pack: Path) -> None:
    with pytest.raises(M4mError, match="'other' in the pack; its sources of that split: tunes"):
        list(harmonize_tables(Pack(pack), None, sources=["other"]))
    with pytest.raises(M4mError, match="no test songs"):
        list(harmonize_tables(Pack(pack), None, split="test"))


# The command


def test_baselines_as_text_and_json(m4m: Run, pack: Path) -> None:
    text = m4m("evaluate", "harmonize", "--pack", pack, "--baselines")
    assert text.returncode == 0
    warning = "m4m evaluate: warning: tunes: 1 of 3 songs have no melody or no chords to measure\n"
    assert text.stderr.decode() == warning
    assert "template on the melody" in text.stdout.decode()
    found = m4m("evaluate", "harmonize", "--pack", pack, "--baselines", "--json", "-q")
    document = json.loads(found.stdout)
    assert (document["kind"], document["task"], found.stderr) == ("evaluation", "harmonize", b"")
    real = document["tables"][0]["rows"][0]
    assert real["figures"]["identical"] == {"mean": 1.0, "error": 0.0, "songs": 2}


def test_the_command_hands_the_model_what_was_asked(
    pack: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}

    def harmonizer(model: str | None, **sampling: Any) -> Any:
        given.update(sampling, model=model)
        return lambda melody, bars, prompt, prompt_frames, samples, seed: [prompt] * samples

    stand_in = ModuleType("m4mcli.tasks.harmonize")
    stand_in.__dict__["harmonizer"] = harmonizer
    monkeypatch.setitem(sys.modules, "m4mcli.tasks.harmonize", stand_in)
    arguments = ["evaluate", "harmonize", "--pack", str(pack), "--model", "mine", "--samples", "3", "-q"]
    assert cli.run([*arguments, "--temperature", "0.5"]) == 0
    assert given == {"model": "mine", "temperature": 0.5, "device": "cpu", "threads": 1}
    row = next(text for text in capsys.readouterr().out.splitlines() if text.startswith("mine"))
    assert row.split()[1:3] == ["2", "6/6"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["harmonize"], 2, "needs pieces to be measured on; add --pack DIR"),
        (["paint", "--pack", "pack"], 2, "paint is no task; tasks: harmonize"),
        (["harmonize", "--pack", "nowhere"], 1, "nowhere: not a pack"),
        (["harmonize", "--pack", "pack", "--baselines", "--model", "x"], 2, "exclude each other"),
        (["harmonize", "--pack", "pack", "--baselines", "--source", "x"], 1, "no valid songs of 'x'"),
    ],
)
def test_failures_are_one_line(m4m: Run, pack: Path, arguments: list[str], status: int, message: str) -> None:
    done = m4m("evaluate", *arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    assert message in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
