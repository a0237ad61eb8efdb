"""`m4m check`: each oddity is found where it is and not elsewhere, and --fix mends it and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st

from m4mcli.inspection.beat import beat_strength, in_three, off_grid, onsets
from m4mcli.inspection.oddities import oddities
from m4mcli.inspection.repair import mended_midi, mended_score
from m4mcli.score.read import Reading, read_score
from m4mcli.score.score import CONTROL, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

QUARTERS = [(i * 480, 460, 60 + i % 5, 80) for i in range(32)]


def piece(rows: list[tuple[int, int, int, int]], **changes: object) -> Score:
    return replace(Score(480, (Track("Tune", 40, False, notes_array(rows)),), (Tempo(0, 500_000),)), **changes)  # type: ignore[arg-type]


def names(score: Score) -> list[str]:
    return [oddity.name for oddity in oddities(Reading(score, None, "json", ()))]


def waltz(bars: int = 24) -> list[tuple[int, int, int, int]]:
    rows = [(bar * 1440, 460, 36 + bar % 3, 90) for bar in range(bars)]
    return rows + [(bar * 1440 + beat * 480, 400, p, 70) for bar in range(bars) for beat in (1, 2) for p in (60, 64)]


PEDAL = np.array([(0, 64, 127), (480, 64, 0), (960, 64, 127)], CONTROL)
TUNE = piece(QUARTERS).tracks[0]
ODD = {
    "overlap": piece([*QUARTERS, (100, 480, 60, 80)]),
    "zero-length": piece([*QUARTERS, (240, 0, 90, 80)]),
    "stuck-note": piece([*QUARTERS, (0, 480 * 40, 90, 80)]),
    "pedal-down": piece([], tracks=(replace(TUNE, controls=PEDAL),)),
    "doubled-track": piece([], tracks=(TUNE, replace(TUNE, name="Again"))),
    "off-grid": piece([(o + (37 if i % 3 else 0), d, p, v) for i, (o, d, p, v) in enumerate(QUARTERS)]),
    "no-beat": piece([(i * 397, 300, 60 + i % 7, 80) for i in range(200)]),
    "tempo": piece(QUARTERS, tempos=(Tempo(0, 3_000_000),)),
    "metre": piece(waltz()),
    "late-start": piece([(o + 480 * 4 * 20, d, p, v) for o, d, p, v in QUARTERS]),
    "long-silence": piece([*QUARTERS, (480 * 200, 480, 60, 80)]),
    "no-notes": piece([]),
}
MENDABLE = ("overlap", "zero-length", "stuck-note")


@pytest.mark.parametrize("name", ODD)
def test_each_oddity_is_found_alone(name: str) -> None:
    assert names(ODD[name]) == [name]


def test_what_is_not_odd() -> None:
    assert names(piece(QUARTERS)) == []
    assert names(piece(waltz(), time_signatures=(TimeSignature(0, 3, 4),))) == []
    assert names(piece([(i * 160, 150, 60 + i % 2, 80) for i in range(64)])) == [], "triplets are on the grid"
    assert names(piece([*QUARTERS, (0, 480 * 31, 90, 80)])) == [], "an organ point"
    octaves = (TUNE, replace(TUNE, program=73))
    assert names(piece([], tracks=octaves)) == [], "violins and flutes in unison"


def test_measures_of_the_beat() -> None:
    straight = np.arange(64) / 2.0
    rng = np.random.default_rng(3)
    assert off_grid(straight) == 0.0
    assert beat_strength(straight) == pytest.approx(1.0)
    assert off_grid(straight + 0.1) == 1.0
    assert beat_strength(straight + 0.1) == pytest.approx(1.0)
    anywhere = rng.uniform(0, 300, 2000)
    assert beat_strength(anywhere) < 0.1
    assert 0.4 < off_grid(anywhere) < 0.6, "half of the time is within reach of a line"
    assert in_three(piece(waltz())) > 0.3
    assert (
        in_three(piece([(b * 1920 + i * 480, 460, 40 if i == 0 else 64, 80) for b in range(20) for i in range(4)]))
        < -0.3
    )
    assert list(onsets(piece(QUARTERS))) == [i * 1.0 for i in range(32)]


def test_the_report_and_the_exit_status(m4m: Run, tmp_path: Path, examples: Path) -> None:
    (tmp_path / "odd.mid").write_bytes(score_to_midi(ODD["overlap"]))
    (tmp_path / "text.mid").write_bytes(b"hello")
    good = examples / "greensleeves.mid"
    assert (m4m("check", good).returncode, m4m("check", good).stdout) == (0, b"")
    done = m4m("check", "odd.mid", good)
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.decode() == (
        "odd.mid: overlap: 1 note of track 1 struck while the same note sounds, first in bar 1, beat 1.21\n"
    )
    done = m4m("check", "odd.mid", "text.mid")
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    assert done.stderr.startswith(b"m4m check: text.mid: not a MIDI file")


def test_json(m4m: Run, tmp_path: Path, examples: Path) -> None:
    (tmp_path / "odd.mid").write_bytes(score_to_midi(ODD["stuck-note"]))
    (one,) = [json.loads(line) for line in m4m("check", "--jsonl", "odd.mid").stdout.splitlines()]
    assert (one["kind"], one["file"], one["odd"], one["notes"], one["off_grid"]) == ("check", "odd.mid", True, 33, 0.0)
    assert [(o["name"], o["mendable"]) for o in one["oddities"]] == [("stuck-note", True)]
    good = m4m("check", "--json", examples / "ode-to-joy.mid", examples / "greensleeves.mid")
    assert good.returncode == 0
    assert [entry["odd"] for entry in json.loads(good.stdout)] == [False, False]


def test_what_the_reader_mended_is_odd(m4m: Run, examples: Path) -> None:
    cut = (examples / "ode-to-joy.mid").read_bytes()[:303]
    found = json.loads(m4m("check", "--json", stdin=cut).stdout)
    warned = m4m("info", stdin=cut).stderr.decode().splitlines()
    told = [f"m4m info: warning: {o['name']}: {o['text']}" for o in found["oddities"]]
    assert told[: len(warned)] == warned
    mended = m4m("check", "--fix", stdin=cut)
    assert mended.returncode == 0
    assert (m4m("check", stdin=mended.stdout).returncode, mended.stdout[:4]) == (0, b"MThd")


@pytest.mark.parametrize("name", MENDABLE)
@pytest.mark.parametrize("form", ["midi", "json"])
def test_fix_mends(m4m: Run, name: str, form: str) -> None:
    done = m4m("check", "--fix", f"--{form}" if form == "json" else "-f", stdin=score_to_midi(ODD[name]))
    assert done.returncode == 0
    assert f"warning: {name}: ".encode() in done.stderr
    assert done.stderr.endswith(b"; mended\n")
    assert m4m("check", stdin=done.stdout).returncode == 0


def test_fix_says_what_stays_odd(m4m: Run) -> None:
    done = m4m("check", "--fix", stdin=score_to_midi(ODD["off-grid"]))
    assert done.returncode == 3
    assert b"off-grid" in done.stderr
    assert done.stdout == score_to_midi(ODD["off-grid"])


def test_fix_leaves_all_else_as_it_is(m4m: Run, tmp_path: Path, examples: Path) -> None:
    good = examples / "greensleeves.mid"
    assert m4m("check", "--fix", good).stdout == good.read_bytes()
    track = mido.MidiTrack()
    for message in (
        mido.MetaMessage("track_name", name="x"),
        mido.Message("sysex", data=(1, 2, 3), time=110),
        mido.Message("note_on", note=60, velocity=80, time=10),
        mido.Message("control_change", control=7, value=99, time=50),
        mido.Message("note_on", note=60, velocity=81, time=70),
        mido.MetaMessage("lyrics", text="la", time=0),
        mido.Message("note_off", note=60, time=100),
        mido.Message("note_off", note=60, time=100),
        mido.MetaMessage("marker", text="end", time=7),
    ):
        track.append(message)
    file = mido.MidiFile(tracks=[track])
    file.save(tmp_path / "in.mid")
    assert m4m("check", "--fix", "in.mid", "-o", "out.mid").returncode == 0

    def events(path: Path, notes: bool) -> list[tuple[int, str]]:
        tick, found = 0, []
        for message in mido.MidiFile(path).tracks[0]:
            tick += message.time
            if message.type.startswith("note") == notes:
                found.append((tick, str(message.copy(time=0))))
        return found

    assert events(tmp_path / "in.mid", False) == events(tmp_path / "out.mid", False)
    (notes,) = [t.notes.tolist() for t in read_score((tmp_path / "out.mid").read_bytes(), "x").score.tracks]
    assert notes == [(120, 120, 60, 80), (240, 200, 60, 81)]


def test_several_files_are_mended_into_a_folder(m4m: Run, tmp_path: Path) -> None:
    for name in MENDABLE:
        (tmp_path / f"{name}.mid").write_bytes(score_to_midi(ODD[name]))
    assert m4m("check", "--fix", "-q", *(f"{name}.mid" for name in MENDABLE), "--out-dir", "good").returncode == 0
    assert m4m("check", *(f"good/{name}.mid" for name in MENDABLE)).returncode == 0
    assert m4m("check", "--out-dir", "x", "overlap.mid").returncode == 2
    assert m4m("check", "--fix", "--jsonl", "overlap.mid").returncode == 2


rows = st.tuples(st.integers(0, 3000), st.integers(0, 2000), st.integers(58, 61), st.integers(1, 127))
scores = st.lists(st.lists(rows, max_size=25).map(notes_array), min_size=1, max_size=3).map(
    lambda found: Score(480, tuple(Track(f"{i}", i, notes=notes) for i, notes in enumerate(found)))
)


@settings(max_examples=150, deadline=None)
@given(scores)
def test_mended_is_clean_and_stays_as_it_is(score: Score) -> None:
    midi = score_to_midi(score)
    once = mended_midi(midi, read_score(midi, "x").score)
    again = read_score(once, "x")
    assert not [o for o in oddities(again) if o.mendable]
    assert mended_midi(once, again.score) == once
    plain = mended_score(read_score(midi, "x").score)
    assert [t.notes.tolist() for t in plain.tracks] == [t.notes.tolist() for t in again.score.tracks]
    before = {(o, p) for t in score.tracks for o, _, p, _ in t.notes.tolist()}
    assert {(o, p) for t in again.score.tracks for o, _, p, _ in t.notes.tolist()} == before


def test_a_sequence_of_a_format_2_file_is_taken_out(m4m: Run, tmp_path: Path, examples: Path) -> None:
    one, other = (mido.MidiFile(examples / f"{name}.mid") for name in ("ode-to-joy", "greensleeves"))
    both = mido.MidiFile(type=2, ticks_per_beat=480)
    both.tracks += [one.tracks[1], other.tracks[1]]
    both.save(tmp_path / "both.mid")
    assert b"format-2: 2 independent sequences" in m4m("check", "both.mid").stdout
    done = m4m("check", "--fix", "--piece", "2", "both.mid", "-o", "second.mid")
    assert b"format-2" in done.stderr
    second = mido.MidiFile(tmp_path / "second.mid")
    assert (second.type, [list(track) for track in second.tracks]) == (0, [list(other.tracks[1])])
    for name, number, told in (
        ("both.mid", "3", "both.mid: no sequence 3; it has 2"),
        ("second.mid", "1", "second.mid: MIDI format 0, which holds one piece; leave --piece out"),
    ):
        refused = m4m("check", "-q", "--fix", "--piece", number, name)
        assert (refused.returncode, refused.stderr.decode()) == (1, f"m4m check: {told}\n")
    assert m4m("check", "--piece", "1", "both.mid").returncode == 2
