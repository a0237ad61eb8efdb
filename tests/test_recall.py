"""What steers a network while it writes: a cache of what the piece plays elsewhere, and the rate of its instruments."""

from dataclasses import replace

import numpy as np
import pytest
from toy import FakeNetwork
from toy import metre as bars_of_16

from m4mcli.frames.fields import SIZES
from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.draw import Draw, draw_samples
from m4mcli.generation.request import Request
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.tasks.around import Around
from m4mcli.tasks.infill import repetitions
from m4mcli.tasks.recall import Recalling, cache_of
from m4mcli.tasks.steady import Steady

HOLE = 32, 64
TUNE = (60, 62, 64, 65, 67, 69, 71, 72, 76, 74, 71, 69, 67, 65, 62, 59)


def repeating(bars: int) -> np.ndarray:
    """A tune of two bars, again and again."""
    return np.array([(2 * i, 0, TUNE[i % 16], 2) for i in range(8 * bars)], FRAME_NOTE)


def asked(piece: np.ndarray) -> tuple[Request, np.ndarray]:
    """All but the hole is given; True where it is."""
    length = int(piece["frame"].max()) + 2
    known = np.ones(length, bool)
    known[slice(*HOLE)] = False
    request = Request(None, bars_of_16(length), length, np.ones(length, bool), known, piece[known[piece["frame"]]])
    return request, known


@pytest.mark.parametrize("outer", [False, True])
def test_what_the_piece_repeats_comes_back(outer: bool) -> None:
    piece = repeating(8)
    request, known = asked(piece)
    cache = cache_of(request.fixed_notes, bars_of_16(len(known)), known, HOLE[0])
    alike = dict(zip(cache.lags, cache.alike, strict=True))
    assert (alike[32], alike[-32], alike[-64]) == (1, 1, 1)
    assert alike[16] < 0.3
    truth = {(int(n["frame"]), int(n["pitch"])) for n in piece[~known[piece["frame"]]]}
    found = []
    for share in (0.0, 1.0):
        recalling = Recalling(FakeNetwork(128), cache, share)
        network = Steady(recalling, np.zeros(SIZES[0])) if outer else recalling
        (sample,) = draw_samples(network, request, Rules((0,)), Draw(Sampling(0.5)), 1)
        new = sample.notes[~known[sample.notes["frame"]]]
        found.append(len(truth & {(int(n["frame"]), int(n["pitch"])) for n in new}) / len(truth))
    assert found[0] < 0.3
    assert found[1] > 0.8


def test_what_stands_at_a_distance_is_moved_whole_or_not_at_all() -> None:
    piece = repeating(8)
    request, known = asked(piece)
    cache = cache_of(request.fixed_notes, bars_of_16(len(known)), known, HOLE[0])
    found = {lag: cache.repetition(i, *HOLE) for i, lag in enumerate(cache.lags)}
    (back, ahead) = (found[lag] for lag in (32, -32))
    truth = piece[~known[piece["frame"]]]
    assert back is not None
    assert ahead is not None
    assert back.tolist() == ahead.tolist() == truth.tolist()
    assert found[16] is None, "it would take notes from the hole itself"
    assert found[-80] is None, "it would lie beyond the end"
    silent = cache_of(piece[:0], bars_of_16(len(known)), known, HOLE[0])
    assert silent.repetition(silent.lags.index(32), *HOLE) is None


def test_repetitions_come_as_often_as_the_piece_repeats_itself() -> None:
    piece = repeating(8)
    request, known = asked(piece)
    cache = cache_of(request.fixed_notes, bars_of_16(len(known)), known, HOLE[0])
    nothing = piece[:0]
    around = Around(nothing, request.fixed_notes, nothing, (0,), bars_of_16(len(known)), ~known, HOLE)
    sure = [len(repetitions(cache, around, 0, np.random.default_rng(seed))) for seed in range(20)]
    assert set(sure) == {3}
    doubtful = replace(cache, alike=cache.alike / 4)
    some = [len(repetitions(doubtful, around, 0, np.random.default_rng(seed))) for seed in range(20)]
    assert 10 < sum(some) < 50
