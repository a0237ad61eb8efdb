"""What training examples are made of: who is given, who is to be written, where; nothing lost, nothing told twice."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from toy import band_piece, piece

from m4mcli.dataset.pack import PackedPiece
from m4mcli.frames.canonical import shifted
from m4mcli.frames.frames import DRUMS, in_order
from m4mcli.training.batches import collate
from m4mcli.training.examples import MAKERS, Augmentation, Pair, example, masked_bars

LONG, DRAWS = 320, 60
LEAD_SHEETS = ("lead_sheet", "melody_over_chords", "chart")


def music(make: str, seed: int) -> PackedPiece:
    """A piece of which a maker makes examples."""
    if make in LEAD_SHEETS:
        return piece("tune", "train", LONG, seed)
    return band_piece(LONG, seed)


def pairs(make: str, of: PackedPiece, count: int = DRAWS) -> list[Pair]:
    """So many examples of one piece, each drawn on its own."""
    made = [MAKERS[make](of, np.random.default_rng(i)) for i in range(count)]
    assert all(pair is not None for pair in made)
    return [pair for pair in made if pair is not None]


def rows(notes: NDArray[np.void]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(map(int, row)) for row in notes.tolist())


def given(pair: Pair) -> NDArray[np.void]:
    assert pair.reference is not None
    return pair.reference


def as_moved(of: PackedPiece, *parts: NDArray[np.void]) -> NDArray[np.void]:
    """All notes of the piece, moved as those of the parts are: by what the first pitched note tells."""
    notes, part = of.of_tracks(range(len(of.tracks))), np.concatenate(parts)
    first = part[part["instrument"] != DRUMS][0]
    like = notes
    for name in ("frame", "instrument", "duration"):
        like = like[like[name] == first[name]]
    for pitch in like["pitch"]:
        moved = shifted(notes, int(first["pitch"]) - int(pitch))
        if not rows(part) - rows(moved):
            return moved
    raise AssertionError("the parts hold notes that the piece does not have")


@pytest.mark.parametrize("make", MAKERS)
def test_examples_hold_what_is_in_their_window(make: str) -> None:
    rng = np.random.default_rng(0)
    changes = Augmentation(0.5, 0.5, 0.5, 0.5, 0.5, 0.2)
    for seed in range(6):
        for pair in pairs(make, music(make, seed), 2):
            for _ in range(5):
                e = example(pair, 64, changes, rng)
                assert e.length == len(e.known) <= 64
                assert (e.target["frame"] >= 0).all()
                assert (e.target["frame"] < e.length).all()
                assert (e.metre is None) or len(e.metre) == e.length
                assert (e.reference is None) == (make == "whole")
                assert (e.asked is None) == (make != "masked")
                assert (e.asked is None) or len(e.asked) == e.length


@pytest.mark.parametrize("make", [name for name in MAKERS if name not in LEAD_SHEETS])
def test_another_key_is_another_pitch_and_nothing_else(make: str) -> None:
    for pair in pairs(make, band_piece(LONG, 3), 8):
        plain = example(pair, LONG, Augmentation(), np.random.default_rng(0))
        moved = example(pair, LONG, Augmentation(other_key=1.0), np.random.default_rng(0))
        for ours, theirs in ((plain.target, moved.target), (plain.history, moved.history)):
            assert rows(ours[ours["instrument"] == DRUMS]) == rows(theirs[theirs["instrument"] == DRUMS])
            kept = ["frame", "instrument", "duration"]
            assert rows(np.sort(ours[kept])) == rows(np.sort(theirs[kept]))
            pitched = ours["instrument"] != DRUMS
            assert not pitched.any() or rows(ours) != rows(theirs)


def test_drums_are_written_to_all_others_or_to_some() -> None:
    of = band_piece(LONG, 1)
    pitched = {i for i, track in enumerate(of.tracks) if not track.is_drum}
    kit = of.of_tracks(i for i in range(len(of.tracks)) if i not in pitched)
    parts = []
    for pair in pairs("drums", of):
        assert rows(pair.target) == rows(kit)
        assert not (given(pair)["instrument"] == DRUMS).any()
        assert not rows(given(pair)) - rows(as_moved(of, given(pair)))
        parts.append(len(np.unique(given(pair)["instrument"])))
    share = np.mean([n == len(pitched) for n in parts])
    assert 0.5 < share < 0.85
    assert min(parts) >= 1


def test_others_are_written_to_drums_alone_or_to_some_of_them_too() -> None:
    of = band_piece(LONG, 2)
    kit = of.of_tracks(i for i, track in enumerate(of.tracks) if track.is_drum)
    alone = 0
    for pair in pairs("others", of):
        reference = given(pair)
        assert rows(reference[reference["instrument"] == DRUMS]) == rows(kit)
        assert set(np.unique(pair.target["instrument"])).isdisjoint(np.unique(reference["instrument"]))
        assert len(pair.target)
        assert rows(reference) + rows(pair.target) == rows(as_moved(of, reference, pair.target))
        alone += bool((reference["instrument"] == DRUMS).all())
    assert 0.3 < alone / DRAWS < 0.7


def test_what_is_masked_is_not_given_and_all_else_is() -> None:
    of = band_piece(LONG, 4)
    alone = 0
    for pair in pairs("masked", of):
        assert pair.asked is not None
        hidden = pair.asked[np.clip(pair.target["frame"], 0, LONG - 1)]
        assert hidden.any()
        written = pair.target[hidden]
        assert rows(given(pair)) + rows(written) == rows(as_moved(of, given(pair), written))
        assert not rows(pair.target[~hidden]) - rows(given(pair))
        beside = set(np.unique(given(pair)["instrument"])) - set(np.unique(pair.target["instrument"]))
        alone += not beside
        assert rows(given(pair)) == rows(in_order(given(pair)))
    assert 0.3 < alone / DRAWS < 0.7


def test_only_masked_frames_are_decided() -> None:
    for pair in pairs("masked", band_piece(LONG, 5), 10):
        e = example(pair, 128, Augmentation(from_start=0.0), np.random.default_rng(1))
        assert e.asked is not None
        batch = collate([e, replace(e, asked=None)])
        first = batch.row_frame[batch.row_frame < e.length]
        assert set(first.tolist()) == set(np.flatnonzero(e.asked).tolist())
        assert set((batch.row_frame[batch.row_frame >= e.length] - e.length).tolist()) == set(range(e.length))
        assert len(e.history) >= len(e.target)


def test_masks_are_spans_of_whole_bars() -> None:
    lines = np.arange(0, 800, 16)
    lengths: Counter[int] = Counter()
    for seed in range(40):
        hidden = masked_bars(lines, 800, np.random.default_rng(seed))
        assert hidden.shape == (800,)
        bars = hidden.reshape(-1, 16)
        assert (bars.all(axis=1) == bars.any(axis=1)).all()
        edges = np.flatnonzero(np.diff(np.concatenate(([0], bars[:, 0].astype(int), [0]))))
        spans, gaps = edges[1::2] - edges[::2], edges[2::2] - edges[1:-1:2]
        lengths.update(spans.tolist())
        assert (gaps >= 2).all()
        assert (gaps <= 10).all()
    assert set(lengths) == set(range(1, 9))


@pytest.mark.parametrize(
    ("make", "of"),
    [
        ("masked", band_piece(112)),
        ("masked", replace(band_piece(LONG), notes=band_piece(LONG).notes[:0])),
        ("drums", piece("no drums", "train", LONG, 0)),
        ("drums", replace(band_piece(LONG), notes=band_piece(LONG).notes[band_piece(LONG).notes["track"] == 3])),
        ("others", piece("no drums", "train", LONG, 0)),
        ("others", replace(band_piece(LONG), notes=band_piece(LONG).notes[band_piece(LONG).notes["track"] == 3])),
    ],
    ids=["too short", "empty", "no drums", "drums alone", "nothing to play to", "nobody to play"],
)
def test_a_piece_without_what_is_needed_makes_no_example(make: str, of: PackedPiece) -> None:
    assert all(MAKERS[make](of, np.random.default_rng(seed)) is None for seed in range(10))


@pytest.mark.parametrize("make", ["masked", "drums", "others"])
def test_the_key_of_the_piece_does_not_matter(make: str) -> None:
    of = band_piece(LONG, 6)
    higher = of.notes.copy()
    higher["pitch"] += np.where(higher["instrument"] == DRUMS, 0, 3).astype(higher["pitch"].dtype)
    for seed in range(10):
        ours, theirs = (MAKERS[make](p, np.random.default_rng(seed)) for p in (of, replace(of, notes=higher)))
        assert ours is not None
        assert theirs is not None
        assert given(ours).tobytes() == given(theirs).tobytes()
        assert ours.target.tobytes() == theirs.target.tobytes()


def test_a_chart_is_asked_for_without_the_part_that_says_it() -> None:
    of = piece("tune", "train", LONG, 1)
    melody, chords = rows(of.part("melody")), rows(of.part("chord"))
    for pair in pairs("chart", of, 6):
        assert pair.chords
        moved = next(m for m in (shifted(given(pair), s) for s in range(-24, 25)) if not melody - rows(m))
        assert rows(moved) == melody
        assert not rows(moved) & chords
        assert set(pair.target["frame"].tolist()) == set(of.part("chord")["frame"].tolist())
