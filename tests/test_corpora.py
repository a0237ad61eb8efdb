"""`m4m dataset build` on the corpora that people have: archives, layouts, near-duplicates, splits."""

import csv
import io
import json
import os
import signal
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from corpora import drums_alone, edited, lines_of, save, walk

from m4mcli.dataset import build as building
from m4mcli.dataset.build import Plan, build, build_items
from m4mcli.dataset.copies import SKETCH, copies, sketch
from m4mcli.dataset.facts import on_grid, transposed_hash
from m4mcli.dataset.layouts import LAYOUTS
from m4mcli.dataset.pack import Pack, packed_notes
from m4mcli.dataset.sources import Item, find_items
from m4mcli.dataset.splits import Draft, Shares, settled
from m4mcli.dataset.synthetic import eighth_notes
from m4mcli.dataset.tree import open_tree
from m4mcli.dataset.writer import PackWriter
from m4mcli.errors import M4mError
from m4mcli.parallel import in_order
from m4mcli.score.json_form import score_to_json
from m4mcli.score.quick import read_notes
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

# Near-duplicates and splits


def same_music(scores: list[Score]) -> list[int]:
    notes = [packed_notes(score) for score in scores]
    found = copies([transposed_hash(n) for n in notes], np.concatenate([sketch(n) for n in notes]))
    return [int(first) for first in found]


def test_the_same_music_is_found_in_another_key_tempo_and_arrangement() -> None:
    tune, other = walk(1, 200), walk(2, 200)
    found = same_music([tune, other, walk(1, 200, shift=5), walk(1, 200, stretch=2), edited(tune), walk(3, 200)])
    assert found == [0, 1, 0, 0, 0, 5]


def test_drums_alone_are_compared_by_their_sounds() -> None:
    assert same_music([drums_alone(1), drums_alone(2), drums_alone(1)]) == [0, 1, 0]


def test_short_pieces_are_copies_only_where_they_are_the_same() -> None:
    short = [walk(1, 4), walk(1, 4, shift=3), walk(2, 4)]
    assert sketch(packed_notes(short[0]))["filled"] == 0
    assert same_music(short) == [0, 0, 2]


def test_different_tunes_are_kept_apart() -> None:
    assert same_music([walk(seed, 60) for seed in range(60)]) == list(range(60))
    # Melodies that go by step in eighth notes have much in common, and are none the less different.
    steps = [score for _, score in eighth_notes(400, 0, 4)]
    assert len(set(same_music(steps))) > 390


def test_groups_stay_together_and_declared_splits_are_kept() -> None:
    thashes = [f"{i:032x}" for i in (1, 1, 2, 2, 3, 3, 4, 5)]
    splits = ["train", "", "valid", "train", "", "", "test", ""]
    groups = ["", "", "", "", "", "", "a", "a"]
    drafts = [Draft(*facts) for facts in zip(thashes, splits, groups, strict=True)]
    found = settled(drafts, np.zeros(len(drafts), SKETCH), Shares(0, 0, 1))
    assert found.splits == ("train", "train", "valid", "train", "test", "test", "test", "test")
    assert found.groups.tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    assert found.copies.tolist() == [0, 0, 2, 2, 4, 4, 6, 7]
    assert found.torn == 1


def test_a_split_is_a_matter_of_the_music_alone(tmp_path: Path) -> None:
    for seed in range(100):
        save(tmp_path / "a" / f"{seed}.mid", walk(seed, 30))
    first = build([tmp_path / "a"], tmp_path / "one", Plan(1, shares=Shares.parse("70,20,10"))).manifest["sources"]
    assert first["a/train"]["pieces"] in range(55, 85)
    assert first["a/valid"]["pieces"] in range(8, 34)
    assert first["a/test"]["pieces"] in range(2, 22)
    # Other names, another key and other company change nothing.
    for seed in range(50):
        save(tmp_path / "b" / f"renamed-{seed}.mid", walk(seed, 30, shift=seed % 5))
    save(tmp_path / "b" / "new.mid", walk(1000, 30))
    build([tmp_path / "b"], tmp_path / "two", Plan(1, shares=Shares.parse("70,20,10")))
    before = {line["name"]: line["split"] for line in lines_of(tmp_path / "one")}
    after = {line["name"]: line["split"] for line in lines_of(tmp_path / "two")}
    assert all(after[f"renamed-{seed}.mid"] == before[f"{seed}.mid"] for seed in range(50))


def test_what_a_pack_tells_of_a_piece(tmp_path: Path) -> None:
    tune = walk(5)
    off = notes_array([(i * 480 + 37, 100, 36, 90) for i in range(40)])
    score = replace(
        tune,
        tracks=(*tune.tracks, Track("Kit", 0, True, off), Track("Silent", 5)),
        tempos=(Tempo(0, 500_000), Tempo(960, 1_000_000)),
        time_signatures=(TimeSignature(0, 4, 4), TimeSignature(1920, 3, 4)),
    )
    save(tmp_path / "songs" / "a.mid", score)
    build([tmp_path / "songs"], tmp_path / "pack", Plan(1))
    (line,) = lines_of(tmp_path / "pack")
    assert line["on_grid"] == 0.5
    assert line["tempo"] == 60
    assert line["seconds"] == pytest.approx(1 + (score.end - 960) / 480, abs=0.01)
    assert line["metres"]["4/4"] == 1
    assert line["metres"]["3/4"] == line["bars"][1] - 1
    assert line["instruments"] == [73, 128]
    assert (line["group"], line["copy_of"]) == (0, 0)
    assert Pack(tmp_path / "pack")[0].notes["velocity"].tolist().count(90) == 40
    assert on_grid(tune) == 1
    triplets = Score(480, (Track(notes=notes_array([(i * 160, 160, 60, 80) for i in range(12)])),))
    assert on_grid(triplets) == 1


# Reading


def test_quick_reading_gives_what_careful_reading_gives() -> None:
    score = replace(edited(walk(3)), markers=((0, "A"),))
    data = score_to_midi(score)
    quick, careful = read_notes(data), read_score(data, "x").score
    assert quick is not None
    assert [(t.name, t.program, t.is_drum, t.notes.tolist()) for t in quick.tracks] == [
        (t.name, t.program, t.is_drum, t.notes.tolist()) for t in careful.tracks if len(t.notes)
    ]
    assert (quick.tempos, quick.time_signatures) == (careful.tempos, careful.time_signatures)


def midi(*tracks: bytes) -> bytes:
    chunks = b"".join(b"MTrk" + len(t).to_bytes(4, "big") + t for t in (track + b"\0\xff\x2f\0" for track in tracks))
    return b"MThd\0\0\0\6\0\1" + len(tracks).to_bytes(2, "big") + b"\1\xe0" + chunks


NOTE_ON_1, SET_40_ON_1 = b"\0\x91\x3c\x40\x60\x81\x3c\0", b"\0\xc1\x28"
ON_1, ON_2 = b"\x60\x91\x3c\x40", b"\0\x92\x40\x40"
FOUR, THREE = b"\0\xff\x58\4\4\2\x18\x08", b"\0\xff\x58\4\3\2\x18\x08"


@pytest.mark.parametrize(
    ("data", "through"),
    [
        (midi(SET_40_ON_1 + NOTE_ON_1), True),
        (midi(b"", SET_40_ON_1 + NOTE_ON_1), True),
        (midi(SET_40_ON_1, NOTE_ON_1), True),  # the program is another track's
        (midi(SET_40_ON_1 + b"\x81\x70\xc1\x07", NOTE_ON_1 * 4), True),  # and changes between its notes
        (midi(SET_40_ON_1, NOTE_ON_1 + SET_40_ON_1 + NOTE_ON_1), True),  # and is its own later on
        (midi(b"\0\x91\x3c\x40" + SET_40_ON_1 + b"\x60\x81\x3c\0"), True),  # it is set behind the note
        (midi(ON_1 + b"\0\xc1\0\x60\x81\x3c\0", SET_40_ON_1), False),  # and is 0
        (midi(b"\0\xff\x03\x04H\xf6rn" + NOTE_ON_1), True),
        (midi(b"\0\xff\x03\x04Horn\0\xff\x03\x04Bell" + NOTE_ON_1), True),  # the first is the name
        (midi(b"\0\xff\x03\0\0\xff\x03\x01A" + NOTE_ON_1, b"\0\xff\x03\x01A" + NOTE_ON_1), True),
        (midi(NOTE_ON_1 + b"\0\xff\x03\x04H\xf6rn"), False),  # behind its notes
        (midi(NOTE_ON_1) + b"junk", True),
        (midi(ON_1 + b"\x60\x91\x3e\x40"), True),  # notes that do not end, on the last tick too
        (midi(NOTE_ON_1 + ON_1), True),
        (midi(ON_1 * 2 + ON_2), True),  # two of one pitch
        (midi(ON_1 * 5 + ON_2), True),
        (midi(ON_1 * 6 + ON_2), False),
        (midi(FOUR + NOTE_ON_1, THREE), True),
        (midi(THREE * 30 + FOUR + NOTE_ON_1), True),  # too many for symusic to know the last
        (midi(THREE * 30 + FOUR + NOTE_ON_1, FOUR), False),  # and in two tracks
        (midi(b"\0\xff\x58\2\4\2" + NOTE_ON_1), False),  # too short
        (midi(b"\0\xff\x59\2\0\2" + NOTE_ON_1), True),  # a key of no mode
        (midi(NOTE_ON_1 + b"\0\xf0\3\x7e\x09\xf7" + NOTE_ON_1), True),
        (midi(NOTE_ON_1 + b"\0\xf0\3\x7e\x09\xf7\0\x3d\x40\x60\x3d\0"), False),  # a running status behind it
        (midi(b"\0\xf0\2\x7e\x09\0\xf7\2\x01\xf7" + NOTE_ON_1), False),  # in pieces
        (midi(NOTE_ON_1 + b"\xf0\x10\x91\x40\x40\x60\x40\0"), True),  # a time that looks like it
        (midi(b"\0\x91\x3c\x40\xff\xff\xff\x7f\x3c\0"), False),  # a time beyond the bounds
        (midi(ON_2 + SET_40_ON_1 + NOTE_ON_1 + b"\0\x82\x40\0"), True),  # two channels in one track
        (midi(SET_40_ON_1 + ON_1 + ON_2 + b"\0\xc2\x28\x60\x81\x3c\0\0\x82\x40\0"), True),
        (midi(ON_2 + NOTE_ON_1 + b"\0\x82\x40\0", SET_40_ON_1), True),
        (midi(NOTE_ON_1)[:-5], False),
        (b"{}", False),
    ],
)
def test_what_symusic_would_lose_is_read_with_care(data: bytes, through: bool) -> None:
    quick = read_notes(data)
    assert (quick is not None) == through
    if quick is not None:
        careful = [track for track in read_score(data, "x").score.tracks if len(track.notes)]
        told = [(t.name, t.program, t.notes.tolist()) for t in quick.tracks]
        assert sorted(told) == sorted((t.name, t.program, t.notes.tolist()) for t in careful)
        theirs = read_score(data, "x").score
        assert (quick.time_signatures, quick.key_signatures) == (theirs.time_signatures, theirs.key_signatures)


# Archives


def archive(path: Path, folder: Path) -> Path:
    # In another order than a folder has, as archives come.
    files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: (p.stem[-1], p))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as out:
            for file in files:
                out.write(file, file.relative_to(folder.parent))
    else:
        mode: Any = f"w:{path.suffix[1:].replace('tar', '')}"
        with tarfile.open(path, mode) as tar:
            for file in files:
                tar.add(file, file.relative_to(folder.parent))
    return path


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz", ".zip"])
def test_an_archive_gives_the_pack_of_its_folder(tmp_path: Path, suffix: str) -> None:
    for i in range(40):
        save(tmp_path / "songs" / ("valid" if i < 4 else "train") / f"{i:02}.mid", walk(i))
    (tmp_path / "songs" / "train" / "bad.mid").write_text("no music")
    (tmp_path / "songs" / "manifest.jsonl").write_text(json.dumps({"path": "07.mid", "source": "x"}) + "\n")
    packed = archive(tmp_path / f"songs{suffix}", tmp_path / "songs")
    folder = build([tmp_path / "songs"], tmp_path / "one", Plan(1))
    from_archive = build([packed], tmp_path / "two", Plan(2 if suffix == ".tar" else 1))
    assert from_archive == folder
    assert "songs/x/train" in folder.manifest["sources"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["one", "songs", packed.name, "two"])


def test_a_build_from_an_archive_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(40):
        save(tmp_path / "songs" / f"{i:02}.mid", walk(i))
    packed = archive(tmp_path / "songs.tar.gz", tmp_path / "songs")
    whole = build([packed], tmp_path / "one", Plan(1))
    monkeypatch.setattr(building, "COMMIT_FILES", 8)

    def interrupt(done: int, total: int) -> None:
        if done == 21:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build([packed], tmp_path / "two", Plan(1), interrupt)
    again = build([packed], tmp_path / "two", Plan(1))
    assert (again.resumed, again.manifest) == (16, whole.manifest)
    assert whole == build([tmp_path / "songs"], tmp_path / "three", Plan(1))


def test_a_build_that_is_killed_while_an_archive_is_put_in_order_starts_that_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(12):
        save(tmp_path / "songs" / f"{i:02}.mid", walk(i))
    packed = archive(tmp_path / "songs.tar.gz", tmp_path / "songs")
    folder = build([tmp_path / "songs"], tmp_path / "one", Plan(1))
    with monkeypatch.context() as patched:
        patched.setattr(PackWriter, "finish", raising(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build([packed], tmp_path / "two", Plan(1))
    again = build([packed], tmp_path / "two", Plan(1))
    assert (again.resumed, again.manifest) == (12, folder.manifest)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "songs", "songs.tar.gz", "two"]


def raising(error: type[BaseException]) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_a_folder_of_archives_wants_them_named(tmp_path: Path) -> None:
    save(tmp_path / "songs" / "a.mid", walk(1))
    (tmp_path / "packed").mkdir()
    archive(tmp_path / "packed" / "songs.tar.gz", tmp_path / "songs")
    with pytest.raises(M4mError, match=r"packed: no music .*; name the archives in it"):
        find_items(tmp_path / "packed")


@pytest.mark.parametrize(("field", "value"), [("flags", 1), ("compression", 99)])
def test_an_archive_that_cannot_be_unpacked_is_told(m4m: Run, tmp_path: Path, field: str, value: int) -> None:
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as out:
        out.writestr("a.mid", b"MThd")
    data = bytearray((tmp_path / "songs.zip").read_bytes())
    after = {"flags": 6, "compression": 8}[field]
    data[data.index(b"PK\3\4") + after] = data[data.index(b"PK\1\2") + after + 2] = value
    (tmp_path / "songs.zip").write_bytes(data)
    done = m4m("dataset", "build", "songs.zip", "--out", "pack")
    told = b"songs.zip: an archive that is encrypted or packed in an unknown way; unpack it, and name the folder"
    assert (done.returncode, done.stderr) == (1, b"m4m dataset build: " + told + b"\n")
    assert not (tmp_path / "pack").exists()


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    for i in range(20):
        save(tmp_path / "songs" / f"{i}.mid", walk(i, 400))
    whole = archive(tmp_path / "songs.tar.gz", tmp_path / "songs").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(M4mError, match=r"cut.tar.gz: a damaged archive .*fetch it again"):
        find_items(tmp_path / "cut.tar.gz")


# Layouts


def table(rows: list[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def found(folder: Path, pattern: str = "") -> list[tuple[str, str, str]]:
    return [(item.name, item.split, item.group.partition(":")[2]) for item in find_items(folder, pattern)]


def test_maestro(tmp_path: Path) -> None:
    columns = ("canonical_composer", "canonical_title", "split", "midi_filename")
    facts = [("Bach", "Fugue", "train", "2004/a.midi"), ("Bach", "Fugue", "train", "2006/b.midi")]
    facts += [("Liszt", "Etude", "validation", "2004/c.midi"), ("Liszt", "Etude", "test", "2009/gone.midi")]
    for name in ("2004/a.midi", "2006/b.midi", "2004/c.midi", "2004/untold.midi"):
        save(tmp_path / "maestro" / name, walk(1))
    rows = [dict(zip(columns, row, strict=True)) for row in facts]
    (tmp_path / "maestro" / "maestro-v3.0.0.csv").write_text(table(rows))
    assert found(tmp_path / "maestro") == [
        ("2004/a.midi", "train", "Bach: Fugue"),
        ("2004/c.midi", "valid", "Liszt: Etude"),
        ("2006/b.midi", "train", "Bach: Fugue"),
    ]
    (tmp_path / "maestro" / "maestro-v3.0.0.csv").write_text("a,b\n1,2\n")
    with pytest.raises(M4mError, match="no column midi_filename; give --layout folders"):
        find_items(tmp_path / "maestro")


def test_groove_with_the_drums_of_general_midi(tmp_path: Path) -> None:
    kit = notes_array([(0, 60, 22, 90), (240, 60, 26, 90), (480, 60, 58, 90), (720, 60, 38, 90)])
    save(tmp_path / "groove" / "drummer1" / "1_rock.mid", Score(480, (Track("Kit", 0, True, kit),)))
    row = {"id": "drummer1/1", "beat_type": "beat", "midi_filename": "drummer1/1_rock.mid", "split": "test"}
    (tmp_path / "groove" / "info.csv").write_text(table([row]))
    assert found(tmp_path / "groove") == [("drummer1/1_rock.mid", "test", "drummer1/1")]
    build([tmp_path / "groove"], tmp_path / "pack", Plan(1))
    assert Pack(tmp_path / "pack")[0].notes["pitch"].tolist() == [42, 46, 43, 38]


def test_pop909_takes_one_file_of_a_song(tmp_path: Path) -> None:
    for name in ("001/001.mid", "001/versions/001-v1.mid", "002/002.mid"):
        save(tmp_path / "POP909" / name, walk(1))
    (tmp_path / "POP909" / "001" / "beat_midi.txt").touch()
    assert found(tmp_path / "POP909") == [("001/001.mid", "", "001"), ("002/002.mid", "", "002")]
    assert len(found(tmp_path / "POP909", "**/*.mid")) == 3
    assert {group for _, _, group in found(tmp_path / "POP909", "001/**/*.mid")} == {"001"}


def test_nes_with_noise_as_drums(tmp_path: Path) -> None:
    noise = notes_array([(0, 60, 2, 90), (240, 60, 8, 90), (480, 60, 15, 90)])
    score = Score(480, (*walk(1).tracks, Track("no", 121, notes=noise)))
    save(tmp_path / "nesmdb_midi" / "valid" / "020_BombermanII_03_04Battle.mid", score)
    assert found(tmp_path / "nesmdb_midi") == [("020_BombermanII_03_04Battle.mid", "valid", "020")]
    build([tmp_path / "nesmdb_midi"], tmp_path / "pack", Plan(1))
    notes = Pack(tmp_path / "pack")[0].notes
    assert notes["pitch"][notes["instrument"] == 128].tolist() == [36, 38, 42]


def test_lakh(tmp_path: Path) -> None:
    one, two = "0" * 32, "a" * 32
    for name in (f"full/0/{one}.mid", f"matched/A/B/C/TRABC0123456789ABC/{one}.mid"):
        save(tmp_path / name, walk(1))
    save(tmp_path / "matched" / "A" / "B" / "C" / "TRABC0123456789ABC" / f"{two}.mid", walk(2))
    for name in ("Title.mid", "Title.1.mid"):
        save(tmp_path / "clean_midi" / "Artist" / name, walk(1))
    assert found(tmp_path / "full") == [(f"0/{one}.mid", "", "")]
    assert {group for _, _, group in found(tmp_path / "matched")} == {"TRABC0123456789ABC"}
    clean = find_items(tmp_path / "clean_midi")
    assert {item.group for item in clean} == {"clean_midi:artist/title"}


def test_nottingham_symphonynet_and_others(tmp_path: Path) -> None:
    for name in ("n/MIDI/jigs1.mid", "n/MIDI/melody/jigs1.mid", "n/MIDI/chords/jigs1.mid", "s/classical/a.mid"):
        save(tmp_path / name, walk(1))
    save(tmp_path / "s" / "contemporary" / "b.mid", walk(1))
    assert found(tmp_path / "n") == [("jigs1.mid", "", "")]
    assert [item.source for item in find_items(tmp_path / "s")] == ["s/classical", "s/contemporary"]
    (tmp_path / "s" / "manifest.jsonl").write_text("")
    assert [item.source for item in find_items(tmp_path / "s")] == ["s", "s"]


CHORALE = [[74, 70, 65, 58]] * 4 + [[75, 70, 65, -1]] * 2 + [[75, 70, 65, 58]] * 2


def test_chorales_in_json(tmp_path: Path) -> None:
    folder = tmp_path / "JSB"
    folder.mkdir()
    splits = {"train": [CHORALE, CHORALE[4:]], "valid": [], "test": [[[60, 64], [60], []]]}
    (folder / "Jsb16thSeparated.json").write_text(json.dumps(splits))
    (folder / "jsb-chorales-quarter.json").write_text(json.dumps(splits))
    (folder / "README.md").touch()
    items = find_items(folder)
    assert [(i.name, i.split) for i in items] == [
        ("Jsb16thSeparated.json#train-000", "train"),
        ("Jsb16thSeparated.json#train-001", "train"),
        ("Jsb16thSeparated.json#test-000", "test"),
    ]
    build([folder], tmp_path / "pack", Plan(1))
    pack = Pack(tmp_path / "pack")
    assert [t.name for t in pack[0].tracks] == ["Soprano", "Alto", "Tenor", "Bass"]
    rows = sorted((n["frame"], n["pitch"], n["duration"]) for n in pack[0].notes)
    assert rows == [(0, 58, 4), (0, 65, 8), (0, 70, 8), (0, 74, 4), (4, 75, 4), (6, 58, 2)]
    assert sorted((n["frame"], n["pitch"], n["duration"]) for n in pack[2].notes) == [(0, 60, 2), (0, 64, 1)]
    (quarters,) = [i for i in find_items(folder, "*quarter.json") if i.split == "test"]
    assert quarters.form == "jsb-1"


def test_a_file_for_each_split_of_chorales_and_pitches_that_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "jsb"
    folder.mkdir()
    (folder / "train.json").write_text(json.dumps([CHORALE, [["C4"] * 4]]))
    (folder / "valid.json").write_text(json.dumps([CHORALE]).replace("-1", "NaN"))
    built = build([folder], tmp_path / "pack", Plan(1))
    assert {line["split"] for line in lines_of(tmp_path / "pack")} == {"train", "valid"}
    assert dict(built.refused) == {"train.json#train-001": "'C4' is no pitch"}
    assert lines_of(tmp_path / "pack")[1]["copy_of"] == 0


def test_collections_of_abc_and_json(tmp_path: Path) -> None:
    tunes = "M:4/4\n\nX:1\nT:One\nL:1/8\nK:G\nGABc dedB|\n\nX:7\nT:Two\nL:1/4\nK:D\nd f a f|\n\nX:7\nT:Bad\n"
    (tmp_path / "songs" / "train").mkdir(parents=True)
    (tmp_path / "songs" / "train" / "book.abc").write_text(tunes)
    (tmp_path / "songs" / "a.json").write_text(score_to_json(walk(1)))
    built = build([tmp_path / "songs"], tmp_path / "pack", Plan(1))
    lines = {line["name"]: line for line in lines_of(tmp_path / "pack")}
    assert sorted(lines) == ["a.json", "book.abc#1", "book.abc#7"]
    assert (lines["book.abc#1"]["split"], lines["book.abc#1"]["notes"][1]) == ("train", 8)
    assert [name for name, _ in built.refused] == ["book.abc#7-2"]


PATTERNS = {
    "*.mid": {"a.mid", "b[1].mid"},
    "**/*.mid": {"a.mid", "b[1].mid", "x/a.mid", "x/y/c.mid"},
    "*/*": {"x/a.mid"},
    "x/**/*.mid": {"x/a.mid", "x/y/c.mid"},
    "**/[a-b]?mid": {"a.mid", "x/a.mid"},
    "**/[!a]*.mid": {"b[1].mid", "x/y/c.mid"},
    "b[[]1].mid": {"b[1].mid"},
}


def test_patterns(tmp_path: Path) -> None:
    for name in PATTERNS["**/*.mid"]:
        save(tmp_path / name, walk(1))
    for pattern, names in PATTERNS.items():
        assert {name for name, _, _ in found(tmp_path, pattern)} == names, pattern


def test_layouts_know_nothing_else(tmp_path: Path) -> None:
    for name in ("a.mid", "classical/b.mid", "001/other.mid", "train/c.mid"):
        save(tmp_path / "songs" / name, walk(1))
    tree = open_tree(tmp_path / "songs")
    assert [name for name, layout in LAYOUTS.items() if layout.recognise(tree)] == ["folders"]


# Workers that come to grief


def crash(number: int) -> int:
    if number == 70:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def test_an_item_that_kills_its_process_is_told_and_the_others_are_done() -> None:
    assert list(in_order(crash, range(150), 2, killed=lambda n: -n)) == [-n if n == 70 else 2 * n for n in range(150)]


def test_a_timeout_counts_for_each_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.mid")
    save(tmp_path / "good.mid", walk(1))
    items = [Item(tmp_path / name, name, "s", "train") for name in ("endless.mid", "good.mid")]
    built = build_items(items, tmp_path / "pack", Plan(1, timeout=0.2))
    assert built.refused == (("endless.mid", "took longer than 0.2 s"),)
