"""Transforms of packed pieces: parts, keys, tempi, velocities, as recipes tell them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from corpora import drums_alone, walk
from hypothesis import given
from hypothesis import strategies as st
from toy import toy_pack

from m4mcli.dataset.pack import Pack, PackedPiece, pack_piece
from m4mcli.dataset.transforms import Transforms, at_tempo, cropped, louder, transposed
from m4mcli.errors import M4mError
from m4mcli.score.metre import bars
from m4mcli.score.score import Score, TimeSignature
from m4mcli.training.recipe import as_toml, build_recipe
from m4mcli.training.sampler import Sampler


def piece_of(score: Score) -> PackedPiece:
    return pack_piece(score, bars(score), [""] * len(score.tracks), name="x", source="s", split="train")


def band() -> PackedPiece:
    """A melody with drums, in 3/4 after a bar of 4/4."""
    tune, kit = walk(1, 80), drums_alone(2)
    signatures = (TimeSignature(0, 4, 4), TimeSignature(1920, 3, 4))
    return piece_of(replace(tune, tracks=(*tune.tracks, *kit.tracks), time_signatures=signatures))


def rows(piece: PackedPiece, *fields: str) -> list[tuple[int, ...]]:
    return [tuple(int(note[f]) for f in fields) for note in piece.notes]


def test_nothing_changes_and_nothing_is_drawn_without_transforms() -> None:
    rng = np.random.default_rng(1)
    piece = band()
    assert Transforms().applied(piece, rng) is piece
    assert rng.random() == np.random.default_rng(1).random()


@given(st.integers(1, 30), st.integers(0, 1000))
def test_a_part_is_that_part_of_the_piece(count: int, seed: int) -> None:
    piece = band()
    part = cropped(piece, count, np.random.default_rng(seed))
    if count >= len(piece.bars):
        assert part is piece
        return
    assert len(part.bars) == count

    def part_from(first: int) -> list[tuple[int, ...]]:
        start, stop = int(piece.bars["frame"][first]), int(piece.bars["frame"][first]) + part.length
        inside = [row for row in rows(piece, "frame", "pitch", "duration") if start <= row[0] < stop]
        return [(frame - start, pitch, min(duration, stop - frame)) for frame, pitch, duration in inside]

    assert rows(part, "frame", "pitch", "duration") in [part_from(i) for i in range(len(piece.bars) - count + 1)]
    assert part.bars["frame"].tolist() == np.cumsum([0, *part.bars["length"][:-1]]).tolist()


@given(st.integers(-140, 140))
def test_transposition_keeps_intervals_and_drums(semitones: int) -> None:
    piece = band()
    moved = transposed(piece, semitones)
    drums = piece.notes["instrument"] == 128
    assert (moved.notes["pitch"][drums] == piece.notes["pitch"][drums]).all()
    steps = set((moved.notes["pitch"][~drums] - piece.notes["pitch"][~drums]).tolist())
    assert len(steps) == 1
    (step,) = steps
    assert abs(step) <= abs(semitones)
    assert 0 <= moved.notes["pitch"].min() <= moved.notes["pitch"].max() <= 127
    if -40 <= semitones <= 30:
        assert step == semitones


def test_tempi() -> None:
    piece = band()
    slow = at_tempo(piece, 0.5)
    assert rows(slow, "pitch", "instrument") == rows(piece, "pitch", "instrument")
    assert slow.notes["frame"].tolist() == (2 * piece.notes["frame"]).tolist()
    assert slow.notes["duration"].tolist() == (2 * piece.notes["duration"]).tolist()
    assert slow.bars["length"].tolist() == (2 * piece.bars["length"]).tolist()
    assert slow.bars["beat"].tolist() == (2 * piece.bars["beat"]).tolist()
    back = at_tempo(slow, 2)
    assert (rows(back, "frame", "pitch", "duration"), back.length) == (
        rows(piece, "frame", "pitch", "duration"),
        piece.length,
    )
    fast = at_tempo(piece, 2)
    assert fast.length in (piece.length // 2, piece.length // 2 + 1)
    assert fast.notes["duration"].min() == 1
    assert (np.diff(fast.notes["frame"]) >= 0).all()
    assert at_tempo(piece, 1) is piece


def test_velocities() -> None:
    piece = band()
    notes = piece.notes.copy()
    notes["velocity"][0] = 0
    piece = replace(piece, notes=notes)
    assert louder(piece, 100).notes["velocity"].tolist() == [0] + [127] * (len(notes) - 1)
    assert set(louder(piece, -200).notes["velocity"].tolist()) == {0, 1}
    bare = replace(piece, notes=notes[["frame", "instrument", "pitch", "duration", "track"]])
    assert louder(bare, 5) is bare


def test_all_at_once_by_chance_and_again() -> None:
    changes = Transforms((4, 8), (-5, 6), (0.5, 1.0, 2.0), (-10, 10))
    seen = set()
    for seed in range(40):
        one, again = (changes.applied(band(), np.random.default_rng(seed)) for _ in range(2))
        assert one.notes.tolist() == again.notes.tolist()
        assert 4 <= len(one.bars) <= 8
        seen.add((one.length, int(one.notes["pitch"].max()), int(one.notes["velocity"].max())))
    assert len(seen) > 20


def with_transforms(**values: object) -> dict[str, object]:
    mix = {"make": "whole", "sources": {"tunes": 1.0}, "transforms": values}
    return {"name": "x", "task": "continue", "data": {"mix": [mix], "frames": 64}}


def test_recipes_tell_transforms() -> None:
    recipe = build_recipe(with_transforms(crop_bars=[4, 6], tempo=[1, 2.0]))
    assert recipe.data.mix[0].transforms == Transforms((4, 6), (), (1.0, 2.0), ())
    assert "transforms = { crop_bars = [4, 6], transpose = [], tempo = [1.0, 2.0], velocity = [] }" in as_toml(recipe)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"crop_bars": [0, 4]}, "data.mix.transforms.crop_bars must be 1 or more"),
        ({"crop_bars": [8, 4]}, "crop_bars must be two numbers"),
        ({"transpose": [5]}, "transpose must be two numbers, the least and the most"),
        ({"tempo": [0.0]}, "tempo must be factors above 0"),
        ({"pitch": [1, 2]}, "transforms.pitch is unknown"),
    ],
)
def test_transforms_that_are_none(values: dict[str, object], told: str) -> None:
    with pytest.raises(M4mError, match=told):
        build_recipe(with_transforms(**values))


def test_training_examples_are_made_of_changed_pieces(tmp_path: Path) -> None:
    pack = Pack(toy_pack(tmp_path / "pack"))
    plain, cropping = (Sampler(pack, build_recipe(with_transforms(**v))) for v in ({}, {"crop_bars": [3, 3]}))
    lengths = [sampler.draw(np.random.default_rng(i)).length for sampler in (plain, cropping) for i in range(20)]
    assert set(lengths[:20]) == {64}
    assert set(lengths[20:]) == {48}
    one, again = (cropping.draw(np.random.default_rng(3)) for _ in range(2))
    assert one.target.tolist() == again.target.tolist()
    untouched = [name for name, _ in cropping.validation(2)]
    assert untouched == ["whole/tunes"]
    assert all(w.length == 64 for _, windows in cropping.validation(2) for w in windows)
