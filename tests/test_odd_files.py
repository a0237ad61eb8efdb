"""Odd and damaged files: through both doors, and through whole commands.

Two thousand damaged files go through the doors in a process of its own, so that a crash is a failure of the test. What
the reader takes must be the same on every reading, must be read back from what it writes, and must be read alike by
mido and symusic from the mended bytes, wherever these two read the standard rightly.

Every kind of oddity goes through the commands that take music: status 0 or 1, messages of one line each, no traceback,
nothing written on failure, the same bytes twice.
"""

import gzip
import os
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Run

import m4mcli

MUTANTS = 2000
LIMIT_S = 60
MEMORY_BYTES = 2 << 30

CODE = r"""
import io, random, resource, sys
import mido
from m4mcli.errors import M4mError
from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.read import read_score
from m4mcli.score.write import append_tracks, score_to_midi

resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def seed_file(rng):
    file = mido.MidiFile(type=rng.randrange(2), ticks_per_beat=rng.choice([1, 96, 480, 9600]))
    for _ in range(1 if file.type == 0 else rng.randint(1, 3)):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name="x"), mido.MetaMessage("set_tempo", tempo=9)])
        track.append(mido.MetaMessage("time_signature", numerator=rng.randint(0, 255), denominator=2))
        for _ in range(rng.randint(0, 12)):
            channel, pitch, gap = rng.choice([0, 1, 9]), rng.randint(58, 62), rng.choice([0, 5, 200, 20000])
            kind = rng.choice(["note_on", "note_on", "note_off", "control_change", "program_change", "sysex", "lyrics"])
            if kind == "sysex":
                track.append(mido.Message("sysex", data=(1, 2, 3), time=gap))
            elif kind == "lyrics":
                track.append(mido.MetaMessage("lyrics", text="la", time=gap))
            elif kind == "control_change":
                track.append(mido.Message(kind, channel=channel, control=64, value=pitch, time=gap))
            elif kind == "program_change":
                track.append(mido.Message(kind, channel=channel, program=pitch, time=gap))
            else:
                track.append(mido.Message(kind, channel=channel, note=pitch, velocity=64, time=gap))
        file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def mutant(rng):
    data = bytearray(seed_file(rng))
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data)) if rng.random() < 0.2 else rng.randrange(min(22, len(data) - 1), len(data))
        kind = rng.random()
        if kind < 0.5:
            data[place] = rng.choice([0, 1, 0x7F, 0x80, 0x90, 0xF0, 0xF7, 0xFF, 0x2F, 0x51, 0x58, rng.randrange(256)])
        elif kind < 0.7:
            del data[place : place + rng.randint(1, 4)]
        elif kind < 0.9:
            data[place:place] = rng.randbytes(rng.randint(1, 4))
        else:
            del data[place + 1 :]
        data = data or bytearray(b"M")
    return bytes(data)


def note_rows(score):
    return sorted(tuple(note) for track in score.tracks for note in track.notes.tolist())


def check(data):
    try:
        reading = read_score(data, "x")
    except M4mError as error:
        assert str(error).isprintable() and str(error).startswith("x: "), error
        return False
    text = score_to_json(reading.score)
    again = read_score(data, "x")
    assert (score_to_json(again.score), again.midi, again.warnings) == (text, reading.midi, reading.warnings)
    mended = read_score(reading.midi, "x")
    assert (score_to_json(mended.score), mended.midi) == (text, reading.midi)
    assert {w.partition(":")[0] for w in mended.warnings} <= {"odd-tempo", "many-parts", "format-2"}, mended.warnings
    assert all(warning.isprintable() for warning in reading.warnings)
    assert score_to_json(score_from_json(text)) == text
    mido.MidiFile(file=io.BytesIO(score_to_midi(reading.score)))
    longer = append_tracks(reading.midi, reading.score.tracks[:1])
    assert longer[14 : len(reading.midi)] == reading.midi[14:]
    if not {0xF0, 0xF7} & set(reading.midi):
        compare(reading, longer)
    return True


def compare(reading, longer):
    before, after = (mido.MidiFile(file=io.BytesIO(midi)).tracks for midi in (reading.midi, longer))
    assert [list(track) for track in after[: len(before)]] == [list(track) for track in before]
    sounded = sum(m.type == "note_on" and m.velocity > 0 for track in before for m in track)
    assert sounded == reading.score.note_count
    try:
        import symusic
    except ImportError:
        return
    theirs = symusic.Score.from_midi(reading.midi + bytes(64))
    found = sorted((n.time, n.duration, n.pitch, n.velocity) for t in theirs.tracks for n in t.notes)
    assert found == note_rows(reading.score)


rng = random.Random(20)
count = 0
for _ in range(MUTANTS):
    data = mutant(rng)
    try:
        count += check(data)
    except BaseException:
        print(data.hex(" "), file=sys.stderr)
        raise
print(count)
"""


def test_two_thousand_damaged_files() -> None:
    code = CODE.replace("MUTANTS", str(MUTANTS)).replace("MEMORY", str(MEMORY_BYTES))
    environment = os.environ | {"PYTHONPATH": str(Path(m4mcli.__file__).parent.parent)}
    start = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr.decode()
    assert MUTANTS // 4 < int(result.stdout) < MUTANTS
    assert time.monotonic() - start < LIMIT_S


def track(*events: str) -> bytes:
    """A track chunk of events in hex, each with its delta time."""
    body = bytes.fromhex("".join(events))
    return b"MTrk" + struct.pack(">I", len(body)) + body


def midi(*tracks: bytes, tpq: int = 96, format: int = 1, count: int | None = None) -> bytes:
    return b"MThd" + struct.pack(">IHHH", 6, format, len(tracks) if count is None else count, tpq) + b"".join(tracks)


TUNE = ("00 90 3C 50", "60 80 3C 40", "00 90 40 50", "60 80 40 40", "00 90 43 50", "60 80 43 40")
END = "00 FF 2F 00"
FAR = "FF FF FF 7F"
"""The longest delta time that there is: more than two million quarters of 96 ticks."""

ODD = {
    "plain": (0, midi(track(*TUNE, END))),
    "format 2": (0, midi(track(*TUNE, END), track(*TUNE, END), format=2)),
    "format 9": (1, midi(track(*TUNE, END), format=9)),
    "no division": (1, midi(track(*TUNE, END), tpq=0)),
    "SMPTE division": (1, midi(track(*TUNE, END), tpq=0xE728)),
    "one tick to the quarter": (0, midi(track("00 90 3C 50 04 80 3C 40", END), tpq=1)),
    "the finest division": (0, midi(track("00 90 3C 50 81 FF 7F 80 3C 40", END), tpq=0x7FFF)),
    "too few tracks counted": (0, midi(track(*TUNE, END), track(*TUNE, END), count=1)),
    "too many tracks counted": (0, midi(track(*TUNE, END), count=60000)),
    "a thousand tracks": (0, midi(*[track("00 90 3C 50 10 80 3C 40", END)] * 1000)),
    "cut short": (0, midi(track(*TUNE, END))[:-9]),
    "a header alone": (1, midi()),
    "a track without events": (1, midi(track())),
    "no end of track": (0, midi(track(*TUNE))),
    "notes never released": (0, midi(track(*TUNE, "00 90 45 50", "60 90 47 50", END))),
    "notes released at once": (0, midi(track(*(f"18 90 {p} 50 00 80 {p} 40" for p in ("3C", "3E", "40", "41")), END))),
    "releases without notes": (1, midi(track("00 80 3C 40", "60 80 40 40", END))),
    "every pitch at once": (0, midi(track(*(f"00 90 {p:02X} 50" for p in range(128)), "60 B0 7B 00", END))),
    "one pitch over and over": (0, midi(track(*["00 90 3C 50 00 90 3C 60 30 80 3C 40 30 80 3C 40"] * 8, END))),
    "the lowest and the highest": (0, midi(track("00 90 00 01 60 80 00 40", "00 90 7F 7F 60 80 7F 40", END))),
    "no tempo at all": (0, midi(track("00 FF 51 03 00 00 00", *TUNE, END))),
    "a bar of no beats": (0, midi(track("00 FF 58 04 00 02 18 08", *TUNE, END))),
    "beats of 2^-200": (0, midi(track("00 FF 58 04 04 C8 18 08", *TUNE, END))),
    "bars of 255/1": (0, midi(track("00 FF 58 04 FF 00 18 08", *TUNE, END))),
    "bars of 1/64": (0, midi(track("00 FF 58 04 01 06 18 08", *TUNE, END))),
    "metre changes at every tick": (0, midi(track(*["01 FF 58 04 05 03 18 08"] * 300, *TUNE, END))),
    "an hour of rest": (0, midi(track("84 80 00 FF 01 00", "84 80 00 FF 01 00", *TUNE, "C1 00 FF 01 00", *TUNE, END))),
    "a rest without end": (1, midi(track(*TUNE, f"{FAR} FF 01 00", *TUNE, END))),
    "ticks beyond 32 bits": (1, midi(track(*[f"{FAR} FF 01 00"] * 20, *TUNE, END))),
    "drums alone": (1, midi(track("00 99 24 50", "60 89 24 40", END))),
    "terminal codes in a name": (0, midi(track("00 FF 03 09 1B 5B 32 4A 0A 4D 20 5B 62", *TUNE, END))),
    "system messages in mid track": (0, midi(track("00 F0 03 01 02 F7", *TUNE[:2], "00 F7 01 F8", *TUNE[2:], END))),
    "gzip": (1, gzip.compress(midi(track(*TUNE, END)), mtime=0)),
    "text": (1, b"Am | F | C | G\n"),
    "half of JSON": (1, b'{"m4m": 1, "kind": "score", "tpq": 480, "tracks": ['),
    "JSON of something else": (1, b"[1, 2, 3]"),
    "zeros": (1, bytes(1000)),
    "nothing": (1, b""),
}
"""The status of harmonize, and the file."""

COMMANDS = {"harmonize": ("--best-of", "2"), "quantize": ()}
COMMAND_LIMIT_S, COMMAND_LIMIT_KB = 10, 1 << 20


@pytest.mark.parametrize("name", ODD)
def test_odd_files_through_whole_commands(m4m: Run, tmp_path: Path, name: str) -> None:
    status, data = ODD[name]
    for command, options in COMMANDS.items():
        start = time.monotonic()
        done = m4m(command, *options, "-o", "out.mid", stdin=data)
        assert time.monotonic() - start < COMMAND_LIMIT_S
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < COMMAND_LIMIT_KB
        assert done.returncode in ((status,) if command == "harmonize" else (0, 1)), done.stderr
        lines = done.stderr.decode().splitlines()
        assert all(line.startswith(f"m4m {command}: ") and line.isprintable() for line in lines)
        assert not any("internal error" in line for line in lines)
        assert [line for line in lines if ": warning: " not in line] == ([] if not done.returncode else lines[-1:])
        assert (tmp_path / "out.mid").exists() == (done.returncode == 0)
        if not done.returncode:
            again = m4m(command, *options, stdin=data)
            assert again.stdout == (tmp_path / "out.mid").read_bytes()
            (tmp_path / "out.mid").unlink()
        assert list(tmp_path.iterdir()) == []
