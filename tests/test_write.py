"""The one door out: scores as MIDI, tracks added to untouched ones, bytes to stdout and files."""

import io
import os
import pty
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import mido
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import m4mcli
from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.score.json_form import score_to_json
from m4mcli.score.metas import variable_length
from m4mcli.score.read import read_score
from m4mcli.score.score import (
    BEND,
    CONTROL,
    KeySignature,
    Score,
    Tempo,
    TimeSignature,
    Track,
    notes_array,
)
from m4mcli.score.write import append_tracks, score_to_midi, write_output

T = TypeVar("T")
LAST = 40_000
ticks = st.integers(0, LAST)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def by_tick(values: st.SearchStrategy[T]) -> st.SearchStrategy[list[tuple[int, T]]]:
    """Values at ticks that differ, in order."""
    return st.dictionaries(ticks, values, max_size=4).map(lambda found: sorted(found.items()))


@st.composite
def note_rows(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    """Notes of which no two of one pitch overlap: MIDI cannot say which of them ends."""
    rows = []
    for pitch in draw(st.sets(st.integers(0, 127), max_size=6)):
        tick = 0
        for gap, duration, velocity in draw(
            st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(1, 127)), max_size=6)
        ):
            rows.append((tick + gap, duration, pitch, velocity))
            tick += gap + duration + (duration == 0)
    return rows


@st.composite
def tracks(draw: st.DrawFn, silent: bool = True) -> Track:
    """A part: with notes, or (if `silent` ones are wanted) with lyrics alone."""
    rows = draw(note_rows())
    name, program, lyrics = draw(texts), draw(st.integers(0, 127)), draw(by_tick(texts))
    if not rows:
        if silent and lyrics:
            return Track(name, program, lyrics=tuple(lyrics))
        rows = [(0, 1, 60, 64)]
    controls = [(tick, *c) for tick, c in draw(by_tick(st.tuples(st.integers(0, 127), st.integers(0, 127))))]
    return Track(
        name,
        program,
        draw(st.booleans()),
        notes_array(rows),
        np.array(controls, CONTROL),
        np.array(draw(by_tick(st.integers(-8192, 8191))), BEND),
        tuple(lyrics),
    )


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Any score that MIDI can hold without loss."""
    metre = st.tuples(st.integers(1, 255), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
    return Score(
        draw(st.sampled_from([1, 24, 96, 480, 9600, 32767])),
        tuple(draw(st.lists(tracks(), max_size=5))),
        tuple(Tempo(*row) for row in draw(by_tick(st.integers(1, 0xFFFFFF)))),
        tuple(TimeSignature(tick, *row) for tick, row in draw(by_tick(metre))),
        tuple(KeySignature(t, *row) for t, row in draw(by_tick(st.tuples(st.integers(-7, 7), st.booleans())))),
        tuple(draw(by_tick(texts))),
    )


def read_by_mido(data: bytes) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(data))


def sounding(track: mido.MidiTrack) -> list[tuple[int, int, int]]:
    """Onset, pitch, velocity of the notes that mido finds."""
    tick, found = 0, []
    for message in track:
        tick += message.time
        if message.type == "note_on" and message.velocity:
            found.append((tick, message.note, message.velocity))
    return sorted(found)


@given(scores())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_score_written_as_midi_is_read_back_equal(score: Score) -> None:
    data = score_to_midi(score)
    assert data == score_to_midi(score)
    reading = read_score(data, "written")
    assert reading.midi == data
    assert {w.partition(":")[0] for w in reading.warnings} <= {"odd-tempo"}
    assert score_to_json(reading.score) == score_to_json(score)


@given(scores())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mido_reads_the_same_notes_from_it(score: Score) -> None:
    file = read_by_mido(score_to_midi(score))
    assert (file.type, file.ticks_per_beat, len(file.tracks)) == (1, score.tpq, 1 + len(score.tracks))
    tempos = [m.tempo for m in file.tracks[0] if m.type == "set_tempo"]
    assert tempos == [t.microseconds for t in score.tempos]
    for track, written in zip(score.tracks, file.tracks[1:], strict=True):
        notes = track.notes[["onset", "pitch", "velocity"]].tolist()
        assert sounding(written) == sorted(notes)
        assert {m.channel == 9 for m in written if m.type == "note_on"} <= {track.is_drum}


@given(scores(), st.lists(tracks(silent=False), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_added_tracks_leave_every_byte_before_them(score: Score, new: list[Track]) -> None:
    midi = score_to_midi(score)
    data = append_tracks(midi, tuple(new))
    assert data[14 : len(midi)] == midi[14:]
    before, after = read_by_mido(midi), read_by_mido(data)
    assert [list(t) for t in after.tracks[: len(before.tracks)]] == [list(t) for t in before.tracks]
    both = replace(score, tracks=(*score.tracks, *new))
    assert score_to_json(read_score(data, "added").score) == score_to_json(both)


EVERYTHING = mido.MidiFile(type=0, ticks_per_beat=96)
EVERYTHING.tracks.append(
    mido.MidiTrack(
        [
            mido.MetaMessage("track_name", name="All of it"),
            mido.MetaMessage("copyright", text="nobody"),
            mido.MetaMessage("midi_port", port=1),
            mido.MetaMessage("set_tempo", tempo=400_000),
            mido.MetaMessage("smpte_offset", frame_rate=25, hours=1),
            mido.MetaMessage("sequencer_specific", data=(1, 2, 3)),
            mido.UnknownMetaMessage(0x60, data=(9, 9)),
            mido.Message("sysex", data=(0x7E, 0x7F, 9, 1)),
            mido.Message("program_change", channel=3, program=11),
            mido.Message("control_change", channel=3, control=64, value=127),
            mido.Message("polytouch", channel=3, note=60, value=5),
            mido.Message("aftertouch", channel=3, value=6),
            mido.Message("pitchwheel", channel=3, pitch=-100),
            mido.MetaMessage("lyrics", text="la"),
            mido.Message("note_on", channel=3, note=60, velocity=90),
            mido.Message("note_off", channel=3, note=60, velocity=33, time=96),
            mido.MetaMessage("set_tempo", tempo=600_000),
            mido.MetaMessage("text", text="here"),
            mido.MetaMessage("end_of_track", time=7),
        ]
    )
)


def saved(file: mido.MidiFile) -> bytes:
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def test_every_kind_of_event_goes_out_as_it_came_in() -> None:
    midi = saved(EVERYTHING)
    after = read_by_mido(append_tracks(read_score(midi, "x").midi or b"", (Track("new"),)))
    assert after.type == 1
    assert list(after.tracks[0]) == list(EVERYTHING.tracks[0])
    assert after.tracks[1].name == "new"


def part(program: int, drums: bool = False, pitch: int = 60) -> Track:
    rows = [(beat * 96, 48, pitch, 80) for beat in range(4)]
    return Track(f"p{program}", program, drums, notes_array(rows))


def channels_of(data: bytes) -> list[set[int]]:
    return [{m.channel for m in t if not m.is_meta} for t in read_by_mido(data).tracks]


def programs_heard(data: bytes) -> dict[tuple[int, int], int]:
    """The program in effect for each (track, onset), as a synthesizer that merges the tracks would have it."""
    file, events = read_by_mido(data), []
    for number, track in enumerate(file.tracks):
        tick = 0
        for message in track:
            tick += message.time
            events.append((tick, number, message))
    program: dict[int, int] = {}
    heard: dict[tuple[int, int], int] = {}
    for tick, number, message in sorted(events, key=lambda event: event[0]):
        if message.type == "program_change":
            program[message.channel] = message.program
        elif message.type == "note_on" and message.velocity:
            heard[number, tick] = program.get(message.channel, 0)
    return heard


def test_parts_get_channels_of_their_own_and_drums_the_tenth() -> None:
    score = Score(96, (*map(part, range(15)), part(0, drums=True), part(8, drums=True)))
    channels = channels_of(score_to_midi(score))[1:]
    assert [c for found in channels[:15] for c in found] == [c for c in range(16) if c != 9]
    assert channels[15:] == [{9}, {9}]


def test_more_than_fifteen_parts_share_channels_and_each_note_keeps_its_program() -> None:
    score = Score(96, tuple(part(p, pitch=40 + p) for p in range(40)))
    data = score_to_midi(score)
    assert 9 not in set.union(*channels_of(data))
    assert all(program == number - 1 for (number, _), program in programs_heard(data).items())
    assert score_to_json(read_score(data, "x").score) == score_to_json(score)


def test_parts_of_one_program_share_a_channel_first() -> None:
    score = Score(96, (*(part(p) for p in range(15)), part(3)))
    channels = channels_of(score_to_midi(score))
    assert channels[16] == channels[4]


def test_an_added_track_takes_a_channel_that_no_event_uses() -> None:
    midi = score_to_midi(Score(96, tuple(part(p) for p in range(6))))
    assert channels_of(append_tracks(midi, (part(99), part(98), part(0, drums=True))))[7:] == [{6}, {7}, {9}]


def test_an_added_track_on_a_shared_channel_disturbs_no_program() -> None:
    midi = score_to_midi(Score(96, (*(part(p) for p in range(15)), part(7, drums=True))))
    data = append_tracks(midi, (part(99), part(0, drums=True)))
    heard = programs_heard(data)
    assert {p for (number, _), p in heard.items() if number == 17} == {99}
    assert {p for (number, _), p in heard.items() if number == 18} == {0}
    assert {key: p for key, p in heard.items() if key[0] < 17} == programs_heard(midi)
    assert [t.program for t in read_score(data, "x").score.tracks][-2:] == [99, 0]


def test_the_program_follows_the_bank_select_that_belongs_to_it() -> None:
    controls = np.array([(0, 7, 100), (0, 0, 8), (3, 32, 1), (96, 0, 9)], CONTROL)
    track = replace(part(5), controls=controls, notes=notes_array([(10, 5, 60, 80)]))
    messages = list(read_by_mido(score_to_midi(Score(96, (track,)))).tracks[1])
    places = [i for i, m in enumerate(messages) if m.type == "program_change"]
    banks = [i for i, m in enumerate(messages) if m.is_cc(0) or m.is_cc(32)]
    assert banks[1] < places[0] < banks[2]


def test_very_long_rests_are_written() -> None:
    last = 40_000 * 32767
    score = Score(32767, (Track("", 0, notes=notes_array([(last - 1, 1, 60, 80)])),))
    assert read_score(score_to_midi(score), "x").score.end == last


def test_a_score_that_midi_cannot_hold_is_refused() -> None:
    with pytest.raises(M4mError, match="40000 ticks per quarter note"):
        score_to_midi(Score(40_000))
    with pytest.raises(ValueError, match="variable-length"):
        variable_length(-1)


def test_a_file_is_written_with_the_mode_of_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_output(b"abc", str(tmp_path / "a.mid"))
    finally:
        os.umask(old)
    assert (tmp_path / "a.mid").read_bytes() == b"abc"
    assert stat.S_IMODE((tmp_path / "a.mid").stat().st_mode) == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["a.mid"]


def test_a_file_is_replaced_whole_with_its_mode_also_through_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "a.mid", tmp_path / "b.mid"
    target.write_bytes(b"old")
    target.chmod(0o600)
    link.symlink_to(target)
    write_output("new\n", str(link))
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new\n", 0o600)
    assert link.is_symlink()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.mid"
    target.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(M4mError, match=r"a\.mid: cannot write: no space left on device"):
        write_output(b"new", str(target))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.mid", b"old")]


def test_what_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(M4mError, match="no such file or directory"):
        write_output(b"x", str(tmp_path / "none" / "a.mid"))
    with pytest.raises(M4mError, match="is a directory"):
        write_output(b"x", str(tmp_path))
    with pytest.raises(M4mError, match="not a file name"):
        write_output(b"x", "a\0b")
    with pytest.raises(M4mError, match="/dev/full: cannot write: no space left on device"):
        write_output(b"x", "/dev/full")
    write_output(b"x", "/dev/null")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only file")
def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.mid"
    target.write_bytes(b"old")
    target.chmod(0o400)
    with pytest.raises(M4mError, match="permission denied"):
        write_output(b"new", str(target))


CODE = """
import sys
from m4mcli.score.write import *
try: write_output(b"MThd" * int(sys.argv[1]), None, force=len(sys.argv) > 2)
except M4mError as error: sys.exit(f"{error} ({error.status})")
"""


def python(shell: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONPATH": str(Path(m4mcli.__file__).parent.parent)}
    command = ["sh", "-c", f'"$0" -c "$@" {shell}', sys.executable, CODE, *arguments]
    return subprocess.run(command, capture_output=True, env=environment, check=False)


def test_a_large_result_goes_whole_through_a_pipe() -> None:
    assert python("| cat", "200000").stdout == b"MThd" * 200_000


def test_a_full_standard_output_is_told_once() -> None:
    result = python("> /dev/full", "1")
    assert result.stderr == f"stdout: cannot write: no space left on device ({FAILED})\n".encode()
    assert result.returncode == 1


def test_a_closed_standard_output_is_told() -> None:
    assert python(">&-", "1").stderr == f"stdout: closed; use -o FILE ({FAILED})\n".encode()


@pytest.mark.parametrize("forced", [False, True])
def test_midi_is_not_written_to_a_terminal_unless_forced(forced: bool) -> None:
    leader, follower = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(Path(m4mcli.__file__).parent.parent)}
    command = [sys.executable, "-c", CODE, "1", *(["force"] if forced else [])]
    result = subprocess.run(command, stdout=follower, stderr=subprocess.PIPE, env=environment, check=False)
    os.close(follower)
    if forced:
        assert os.read(leader, 100) == b"MThd"
    else:
        assert b"redirect with > out.mid, use -o FILE, or --json" in result.stderr
        assert f"({USAGE})".encode() in result.stderr
    os.close(leader)
