"""`m4m dataset filter`, `stats` and `make`: smaller packs, what is in them, corpora by rule."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Run, environment
from corpora import drums_alone, edited, lines_of, save, walk

from m4mcli.cli import COMMANDS
from m4mcli.dataset.build import Plan, build
from m4mcli.dataset.pack import Pack
from m4mcli.score.read import read_score
from m4mcli.score.score import TimeSignature


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A pack of eleven pieces: scales by rule, a waltz twice, and drums."""
    waltz = replace(walk(9, 60), time_signatures=(TimeSignature(0, 3, 4),))
    for i in range(8):
        save(tmp_path / "songs" / "train" / f"{i}.mid", walk(i, 20 + 10 * i))
    save(tmp_path / "songs" / "train" / "waltz.mid", waltz)
    save(tmp_path / "songs" / "valid" / "waltz.mid", edited(waltz))
    save(tmp_path / "songs" / "train" / "drums.mid", drums_alone(1))
    build([tmp_path / "songs"], tmp_path / "pack", Plan(1))
    return tmp_path / "pack"


FILTERS = [
    (["--bars", "6-"], {"4.mid", "5.mid", "6.mid", "7.mid", "waltz.mid"}),
    (["--drums"], {"drums.mid"}),
    (["--no-drums", "--notes", "-45"], {"0.mid", "1.mid", "2.mid"}),
    (["--metre", "3/4"], {"waltz.mid"}),
    (["--having", "bass,19"], {"waltz.mid"}),
    (["--programs", "organ, electric bass (finger)"], {"waltz.mid", "drums.mid"}),
    (["--split", "valid"], {"waltz.mid"}),
    (["--seconds", "12-", "--source", "songs"], set()),
]


def test_filters(m4m: Run, packed: Path, tmp_path: Path) -> None:
    lines = lines_of(packed)
    for arguments, names in FILTERS:
        done = m4m("dataset", "filter", "pack", "--out", "less", *arguments)
        if arguments[0] in ("--bars", "--seconds"):
            low = float(arguments[1].rstrip("-"))
            names = {p["name"] for p in lines if (p["bars"][1] if "bars" in arguments[0] else p["seconds"]) >= low}
        assert done.returncode == 0, done.stderr
        assert {line["name"] for line in lines_of(tmp_path / "less")} == names, arguments
        left = len(lines) - len(lines_of(tmp_path / "less"))
        assert len((tmp_path / "less" / "refused.jsonl").read_text().splitlines()) == left
        assert done.stderr.count(b"pieces left out: ") >= 1


def test_filtered_pieces_are_whole_and_their_groups_hold(m4m: Run, packed: Path, tmp_path: Path) -> None:
    done = m4m("dataset", "filter", "pack", "--out", "less", "--no-leaks", "--json")
    assert b"1 of 11 pieces left out: its group is in another split" in done.stderr
    manifest = json.loads(done.stdout)
    assert (manifest["pieces"], manifest["torn_groups"], manifest["copies"]) == (10, 0, 0)
    before, after = Pack(packed), Pack(tmp_path / "less")
    old = {(line["name"], line["split"]): i for i, line in enumerate(before.pieces)}
    for i, line in enumerate(after.pieces):
        same = before[old[line["name"], line["split"]]]
        assert after[i].notes.tolist() == same.notes.tolist()
        assert after[i].bars.tolist() == same.bars.tolist()
        assert line["group"] == line["copy_of"] == i
    m4m("dataset", "filter", "pack", "--out", "one", "--unique")
    kept = [(line["name"], line["split"]) for line in lines_of(tmp_path / "one")]
    assert ("waltz.mid", "valid") in kept
    assert ("waltz.mid", "train") not in kept
    key = before.pieces[0]["key"]
    m4m("dataset", "filter", "pack", "--out", "keys", "--key", key)
    assert {line["key"] for line in lines_of(tmp_path / "keys")} == {key}


WRONG = [
    (("filter", "pack", "--out", "x", "--bars", "8-4"), 2, "--bars '8-4' is no range; write 8-64, 8- or -64"),
    (("filter", "pack", "--out", "x", "--having", "kazoo"), 2, "no instrument 'kazoo'"),
    (("filter", "pack", "--out", "x", "--key", "H"), 2, "not a key: 'H'"),
    (
        ("filter", "pack", "--out", "x", "--metre", "17/8"),
        1,
        "none of 11 pieces is as wanted; 11 of them: another metre",
    ),
    (("filter", "none", "--out", "x"), 1, "none: not a pack; make one with m4m dataset build"),
    (("stats", "pack", "--source", "x"), 1, "no such pieces in the pack"),
    (("stats", "pack", "--plot", "x"), 2, "--plot x: neither .svg nor .png"),
    (("make", "scales", "--out", "songs"), 2, "songs: exists and is not empty; name a new folder with --out"),
    (("make", "songs", "--out", "x"), 2, "'songs' is not one of 'scales', 'eighth-notes'"),
    (("bild",), 2, "no such command: 'bild'; did you mean build?"),
]


def test_what_does_not_work(m4m: Run, packed: Path, tmp_path: Path) -> None:
    for arguments, status, told in WRONG:
        done = m4m("dataset", *arguments)
        assert (done.returncode, done.stdout) == (status, b"")
        assert told in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
        assert not (tmp_path / "x").exists()


def test_stats(m4m: Run, packed: Path, tmp_path: Path) -> None:
    found = json.loads(m4m("dataset", "stats", "pack", "--json", "--plot", "pack.svg").stdout)
    lines = lines_of(packed)
    train = found["totals"]["songs/train"]
    assert train["pieces"] == 10
    assert train["notes"] == sum(line["notes"][1] for line in lines if line["split"] == "train")
    assert found["totals"]["songs/valid"]["copies"] == 1
    spread = found["spread"]
    assert spread["metre"] == {"4/4": 9, "3/4": 2}
    assert spread["instruments"] == {"Bass": 1, "Organ": 1, "Pipe": 9, "Drums": 1}
    assert sum(spread["duration"].values()) == sum(line["notes"][1] for line in lines)
    assert sum(spread["octave"].values()) == sum(line["notes"][1] for line in lines) - 64
    picture = (tmp_path / "pack.svg").read_text()
    assert picture.startswith("<svg ")
    assert all(text in picture for text in ("pack: 11 pieces", "Bars of a piece", "3/4", "Notes by velocity"))
    m4m("dataset", "stats", "pack", "--plot", "pack.png")
    assert (tmp_path / "pack.png").read_bytes().startswith(b"\x89PNG")
    shown = m4m("dataset", "stats", "pack", "--split", "valid").stdout.decode().splitlines()
    assert [line.split()[0] for line in shown[:3]] == ["source/split", "songs/valid", "bars"]
    assert "metre        3/4 100%" in shown


def test_corpora_by_rule(m4m: Run, tmp_path: Path) -> None:
    for kind in ("scales", "eighth-notes"):
        for out in (kind, f"{kind}-again"):
            assert m4m("dataset", "make", kind, "--count", "24", "--out", out).returncode == 0
        files = {p.relative_to(tmp_path / kind): p.read_bytes() for p in (tmp_path / kind).rglob("*.mid")}
        again = tmp_path / f"{kind}-again"
        assert files == {p.relative_to(again): p.read_bytes() for p in again.rglob("*.mid")}
        assert sum(path.parts[0] == "valid" for path in files) == 4
    m4m("dataset", "make", "eighth-notes", "--count", "24", "--seed", "1", "--out", "other")
    assert (tmp_path / "other" / "train" / "0001.mid").read_bytes() != files[Path("train/0001.mid")]
    scale = read_score((tmp_path / "scales" / "train" / "c-major.mid").read_bytes(), "x").score.tracks[0].notes
    assert scale["pitch"].tolist()[:16] == [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62, 60, 62]
    for path, data in files.items():
        score = read_score(data, str(path)).score
        pitches = score.tracks[0].notes["pitch"].astype(int)
        key = score.key_signatures[0]
        degrees = {(d + 7 * key.fifths) % 12 for d in (0, 2, 4, 5, 7, 9, 11)}
        assert set((pitches % 12).tolist()) <= degrees
        assert pitches[0] == pitches[-1]
    build([tmp_path / "scales", tmp_path / "eighth-notes"], tmp_path / "pack", Plan(1))
    assert len(Pack(tmp_path / "pack")) == 48


def test_help_of_each_part_shows_two_examples_and_loads_nothing_heavy(m4m: Run, tmp_path: Path) -> None:
    for name, entry in COMMANDS["dataset"].parts.items():
        done = m4m("dataset", name, "--help")
        assert done.returncode == 0, done.stderr
        assert f"Usage: m4m dataset {name} [OPTIONS]".encode() in done.stdout
        assert done.stdout.count(f"  m4m dataset {name} ".encode()) >= 2
        assert entry.summary.encode() in m4m("dataset", "--help").stdout
    run = "import sys, m4mcli.cli as cli; cli.run(['dataset', 'filter', '-h'])"
    program = f"{run}; print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment(), check=True)
    assert b"'numpy'" not in done.stderr
    assert b"dataset_stats" not in done.stderr
    assert m4m("help", "dataset", "stats").stdout == m4m("dataset", "stats", "--help").stdout
