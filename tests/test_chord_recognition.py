"""Chords: their names, the chain that settles them, what is heard in block and broken chords, how they are learnt."""

import itertools
from dataclasses import replace
from pathlib import Path

import mir_eval
import numpy as np
import pytest
from labelled_songs import write_labelled

from m4mcli.analysis.beat_grid import grid_of
from m4mcli.analysis.chain import marginals, steadiest, viterbi
from m4mcli.analysis.chord_model import QUALITIES, SILENCE, STATES, TONES, ChordModel, scores, shipped_model
from m4mcli.analysis.chord_recognition import RecognizedChord, recognize_chords
from m4mcli.analysis.harte import DEGREES, harte, symbol
from m4mcli.analysis.pitch_features import (
    BEAT,
    DOWNBEAT,
    HALF,
    MIDDLE,
    PART,
    PICTURES,
    SCALARS,
    folded,
    pictures,
    pitch_roll,
    units_of,
)
from m4mcli.analysis.rotating_network import RotatingNetwork
from m4mcli.analysis.targets import UNKNOWN, at, chord_state, key_state
from m4mcli.models.registry import find_model
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.theory.chords import parse_chord

TPQ = 480
BAR = 4 * TPQ
C, F, G, G7, AM = (60, 64, 67), (60, 65, 69), (59, 62, 67), (59, 62, 65, 67), (60, 64, 69)
ROOTS = {C: 48, F: 41, G: 43, G7: 43, AM: 45}


def song(*chords: tuple[int, ...], length: int = BAR, shift: int = 0) -> Score:
    """Chords of one length over their roots, in 4/4."""
    rows = [
        (i * length, length, pitch + shift, 80)
        for i, chord in enumerate(chords)
        for pitch in ((ROOTS[chord], *chord) if chord else ())
    ]
    return Score(TPQ, (Track("", 0, notes=notes_array(rows)),), time_signatures=(TimeSignature(0, 4, 4),))


def names(score: Score) -> list[str]:
    return [harte(chord) for chord in recognize_chords(score, grid_of(score)).chords]


# Names


def chord(root: int, quality: str, bass: int | None = None) -> RecognizedChord:
    return RecognizedChord(0, 1, root, QUALITIES.index(quality), root if bass is None else bass, 1.0)


NAMED = [
    (chord(9, "min7", 4), None, "A:min7/5", "Am7/E"),
    (chord(9, "min7", 0), None, "A:min7/b3", "Am7/C"),
    (chord(6, "dim7"), None, "F#:dim7", "F#dim7"),
    (chord(1, "dim7", 10), (2, True), "C#:dim7/bb7", "C#dim7/Bb"),
    (chord(4, "maj", 8), None, "E:maj/3", "E/G#"),
    (chord(3, "maj"), (10, False), "Eb:maj", "Eb"),
    (chord(3, "maj"), (4, False), "D#:maj", "D#"),
    (chord(11, "hdim7"), None, "B:hdim7", "Bm7b5"),
    (chord(0, "maj", 2), None, "C:maj/2", "C/D"),
    (chord(7, "sus4"), None, "G:sus4", "Gsus4"),
    (RecognizedChord(0, 1, -1, -1, -1, 1.0), None, "N", "N.C."),
]


@pytest.mark.parametrize(("found", "key", "label", "written"), NAMED, ids=[case[2] for case in NAMED])
def test_names(found: RecognizedChord, key: tuple[int, bool] | None, label: str, written: str) -> None:
    assert harte(found, key) == label
    assert symbol(found, key) == written


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_label_is_read_back_by_two_readers(quality: str) -> None:
    for root, bass, key in itertools.product(range(12), range(12), (None, (6, True), (1, False))):
        found = chord(root, quality, bass)
        label = harte(found, key)
        for text in (label, symbol(found, key)):
            read = parse_chord(text)
            assert read is not None
            assert (read.root, read.pitch_classes, read.bass) == (root, found.pitch_classes, bass), text
        heard, intervals, above = mir_eval.chord.encode(label, reduce_extended_chords=True)
        assert (int(heard), int(above)) == (root, (bass - root) % 12)
        assert set(np.flatnonzero(intervals)) >= set(TONES[QUALITIES.index(quality)])


def test_degrees_make_the_tones() -> None:
    assert set(DEGREES) == set(QUALITIES)
    for quality, tones in zip(QUALITIES, TONES, strict=True):
        read = parse_chord(f"C:({','.join(DEGREES[quality].split())})")
        assert read is not None
        assert read.pitch_classes == frozenset(tones)


# Units and pictures


def places(score: Score) -> list[int]:
    return [int(place) for place in units_of(grid_of(score), score.end).place]


def test_units_of_metres() -> None:
    four = song(C)
    assert places(four) == [DOWNBEAT, HALF, BEAT, HALF, MIDDLE, HALF, BEAT, HALF]
    assert places(replace(four, time_signatures=(TimeSignature(0, 2, 2),)))[:4] == [DOWNBEAT, PART, HALF, PART]
    jig = replace(four, time_signatures=(TimeSignature(0, 6, 8),))
    assert places(jig)[:6] == [DOWNBEAT, PART, PART, BEAT, PART, PART]
    seven = replace(four, time_signatures=(TimeSignature(0, 7, 8),))
    assert places(seven)[:8] == [DOWNBEAT, *[BEAT] * 6, DOWNBEAT]
    assert len(units_of(grid_of(Score(TPQ)), 0)) == 0


def test_units_end_with_the_piece_and_follow_its_ticks() -> None:
    score = song(C, F)
    units = units_of(grid_of(score), score.end)
    assert units.ticks.tolist() == list(range(0, 2 * BAR + 1, TPQ // 2))
    assert (units.bar.tolist(), units.beat.tolist()[:4]) == ([0] * 8 + [1] * 8, [0, 0, 1, 1])
    assert units.half.tolist()[::4] == [1, 2, 3, 4]


def test_a_roll_is_the_share_of_each_unit_that_sounds() -> None:
    track = Track(notes=notes_array([(60, 240, 60, 80), (0, 480, 72, 80)]))
    roll = pitch_roll(Score(TPQ, (track,)), np.array([0, 240, 480]))
    assert roll[:, 60].tolist() == pytest.approx([0.75, 0.25])
    assert roll[:, 72].tolist() == [1, 1]
    assert folded(roll)[:, 0].tolist() == [1, 1]
    drums = Score(TPQ, (replace(track, is_drum=True),))
    assert not pitch_roll(drums, np.array([0, 240, 480])).any()


def test_pictures_turn_with_the_music() -> None:
    units = units_of(grid_of(song(C, F, G7)), 3 * BAR)
    seen, plain = pictures(song(C, F, G7), units)
    turned, same = pictures(song(C, F, G7, shift=3), units)
    assert (seen.shape, plain.shape) == ((24, PICTURES, 12), (24, SCALARS))
    assert np.array_equal(plain, same)
    assert np.allclose(np.roll(seen, 3, axis=2), turned, atol=1e-6)


# The chain


@pytest.mark.parametrize("seed", range(5))
def test_the_chain_against_all_its_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, states = 5, 3
    fit, change, moves = rng.normal(size=(n, states)), rng.normal(size=n), rng.normal(size=(states, states))

    def total(path: tuple[int, ...]) -> float:
        steps = (change[t] + moves[a, b] if a != b else 0.0 for t, (a, b) in enumerate(itertools.pairwise(path), 1))
        return float(sum(fit[t, s] for t, s in enumerate(path)) + sum(steps))

    paths = list(itertools.product(range(states), repeat=n))
    totals = np.array([total(path) for path in paths])
    assert tuple(viterbi(fit, change, moves).tolist()) == paths[int(totals.argmax())]
    odds = np.exp(totals) / np.exp(totals).sum()
    likely = np.zeros((n, states))
    for path, odd in zip(paths, odds, strict=True):
        likely[np.arange(n), path] += odd
    assert np.allclose(marginals(fit, change, moves), likely)


def test_where_all_changes_cost_the_same() -> None:
    rng = np.random.default_rng(3)
    for n, states, toll in ((1, 3, 0.1), (40, 5, 0.5), (60, 12, 1.0)):
        credit = rng.random((n, states))
        assert np.array_equal(steadiest(credit, toll), viterbi(credit, np.full(n, -toll), np.zeros((states, states))))


def test_an_empty_chain() -> None:
    assert len(steadiest(np.zeros((0, 3)), 0.1)) == 0
    assert len(viterbi(np.zeros((0, 3)), np.zeros(0), np.zeros((3, 3)))) == 0
    assert marginals(np.zeros((0, 3)), np.zeros(0), np.zeros((3, 3))).shape == (0, 3)


def test_a_rotating_network_turns_its_answers() -> None:
    rng = np.random.default_rng(0)
    shapes = {"hidden1": (8, 38), "bias1": (8,), "hidden2": (4, 8), "bias2": (4,), "out": (5, 4), "bias_out": (5,)}
    network = RotatingNetwork.of({name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})
    seen, plain = rng.normal(size=(2, 7, 3, 12)).astype(np.float32), rng.normal(size=(7, 2)).astype(np.float32)
    answers = network.answers(seen[0], plain)
    assert answers.shape == (7, 12, 5)
    for up in range(12):
        assert np.allclose(
            network.answers(np.roll(seen[0], up, axis=2), plain), np.roll(answers, up, axis=1), atol=1e-4
        )
    assert network.answers(seen[0, :0], plain[:0]).shape == (0, 12, 5)


# What is heard


def test_block_chords() -> None:
    score = song(C, F, G7, C)
    found = recognize_chords(score, grid_of(score)).chords
    assert [harte(c) for c in found] == ["C:maj", "F:maj", "G:7", "C:maj"]
    assert [(c.start, c.end) for c in found] == [(i * BAR, (i + 1) * BAR) for i in range(4)]
    assert all(0.5 < c.probability <= 1 for c in found)


def test_two_chords_in_a_bar() -> None:
    score = song(C, AM, F, G, C, AM, F, G, length=BAR // 2)
    found = recognize_chords(score, grid_of(score)).chords
    assert [harte(c) for c in found] == ["C:maj", "A:min", "F:maj", "G:maj"] * 2
    assert [c.start for c in found] == [i * BAR // 2 for i in range(8)]


@pytest.mark.parametrize("shift", range(-5, 7))
def test_transposing_the_music_transposes_the_chords(shift: int) -> None:
    plain = recognize_chords(song(C, AM, F, G7, C), grid_of(song(C))).chords
    score = song(C, AM, F, G7, C, shift=shift)
    moved = recognize_chords(score, grid_of(score)).chords
    plain = recognize_chords(song(C, AM, F, G7, C), grid_of(score)).chords
    assert [((c.root + shift) % 12, c.quality, c.start, c.end) for c in plain] == [
        (c.root, c.quality, c.start, c.end) for c in moved
    ]


def test_broken_chords_and_inversions() -> None:
    pattern = [(48, 0), (60, 1), (64, 2), (67, 3)] * 2
    broken = [(i * TPQ // 2, TPQ // 2, pitch, 80) for i, (pitch, _) in enumerate(pattern)]
    broken += [(BAR + onset, length, pitch + 5, 80) for onset, length, pitch, _ in broken]
    score = Score(TPQ, (Track(notes=notes_array(broken)),), time_signatures=(TimeSignature(0, 4, 4),))
    assert names(score) == ["C:maj", "F:maj"]
    low = [(0, BAR, p, 80) for p in (48, 60, 64, 67)] + [(BAR, BAR, p, 80) for p in (52, 60, 64, 67)]
    assert names(replace(score, tracks=(Track(notes=notes_array(low)),))) == ["C:maj", "C:maj/3"]


def test_silence_between_chords() -> None:
    score = song(C, (), F, C)
    assert names(score) == ["C:maj", "N", "F:maj", "C:maj"]


def test_drums_are_not_heard() -> None:
    drums = Track("", 0, True, notes_array([(i * TPQ, TPQ, 36, 80) for i in range(16)]))
    with_drums = replace(song(C, F, G7, C), tracks=(*song(C, F, G7, C).tracks, drums))
    assert names(with_drums) == names(song(C, F, G7, C))
    assert names(replace(with_drums, tracks=(drums,))) == ["N"]
    assert names(Score(TPQ)) == []


def test_names_and_signatures_are_not_read() -> None:
    score = song(C, F, G7, C)
    (track,) = score.tracks
    told = replace(track, name="Dm7", lyrics=((0, "Eb7"),))
    assert names(replace(score, tracks=(told,), markers=((0, "F#"),))) == names(score)


def test_the_shipped_weights_are_small() -> None:
    folder = find_model(None, "analyze").path
    assert all((folder / name).stat().st_size < 150_000 for name in ("chords.npz", "keys.npz"))
    assert scores(shipped_model(), *pictures(song(C), units_of(grid_of(song(C)), BAR))).fit.shape == (8, STATES)


# Learning


def test_labels_as_states() -> None:
    assert chord_state("C:maj") == (0, 0)
    assert chord_state("Bb:min7/b3") == (12 * QUALITIES.index("min7") + 10, 3)
    assert chord_state("G:7(b9)/5") == (12 * QUALITIES.index("7") + 7, 7)
    assert chord_state("G:9") == (12 * QUALITIES.index("7") + 7, 0)
    assert chord_state("N") == (SILENCE, 0)
    assert [chord_state(label)[0] for label in ("X", "C:?(0,7,10)", "C:5", "C:1")] == [UNKNOWN] * 4
    assert [key_state(label) for label in ("C:maj", "Bb:min", "X")] == [0, 22, UNKNOWN]
    assert at(np.array([0.5, 1.5, 2.5]), [(0, 1, "a"), (2, 3, "b")]) == ["a", None, "b"]


def test_what_is_trained_is_what_runs() -> None:
    torch = pytest.importorskip("torch")
    from m4mcli.training.chains import ChordChain

    torch.manual_seed(0)
    chain = ChordChain(8)
    for parameter in chain.parameters():
        torch.nn.init.normal_(parameter)
    score = song(C, F, G7, C)
    seen, plain = pictures(score, units_of(grid_of(score), score.end))
    ours = scores(ChordModel.of(chain.arrays()), seen, plain)
    before = [np.concatenate((np.zeros_like(rows[:1]), rows))[None] for rows in (seen, plain)]
    with torch.no_grad():
        fit, bass, change = (out[0].numpy() for out in chain(*map(torch.from_numpy, before)))
        table = chain.table().numpy()
    assert np.allclose(ours.fit, fit, atol=1e-3)
    assert np.allclose(ours.bass, bass, atol=1e-3)
    assert np.allclose(ours.change, change, atol=1e-3)
    assert np.allclose(ours.moves[table > -1e3], table[table > -1e3])


def test_the_loss_is_that_of_all_paths() -> None:
    torch = pytest.importorskip("torch")
    from m4mcli.training.chains import chain_loss

    rng = np.random.default_rng(1)
    fit, change, moves = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(3, 3))
    table = moves.copy()
    np.fill_diagonal(table, -1e4)
    likely = marginals(fit, change, moves)
    one, other = (torch.from_numpy(a[None]) for a in (fit, change))
    for state in range(3):
        states = torch.tensor([[-1, -1, state, -1]])
        loss = chain_loss(one, other, torch.from_numpy(table), states, torch.ones(1, 4, dtype=torch.bool))
        assert float(loss) * 4 == pytest.approx(-np.log(likely[2, state]), rel=1e-4)


def test_training_is_repeatable(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from m4mcli.training.analysis import main

    labelled = write_labelled(tmp_path / "songs")
    for out in ("a", "b"):
        (tmp_path / out).mkdir()
        assert main([str(labelled), "--out", str(tmp_path / out), "--steps", "3"]) == 0
    for name in ("chords.npz", "keys.npz"):
        one, other = (np.load(tmp_path / out / name) for out in ("a", "b"))
        assert all(np.array_equal(one[array], other[array]) for array in one.files)
