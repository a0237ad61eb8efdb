"""The beats of a file's own bars: upbeats, metres that change, bars that only write a pause out."""

import pytest

from m4mcli.analysis.beat_grid import grid_of
from m4mcli.score.score import Score, TimeSignature, Track, notes_array

QUARTER = 96


def beats(quarters: float, *signatures: tuple[float, int, int]) -> tuple[list[float], list[float]]:
    """Beats and downbeats, in quarters, of a piece as long as `quarters` with signatures at these quarters."""
    notes = notes_array([(0, round(quarters * QUARTER), 60, 80)])
    told = tuple(TimeSignature(round(at * QUARTER), above, below) for at, above, below in signatures)
    grid = grid_of(Score(QUARTER, (Track(notes=notes),), time_signatures=told))
    places = (grid.beat_ticks / QUARTER).tolist()
    return places, [place for place, first in zip(places, grid.downbeat, strict=True) if first]


@pytest.mark.parametrize(
    ("quarters", "signatures", "wanted", "bars"),
    [
        (4, [], [0, 1, 2, 3], [0]),
        (3, [(0, 6, 8)], [0, 1.5], [0]),
        (5, [(0, 1, 4), (1, 4, 4)], [0, 1, 2, 3, 4], [0, 1]),
        (5.5, [(0, 3, 8), (1.5, 4, 4)], [0.5, 1.5, 2.5, 3.5, 4.5], [0.5, 1.5]),
        (4.125, [(0, 1, 32), (0.125, 4, 4)], [0, 0.125, 1.125, 2.125, 3.125], [0, 0.125]),
        (5.125, [(0, 25, 32), (3.125, 4, 4)], [0.125, 1.125, 2.125, 3.125, 4.125], [0.125, 3.125]),
        (3.5, [(0, 1, 8), (0.5, 6, 8)], [0, 0.5, 2], [0, 0.5]),
        (9.25, [(0, 3, 4), (3, 13, 16), (6.25, 3, 4)], [0, 1, 2, 3, 4, 5, 6.25, 7.25, 8.25], [0, 3, 6.25]),
        (4.75, [(0, 3, 4), (3, 7, 16)], [0, 1, 2, 3, 4], [0, 3]),
        (1.75, [(0, 7, 16)], [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5], [0]),
        (6.5, [(0, 3, 4), (3, 7, 8)], [0, 1, 2, 3, 3.5, 4, 4.5, 5, 5.5, 6], [0, 3]),
        (0.0625, [(0, 1, 32), (0.125, 4, 4)], [0], [0]),
    ],
)
def test_beats(
    quarters: float, signatures: list[tuple[float, int, int]], wanted: list[float], bars: list[float]
) -> None:
    assert beats(quarters, *signatures) == (wanted, bars)


def test_a_piece_without_notes_has_no_beats() -> None:
    assert len(grid_of(Score(QUARTER)).beat_ticks) == 0
