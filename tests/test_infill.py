"""`m4m infill` through the command line: what is made new, and that nothing else changes."""

import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from conftest import ROOT, Run
from toy import FakeNetwork

from m4mcli.errors import M4mError
from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.generation.draw import Draw
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.score.read import read_score
from m4mcli.score.replace_notes import Change, clear_of, replaced, replaced_midi
from m4mcli.score.score import NOTE, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.around import Around, window_around
from m4mcli.tasks.filling import Commission, apart, fillings
from m4mcli.tasks.ground import ground_of
from m4mcli.tasks.infill import fill, infiller
from m4mcli.tasks.manner import InManner
from m4mcli.tasks.region import parse_bars, regions, tracks_called
from m4mcli.tasks.touch import touched

ODE = ROOT / "commands" / "examples" / "ode-to-joy.mid"
GREENSLEEVES = ROOT / "commands" / "examples" / "greensleeves.mid"
TPQ = 480
BAR = 4 * TPQ
REGION = 4 * BAR, 6 * BAR
"""The ticks of bars 5 and 6."""

FAST = "--best-of", "1"

Placed = tuple[int, Any]
"""A tick and a mido message."""


def melody(bars: int, program: int, base: int, step: int = TPQ) -> list[tuple[int, int, int]]:
    """A tune over some bars as (tick, duration, pitch)."""
    scale = (0, 2, 4, 5, 7, 9, 7, 5, 4, 2)
    return [(t, step - 10, base + scale[(t // step + program) % len(scale)]) for t in range(0, bars * BAR, step)]


def line(notes: list[tuple[int, int, int]], channel: int, others: list[Placed]) -> mido.MidiTrack:
    """A MIDI track of notes and other messages at their ticks; ends, then others, then beginnings."""
    events: list[tuple[int, int, Any]] = [(t, 1, m) for t, m in others]
    for tick, duration, pitch in notes:
        events.append((tick, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=60 + pitch % 20)))
        events.append((tick + duration, 0, mido.Message("note_off", channel=channel, note=pitch, velocity=64)))
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda e: e[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    return track


def band(kind: int = 1) -> bytes:
    """Ten bars: piano with pedal, words and a bar line held over, bass with bends, drums, and what else a file has."""
    middle = REGION[0] + 1000
    head: list[Placed] = [
        (0, mido.MetaMessage("set_tempo", tempo=500_000)),
        (middle, mido.MetaMessage("set_tempo", tempo=400_000)),
        (middle, mido.MetaMessage("marker", text="here")),
    ]
    around: list[Placed] = [
        (REGION[0] + i * TPQ, mido.Message("control_change", control=64, value=i)) for i in range(8)
    ]
    around += [
        (middle, mido.MetaMessage("lyrics", text="la")),
        (middle, mido.MetaMessage("text", text="words")),
        (middle, mido.Message("sysex", data=(1, 2, 3))),
        (middle, mido.Message("polytouch", note=60, value=5)),
    ]
    piano = [*melody(10, 0, 60), (REGION[0] - TPQ // 2, TPQ, 48)]
    bends: list[Placed] = [(0, mido.Message("program_change", channel=1, program=33))]
    bends += [(t, mido.Message("pitchwheel", channel=1, pitch=t % 800)) for t in range(0, 10 * BAR, TPQ)]
    kit = [(t, 60, (36, 42, 38, 42)[t // 240 % 4]) for t in range(0, 10 * BAR, 240)]
    named: list[list[Placed]] = [[(0, mido.MetaMessage("track_name", name=n))] for n in ("Piano", "Bass", "Kit")]
    parts = [(piano, 0, named[0] + around), (melody(10, 3, 36, 2 * TPQ), 1, named[1] + bends), (kit, 9, named[2])]
    file = mido.MidiFile(type=kind, ticks_per_beat=TPQ)
    file.tracks += [line([], 0, head), *(line(*part) for part in parts)]
    if kind == 0:
        file.tracks[:] = [mido.merge_tracks(file.tracks)]
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def placed(track: mido.MidiTrack) -> list[Placed]:
    """The messages of a track with their ticks."""
    ticks = np.cumsum([message.time for message in track]).tolist()
    return [(tick, message.copy(time=0)) for tick, message in zip(ticks, track, strict=True)]


def without_notes_of(track: mido.MidiTrack, channel: int, region: tuple[int, int]) -> list[Placed]:
    """The messages of a track but the notes of a channel that begin in a region."""
    kept, going = [], set()
    for tick, message in placed(track):
        key = (message.channel, message.note) if message.type in ("note_on", "note_off") else (None, None)
        if message.type == "note_on" and key[0] == channel and region[0] <= tick < region[1]:
            going.add(key)
        elif message.type == "note_off" and key in going:
            going.remove(key)
        else:
            kept.append((tick, message))
    return kept


def read(data: bytes) -> Score:
    return read_score(data, "it").score


@pytest.mark.parametrize(
    ("chosen", "changed"), [("Piano", {1: 0}), ("2", {2: 1}), ("drums", {3: 9}), (None, {1: 0, 2: 1, 3: 9})]
)
def test_all_but_the_notes_of_the_region_stays_as_it_was(m4m: Run, chosen: str | None, changed: dict[int, int]) -> None:
    source = band()
    done = m4m("infill", *FAST, "--bars", "5-6", *(["--tracks", chosen] if chosen else []), stdin=source)
    assert (done.returncode, done.stderr) == (0, b"")
    old, new = (mido.MidiFile(file=io.BytesIO(data)) for data in (source, done.stdout))
    assert len(old.tracks) == len(new.tracks)
    for number, (before, after) in enumerate(zip(old.tracks, new.tracks, strict=True)):
        if number in changed:
            assert after != before
            kept = without_notes_of(before, changed[number], REGION)
            assert without_notes_of(after, changed[number], REGION) == kept
            assert {m.channel for _, m in placed(after) if m.type == "note_on"} == {changed[number]}
        else:
            assert after == before


def test_in_a_file_of_one_track_too(m4m: Run) -> None:
    source = band(kind=0)
    out = m4m("infill", *FAST, "--bars", "5-6", "--tracks", "Electric Bass", stdin=source).stdout
    (before,), (after,) = (mido.MidiFile(file=io.BytesIO(data)).tracks for data in (source, out))
    assert after != before
    assert without_notes_of(after, 1, REGION) == without_notes_of(before, 1, REGION)


def test_new_notes_keep_within_the_region_and_off_what_is_held(m4m: Run) -> None:
    source = band()
    for seed in "012":
        after = read(m4m("infill", *FAST, "--bars", "5-6", "--seed", seed, stdin=source).stdout)
        for old, new in zip(read(source).tracks, after.tracks, strict=True):
            inside = (new.notes["onset"] >= REGION[0]) & (new.notes["onset"] < REGION[1])
            made = new.notes[inside]
            assert (made["onset"] + made["duration"]).max(initial=0) <= REGION[1]
            outside = (old.notes["onset"] < REGION[0]) | (old.notes["onset"] >= REGION[1])
            assert new.notes[~inside].tobytes() == old.notes[outside].tobytes()
            assert set(made["pitch"]) <= set(range(old.notes["pitch"].min() - 3, old.notes["pitch"].max() + 4))
            if old.is_drum:
                assert set(made["pitch"]) <= {36, 38, 42}
        for pitch in range(128):
            own = after.tracks[0].notes[after.tracks[0].notes["pitch"] == pitch]
            assert (own["onset"][1:] >= (own["onset"] + own["duration"])[:-1]).all()


def test_several_regions(m4m: Run) -> None:
    source = band()
    before, after = (
        read(source),
        read(m4m("infill", *FAST, "--bars", "3,7-8", "--tracks", "bass,kit", stdin=source).stdout),
    )
    assert after.tracks[0].notes.tobytes() == before.tracks[0].notes.tobytes()
    for old, new in zip(before.tracks[1:], after.tracks[1:], strict=True):
        for start, stop in ((0, 2), (3, 6), (8, 10)):
            a, b = (t.notes[(t.notes["onset"] >= start * BAR) & (t.notes["onset"] < stop * BAR)] for t in (old, new))
            assert a.tobytes() == b.tobytes()
        for start, stop in ((2, 3), (6, 8)):
            new_in = new.notes[(new.notes["onset"] >= start * BAR) & (new.notes["onset"] < stop * BAR)]
            assert (new_in["onset"] + new_in["duration"]).max(initial=0) <= stop * BAR


def test_the_same_seed_gives_the_same_bytes(m4m: Run) -> None:
    first, again, other = (
        m4m("infill", *FAST, "--bars", "5-8", "--seed", seed, "--threads", threads, str(ODE)).stdout
        for seed, threads in (("1", "1"), ("1", "2"), ("2", "1"))
    )
    assert first == again
    assert first != other


def test_versions_are_those_of_the_next_seeds(m4m: Run, tmp_path: Path) -> None:
    done = m4m("infill", *FAST, "--bars", "3-4", "-n", "2", "--out-dir", "out", "--seed", "5", str(ODE))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    for number, seed in ((1, "5"), (2, "6")):
        alone = m4m("infill", *FAST, "--bars", "3-4", "--seed", seed, str(ODE)).stdout
        assert (tmp_path / "out" / f"ode-to-joy-{number}.mid").read_bytes() == alone


def notes_at(data: bytes) -> list[tuple[int, int]]:
    """The quarter in which each note of the first track begins, and its pitch."""
    score = read(data)
    return [(int(note["onset"]) // score.tpq, int(note["pitch"])) for note in score.tracks[0].notes]


def test_bars_that_stand_twice_do_not_come_back_as_they_were(m4m: Run) -> None:
    """A tune of eight bars, twice over: what would repeat itself in the hole is what stood there."""
    twice = "X:1\nM:4/4\nL:1/4\nK:G\n" + 2 * "GBdB|cAFA|GBdg|fdcA|GBdB|cAFA|dcAF|G2G2|" + "\n"
    old = notes_at(twice.encode())

    def notes_in(notes: list[tuple[int, int]], first: int, stop: int) -> list[tuple[int, int]]:
        return [note for note in notes if first <= note[0] < stop]

    made = []
    for seed in ("0", "1"):
        result = m4m("infill", "--bars", "9-12", "--seed", seed, *FAST, stdin=twice.encode())
        made.append(notes_at(result.stdout))
        assert notes_in(made[-1], 0, 32) == notes_in(old, 0, 32)
        assert notes_in(made[-1], 48, 64) == notes_in(old, 48, 64)
        assert notes_in(made[-1], 32, 48) not in ([], notes_in(old, 32, 48))
    assert made[0] != made[1]


def test_of_several_files_a_bad_one_does_not_stop_the_others(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.mid").write_bytes(b"MThd")
    done = m4m("infill", *FAST, "--bars", "3", "--out-dir", "out", "bad.mid", str(ODE), str(GREENSLEEVES))
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert sorted(p.name for p in (tmp_path / "out").glob("*.mid")) == ["greensleeves.mid", "ode-to-joy.mid"]


def test_a_pickup_is_bar_0(m4m: Run) -> None:
    before, after = (
        read(data)
        for data in (GREENSLEEVES.read_bytes(), m4m("infill", *FAST, "--bars", "0-1", str(GREENSLEEVES)).stdout)
    )
    stop = TPQ // 2 + 3 * TPQ
    old, new = (s.tracks[0].notes[s.tracks[0].notes["onset"] >= stop] for s in (before, after))
    assert old.tobytes() == new.tobytes()
    assert before.tracks[0].notes.tobytes() != after.tracks[0].notes.tobytes()
    assert m4m("infill", *FAST, "--bars", "0", str(ODE)).returncode == 2


def test_json_in_and_out(m4m: Run) -> None:
    source = band()
    midi = m4m("infill", *FAST, "--bars", "5-6", stdin=source).stdout
    as_json = m4m("infill", *FAST, "--bars", "5-6", "--json", stdin=source).stdout
    assert as_json == m4m("quantize", "--strength", "0", "--json", stdin=midi).stdout
    from_json = m4m(
        "infill", *FAST, "--bars", "5-6", stdin=m4m("quantize", "--strength", "0", "--json", stdin=source).stdout
    )
    assert json.loads(from_json.stdout)["tracks"] == json.loads(as_json)["tracks"]


def test_what_is_new_alone(m4m: Run) -> None:
    whole, alone = (
        read(m4m("infill", *FAST, "--bars", "5-6", *more, stdin=band()).stdout) for more in ((), ("--only", "--midi"))
    )
    for track, new in zip(whole.tracks, alone.tracks, strict=True):
        inside = (track.notes["onset"] >= REGION[0]) & (track.notes["onset"] < REGION[1])
        assert new.notes.tobytes() == track.notes[inside].tobytes()
        assert (new.name, new.program, new.is_drum, len(new.controls)) == (track.name, track.program, track.is_drum, 0)
    assert [t.microseconds for t in alone.tempos] == [500_000, 400_000]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bars", "17"], "no bar 17; bars: 1-16"),
        (["--bars", "9-8"], "8-9?"),
        (["--bars", "x"], "names no bars"),
        (["--bars", "3", "--tracks", "Horn"], "no track with notes is called 'Horn'; tracks: 1 'Ode to Joy'"),
        (["--bars", "3", "--tracks", "2"], "there is no track 2"),
        (["--bars", "3", "-n", "2"], "--out-dir"),
        ([], "--bars"),
    ],
)
def test_wrong_usage_is_told_in_one_line(m4m: Run, arguments: list[str], said: str) -> None:
    done = m4m("infill", *FAST, *arguments, str(ODE))
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert said in done.stderr.decode()


@pytest.mark.parametrize(
    ("data", "bars", "said"),
    [
        (ODE.read_bytes(), "1-16", "all notes of the piece"),
        (score_to_midi(Score(96, (Track(),))), "1", "no notes"),
    ],
)
def test_without_music_around_there_is_nothing_to_write_from(m4m: Run, data: bytes, bars: str, said: str) -> None:
    done = m4m("infill", *FAST, "--bars", bars, stdin=data)
    assert (done.returncode, done.stdout) == (1, b"")
    assert said in done.stderr.decode()


def test_verbose_tells_tracks_model_and_seed(m4m: Run) -> None:
    told = m4m("infill", "-v", "--bars", "3", "--tracks", "2,kit", "--seed", "3", stdin=band()).stderr.decode()
    assert "tracks 2 'Bass', 3 'Kit'; model " in told
    assert "seed 3, best of 4" in told


def swung() -> Score:
    """Off-beats of a flute on the third triplet, under a hat on the beats, for eight bars."""
    rows = [(b * TPQ + d, 100, 60 + (3 * b) % 12, 80) for b in range(32) for d in (0, 320)]
    hats = [(b * TPQ, 60, 42, 80) for b in range(32)]
    tracks = (Track("Flute", 73, False, notes_array(rows)), Track("Kit", 0, True, notes_array(hats)))
    return Score(TPQ, tracks, (Tempo(0, 500_000),), (TimeSignature(0, 4, 4),))


def test_new_notes_swing_as_the_piece_does(m4m: Run) -> None:
    after = read(m4m("infill", *FAST, "--bars", "3-6", "--seed", "1", stdin=score_to_midi(swung())).stdout)
    made = np.concatenate(
        [t.notes["onset"][(t.notes["onset"] >= 2 * BAR) & (t.notes["onset"] < 6 * BAR)] for t in after.tracks]
    )
    assert 240 not in made % TPQ
    assert set(made % TPQ) <= {0, 120, 320, 360}


def two_hands() -> bytes:
    right = [(i * TPQ, 400, 72 + i % 7, 90) for i in range(48)]
    left = [(i * TPQ, 400, 40 + i % 7, 50) for i in range(48)]
    hands = tuple(Track(name, 0, False, notes_array(rows)) for name, rows in (("Piano RH", right), ("Piano LH", left)))
    return score_to_midi(Score(TPQ, hands, (), (TimeSignature(0, 4, 4),)))


def test_tracks_of_one_instrument_keep_their_registers_and_their_touch(m4m: Run) -> None:
    after = read(m4m("infill", *FAST, "--bars", "4-9", "--tracks", "piano", stdin=two_hands()).stdout)
    right, left = (t.notes[(t.notes["onset"] >= 3 * BAR) & (t.notes["onset"] < 9 * BAR)] for t in after.tracks)
    assert len(right)
    assert len(left)
    assert right["pitch"].min() > left["pitch"].max()
    assert (right["velocity"].min(), left["velocity"].max()) == (90, 50)


def test_tracks_of_one_program_are_told_apart() -> None:
    def track(program: int, count: int, is_drum: bool = False) -> Track:
        return Track("", program, is_drum, notes_array([(i, 1, 60, 80) for i in range(count)]))

    score = Score(TPQ, (track(0, 3), track(0, 9), track(3, 4), track(0, 5), track(7, 1), track(0, 2, True)))
    assert apart(score, (0, 1, 2, 3)) == (2, 0, 3, 1, 7, DRUMS)
    assert apart(score, (0, 2, 5)) == (0, 0, 3, 0, 7, DRUMS)
    many = apart(Score(TPQ, tuple(track(40, 1) for _ in range(130))), tuple(range(130)))
    assert (many[0], many.count(40), len(set(many))) == (40, 3, 128)


def test_each_of_several_pianos_goes_on(m4m: Run) -> None:
    def part(name: str, low: int, step: int) -> Track:
        rows = [(t, step, low + (t // step * 4) % 12, 80) for t in range(0, 16 * BAR, step)]
        return Track(name, 0, False, notes_array(rows))

    parts = (part("Tune", 76, TPQ), part("Middle", 60, 2 * TPQ), part("Bass", 36, BAR))
    piece = score_to_midi(Score(TPQ, parts, (), (TimeSignature(0, 4, 4),)))
    after = read(m4m("infill", *FAST, "--bars", "9-10", stdin=piece).stdout)
    for old, new in zip(parts, after.tracks, strict=True):
        made = new.notes[(new.notes["onset"] >= 8 * BAR) & (new.notes["onset"] < 10 * BAR)]
        assert len(made), old.name
        assert abs(made["pitch"].mean() - old.notes["pitch"].mean()) < 8, old.name


class Muted(InManner):
    """A network that gives nothing to some instruments."""

    def note_step(self, *inputs: Any) -> Any:
        first, *others = self.network.note_step(*inputs)
        first[:, self.rules.instruments] = -1e6
        return first, *others


HOW = Draw(Sampling(), best_of=1)


def test_rests_alone_are_a_failure() -> None:
    muted = Muted(FakeNetwork(64), Rules(instruments=tuple(range(129))))
    with pytest.raises(M4mError, match="rests alone"):
        fillings(read(ODE.read_bytes()), partial(fill, muted), Commission(((3, 4),), HOW))


def test_a_track_that_stays_silent_is_told() -> None:
    muted = Muted(FakeNetwork(64), Rules(instruments=(33,)))
    (made,) = fillings(read(band()), partial(fill, muted), Commission(((5, 6),), HOW))
    assert [(track, str(region)) for track, region in made.silent if track == 1] == [(1, "5-6")]
    assert not len(made.changes[1].notes)


def rows(*notes: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(list(notes), FRAME_NOTE)


@pytest.mark.parametrize(("hole", "window"), [((16, 32), 64), ((80, 96), 64), ((16, 112), 64), ((176, 192), 64)])
def test_in_frames_all_is_within_the_hole(hole: tuple[int, int], window: int) -> None:
    frames = np.arange(192)
    metre = np.stack([frames % 16, np.full(192, 16), np.full(192, 4)], axis=1).astype(np.int32)
    hidden = (frames >= hole[0]) & (frames < hole[1])
    piece = rows(*((2 * i, 0, 60 + i % 12, 2) for i in range(96)), *((4 * i, DRUMS, 36, 1) for i in range(48)))
    kept = piece[(piece["instrument"] == 0) & ~hidden[piece["frame"]]]
    around = Around(piece[piece["instrument"] == DRUMS], kept, kept[:0], (0,), metre, hidden, hole)
    start, stop = window_around(around, window)
    assert start % 16 == 0
    assert start <= hole[0] < stop <= 192
    for made in fill(FakeNetwork(window, "aligned"), around, replace(HOW, count=2)):
        assert ((made["frame"] >= hole[0]) & (made["frame"] + made["duration"] <= hole[1])).all()
        assert set(made["instrument"]) <= {0}
        assert np.isin(made["pitch"], range(57, 75)).all()


def test_what_was_in_the_hole_is_not_looked_at() -> None:
    frames = np.arange(96)
    metre = np.stack([frames % 16, np.full(96, 16), np.full(96, 4)], axis=1).astype(np.int32)
    piece = rows(*((2 * i, 0, 60 + i % 12, 2) for i in range(48)))
    gone = piece[(piece["frame"] < 32) | (piece["frame"] >= 48)]
    write = infiller(None, best_of=1)
    one, two = (write(notes, (0,), metre, (32, 48), 2, 1) for notes in (piece, gone))
    assert [a.tobytes() for a in one] == [b.tobytes() for b in two]


def test_bars_as_they_are_written() -> None:
    assert parse_bars("9") == ((9, 9),)
    assert parse_bars(" 12-14, 3 ,4-5,13 - 20") == ((3, 5), (12, 20))
    for wrong in ("", "1-", "-2", "1--2", "1.5", "a"):
        with pytest.raises(M4mError) as failed:
            parse_bars(wrong)
        assert failed.value.status == 2


def test_regions_are_whole_bars() -> None:
    score = Score(TPQ, (Track(notes=notes_array([(0, 9 * TPQ, 60, 80)])),), (), (TimeSignature(0, 3, 4),))
    (region,) = regions(ground_of(score), ((2, 3),))
    assert (region.ticks, region.frames, str(region)) == ((3 * TPQ, 9 * TPQ), (12, 36), "2-3")


def test_tracks_are_called_by_number_name_part_of_it_or_instrument() -> None:
    score = read(band())
    assert tracks_called(score, "2") == (1,)
    assert tracks_called(score, "kit, piano") == (0, 2)
    assert tracks_called(score, "pia") == (0,)
    assert tracks_called(score, "drums,finger") == (1, 2)


def test_notes_give_way_to_what_is_held() -> None:
    held = notes_array([(100, 100, 60, 80), (300, 10, 60, 80)])
    new = notes_array([(90, 50, 60, 1), (150, 10, 60, 2), (150, 10, 61, 3), (200, 300, 60, 4), (400, 9, 60, 5)])
    clear = clear_of(new, held)
    assert clear["velocity"].tolist() == [1, 3, 4, 5]
    assert clear["duration"].tolist() == [10, 10, 100, 9]


def test_new_notes_sound_with_the_program_of_their_part_or_not_at_all() -> None:
    file = mido.MidiFile(type=1, ticks_per_beat=TPQ)
    programs: list[Placed] = [(BAR, mido.Message("program_change", channel=0, program=5))]
    file.tracks.append(line([(0, 100, 60), (2 * BAR, 100, 62)], 0, programs))
    out = io.BytesIO()
    file.save(file=out)
    score = read(out.getvalue())
    assert [t.program for t in score.tracks] == [0, 5]
    new = notes_array([(10, 5, 70, 80), (BAR + 10, 5, 71, 80)])
    changes = [Change(i, ((0, 2 * BAR),), new) for i in (0, 1)]
    after = read(replaced_midi(out.getvalue(), score, changes))
    assert [(t.program, t.notes["pitch"].tolist()) for t in after.tracks] == [(0, [70]), (5, [71, 62])]


def test_a_track_ends_later_for_a_longer_note_alone() -> None:
    score = Score(TPQ, (Track(notes=notes_array([(0, 100, 60, 80), (BAR, 100, 60, 80)])),))
    midi = score_to_midi(score)
    change = Change(0, ((BAR, 2 * BAR),), notes_array([(BAR, BAR, 64, 80)]))
    for notes, end in ((change.notes, 2 * BAR), (change.notes[:0], BAR + 100)):
        after = replaced_midi(midi, read(midi), [replace(change, notes=notes)])
        *_, last = placed(mido.MidiFile(file=io.BytesIO(after)).tracks[1])
        assert (last[0], last[1].type) == (end, "end_of_track")
        assert (
            read(after).tracks[0].notes.tobytes()
            == replaced(score, [replace(change, notes=notes)]).tracks[0].notes.tobytes()
        )


def test_accents_are_those_of_the_place_and_of_the_sound() -> None:
    hits = [(b * TPQ + d, 60, p, v) for b in range(32) for d, p, v in ((0, 36, 110), (0, 42, 70), (240, 42, 50))]
    score = Score(TPQ, (Track("Kit", 0, True, notes_array(hits)),), (), (TimeSignature(0, 4, 4),))
    notes = score.tracks[0].notes
    inside = (notes["onset"] >= 3 * BAR) & (notes["onset"] < 4 * BAR)
    loud = touched(notes[inside].astype(NOTE), notes[~inside], ground_of(score), is_drum=True)
    assert np.abs(loud - notes["velocity"][inside]).max() <= 6
