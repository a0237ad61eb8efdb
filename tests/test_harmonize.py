"""`m4m harmonize` through the command line, bytes in and bytes out; mido is the second reader.

Nothing here depends on what the trained weights prefer, only on what must hold whatever they do.
"""

import io
import itertools
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import pytest
from conftest import ROOT, Run, environment

from m4mcli.score.json_form import score_to_json
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, Track, notes_array
from m4mcli.tasks.task import TASKS
from m4mcli.theory.chords import parse_chord

TASK = TASKS["harmonize"]
Chord = tuple[int, int, tuple[int, ...]]
"""Start tick, stop tick, pitches from the bass up."""

ODE = ROOT / "commands" / "examples" / "ode-to-joy.mid"
GREENSLEEVES = ROOT / "commands" / "examples" / "greensleeves.mid"
SCALE = (60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62)
QUICK = ("--best-of", "1")
"""One sample: how the best of several is chosen has tests of its own."""


def melody(
    ticks: list[int],
    *,
    tpq: int = 480,
    signatures: tuple[tuple[int, int, int], ...] = ((0, 4, 4),),
    tempi: tuple[tuple[int, int], ...] = ((0, 500_000),),
    pitches: tuple[int, ...] = SCALE,
    format: int = 1,
) -> bytes:
    """A melody whose notes begin at `ticks`, the last of which is its end, with events of many kinds."""
    events: list[tuple[int, int, Any]] = [
        *((t, 0, mido.MetaMessage("time_signature", numerator=n, denominator=d)) for t, n, d in signatures),
        *((t, 0, mido.MetaMessage("set_tempo", tempo=us)) for t, us in tempi),
    ]
    line: list[tuple[int, int, Any]] = [
        (0, 0, mido.MetaMessage("track_name", name="Tune")),
        (0, 1, mido.Message("program_change", channel=3, program=73)),
        (0, 1, mido.Message("sysex", data=(0x7E, 0x7F, 9, 1))),
    ]
    for i, (on, off) in enumerate(itertools.pairwise(ticks)):
        pitch = pitches[i % len(pitches)]
        line.append((on, 2, mido.MetaMessage("lyrics", text=f"la{i}")))
        line.append((on, 3, mido.Message("note_on", channel=3, note=pitch, velocity=70 + i % 20)))
        line.append((off, 1, mido.Message("note_off", channel=3, note=pitch, velocity=11)))
        if i % 5 == 0:
            line.append((on, 2, mido.Message("control_change", channel=3, control=1, value=i % 128)))
            line.append((on, 2, mido.Message("pitchwheel", channel=3, pitch=i)))
    file = mido.MidiFile(type=format, ticks_per_beat=tpq)
    for track in [events + line] if format == 0 else [events, line]:
        file.tracks.append(mido.MidiTrack())
        now = 0
        for tick, _, message in sorted(track, key=lambda event: event[:2]):
            file.tracks[-1].append(message.copy(time=tick - now))
            now = tick
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def steps(step: float, until: int, start: int = 0) -> list[int]:
    """Ticks a step apart that lie before `until`, and `until`."""
    ticks = (start + round(i * step) for i in itertools.count())
    return [*itertools.takewhile(lambda tick: tick < until, ticks), until]


def chords_of(midi: bytes) -> list[Chord]:
    """The chords of a file's last track, as mido reads them: what begins together."""
    now, open_notes, found = 0, {}, []
    for message in mido.MidiFile(file=io.BytesIO(midi)).tracks[-1]:
        now += message.time
        if message.type == "note_on" and message.velocity:
            open_notes[message.note] = now
        elif message.type in ("note_on", "note_off"):
            found.append((open_notes.pop(message.note), now, message.note))
    assert not open_notes
    chords = []
    for start, group in itertools.groupby(sorted(found), key=lambda note: note[0]):
        notes = list(group)
        assert len({stop for _, stop, _ in notes}) == 1, "a chord's notes end together"
        chords.append((start, notes[0][1], tuple(pitch for *_, pitch in notes)))
    return chords


def harmonized(m4m: Run, source: bytes, *options: str | Path) -> list[Chord]:
    """The chords that were written, after checking that the input is still there and the part is a sound one."""
    done = m4m("harmonize", *QUICK, *options, stdin=source)
    assert (done.returncode, done.stderr) == (0, b"")
    old, new = (mido.MidiFile(file=io.BytesIO(data)) for data in (source, done.stdout))
    assert [list(track) for track in new.tracks[:-1]] == [list(track) for track in old.tracks]
    assert new.ticks_per_beat == old.ticks_per_beat
    assert new.tracks[-1].name == "Chords"
    assert new.type == 1
    chords = chords_of(done.stdout)
    assert chords, "never a silent answer"
    for (start, stop, pitches), following in itertools.zip_longest(chords, chords[1:]):
        assert start < stop
        assert following is None or stop <= following[0], "chords do not overlap"
        assert len(pitches) >= 3
        assert 24 <= pitches[0] < pitches[-1] <= 96
    return chords


def starts(chords: list[Chord]) -> set[int]:
    return {start for start, _, _ in chords}


def end_of(source: bytes) -> int:
    return read_score(source, "source").score.end


METRES = {
    "4/4": (4, 4, 1),
    "3/4": (3, 4, 1),
    "2/4": (2, 4, 1),
    "5/4": (5, 4, 1),
    "2/2": (2, 2, 2),
    "6/8": (6, 8, 1.5),
    "9/8": (9, 8, 1.5),
    "12/8": (12, 8, 1.5),
    "7/8": (7, 8, 0.5),
    "5/8": (5, 8, 0.5),
    "7/16": (7, 16, 0.25),
}
"""Numerator, denominator, and the quarters from beat to beat."""


@pytest.mark.parametrize(("numerator", "denominator", "beat"), METRES.values(), ids=METRES)
def test_chords_begin_on_the_beats_of_every_metre(m4m: Run, numerator: int, denominator: int, beat: float) -> None:
    tpq = 480
    bar = 4 * tpq * numerator // denominator
    source = melody(
        steps(tpq / 4 if denominator == 16 else tpq / 2, 6 * bar), signatures=((0, numerator, denominator),)
    )
    chords = harmonized(m4m, source)
    assert starts(chords) <= set(steps(beat * tpq, 6 * bar))
    assert chords[0][0] == 0
    assert chords[-1][1] == 6 * bar
    assert all(stop == following for (_, stop, _), (following, _, _) in itertools.pairwise(chords))


@pytest.mark.parametrize("tpq", [1, 10, 24, 96, 101, 480, 9600])
@pytest.mark.parametrize(("numerator", "denominator", "beat"), [(4, 4, 1.0), (6, 8, 1.5)], ids=["4/4", "6/8"])
def test_chords_begin_on_the_beats_at_every_resolution(
    m4m: Run, tpq: int, numerator: int, denominator: int, beat: float
) -> None:
    bars = [round(i * tpq * 4 * numerator / denominator) for i in range(9)]
    source = melody(steps(max(1, tpq / 2), bars[-1]), tpq=tpq, signatures=((0, numerator, denominator),))
    chords = harmonized(m4m, source)
    beats = [round(bar + i * beat * tpq) for bar in bars[:-1] for i in range(round(numerator * 4 / denominator / beat))]
    assert starts(chords) <= set(beats)
    assert (chords[0][0], chords[-1][1]) == (0, bars[-1])


def test_tempi_and_metres_that_change_in_mid_piece(m4m: Run) -> None:
    signatures = ((0, 4, 4), (4 * 1920, 3, 4), (4 * 1920 + 4 * 1440, 6, 8), (4 * 1920 + 8 * 1440, 5, 4))
    end = signatures[-1][0] + 3 * 2400
    tempi = tuple((i * 1111, 400_000 + 13_000 * i) for i in range(12))
    chords = harmonized(m4m, melody(steps(240, end), signatures=signatures, tempi=tempi))
    beats = {*steps(480, signatures[2][0]), *steps(720, signatures[3][0], signatures[2][0])}
    assert starts(chords) <= beats | set(steps(480, end, signatures[3][0]))
    assert chords[-1][1] == end


def test_a_bar_cut_short_by_a_change_of_metre_has_the_beats_that_fit(m4m: Run) -> None:
    source = melody(steps(240, 9000), signatures=((0, 4, 4), (3000, 3, 4)))
    beats = {0, 480, 960, 1440, 1920, 2400, 2880, *steps(480, 9000, 3000)}
    assert starts(harmonized(m4m, source)) <= beats


@pytest.mark.parametrize("upbeat", [1, 2, 3])
def test_a_pickup_is_counted_back_from_the_bar_line(m4m: Run, upbeat: int) -> None:
    signatures = ((0, upbeat, 8), (upbeat * 240, 6, 8))
    end = upbeat * 240 + 6 * 1440
    chords = harmonized(m4m, melody(steps(240, end), signatures=signatures))
    whole = set(steps(720, end, upbeat * 240))
    assert starts(chords) <= whole | ({0} if upbeat == 3 else set())
    assert chords[0][0] <= upbeat * 240
    assert chords[-1][1] == end


def test_a_pickup_of_one_quarter_before_common_time(m4m: Run, tmp_path: Path) -> None:
    source = melody(steps(240, 480 + 4 * 1920), signatures=((0, 1, 4), (480, 4, 4)))
    chords = harmonized(m4m, source, "--chords", "Am | . | F G | .", "--chords-out", tmp_path / "out.tsv")
    assert [c[:2] for c in chords if c[0] in (480, 480 + 2 * 1920, 480 + 2 * 1920 + 960)][:2] == [
        (480, 480 + 1920),
        (480 + 2 * 1920, 480 + 2 * 1920 + 960),
    ]
    rows = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()]
    assert ["1", "1", "Am"] in rows
    assert {row[1] for row in rows if row[0] == "0"} <= {"4"}


REST_CASES = {
    "at the start": (4 * 1920, 8 * 1920, ()),
    "late on the first bar": (480, 4 * 1920, ()),
    "upbeat without a short bar": (1440, 5 * 1920, ()),
    "one note": (0, 1920, (0, 1920)),
    "one short note": (0, 60, (0, 60)),
    "one note off the beat": (700, 800, (700, 800)),
    "one note on the last beat": (1440, 1900, (1440, 1900)),
}


@pytest.mark.parametrize(("first", "last", "ticks"), REST_CASES.values(), ids=REST_CASES)
def test_chords_begin_with_the_melody_and_end_with_it(m4m: Run, first: int, last: int, ticks: tuple[int, ...]) -> None:
    chords = harmonized(m4m, melody(list(ticks) or steps(240, last, first)))
    bar = first // 1920 * 1920
    assert bar <= chords[0][0] <= (bar if first - bar < 960 else bar + 1920)
    assert chords[-1][1] == last
    assert starts(chords) <= set(steps(480, max(last, 480)))


def test_chords_go_on_through_a_short_rest_and_stop_in_a_long_one(m4m: Run) -> None:
    def notes(*stretches: tuple[int, int]) -> bytes:
        rows = [(t, 240, 60 + t // 240 % 12, 80) for a, b in stretches for t in range(a * 1920, b * 1920, 240)]
        return score_to_json(Score(480, (Track("Tune", notes=notes_array(rows)),))).encode()

    def sounding(source: bytes) -> list[Chord]:
        return chords_of(m4m("harmonize", *QUICK, "--midi", stdin=source).stdout)

    short, long = sounding(notes((0, 4), (8, 12))), sounding(notes((0, 4), (24, 28)))
    assert all(stop == following for (_, stop, _), (following, _, _) in itertools.pairwise(short))
    gaps = [(stop, following) for (_, stop, _), (following, _, _) in itertools.pairwise(long) if stop < following]
    assert gaps == [(4 * 1920, 24 * 1920)]


def test_a_note_that_overlaps_the_last_bar_line_brings_no_stub_of_a_chord(m4m: Run) -> None:
    for seed in range(4):
        chords = harmonized(m4m, melody([*range(0, 4 * 1920, 480), 4 * 1920 + 30]), "--seed", str(seed))
        assert chords[-1][0] < 4 * 1920
        assert chords[-1][1] == 4 * 1920 + 30


def test_a_chord_is_not_struck_again_within_a_bar(m4m: Run) -> None:
    for seed in range(4):
        source = melody(steps(240, 16 * 1920))
        for (_, _, before), (start, _, pitches) in itertools.pairwise(harmonized(m4m, source, "--seed", str(seed))):
            assert before != pitches or start % 1920 == 0


def test_ten_minutes_of_melody(m4m: Run) -> None:
    end = 1200 * 480
    chords = harmonized(m4m, melody(steps(480, end)), "--per-bar", "1")
    assert starts(chords) <= set(steps(1920, end))
    assert chords[-1][1] == end
    assert len(chords) > 50


@pytest.mark.parametrize("format", [0, 1])
def test_formats(m4m: Run, format: int) -> None:
    harmonized(m4m, melody(steps(240, 4 * 1920), format=format))


def test_a_riff_wrapper_is_taken_off(m4m: Run) -> None:
    midi = melody(steps(240, 4 * 1920))
    data = b"data" + struct.pack("<I", len(midi)) + midi + b"\0" * (len(midi) % 2)
    wrapped = b"RIFF" + struct.pack("<I", len(data) + 4) + b"RMID" + data
    assert m4m("harmonize", *QUICK, stdin=wrapped).stdout == m4m("harmonize", *QUICK, stdin=midi).stdout


def test_json_in_and_out(m4m: Run) -> None:
    midi = ODE.read_bytes()
    as_json = m4m("harmonize", *QUICK, "--json", stdin=midi).stdout
    from_midi = m4m("harmonize", *QUICK, stdin=midi).stdout
    text = score_to_json(read_score(midi, "ode").score).encode()
    assert m4m("harmonize", *QUICK, stdin=text).stdout == as_json
    assert m4m("harmonize", *QUICK, "--midi", stdin=text).stdout[:4] == b"MThd"
    assert [t["name"] for t in json.loads(as_json)["tracks"]] == ["Ode to Joy", "Chords"]
    one, other = (read_score(data, "out").score.tracks[-1].notes for data in (as_json, from_midi))
    assert one.tobytes() == other.tobytes()


FIXED: dict[str, list[tuple[float, float, str | None]]] = {
    "Am | F | C | G": [(0, 1, "Am"), (1, 2, "F"), (2, 3, "C"), (3, 4, "G")],
    "| Am7 | . | . | G7/B |": [(0, 1, "Am7"), (3, 4, "G7/B")],
    "F#m7b5 B7 | % | Em . . D | N.C.": [
        (0, 0.5, "F#m7b5"), (0.5, 1, "B7"), (1, 1.5, "F#m7b5"), (1.5, 2, "B7"), (2, 2.75, "Em"), (2.75, 3, "D"),
        (3, 4, None),
    ],
    "N.C. | . | Csus4 . C . | .": [(0, 1, None), (2, 2.5, "Csus4"), (2.5, 3, "C")],
    "C | C | C C | Dm9 G13 | ": [
        (0, 1, "C"), (1, 2, "C"), (2, 2.5, "C"), (2.5, 3, "C"), (3, 3.5, "Dm9"), (3.5, 4, "G13"),
    ],
    "C . . . | .  | G": [(0, 1, "C"), (2, 3, "G")],
}  # fmt: skip
"""What is written, and what must come of it: begin and end in bars, symbol."""


@pytest.mark.parametrize("written", FIXED)
def test_fixed_bars_come_out_exactly(m4m: Run, written: str) -> None:
    source = melody(steps(240, 4 * 1920), pitches=(61, 66, 58, 69))
    for seed in ("0", "1"):
        chords = harmonized(m4m, source, "--chords", written, "--seed", seed)
        for begin, end, symbol in FIXED[written]:
            inside = [c for c in chords if c[0] < end * 1920 and c[1] > begin * 1920]
            chord = parse_chord(symbol) if symbol else None
            if chord is None:
                assert inside == []
            else:
                (found,) = inside
                assert found[:2] == (begin * 1920, end * 1920)
                assert {p % 12 for p in found[2]} == chord.pitch_classes
                assert found[2][0] % 12 == chord.bass


@pytest.mark.parametrize("tpq", [10, 24, 101, 9600])
def test_fixed_bars_stand_on_exact_ticks(m4m: Run, tpq: int) -> None:
    source = melody(steps(tpq, 8 * 3 * tpq), tpq=tpq, signatures=((0, 3, 4),))
    chords = harmonized(m4m, source, "--chords", "C D E | F G | . | . | A | B . C | Dm | E")
    wanted = [0, 1, 2, 3, 5, 12, 15, 17, 18, 21]
    assert {b * tpq for b in wanted} <= starts(chords)
    assert [c[:2] for c in chords][:5] == [(a * tpq, b * tpq) for a, b in ((0, 1), (1, 2), (2, 3), (3, 5), (5, 6))]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("C | H7 | G", "bar 2"),
        ("C | | G", "empty"),
        ("% | C", "bar 1"),
        ("C | D | E | F | G", "4 bars"),
        ("", "no chords"),
    ],
)
def test_chords_that_cannot_be_read_are_told(m4m: Run, written: str, told: str) -> None:
    done = m4m("harmonize", "--chords", written, stdin=melody(steps(240, 4 * 1920)))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().count("\n") == 1
    assert told in done.stderr.decode()


@pytest.mark.parametrize(("per_bar", "allowed"), [("1", {0}), ("2", {0, 960}), ("4", {0, 480, 960, 1440})])
def test_places_in_a_bar(m4m: Run, per_bar: str, allowed: set[int]) -> None:
    chords = harmonized(m4m, melody(steps(240, 16 * 1920)), "--per-bar", per_bar, "--seed", "3", "--temperature", "2")
    assert {start % 1920 for start in starts(chords)} <= allowed


def prompt_file(path: Path, tpq: int = 480, program: int = 24) -> list[tuple[int, int, int, int]]:
    """Two bars of broken and held chords, all velocities different; returns the notes at 480 ticks to the quarter."""
    rows = [(i * 240, 240, (48, 55, 60, 64)[i % 4], 50 + i) for i in range(8)]
    rows += [(1920, 1920, 43, 70), (1920, 1920, 50, 71), (1920, 1900, 59, 72)]
    track = Track("Guitar", program, notes=notes_array([(o * tpq // 480, d * tpq // 480, p, v) for o, d, p, v in rows]))
    path.write_text(score_to_json(Score(tpq, (track,))))
    return rows


@pytest.mark.parametrize("tpq", [480, 960])
def test_a_prompt_comes_out_as_it_is_and_goes_on(m4m: Run, tmp_path: Path, tpq: int) -> None:
    rows = prompt_file(tmp_path / "begun.json", tpq)
    done = m4m("harmonize", *QUICK, "--only", "--prompt", "begun.json", stdin=melody(steps(240, 8 * 1920)))
    assert (done.returncode, done.stderr) == (0, b"")
    (track,) = (t for t in read_score(done.stdout, "out").score.tracks if len(t.notes))
    assert track.program == 24
    notes = [tuple(map(int, note)) for note in track.notes]
    assert sorted(notes)[: len(rows)] == sorted(rows)
    rest = sorted(notes)[len(rows) :]
    assert min(onset for onset, *_ in rest) == 2 * 1920
    assert max(onset + duration for onset, duration, *_ in rest) == 8 * 1920
    assert abs(min(pitch for _, _, pitch, _ in rest) - 45) <= 12


def test_a_song_as_prompt_gives_its_chord_track(m4m: Run, tmp_path: Path) -> None:
    source = melody(steps(240, 8 * 1920))
    whole = m4m("harmonize", *QUICK, "--json", stdin=source).stdout
    song = read_score(whole, "song").score
    begun = [n for n in song.tracks[-1].notes.tolist() if n[0] + n[1] <= 4 * 1920]
    tracks = (song.tracks[0], replace(song.tracks[-1], notes=notes_array(begun)))
    (tmp_path / "begun.json").write_text(score_to_json(replace(song, tracks=tracks)))
    again = m4m("harmonize", *QUICK, "--json", "--prompt", "begun.json", stdin=source).stdout
    notes = read_score(again, "again").score.tracks[-1].notes
    assert notes[: len(begun)].tolist() == begun
    assert len(notes) > len(begun)


def test_prompts_that_do_not_fit(m4m: Run, tmp_path: Path) -> None:
    prompt_file(tmp_path / "begun.json")
    source = melody(steps(240, 1920))
    done = m4m("harmonize", "--prompt", "begun.json", "--chords", "C", stdin=source)
    assert (done.returncode, done.stdout) == (2, b"")
    done = m4m("harmonize", "--prompt", "-", stdin=source)
    assert (done.returncode, done.stdout) == (2, b"")
    (tmp_path / "drums.json").write_text(
        score_to_json(Score(480, (Track(is_drum=True, notes=notes_array([(0, 9, 36, 9)])),)))
    )
    done = m4m("harmonize", "--prompt", "drums.json", stdin=source)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no pitched notes" in done.stderr
    longer = m4m("harmonize", *QUICK, "--only", "--prompt", "begun.json", stdin=source)
    assert longer.returncode == 0
    assert read_score(longer.stdout, "out").score.note_count == 11
    told = "m4m harmonize: warning: the prompt covers the whole melody: nothing is left to write\n"
    assert longer.stderr.decode() == told


def test_a_chord_track_that_is_there_is_kept_with_a_warning(m4m: Run) -> None:
    begun = m4m("harmonize", *QUICK, "--json", stdin=melody(steps(240, 1920)))
    assert begun.stderr == b""
    again = m4m("harmonize", *QUICK, "--json", stdin=begun.stdout)
    told = "m4m harmonize: warning: the piece has a track named Chords: it is kept, and another one added\n"
    assert again.stderr.decode() == told
    before, after = (read_score(done.stdout, "out").score.tracks for done in (begun, again))
    assert [track.name for track in after[-2:]] == ["Chords", "Chords"]
    assert after[len(before) - 1].notes.tolist() == before[-1].notes.tolist()
    assert m4m("harmonize", *QUICK, "--only", stdin=begun.stdout).stderr == b""
    assert m4m("harmonize", *QUICK, "-q", stdin=begun.stdout).stderr == b""


def test_only_writes_the_chords_under_the_same_tempi(m4m: Run) -> None:
    source = melody(steps(240, 4 * 1920), tempi=((0, 500_000), (1920, 600_000)), signatures=((0, 2, 4),))
    only, whole = (read_score(m4m("harmonize", *QUICK, *o, stdin=source).stdout, "x").score for o in (["--only"], []))
    assert [t.name for t in only.tracks] == ["Chords"]
    assert only.tracks[0].notes.tobytes() == whole.tracks[-1].notes.tobytes()
    assert (only.tempos, only.time_signatures) == (whole.tempos, whole.time_signatures)


@pytest.mark.parametrize(("given", "program"), [("24", 24), ("string ensemble 1", 48), ("organ", 16)])
def test_program(m4m: Run, given: str, program: int) -> None:
    out = m4m("harmonize", *QUICK, "--program", given, stdin=ODE.read_bytes()).stdout
    assert read_score(out, "out").score.tracks[-1].program == program


def test_a_chord_part_is_softer_than_its_melody_and_has_accents(m4m: Run) -> None:
    tracks = read_score(m4m("harmonize", stdin=ODE.read_bytes()).stdout, "out").score.tracks
    assert tracks[-1].notes["velocity"].mean() < tracks[0].notes["velocity"].mean()


def test_chords_out_agrees_with_the_notes(m4m: Run, tmp_path: Path) -> None:
    for source, bar, pickup in ((ODE, 1920, 0), (GREENSLEEVES, 1440, 240)):
        done = m4m("harmonize", "--chords-out", "out.tsv", "--seed", "2", source)
        beat = bar // (4 if bar == 1920 else 6)
        chords = chords_of(done.stdout)
        rows = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()]
        assert len(rows) == len(chords)
        for (number, place, symbol), (start, _, pitches) in zip(rows, chords, strict=True):
            first = pickup - bar if pickup else -bar
            assert first + int(number) * bar + round((float(place) - 1) * beat) == start
            chord = parse_chord(symbol)
            assert chord is not None
            assert chord.pitch_classes == {p % 12 for p in pitches}
            assert chord.bass == pitches[0] % 12


def test_silence_is_named(m4m: Run) -> None:
    chords = ("--chords", "C | N.C. | G | N.C.")
    done = m4m("harmonize", *chords, "--chords-out", "-", "-o", "x.mid", stdin=melody(steps(240, 4 * 1920)))
    assert done.stdout == b"1\t1\tC\n2\t1\tN.C.\n3\t1\tG\n4\t1\tN.C.\n"


def test_chord_names_and_music_do_not_mix_on_standard_output(m4m: Run, tmp_path: Path) -> None:
    for options in (["--chords-out", "-"], ["--chords-out", "-", "-n", "2", "--out-dir", "x"]):
        done = m4m("harmonize", *options, ODE)
        assert (done.returncode, done.stdout) == (2, b"")
    done = m4m("harmonize", "--chords-out", "x.mid", "-o", "./x.mid", ODE)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_versions(m4m: Run, tmp_path: Path) -> None:
    done = m4m("harmonize", *QUICK, "-n", "3", "--out-dir", "all/new", "--chords-out", "names.tsv", "--seed", "5", ODE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sorted(p.name for p in (tmp_path / "all/new").iterdir()) == [f"ode-to-joy-{i}.mid" for i in (1, 2, 3)]
    assert sorted(p.name for p in tmp_path.glob("*.tsv")) == [f"names-{i}.tsv" for i in (1, 2, 3)]
    third = (tmp_path / "all/new/ode-to-joy-3.mid").read_bytes()
    assert third == m4m("harmonize", *QUICK, "--seed", "7", ODE).stdout
    done = m4m("harmonize", *QUICK, "--json", "--out-dir", "all", stdin=ODE.read_bytes())
    assert (done.returncode, done.stdout) == (0, b"")
    assert json.loads((tmp_path / "all/stdin.json").read_text())["tracks"][-1]["name"] == "Chords"


@pytest.mark.parametrize("options", [["-n", "2"], ["--out-dir", "x", "-o", "y"], ["-n", "0"], ["--best-of", "0"]])
def test_options_that_make_no_sense(m4m: Run, options: list[str]) -> None:
    done = m4m("harmonize", *options, ODE)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1


def test_same_seed_same_bytes(m4m: Run) -> None:
    outs = [m4m("harmonize", "--seed", "4", *options, ODE).stdout for options in ([], ["--threads", "2"])]
    assert outs[0] == outs[1] != b""
    quick = [m4m("harmonize", *QUICK, *options, ODE).stdout for options in ([], ["--seed", "0"], ["--seed", "4"])]
    assert quick[0] == quick[1] != quick[2]
    assert m4m("harmonize", *QUICK, ODE, M4M_SEED="4").stdout == quick[2]


def test_other_seeds_other_chords(m4m: Run) -> None:
    outs = {m4m("harmonize", *QUICK, "--temperature", "2", "--seed", str(seed), ODE).stdout for seed in range(3)}
    assert len(outs) > 1


def test_a_seed_that_is_drawn_is_told(m4m: Run) -> None:
    done = m4m("harmonize", *QUICK, "--seed", "random", ODE)
    seed = done.stderr.decode().split()[-1]
    assert done.stdout == m4m("harmonize", *QUICK, "--seed", seed, ODE).stdout


@pytest.mark.parametrize("options", [["--temperature", "0"], ["--top-k", "1"]])
def test_the_likeliest_is_the_same_for_every_seed(m4m: Run, options: list[str]) -> None:
    outs = {m4m("harmonize", *QUICK, *options, "--seed", seed, ODE).stdout for seed in ("1", "2")}
    assert len(outs) == 1


def test_the_two_ways_of_choosing(m4m: Run) -> None:
    options = ("--temperature", "1.5", "--best-of", "6")
    for choice in ("consensus", "likelihood"):
        done = m4m("harmonize", *options, "--choose", choice, ODE)
        assert (done.returncode, done.stderr) == (0, b"")
        assert chords_of(done.stdout)


def test_a_transposed_melody_has_transposed_chords(m4m: Run) -> None:
    score = read_score(ODE.read_bytes(), "ode").score

    def chords(semitones: int) -> list[Chord]:
        notes = score.tracks[0].notes.copy()
        notes["pitch"] += semitones
        moved = replace(score, tracks=(replace(score.tracks[0], notes=notes),), key_signatures=())
        return chords_of(m4m("harmonize", *QUICK, "--midi", stdin=score_to_json(moved).encode()).stdout)

    here = chords(0)
    for semitones in (-6, -3, 5, 12):
        there = chords(semitones)
        assert [c[:2] for c in there] == [c[:2] for c in here]
        (interval,) = {p - q for a, b in zip(there, here, strict=True) for p, q in zip(a[2], b[2], strict=True)}
        # Where the part would rumble or tinkle, all of it is moved by an octave.
        assert (interval - semitones) % 12 == 0
        assert abs(interval - semitones) <= 12
        assert interval == semitones or not -3 <= semitones <= 5


def test_the_register_stays_playable_under_any_melody(m4m: Run) -> None:
    for lowest in (12, 36, 60, 84, 110):
        pitches = tuple(lowest + step for step in (0, 2, 4, 5, 7))
        chords = harmonized(m4m, melody(steps(480, 4 * 1920), pitches=pitches))
        assert all(p >= 31 for _, _, chord in chords for p in chord)
        assert all(p <= 74 for _, _, chord in chords for p in chord)


def test_the_key_is_found_or_told(m4m: Run) -> None:
    told = [m4m("harmonize", "-v", *o, ODE).stderr.decode() for o in ([], ["--key", "b minor"], ["--key", "Eb"])]
    assert [[k in text for k in ("D major", "B minor", "Eb major")] for text in told] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
    assert m4m("harmonize", "--key", "H", ODE).returncode == 2


def song() -> bytes:
    """Three parts: a bass, chords of ten notes, a tune that comes last and is not named as one."""
    bass = [(i * 960, 960, 36 + i % 5, 80) for i in range(16)]
    piano = [(i * 1920, 1920, 40 + 3 * k, 80) for i in range(8) for k in range(10)]
    tune = [(i * 480, 480, 70 + i % 7, 80) for i in range(32)]
    rows = (("Bass", 33, bass), ("Keys", 0, piano), ("Whistle", 78, tune))
    tracks = tuple(Track(name, program, notes=notes_array(notes)) for name, program, notes in rows)
    return score_to_json(Score(480, tracks)).encode()


def test_which_part_is_the_melody(m4m: Run) -> None:
    def told(*options: str) -> str:
        done = m4m("harmonize", *QUICK, "-v", *options, stdin=song())
        assert done.returncode == 0
        return done.stderr.decode()

    assert "track 3 'Whistle', the most melodic" in told()
    assert "track 3 'Whistle', as asked" in told("--melody", "whistle")
    assert "track 1 'Bass', as asked" in told("--melody", "1")
    for wrong in ("4", "flute", "s"):
        done = m4m("harmonize", "--melody", wrong, stdin=song())
        assert (done.returncode, done.stdout) == (2, b"")
        assert "Whistle" in done.stderr.decode()


def test_a_piano_part_of_ten_notes_at_once_is_harmonized_by_its_top_line_with_a_warning(m4m: Run) -> None:
    rows = [(i * 960, 960, 40 + 3 * k + i % 3, 80) for i in range(8) for k in range(10)]
    source = score_to_json(Score(480, (Track("Piano", notes=notes_array(rows)),))).encode()
    done = m4m("harmonize", *QUICK, stdin=source)
    assert done.returncode == 0
    assert done.stderr.decode().count("\n") == 1
    assert "warning: melody: track 1 'Piano'" in done.stderr.decode()
    assert "top line" in done.stderr.decode()
    assert read_score(done.stdout, "out").score.tracks[-1].name == "Chords"
    assert m4m("harmonize", *QUICK, "-q", stdin=source).stderr == b""


DRUMS = Score(480, (Track("Kit", is_drum=True, notes=notes_array([(i * 240, 100, 36, 90) for i in range(16)])),))
HOPELESS = {
    "nothing": (b"", "empty input"),
    "drums alone": (score_to_json(DRUMS).encode(), "only drums"),
    "no notes": (score_to_json(Score(480, (Track("Empty"),))).encode(), "no notes"),
    "no tracks": (score_to_json(Score(480)).encode(), "no notes"),
    "text": (b"hello", "stdin"),
    "half a header": (b"MThd\0\0", "stdin"),
}


@pytest.mark.parametrize(("source", "told"), HOPELESS.values(), ids=HOPELESS)
def test_what_cannot_be_harmonized_is_told_in_one_line(m4m: Run, tmp_path: Path, source: bytes, told: str) -> None:
    done = m4m("harmonize", "-o", "out.mid", "--chords-out", "out.tsv", "--out-dir", "x", stdin=source)
    assert done.returncode == 2
    for options in (["-o", "out.mid", "--chords-out", "out.tsv"], ["--out-dir", "x"]):
        done = m4m("harmonize", *options, stdin=source)
        assert (done.returncode, done.stdout) == (1, b"")
        line = done.stderr.decode()
        assert line.startswith("m4m harmonize: ")
        assert line.count("\n") == 1
        assert told in line
        assert list(tmp_path.iterdir()) == []


def test_an_unwritable_output_leaves_nothing(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for options in (
        ["-o", "no/out.mid", "--chords-out", "names.tsv"],
        ["-o", "out.mid", "--chords-out", "no/names.tsv"],
        ["-o", "folder", "--chords-out", "names.tsv"],
        ["-o", "out.mid", "--chords-out", "folder"],
        ["--out-dir", "file", "--chords-out", "names.tsv"],
    ):
        done = m4m("harmonize", *QUICK, *options, ODE)
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.count(b"\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b""


def test_the_output_may_be_the_input(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "song.mid").write_bytes(ODE.read_bytes())
    wanted = m4m("harmonize", *QUICK, ODE).stdout
    assert m4m("harmonize", *QUICK, "song.mid", "-o", "song.mid").returncode == 0
    assert (tmp_path / "song.mid").read_bytes() == wanted


def test_a_pipe_equals_files(m4m: Run, tmp_path: Path) -> None:
    played = ROOT / "commands" / "examples" / "played.mid"
    m4m("quantize", "--grid", "1/8", played, "-o", "straight.mid")
    m4m("harmonize", *QUICK, "straight.mid", "-o", "song.mid")
    script = f'm() {{ "{sys.executable}" -m m4mcli "$@"; }}; m quantize --grid 1/8 "$1" | m harmonize --best-of 1'
    piped = subprocess.run(
        ["bash", "-c", script, "bash", played], capture_output=True, cwd=tmp_path, env=environment(), check=True
    )
    assert piped.stdout == (tmp_path / "song.mid").read_bytes()


def test_the_manual_tells_the_defaults() -> None:
    page = (ROOT / "commands" / "harmonize.md").read_text("utf-8")
    assert f"`--temperature` ({TASK.sampling.temperature:g}), `--top-p` ({TASK.sampling.top_p:g})" in page
    assert f"says how many: {TASK.best_of} unless told" in page


def test_no_torch_is_imported(m4m: Run) -> None:
    code = "import sys; from m4mcli.cli import run; run(sys.argv[1:]); assert 'torch' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code, "harmonize", "-q", str(ODE)], env=environment(), check=True, capture_output=True
    )
