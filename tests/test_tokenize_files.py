"""`m4m tokenize` with schemes that can be set: options, folders, several processes, arrays."""

import io
import json
import zipfile
from pathlib import Path
from typing import get_args

import jsonschema
import numpy as np
import pytest
from conftest import Run
from test_tokenize import SCHEMA

from m4mcli.errors import M4mError
from m4mcli.score.json_form import score_from_json
from m4mcli.score.quick import read_quickly
from m4mcli.score.read import read_score
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.token_options import SCHEME_NAMES
from m4mcli.tokens.packed_form import PackedWriter, read_packed
from m4mcli.tokens.scheme import Tokens
from m4mcli.tokens.schemes import MIDITOK, NAMES, open_scheme, takes_settings
from m4mcli.tokens.settings import M4M
from m4mcli.tokens.written_settings import parse_resolution, written_settings


def song(shift: int = 0) -> Score:
    return Score(
        480,
        (
            Track("Flute", 73, notes=notes_array([(shift, 480, 72, 99), (480 + shift, 240, 74, 51)])),
            Track("Beat", 0, True, notes_array([(shift, 120, 36, 127)])),
        ),
        (Tempo(0, 500_000),),
        (TimeSignature(0, 3, 4),),
        (KeySignature(0, -1, False),),
    )


def said(form: dict[str, object], scheme: str, *changes: object) -> list[str]:
    settings = written_settings(M4M, **dict(zip(changes[::2], changes[1::2], strict=True)))  # type: ignore[arg-type]
    names = open_scheme(scheme, settings).vocabulary.names
    return [names[i] for i in form["ids"]]  # type: ignore[attr-defined]


def test_a_bar_in_words(m4m: Run) -> None:
    midi = score_to_midi(song())
    remi = said(json.loads(m4m("tokenize", "--scheme", "remi", stdin=midi).stdout), "remi")
    assert " ".join(remi) == (
        "Bar_None TimeSig_3/4 Position_0 Tempo_121.29 KeySig_-1:0 "
        "Program_73 Pitch_72 Velocity_99 Duration_1.0.8 Program_-1 PitchDrum_36 Velocity_127 Duration_0.2.8 "
        "Position_8 Program_73 Pitch_74 Velocity_51 Duration_0.4.8"
    )
    options = ["--tempos", "0", "--no-key-signatures", "--no-time-signatures", "--velocities", "0"]
    bare = json.loads(m4m("tokenize", "--scheme", "midilike", *options, stdin=midi).stdout)
    changes = ("tempos", 0, "key_signatures", False, "time_signatures", False, "velocities", 0)
    assert " ".join(said(bare, "midilike", *changes)) == (
        "Program_73 NoteOn_72 Program_-1 DrumOn_36 TimeShift_0.2.8 Program_-1 DrumOff_36 TimeShift_0.6.8 "
        "Program_73 NoteOff_72 Program_73 NoteOn_74 TimeShift_0.4.8 Program_73 NoteOff_74"
    )


def test_without_programs_each_track_is_a_sequence(m4m: Run) -> None:
    done = m4m("tokenize", "--scheme", "tsd", "--no-programs", "--resolution", "12", stdin=score_to_midi(song()))
    form = json.loads(done.stdout)
    jsonschema.validate(form, SCHEMA)
    assert len(form["sequences"]) == 2
    assert form["config"]["beat_res"] == {"0_12": 12}
    back = score_from_json(m4m("tokenize", "--decode", "--json", stdin=done.stdout).stdout.decode())
    assert [(t.name, t.program, t.is_drum) for t in back.tracks] == [("Flute", 73, False), ("Beat", 0, True)]
    assert [t.notes.tolist() for t in back.tracks] == [t.notes.tolist() for t in song().tracks]


def test_a_folder_in_one_and_two_processes(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "songs" / "more").mkdir(parents=True)
    for i in range(40):
        (tmp_path / "songs" / ("more" if i % 2 else "") / f"{i:02}.mid").write_bytes(score_to_midi(song(60 * i)))
    (tmp_path / "songs" / "zz.mid").write_bytes(b"no music")
    lines = [m4m("tokenize", "--scheme", "tsd", "--jsonl", "--workers", n, "songs") for n in "12"]
    assert lines[0].stdout == lines[1].stdout
    assert lines[0].returncode == lines[1].returncode == 1
    assert lines[1].stderr == b"m4m tokenize: songs/zz.mid: not a MIDI file (text); m4m reads MIDI, m4m JSON and ABC\n"
    forms = [json.loads(line) for line in lines[0].stdout.splitlines()]
    assert [form["file"] for form in forms] == sorted(form["file"] for form in forms)
    assert len(forms) == 40
    jsonschema.validate(forms[0], SCHEMA)
    packed = m4m("tokenize", "--scheme", "tsd", "--npz", "-q", "songs", "-o", "all.npz")
    assert packed.returncode == 1
    arrays = np.load(tmp_path / "all.npz")
    assert arrays["ids"].tolist() == [i for form in forms for i in form["ids"]]
    assert len(arrays["starts"]) == 41
    decoded = m4m("tokenize", "--decode", "--jsonl", "all.npz").stdout
    assert decoded == m4m("tokenize", "--decode", "--jsonl", stdin=lines[0].stdout).stdout
    assert not list(tmp_path.glob(".m4m-*"))


WRONG = [
    (["--velocities", "8", "a.mid"], "the scheme frames has no setting for --velocities"),
    (["--scheme", "remi", "--resolution", "4-8:2", "a.mid"], "not a resolution: '4-8:2'"),
    (["--scheme", "remi", "--resolution", "0-4:8,4-8:3", "a.mid"], "does not divide the finest"),
    (["--scheme", "remi", "--pitches", "C4", "a.mid"], "not a range: 'C4'"),
    (["--jsonl", "--npz", "a.mid"], "--jsonl and --npz exclude each other"),
    (["--decode", "--npz", "a"], "--decode writes music, not arrays"),
    (["--train-bpe", "900", "--scheme", "remi"], "no files to learn from"),
    (["--config", "a", "--bpe", "b", "a.mid"], "--config and --bpe exclude each other"),
    (["--config", "tokenizer.json", "a.mid"], "tokenizer.json: not a MidiTok tokenizer file"),
    (["a.mid", "b.mid"], "2 files, and one piece to write"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_wrong_usage(m4m: Run, tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    done = m4m("tokenize", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_all_schemes_are_named_alike() -> None:
    assert get_args(SCHEME_NAMES) == NAMES == tuple(SCHEMA["properties"]["scheme"]["enum"])
    assert {scheme for scheme in NAMES if takes_settings(scheme)} == set(MIDITOK.values())


def test_resolutions() -> None:
    assert parse_resolution("8") == ((0, 12, 8),)
    assert parse_resolution("0-4:8,4-12:4") == M4M.resolution
    for text in ("", "0", "8,4", "0-4", "0-4:0", "0-4:97", "2-4:8"):
        with pytest.raises(M4mError, match="not a resolution"):
            parse_resolution(text)


def test_the_quick_reader_reads_what_the_other_does() -> None:
    """All but the order of notes at one onset; what is odd is left to the other."""
    score = song(7)
    midi = score_to_midi(score)
    found = read_quickly(midi)
    assert found is not None
    slow = read_score(midi, "x").score
    assert (found.tpq, found.tempos, found.time_signatures, found.key_signatures) == (
        (slow.tpq, slow.tempos, slow.time_signatures, slow.key_signatures)
    )
    assert [(t.name, t.program, t.is_drum, t.notes.tolist()) for t in found.tracks] == [
        (t.name, t.program, t.is_drum, t.notes.tolist()) for t in slow.tracks
    ]
    for odd in (b"", b"{}", midi[:-9], b"junk" + midi, midi.replace(b"MTrk", b"XTrk", 1)):
        assert read_quickly(odd) is None


@pytest.mark.parametrize("missing", ["ids.npy", "starts.npy", "pieces.jsonl", ""])
def test_arrays_that_are_damaged_are_refused(missing: str) -> None:
    writer = PackedWriter()
    writer.add(Tokens("frames", np.array([1, 2])), "a.mid")
    whole = io.BytesIO()
    writer.finish(whole)
    writer.close()
    assert [t.ids.tolist() for t in read_packed(whole.getvalue(), "x")] == [[1, 2]]
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole.getvalue())) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            if name != missing:
                target.writestr(name, source.read(name) if missing else b"\x93NUMPY")
    with pytest.raises(M4mError, match="not a packed token file"):
        list(read_packed(out.getvalue(), "x"))
    locked = bytearray(whole.getvalue())
    at = locked.index(b"PK\1\2")
    locked[locked.index(b"PK\3\4") + 6] |= 1
    locked[at + 8] |= 1
    with pytest.raises(M4mError, match="not a packed token file"):
        list(read_packed(bytes(locked), "x"))
