"""`m4m accompany` through the command line: what it adds, where, and what stays."""

import io
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from conftest import ROOT, Run
from toy import FakeNetwork
from toy import metre as bars_of_16

from m4mcli.errors import M4mError
from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.generation.draw import Draw
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.accompaniment import Scene, accompanist, accompany
from m4mcli.tasks.band import BandWish, play_along
from m4mcli.tasks.manner import InManner
from m4mcli.theory.instruments import instruments_in_order, parse_instruments

ODE = ROOT / "commands" / "examples" / "ode-to-joy.mid"
TPQ = 480
BAR = 4 * TPQ
FAST = "--best-of", "1"
BASS, PIANO, STRINGS = 32, 0, 48


def groove(bars: int, swing: int = 0, pickup: int = 0, rest: tuple[int, int] = (0, 0)) -> Score:
    """Hats on eighths, kick and snare on beats; silent in the bars `rest`, `pickup` ticks before the first bar."""
    rows = []
    for bar in (b for b in range(bars) if not rest[0] <= b < rest[1]):
        start = pickup + bar * BAR
        rows += [(start + i * 240 + swing * (i % 2), 60, 42, 70 + 20 * (i % 2 == 0)) for i in range(8)]
        rows += [(start + i * TPQ, 60, (36, 38)[i % 2], 105) for i in range(4)]
    rows += [(0, 60, 38, 90)] if pickup else []
    metre = (TimeSignature(0, 1, 4), TimeSignature(pickup, 4, 4)) if pickup else (TimeSignature(0, 4, 4),)
    return Score(TPQ, (Track("Kit", 0, True, notes_array(rows)),), (Tempo(0, 500_000),), metre)


DRUMS_ALONE = score_to_midi(groove(6))


def read(data: bytes) -> Score:
    return read_score(data, "it").score


def added(data: bytes, given: int = 1) -> tuple[Track, ...]:
    """The tracks behind those that were given."""
    return read(data).tracks[given:]


def test_one_track_for_each_instrument_in_the_order_of_the_list(m4m: Run) -> None:
    done = m4m("accompany", "--instruments", "bass, piano,strings", "--seed", "1", stdin=DRUMS_ALONE)
    assert done.returncode == 0
    old, new = (mido.MidiFile(file=io.BytesIO(data)) for data in (DRUMS_ALONE, done.stdout))
    assert [list(t) for t in old.tracks] == [list(t) for t in new.tracks[: len(old.tracks)]]
    tracks = added(done.stdout)
    silent = done.stderr.count(b"no notes for")
    assert len(tracks) == 3 - silent
    programs = [t.program for t in tracks]
    assert programs == [p for p in (BASS, PIANO, STRINGS) if p in programs]
    assert not any(t.is_drum for t in tracks)
    for track in tracks:
        assert track.name
        assert (track.notes["onset"] + track.notes["duration"]).max() <= 6 * BAR
        assert len(set(track.notes["velocity"])) > 1 or len(track.notes) < 8


def test_without_a_list_the_model_chooses_a_few(m4m: Run) -> None:
    tracks = added(m4m("accompany", *FAST, stdin=DRUMS_ALONE).stdout)
    assert 1 <= len(tracks) <= 6
    assert len({t.program // 8 for t in tracks}) == len(tracks)


def test_a_bass_is_one_note_at_a_time_in_its_range(m4m: Run) -> None:
    for seed in "01":
        (track,) = added(m4m("accompany", *FAST, "--instruments", "bass", "--seed", seed, stdin=DRUMS_ALONE).stdout)
        notes = track.notes
        assert (np.diff(notes["onset"]) > 0).all()
        assert ((notes["onset"] + notes["duration"])[:-1] <= notes["onset"][1:]).all()
        assert notes["pitch"].min() >= 28
        assert notes["pitch"].max() <= 52


def test_silent_where_the_drums_are_and_on_their_hits(m4m: Run) -> None:
    drums = groove(8, rest=(2, 5))
    source = score_to_midi(drums)
    tracks = added(m4m("accompany", *FAST, "--instruments", "piano,bass", stdin=source).stdout)
    assert tracks
    for track in tracks:
        onsets = track.notes["onset"]
        assert not ((onsets >= 2 * BAR) & (onsets < 5 * BAR)).any()
        assert np.isin(onsets, drums.tracks[0].notes["onset"]).all()


def test_swing_and_pickup_are_kept(m4m: Run) -> None:
    source = score_to_midi(groove(6, swing=80, pickup=TPQ))
    onsets = np.concatenate(
        [t.notes["onset"] for t in added(m4m("accompany", "--instruments", "piano,bass", stdin=source).stdout)]
    )
    assert set(onsets % TPQ) <= {0, 320}
    assert onsets.max() < TPQ + 6 * BAR


def test_the_same_seed_gives_the_same_bytes(m4m: Run) -> None:
    first, again, other = (
        m4m("accompany", *FAST, "--seed", seed, "--threads", threads, stdin=DRUMS_ALONE).stdout
        for seed, threads in (("1", "1"), ("1", "2"), ("2", "1"))
    )
    assert first == again
    assert first != other


def test_versions_are_those_of_the_next_seeds(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(DRUMS_ALONE)
    arguments = ["accompany", *FAST, "--instruments", "piano"]
    done = m4m(*arguments, "-n", "2", "--out-dir", "out", "--seed", "5", "a.mid")
    assert (done.returncode, done.stdout) == (0, b"")
    for number, seed in ((1, "5"), (2, "6")):
        assert (tmp_path / "out" / f"a-{number}.mid").read_bytes() == m4m(*arguments, "--seed", seed, "a.mid").stdout


def prompt(*notes: tuple[int, int, int, int], program: int = 33) -> bytes:
    return score_to_midi(Score(96, (Track("Opening", program, False, notes_array(list(notes))),)))


def test_a_prompt_is_gone_on_from(m4m: Run, tmp_path: Path) -> None:
    opening = [(i * 96, 90, 40 + i % 3, 77) for i in range(8)]
    (tmp_path / "prompt.mid").write_bytes(prompt(*opening))
    done = m4m("accompany", "--prompt", "prompt.mid", stdin=DRUMS_ALONE)
    (track,) = added(done.stdout)
    assert (track.name, track.program) == ("Opening", 33)
    given, new = track.notes[:8], track.notes[8:]
    assert given["onset"].tolist() == [i * TPQ for i in range(8)]
    assert given["duration"].tolist() == [450] * 8
    assert set(given["velocity"]) == {77}
    assert new["onset"].min() >= 2 * BAR
    assert set(new["pitch"]) <= set(range(33, 50)), "a fifth beyond what the prompt shows"


def test_other_tracks_are_given_too_and_not_written_again(m4m: Run) -> None:
    done = m4m("accompany", *FAST, "-v", "--seed", "2", str(ODE))
    assert done.returncode == 0
    assert "no drums: the parts follow the other tracks" in done.stderr.decode()
    assert "D major" in done.stderr.decode()
    assert b"warning" not in done.stderr
    before, after = (read(data) for data in (ODE.read_bytes(), done.stdout))
    assert after.tracks[0].notes.tobytes() == before.tracks[0].notes.tobytes()
    assert before.tracks[0].program not in {t.program for t in after.tracks[1:]}


def test_the_key_is_c_unless_told(m4m: Run) -> None:
    said = [m4m("accompany", "-v", *FAST, *more, stdin=DRUMS_ALONE) for more in ((), ("--key", "C"), ("--key", "F#m"))]
    assert said[0].stdout == said[1].stdout != said[2].stdout
    assert ["F# minor" in s.stderr.decode() for s in said] == [False, False, True]


def test_what_is_new_alone_as_json(m4m: Run) -> None:
    whole, alone = (
        read(m4m("accompany", *FAST, *more, stdin=DRUMS_ALONE).stdout) for more in ((), ("--only", "--json"))
    )
    assert [t.notes.tobytes() for t in alone.tracks] == [t.notes.tobytes() for t in whole.tracks[1:]]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--instruments", "bass,drums"], 2, "m4m drumify"),
        (["--instruments", "kazoo"], 2, "no instrument 'kazoo'"),
        (["--key", "H"], 2, "not a key"),
        (["--prompt", "-"], 2, "cannot both"),
        (["-n", "2"], 2, "--out-dir"),
        (["--prompt", str(ODE), "--instruments", "bass"], 1, "no pitched notes of these instruments"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(m4m: Run, arguments: list[str], status: int, said: str) -> None:
    done = m4m("accompany", *arguments, stdin=DRUMS_ALONE)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (status, b"", 1)
    assert said in done.stderr.decode()


def test_a_piece_without_notes_is_refused(m4m: Run) -> None:
    done = m4m("accompany", stdin=score_to_midi(Score(96, (Track(),))))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no notes" in done.stderr


class Muted(InManner):
    """A network that gives nothing to some instruments."""

    def note_step(self, *inputs: Any) -> Any:
        first, *others = self.network.note_step(*inputs)
        first[:, self.rules.instruments] = -1e6
        return first, *others


HOW = Draw(Sampling(), best_of=1)


def test_rests_alone_are_a_failure() -> None:
    muted = Muted(FakeNetwork(64), Rules())
    for instruments in ((), (0, 33)):
        with pytest.raises(M4mError, match="rests alone"):
            play_along(groove(4), muted, BandWish(HOW, instruments))


def test_an_instrument_that_stays_silent_is_told() -> None:
    (band,) = play_along(groove(4), Muted(FakeNetwork(64), Rules(instruments=(33,))), BandWish(HOW, (33, 0)))
    assert band.missing == (33,)
    assert [t.program for t in band.tracks] == [0]


def rows(*notes: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(list(notes), FRAME_NOTE)


def hits(length: int, step: int = 2) -> np.ndarray:
    return rows(*((f, DRUMS, 42, 1) for f in range(0, length, step)))


def test_in_frames_all_keeps_to_the_rules() -> None:
    given, opening = hits(200, 3), rows(*((4 * i, 0, 60 + i % 5, 4) for i in range(8)))
    scene = Scene(given, bars_of_16(208), opening, 32, (0, 33))
    for parts in accompany(FakeNetwork(64, "aligned"), scene, Draw(Sampling(), best_of=2, count=2)):
        notes = parts.notes
        assert notes[notes["frame"] < 32].tobytes() == opening.tobytes()
        new = notes[notes["frame"] >= 32]
        assert set(new["instrument"]) <= {0, 33}
        assert ((new["frame"] % 3 == 0) | (new["frame"] % 4 == 0)).all()
        assert (new["frame"] + new["duration"]).max() <= 208
        for program, lowest, highest in ((0, 53, 71), (33, 28, 52)):
            own = new[new["instrument"] == program]
            assert np.isin(own["pitch"], range(lowest, highest + 1)).all()
            assert (np.diff(own["frame"]) > 0).all()


def test_the_shipped_model_writes_as_it_is_measured() -> None:
    write = accompanist(None, best_of=1)
    opening = rows(*((4 * i, 33, 36 + i % 5, 4) for i in range(8)))
    one, two = write(hits(96), (33, 0), bars_of_16(96), opening, 32, 2, 7)
    (again,) = write(hits(96), (33, 0), bars_of_16(96), opening, 32, 1, 8)
    assert two.tobytes() == again.tobytes()
    assert one.tobytes() != two.tobytes()


def test_given_music_tells_key_and_octave_and_a_told_key_the_key() -> None:
    nothing = rows()
    tune = rows(*((4 * i, 0, p, 4) for i, p in enumerate((62, 64, 66, 67, 69, 71, 73, 74, 69, 66, 62))))
    assert Scene(hits(64), bars_of_16(64), nothing).shift == 12
    assert Scene(tune, bars_of_16(64), nothing).shift % 12 == 10
    assert Scene(hits(64), bars_of_16(64), tune, 32).shift % 12 == 10
    assert Scene(tune, bars_of_16(64), nothing, key=(4, False)).shift % 12 == 8
    assert Scene(hits(64), bars_of_16(64), nothing, key=(4, True)).shift % 12 == 5


def test_lists_of_instruments_keep_their_order() -> None:
    assert instruments_in_order("strings, 33,piano,drums,33") == (48, 33, 0, 128)
    assert parse_instruments("strings, 33,piano,drums,33") == (0, 33, 48, 128)
