"""`m4m continue` through the command line: what it adds, where, and what stays."""

import io

import mido
import pytest
from conftest import ROOT, Run

from m4mcli.score.read import read_score
from m4mcli.score.score import NOTE, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

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


def test_a_piece_without_notes_is_refused(m4m: Run) -> None:
    done = m4m("continue", stdin=score_to_midi(Score(96, (Track(notes=notes_array().astype(NOTE)),))))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no notes" in done.stderr
