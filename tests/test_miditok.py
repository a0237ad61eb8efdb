"""The ids are MidiTok's for the same configuration, on multitrack music made here, and its tokenizer files are read."""

import json
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

from m4mcli.errors import M4mError
from m4mcli.score.quick import read_quickly
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tokens.miditok_form import settings_from_file, settings_from_miditok, settings_to_miditok
from m4mcli.tokens.schemes import MIDITOK, open_scheme
from m4mcli.tokens.settings import M4M, Settings

miditok = pytest.importorskip("miditok")
symusic = pytest.importorskip("symusic")

PIECES = 7
METRES = ((4, 4), (3, 4), (6, 8), (5, 4), (12, 8), (2, 4), (7, 8))

CONFIGS: dict[str, dict[str, Any]] = {
    "default": {},
    "all heads": {"use_programs": True, "use_tempos": True, "use_key_signatures": True},
    "rests": {"use_programs": True, "use_rests": True, "use_tempos": True},
    "rests, no signatures": {"use_rests": True, "use_time_signatures": False},
    "chords": {"use_chords": True, "chord_tokens_with_root_note": True, "chord_unknown": (3, 6)},
    "program changes": {"use_programs": True, "program_changes": True, "use_chords": True},
    "streams": {"use_programs": True, "one_token_stream_for_programs": False, "program_changes": True},
    "fine": {
        "beat_res": {(0, 1): 12, (1, 4): 6, (4, 16): 3},
        "num_velocities": 16,
        "use_programs": True,
        "remove_duplicated_notes": True,
        "use_pitchdrum_tokens": False,
        "delete_equal_successive_tempo_changes": True,
        "use_tempos": True,
        "log_tempos": True,
        "num_tempos": 20,
    },
    "bars": {
        "use_velocities": False,
        "use_bar_end_tokens": True,
        "add_trailing_bars": True,
        "use_programs": True,
        "time_signature_range": {16: [3, 7], 8: [3, 12, 6, 7], 4: [5, 6, 3, 2, 1, 4]},
    },
    "no durations": {"use_note_duration_programs": [], "use_programs": True, "pitch_range": (40, 80)},
    "four programs": {"programs": [-1, 0, 40, 33], "use_programs": True},
}


def piece(seed: int) -> bytes:
    """Unevenly played music of several tracks, metres and tempi, with chords, drums, double notes and silence."""
    rng = random.Random(seed)
    tpq = rng.choice([96, 220, 480])
    tracks = []
    for _ in range(rng.randint(1, 4)):
        drums = rng.random() < 0.3
        rows, tick = [], rng.choice([0, 0, tpq * 9])
        for _ in range(rng.randint(1, 60)):
            tick += rng.choice([0, 0, tpq // 4, tpq // 2, tpq, tpq * 3, rng.randint(1, tpq), tpq * 30])
            shape = rng.choice([(0,), (0,), (0, 4, 7), (0, 3, 7, 10), (0, 5)])
            root, length = rng.randint(15, 100), rng.choice([tpq // 4, tpq, tpq * 2, rng.randint(1, tpq * 14)])
            rows += [(tick, length, root + step, rng.randint(1, 127)) for step in shape]
        program = 0 if drums else rng.choice([0, 0, 33, 40, 127])
        tracks.append(Track("", program, drums, notes_array(rows)))
    bar, metres = 0, []
    for _ in range(rng.randint(0, 4)):
        n, d = rng.choice(METRES)
        metres.append(TimeSignature(bar + rng.choice([0, 0, tpq // 3]), n, d))
        bar += rng.randint(1, 4) * tpq * 4 * n // d
    changes = sorted({0, *(rng.randint(0, tpq * 40) for _ in range(rng.randint(0, 3)))})
    tempos = tuple(Tempo(tick, rng.randint(200_000, 1_600_000)) for tick in changes[rng.randint(0, 1) :])
    keys = tuple(KeySignature(tick, rng.randint(-7, 7), rng.random() < 0.5) for tick in changes[rng.randint(0, 1) :])
    return score_to_midi(Score(tpq, tuple(tracks), tempos, tuple(metres), keys))


@pytest.fixture(autouse=True)
def without_their_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def theirs(kind: str, config: dict[str, Any]) -> Any:
    return getattr(miditok, kind)(miditok.TokenizerConfig(**config))


def settings_of(config: dict[str, Any]) -> Settings:
    return settings_from_miditok(miditok.TokenizerConfig(**config).to_dict(serialize=True))


def ids_of(found: Any) -> list[Any]:
    return [one.ids for one in found] if isinstance(found, list) else [found.ids]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("kind", MIDITOK)
def test_ids_are_those_of_miditok(kind: str, config: str) -> None:
    tokenizer = theirs(kind, CONFIGS[config])
    scheme = open_scheme(MIDITOK[kind], settings_of(CONFIGS[config]))
    vocabularies = tokenizer.vocab if isinstance(tokenizer.vocab, list) else [tokenizer.vocab]
    assert [list(table.names) for table in scheme.vocabulary.tables()] == [
        sorted(vocabulary, key=vocabulary.get) for vocabulary in vocabularies
    ]
    notes = 0
    for seed in range(PIECES):
        data = piece(seed)
        score = read_quickly(data)
        assert score is not None
        tokens, _ = scheme.encode(score)
        expected = ids_of(tokenizer.encode(symusic.Score.from_midi(data)))
        assert [ids.tolist() for ids in tokens.sequences] == expected, seed
        notes += sum(map(len, expected))
        if "streams" not in config:
            assert all(scheme.grammar.refuses(ids) is None for ids in tokens.sequences)
        assert scheme.decode(tokens)[1] == 0
    assert notes > 100


@pytest.mark.parametrize("kind", ["TSD", "REMI"])
def test_decoded_music_is_what_miditok_decodes(kind: str) -> None:
    tokenizer = theirs(kind, CONFIGS["all heads"])
    scheme = open_scheme(MIDITOK[kind], settings_of(CONFIGS["all heads"]))
    for seed in range(PIECES):
        score = read_quickly(piece(seed))
        assert score is not None
        tokens, _ = scheme.encode(score)
        back, _ = scheme.decode(tokens)
        other = tokenizer.decode(tokens.ids)
        per_quarter = np.lcm(back.tpq, other.ticks_per_quarter)
        ours, found = (
            sorted(
                (round(onset * per_quarter / tpq), int(pitch), int(velocity))
                for track in tracks
                for onset, pitch, velocity in track
            )
            for tpq, tracks in (
                (back.tpq, [t.notes[["onset", "pitch", "velocity"]].tolist() for t in back.tracks]),
                (other.ticks_per_quarter, [[(n.time, n.pitch, n.velocity) for n in t.notes] for t in other.tracks]),
            )
        )
        # Another ticks per quarter rounds, but never by more than one of its own ticks.
        assert len(ours) == len(found)
        assert all(abs(a[0] - b[0]) <= per_quarter / back.tpq for a, b in zip(ours, found, strict=True))


@pytest.mark.parametrize("config", CONFIGS)
def test_settings_say_the_same_in_the_words_of_miditok(config: str) -> None:
    found = settings_of(CONFIGS[config])
    told = settings_to_miditok(found)
    assert settings_from_miditok(json.loads(json.dumps(told))) == found
    assert settings_to_miditok(Settings()) == {}
    assert settings_from_miditok(settings_to_miditok(M4M)) == M4M


def test_a_tokenizer_file_is_read(m4m: Run, tmp_path: Path) -> None:
    tokenizer = theirs("TSD", {"use_programs": True, "num_velocities": 12})
    tokenizer.save(tmp_path / "tokenizer.json")
    (tmp_path / "a.mid").write_bytes(data := piece(3))
    done = m4m("tokenize", "--config", "tokenizer.json", "a.mid")
    assert (done.returncode, done.stderr.count(b"warning: out-of-range")) == (0, done.stderr.count(b"\n"))
    form = json.loads(done.stdout)
    assert form["scheme"] == "tsd"
    assert [form["ids"]] == ids_of(tokenizer.encode(symusic.Score.from_midi(data)))
    assert m4m("tokenize", "--decode", "--json", stdin=done.stdout).stdout.count(b'"onset"') > 10
    wrong = m4m("tokenize", "--config", "tokenizer.json", "--scheme", "remi", "a.mid")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert b"tokenizer.json is for the scheme tsd" in wrong.stderr


REFUSED = [
    ({"use_sustain_pedals": True}, "the tokenizer has use_sustain_pedals"),
    ({"use_pitch_intervals": True}, "use_pitch_intervals"),
    ({"ac_note_density_bar": True}, "attribute controls"),
    ({"use_note_duration_programs": [1, 2]}, "durations for some programs alone"),
    ({"beat_res": {"0_4": 0}}, "not a MidiTok configuration"),
    ({"pitch_range": [90, 20]}, "not a MidiTok configuration"),
    ({"use_tempos": True, "num_tempos": 10**9}, "num_tempos"),
    ({"tempo_range": [0, 100]}, "tempo_range"),
    ({"programs": [500]}, "programs"),
    ({"max_bar_embedding": 10**9}, "max_bar_embedding"),
    ({"max_bar_embedding": 60}, "numbers its bars"),
    ({"use_rests": True, "beat_res": {"0_4": 4}}, "beat_res_rest"),
    ({"use_rests": "yes"}, "not a MidiTok configuration"),
]


@pytest.mark.parametrize(("config", "told"), REFUSED)
def test_what_m4m_has_no_tokens_for_is_refused(config: dict[str, Any], told: str) -> None:
    with pytest.raises(M4mError, match=told):
        settings_from_file(json.dumps({"tokenization": "REMI", "config": config}), "x")


def test_merges_are_those_of_miditok(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    for seed in range(6):
        (tmp_path / "songs" / f"{seed}.mid").write_bytes(piece(seed))
    trained = m4m("tokenize", "--scheme", "tsd", "--train-bpe", "700", "songs", "-o", "bpe.json", "--workers", "1")
    assert (trained.returncode, trained.stdout) == (0, b"")
    tokenizer = miditok.TSD(params=tmp_path / "bpe.json")
    assert len(tokenizer) == 700
    merged = m4m("tokenize", "--bpe", "bpe.json", "--jsonl", "songs").stdout
    forms = [json.loads(line) for line in merged.splitlines()]
    plain = m4m("tokenize", "--scheme", "tsd", "--jsonl", "songs").stdout
    assert sum(len(form["ids"]) for form in forms) < sum(len(json.loads(line)["ids"]) for line in plain.splitlines())
    for form in forms:
        assert [form["ids"]] == ids_of(tokenizer.encode(symusic.Score(tmp_path / form["file"])))
    back = m4m("tokenize", "--decode", "--jsonl", "--bpe", "bpe.json", stdin=merged)
    assert (back.returncode, back.stdout) == (0, m4m("tokenize", "--decode", "--jsonl", stdin=plain).stdout)
    without = m4m("tokenize", "--decode", "--jsonl", stdin=merged)
    assert (without.returncode, b"name the file of the merges with --bpe" in without.stderr) == (2, True)
    again = m4m("tokenize", "--scheme", "tsd", "--train-bpe", "700", "songs", "--workers", "1")
    assert again.stdout == (tmp_path / "bpe.json").read_bytes()
    unnamed = m4m("tokenize", "--train-bpe", "700", "songs", "--workers", "1")
    assert json.loads(unnamed.stdout)["tokenization"] == "REMI"


def test_merges_that_miditok_has_learnt_are_applied(m4m: Run, tmp_path: Path) -> None:
    files = []
    for seed in range(6):
        files.append(tmp_path / f"{seed}.mid")
        files[-1].write_bytes(piece(seed))
    tokenizer = theirs("REMI", {"use_programs": True})
    tokenizer.train(vocab_size=650, files_paths=files)
    tokenizer.save(tmp_path / "learnt.json")
    done = m4m("tokenize", "--bpe", "learnt.json", "-q", "0.mid")
    assert [json.loads(done.stdout)["ids"]] == ids_of(tokenizer.encode(symusic.Score(files[0])))
    back = m4m("tokenize", "--decode", "--bpe", "learnt.json", "--json", stdin=done.stdout)
    plain = m4m("tokenize", "--config", "learnt.json", "-q", "0.mid").stdout
    assert back.stdout == m4m("tokenize", "--decode", "--json", stdin=plain).stdout
