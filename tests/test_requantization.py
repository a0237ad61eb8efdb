"""Quantizing the bytes of a MIDI file: all that is no note stays where it is, as it is."""

import io
from pathlib import Path
from typing import Any

import mido
import pytest
from conftest import Run

from m4mcli.score.events import join, split
from m4mcli.score.quantization import Quantization
from m4mcli.score.read import read_score
from m4mcli.score.requantization import requantized
from m4mcli.theory.grid import Grid

QUARTERS = Quantization(Grid.parse("1/4"))


def rich_file() -> bytes:
    """A file with all that must stay: pedal, bends, lyrics, sysex, text, running status, two tempi, two metres."""
    song = mido.MidiFile(type=1, ticks_per_beat=480)
    conductor = mido.MidiTrack(
        [
            mido.MetaMessage("time_signature", numerator=3, denominator=4, time=0),
            mido.MetaMessage("set_tempo", tempo=400_000, time=0),
            mido.MetaMessage("set_tempo", tempo=600_000, time=1433),
            mido.MetaMessage("time_signature", numerator=4, denominator=4, time=7),
            mido.MetaMessage("end_of_track", time=0),
        ]
    )
    part = mido.MidiTrack(
        [
            mido.MetaMessage("track_name", name="Part", time=0),
            mido.Message("sysex", data=(0x7E, 0x7F, 9, 1), time=0),
            mido.Message("program_change", program=40, time=3),
            mido.Message("control_change", control=64, value=127, time=2),
            mido.Message("note_on", note=60, velocity=80, time=6),
            mido.MetaMessage("lyrics", text="la", time=0),
            mido.Message("pitchwheel", pitch=1234, time=100),
            mido.Message("note_on", note=60, velocity=0, time=113),
            mido.Message("note_on", note=62, velocity=70, time=50),
            mido.Message("control_change", control=64, value=0, time=20),
            mido.Message("aftertouch", value=5, time=0),
            mido.Message("note_off", note=62, velocity=33, time=190),
            mido.Message("program_change", program=73, time=201),
            mido.Message("note_on", note=64, velocity=90, time=40),
            mido.Message("note_off", note=64, velocity=64, time=500),
            mido.MetaMessage("text", text="the end", time=1000),
            mido.MetaMessage("end_of_track", time=77),
        ]
    )
    song.tracks = [conductor, part]
    out = io.BytesIO()
    song.save(file=out)
    return out.getvalue()


def everything_but_notes(midi: bytes) -> list[list[tuple[int, Any]]]:
    """The events of each track with their ticks as mido reads them, without notes and program changes."""
    out = []
    for track in mido.MidiFile(file=io.BytesIO(midi)).tracks:
        tick, events = 0, []
        for message in track:
            tick += message.time
            if not message.type.startswith(("note", "program")):
                events.append((tick, message.copy(time=0)))
        out.append(events)
    return out


@pytest.mark.parametrize(
    "options", [(), ("--grid", "1/4"), ("--grid", "1/8t", "--ends", "keep"), ("--strength", "0.4")]
)
def test_all_that_is_no_note_stays_in_place(m4m: Run, options: tuple[str, ...]) -> None:
    done = m4m("quantize", *options, stdin=rich_file())
    assert done.returncode == 0, done.stderr
    assert everything_but_notes(done.stdout) == everything_but_notes(rich_file())


def test_a_program_change_is_not_crossed() -> None:
    midi, _ = requantized(rich_file(), read_score(rich_file(), "rich").score, QUARTERS)
    programs = {t.program: [int(n["pitch"]) for n in t.notes] for t in read_score(midi, "moved").score.tracks}
    assert programs == {40: [60, 62], 73: [64]}


def test_release_velocities_and_note_ends_of_velocity_0_are_kept() -> None:
    midi, _ = requantized(rich_file(), read_score(rich_file(), "rich").score, QUARTERS)
    messages = list(mido.MidiFile(file=io.BytesIO(midi)).tracks[1])
    assert [m.velocity for m in messages if m.type == "note_off"] == [33, 64]
    assert [m.velocity for m in messages if m.type == "note_on"] == [80, 0, 70, 90]


@pytest.mark.parametrize("name", ["played", "ode-to-joy", "greensleeves"])
def test_taking_a_file_apart_and_putting_it_together(examples: Path, name: str) -> None:
    midi = (examples / f"{name}.mid").read_bytes()
    assert join(split(midi)) == midi


def test_running_status_is_understood() -> None:
    body = bytes.fromhex("00 90 3c 40  60 3c 00  00 3e 40  60 3e 00  00 ff 2f 00".replace(" ", ""))
    midi = bytes.fromhex("4d546864 00000006 0000 0001 0060".replace(" ", ""))
    midi += b"MTrk" + len(body).to_bytes(4, "big") + body
    events = split(midi)[1].events
    assert events is not None
    assert [(e.tick, e.is_note_on, e.is_note_off, e.data[1]) for e in events[:4]] == [
        (0, True, False, 60),
        (96, False, True, 60),
        (96, True, False, 62),
        (192, False, True, 62),
    ]
