"""`m4m drumify` through the command line: where drums stand, which they are, how loud, and what stays."""

import io
from pathlib import Path

import mido
import numpy as np
import pytest
from conftest import ROOT, Run
from hypothesis import given, settings
from hypothesis import strategies as st

from m4mcli.errors import M4mError
from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.generation.consensus import drum_consensus
from m4mcli.generation.request import Sample
from m4mcli.score.metre import bars
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.drum_dynamics import drum_velocities
from m4mcli.tasks.drums import TASK, drum_request, heard, sparser
from m4mcli.tasks.ground import ground_of, swung_ticks
from m4mcli.theory.drum_sounds import KINDS, SOUNDS, kind_of, parse_kit

ODE = str(ROOT / "commands" / "examples" / "ode-to-joy.mid")
QUICK = ("--best-of", "1", "--no-fills")
TPQ = 480


def piece(bar_count: int = 4, numerator: int = 4, denominator: int = 4, tpq: int = TPQ, late: int = 0) -> Score:
    """A bass in quarters and a tune in eighths; every second eighth `late` ticks late."""
    bar = tpq * 4 * numerator // denominator
    eighth, count = tpq // 2, bar_count * bar * 2 // tpq
    tune = [(i * eighth + late * (i % 2), eighth - late * (i % 2), 67 + i % 5, 80) for i in range(count)]
    bass = [(i * tpq, tpq, 43, 90) for i in range(count // 2)]
    tracks = (Track("Tune", 0, False, notes_array(tune)), Track("Bass", 33, False, notes_array(bass)))
    return Score(tpq, tracks, (Tempo(0, 500_000),), (TimeSignature(0, numerator, denominator),))


def drums_of(data: bytes) -> np.ndarray:
    score = read_score(data, "made").score
    return next(t.notes for t in reversed(score.tracks) if t.is_drum)


def test_the_input_stays_and_a_drum_track_is_added(m4m: Run) -> None:
    source = Path(ODE).read_bytes()
    out = m4m("drumify", *QUICK, ODE).stdout
    old, new = (mido.MidiFile(file=io.BytesIO(data)) for data in (source, out))
    assert [list(t) for t in old.tracks] == [list(t) for t in new.tracks[: len(old.tracks)]]
    assert len(new.tracks) == len(old.tracks) + 1
    assert {m.channel for m in new.tracks[-1] if m.type == "note_on"} == {9}
    assert len(drums_of(out)) >= 12


def test_only_writes_the_drums_alone(m4m: Run) -> None:
    (track,) = read_score(m4m("drumify", *QUICK, "--only", ODE).stdout, "made").score.tracks
    assert (track.is_drum, track.name) == (True, "Drums")


@pytest.mark.parametrize(("numerator", "denominator", "tpq"), [(3, 4, 96), (6, 8, 480), (5, 4, 24), (7, 8, 960)])
def test_hits_stand_on_the_grid_of_the_piece_and_end_with_it(
    m4m: Run, numerator: int, denominator: int, tpq: int
) -> None:
    score = piece(3, numerator, denominator, tpq)
    notes = drums_of(m4m("drumify", *QUICK, stdin=score_to_midi(score)).stdout)
    assert (notes["onset"] % (tpq // 4) == 0).all()
    end = sum(bar.length for bar in bars(score))
    assert (notes["onset"] + notes["duration"]).max() <= end


@pytest.mark.parametrize("late", [40, 80])
def test_drums_swing_as_the_piece_does(m4m: Run, late: int) -> None:
    notes = drums_of(m4m("drumify", *QUICK, "--intensity", "3", stdin=score_to_midi(piece(8, late=late))).stdout)
    swung = (notes["onset"] % TPQ == TPQ // 2 + late).sum()
    straight = (notes["onset"] % TPQ == TPQ // 2).sum()
    assert swung > 4
    assert not straight


def test_swing_moves_what_stands_between_the_beats_alone() -> None:
    for late, place in ((40, 2), (80, 3), (-30, 2)):
        score = piece(8, late=late)
        ticks = swung_ticks(score, ground_of(score))
        assert {ticks[f] % TPQ for f in range(place, 128, 4)} == {TPQ // 2 + late}
        assert {ticks[f] % TPQ for f in range(0, 128, 4)} == {0}
    straight = piece(8)
    assert set(swung_ticks(straight, ground_of(straight))) == set(range(0, 128, 4))


def test_a_silent_bar_has_no_drums(m4m: Run) -> None:
    bar = 4 * TPQ
    rows = [(b * bar + i * TPQ, TPQ, 60 + i, 80) for b in (0, 1, 4, 5) for i in range(4)]
    score = Score(TPQ, (Track("Tune", 0, False, notes_array(rows)),), (), (TimeSignature(0, 4, 4),))
    notes = drums_of(m4m("drumify", *QUICK, "--intensity", "4", stdin=score_to_midi(score)).stdout)
    played = set((notes["onset"] // bar).tolist())
    assert played
    assert played <= {0, 1, 4, 5}


def test_only_the_kit_that_is_asked_for_is_hit(m4m: Run) -> None:
    notes = drums_of(m4m("drumify", *QUICK, "--kit", "kick, closed hi-hat, 56", "--intensity", "3", ODE).stdout)
    assert set(notes["pitch"].tolist()) <= {35, 36, 42, 56}
    done = m4m("drumify", "--kit", "trombone", ODE)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no drum sound" in done.stderr


def test_intensity_makes_drums_busier_and_louder(m4m: Run) -> None:
    parts = [drums_of(m4m("drumify", *QUICK, "--intensity", x, ODE).stdout) for x in ("0.4", "1", "2.5")]
    assert len(parts[0]) < len(parts[1]) <= len(parts[2])
    assert parts[0]["velocity"].mean() < parts[2]["velocity"].mean()


def test_what_matters_least_goes_first_and_in_all_bars_alike() -> None:
    metre = np.stack([np.arange(32) % 16, np.full(32, 16), np.full(32, 4)], axis=1)
    rows = [(f, DRUMS, s, 1) for b in (0, 16) for f, s in ((b, 36), (b + 8, 38), *((b + 2 * i, 42) for i in range(8)))]
    hits = np.array(rows, FRAME_NOTE)
    half = sparser(hits, metre, 0.6)
    assert (half["frame"][:6] + 16).tolist() == half["frame"][6:].tolist()
    assert set(half["frame"][half["pitch"] == 42].tolist()) == {0, 4, 8, 12, 16, 20, 24, 28}
    assert set(sparser(hits, metre, 0.01)["pitch"].tolist()) == {36}
    assert len(sparser(hits, metre, 1)) == len(hits)


def test_bars_from_and_to(m4m: Run) -> None:
    notes = drums_of(m4m("drumify", *QUICK, "--intensity", "3", "--from-bar", "5", "--to-bar", "8", ODE).stdout)
    tpq = read_score(Path(ODE).read_bytes(), "").score.tpq
    assert set((notes["onset"] // (4 * tpq)).tolist()) <= {4, 5, 6, 7}
    done = m4m("drumify", "--from-bar", "5", "--to-bar", "99", ODE)
    assert done.returncode == 2
    assert b"the piece has bars 1 to 16" in done.stderr


def test_drums_that_are_there_are_kept_and_told(m4m: Run) -> None:
    kit = Track("Kit", 0, True, notes_array([(i * TPQ, 120, 36, 100) for i in range(8)]))
    source = score_to_midi(piece(4).with_track(kit))
    done = m4m("drumify", *QUICK, "--from-bar", "3", stdin=source)
    assert b"the piece has drums" in done.stderr
    tracks = [t for t in read_score(done.stdout, "").score.tracks if t.is_drum]
    assert tracks[0].notes.tobytes() == kit.notes.tobytes()
    assert tracks[1].notes["onset"].min() >= 2 * 4 * TPQ


def test_a_prompt_comes_out_as_it_is(m4m: Run, tmp_path: Path) -> None:
    hits = [(i * TPQ, 100, 36 if i % 2 else 38, 91 + i) for i in range(8)]
    (tmp_path / "prompt.mid").write_bytes(score_to_midi(Score(TPQ, (Track("Kit", 0, True, notes_array(hits)),))))
    notes = drums_of(m4m("drumify", *QUICK, "--prompt", "prompt.mid", stdin=score_to_midi(piece(6))).stdout)
    assert notes[:8].tolist() == notes_array(hits).tolist()
    assert notes["onset"][8:].min(initial=10**6) >= 8 * TPQ


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(m4m: Run) -> None:
    outs = [
        m4m("drumify", *QUICK, "--seed", seed, "--threads", threads, ODE).stdout
        for seed, threads in (("1", "1"), ("1", "2"), ("2", "1"))
    ]
    assert outs[0] == outs[1] != outs[2]


def test_versions_and_files(m4m: Run, tmp_path: Path) -> None:
    for name in ("a.mid", "b.mid"):
        (tmp_path / name).write_bytes(score_to_midi(piece(2)))
    (tmp_path / "broken.mid").write_bytes(b"MThd nothing")
    done = m4m("drumify", *QUICK, "a.mid", "broken.mid", "b.mid", "--out-dir", "out")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"broken.mid" in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").glob("*.mid")) == ["a.mid", "b.mid"]
    assert (tmp_path / "out/a.mid").read_bytes() == m4m("drumify", *QUICK, "a.mid").stdout
    assert m4m("drumify", *QUICK, "a.mid", "-n", "2", "--out-dir", "out", "--seed", "6").returncode == 0
    assert (tmp_path / "out/a-2.mid").read_bytes() == m4m("drumify", *QUICK, "a.mid", "--seed", "7").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["a.mid", "b.mid"],
        ["a.mid", "-n", "2"],
        ["a.mid", "--out-dir", "."],
        ["a.mid", "d/a.mid", "--out-dir", "out"],
        ["a.mid", "--out-dir", "out", "-o", "x.mid"],
        ["a.mid", "--intensity", "0"],
        ["a.mid", "--strictness", "11"],
    ],
)
def test_options_that_make_no_sense(m4m: Run, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "a.mid").write_bytes(score_to_midi(piece(1)))
    done = m4m("drumify", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"]


@pytest.mark.parametrize(
    ("score", "told"),
    [(Score(96), b"no notes"), (Score(96, (Track("", 0, True, notes_array([(0, 9, 36, 9)])),)), b"only drums")],
)
def test_what_has_no_pitched_notes_is_refused(m4m: Run, score: Score, told: bytes) -> None:
    done = m4m("drumify", stdin=score_to_midi(score))
    assert (done.returncode, done.stdout) == (1, b"")
    assert told in done.stderr


def test_strictness_changes_the_part(m4m: Run) -> None:
    bold = (*QUICK, "--temperature", "1.5", "--top-p", "1", ODE)
    outs = {s: m4m("drumify", "--strictness", s, *bold).stdout for s in ("1", "1.0", "2")}
    assert outs["1"] == outs["1.0"] != outs["2"]


def test_drums_of_the_music_do_not_reach_the_model() -> None:
    notes = np.array([(0, DRUMS, 36, 1), (0, 0, 60, 16)], FRAME_NOTE)
    metre = np.stack([np.arange(16), np.full(16, 16), np.full(16, 4)], axis=1)
    request, start = drum_request(notes, metre, notes[:0], 0, 16)
    assert start == 0
    assert request.reference is not None
    assert request.reference["instrument"].tolist() == [0]


def test_a_bar_is_heard_while_a_note_is_held_into_it() -> None:
    metre = np.stack([np.arange(48) % 16, np.full(48, 16), np.full(48, 4)], axis=1)
    notes = np.array([(12, 0, 60, 8)], FRAME_NOTE)
    assert heard(notes, metre).tolist() == [True] * 32 + [False] * 16


@given(st.lists(st.tuples(st.integers(0, 7679), st.integers(27, 87)), min_size=1, max_size=60), st.floats(-40, 40))
@settings(max_examples=60, deadline=None)
def test_velocities_are_midi_velocities(hits: list[tuple[int, int]], louder: float) -> None:
    score = piece(4)
    onsets, sounds = (np.array(x, np.int64) for x in zip(*hits, strict=True))
    out = drum_velocities(onsets, sounds, bars(score), score, louder)
    assert out.shape == onsets.shape
    assert ((out >= 1) & (out <= 127)).all()


def test_velocities_breathe() -> None:
    score = piece(2)
    onsets = np.arange(0, 2 * 4 * TPQ, TPQ // 4)
    hats = drum_velocities(onsets, np.full(len(onsets), 42), bars(score), score)
    assert len(set(hats.tolist())) >= 4
    assert hats[0] > hats[1]
    assert hats[4] > hats[6] > hats[5]


def test_the_part_that_agrees_with_the_others_is_kept() -> None:
    def sample(*frames: int) -> Sample:
        return Sample(np.array([(f, DRUMS, 36, 1) for f in frames], FRAME_NOTE), 0.0, 1)

    assert drum_consensus([sample(1, 2), sample(0, 4, 8), sample(0, 4), sample(0, 8, 4, 12)], 1) == 1
    assert drum_consensus([sample(), sample(3), sample()], 1) == 1


def test_of_parts_that_agree_little_the_one_with_a_backbeat_is_kept() -> None:
    def sample(**frames: tuple[int, ...]) -> Sample:
        sounds = {"kick": 36, "snare": 38, "hat": 42, "ride": 51}
        rows = [(f, DRUMS, sounds[name], 1) for name, own in frames.items() for f in own]
        return Sample(np.sort(np.array(rows, FRAME_NOTE)), 0.0, 1)

    parts = [sample(kick=(0, 8), hat=(4, 12)), sample(kick=(2, 10), hat=(4, 12)), sample(kick=(0,), ride=(4, 12))]
    backbeat = sample(kick=(0, 8), snare=(4, 12), hat=(0, 4, 8, 12))
    assert drum_consensus([*parts, backbeat], 2) == 3
    assert drum_consensus([*parts, sample(kick=(0, 8), snare=(4,), hat=(0, 4, 8, 12))], 2) == 0
    assert drum_consensus([sample(kick=(0, 8)), sample(kick=(0, 8)), sample(kick=(1,), snare=(5,), ride=(3,))], 1) == 0


def test_every_sound_has_a_name_and_a_kind() -> None:
    assert sorted(SOUNDS) == list(range(35, 82))
    assert {kind_of(s) for s in range(128)} == set(KINDS)
    assert sorted(s for sounds in KINDS.values() for s in sounds) == sorted(SOUNDS)
    for sound, name in SOUNDS.items():
        assert sound in parse_kit(name)
    assert parse_kit("snares") == KINDS["snare"]
    with pytest.raises(M4mError, match="no drum sound"):
        parse_kit("kick,,")


def test_a_long_piece_has_fewer_samples() -> None:
    def bars_of(count: int) -> Score:
        notes = notes_array([(0, count * 4 * 480, 60, 64)])
        return Score(480, (Track("Long", notes=notes),))

    assert [TASK.samples_for(bars_of(n)) for n in (1, 100, 120, 150, 200, 4000)] == [6, 6, 5, 4, 3, 3]
