"""`m4m melodize` through the command line and its parts: where chords come from, what a melody may and may not be."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
from conftest import Run
from toy import FakeNetwork

from m4mcli.errors import M4mError
from m4mcli.frames.frames import FRAME_NOTE, sounding, track_frames
from m4mcli.generation.draw import Draw
from m4mcli.generation.request import Request, Sample
from m4mcli.generation.sampling import Sampling
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.analysed_chords import analysed_score, is_analysis
from m4mcli.tasks.analyze import analysis_form, analyze
from m4mcli.tasks.chord_sheet import ChordSheet, parse_time, signature_fifths
from m4mcli.tasks.chord_source import blockness, find_chords
from m4mcli.tasks.melodize import MelodyWish, apart, melodize
from m4mcli.tasks.melody_choice import by_fit, resting
from m4mcli.tasks.melody_line import Changes, compass_around, compass_between, one_at_a_time, write_lines
from m4mcli.tasks.pace import Paced, gap, paced_samples
from m4mcli.theory.chords import parse_chord
from m4mcli.theory.pitches import parse_pitch, parse_range

QUICK = ("--best-of", "1")
TURN = "C | Am | F | G7"


def score_of(data: bytes) -> Score:
    return read_score(data, "made").score


def named(score: Score, name: str) -> Track:
    (track,) = [t for t in score.tracks if t.name == name]
    return track


def is_line(notes: np.ndarray) -> bool:
    """Whether there are notes, and no two of them sound at once."""
    return len(notes) > 0 and bool((notes["onset"][1:] >= (notes["onset"] + notes["duration"])[:-1]).all())


def ends(notes: np.ndarray) -> int:
    return int((notes["onset"] + notes["duration"]).max())


def blocks(chords: list[str], tpq: int = 480, bar: int = 4, name: str = "Chords") -> Track:
    """A bar of each chord, its notes stacked on a bass from C3 on."""
    rows = []
    for i, symbol in enumerate(chords):
        chord = parse_chord(symbol)
        assert chord is not None
        above = [(p - chord.bass) % 12 for p in chord.pitch_classes]
        rows += [(i * bar * tpq, bar * tpq, 48 + chord.bass + p, 70) for p in above]
    return Track(name, 0, False, notes_array(rows))


def song(*tracks: Track, tpq: int = 480, time: tuple[int, int] = (4, 4)) -> bytes:
    return score_to_midi(Score(tpq, tracks, (Tempo(0, 600_000),), (TimeSignature(0, *time),)))


TUNE = Track("Tune", 73, False, notes_array([(i * 240, 240, 72 + (0, 2, 4, 5)[i % 4], 90) for i in range(32)]))
KIT = Track("Kit", 0, True, notes_array([(i * 480, 60, 36, 90) for i in range(16)]))


def test_written_chords_need_no_file(m4m: Run) -> None:
    text = "Dm7 | G7sus4 . G7 . | Cmaj7/E / A7b9 |"
    done = m4m("melodize", "--chords", text, "--tempo", "96", "--bars", "5", "--key", "C", *QUICK)
    assert (done.returncode, done.stderr) == (0, b"")
    made = score_of(done.stdout)
    bar = made.tpq * 4
    assert [t.microseconds for t in made.tempos] == [625_000]
    assert [(k.fifths, k.minor) for k in made.key_signatures] == [(0, False)]
    assert [t.name for t in made.tracks] == ["Chords", "Melody"]
    written = ["Dm7", "G7sus4", "G7", "Cmaj7/E", "A7b9", "Dm7", "G7sus4", "G7"]
    starts = [0, 1, 1.5, 2, 2.5, 3, 4, 4.5]
    notes = named(made, "Chords").notes
    for symbol, start, stop in zip(written, starts, [*starts[1:], 5], strict=True):
        chord = parse_chord(symbol)
        now = notes[notes["onset"] == start * bar]
        assert chord is not None
        assert {int(p) % 12 for p in now["pitch"]} == chord.pitch_classes
        assert now["pitch"].min() % 12 == chord.bass
        assert set(now["onset"] + now["duration"]) == {stop * bar}
    melody = named(made, "Melody").notes
    assert is_line(melody)
    assert ends(melody) <= 5 * bar
    assert melody["onset"].min() >= 0


def test_only_writes_the_melody_alone_and_json_writes_json(m4m: Run) -> None:
    done = m4m("melodize", "--chords", TURN, "--only", "--json", "--time", "3/4", *QUICK)
    assert done.stdout.startswith(b'{"m4m": 1, "kind": "score"')
    made = score_of(done.stdout)
    assert [(s.numerator, s.denominator) for s in made.time_signatures] == [(3, 4)]
    assert [t.name for t in made.tracks] == ["Melody"]
    assert ends(made.tracks[0].notes) <= 12 * made.tpq


def test_every_message_of_the_input_comes_out(m4m: Run) -> None:
    source = song(TUNE, blocks(["D", "G", "A7", "D"]), KIT)
    done = m4m("melodize", "-v", "--program", "violin", *QUICK, stdin=source)
    assert b"chords: track 2 'Chords', found by its name" in done.stderr
    old, new = (mido.MidiFile(file=io.BytesIO(data)) for data in (source, done.stdout))
    assert [list(t) for t in old.tracks] == [list(t) for t in new.tracks[: len(old.tracks)]]
    melody = named(score_of(done.stdout), "Melody")
    assert melody.program == 40
    assert is_line(melody.notes)
    assert ends(melody.notes) <= 16 * 480


def test_written_chords_over_a_file_are_added_to_it(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "beat.mid").write_bytes(song(KIT, tpq=96))
    made = score_of(m4m("melodize", "--chords", "F | Bb C", "--bars", "6", "beat.mid", *QUICK).stdout)
    assert [t.name for t in made.tracks] == ["Kit", "Chords", "Melody"]
    assert ends(named(made, "Chords").notes) == 6 * 4 * made.tpq
    assert is_line(named(made, "Melody").notes)


@pytest.mark.parametrize(
    ("numerator", "denominator", "tpq"), [(3, 4, 96), (6, 8, 10), (5, 4, 24), (7, 8, 960), (4, 4, 3)]
)
def test_a_melody_is_one_note_at_a_time_in_every_metre(m4m: Run, numerator: int, denominator: int, tpq: int) -> None:
    length = tpq * 4 * numerator // denominator
    rows = [(i * length, length, 48 + p + i, 70) for i in range(6) for p in (0, 4, 7)]
    source = song(Track("Harmony", 0, False, notes_array(rows)), tpq=tpq, time=(numerator, denominator))
    done = m4m("melodize", "--only", "--density", "3", "--range", "C4-G5", *QUICK, stdin=source)
    melody = named(score_of(done.stdout), "Melody").notes
    assert is_line(melody)
    assert melody["pitch"].min() >= 60
    assert melody["pitch"].max() <= 79
    assert ends(melody) <= 6 * length


def test_the_same_seed_gives_the_same_bytes(m4m: Run, tmp_path: Path) -> None:
    words = ("melodize", "--chords", TURN, *QUICK)
    first, again, other = (
        m4m(*words, "--seed", seed, "--threads", n).stdout for seed, n in (("1", "1"), ("1", "2"), ("2", "1"))
    )
    assert first == again
    assert first != other
    done = m4m(*words, "--seed", "1", "-n", "2", "--out-dir", "tunes")
    assert (done.returncode, done.stdout) == (0, b"")
    assert sorted(p.name for p in (tmp_path / "tunes").iterdir()) == ["melody-1.mid", "melody-2.mid"]
    assert [(tmp_path / "tunes" / f"melody-{i}.mid").read_bytes() for i in (1, 2)] == [first, other]


def test_several_files_go_to_a_folder_and_one_bad_one_is_told(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(song(blocks(["C", "G"])))
    (tmp_path / "b.mid").write_bytes(song(TUNE))
    done = m4m("melodize", "a.mid", "b.mid", "--out-dir", "out", "--best-of", "1")
    assert done.returncode == 1
    assert b"b.mid: no chords found: no track has block chords" in done.stderr
    assert [p.name for p in (tmp_path / "out").glob("*.mid")] == ["a.mid"]


@pytest.mark.parametrize(("symbols", "step"), [(("Db", "Bbm", "Gb", "Ab7"), 1), (("A", "F#m", "D", "E7"), -3)])
def test_transposed_chords_give_the_transposed_melody(m4m: Run, symbols: tuple[str, ...], step: int) -> None:
    one, two = (
        named(score_of(m4m("melodize", "--chords", text, *QUICK).stdout), "Melody").notes
        for text in (TURN, " | ".join(symbols))
    )
    assert one["onset"].tolist() == two["onset"].tolist()
    assert one["duration"].tolist() == two["duration"].tolist()
    (moved,) = set((two["pitch"] - one["pitch"]).tolist())
    assert moved % 12 == step % 12


def test_density_means_more_or_fewer_notes(m4m: Run) -> None:
    def count(density: str) -> int:
        done = m4m("melodize", "--chords", TURN, "--bars", "6", "--density", density, "--best-of", "1")
        return len(named(score_of(done.stdout), "Melody").notes)

    assert count("0.2") < count("1") < count("5")


def test_a_prompt_comes_out_as_it_is_and_the_melody_goes_on(m4m: Run, tmp_path: Path) -> None:
    rows = [(0, 500, 71, 33), (480, 240, 74, 99), (480, 240, 67, 50), (720, 230, 72, 64)]
    (tmp_path / "start.mid").write_bytes(song(Track("Tune", 73, False, notes_array(rows)), tpq=480))
    source = song(blocks(["G", "D", "Em", "C"], tpq=240), tpq=240)
    done = m4m("melodize", "--prompt", "start.mid", "--only", *QUICK, stdin=source)
    (track,) = score_of(done.stdout).tracks
    assert track.program == 73
    given = [(0, 240, 71, 33), (240, 120, 74, 99), (360, 115, 72, 64)]
    assert track.notes[:3].tolist() == given
    assert is_line(track.notes)
    assert track.notes["onset"][3] >= 480
    assert b"several notes at once" in done.stderr
    whole = m4m(
        "melodize", "--prompt", "start.mid", "--only", *QUICK, stdin=song(blocks(["G"], tpq=240, bar=1), tpq=240)
    )
    assert b"nothing is left to write" in whole.stderr


def analysis(**changes: object) -> dict[str, object]:
    """Two bars of 3/4 at 60 bpm behind a pickup of a beat, 2 s late, then a bar of 4/4 twice as fast."""
    beats = [2.0, 3, 4, 5, 6, 7, 8, 9, 9.5, 10, 10.5]
    labels = [("C:maj7", 3, 6), ("A:min7/5", 6, 8), ("N", 8, 9), ("G:7", 9, 11)]
    found: dict[str, object] = {"m4m": 1, "kind": "analysis", "beats": beats, "downbeats": [3.0, 6, 9]}
    metres = [(0.0, 3, 4), (9.0, 4, 4)]
    found["time_signatures"] = [{"start": t, "start_bar": 1, "time": f"{n}/{d}"} for t, n, d in metres]
    found["chords"] = [{"start": a, "end": b, "label": label, "probability": 0.9} for label, a, b in labels]
    found["keys"] = [{"start": 2.0, "end": 11.0, "label": "C major"}]
    return found | changes


def test_chords_come_from_an_analysis(m4m: Run, tmp_path: Path) -> None:
    done = m4m("melodize", *QUICK, stdin=json.dumps(analysis(), sort_keys=True, indent=1).encode())
    made = score_of(done.stdout)
    assert [(s.tick, s.numerator, s.denominator) for s in made.time_signatures] == [
        (0, 1, 4),
        (480, 3, 4),
        (3360, 4, 4),
    ]
    assert [(t.tick, t.microseconds) for t in made.tempos] == [(0, 1_000_000), (3360, 500_000)]
    assert [t.name for t in made.tracks] == ["Chords", "Melody"]
    chords = named(made, "Chords").notes
    starts = {480: "Cmaj7", 1920: "Am7/E", 3360: "G7"}
    assert np.unique(chords["onset"]).tolist() == [*starts]
    for tick, symbol in starts.items():
        chord = parse_chord(symbol)
        now = chords[chords["onset"] == tick]
        assert chord is not None
        assert {int(p) % 12 for p in now["pitch"]} == chord.pitch_classes
        assert now["pitch"].min() % 12 == chord.bass
    assert ends(chords) == 3360 + 4 * 480
    assert is_line(named(made, "Melody").notes)
    (tmp_path / "found.json").write_text(json.dumps(analysis()))
    assert m4m("melodize", "found.json", "--json", "--only", *QUICK).stdout.startswith(b'{"m4m": 1, "kind": "score"')


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"chords": []}, "the analysis has no chords"),
        ({"chords": [{"start": 0, "end": 1}]}, "chords[0] has no 'label'"),
        ({"chords": [{"start": 0, "end": 1, "label": "H:maj"}]}, "chords[0]: not a chord: 'H:maj'"),
        ({"chords": [{"start": 0, "end": "1", "label": "C"}]}, "chords[0] has no number 'end'"),
        ({"chords": [{"start": 0, "end": 1, "label": "N"}]}, "all silence"),
        ({"beats": 3}, "'beats' is not a list of numbers"),
        ({"keys": "C"}, "'keys' is not a list of objects"),
        ({"time_signatures": [{"start": 0, "time": "3/5"}]}, "not a time signature: '3/5'"),
        ({"tempos": [{"start": 0}]}, "tempos[0] has no number 'bpm'"),
    ],
)
def test_what_is_wrong_with_an_analysis_is_told(changes: dict[str, object], told: str) -> None:
    data = json.dumps(analysis(**changes)).encode()
    assert is_analysis(data)
    with pytest.raises(M4mError, match=re.escape(told)) as failed:
        analysed_score(data, "it")
    assert str(failed.value).startswith("it: ")


def test_an_analysis_needs_neither_beats_nor_downbeats() -> None:
    bare = {
        "m4m": 1,
        "kind": "analysis",
        "chords": [{"start": 0, "end": 2, "label": "C"}, {"start": 2, "end": 5, "label": "F"}],
    }
    score = analysed_score(json.dumps(bare).encode(), "")
    assert [t.microseconds for t in score.tempos] == [500_000]
    assert np.unique(score.tracks[0].notes["onset"]).tolist() == [0, 1920]
    assert score.end == 4800
    compound = bare | {"beats": [0, 0.6, 1.2, 1.8, 2.4], "time_signatures": [{"start": 0, "time": "6/8"}]}
    score = analysed_score(json.dumps(compound).encode(), "")
    assert [(s.tick, s.numerator, s.denominator) for s in score.time_signatures] == [(0, 6, 8)]
    assert [t.microseconds for t in score.tempos] == [400_000]
    assert not is_analysis(b'{"m4m": 1, "kind": "score"}')
    assert not is_analysis(song(TUNE))


@pytest.mark.parametrize("name", ["greensleeves", "ode-to-joy"])
def test_what_analyze_finds_lies_on_the_bars_of_the_piece(name: str, examples: Path) -> None:
    piece = score_of((examples / f"{name}.mid").read_bytes())
    found = {"m4m": 1, "kind": "analysis"} | analysis_form(analyze(piece))
    made = analysed_score(json.dumps(found).encode(), name)
    scale = made.tpq / piece.tpq
    assert [(s.tick, s.numerator, s.denominator) for s in made.time_signatures] == [
        (s.tick * scale, s.numerator, s.denominator) for s in piece.time_signatures
    ]
    assert [t.microseconds for t in made.tempos] == pytest.approx([t.microseconds for t in piece.tempos], rel=1e-4)
    assert made.end >= piece.end * scale - made.tpq


def test_strictness_and_likelihood_are_taken(m4m: Run) -> None:
    done = m4m("melodize", "-v", "--chords", TURN, "--strictness", "2", "--choose", "likelihood", *QUICK)
    assert done.returncode == 0
    assert b"C major, " in done.stderr
    assert b"seed 0, best of 1 by likelihood" in done.stderr
    assert is_line(named(score_of(done.stdout), "Melody").notes)


@pytest.mark.parametrize(
    ("words", "told", "status"),
    [
        (("--chords", "Dm7 | H7"), "bar 2 of the chords: not a chord: 'H7'", 2),
        (("--chords", ". | C"), "bar 1 of the chords begins with a chord that goes on", 2),
        (("--chords", "N.C. | N.C."), "the chords are all silence", 2),
        (("--chords", "C", "--range", "A5-C4"), "not a range: 'A5-C4'", 2),
        (("--chords", "C", "--range", "high"), "not a range: 'high'", 2),
        (("--chords", "C", "--density", "0"), "--density must be from 0.1 to 10", 2),
        (("--chords", "C", "--time", "4/5"), "not a time signature: '4/5'", 2),
        (("--chords", "C", "--chords-track", "1"), "exclude each other", 2),
        (("--chords", "C", "-n", "2"), "-n need", 2),
        (("--chords", "C", "--tempo", "90", "song.mid"), "--tempo and --time exclude a FILE", 2),
        (("--bars", "4", "song.mid"), "are for --chords", 2),
        (("--chords-track", "5", "song.mid"), "there is no track 5", 2),
        (("--prompt", "-"), "cannot both come from standard input", 2),
        (("tune.mid",), "no chords found: no track has block chords", 1),
        (("kit.mid",), "no chords found: it has only drums", 1),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    m4m: Run, tmp_path: Path, words: tuple[str, ...], told: str, status: int
) -> None:
    for name, track in (("song", blocks(["C"])), ("tune", TUNE), ("kit", KIT)):
        (tmp_path / f"{name}.mid").write_bytes(song(track))
    done = m4m("melodize", *words)
    assert (done.returncode, done.stdout) == (status, b"")
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def spans_of(score: Score, choice: str | None = None) -> list[tuple[int, int, set[int], int]]:
    return [(s.start, s.stop, set(s.pitch_classes), s.bass) for s in find_chords(score, choice).spans]


def played(rows: list[tuple[int, int, int]], name: str = "", tpq: int = 4) -> Track:
    """A track of (onset, duration, pitch) rows; with 4 ticks to the quarter a tick is a frame."""
    return Track(name, 0, False, notes_array([(*row, 80) for row in rows]))


def test_the_chords_are_the_named_track_else_the_one_with_most_block_chords() -> None:
    both = Score(480, (TUNE, blocks(["C", "F"], name="Strings"), blocks(["G"], name="HARMONY")))
    assert find_chords(both).reason == "chords: track 3 'HARMONY', found by its name"
    assert find_chords(both, "2").reason == "chords: track 2 'Strings', as asked"
    assert find_chords(both, "str").spans == find_chords(both, "2").spans
    unnamed = Score(480, (TUNE, blocks(["C"], name="Stab"), blocks(["C", "F", "G", "C"], name="Strings")))
    assert find_chords(unnamed).reason == "chords: track 3 'Strings', the one with the most block chords"
    accordion = Score(480, (Track("Accordion", notes=TUNE.notes), blocks(["C"], name="Organ")))
    assert "track 2" in find_chords(accordion).reason


def test_a_chord_lasts_to_the_next_and_the_last_one_to_a_beat() -> None:
    short = [(f, 3, p) for f, chord in ((0, (48, 52, 55)), (16, (50, 53, 57)), (24, (50, 53, 57))) for p in chord]
    found = find_chords(Score(4, (played([*short, (80, 3, 48), (80, 3, 52), (80, 3, 55)], "Chords"),)))
    assert [(s.start, s.stop) for s in found.spans] == [(0, 16), (16, 27), (80, 84)]
    assert found.end == 84


def test_a_bass_and_the_rest_of_its_chord_are_one_chord() -> None:
    oom_pah = []
    for bar, (root, fifth, upper) in enumerate(((36, 43, (52, 55, 60)), (41, 36, (53, 57, 60)))):
        for half, bass in enumerate((root, fifth)):
            frame = 16 * bar + 8 * half
            oom_pah += [(frame, 4, bass), *((frame + 4, 4, p) for p in upper)]
    assert spans_of(Score(4, (played(oom_pah, "Chords"),))) == [(0, 16, {0, 4, 7}, 0), (16, 32, {5, 9, 0}, 5)]
    seventh = [(0, 8, 48), (0, 8, 52), (0, 8, 55), (0, 8, 58), (8, 8, 48), (8, 8, 52), (8, 8, 55)]
    assert spans_of(Score(4, (played(seventh),))) == [(0, 8, {0, 4, 7, 10}, 0), (8, 16, {0, 4, 7}, 0)]


def test_broken_chords_are_read_by_half_bars() -> None:
    chords = (48, 52, 55, 60), (45, 48, 52, 57)
    rows = [(8 * i + 2 * j, 2, p) for i, chord in enumerate(chords) for j, p in enumerate(chord)]
    score = Score(4, (played(rows, "Guitar chords"),), time_signatures=(TimeSignature(0, 4, 4),))
    found = find_chords(score)
    assert found.broken
    assert "half a bar" in found.reason
    assert spans_of(score) == [(0, 8, {0, 4, 7}, 0), (8, 16, {9, 0, 4}, 9)]
    assert blockness(track_frames(score.tracks, 4)) == 0


def test_a_sheet_is_repeated_and_a_dot_goes_on() -> None:
    track = ChordSheet("C | . | F . . G | N.C.", 6).track(Score(480))
    onsets = np.unique(track.notes["onset"]).tolist()
    assert onsets == [0, 3840, 5280, 7680]
    assert set(track.notes["duration"][track.notes["onset"] == 0]) == {3840}
    assert set(track.notes["duration"][track.notes["onset"] == 7680]) == {3840}
    pickup = Score(480, time_signatures=(TimeSignature(0, 1, 4), TimeSignature(480, 4, 4)), tracks=(TUNE,))
    assert ChordSheet("C | F", 9).track(pickup).notes["onset"].min() == 480
    assert ends(ChordSheet("C | F", 9).track(pickup).notes) == 480 + 9 * 1920


def test_signatures_and_times_are_read() -> None:
    keys = {(0, False): 0, (7, False): 1, (5, False): -1, (9, True): 0, (3, True): 6, (6, False): 6, (1, False): -5}
    assert {key: signature_fifths(*key) for key in keys} == keys
    assert parse_time(" 12/8") == (12, 8)
    with pytest.raises(M4mError, match="not a time signature"):
        parse_time("0/4")


@pytest.mark.parametrize(
    ("text", "pitches"),
    [("C4-A5", (60, 81)), ("bb3..f#5", (58, 78)), ("60-81", (60, 81)), ("C-1-C0", (0, 12)), ("Cb4 - B#4", (59, 72))],
)
def test_ranges_are_read_as_musicians_write_them(text: str, pitches: tuple[int, int]) -> None:
    assert parse_range(text) == pitches


@pytest.mark.parametrize("text", ["H4", "C", "128", "G#9", "", "c4x"])
def test_what_is_no_pitch_is_refused(text: str) -> None:
    with pytest.raises(M4mError, match="not a pitch"):
        parse_pitch(text)


def rows(*notes: tuple[int, int, int]) -> np.ndarray:
    """FRAME_NOTE rows of (frame, pitch, duration)."""
    return np.array([(frame, 0, pitch, duration) for frame, pitch, duration in notes], FRAME_NOTE)


def test_a_note_ends_where_the_next_begins_and_fills_what_the_scale_of_durations_left_open() -> None:
    line = one_at_a_time(rows((0, 60, 8), (9, 62, 8), (12, 64, 2), (16, 65, 16)), 36)
    assert line["duration"].tolist() == [9, 3, 2, 20]
    ticks = np.array([(0, 9, 60, 80), (5, 4, 62, 80), (5, 2, 64, 80)], notes_array().dtype)
    assert apart(ticks)[["onset", "duration"]].tolist() == [(0, 5), (5, 4)]


def changes(*symbols: str, bar: int = 16) -> Changes:
    found = find_chords(Score(bar // 4, (blocks(list(symbols), tpq=bar // 4),)))
    return Changes(found.spans, found.ground.metre)


@pytest.mark.parametrize("key", [(tonic, minor) for tonic in range(12) for minor in (False, True)])
def test_the_usual_compass_moves_with_the_key_and_stays_near_its_centre(key: tuple[int, bool]) -> None:
    for centre in (44, 68, 84):
        compass = compass_around(key, centre)
        assert compass.highest - compass.lowest == 18
        assert abs((compass.highest + compass.lowest) / 2 - centre) <= 6.5
        assert (key[0] + compass.shift) % 12 == (9 if key[1] else 0)
    asked = compass_between(key, 60, 81)
    assert (asked.lowest, asked.highest) == (60, 81)
    assert (asked.rules.lowest - asked.shift, asked.rules.highest - asked.shift) == (60, 81)


@pytest.mark.parametrize("step", range(12))
def test_every_transposition_gives_the_same_melody(step: int) -> None:
    names = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
    network, how = FakeNetwork(alignment="aligned"), Draw(Sampling(), best_of=2)

    def line(by: int) -> np.ndarray:
        chords = [names[by % 12], names[(9 + by) % 12] + "m7", names[(5 + by) % 12], names[(7 + by) % 12] + "7"]
        over = changes(*chords)
        return write_lines(network, over, compass_around(over.likely_key, 72), how)[0]

    one, two = line(0), line(step)
    assert one[["frame", "duration"]].tolist() == two[["frame", "duration"]].tolist()
    (moved,) = set((two["pitch"] - one["pitch"]).tolist())
    assert moved % 12 == step


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bounds", [(60, 81), (61, 61), (0, 127)])
def test_the_constraints_hold_whatever_a_network_says(seed: int, bounds: tuple[int, int]) -> None:
    over = changes(*(["C", "F#m7b5", "B7", "Em"] * 2))
    network = FakeNetwork(window=64, alignment="aligned", seed=seed)
    how = Draw(Sampling(), seed=seed, count=3, strictness=(1.0, 2.5)[seed % 2])
    for line in write_lines(network, over, compass_between(over.likely_key, *bounds), how):
        assert (sounding(line, over.length).sum(axis=1) <= 1).all()
        assert line["pitch"].min() >= bounds[0]
        assert line["pitch"].max() <= bounds[1]
        assert (line["frame"] + line["duration"]).max() <= over.length


def test_long_rests_of_the_chords_stay_silent() -> None:
    score = ChordSheet("C | " + "N.C. | " * 9 + "G").score()
    found = find_chords(score)
    (made,) = melodize(score, found, FakeNetwork(alignment="aligned"), MelodyWish(Draw(Sampling())))
    onsets = made.track.notes["onset"] / 1920
    assert not ((onsets >= 1) & (onsets < 10)).any()
    assert (onsets >= 10).any()


def test_a_melody_may_begin_in_the_pickup_before_the_chords() -> None:
    signatures = (TimeSignature(0, 1, 4), TimeSignature(480, 4, 4))
    late = Track("Chords", notes=blocks(["C", "G"]).notes.copy())
    late.notes["onset"] += 480
    network, wish = FakeNetwork(alignment="aligned"), MelodyWish(Draw(Sampling()), density=10)
    score = Score(480, (late,), time_signatures=signatures)
    assert melodize(score, find_chords(score), network, wish)[0].track.notes["onset"].min() < 480
    intro = Score(480, (late,))
    assert melodize(intro, find_chords(intro), network, wish)[0].track.notes["onset"].min() >= 480


def test_the_kept_sample_fits_closes_and_is_as_dense_as_the_others() -> None:
    request = request_over(changes("C", "G7", "C"))
    good = [(4 * i, p, 4) for i, p in enumerate((72, 76, 79, 76, 71, 74, 77, 74, 72, 76, 79, 72))]
    off = [(f, p + 1, d) for f, p, d in good]
    open_end = [*good[:-1], (44, 74, 4)]
    sparse = [(0, 72, 16), (16, 71, 16), (32, 72, 16)]
    samples = [Sample(rows(*notes), 0.0, 1) for notes in (off, open_end, good, sparse)] + [Sample(rows()[:0], 0.0, 1)]
    order = by_fit(samples, request)
    assert order[0] == 2
    assert order[-1] == 4
    assert order.index(1) < order.index(0)


def request_over(over: Changes) -> Request:
    nothing = np.zeros(over.length, bool)
    return Request(over.moved(0), over.metre, over.length, ~nothing, nothing)


def test_rests_of_more_than_two_bars_are_long() -> None:
    request = request_over(changes(*"CFGCFGCF"))
    quiet = [(0, 60, 4), (36, 62, 4), (73, 64, 4), (124, 65, 4)]
    assert resting(Sample(rows(*quiet), 0.0, 1), request) == pytest.approx((33 + 47) / 128)
    assert resting(Sample(rows(*quiet), 0.0, 1), request, 73) == pytest.approx(47 / 55)
    assert resting(Sample(rows()[:0], 0.0, 1), request) == 1
    assert resting(Sample(rows((0, 60, 47), (64, 62, 47)), 0.0, 1), request) == pytest.approx(17 / 128)
    assert resting(Sample(rows((0, 60, 47), (64, 62, 48)), 0.0, 1), request) == 0
    asked = replace(request, begin=np.arange(128) >= 77)
    assert resting(Sample(rows(*quiet), 0.0, 1), asked) == pytest.approx(47 / 51)


class Leaning(FakeNetwork):
    """A network whose notes last a quarter, and are as likely to begin as not, give or take what it is told."""

    def __init__(self, nats: float) -> None:
        super().__init__(alignment="aligned")
        self.nats = nats

    def note_step(self, *inputs):  # type: ignore[no-untyped-def]
        first, *others = super().note_step(*inputs)
        first = np.full_like(first, -30)
        first[:, 0], first[:, -1] = self.nats, 0
        return first, *others

    def note_rest(self, *inputs):  # type: ignore[no-untyped-def]
        octave, duration = super().note_rest(*inputs)
        return octave, np.where(np.arange(16) == 3, 10, 0) + 0 * duration


def test_the_lean_is_sought_that_gives_the_density() -> None:
    over = changes("C", "G7")
    compass = compass_around((0, False), 72)

    def counts(density: float) -> list[int]:
        how = Draw(Sampling(), best_of=3)
        samples = paced_samples(Leaning(-2.0), request_over(over), compass.rules, how, density, 0, None)
        return [len(s.notes) for s in samples]

    usual = float(np.median(counts(1)))
    for density in (0.4, 3):
        assert all(gap(n, density * usual) <= 0.5 for n in counts(density))
    paced, notes = Paced(Leaning(0.0), 1.5), np.zeros((1, 1, 4), np.int64)
    nothing = np.zeros((1, 8)), np.zeros((1, 12, 4)), notes, np.zeros(1), np.zeros((1, 12, 3))
    first, _, state = paced.note_step(*nothing)  # type: ignore[arg-type]
    _, duration = paced.note_rest(state, notes, np.zeros((1, 3), np.int64))
    assert (first[0, 0], first[0, -1]) == (0, -1.5)
    assert duration[0].argmax() == 3


def test_a_model_that_rests_is_brought_to_play() -> None:
    over = changes("C", "G7", "C", "F", "C", "G7")
    (line,) = write_lines(Leaning(-5.0), over, compass_around((0, False), 72), Draw(Sampling()))
    assert resting(Sample(line, 0.0, 1), request_over(over)) <= 0.1


def test_a_model_that_runs_on_is_brought_to_a_melodys_pace() -> None:
    over = changes("C", "G7", "C", "F", "C", "G7")
    quarters = over.length / 4
    (line,) = write_lines(Leaning(5.0), over, compass_around((0, False), 72), Draw(Sampling()))
    assert 1 <= len(line) / quarters <= 2.25
    (busy,) = write_lines(Leaning(5.0), over, compass_around((0, False), 72), Draw(Sampling()), density=2)
    assert len(busy) / quarters > 2.25


def test_a_model_that_writes_nothing_is_told() -> None:
    class Mute(FakeNetwork):
        def note_step(self, *inputs):  # type: ignore[no-untyped-def]
            first, *others = super().note_step(*inputs)
            first[:, :-1] = -1e6
            return first, *others

    over = changes("C")
    with pytest.raises(M4mError, match="rests alone"):
        write_lines(Mute(alignment="aligned"), over, compass_around((0, False), 72), Draw(Sampling()))
