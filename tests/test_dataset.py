"""`m4m dataset` and packs: same files, same pack, whatever happens in between."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m4mcli import parallel
from m4mcli.dataset import build as building
from m4mcli.dataset import worker
from m4mcli.dataset.build import Plan, build, build_items
from m4mcli.dataset.forms import moved
from m4mcli.dataset.pack import Pack, PackedPiece, pack_piece, within, write_pack
from m4mcli.dataset.roles import roles
from m4mcli.dataset.sources import Item, find_items
from m4mcli.dataset.worker import Packer, Read
from m4mcli.dataset.writer import PackWriter
from m4mcli.errors import M4mError
from m4mcli.frames.fields import MAX_NOTES
from m4mcli.frames.frames import metre_frames, track_frames
from m4mcli.score.metre import bars
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

LINE = [(i * 240, 240, 60 + i % 7, 80) for i in range(16)]
BLOCKS = [(bar * 960, 960, p, 60) for bar in range(4) for p in (48, 52, 55)]


def song(shift: int = 0, name: str = "Tune") -> Score:
    notes = notes_array([(onset, d, p + shift, v) for onset, d, p, v in LINE])
    return Score(480, (Track(name, 73, notes=notes), Track("Drums", 0, True, notes_array([(0, 120, 36, 90)]))))


def save(path: Path, score: Score) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(score_to_midi(score))


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    """A source of 70 pieces in two splits, and two files that are none."""
    for i in range(70):
        save(tmp_path / "songs" / ("valid" if i % 10 == 0 else "train") / f"{i:02}.mid", song(i % 12))
    (tmp_path / "songs" / "train" / "text.mid").write_text("no music")
    save(tmp_path / "songs" / "valid" / "empty.mid", Score(480, (Track("Nothing"),)))
    return tmp_path / "songs"


def facts(piece: PackedPiece) -> tuple[object, ...]:
    return (*(getattr(piece, n) for n in ("name", "source", "split", "length", "tracks")), piece.notes.tolist())


SCORES = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 2000), st.integers(0, 127), st.just(80)), max_size=30),
    ),
    max_size=3,
).map(lambda found: Score(480, tuple(Track(f"t{i}", i, d, notes_array(n)) for i, (d, n) in enumerate(found))))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(SCORES, max_size=4))
def test_a_pack_gives_back_what_was_put_in(tmp_path_factory: pytest.TempPathFactory, scores: list[Score]) -> None:
    pieces = [
        pack_piece(s, bars(s), ["melody"] * len(s.tracks), name=f"{i}", source="a/b", split="train")
        for i, s in enumerate(scores)
    ]
    folder = tmp_path_factory.mktemp("pack")
    manifest = write_pack(folder, pieces)
    pack = Pack(folder)
    assert len(pack) == len(pieces)
    for put, got, score in zip(pieces, (pack[i] for i in range(len(pack))), scores, strict=True):
        assert facts(put) == facts(got)
        assert put.bars.tolist() == got.bars.tolist()
        for i, track in enumerate(score.tracks):
            assert got.of_tracks([i]).tolist() == track_frames([track], 480).tolist()
        inside = [t for t, bar in enumerate(got.bars) if bar["frame"] < got.length]
        assert len(inside) == len(got.bars)
        covered = min(got.length, score.end // 120)
        assert (got.metre()[:covered] == metre_frames(bars(score), 480, covered)).all()
    assert write_pack(tmp_path_factory.mktemp("again"), pieces)["sha256"] == manifest["sha256"]


def test_full_frames_are_thinned_in_a_pack() -> None:
    score = Score(480, (Track(notes=notes_array([(0, 120, 40 + i, 80) for i in range(30)])),))
    piece = pack_piece(score, bars(score), [""], name="x", source="s", split="train")
    assert len(piece.notes) == MAX_NOTES


def test_a_pack_by_split_and_source(tmp_path: Path) -> None:
    def piece(name: str, source: str, split: str) -> PackedPiece:
        return pack_piece(song(), bars(song()), ["melody", ""], name=name, source=source, split=split)

    places = [("scores", "train"), ("scores/chorales", "train"), ("scores/chorales", "valid"), ("scores2", "train")]
    write_pack(tmp_path, [piece(str(i), *place) for i, place in enumerate(places)])
    pack = Pack(tmp_path)
    assert [p.name for p in pack.select("train")] == ["0", "1", "3"]
    assert [p.name for p in pack.select("train", ["scores"])] == ["0", "1"]
    assert [p.name for p in pack.select("train", ["scores/chorales", "scores2"])] == ["1", "3"]
    assert [p.name for p in pack.select("valid", ["scores"])] == ["2"]
    assert list(pack.select("test")) == list(pack.select("train", [])) == []
    assert pack[0].part("melody").tolist() == track_frames(song().tracks[:1], 480).tolist()
    assert len(pack[0].part("chord")) == 0
    assert not within("scores2", "scores")


def test_what_is_no_pack(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(M4mError, match="not a pack; make one with m4m dataset build"):
            Pack(folder)


def test_splits_sources_and_shifts(tmp_path: Path) -> None:
    for name in ("train/a.mid", "valid/b.mid", "test/c.mid", "train/d.mid", "e.mid", "other/f.mid", "train/g.txt"):
        save(tmp_path / "x" / name, song())
    lines = [
        {"path": "a.mid", "source": "chorales", "shift_quarters": 2.5},
        {"path": "d.mid", "source": "x", "split": "test"},
        {"path": "e.mid", "split": "test", "shift_quarters": None, "more": 1},
    ]
    (tmp_path / "x" / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    found = {i.name: (i.source, i.split, i.shift_quarters) for i in find_items(tmp_path / "x")}
    assert found == {
        "a.mid": ("x/chorales", "train", 2.5),
        "b.mid": ("x", "valid", 0),
        "c.mid": ("x", "test", 0),
        "d.mid": ("x", "train", 0),
        "e.mid": ("x", "test", 0),
        "other/f.mid": ("x", "", 0),
    }
    assert [i.source for i in find_items(tmp_path / "x", "train/*.mid", "y")] == ["y/chorales", "y/x"]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[1]",
        '{"split": "train"}',
        '{"path": "a", "shift_quarters": "x"}',
        '{"path": "a.mid", "split": "x"}',
        "\xff",
    ],
)
def test_a_manifest_that_is_none(tmp_path: Path, text: str) -> None:
    save(tmp_path / "a.mid", song())
    (tmp_path / "manifest.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(M4mError, match=r"not a manifest|in the split 'x'"):
        find_items(tmp_path)


def test_moved_music_keeps_its_bars() -> None:
    score = replace(song(), time_signatures=(TimeSignature(0, 4, 4), TimeSignature(1920, 3, 4)))
    later = moved(score, 480)
    assert later.tracks[0].notes["onset"][0] == 480
    assert [s.tick for s in later.time_signatures] == [0, 2400]
    assert moved(score, 0) is score
    # What would begin before tick 0 is later by whole bars.
    assert moved(score, -480).tracks[0].notes["onset"][0] == 1440


def named(*tracks: tuple[str, list[tuple[int, int, int, int]]]) -> Score:
    return Score(480, tuple(Track(name, notes=notes_array(rows)) for name, rows in tracks))


THIRDS = [(o, d, p + step, v) for o, d, p, v in LINE for step in (0, 4)]
FIGURE = [(i * 240, 240, p, 60) for i in range(16) for p in (48, 52)[: 1 + i % 2]]

ROLES = [
    (named(("MELODY", LINE), ("CHORD", LINE), ("PIANO", BLOCKS)), ["melody", "chord", ""]),
    (named((" Chords", BLOCKS), ("x", LINE)), ["chord", ""]),
    (named(("", LINE), ("", BLOCKS)), ["melody", "chord"]),
    (named(("", BLOCKS), ("", []), ("", LINE)), ["chord", "", "melody"]),
    (named(("", THIRDS), ("", BLOCKS)), ["melody", "chord"]),
    (named(("", BLOCKS), ("", BLOCKS)), ["", ""]),
    (named(("", LINE), ("", FIGURE)), ["", ""]),
    (named(("", LINE), ("", LINE)), ["", ""]),
    (named(("", LINE), ("", BLOCKS), ("", LINE)), ["", "", ""]),
    (named(("", LINE)), [""]),
    (named(), []),
]


@pytest.mark.parametrize(("score", "expected"), ROLES)
def test_roles(score: Score, expected: list[str]) -> None:
    assert roles(score) == expected


def test_refused_files_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "good.mid", song())
    save(tmp_path / "empty.mid", Score(480, (Track("x"),)))
    (tmp_path / "text.mid").write_text("no music")
    (tmp_path / "gone.mid").symlink_to(tmp_path / "nowhere")

    def result(name: str, timeout: float = 30) -> object:
        return Packer(timeout)((Item(tmp_path / name, name, "s", "train"), None))

    assert isinstance(result("good.mid"), Read)
    assert result("empty.mid") == "no notes"
    assert result("text.mid") == "not a MIDI file (text)"
    assert "no such file" in str(result("gone.mid"))
    monkeypatch.setattr(worker, "roles", lambda score: time.sleep(5))
    assert result("good.mid", 0.05) == "took longer than 0.05 s"
    monkeypatch.setattr(worker, "roles", lambda score: 1 // 0)
    assert str(result("good.mid")).startswith("internal error: ZeroDivisionError")
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def files_of(pack: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(pack.iterdir())}


def test_any_number_of_workers_gives_the_same_bytes(songs: Path, tmp_path: Path) -> None:
    one = build([songs], tmp_path / "one", Plan(1))
    two = build([songs], tmp_path / "two", Plan(2))
    assert one == two
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    assert sorted(files_of(tmp_path / "one")) == [
        "bars.npy",
        "manifest.json",
        "notes.npy",
        "pieces.jsonl",
        "refused.jsonl",
    ]
    assert dict(one.refused) == {"text.mid": "not a MIDI file (text)", "empty.mid": "no notes"}
    assert one.manifest["sources"]["songs/train"]["pieces"] == 63
    assert not (tmp_path / "one.building").exists()


class InterruptedError(Exception):
    pass


@pytest.mark.parametrize("stop", [1, 8, 9, 15, 69, 72])
def test_a_build_goes_on_where_it_stopped(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    monkeypatch.setattr(building, "COMMIT_FILES", 8)
    whole = build([songs], tmp_path / "whole", Plan(1))

    def interrupt(done: int, total: int) -> None:
        assert total == 72
        if done == stop:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        build([songs], tmp_path / "pack", Plan(1), interrupt)
    assert not (tmp_path / "pack").exists()
    if stop == 15:
        # A process that was killed may have left half a line behind the last commit.
        with (tmp_path / "pack.building" / "drafts.jsonl").open("a") as file:
            file.write('{"name": ')
    read: list[Item] = []

    def counted(item: Item, data: bytes | None) -> Read:
        read.append(item)
        return worker_reads(item, data)

    worker_reads = worker.read_item
    monkeypatch.setattr(worker, "read_item", counted)
    again = build([songs], tmp_path / "pack", Plan(1))
    assert again.resumed == stop // 8 * 8
    assert len(read) == 72 - again.resumed
    assert replace(again, resumed=0) == whole
    assert files_of(tmp_path / "pack") == files_of(tmp_path / "whole")


def test_a_build_that_was_stopped_while_it_settled_the_splits(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build([songs], tmp_path / "whole", Plan(1))
    for place in ("settled", "about_groups"):
        with monkeypatch.context() as patch:
            patch.setattr(building, place, lambda *_: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                build([songs], tmp_path / place, Plan(1))
    with monkeypatch.context() as patch:
        patch.setattr(building, "put", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            build([songs], tmp_path / "put", Plan(1))
    resumed = [build([songs], tmp_path / place, Plan(1)) for place in ("settled", "about_groups", "put")]
    assert [built.resumed for built in resumed] == [72, 72, 0]
    assert all(built.manifest == whole.manifest for built in resumed)


def test_other_files_begin_anew(songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "COMMIT_FILES", 8)

    def interrupt(done: int, total: int) -> None:
        if done == 20:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        build([songs], tmp_path / "pack", Plan(1), interrupt)
    save(songs / "train" / "01.mid", song(5))
    built = build([songs], tmp_path / "pack", Plan(1))
    assert built.resumed == 0
    assert built.manifest == build([songs], tmp_path / "other", Plan(1)).manifest


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(3000):
        if path.exists() or process.poll() is not None:
            return
        time.sleep(0.01)


@pytest.fixture
def many(tmp_path: Path) -> list[str]:
    """The command line that packs 1,200 files, the same few by many names."""
    for i in range(4):
        save(tmp_path / "few" / f"{i}.mid", song(i))
    (tmp_path / "many").mkdir()
    for i in range(1200):
        os.link(tmp_path / "few" / f"{i % 4}.mid", tmp_path / "many" / f"{i:04}.mid")
    return [sys.executable, "-m", "m4mcli", "dataset", "build", str(tmp_path / "many"), "--out", str(tmp_path / "pack")]


def test_killed_and_started_again(tmp_path: Path, many: list[str]) -> None:
    command = [*many, "--workers", "2"]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(tmp_path / "pack.building" / "progress.json", process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "pack").exists()
    done = subprocess.run(command, env=environment(), capture_output=True, check=True)
    assert b"warning: went on behind" in done.stderr
    whole = build([tmp_path / "many"], tmp_path / "whole", Plan(1))
    assert whole.manifest["sha256"] in done.stdout.decode()
    assert files_of(tmp_path / "pack") == files_of(tmp_path / "whole")


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_workers_end_with_a_killed_parent(tmp_path: Path, many: list[str]) -> None:
    process = subprocess.Popen(
        [*many, "--workers", "2"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for(tmp_path / "pack.building" / "progress.json", process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    # The pipes close only when the last process that holds them has ended.
    process.communicate(timeout=20)
    assert len(children) >= 2


def test_an_older_pack_is_replaced_and_can_still_be_read(songs: Path, tmp_path: Path) -> None:
    build([songs], tmp_path / "pack", Plan(1))
    old = Pack(tmp_path / "pack")
    before = facts(old[3])
    save(songs / "train" / "00.mid", song(1, "New"))
    build([songs], tmp_path / "pack", Plan(1))
    assert facts(old[3]) == before
    assert len(Pack(tmp_path / "pack")) == len(old) + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pack", "songs"]


def test_a_pack_grows_row_by_row_to_what_numpy_writes(tmp_path: Path) -> None:
    pieces = [pack_piece(song(i), bars(song()), ["", ""], name="x", source="s", split="train") for i in range(5)]
    write_pack(tmp_path / "pack", pieces)
    np.save(tmp_path / "notes.npy", np.concatenate([p.notes for p in pieces]))
    assert (tmp_path / "pack" / "notes.npy").read_bytes() == (tmp_path / "notes.npy").read_bytes()
    writer = PackWriter(tmp_path / "empty")
    writer.finish()
    assert len(Pack(tmp_path / "empty")) == 0


def test_the_command(m4m: Run, songs: Path, tmp_path: Path) -> None:
    done = m4m("dataset", "build", "songs", "--workers", "1", "--out", "packs/all")
    assert done.returncode == 0
    assert done.stderr.decode().splitlines() == [
        "m4m dataset build: warning: 2 of 72 files refused, see packs/all/refused.jsonl",
        "m4m dataset build: warning: 1 group lies in several of the splits that were told; "
        "m4m dataset filter --no-leaks leaves them out of train",
    ]
    manifest = json.loads((tmp_path / "packs" / "all" / "manifest.json").read_text())
    assert done.stdout.decode().splitlines() == [
        "source/split  pieces  frames  notes",
        "songs/train       63    2016   1071",
        "songs/valid        7     224    119",
        "groups 1, copies 69",
        f"sha256 {manifest['sha256']}",
    ]
    told = m4m("dataset", "build", "songs", "--out", "two", "--workers", "1", "--json", "-q")
    assert (told.stderr, json.loads(told.stdout)) == (b"", manifest)
    refused = (tmp_path / "two" / "refused.jsonl").read_text().splitlines()
    assert json.loads(refused[0]) == {"source": "songs", "name": "text.mid", "reason": "not a MIDI file (text)"}


def test_names_and_patterns(m4m: Run, tmp_path: Path) -> None:
    for name in ("one/a.mid", "one/b.kar", "two/a.mid", "two/deep/score.mid"):
        save(tmp_path / name, song())

    def sources(*arguments: str) -> list[str]:
        done = m4m("dataset", "build", *arguments, "--out", "pack", "--workers", "1")
        assert done.stderr == b""
        return [f"{p['source']}: {p['name']}" for p in Pack(tmp_path / "pack").pieces]

    assert sources("one", "two") == ["one: a.mid", "one: b.kar", "two: a.mid", "two: deep/score.mid"]
    assert sources("one", "--glob", "*.kar") == ["one: b.kar"]
    assert sources("one", "two", "--glob", "a*", "--glob", "two=**/s?ore.mid") == ["one: a.mid", "two: deep/score.mid"]
    assert sources("one", "two", "--name", "x", "--name", "y/z", "--glob", "x=a*", "--glob", "y/z=a*") == [
        "x: a.mid",
        "y/z: a.mid",
    ]


WRONG = [
    (["none", "--out", "p"], 1, "none: no such folder; name a folder of music"),
    (["file", "--out", "p"], 1, "file: neither a folder nor an archive"),
    (
        ["empty", "--out", "p"],
        1,
        "empty: no music (.mid, .midi, .kar, .rmi, .json, .abc); name a folder of music, or give --glob",
    ),
    (["bad", "--out", "p"], 1, "none of 1 files can be packed; bad.mid: not a MIDI file (text)"),
    (["good", "--out", "full"], 1, "full: exists and is not a pack; name a new folder with --out"),
    (["good", "--out", "file"], 1, "file: exists and is not a pack"),
    (["good", "--out", "taken"], 1, "taken.building: is in the way and is no unfinished pack"),
    (["good", "good", "--out", "p"], 1, "the same files are named twice"),
    (["good", "--out", "p", "--name", "a", "--name", "b"], 2, "2 --name for 1 folders; give one for each, or none"),
    (["good", "--out", "p", "--glob", "/x/*.mid"], 2, "no pattern below a folder"),
    (["good", "--out", "p", "--layout", "x"], 2, "no layout 'x'; one of: maestro, groove"),
    (["good", "--out", "p", "--splits", "1,2"], 2, "--splits '1,2' are no shares; write train,valid,test: 80,10,10"),
    (["good", "--out", "p", "--workers", "0"], 2, "--workers"),
    (["good"], 2, "--out"),
    ([], 2, "DIR"),
]


@pytest.mark.parametrize(("arguments", "status", "told"), WRONG)
def test_what_does_not_work(m4m: Run, tmp_path: Path, arguments: list[str], status: int, told: str) -> None:
    save(tmp_path / "good" / "a.mid", song())
    (tmp_path / "file").touch()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "bad.mid").write_text("no music")
    for name in ("empty", "full", "taken.building"):
        (tmp_path / name).mkdir()
    for name in ("full/thesis.txt", "taken.building/thesis.txt"):
        (tmp_path / name).write_text("precious")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    done = m4m("dataset", "build", *arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_killed_worker_is_told_in_one_line(songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_start_worker", partial(os._exit, 1))
    with pytest.raises(M4mError, match="one worker process after another was killed; out of memory"):
        build_items(find_items(songs), tmp_path / "pack", Plan(2))
