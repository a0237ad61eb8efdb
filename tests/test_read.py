"""The one door in. Every odd file is spelt out in hexadecimal beside what is expected of it."""

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import mido
import numpy as np
import pytest

import m4mcli
from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.score import read
from m4mcli.score.read import Reading, read_score, read_source
from m4mcli.score.score import Track
from m4mcli.score.walk import DamagedTrackError, walk_track

END = "00 ff 2f 00"  # end of track
NOTE = "00 90 40 50  60 80 40 40"  # E4 from tick 0 to tick 96


def hexed(text: str) -> bytes:
    """The bytes of a commented hex dump."""
    return bytes.fromhex(re.sub(r"#.*", "", text))


def smf(*tracks: str | bytes, kind: int = 1, count: int | None = None, tpq: int = 96) -> bytes:
    """A MIDI file of the given track bodies, whose header claims `count` tracks."""
    bodies = [hexed(track) if isinstance(track, str) else track for track in tracks]
    numbers = (kind, len(bodies) if count is None else count, tpq)
    header = b"MThd" + (6).to_bytes(4, "big") + b"".join(n.to_bytes(2, "big") for n in numbers)
    return header + b"".join(b"MTrk" + len(body).to_bytes(4, "big") + body for body in bodies)


def rows(track: Track) -> list[tuple[int, ...]]:
    return [tuple(map(int, note)) for note in track.notes.tolist()]


def notes(reading: Reading) -> list[list[tuple[int, ...]]]:
    return [rows(track) for track in reading.score.tracks]


def names(reading: Reading) -> list[str]:
    return [warning.partition(":")[0] for warning in reading.warnings]


def read_by_mido(data: bytes | None) -> mido.MidiFile:
    assert data is not None
    return mido.MidiFile(file=io.BytesIO(data))


PLAIN = smf(
    f"""00 ff 03 04 54 65 73 74        # track name "Test"
        00 ff 51 03 07 a1 20           # tempo 500000
        00 ff 58 04 06 03 24 08        # 6/8
        00 ff 59 02 fd 01              # C minor
        00 ff 06 01 41                 # marker "A"
        00 ff 05 02 6c 61              # lyric "la"
        00 c0 28                       # program 40
        00 b0 07 64                    # volume 100
        00 e0 00 60                    # bend 4096
        00 90 3c 50                    # C4 on
        60 3e 51                       # running status: D4 on at 96
        60 80 3c 00                    # C4 off at 192
        00 90 3e 00                    # D4 off, as note-on of velocity 0
        {END}"""
)


def test_a_plain_file_is_read_whole_and_keeps_its_bytes() -> None:
    reading = read_score(PLAIN, "plain.mid")
    score, track = reading.score, reading.score.tracks[0]
    assert (reading.kind, reading.midi, reading.warnings) == ("midi", PLAIN, ())
    assert notes(reading) == [[(0, 192, 60, 80), (96, 96, 62, 81)]]
    assert (track.name, track.program, track.is_drum, track.lyrics) == ("Test", 40, False, ((0, "la"),))
    assert track.controls.tolist() == [(0, 7, 100)]
    assert track.bends.tolist() == [(0, 4096)]
    assert [(t.tick, t.microseconds) for t in score.tempos] == [(0, 500_000)]
    assert [(s.tick, s.numerator, s.denominator) for s in score.time_signatures] == [(0, 6, 8)]
    assert [(k.tick, k.fifths, k.minor) for k in score.key_signatures] == [(0, -3, True)]
    assert score.markers == ((0, "A"),)


@pytest.mark.parametrize(
    ("track", "expected", "warning"),
    [
        ("00 90 40 50  60 90 43 50  60 80 43 00" + END, [(0, 192, 64, 80), (96, 96, 67, 80)], "unfinished-note"),
        (NOTE, [(0, 96, 64, 80)], "no-end-of-track"),
        (NOTE + "00 90 40", [(0, 96, 64, 80)], "cut-event"),
        (NOTE + "00 ff 03 20 41 42", [(0, 96, 64, 80)], "cut-event"),
        (NOTE + END + "00 90 43 50 60 80 43 00" + END, [(0, 96, 64, 80)], "after-end"),
        (NOTE + "00 ff 2f 04 00 00 00 00", [(0, 96, 64, 80)], "after-end"),
        ("00 c0 ff" + NOTE + END, [(0, 96, 64, 80)], "clamped"),
        ("00 b0 07 c8" + NOTE + END, [(0, 96, 64, 80)], "clamped"),
        ("00 90 ff ff  60 80 ff 00" + END, [(0, 96, 127, 127)], "clamped"),
        ("00 f3 ff" + NOTE + END, [(0, 96, 64, 80)], "clamped"),
        ("00 ff 51 00" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),  # a tempo of no bytes
        ("00 ff 51 02 07 a1" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),
        ("00 ff 51 03 00 00 00" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),  # a tempo without time
        ("00 ff 58 01 04" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),
        ("00 ff 59 02 08 00" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),  # eight sharps
        ("00 ff 59 01 00" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),
        ("00 ff 54 05 ff ff ff ff ff" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),  # an SMPTE offset
        ("00 ff 00 01 00" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),  # half a sequence number
        ("00 ff 20 00" + NOTE + END, [(0, 96, 64, 80)], "bad-meta"),  # a channel prefix without channel
        ("00 ff 58 04 00 02 18 08" + NOTE + END, [(0, 96, 64, 80)], "odd-time-signature"),  # 0/4
        ("00 ff 58 04 04 1f 18 08" + NOTE + END, [(0, 96, 64, 80)], "odd-time-signature"),  # 4/2^31
        ("00 ff 51 03 00 00 01" + NOTE + END, [(0, 96, 64, 80)], "odd-tempo"),  # 60 million bpm
    ],
)
def test_a_fault_is_mended_with_a_warning_and_mido_reads_the_mended_bytes(
    track: str, expected: list[tuple[int, ...]], warning: str
) -> None:
    reading = read_score(smf(track), "odd.mid")
    assert notes(reading) == [expected]
    assert warning in names(reading)
    again = read_score(reading.midi or b"", "mended")
    assert notes(again) == [expected]
    assert set(names(again)) <= {"odd-tempo"}
    sounded = [m for t in read_by_mido(reading.midi).tracks for m in t if m.type == "note_on" and m.velocity]
    assert len(sounded) == len(expected)


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        ("00 90 40 50  00 80 40 00" + END, [(0, 0, 64, 80)]),  # no length
        (
            "00 90 40 50  60 40 51  60 40 00  60 40 00" + END,
            [(0, 192, 64, 80), (96, 192, 64, 81)],
        ),  # first in first out
        ("60 80 40 00" + NOTE + END, [(96, 96, 64, 80)]),  # released before it was struck
        ("80 80 00 90 40 50  81 80 00 80 40 00" + END, [(0, 16384, 64, 80)]),  # times written at length
        ("00 90 40 50  00 ff 01 01 41  60 40 00" + END, [(0, 96, 64, 80)]),  # running status after a meta event
        ("00 90 40 50  00 f0 05 7e 7f 06 01 f7  60 40 00" + END, [(0, 96, 64, 80)]),  # after system exclusive
        ("00 f0 02 43 12  60 f7 03 43 12 f7" + NOTE + END, [(96, 96, 64, 80)]),  # exclusive in two packets
        ("60 f7 02 f3 01" + NOTE + END, [(96, 96, 64, 80)]),  # escaped bytes
        ("00 f0 03 43 12 00" + NOTE + END, [(0, 96, 64, 80)]),  # exclusive without its end
        ("00 f2 01 02 00 f3 01 00 f6 00 f8 00 fe" + NOTE + END, [(0, 96, 64, 80)]),  # what belongs on a wire
        ("00 ff 70 02 01 02" + NOTE + END, [(0, 96, 64, 80)]),  # an unknown meta event
        ("00 ff 58 04 81 02 18 08" + NOTE + END, [(0, 96, 64, 80)]),  # a cadenza of 129/4
        ("00 a0 40 50 00 d0 30" + NOTE + END, [(0, 96, 64, 80)]),  # aftertouch
        (NOTE + "bd 84 40 ff 2f 00", [(0, 96, 64, 80)]),  # an end of track a million ticks later
    ],
)
def test_what_the_standard_allows_is_read_without_a_word(track: str, expected: list[tuple[int, ...]]) -> None:
    reading = read_score(smf(track), "odd.mid")
    assert notes(reading) == [expected]
    assert reading.warnings == ()


def test_running_status_after_system_exclusive_is_written_out_for_other_readers() -> None:
    reading = read_score(smf("00 90 40 50  00 f0 01 f7  60 40 00" + END), "odd.mid")
    assert reading.midi == smf("00 90 40 50  00 f0 01 f7  60 90 40 00" + END)
    assert [m.type for m in read_by_mido(reading.midi).tracks[0]] == ["note_on", "sysex", "note_on", "end_of_track"]


def test_a_bad_meta_event_keeps_its_bytes_as_sequencer_specific() -> None:
    reading = read_score(smf("00 ff 51 02 07 a1" + NOTE + END), "odd.mid")
    assert reading.midi == smf("00 ff 7f 02 07 a1" + NOTE + END)
    assert reading.score.tempos == ()


def test_system_exclusive_in_packets_comes_out_as_it_came_in() -> None:
    data = smf("00 f0 02 43 12  60 f7 03 43 12 f7" + NOTE + END)
    assert read_score(data, "odd.mid").midi == data


def test_a_time_signature_that_cannot_be_is_four_four() -> None:
    score = read_score(smf("00 ff 58 04 00 02 18 08" + NOTE + END), "odd.mid").score
    assert [(s.numerator, s.denominator) for s in score.time_signatures] == [(4, 4)]


WHOLE = smf(NOTE + END, NOTE + END)
BODY = bytes(8) + hexed(NOTE + END)
HEADER = WHOLE[:14]
TRACK = WHOLE[14 : 14 + 8 + 12]


@pytest.mark.parametrize(
    ("data", "tracks", "warnings"),
    [
        (smf(NOTE + END, NOTE + END, count=1), 2, ["track-count"]),
        (smf(NOTE + END, count=9), 1, ["track-count"]),
        (smf(NOTE + END, NOTE + END, kind=0), 2, ["format-0"]),
        (smf(NOTE + END, NOTE + END, kind=2), 2, ["format-2"]),
        (HEADER + b"XFIH\0\0\0\2ab" + TRACK + TRACK, 2, ["alien-chunk"]),
        (HEADER + b"XFIH\xff\xff\xff\xf0" + TRACK + TRACK, 2, ["alien-chunk"]),
        (WHOLE + bytes(range(200)), 2, ["stray-bytes"]),
        (WHOLE + b"\0", 2, ["stray-bytes"]),
        (WHOLE + b"MTrk\0", 2, ["stray-bytes"]),
        (HEADER + b"\1\2" + TRACK + TRACK, 2, ["stray-bytes"]),
        (WHOLE.replace(b"\0\0\0\x0c", b"\0\0\0\x20", 1), 2, ["cut-short"]),
        (WHOLE.replace(b"\0\0\0\x0c", b"\0\0\xff\xff", 1), 2, ["cut-short"]),
        (WHOLE[:-1], 2, ["cut-short", "cut-event", "no-end-of-track"]),
        (WHOLE.replace(b"\0\0\0\x0c", b"\0\0\0\0", 1), 2, ["track-length"]),  # says 0 bytes, has 12
        (WHOLE.replace(b"\0\0\0\x0c", b"\0\0\0\x07", 1), 2, ["track-length"]),
        (WHOLE.replace(b"\0\0\0\6", b"\0\0\0\x08", 1)[:14] + b"\0\0" + TRACK + TRACK, 2, []),  # a longer header
        (WHOLE.replace(b"\0\0\0\6", b"\xff\xff\xff\xff", 1), 2, ["header-length"]),
        (b"\r\n" + WHOLE, 2, ["leading-bytes"]),
        (bytes(128) + WHOLE, 2, ["leading-bytes"]),  # MacBinary
        (b"RIFF\0\0\0\0RMIDdata" + len(WHOLE).to_bytes(4, "little") + WHOLE + b"LIST\0\0\0\0", 2, []),
        (b"RIFF\0\0\0\0RMIDabcd\1\0\0\0x\0data" + len(WHOLE).to_bytes(4, "little") + WHOLE, 2, []),
    ],
)
def test_the_container_is_mended(data: bytes, tracks: int, warnings: list[str]) -> None:
    reading = read_score(data, "odd.mid")
    assert [w for w in names(reading) if w != "no-end-of-track"] == [w for w in warnings if w != "no-end-of-track"]
    assert notes(reading) == [[(0, 96, 64, 80)]] * tracks
    written = read_by_mido(reading.midi)
    assert len(written.tracks) == tracks
    assert read_score(reading.midi or b"", "mended").midi == reading.midi


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty input"),
        (b"\x1f\x8b\x08\0rest", "gzip data"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"<?xml version='1.0'?><score-partwise/>", "XML, such as MusicXML"),
        (b"X: 1\nT: A Tune\nK: C\n", "an ABC tune without music"),
        (b"%abc-2.1\nX:1\n", "an ABC tune without music"),
        (b"Once upon a time\n", "(text)"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a RIFF file without MIDI"),
        (b"RIFF\x24\0\0\0RMIDLIST\0\0\0\0", "RIFF MIDI file without its data"),
        (b"SMF2CLIP\0\0\0\0", "a MIDI 2.0 clip"),
        (b"MTrk\0\0\0\0", "a MIDI track without its file header"),
        (bytes(1024), "zero bytes"),
        (b"\x80\x81\x82\x83", "unknown data"),
        (b"M", "cut off after 1 byte)"),
        (b"MThd\0\0\0\6\0\1", "header cut off after 10 bytes"),
        (smf(NOTE + END)[:14], "no tracks in it"),
        (smf(NOTE + END).replace(b"\0\0\0\6", b"\0\0\0\4"), "header of 4 bytes"),
        (smf(NOTE + END, kind=3), "MIDI format 3"),
        (smf(NOTE + END, tpq=0), "zero ticks per quarter note"),
        (smf(NOTE + END, tpq=0xE728), "SMPTE frames (25 a second x 40)"),
        (smf("00 40 50" + END), "track 1 has an event without a status at its byte 1"),
        (smf(NOTE + END, "00 f4" + NOTE + END), "track 2 has the undefined status byte 0xf4"),
        (smf("80 80 80 80 00 90 40 50" + END), "track 1 has a number longer than 4 bytes"),
        (smf("ff ff ff 7f 90 40 50 00 40 00" + END), "a time of 268435455 ticks"),
        (smf("00 90 40 50 ff ff ff 7f ff 2f 00"), "a time of 268435455 ticks"),
        (smf("ff ff ff 7f ff 06 01 41" + END), "a time of 268435455 ticks"),
        (smf(*[END] * 1025), "more than the 1024 tracks"),
        (smf(NOTE + END) + b"abcd\0\0\0\0" * 2000, "more than 1000 chunks that are no tracks"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(data: bytes, message: str) -> None:
    with pytest.raises(M4mError, match=re.escape(message)) as caught:
        read_score(data, "file.mid")
    assert str(caught.value).startswith("file.mid: ")
    assert str(caught.value).isprintable()
    assert caught.value.status == FAILED


def test_deltas_that_wrap_32_bits_are_refused() -> None:
    body = "00 90 40 50" + "ff ff ff 7f 40 50" * 17 + END
    with pytest.raises(M4mError, match="later than the 3840000 that m4m reads"):
        read_score(smf(body), "wrap.mid")


def test_a_long_piece_of_fine_ticks_is_within_the_bounds() -> None:
    body = "00 90 40 50" + "86 ee 97 00 40 00" + END  # 14 388 096 ticks: 25 minutes at 9600 ticks and 60 bpm
    assert read_score(smf(body, tpq=9600), "long.mid").score.end == 14388096


def test_too_many_notes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_NOTES", 3)
    assert read_score(smf(*[NOTE + END] * 3), "x").score.note_count == 3
    with pytest.raises(M4mError, match="more than the 3 notes"):
        read_score(smf(*[NOTE + END] * 4), "x")


def test_too_many_events_are_refused() -> None:
    assert walk_track(hexed(NOTE + END), 1, 1000, budget=3).count == 2
    with pytest.raises(DamagedTrackError, match="more events than"):
        walk_track(hexed(NOTE + END), 1, 1000, budget=2)


def test_warnings_of_one_kind_are_told_three_times_then_counted() -> None:
    reading = read_score(smf(*[NOTE] * 8), "x")
    assert reading.warnings[:3] == tuple(f"no-end-of-track: added at the end of track {n}" for n in (1, 2, 3))
    assert reading.warnings[3:] == ("no-end-of-track: 5 more like it",)


def test_one_track_of_several_channels_and_programs_is_split_into_parts() -> None:
    body = f"""00 ff 03 01 78               # track name "x"
               00 c0 05 {NOTE}              # channel 1, program 5
               00 c0 06 {NOTE}              # channel 1, program 6
               00 99 24 64  60 89 24 00     # channel 10: drums
               {END}"""
    tracks = read_score(smf(body, kind=0), "x").score.tracks
    assert [(t.name, t.program, t.is_drum, rows(t)[0][0]) for t in tracks] == [
        ("x", 5, False, 0),
        ("x", 6, False, 96),
        ("x", 0, True, 192),
    ]


def test_a_program_set_in_another_track_counts_from_its_tick_on() -> None:
    setup = "00 c0 28 60 c0 29" + END
    player = NOTE + NOTE + END
    tracks = read_score(smf(setup, player), "x").score.tracks
    assert [(t.program, rows(t)[0][0]) for t in tracks] == [(40, 0), (41, 96)]
    apart = read_score(smf(setup, player, kind=2), "x").score.tracks
    assert [t.program for t in apart] == [0]


def test_controllers_go_with_the_part_that_sounds_with_them() -> None:
    body = f"""00 b0 07 01                  # before any program: belongs to the first part
               00 c0 05 00 b0 07 02 {NOTE}
               00 c0 06 00 b0 07 03 {NOTE}
               00 c0 07 00 b0 07 04         # nothing sounds with program 7: belongs to the last part
               00 b3 0a 40                  # nothing sounds on channel 4: a part without notes
               {END}"""
    tracks = read_score(smf(body), "x").score.tracks
    assert [(t.program, t.controls["value"].tolist(), len(t.notes)) for t in tracks] == [
        (5, [1, 2], 1),
        (6, [3, 4], 1),
        (0, [64], 0),
    ]


def test_controllers_of_a_channel_that_another_track_plays_go_there() -> None:
    tracks = read_score(smf("00 b0 07 01 00 e0 00 50" + END, NOTE + END), "x").score.tracks
    assert [(t.controls["value"].tolist(), t.bends["value"].tolist()) for t in tracks] == [([1], [2048])]


def test_tracks_without_notes_are_kept_for_their_lyrics_or_their_instrument_only() -> None:
    title = "00 ff 03 01 54" + END
    words = "00 ff 03 01 57 00 ff 05 02 6c 61" + END
    silent = "00 ff 03 01 53 00 c5 30" + END
    tracks = read_score(smf(title, words, silent, END, NOTE + END), "x").score.tracks
    assert [(t.name, t.program, t.lyrics, len(t.notes)) for t in tracks] == [
        ("W", 0, ((0, "la"),), 0),
        ("S", 48, (), 0),
        ("", 0, (), 1),
    ]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Flöte".encode(), "Flöte"),
        ("Flöte".encode("latin-1"), "Flöte"),
        (b"a\0b\x1b[31m[bold]", "a\0b\x1b[31m[bold]"),
        ("ピアノ".encode("shift-jis"), "ピアノ".encode("shift-jis").decode("latin-1")),
        (b"", ""),
    ],
)
def test_text_of_any_encoding_is_kept(written: bytes, name: str) -> None:
    body = b"\0\xff\x03" + bytes([len(written)]) + written + hexed(NOTE + END)
    assert read_score(smf(body), "x").score.tracks[0].name == name


def test_of_several_tempos_at_one_tick_the_last_counts() -> None:
    first = "00 ff 51 03 07 a1 20 60 ff 51 03 07 00 00" + END
    second = "00 ff 51 03 06 00 00" + NOTE + END
    tempos = read_score(smf(first, second), "x").score.tempos
    assert [(t.tick, t.microseconds) for t in tempos] == [(0, 0x060000), (96, 0x070000)]


def test_very_many_parts_in_one_track_are_told() -> None:
    body = "".join(f"00 c0 {program:02x} {NOTE}" for program in range(20)) + END
    reading = read_score(smf(body, kind=0), "x")
    assert reading.warnings == ("many-parts: track 1 holds 20 parts (channel and program)",)


def test_a_million_events_take_seconds() -> None:
    same_pitch = hexed("00 90 40 50") * 150_000 + hexed("00 80 40 00") * 150_000
    plain = hexed(NOTE) * 150_000
    start = time.process_time()
    reading = read_score(smf(same_pitch + hexed(END), plain + hexed(END), tpq=0x7FFF), "big.mid")
    assert reading.score.note_count == 300_000
    assert time.process_time() - start < 10


def test_reading_agrees_with_symusic_on_plain_files() -> None:
    symusic = pytest.importorskip("symusic")
    rng = np.random.default_rng(5)
    for _ in range(20):
        out, tracks = mido.MidiFile(type=1, ticks_per_beat=120), int(rng.integers(1, 5))
        for channel in range(tracks):
            messages = [mido.Message("program_change", channel=channel, program=int(rng.integers(128)))]
            for _ in range(60):
                velocity, pitch = int(rng.integers(0, 128)), int(rng.integers(50, 60))
                gap = int(rng.integers(0, 400))
                messages.append(mido.Message("note_on", channel=channel, note=pitch, velocity=velocity, time=gap))
            ends = [mido.Message("note_off", channel=channel, note=p, time=1) for p in range(50, 60) for _ in range(60)]
            out.tracks.append(mido.MidiTrack(messages + ends))
        buffer = io.BytesIO()
        out.save(file=buffer)
        ours = read_score(buffer.getvalue(), "x").score
        theirs = symusic.Score.from_midi(buffer.getvalue())
        found = [
            (t.program, sorted((n.time, n.duration, n.pitch, n.velocity) for n in t.notes))
            for t in theirs.tracks
            if len(t.notes)
        ]
        assert [(t.program, sorted(rows(t))) for t in ours.tracks if len(t.notes)] == found


def test_a_file_is_read_and_named(tmp_path: Path) -> None:
    file = tmp_path / "a.mid"
    file.write_bytes(PLAIN)
    assert read_source(str(file)) == (PLAIN, str(file))


def test_what_cannot_be_opened_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(M4mError, match=r"none\.mid: no such file"):
        read_source(str(tmp_path / "none.mid"))
    with pytest.raises(M4mError, match="is a directory"):
        read_source(str(tmp_path))
    with pytest.raises(M4mError, match="not a file name"):
        read_source("a\0b")


def test_too_large_a_file_is_refused_even_an_endless_one() -> None:
    with pytest.raises(M4mError, match=r"/dev/zero: larger than 1 MiB"):
        read_source("/dev/zero", max_bytes=1 << 20)


def from_stdin(stdin: bytes | None, shell: str = '"$0" -c "$1"') -> subprocess.CompletedProcess[bytes]:
    code = (
        "from m4mcli.score.read import *\n"
        "try: data, name = read_source('-'); print(name, len(data))\n"
        "except M4mError as error: print(error, error.status)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(m4mcli.__file__).parent.parent)}
    command = ["sh", "-c", shell, sys.executable, code]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, check=False)


def test_standard_input_is_read_through_a_real_pipe() -> None:
    assert from_stdin(PLAIN).stdout.decode().split() == ["stdin", str(len(PLAIN))]


def test_closed_standard_input_is_a_usage_error() -> None:
    result = from_stdin(None, '"$0" -c "$1" <&-')
    assert result.stdout.decode() == f"stdin: closed; name a FILE or pipe one in {USAGE}\n"
    assert result.stderr == b""
