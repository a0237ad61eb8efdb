"""Two thousand damaged files through both doors, in a process of its own, so that a crash is a failure of the test.

What the reader takes must be the same on every reading, must be read back from what it writes, and must be read alike
by mido and symusic from the mended bytes, wherever these two read the standard rightly.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

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
