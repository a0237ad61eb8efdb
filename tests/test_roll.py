"""`m4m roll`: what stands where, as text, SVG and PNG; and the colours of what is new."""

import io
import os
import pty
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, environment

from m4mcli.errors import M4mError
from m4mcli.picture.colours import DRUMS, GIVEN, NEW, PALETTE
from m4mcli.picture.panel import added_tracks, compared, panel
from m4mcli.picture.text import rich_roll
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi

TUNE = Track("Tune", 40, False, notes_array([(0, 480, 67, 100), (480, 240, 72, 50), (1920, 960, 64, 100)]))
CHORDS = Track("Chords", 0, False, notes_array([(b * 1920, 1920, p, 100) for b in (0, 1) for p in (48 + b, 52, 55)]))
BEAT = Track("Drums", 0, True, notes_array([(i * 480, 60, 36 if i % 2 == 0 else 38, 100) for i in range(8)]))
PIECE = Score(480, (TUNE, CHORDS, BEAT), (Tempo(0, 500_000),), (TimeSignature(0, 4, 4),), (KeySignature(0, 0, False),))
MIDI = score_to_midi(PIECE)


def shapes(svg: bytes, kind: str) -> list[dict[str, str]]:
    return [
        dict(e.attrib) | {"text": e.text or ""}
        for e in ET.fromstring(svg).iter(f"{{http://www.w3.org/2000/svg}}{kind}")
    ]


def test_every_note_stands_in_its_row_and_column(m4m: Run) -> None:
    lines = m4m("roll", "--grid", "1/8", "--width", "60", stdin=MIDI).stdout.decode().splitlines()
    rows = {line[:5].strip(): line[6:] for line in lines}
    assert rows["G4"] == "|1-      |"
    assert rows["C5"] == "|  1     |"
    assert rows["E4"] == "|        |1---"
    assert rows["E3"] == "|2-------|2-------"
    assert rows["kick"] == "|x   x   |x   x"
    assert rows["snare"] == "|  x   x |  x   x"
    assert lines[0] == "1  track 1: Tune (Violin)"
    assert lines[2] == "x  track 3: Drums (Drums), new"
    chords, numbers = lines[4:6]
    assert (numbers.index("1"), numbers.index("2")) == (6, 15)
    assert chords.split()[0] == "C"


def test_the_text_fits_the_width_and_holds_every_bar(m4m: Run, examples: Path) -> None:
    for width in (30, 57, 100):
        said = m4m("roll", "--width", str(width), examples / "ode-to-joy.mid").stdout.decode()
        assert all(len(line) <= width for line in said.splitlines())
        numbers = [n for line in said.splitlines() if re.fullmatch(r"[ \d]+", line) for n in line.split()]
        assert numbers == [str(n) for n in range(1, 17)]


def test_only_the_bars_that_are_named(m4m: Run, examples: Path) -> None:
    said = m4m("roll", "--bars", "0-1", examples / "greensleeves.mid").stdout.decode()
    assert "\n      0  1\n" in said
    assert "C5 |  |1---" in said
    refused = m4m("roll", "--bars", "16-17", examples / "greensleeves.mid")
    assert refused.returncode == 2
    assert b"there is no bar 17; bars: 0-16" in refused.stderr
    assert m4m("roll", "--bars", "1-2,5", examples / "greensleeves.mid").returncode == 2


def test_a_picture_has_tracks_bars_chords_and_drums(m4m: Run, tmp_path: Path) -> None:
    done = m4m("roll", "-o", "roll.svg", "--title", "A <title> & more", stdin=MIDI)
    assert (done.returncode, done.stdout) == (0, b"")
    svg = (tmp_path / "roll.svg").read_bytes()
    assert m4m("roll", "--as", "svg", "--title", "A <title> & more", stdin=MIDI).stdout == svg
    texts = {t["text"]: t for t in shapes(svg, "text")}
    assert {
        "A <title> & more",
        "Tune",
        "Chords",
        "Drums",
        "1",
        "2",
        "kick",
        "snare",
        "C",
        "given",
        "new",
    } <= texts.keys()
    assert texts["Tune"]["fill"] == GIVEN[0]
    assert texts["Chords"]["fill"] == NEW[0]
    assert len(shapes(svg, "circle")) == len(BEAT.notes)
    assert float(texts["2"]["x"]) > float(texts["1"]["x"]) + 300


def test_notes_of_a_picture_are_to_scale(m4m: Run) -> None:
    svg = m4m("roll", "--as", "svg", stdin=score_to_midi(replace(PIECE, tracks=(TUNE,)))).stdout
    loud = sorted((r for r in shapes(svg, "rect") if r.get("fill") == PALETTE[0]), key=lambda r: float(r["x"]))
    assert len(loud) == 2
    first, last = ({k: float(r[k]) for k in ("x", "y", "width", "height")} for r in loud)
    assert last["width"] == pytest.approx(2 * first["width"], rel=0.02)
    lines = [float(line["x1"]) for line in shapes(svg, "line") if line["x1"] == line["x2"]]
    assert last["x"] in lines
    assert last["y"] - first["y"] == pytest.approx(3 * (first["height"] + 1), abs=0.05)


def test_a_png_shows_the_same_picture(m4m: Run, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    assert m4m("roll", "-o", "roll.png", "--width", "600", stdin=MIDI).returncode == 0
    data = (tmp_path / "roll.png").read_bytes()
    assert m4m("roll", "--as", "png", "--width", "600", stdin=MIDI).stdout == data
    picture = image.open(io.BytesIO(data)).convert("RGB")
    svg = m4m("roll", "--as", "svg", "--width", "600", stdin=MIDI).stdout
    assert picture.size == (1200, 2 * int(ET.fromstring(svg).attrib["height"]))
    for colour in (GIVEN[0], NEW[0]):
        note = next(r for r in shapes(svg, "rect") if r.get("fill") == colour and float(r["width"]) > 20)
        place = [int(2 * (float(note[a]) + float(note[b]) / 2)) for a, b in (("x", "width"), ("y", "height"))]
        assert "#{:02x}{:02x}{:02x}".format(*picture.getpixel(tuple(place))) == colour


def test_what_is_new() -> None:
    assert added_tracks(PIECE) == (1, 2)
    assert added_tracks(replace(PIECE, tracks=(CHORDS, BEAT))) == ()
    assert added_tracks(replace(PIECE, tracks=(BEAT, TUNE))) == ()
    shown = panel(PIECE, "x", new=())
    assert [lane.colour for lane in shown.lanes] == [*PALETTE[:2], DRUMS]
    assert [lane.new for lane in panel(PIECE, "x", new=(0,)).lanes] == [True, False, False]


def test_new_tracks_can_be_named(m4m: Run) -> None:
    said = m4m("roll", "--new", "tune", stdin=MIDI).stdout.decode().splitlines()
    assert [line.endswith(", new") for line in said[:3]] == [True, False, False]
    assert ", new" not in m4m("roll", "--new", "none", stdin=MIDI).stdout.decode()
    assert m4m("roll", "--new", "oboe", stdin=MIDI).returncode == 2


def test_a_comparison_tells_what_both_have(m4m: Run, tmp_path: Path) -> None:
    other = TUNE.notes.copy()
    other["pitch"][1] = 74
    changed = replace(PIECE, tracks=(replace(TUNE, notes=other), CHORDS, BEAT))
    one, two = compared(panel(PIECE, "one"), panel(changed, "two"))
    assert one.lanes[0].marks["shared"].tolist() == [True, False, True]
    assert all(lane.marks["shared"].all() for lane in (*one.lanes[1:], *two.lanes[1:]))
    (tmp_path / "one.mid").write_bytes(MIDI)
    (tmp_path / "two.mid").write_bytes(score_to_midi(changed))
    svg = m4m("roll", "--compare", "one.mid", "two.mid", "--as", "svg").stdout
    texts = [t["text"] for t in shapes(svg, "text")]
    assert {"one.mid", "two.mid", "in both"} <= set(texts)
    assert texts.count("Tune") == 2
    assert m4m("roll", "--compare", "one.mid").returncode == 2
    assert m4m("roll", "one.mid", "two.mid", "-o", "x.svg").returncode == 2


def test_several_files_as_text(m4m: Run, examples: Path) -> None:
    said = m4m("roll", *sorted(examples.glob("*.mid"))).stdout.decode()
    assert said.count("track 1: ") == 3


@pytest.mark.skipif(os.name != "posix", reason="terminals of Unix")
@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_colours_unless_it_wants_none(tmp_path: Path, examples: Path, no_color: bool) -> None:
    env = environment(TERM="xterm-256color", COLORTERM="truecolor", COLUMNS="80", LC_ALL="C.UTF-8", PYTHONUTF8="1")
    if not no_color:
        del env["NO_COLOR"]
    master, slave = pty.openpty()
    song = examples / "ode-to-joy.mid"
    running = subprocess.Popen([sys.executable, "-m", "m4mcli", "roll", song], stdout=slave, env=env, cwd=tmp_path)
    os.close(slave)
    shown = b""
    while part := _read(master):
        shown += part
    assert running.wait() == 0
    assert (b"\x1b[" in shown) != no_color
    assert ("▀" in shown.decode()) != no_color
    bare = re.sub(r"\x1b\[[\d;]*m", "", shown.decode())
    assert all(len(line) <= 80 for line in bare.splitlines())
    if not no_color:
        channels = ";".join(str(c) for c in bytes.fromhex(PALETTE[0][1:]))
        assert f"38;2;{channels}".encode() in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


@pytest.mark.parametrize("name", ["\x1b[2J", "[bold]x[/bold]", "</text>&", "笛", "a\nb"])
def test_odd_names_do_no_harm(m4m: Run, name: str) -> None:
    midi = score_to_midi(replace(PIECE, tracks=(replace(TUNE, name=name),)))
    text = m4m("roll", stdin=midi).stdout.decode()
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len([line for line in text.splitlines() if "track 1" in line]) == 1
    assert ET.fromstring(m4m("roll", "--as", "svg", stdin=midi).stdout) is not None
    assert m4m("roll", "--as", "png", stdin=midi).returncode == 0


def test_pieces_at_the_edge(m4m: Run) -> None:
    empty = m4m("roll", stdin=score_to_midi(Score(480)))
    assert empty.returncode == 1
    assert b"no notes to show" in empty.stderr
    drums = score_to_midi(replace(PIECE, tracks=(BEAT,)))
    assert "kick |x" in m4m("roll", "--grid", "1/8", stdin=drums).stdout.decode()
    zero = score_to_midi(Score(480, (Track(notes=notes_array([(0, 0, 60, 80), (1920, 0, 127, 1), (1920, 9, 0, 1)])),)))
    for kind in ("text", "svg", "png"):
        assert m4m("roll", "--as", kind, stdin=zero).returncode == 0


def test_a_dense_piece_is_drawn_once_for_each_place() -> None:
    from m4mcli.picture.layout import Look, roll_drawing

    rng = np.random.default_rng(1)
    onsets = np.sort(rng.integers(0, 48, 50_000)).tolist()
    rows = [(t, 10, int(p), 80) for t, p in zip(onsets, rng.integers(0, 128, 50_000), strict=True)]
    drawing = roll_drawing([panel(Score(480, (Track(notes=notes_array(rows)),)), "dense")], Look())
    assert len(drawing.shapes) < 50_000 / 4


def test_a_picture_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    from m4mcli.picture import layout

    monkeypatch.setattr(layout, "MOST_NOTES", 16)
    with pytest.raises(M4mError, match="17 notes are too many for one picture"):
        layout.roll_drawing([panel(PIECE, "x")], layout.Look())


def test_the_names_of_many_tracks_take_several_lines() -> None:
    tracks = tuple(Track(f"Part {n}", notes=notes_array([(0, 480, 60 + n, 80)])) for n in range(9))
    lines = [line.plain for line in rich_roll([panel(Score(480, tracks), "nine")], 40)]
    legend = lines[: lines.index("")]
    assert re.findall(r"▄▄ (\d) Part", "   ".join(legend)) == list("123456789")
    assert max(map(len, legend)) <= 40
