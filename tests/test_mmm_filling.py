"""Bars filled in by a model over tokens of the scheme `mmm`: where its notes lie, its densities, what it is told."""

from dataclasses import replace

import numpy as np
import pytest
from test_token_sampling import Chance

from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.generation.draw import Draw
from m4mcli.generation.sampling import Sampling
from m4mcli.tasks.around import Around
from m4mcli.tasks.token_filling import TokenFiller
from m4mcli.tasks.told_bars import told_bars
from m4mcli.tokens import mmm_vocabulary as v
from m4mcli.tokens.coder import open_coder
from m4mcli.tokens.mmm import MMM

NAMES = MMM.vocabulary.names


def around(hole: tuple[int, int], frames: int = 96) -> Around:
    """Piano to be written in the hole, bass and drums beside it."""
    at = np.arange(frames)
    metre = np.stack([at % 16, np.full(frames, 16), np.full(frames, 4)], axis=1).astype(np.int32)
    rows = [(4 * i, 0, 60 + i % 12, 4) for i in range(frames // 4)]
    beside = [(8 * i, 33, 40, 8) for i in range(frames // 8)] + [(4 * i, DRUMS, 36, 1) for i in range(frames // 4)]
    hidden = (at >= hole[0]) & (at < hole[1])
    piano = np.array(rows, FRAME_NOTE)
    piano = piano[~hidden[piano["frame"]]]
    return Around(np.array(sorted(beside), FRAME_NOTE), piano, piano[:0], (0,), metre, hidden, hole)


HOW = Draw(Sampling(), best_of=2, count=2)


@pytest.mark.parametrize("hole", [(32, 48), (0, 96), (80, 96)])
def test_new_notes_are_in_the_hole_and_of_its_tracks(hole: tuple[int, int]) -> None:
    coder = open_coder("mmm")
    fill = TokenFiller(Chance(coder, 300), coder)
    first, second = fill(around(hole), HOW)
    for made in (first, second):
        assert len(made)
        assert ((made["frame"] >= hole[0]) & (made["frame"] + made["duration"] <= hole[1])).all()
        assert set(made["instrument"]) == {0}
    assert first.tobytes() != second.tobytes()
    assert fill(around(hole), replace(HOW, count=1))[0].tobytes() == first.tobytes()


def test_a_density_is_kept_to() -> None:
    coder = open_coder("mmm")
    told, barred = [], []
    for density in (None, 0.0, 2.0):
        filler = TokenFiller(Chance(coder, 300), coder, density)
        bars = told_bars(around((32, 48)))
        window = bars.window((32, 48), 300)
        assert window is not None
        asked = filler._asked(bars, window, HOW)
        barred.append(np.flatnonzero(~asked.barred[0][MMM.vocabulary.span("Density")]).tolist())
        told.append([NAMES[i] for i in asked.prompt[:, 0] if v.KINDS[i] == v.DENSITY])
    assert barred == [list(range(10)), [0], [6]]
    assert told[0] == ["Density_0.5", "Density_1", "Density_1"]
    assert told[2] == ["Density_0.5", "Density_1", "Density_2"]
    (silent,) = TokenFiller(Chance(coder, 300), coder, 0.0)(around((32, 48)), Draw(Sampling()))
    assert not len(silent)


def test_as_many_bars_are_told_as_there_is_room_for() -> None:
    told = told_bars(around((64, 128), 192))
    assert [len(line.bars) for line in told.sheet.lines] == [12, 12, 12]
    assert (told.instruments, list(told.own)) == ((33, DRUMS, 0), [2])
    sizes = {}
    for context in (60, 120, 200, 400, 2000):
        window = told.window((64, 128), context)
        assert window is not None
        assert window.hole[0] == 4
        sizes[context] = (window.hole[1] - 4, window.last - window.first, len(window.lines))
        part = told.sheet.part(window.first, window.last, window.lines)
        assert len(part.head(np.zeros((len(part.lines), len(part.metres)), np.bool_))) <= context
    assert sizes[2000] == (4, 12, 3)
    assert sizes[60][2] < 3 or sizes[60][0] == 1
    assert told.window((64, 128), 20) is None
    behind = told_bars(around((64, 192), 192))
    cut = behind.window((64, 192), 2000)
    assert cut is not None
    assert cut.last == cut.hole[1] == 8


def test_what_stood_there_is_left_out_while_there_is_another() -> None:
    coder, one = open_coder("mmm"), replace(HOW, count=1)
    fill = TokenFiller(Chance(coder, 300), coder)
    (made,) = fill(around((32, 48)), one)
    (other,) = fill(replace(around((32, 48)), stood=made), one)
    assert len(other)
    assert not around((32, 48)).stood_so(made)
    assert other.tobytes() != made.tobytes()


def test_in_one_key_what_is_moved_is_filled_in_the_same_way() -> None:
    coder, one, there = open_coder("mmm"), replace(HOW, count=1), around((32, 48))
    fill = TokenFiller(Chance(coder, 300), coder, one_key=True)
    (made,), (higher,) = fill(there, one), fill(there.moved(2), one)
    assert len(made)
    assert (higher["pitch"] - made["pitch"]).tolist() == [2] * len(made)
    assert higher["frame"].tolist() == made["frame"].tolist()
