"""Beats of performances: found in the notes, written as a tempo map, quantized on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from m4mcli.analysis.beat_evidence import FEATURES, describe
from m4mcli.analysis.beat_grid import BeatGrid, grid_of
from m4mcli.analysis.beat_map import TPQ, with_beats
from m4mcli.analysis.beat_network import INTERVALS_S, SHIFTS, STRETCHES, Opinion, mean_opinion
from m4mcli.analysis.beats import track_beats, tracking
from m4mcli.analysis.convolution_network import ConvolutionNetwork
from m4mcli.analysis.gated_units import GatedUnits
from m4mcli.analysis.grid_check import usable_grid
from m4mcli.analysis.metre_finding import falls_in_three
from m4mcli.analysis.retiming import retimed
from m4mcli.analysis.tempo_curve import likeliest_beats
from m4mcli.dataset.beat_annotations import read_beats
from m4mcli.errors import M4mError
from m4mcli.evaluation.beats import beat_tables, grid_tables
from m4mcli.evaluation.table import as_text
from m4mcli.score.clock import seconds_at
from m4mcli.score.events import split
from m4mcli.score.metre import bars
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
from m4mcli.score.write import score_to_midi

Seconds = NDArray[np.float64]

ODE = "E E F G G F E D C C D E E:1.5 D:0.5 D:2 E E F G G F E D C C D E D:1.5 C:0.5 C:2 "
ODE += "D D E C D E:0.5 F:0.5 E C D E:0.5 F:0.5 E D C D G3:2 E E F G G F E D C C D E D:1.5 C:0.5 C:2"
ODE_BASS = "C3 G3 C3 G3 C3 G3 G2 G3 C3 G3 C3 G3 C3 G3 C3 C3 G2 D3 C3 E3 G2 B2 A2 G2 C3 G3 C3 G3 C3 G3 C3 C3"
"""The Ode to Joy (Beethoven 1824), in quarters unless a length is given, and a bass in half notes."""

AUGUSTIN = "G:1.5 A:0.5 G:0.5 F:0.5 E C C D G3 G3 E C C G:1.5 A:0.5 G:0.5 F:0.5 E C C D G3 G3 C:3 "
AUGUSTIN += "D G3 G3 E C C D G3 G3 E C C G:1.5 A:0.5 G:0.5 F:0.5 E C C D G3 G3 C:3"
AUGUSTIN_BASS = "C3 C3 G2 C3 C3 C3 G2 C3 G2 C3 G2 C3 C3 C3 G2 C3"
"""O du lieber Augustin (Vienna, about 1800), and the first notes of the bars of its bass."""

PITCHES = {"C": 60, "D": 62, "E": 64, "F": 65, "G": 67, "A": 69, "B": 71}


def pitch_of(name: str) -> int:
    return PITCHES[name[0]] + 12 * (int(name[1:] or 4) - 4)


def tune(text: str) -> list[tuple[float, float, int]]:
    """Beginnings and lengths in quarters, and pitches."""
    rows, now = [], 0.0
    for word in text.split():
        name, _, length = word.partition(":")
        rows.append((now, float(length or 1), pitch_of(name)))
        now += float(length or 1)
    return rows


def ode() -> list[tuple[float, float, int]]:
    bass = [(2.0 * i, 2.0, pitch_of(name)) for i, name in enumerate(ODE_BASS.split())]
    return tune(ODE) + bass + [(start + 1, 1.0, pitch + 12) for start, _, pitch in bass]


def augustin() -> list[tuple[float, float, int]]:
    bass = [(3.0 * i, 1.0, pitch_of(name)) for i, name in enumerate(AUGUSTIN_BASS.split())]
    return tune(AUGUSTIN) + bass + [(s + k, 1.0, p + n) for s, _, p in bass for k in (1, 2) for n in (4, 7)]


def performance(
    rows: list[tuple[float, float, int]], quarter_s: float, seed: int, rubato: float = 0.12
) -> tuple[Score, Seconds]:
    """The rows played with a tempo that swells and slackens, uneven fingers, and no tempo map: 120 to the minute, from
    0.4 seconds on. Also the seconds of the quarters."""
    rng = np.random.default_rng(seed)
    last = int(max(start + length for start, length, _ in rows))
    curve = rubato * np.sin(np.arange(last) * 2 * np.pi / 16) + rng.normal(0, rubato / 6, last)
    beats = 0.4137 + np.concatenate(([0.0], np.cumsum(quarter_s * np.exp(curve))))
    when = np.interp([row[0] for row in rows], np.arange(last + 1), beats) + rng.normal(0, 0.008, len(rows))
    stop = np.interp([row[0] + 0.85 * row[1] for row in rows], np.arange(last + 1), beats)
    notes = [
        (round(a * 960), max(1, round((b - a) * 960)), row[2], int(rng.integers(60, 80)))
        for a, b, row in zip(when, stop, rows, strict=True)
    ]
    return Score(480, (Track("Piano", notes=notes_array(notes)),), (Tempo(0, 500_000),)), beats[:-1]


def f_measure(true: Seconds, found: Seconds) -> float:
    """Of beats within 70 ms, as mir_eval counts them where no two are that close."""
    hits = int((np.abs(true[:, None] - found[None, :]).min(axis=1) < 0.07).sum())
    return 2 * hits / (len(true) + len(found))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("rows", "quarter_s", "metre"), [(ode(), 0.62, 4), (augustin(), 0.45, 3)], ids=["ode", "waltz"]
)
def test_beats_and_bars_of_a_tune_with_rubato(
    rows: list[tuple[float, float, int]], quarter_s: float, metre: int, seed: int
) -> None:
    score, beats = performance(rows, quarter_s, seed)
    grid = track_beats(score)
    seconds = seconds_at(score, grid.beat_ticks)
    assert f_measure(beats, seconds) > 0.9
    assert f_measure(beats[::metre], seconds[grid.downbeat]) > 0.75
    assert grid.signatures[0] in (TimeSignature(0, metre, 4), TimeSignature(0, 2, 4))
    assert (np.diff(grid.beat_ticks) > 0).all()


def test_the_tempo_map_of_the_file_does_not_matter() -> None:
    score, _ = performance(ode(), 0.5, 3)
    other = replace(score, tpq=240, tempos=(Tempo(0, 250_000),), time_signatures=(TimeSignature(0, 7, 8),))
    assert track_beats(other).beat_ticks.tolist() == track_beats(score).beat_ticks.tolist()


def test_notes_come_to_the_grid_of_the_beats_that_were_played(m4m: Run) -> None:
    score, _ = performance(ode(), 0.62, 4)
    done = m4m("quantize", "-v", "--grid", "1/8", "--json", stdin=score_to_midi(score))
    assert done.returncode == 0
    assert b"beats tracked: " in done.stderr
    after = json.loads(done.stdout)
    written = sorted((start, pitch) for start, _, pitch in ode())
    placed = sorted((n["onset"] / after["tpq"], n["pitch"]) for n in after["tracks"][0]["notes"])
    offset = placed[0][0]
    same = sum(abs(a[0] - offset - b[0]) < 0.01 and a[1] == b[1] for a, b in zip(placed, written, strict=True))
    assert same > 0.9 * len(written)
    assert 60_000 < np.median([t["microseconds"] for t in after["tempos"]]) < 1_200_000


def test_the_file_can_be_trusted_all_the_same(m4m: Run) -> None:
    score, _ = performance(ode(), 0.62, 4)
    played = score_to_midi(score)
    by_file = read_score(m4m("quantize", "--beats", "file", stdin=played).stdout, "by file").score
    assert (by_file.tpq, by_file.tempos) == (score.tpq, score.tempos)
    # A note stays where it is if another of its pitch is on the same line.
    assert np.mean(by_file.tracks[0].notes["onset"] % 120 == 0) > 0.9


def test_a_grid_that_fits_is_kept(m4m: Run, examples: Path) -> None:
    played = examples / "played.mid"
    by_file = m4m("quantize", "--beats", "file", played).stdout
    auto = m4m("quantize", "-v", played)
    assert auto.stdout == by_file
    assert b"beats of the file: " in auto.stderr
    assert m4m("quantize", "--beats", "track", played).stdout != by_file


def test_which_grids_are_usable() -> None:
    score, _ = performance(ode(), 0.5, 5)
    usable, why = usable_grid(score)
    assert not usable
    assert "% of the onsets are on the file's beats" in why
    assert usable_grid(with_beats(score, track_beats(score)))[0]
    few = replace(score, tracks=(Track(notes=score.tracks[0].notes[:9]),))
    assert usable_grid(few) == (True, "9 onsets are too few to doubt the file's beats")
    assert usable_grid(Score(480))[0]


def test_pieces_with_little_to_track(m4m: Run) -> None:
    assert len(track_beats(Score(480)).beat_ticks) == 0
    one = Score(480, (Track(notes=notes_array([(333, 100, 60, 80)])),))
    assert len(track_beats(one).beat_ticks) == 1
    for score in (Score(480), one):
        done = m4m("quantize", "--beats", "track", stdin=score_to_midi(score))
        assert done.returncode == 0
        assert read_score(done.stdout, "out").score.note_count == score.note_count


def test_drums_alone_have_beats() -> None:
    rng = np.random.default_rng(0)
    hits = [(i * 0.26, (36, 42, 38, 42)[i % 4]) for i in range(96)] + [(i * 0.26, 42) for i in range(0, 96, 2)]
    rows = [(round((s + 0.3 + rng.normal(0, 0.004)) * 960), 40, p, 90) for s, p in hits]
    score = Score(480, (Track("Kit", 0, True, notes_array(rows)),))
    seconds = seconds_at(score, track_beats(score).beat_ticks)
    spaces = np.diff(seconds)
    assert np.allclose(spaces, np.median(spaces), atol=0.06)
    assert np.median(spaces) == pytest.approx(0.52, abs=0.03) or np.median(spaces) == pytest.approx(1.04, abs=0.06)


def test_noise_is_told_to_be_uncertain(m4m: Run) -> None:
    rng = np.random.default_rng(0)
    places = zip(rng.integers(0, 60_000, 150), rng.integers(30, 90, 150), strict=True)
    rows = [(int(tick), 100, int(pitch), 64) for tick, pitch in places]
    done = m4m("quantize", stdin=score_to_midi(Score(480, (Track(notes=notes_array(rows)),))))
    assert done.returncode == 0
    assert b"warning: the beats found are uncertain" in done.stderr


def test_beats_of_three_parts() -> None:
    beats = np.arange(20.0)
    assert falls_in_three(np.arange(0, 19, 1 / 3), beats)
    assert not falls_in_three(np.arange(0, 19, 1 / 4), beats)
    assert not falls_in_three(beats, beats)


def test_a_piece_is_read_at_other_tempos_in_the_same_groups() -> None:
    begin, rest = np.array([0.0, 0.033, 0.5, 0.54, 1.0]), np.full(5, 0.4)
    music = (begin, rest, np.array([60.0, 64, 67, 72, 60]), np.full(5, 80.0))
    as_it_is = describe(*music)
    for shift, stretch in zip(SHIFTS, STRETCHES.tolist(), strict=True):
        seen = describe(*music, stretch)
        assert np.allclose(seen.seconds, as_it_is.seconds * stretch), "no group falls apart or grows together"
        assert np.allclose(seen.features, as_it_is.features) == (shift == 0), "but the distances are others"


def test_intervals_are_told_at_the_tempo_that_is_played() -> None:
    """The network hears a clock that is slowed down with the piece."""
    heard = 12

    class Clock(ConvolutionNetwork):
        def outputs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
            out = np.zeros((*features.shape[:2], 2 + len(INTERVALS_S)), np.float32)
            for heard_here, shift in zip(out, features[:, 0, 0], strict=True):
                heard_here[:, 2 + heard + int(shift)] = 9
            return out

    none = np.zeros((0, 0), np.float32)
    clock = Clock(none, none, (none, none), (), None, (none, none))
    held = mean_opinion([clock], [np.full((4, 1), shift, np.float32) for shift in SHIFTS])
    assert held.interval.argmax(axis=1).tolist() == [heard] * 4
    assert np.allclose(np.exp(held.interval).sum(axis=1), 1)


def test_gated_units_remember_both_ways() -> None:
    """One unit that keeps half of its state at each row, and takes half of what comes; two sequences at once."""
    gates = np.zeros((2, 1, 3), np.float32)
    gates[:, 0, 2] = 1
    units = GatedUnits(
        gates, np.zeros((2, 3), np.float32), np.zeros((2, 1, 3), np.float32), np.zeros((2, 3), np.float32)
    )
    rows = np.array([[0.5, 0, 0], [0, 0, -2]], np.float32)[:, :, None]
    first, last = np.tanh(0.5) / 2, np.tanh(-2) / 2
    ahead, back = units.states(rows).transpose(2, 0, 1)
    assert np.allclose(ahead, [[first, first / 2, first / 4], [0, 0, last]])
    assert np.allclose(back, [[first, 0, 0], [last / 4, last / 2, last]])


def test_transposing_changes_no_distance() -> None:
    begin = np.cumsum(np.full(12, 0.25))
    pitch = np.array([60.0, 62, 64, 65, 67, 69, 71] * 2)[:12]
    low = describe(begin, np.full(12, 0.2), pitch, np.full(12, 80.0))
    high = describe(begin, np.full(12, 0.2), pitch + 2, np.full(12, 80.0))
    assert low.features.shape == (12, FEATURES)
    assert (np.abs(low.features - high.features).max(axis=0) > 1e-6).sum() <= 2
    assert low.seconds.tolist() == high.seconds.tolist()


def grids() -> st.SearchStrategy[tuple[Score, BeatGrid]]:
    """Pieces with everything in them, under several tempos, and beats that have nothing to do with them."""
    ticks = st.integers(0, 7_000)
    note = st.tuples(ticks, st.integers(0, 900), st.integers(0, 127), st.integers(1, 127))
    tempo = st.builds(Tempo, ticks, st.integers(150_000, 500_000))
    metre = st.tuples(st.sampled_from([(4, 4), (3, 4), (6, 8), (2, 2), (5, 8)]))

    def built(
        notes: list[tuple[int, int, int, int]],
        tempos: list[Tempo],
        marks: list[int],
        beats: list[int],
        first: int,
        bar: int,
        metre: tuple[tuple[int, int]],
    ) -> tuple[Score, BeatGrid]:
        track = Track(
            "All",
            notes=notes_array(notes),
            controls=np.array([(tick, 64, 127) for tick in sorted(marks)], CONTROL),
            bends=np.array([(tick, 100) for tick in sorted(marks)], BEND),
            lyrics=tuple((tick, "la") for tick in sorted(marks)),
        )
        markers = tuple((tick, "here") for tick in sorted(marks))
        keys = tuple(KeySignature(tick, 1, False) for tick in sorted(set(marks)))
        unique = {t.tick: t for t in sorted(tempos, key=lambda t: t.tick)}
        score = Score(480, (track,), tuple(unique.values()), (), keys, markers)
        downbeat = np.arange(len(beats)) % bar == first % bar
        return score, BeatGrid(np.array(sorted(beats), np.int64), downbeat, (TimeSignature(0, *metre[0]),))

    return st.builds(
        built,
        st.lists(note, min_size=1, max_size=10),
        st.lists(tempo, max_size=4),
        st.lists(ticks, max_size=4),
        st.lists(ticks, min_size=1, max_size=30, unique=True),
        st.integers(0, 3),
        st.integers(1, 5),
        metre,
    )


def moments(score: Score) -> tuple[Seconds, Seconds]:
    """Seconds of all events of a piece, ends of notes apart."""
    track = score.tracks[0]
    notes = np.sort(track.notes, order=["pitch", "velocity", "onset", "duration"])
    texts = [tick for tick, _ in (*track.lyrics, *score.markers)] + [key.tick for key in score.key_signatures]
    ticks = np.concatenate([np.sort(notes["onset"]), track.controls["tick"], track.bends["tick"], np.array(texts, int)])
    return seconds_at(score, ticks), seconds_at(score, np.sort(notes["onset"] + notes["duration"]))


@settings(max_examples=200, deadline=None)
@given(grids())
def test_every_event_keeps_its_second(piece: tuple[Score, BeatGrid]) -> None:
    score, grid = piece
    after = with_beats(score, grid)
    tick = max(t.microseconds for t in after.tempos) / 1e6 / TPQ
    for old, new in zip(moments(score), moments(after), strict=True):
        assert np.abs(old - new).max() <= tick + 1e-5
    assert [len(t.notes) for t in after.tracks] == [len(t.notes) for t in score.tracks]


@settings(max_examples=200, deadline=None)
@given(grids())
def test_every_downbeat_is_a_bar_line(piece: tuple[Score, BeatGrid]) -> None:
    score, grid = piece
    after = with_beats(score, grid)
    starts = seconds_at(after, np.array([bar.tick for bar in bars(after, after.end + 99 * TPQ)]))
    downbeats = seconds_at(score, grid.beat_ticks[grid.downbeat])
    if len(downbeats):
        assert np.abs(downbeats[:, None] - starts).min(axis=1).max() < 1e-3
    longer = replace(after, tracks=(Track(notes=notes_array([(0, after.end + 99 * TPQ, 60, 1)])),))
    beats = seconds_at(after, grid_of(longer).beat_ticks)
    assert np.abs(seconds_at(score, grid.beat_ticks)[:, None] - beats).min(axis=1).max() < 1e-3


@settings(max_examples=100, deadline=None)
@given(grids())
def test_the_bytes_and_the_arrays_agree(piece: tuple[Score, BeatGrid]) -> None:
    score, grid = piece
    midi = score_to_midi(score)
    reading = read_score(midi, "made")
    assert reading.midi is not None
    by_bytes = retimed(reading.midi, reading.score, grid)
    again, arrays = read_score(by_bytes, "moved").score, with_beats(reading.score, grid)
    assert (again.tpq, again.tempos, again.time_signatures) == (TPQ, arrays.tempos, arrays.time_signatures)
    assert (again.markers, again.key_signatures) == (arrays.markers, arrays.key_signatures)
    assert again.tracks[0].notes["onset"].tolist() == arrays.tracks[0].notes["onset"].tolist()
    assert again.tracks[0].controls.tolist() == arrays.tracks[0].controls.tolist()
    clocks = (b"\xff\x51", b"\xff\x58")
    before, after = (
        [[event.data for event in chunk.events or () if event.data[:2] not in clocks] for chunk in split(file)]
        for file in (reading.midi, by_bytes)
    )
    assert before == after


def test_a_beat_too_long_for_midi_is_refused() -> None:
    score = Score(480, (Track(notes=notes_array([(0, 480, 60, 80), (48_000, 480, 60, 80)])),))
    grid = BeatGrid(np.array([0, 48_000]), np.array([True, False]), (TimeSignature(0, 4, 4),))
    with pytest.raises(M4mError, match="a beat of 50 seconds"):
        with_beats(score, grid)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0, 1.5), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_beats_rise_and_begin_and_end_with_the_notes(gaps: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds = np.cumsum([0.3, *(gap + 0.036 for gap in gaps)])
    n = len(seconds)
    scores = rng.normal(0, 2, (n, len(INTERVALS_S)))
    chances = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    found = likeliest_beats(
        seconds, Opinion(*(a.astype(np.float32) for a in (rng.normal(0, 3, n), rng.normal(0, 3, n), chances)))
    )
    assert (np.diff(found.seconds) > 0).all()
    assert np.diff(found.seconds, prepend=seconds[0]).max() <= 3.4
    assert found.seconds[-1] > seconds[-1] - 3.4
    heard = found.onset >= 0
    assert (found.seconds[heard] == seconds[found.onset[heard]]).all()


def test_confidence_is_a_share() -> None:
    score, _ = performance(ode(), 0.5, 6)
    assert 0.5 < tracking(score).confidence <= 1
    assert tracking(Score(480)).confidence == 0


def annotation(beats: Seconds, metre: int) -> str:
    kinds = ("db" if i % metre == 0 else "b" for i in range(len(beats)))
    return "".join(f"{t:.4f}\t{t:.4f}\t{kind}\n" for t, kind in zip(beats, kinds, strict=True))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder as asap's and pop909's: a score, its performance, a song, and the beats of each."""
    folder = tmp_path / "corpus" / "Beethoven"
    folder.mkdir(parents=True)
    played, beats = performance(ode(), 0.62, 7)
    (folder / "Player.mid").write_bytes(score_to_midi(played))
    (folder / "Player_annotations.txt").write_text(annotation(beats, 4))
    rows = [(round(480 * start), round(480 * length), pitch, 80) for start, length, pitch in ode()]
    (folder / "midi_score.mid").write_bytes(score_to_midi(Score(480, (Track(notes=notes_array(rows)),))))
    (folder / "midi_score_annotations.txt").write_text(annotation(np.linspace(0, 31.5, 64), 4))
    (folder / "song").mkdir()
    (folder / "song" / "001.mid").write_bytes(score_to_midi(played))
    lines = (f"{t:.4f} {float(i % 2 == 0)} {float(i % 4 == 0)}\n" for i, t in enumerate(beats))
    (folder / "song" / "beat_midi.txt").write_text("".join(lines))
    return folder.parent


def test_the_tables_of_beats(corpus: Path) -> None:
    performances, songs, scores = beat_tables(corpus)
    assert [row.system for row in scores.rows] == ["auto", "m4m", "steady"]
    exact = scores.rows[0].figures
    assert exact["beat_f"] is not None
    assert exact["downbeat_f"] is not None
    assert exact["beat_f"].mean == exact["downbeat_f"].mean == 1
    for table in (performances, songs):
        tracked, steady = (row.figures["beat_f"] for row in table.rows)
        assert tracked is not None
        assert steady is not None
        assert tracked.mean > 0.9 > steady.mean
        assert as_text(table).startswith(table.title)


def test_the_tables_of_notes_in_place(corpus: Path) -> None:
    (table,) = grid_tables(corpus)
    assert table.about == {"composer": "Beethoven", "grid": "1/16", "better": 1}
    tracked, fixed = (row.figures["in_place"] for row in table.rows)
    assert tracked is not None
    assert fixed is not None
    assert tracked.mean > 0.9 > 0.5 > fixed.mean


def test_folders_without_beats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(M4mError, match="no MIDI files with beats"):
        list(beat_tables(tmp_path))
    (tmp_path / "beat_midi.txt").write_text("one two\n")
    with pytest.raises(M4mError, match="no list of beats"):
        read_beats(tmp_path / "beat_midi.txt")
