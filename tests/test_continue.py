"""`m4m continue` through the command line: what it adds, where, and what stays."""

import io
import json
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from conftest import ROOT, Run

from m4mcli.errors import M4mError
from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.generation.rules import Rules
from m4mcli.score.read import read_score
from m4mcli.score.score import NOTE, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.close import closed, triad
from m4mcli.tasks.continuation import Commission, continuation, open_network
from m4mcli.tasks.manner import (
    InManner,
    drift,
    fitted,
    gathered,
    one_at_a_time,
    part_like,
    rates_like,
    unlikeness,
    usual_part,
)
from m4mcli.theory.keys import parse_key

EXAMPLE = ROOT / "commands" / "examples" / "ode-to-joy.mid"


def piece(numerator: int = 4, denominator: int = 4, tpq: int = 480) -> bytes:
    bar = tpq * 4 * numerator // denominator
    rows = [(i * tpq // 2, tpq // 2, 60 + (2 * i) % 12, 70) for i in range(4 * bar // (tpq // 2))]
    drums = [(i * tpq, tpq // 4, 36 if i % 2 else 38, 90) for i in range(4 * bar // tpq)]
    tracks = (Track("Tune", 40, False, notes_array(rows)), Track("Kit", 0, True, notes_array(drums)))
    return score_to_midi(Score(tpq, tracks, (Tempo(0, 400_000),), (TimeSignature(0, numerator, denominator),)))


def test_the_input_stays_and_new_notes_lie_in_the_new_bars(m4m: Run) -> None:
    before = read_score(EXAMPLE.read_bytes(), "before").score
    after = read_score(m4m("continue", "--bars", "3", str(EXAMPLE)).stdout, "after").score
    assert after.tracks[: len(before.tracks)] is not None
    for old, new in zip(before.tracks, after.tracks, strict=False):
        assert old.notes.tobytes() == new.notes.tobytes()
    (added,) = after.tracks[len(before.tracks) :]
    bar = before.tpq * 4
    assert len(added.notes)
    assert added.notes["onset"].min() >= 16 * bar
    assert (added.notes["onset"] + added.notes["duration"]).max() <= 19 * bar
    assert added.program == before.tracks[0].program


def test_every_message_of_the_input_comes_out(m4m: Run) -> None:
    source = piece()
    out = m4m("continue", "--bars", "1", stdin=source).stdout
    old, new = (mido.MidiFile(file=io.BytesIO(data)) for data in (source, out))
    assert [list(t) for t in old.tracks] == [list(t) for t in new.tracks[: len(old.tracks)]]


@pytest.mark.parametrize(("numerator", "denominator", "tpq"), [(3, 4, 96), (6, 8, 480), (5, 4, 24), (7, 8, 960)])
def test_the_new_bars_have_the_metre_of_the_old(m4m: Run, numerator: int, denominator: int, tpq: int) -> None:
    out = m4m("continue", "--bars", "2", "--only", stdin=piece(numerator, denominator, tpq)).stdout
    made = read_score(out, "made").score
    bar = tpq * 4 * numerator // denominator
    for track in made.tracks:
        assert track.notes["onset"].min(initial=4 * bar) >= 4 * bar
        assert (track.notes["onset"] + track.notes["duration"]).max(initial=0) <= 6 * bar


def test_only_the_instruments_asked_for_play(m4m: Run) -> None:
    out = m4m("continue", "--only", "--instruments", "violin", "--seed", "4", stdin=piece()).stdout
    assert {(t.program, t.is_drum) for t in read_score(out, "made").score.tracks if len(t.notes)} <= {(40, False)}


def test_the_same_seed_gives_the_same_bytes(m4m: Run) -> None:
    first, again, other = (
        m4m("continue", "--bars", "4", "--seed", seed, "--threads", threads, stdin=piece()).stdout
        for seed, threads in (("1", "1"), ("1", "2"), ("2", "1"))
    )
    assert first == again
    assert first != other


WHOLE = {
    "in fives": "X:1\nM:5/4\nL:1/4\nK:Em\nEGB2A|GAF2E|EGB2c|BAG2F|GBe2d|cBA2G|FAG2F|E3z2|EGB2A|GAF2E|E3z2|]",
    "a waltz": "X:1\nM:3/4\nL:1/4\nK:G\nDGB|d2B|cAF|G3|DGB|d2B|cAF|G3-|G3|]",
    "a riff": "X:1\nM:4/4\nL:1/8\nK:C\nz2G_Bc3z|z2_eGc3z|z2G_Bc_ec_B|c4z4|z2fc_e3z|z2_ecf_ec_B|z2G_Bc3z|z2_eGc8|]",
}


@pytest.mark.parametrize("seed", ["0", "1"])
@pytest.mark.parametrize("name", WHOLE)
def test_behind_the_end_of_a_whole_piece_no_bar_is_silent(m4m: Run, name: str, seed: str) -> None:
    done = m4m("continue", "--bars", "6", "--only", "--seed", seed, stdin=WHOLE[name].encode())
    made = read_score(done.stdout, "made").score
    (track,) = (t for t in made.tracks if len(t.notes))
    bar = made.tpq * 4 * made.time_signatures[0].numerator // made.time_signatures[0].denominator
    first = read_score(WHOLE[name].encode(), "whole").score.end
    onset, end = track.notes["onset"], track.notes["onset"] + track.notes["duration"]
    assert onset.min() >= first // bar * bar
    lines = np.arange(-(-first // bar), -(-first // bar) + 6) * bar
    assert all(((onset < line + bar) & (end > line)).any() for line in lines)


def test_each_version_is_what_the_next_seed_gives(m4m: Run, tmp_path: Path) -> None:
    quick = ("continue", "--bars", "2", "--best-of", "2")
    m4m(*quick, "-n", "2", "--seed", "5", "--out-dir", "out", stdin=midi(FLUTE))
    _, second = sorted((tmp_path / "out").iterdir())
    assert second.read_bytes() == m4m(*quick, "--seed", "6", stdin=midi(FLUTE)).stdout


def test_a_piece_without_notes_is_refused(m4m: Run) -> None:
    done = m4m("continue", stdin=score_to_midi(Score(96, (Track(notes=notes_array().astype(NOTE)),))))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no notes" in done.stderr


TPQ = 480
FIFTH = 7


def line(pitches: list[int], beats: list[float], program: int) -> Track:
    onsets = np.cumsum([0, *beats])
    rows = [(round(t * TPQ), round(b * TPQ), p, 80) for t, b, p in zip(onsets, beats, pitches, strict=False)]
    return Track("", program, False, notes_array(rows))


def midi(*tracks: Track) -> bytes:
    return score_to_midi(Score(TPQ, tracks, (Tempo(0, 500_000),), (TimeSignature(0, 4, 4),)))


FLUTE = line([66, 69, 73, 71, 69, 68, 66, 73, 78, 76, 74, 73, 71, 69, 68, 65] * 4, [1, 0.5, 0.5, 1, 0.5, 0.5] * 10, 73)
BASS = line([30, 37, 30, 35] * 10, [1.0] * 40, 33)
KIT = Track("Kit", 0, True, notes_array([(i * 240, 60, (36, 42, 38, 42)[i % 4], 90) for i in range(80)]))
PIANO = line([60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60] * 3, [1, 1, 1, 1, 1, 1, 2] * 6, 0)
PIECES = {"flute solo": (FLUTE,), "bass, flute, drums": (BASS, FLUTE, KIT), "piano tune": (PIANO,)}


@pytest.mark.parametrize("seed", ["0", "1", "2", "3"])
@pytest.mark.parametrize("name", PIECES)
def test_every_instrument_goes_on_in_its_range_and_density(m4m: Run, name: str, seed: str) -> None:
    old = {(t.program, t.is_drum): t.notes for t in PIECES[name]}
    done = m4m("continue", "--only", "--seed", seed, stdin=midi(*PIECES[name]))
    assert (done.returncode, done.stderr) == (0, b"")
    made = {(t.program, t.is_drum): t.notes for t in read_score(done.stdout, "made").score.tracks}
    assert made.keys() == old.keys()
    for instrument, new in made.items():
        heard = old[instrument]
        if instrument[1]:
            assert set(new["pitch"]) <= set(heard["pitch"])
            continue
        assert heard["pitch"].min() - FIFTH <= new["pitch"].min()
        assert new["pitch"].max() <= heard["pitch"].max() + FIFTH
        ends = new["onset"] + new["duration"]
        assert (np.diff(new["onset"]) > 0).all()
        assert (ends[:-1] <= new["onset"][1:]).all(), "a monophonic part stays monophonic"
    bars_heard = max(int(n["onset"].max()) for n in old.values()) // (4 * TPQ) + 1
    heard_density = sum(map(len, old.values())) / bars_heard
    assert heard_density / 2.5 <= sum(map(len, made.values())) / 8 <= 2.5 * heard_density


def test_instruments_that_the_piece_lacks_play_in_their_own_range(m4m: Run) -> None:
    done = m4m("continue", "--only", "--instruments", "piano,electric bass,drums", stdin=midi(FLUTE))
    made = {(t.program, t.is_drum): t.notes for t in read_score(done.stdout, "made").score.tracks}
    assert made.keys() == {(0, False), (33, False), (0, True)}
    assert made[33, False]["pitch"].min() >= 28
    assert made[33, False]["pitch"].max() <= 52
    assert (np.diff(made[33, False]["onset"]) > 0).all()
    assert np.bincount(made[0, False]["onset"]).max() <= 4


def test_verbose_tells_model_key_instruments_and_seed(m4m: Run) -> None:
    told = m4m("continue", "-v", "--bars", "2", "--seed", "3", stdin=midi(FLUTE)).stderr.decode()
    assert "F# minor; Flute; model " in told
    assert "seed 3, best of 8" in told


class Muted(InManner):
    """A network that gives nothing to some instruments."""

    def note_step(self, *inputs: Any) -> Any:
        first, *others = self.network.note_step(*inputs)
        first[:, self.rules.instruments] = -1e6
        return first, *others


def muted(*instruments: int) -> Muted:
    return Muted(open_network(None), Rules(instruments=instruments))


@pytest.mark.parametrize("name", PIECES)
def test_an_end_comes_home(m4m: Run, name: str) -> None:
    done = m4m("continue", "--only", "--end", "--bars", "6", "-v", stdin=midi(*PIECES[name]))
    tonic, mode = done.stderr.decode().split(": ", 1)[1].split(";")[0].split()
    key = parse_key(f"{tonic} {mode}")
    pitched = [t.notes for t in read_score(done.stdout, "made").score.tracks if not t.is_drum]
    notes = np.concatenate(pitched)
    last = notes[notes["onset"] == notes["onset"].max()]
    assert set((last["pitch"] % 12).tolist()) <= set(triad(key))
    assert int(last["pitch"].min()) % 12 == key[0]
    assert last["onset"].min() % (4 * TPQ) == 0
    assert (last["onset"] + last["duration"]).max() % (4 * TPQ) == 0


def test_what_comes_home_already_stays() -> None:
    made = rows((0, 0, 62, 8), (16, 0, 60, 2), (16, 0, 64, 2), (20, 0, 65, 4), (16, DRUMS, 49, 1), (24, DRUMS, 38, 1))
    out, end = closed(made, [0, 16], 32, (0, False))
    assert out.tolist() == [(0, 0, 62, 8), (16, 0, 60, 16), (16, 0, 64, 16), (16, DRUMS, 49, 1)]
    assert end == 32


def test_what_does_not_is_brought_home() -> None:
    made = rows((0, 0, 62, 24), (16, 0, 65, 4), (16, 33, 43, 4), (20, 0, 66, 4))
    out, _ = closed(made, [0, 16], 32, (9, True))
    assert out.tolist() == [(0, 0, 62, 16), (16, 0, 64, 16), (16, 33, 45, 16)]


def test_frames_are_printed_as_they_come(m4m: Run) -> None:
    lines = m4m("continue", "--jsonl", "--bars", "2", str(EXAMPLE)).stdout.splitlines()
    frames = [json.loads(line) for line in lines]
    tpq = read_score(EXAMPLE.read_bytes(), "").score.tpq
    assert [f["tick"] for f in frames] == list(range(16 * 4 * tpq, 18 * 4 * tpq, tpq // 4))
    told = [(f["tick"], n["pitch"]) for f in frames for n in f["notes"]]
    made = read_score(m4m("continue", "--only", "--bars", "2", "--best-of", "1", str(EXAMPLE)).stdout, "").score
    assert told
    assert set(told) >= {(int(n["onset"]), int(n["pitch"])) for t in made.tracks for n in t.notes}
    done = m4m("continue", "--jsonl", "-o", "x.mid", str(EXAMPLE))
    assert (done.returncode, done.stdout) == (2, b"")


def test_versions_and_files(m4m: Run, tmp_path: Path) -> None:
    quick = ("continue", "--bars", "1", "--best-of", "1", "--only")
    assert m4m(*quick, str(EXAMPLE), "-n", "2", "--out-dir", "out").returncode == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["ode-to-joy-1.mid", "ode-to-joy-2.mid"]
    (tmp_path / "a.mid").write_bytes(midi(PIANO))
    done = m4m(*quick, "a.mid", "missing.mid", "--out-dir", "new")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert (tmp_path / "new/a.mid").read_bytes() == m4m(*quick, "a.mid").stdout


def test_rests_alone_are_a_failure() -> None:
    with pytest.raises(M4mError, match="rests alone") as failed:
        continuation(read_score(midi(FLUTE), "").score, muted(*range(129)), Commission(length_bars=1))
    assert failed.value.status == 1


def test_an_instrument_that_stays_silent_is_told() -> None:
    score = read_score(midi(FLUTE, BASS), "").score
    made = continuation(score, muted(33), Commission(length_bars=2, best_of=2))
    assert made.missing == (33,)
    assert [t.program for t in made.tracks] == [73]


def rows(*notes: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(list(notes), FRAME_NOTE)


def test_a_part_is_as_heard() -> None:
    tune = part_like(rows(*((4 * i, 40, 60 + i % 10, 4) for i in range(40))), 40, (0, 127))
    assert (tune.lowest, tune.highest, tune.at_most, tune.monophonic) == (53, 76, 1, True)
    held = part_like(rows(*((4 * i, 0, 60 + i % 10, 8) for i in range(40))), 0, (0, 127))
    assert (held.at_most, held.monophonic) == (1, False)
    chords = part_like(rows(*((4 * i, 0, p, 4) for i in range(40) for p in (0, 64, 127))), 0, (0, 120))
    assert (chords.lowest, chords.highest, chords.at_most, chords.monophonic) == (0, 120, 3, False)
    rare = part_like(rows(*((i, 0, 60, 1) for i in range(40)), (50, 0, 60, 1), (50, 0, 64, 1)), 0, (0, 127))
    assert (rare.at_most, rare.monophonic) == (1, True)


@pytest.mark.parametrize("shift", [-60, 0, 60])
def test_every_instrument_has_a_usual_part(shift: int) -> None:
    for program in range(129):
        part = usual_part(program, shift, (max(0, shift), min(127, 127 + shift)))
        assert 0 <= part.lowest <= part.highest <= 127
        assert part.at_most == (3 if program == DRUMS else 1 if part.monophonic else 4)


def test_each_note_of_a_monophonic_part_ends_where_the_next_begins() -> None:
    cut = one_at_a_time(rows((0, 0, 60, 9), (4, 0, 62, 2), (8, 0, 60, 4)))
    assert cut["duration"].tolist() == [4, 2, 4]


def test_offsets_bring_the_mean_to_the_target() -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(300, 4)).astype(np.float32), np.array([0.1, 0.6, 0.25, 0.05])
    moved = logits + fitted(logits, np.ones(logits.shape, bool), target)
    p = np.exp(moved) / np.exp(moved).sum(axis=1, keepdims=True)
    assert p.mean(axis=0) == pytest.approx(target, abs=0.01)


def test_instruments_that_play_hold_what_all_held() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 130)).astype(np.float32)
    out = gathered(logits, (0, 73))
    assert np.exp(out[:, [0, 73]]).sum(axis=1) == pytest.approx(np.exp(logits[:, :129]).sum(axis=1), rel=1e-4)
    assert (out[:, 129] == logits[:, 129]).all()


def test_the_same_music_is_not_unlike_itself() -> None:
    heard = rows(*((i, 0, 60 + i % 5, 1) for i in range(100)))
    rates = rates_like(heard, 100, (0,))
    assert unlikeness(heard, 100, heard, rates) == 0
    assert unlikeness(heard[::2], 100, heard, rates) > 0.9
    assert unlikeness(heard[:0], 100, heard, rates) > 5


def test_too_few_notes_make_an_instrument_likelier_too_many_less() -> None:
    heard = rows(*((i, i % 2, 60, 1) for i in range(100)))
    new = rows(*((i, 0, 60, 1) for i in range(100)))
    more = drift(new, 100, rates_like(heard, 100, (0, 1)))
    assert more[0] == pytest.approx(-np.log(2), abs=0.01)
    assert more[1] == 1.5
    assert more[2:] == pytest.approx(0)
    assert drift(heard[:0], 100, rates_like(heard, 100, (0, 1)))[-1] == -1.5
