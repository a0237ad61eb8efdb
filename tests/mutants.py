"""Damaged MIDI files by the thousand, through both doors: what must hold of each, and a count of what came of them.

    python tests/mutants.py 300000      # a table of what came of so many, and each that went wrong in hex

What the reader takes must be the same on every reading, must be read back from what it writes, and must be read alike
by mido and symusic from the mended bytes, wherever these two read the standard rightly; and the work of commands is
done on it: it is described, checked, mended, quantized, drawn, cut into frames. Batches run in processes of their own,
so that a crash is counted and found.
"""

import contextlib
import io
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from typing import Any

import mido
import symusic

from m4mcli.errors import M4mError
from m4mcli.frames.frames import track_frames
from m4mcli.inspection.oddities import oddities
from m4mcli.inspection.repair import mended_midi
from m4mcli.inspection.summary import summarize
from m4mcli.picture.panel import panel
from m4mcli.picture.text import plain_roll
from m4mcli.score.container import MAX_QUARTERS
from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.quantization import Quantization
from m4mcli.score.read import Reading, read_score
from m4mcli.score.requantization import requantized
from m4mcli.score.score import Score
from m4mcli.score.write import append_tracks, score_to_midi
from m4mcli.theory.grid import Grid

MEMORY_BYTES = 2 << 30
LIMIT_S = 10.0
BATCH = 500
SLACK = 64
"""Quarters before the last that is read; what is moved or mended there may come to lie beyond it."""
SIXTEENTHS = Quantization(Grid.parse("1/16"), 1.0, 0.5, None, "grid")


def seed_file(rng: random.Random) -> bytes:
    """A small MIDI file of any content."""
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


def mutant(rng: random.Random) -> bytes:
    """A small MIDI file with one to four faults."""
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


def note_rows(score: Score) -> list[tuple[int, ...]]:
    """All notes in order."""
    return sorted(tuple(note) for track in score.tracks for note in track.notes.tolist())


def check(data: bytes) -> bool:
    """Whether the reader takes the file; fails where it, or what is written from it, is not as it must be."""
    try:
        reading = read_score(data, "x")
    except M4mError as error:
        line = str(error)
        if not (line.isprintable() and line.startswith("x: ")):
            raise AssertionError(line) from error
        return False
    assert reading.midi is not None
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
        compare(reading.score, reading.midi, longer)
    work(reading, reading.midi)
    return True


def work(reading: Reading, midi: bytes) -> None:
    """What commands that run no model do with the file; a refusal in one line is well."""
    summarize(reading)
    oddities(reading)
    if reading.score.end > (MAX_QUARTERS - SLACK) * reading.score.tpq:
        return
    assert not [o for o in oddities(read_score(mended_midi(midi, reading.score), "x")) if o.mendable]
    straight, _ = requantized(midi, reading.score, SIXTEENTHS)
    again = read_score(straight, "x")
    assert again.score.note_count == reading.score.note_count
    assert requantized(straight, again.score, SIXTEENTHS)[0] == straight
    track_frames(reading.score.tracks, reading.score.tpq)
    with contextlib.suppress(M4mError):
        plain_roll([panel(reading.score, "x", (1, 4))], 80)


def compare(score: Score, mended: bytes, longer: bytes) -> None:
    """Hold the mended file, and that with one track more, against what mido and symusic read in them."""
    before, after = (mido.MidiFile(file=io.BytesIO(midi)).tracks for midi in (mended, longer))
    assert [list(track) for track in after[: len(before)]] == [list(track) for track in before]
    sounded = sum(m.type == "note_on" and m.velocity > 0 for track in before for m in track)
    assert sounded == score.note_count
    theirs: Any = symusic.Score.from_midi(mended + bytes(64))
    found = sorted((n.time, n.duration, n.pitch, n.velocity) for t in theirs.tracks for n in t.notes)
    assert found == note_rows(score)


def batch(seed: int, count: int) -> tuple[int, float]:
    """Check `count` mutants of a seed; how many were read, and the longest time that one took in seconds.

    What goes wrong with one is told on standard error with its bytes, and raised.
    """
    rng = random.Random(seed)
    read, longest = 0, 0.0
    for _ in range(count):
        data = mutant(rng)
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        began = time.process_time()
        try:
            read += check(data)
        except BaseException:
            traceback.print_exc(limit=-3)
            print(data.hex(" "), file=sys.stderr)
            raise
        longest = max(longest, time.process_time() - began)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return read, longest


def forked(seed: int, count: int) -> tuple[int, int, float, int]:
    """`batch` in a process of its own: its status, mutants read, longest time, peak memory in bytes."""
    with tempfile.TemporaryFile("w+") as report:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
                report.write("{} {}".format(*batch(seed, count)))
                report.flush()
                status = 0
            finally:
                os._exit(status)
        _, status, usage = os.wait4(child, 0)
        report.seek(0)
        read, longest = report.read().split() or ("0", "0")
    return os.waitstatus_to_exitcode(status), int(read), float(longest), usage.ru_maxrss << 10


def main(wanted: int) -> int:
    """Print a table of what came of so many mutants; 1 if any went wrong."""
    counts: Counter[str] = Counter()
    longest, memory, began = 0.0, 0, time.monotonic()
    for seed in range(wanted // BATCH):
        status, read, seconds, peak = forked(seed, BATCH)
        longest, memory = max(longest, seconds), max(memory, peak)
        counts["mutants"] += BATCH
        counts["read"] += read
        kind = {0: "well", 1: "wrong", -signal.SIGPROF: "hang"}.get(status, "crash")
        counts[kind] += 1
        if status:
            print(f"seed {seed}: {kind} ({status})", file=sys.stderr, flush=True)
        if seed % 100 == 99:
            print(f"{dict(counts)} {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print("| mutants | read | batches that went wrong | that crashed | that hung | longest | largest |")
    print("|---|---|---|---|---|---|---|")
    told = (counts[name] for name in ("mutants", "read", "wrong", "crash", "hang"))
    print(f"| {' | '.join(map(str, told))} | {longest:.2f} s | {memory >> 20} MB |")
    return 1 if counts["wrong"] + counts["crash"] + counts["hang"] else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
