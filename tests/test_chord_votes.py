"""What chord recognition expects under a melody, frame by frame, and how a sample agrees with it."""

import numpy as np
import pytest
from toy import metre as bars_of_16

from m4mcli.analysis.chord_model import QUALITIES, SILENCE
from m4mcli.frames.canonical import block_chords
from m4mcli.frames.frames import FRAME_NOTE, metre_frames
from m4mcli.generation.consensus import by_consensus
from m4mcli.generation.request import Sample
from m4mcli.score.metre import bars
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.tasks.chord_votes import chord_probabilities, expected_agreement, grid_of_frames

C, F, G = ((root, frozenset({root, (root + 4) % 12, (root + 7) % 12})) for root in (0, 5, 7))
ARPEGGIOS = (60, 64, 67, 72, 65, 69, 72, 69, 67, 71, 74, 71, 72, 67, 64, 60)
TUNE = np.array([(4 * i, 0, p, 4) for i, p in enumerate(ARPEGGIOS * 2)], FRAME_NOTE)


def chords(*roots: tuple[int, frozenset[int]]) -> np.ndarray:
    return block_chords([(16 * i, 16 * i + 16, tones, root) for i, (root, tones) in enumerate(roots)])


def test_broken_chords_expect_themselves() -> None:
    likely = chord_probabilities(TUNE, bars_of_16(128), 128)
    assert likely.sum(axis=1) == pytest.approx(1, abs=1e-4)
    major = likely[:, : 12 * (QUALITIES.index("maj") + 1)]
    assert [int(major[16 * bar + 8].argmax()) for bar in range(4)] == [0, 5, 7, 0]
    right = expected_agreement(chords(C, F, G, C, C, F, G, C), likely)
    wrong = expected_agreement(chords(G, C, F, G, G, C, F, G), likely)
    assert 1 >= right > wrong >= 0
    assert expected_agreement(chords()[:0], likely) < right


def test_transposing_the_melody_transposes_what_is_expected() -> None:
    up = TUNE.copy()
    up["pitch"] += 3
    low, high = (chord_probabilities(notes, bars_of_16(128), 128) for notes in (TUNE, up))
    turned = np.roll(low[:, :SILENCE].reshape(128, -1, 12), 3, axis=2).reshape(128, SILENCE)
    assert high[:, :SILENCE] == pytest.approx(turned, abs=1e-3)


@pytest.mark.parametrize(
    ("numerator", "denominator", "beats"),
    [(4, 4, 4), (3, 4, 3), (6, 8, 2), (12, 8, 4), (2, 2, 2), (7, 8, 7), (9, 16, 3)],
)
def test_beats_of_metres_in_frames(numerator: int, denominator: int, beats: int) -> None:
    length = 4 * 4 * numerator // denominator
    score = Score(
        4,
        (Track(notes=notes_array([(0, 4 * length, 60, 80)])),),
        time_signatures=(TimeSignature(0, numerator, denominator),),
    )
    grid = grid_of_frames(metre_frames(bars(score), 4, 4 * length), 4 * length)
    assert np.flatnonzero(grid.downbeat).tolist() == [i * beats for i in range(4)]
    assert grid.beat_ticks[grid.downbeat].tolist() == [i * length for i in range(4)]
    assert len(grid.signatures) == 1


def test_nothing_to_read() -> None:
    assert chord_probabilities(TUNE[:0], bars_of_16(16), 16).shape == (16, SILENCE + 1)


def test_what_is_expected_counts_in_the_choice() -> None:
    samples = [Sample(chords(root), 0, 1) for root in (C, C, G)]
    assert by_consensus(samples, 16)[0] == 0
    assert by_consensus(samples, 16, expected=np.array([0.1, 0.1, 0.9]))[0] == 2
