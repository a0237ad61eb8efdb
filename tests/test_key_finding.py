"""Keys: found in notes alone, the same in every transposition, followed through modulations."""

from dataclasses import replace

import numpy as np
import pytest
from labelled_songs import labelled_song

from m4mcli.analysis.beat_grid import grid_of
from m4mcli.analysis.chord_recognition import recognize_chords
from m4mcli.analysis.key_features import PICTURES, SCALARS, STREAMS, bar_streams, key_pictures
from m4mcli.analysis.key_finding import Tonality, find_keys, top_line, whole_pictures
from m4mcli.evaluation.analyze_baselines import krumhansl_kessler, temperley
from m4mcli.manual.examples import greensleeves, ode_to_joy
from m4mcli.score.score import KeySignature, Score, Track, notes_array


def tonality(score: Score) -> Tonality:
    grid = grid_of(score)
    return find_keys(score, grid, recognize_chords(score, grid))


def moved(score: Score, semitones: int) -> Score:
    tracks = []
    for track in score.tracks:
        notes = track.notes.copy()
        notes["pitch"] += semitones
        tracks.append(replace(track, notes=notes))
    return replace(score, tracks=tuple(tracks))


def test_tunes() -> None:
    assert tonality(ode_to_joy()).key == (2, False)
    assert tonality(greensleeves()).key == (9, True)


@pytest.mark.parametrize("tonic", range(12))
def test_every_major_key(tonic: int) -> None:
    score, _ = labelled_song(tonic)
    found = tonality(score)
    assert found.key == (tonic, False)
    assert found.probability > 0.5
    assert [(span.key, span.start, span.end) for span in found.spans] == [((tonic, False), 0, score.end)]


@pytest.mark.parametrize("semitones", [-6, -1, 1, 5])
def test_transposing_moves_the_keys(semitones: int) -> None:
    plain, found = tonality(greensleeves()), tonality(moved(greensleeves(), semitones))
    assert plain.key is not None
    assert found.key == ((plain.key[0] + semitones) % 12, plain.key[1])
    assert [(s.start, s.minor) for s in found.spans] == [(s.start, s.minor) for s in plain.spans]


def test_the_key_signature_is_not_read() -> None:
    wrong = replace(ode_to_joy(), key_signatures=(KeySignature(0, -5, True),))
    assert tonality(wrong) == tonality(ode_to_joy())
    assert tonality(replace(wrong, key_signatures=())) == tonality(wrong)


def test_a_modulation_is_found_where_it_is() -> None:
    first, _ = labelled_song(0, rounds=3)
    second, _ = labelled_song(6, rounds=3)
    tracks = []
    for one, other in zip(first.tracks, second.tracks, strict=True):
        later = other.notes.copy()
        later["onset"] += first.end
        tracks.append(replace(one, notes=np.concatenate((one.notes, later))))
    found = tonality(replace(first, tracks=tuple(tracks)))
    assert [span.key for span in found.spans] == [(0, False), (6, False)]
    bar = 4 * first.tpq
    assert abs(found.spans[1].start - first.end) <= bar
    assert found.spans[0].end == found.spans[1].start
    assert found.spans[-1].end == 2 * first.end


def test_nothing_to_find() -> None:
    drums = Score(96, (Track("", 0, True, notes_array([(0, 96, 36, 80)])),))
    for score in (Score(96), drums):
        assert tonality(score) == Tonality(None, 0.0, ())
        assert krumhansl_kessler(score) is None
        assert temperley(score) is None


def test_the_top_line_is_the_highest_note_of_each_onset() -> None:
    chords = Track(notes=notes_array([(0, 96, 60, 80), (0, 96, 64, 80), (96, 96, 62, 80)]))
    melody = Track(notes=notes_array([(0, 48, 72, 80), (48, 48, 71, 80)]))
    drums = Track(is_drum=True, notes=notes_array([(12, 12, 90, 80)]))
    (line,) = top_line(Score(96, (chords, melody, drums))).tracks
    assert line.notes["onset"].tolist() == [0, 48, 96]
    assert line.notes["pitch"].tolist() == [72, 71, 62]


def test_one_note_is_enough_for_a_guess() -> None:
    one = Score(96, (Track(notes=notes_array([(0, 96, 61, 80)])),))
    found = tonality(one)
    assert found.key is not None
    assert len(found.spans) == 1


def test_baselines_on_plain_tunes() -> None:
    for tonic in (0, 5, 10):
        score, _ = labelled_song(tonic)
        assert krumhansl_kessler(score) == (tonic, False)
        assert temperley(score) == (tonic, False)


def test_pictures_of_bars() -> None:
    score, _ = labelled_song(0)
    harmony = recognize_chords(score, grid_of(score))
    streams, length = bar_streams(score, harmony.units, harmony.probabilities)
    seen, plain = key_pictures(streams, length)
    bars = score.end // (4 * score.tpq)
    assert streams.shape == (bars, STREAMS, 12)
    assert length.tolist() == [8] * bars
    assert (seen.shape, plain.shape) == ((bars, PICTURES, 12), (bars, SCALARS))
    assert np.allclose(seen[:, :STREAMS], streams)
    # Over the piece, then its first and its last bar.
    assert np.allclose(seen[3, -3 * STREAMS : -2 * STREAMS], streams.mean(axis=0), atol=1e-5)
    assert np.allclose(seen[3, -STREAMS:], streams[-1])
    assert plain[:, :2].tolist() == [[1, 0], *[[0, 0]] * (bars - 2), [0, 1]]
    whole, nothing = whole_pictures(streams, length, np.full((bars, 24), 1 / 24))
    assert (whole.shape, nothing.shape) == ((1, 3 * STREAMS + 6, 12), (1, 0))
