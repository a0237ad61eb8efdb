"""Every network over tokens from recipe to music: trained, exported, verified, sampled; as users do it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from toy import melody, piece, toy_pack

from m4mcli.dataset.corpus import Corpus, unpacked
from m4mcli.dataset.pack import PACK_BAR
from m4mcli.dataset.parts import PARTS
from m4mcli.dataset.synthetic import eighth_notes
from m4mcli.errors import M4mError
from m4mcli.generation.sampling import Sampling
from m4mcli.models.registry import read_model
from m4mcli.models.token_session import OnnxTokenModel
from m4mcli.score.json_form import score_from_json
from m4mcli.score.read import read_score
from m4mcli.score.score import KeySignature, Score, TimeSignature, Track, notes_array
from m4mcli.score.transposition import transposed
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.token_piece import Wish, write_pieces
from m4mcli.tokens.coder import coder_of
from m4mcli.training.recipe import build_recipe, find_recipe, read_recipe

SCALE = (0, 2, 4, 5, 7, 9, 11, 12)
TINY = (
    *("network.width=32", "network.layers=1", "data.windows=8", "data.rows=64", "optimizer.steps=10"),
    *("optimizer.warmup=5", "trainer.report_every=5", "trainer.evaluate_every=5"),
)
ATTENTIVE = ("network.heads=2", "network.head_width=16")
MODELS = {
    "folk-rnn": (),
    "gpt2-remi": ATTENTIVE,
    "gpt2-tsd": ATTENTIVE,
    "mmt-1m": ATTENTIVE,
    "multihead": ATTENTIVE,
    "structured": (*ATTENTIVE, "data.rows=128"),
    "event-llama": ATTENTIVE,
    "performance-rnn": (),
    "mmm": (*ATTENTIVE, "network.context=256", "trainer.precision=fp32"),
}
EXPORTED = ("folk-rnn", "mmm", "event-llama")
"""One of each kind of graph: a state, a cache, chained columns; `multihead` below has a cache with penalties."""


def scale(root: int, program: int = 0) -> Score:
    """A major scale up and down in eighth notes, twice."""
    steps = (*SCALE, *SCALE[-2:0:-1], *SCALE, *SCALE[-2::-1])
    notes = notes_array([(240 * i, 240, root + step, 80) for i, step in enumerate(steps)])
    return Score(480, (Track("Melody", program, False, notes),), time_signatures=(TimeSignature(0, 4, 4),))


@pytest.fixture(scope="module")
def scales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scales on all roots of an octave, three of them for validation."""
    folder = tmp_path_factory.mktemp("music") / "scales"
    for root in range(60, 72):
        path = folder / ("valid" if root % 5 == 0 else "train") / f"{root}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(score_to_midi(scale(root)))
    return folder


def metrics(run: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, (run / "metrics.jsonl").read_text().splitlines())


def told_rightly(run: Path, score: Score) -> list[bool]:
    """Which ids of a piece a trained network tells; its first pitch, which is anybody's guess, is left out."""
    import torch

    from m4mcli.training.checkpoint import load_token_network

    network, facts = load_token_network(run / "best.safetensors")
    coder = coder_of(facts["tokens"], "run")
    moved = transposed(score, 1)
    assert moved is not None
    (rows,), (higher,) = coder.pieces(score), coder.pieces(moved)
    with torch.no_grad():
        told = torch.cat([logits.argmax(-1) for logits in network(torch.from_numpy(rows)[None])]).T.numpy()
    right: list[bool] = (told == rows[1:]).ravel().tolist()
    both = slice(1, min(len(rows), len(higher)))
    del right[int((rows[both] != higher[both]).ravel().argmax())]
    return right


# Recipes


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("network.kind=abacus",), "network.kind is 'abacus'; it is one of: decoder, recurrent"),
        (("network.heads=3",), "network.width must be a multiple of network.heads"),
        (("network.heads=0",), "network.heads must be 1 or more"),
        (("data.rows=4096",), "data.rows = 4096 is more than network.context = 1955"),
        (("tokens.scheme=",), "--set tokens.scheme=: no name and value"),
        (('tokens.scheme=""',), "tokens.scheme is missing"),
        (("adapter.rank=4", "start=x"), "only the foundation takes adapters"),
        (('data.mix=[{make = "piano", transforms = {transpose = [1, 0]}}]',), "transpose must be two numbers"),
        (
            ('data.mix=[{make = "piano", transforms = {tempo = [2.0]}}]',),
            "tokens take crop_bars and transpose alone",
        ),
        (('data.mix=[{make = "drums"}]',), "data.mix.make = 'drums' is unknown: one of whole, pitched, melody, piano"),
        (("optimizer.method=magic",), "optimizer.method is 'magic'"),
        (("network.alignment=self",), "network.alignment is unknown; known: bias"),
    ],
)
def test_what_makes_no_recipe_is_said(settings: tuple[str, ...], said: str) -> None:
    with pytest.raises(M4mError) as refused:
        read_recipe(find_recipe("gpt2-remi"), settings)
    assert said in str(refused.value)


def test_a_foundation_recipe_still_needs_sources() -> None:
    with pytest.raises(M4mError, match=r"data\.mix of whole needs sources with shares above 0"):
        build_recipe({"name": "x", "task": "continue", "data": {"mix": [{"make": "whole"}]}})


def test_music_moves_with_its_key() -> None:
    score = Score(480, (*scale(60).tracks, Track("", 0, True, scale(36).tracks[0].notes)))
    up = transposed(Score(480, score.tracks, key_signatures=(KeySignature(0, 0, False),)), 3)
    assert up is not None
    assert up.tracks[0].notes["pitch"][0] == 63
    assert up.tracks[1].notes["pitch"][0] == 36
    assert up.key_signatures[0].fifths == -3
    assert transposed(score, 0) is score
    assert transposed(score, 60) is None


def test_parts_are_cut_at_bar_lines_in_one_key(scales: Path) -> None:
    pytest.importorskip("torch")
    from m4mcli.training.token_lesson import TokenLesson

    mix = "data.mix=[{make = 'pitched', one_key = true, transforms = {crop_bars = [2, 2]}}]"
    lesson = TokenLesson(
        read_recipe(find_recipe("mmt-1m"), (*TINY, "augmentation.from_start=0.0", mix)), Corpus(scales)
    )
    drawn = [lesson.draw(np.random.default_rng(i)) for i in range(20)]
    scores = [lesson.coder.score(rows)[0] for rows in drawn]
    assert {score.note_count for score in scores} == {16, 13}
    assert {int(p) % 12 for score in scores for p in score.tracks[0].notes["pitch"]} == {0, 2, 4, 5, 7, 9, 11}
    openings = {int(score.tracks[0].notes["pitch"][0]) % 12 for score in scores}
    assert openings == {0, 11, 4}
    ended = {(rows[-1] == lesson.coder.end).all() for rows in drawn}
    assert ended == {True, False}


# From recipe to music


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_trained_and_writes_legal_music(m4m: Run, tmp_path: Path, scales: Path, name: str) -> None:
    pytest.importorskip("torch")
    from m4mcli.training.checkpoint import load_token_network
    from m4mcli.training.export import export_model, subject_of
    from m4mcli.training.loop import train
    from m4mcli.training.torch_token_model import TorchTokenModel

    recipe = read_recipe(find_recipe(name), (*TINY, *MODELS[name]))
    train(recipe, scales, tmp_path / "run")
    valid = [m for m in metrics(tmp_path / "run") if "valid" in m]
    assert valid[-1]["nats_per_note"] < valid[0]["nats_per_note"]
    assert {"nats_per_row", "accuracy", "rows"} <= valid[0].keys()
    network, facts = load_token_network(tmp_path / "run" / "best.safetensors")
    coder = coder_of(facts["tokens"], name)
    prompt = scale(61, 73)
    for given in (None, prompt):
        wish = Wish(2, 40 if given is None else 120, prompt=given, beats=4 if given else None)
        pieces = write_pieces(TorchTokenModel(network), coder, wish)
        assert [piece.skipped for piece in pieces] == [0, 0]
        assert given is None or all(piece.score.note_count >= 8 for piece in pieces)
    if name in EXPORTED:
        (tmp_path / "pack").symlink_to(scales)
        subject = subject_of(tmp_path / "run" / "best.safetensors", tmp_path / "pack")
        measured = export_model(subject, tmp_path / "mine")
        assert measured["32 bit"]["largest_logit_difference"] < 1e-3
        assert measured["32 bit"]["decisions"] > 50
        model = OnnxTokenModel(read_model(tmp_path / "mine"))
        again = write_pieces(model, coder, Wish(2, 40))
        assert [piece.skipped for piece in again] == [0, 0]
        done = m4m("sample", "mine", "--abc", "--key", "G", "--out-dir", "tunes", "--length", "100")
        if name == "folk-rnn":
            assert (done.returncode, done.stderr) == (0, b"")
            assert "\nK:G\n" in (tmp_path / "tunes" / "mine.abc").read_text()
        else:
            assert (done.returncode, done.stdout) == (2, b"")
            assert b"mine does not write ABC" in done.stderr
        fills_in(m4m, scales / "train" / "61.mid", name == "mmm")


def fills_in(m4m: Run, tune: Path, able: bool) -> None:
    """Whether `m4m infill` takes a model as it should: that of the scheme with bars to be filled in, and no other."""
    done = m4m("infill", "--model", "mine", "--bars", "2", "--density", "3", "--best-of", "2", "--json", tune)
    if not able:
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"mine: a model for sample, not for infill" in done.stderr
        return
    assert (done.returncode, done.stderr) == (0, b"")
    old, new = (s.tracks[0].notes for s in (scale(61), score_from_json(done.stdout.decode())))
    inside = [(notes["onset"] >= 1920) & (notes["onset"] < 3840) for notes in (old, new)]
    assert new[~inside[1]].tolist() == old[~inside[0]].tolist()
    assert inside[1].any()
    assert new[inside[1]].tolist() != old[inside[0]].tolist()


def test_scales_are_learned_and_written(m4m: Run, tmp_path: Path, scales: Path) -> None:
    """A network of a few thousand weights tells every next note of a scale, and then writes scales."""
    pytest.importorskip("torch")
    settings = ["optimizer.steps=300", "optimizer.lr=0.01", "optimizer.average=0.9", "trainer.evaluate_every=300"]
    settings += [
        "network.dropout=0.0",
        "augmentation.from_start=1.0",
        "data.mix=[{make = 'melody', transforms = {transpose = [-6, 5]}}]",
        *ATTENTIVE,
    ]
    chosen = [part for setting in (*TINY, *settings) for part in ("--set", setting)]
    done = m4m("train", "multihead", "--pack", scales, "--out", "run", "-q", *chosen)
    assert (done.returncode, done.stderr) == (0, b"")
    (valid,) = (m for m in metrics(tmp_path / "run") if "valid" in m)
    assert valid["accuracy"] >= 0.98
    assert np.mean([told for root in (60, 65, 70) for told in told_rightly(tmp_path / "run", scale(root))]) >= 0.99
    done = m4m("export-onnx", "run/checkpoint.safetensors", "-o", "mine", "--pack", scales, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["8 bit"]["kl_nats"] < 0.005
    assert json.loads((tmp_path / "mine" / "model.json").read_text())["task"] == "sample"
    done = m4m("sample", "mine", "--temperature", "0.1", "--json")
    pitches = np.array([note["pitch"] for note in json.loads(done.stdout)["tracks"][0]["notes"]])
    assert (pitches - pitches[0]).tolist() == [p - 60 for p in scale(60).tracks[0].notes["pitch"].tolist()]
    done = m4m("evaluate", "sample", "--model", "mine", "--pack", scales, "--songs", "2", "--samples", "1", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    (table,) = json.loads(done.stdout)["tables"]
    rows = {row["system"]: row["figures"] for row in table["rows"]}
    assert rows["mine"]["nats_per_note"]["mean"] < 0.5 * rows["frequencies of the ids"]["nats_per_note"]["mean"]
    assert rows["real"]["scale_consistency"]["mean"] == pytest.approx(1.0)
    assert rows["mine"]["scale_consistency"]["mean"] > 0.8
    assert rows["mine"]["notes_per_second"]["mean"] > 0
    done = m4m("sample", "mine", "-n", "3", "--out-dir", "out", "-v")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"m4m sample: model mine, seed 0, CPUExecutionProvider" in done.stderr
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["mine-1.mid", "mine-2.mid", "mine-3.mid"]
    done = m4m("sample", "mine", "--prompt", scales / "train" / "61.mid", "--beats", "4")
    assert done.returncode == 0
    assert read_score(done.stdout, "m").score.tracks[0].notes["pitch"][:8].tolist() == [61 + step for step in SCALE]


IN_ALL_KEYS = "data.mix=[{make = 'melody', transforms = {transpose = [-6, 5]}}]"
IN_ONE_KEY = "data.mix=[{make = 'melody', one_key = true}]"
LEARNERS = {
    "folk-rnn": (260, 0.01, IN_ONE_KEY, "data.rows=256", "network.width=128"),
    "performance-rnn": (450, 0.004, IN_ALL_KEYS, "data.rows=128", "network.width=256"),
    "gpt2-remi": (300, 0.015, IN_ALL_KEYS, "data.rows=128", *ATTENTIVE),
    "gpt2-tsd": (200, 0.015, IN_ALL_KEYS, "data.rows=128", *ATTENTIVE),
    "structured": (350, 0.015, IN_ALL_KEYS, "data.rows=128", *ATTENTIVE),
    "mmt-1m": (150, 0.015, IN_ALL_KEYS, "data.rows=128", *ATTENTIVE),
    "event-llama": (150, 0.015, IN_ALL_KEYS, "data.rows=128", *ATTENTIVE),
    "mmm": (400, 0.015, IN_ALL_KEYS, "data.rows=192", "network.context=256", "trainer.precision=fp32", *ATTENTIVE),
}
"""Steps, rate and further settings; scales are whole in so many rows. Tunes of folk-rnn are read in C, as published."""


@pytest.mark.parametrize("name", LEARNERS)
def test_every_network_learns_scales(tmp_path: Path, scales: Path, name: str) -> None:
    """Those that carry a state, with a cache, with a head for each id of a row, with ids told one after another."""
    pytest.importorskip("torch")
    from m4mcli.training.loop import train

    steps, rate, mix, *own = LEARNERS[name]
    settings = [f"optimizer.steps={steps}", f"optimizer.lr={rate}", f"trainer.evaluate_every={steps}", mix, *own]
    settings += ["optimizer.method=adamw", "optimizer.schedule=linear", "optimizer.weight_decay=0.0"]
    settings += ["optimizer.average=0.9", "network.dropout=0.0", "augmentation.from_start=1.0"]
    train(read_recipe(find_recipe(name), (*TINY, *map(str, settings))), scales, tmp_path / "run")
    roots = (60,) if mix == IN_ONE_KEY else (60, 65, 70)
    assert np.mean([told for root in roots for told in told_rightly(tmp_path / "run", scale(root))]) >= 0.99


def test_eighth_notes_are_reproduced_exactly(tmp_path: Path) -> None:
    """Told the first beats of a melody that it has heard, a tiny network writes all the rest of it."""
    pytest.importorskip("torch")
    from m4mcli.training.checkpoint import load_token_network
    from m4mcli.training.loop import train
    from m4mcli.training.torch_token_model import TorchTokenModel

    heard = []
    for name, score in eighth_notes(6, 0, 2):
        path = tmp_path / "eighths" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(score_to_midi(score))
        heard += [score] if name.startswith("train") else []
    settings = ["optimizer.steps=240", "optimizer.lr=0.01", "optimizer.average=0.9", "trainer.evaluate_every=240"]
    settings += ["network.dropout=0.0", "network.positions=learned", "data.mix=[{make = 'melody'}]", *ATTENTIVE]
    recipe = read_recipe(find_recipe("multihead"), (*TINY, *settings))
    train(recipe, tmp_path / "eighths", tmp_path / "run")
    network, facts = load_token_network(tmp_path / "run" / "best.safetensors")
    model, coder = TorchTokenModel(network), coder_of(facts["tokens"], "run")
    assert len(heard) == 5
    for score in heard:
        (piece,) = write_pieces(model, coder, Wish(1, 64, Sampling(temperature=0.0), prompt=score, beats=2))
        assert piece.ended
        written, real = (s.tracks[0].notes for s in (piece.score, score))
        assert [row[:3] for row in written.tolist()] == [row[:3] for row in real.tolist()]


def test_a_run_goes_on_to_the_same_weights(m4m: Run, tmp_path: Path, scales: Path) -> None:
    torch = pytest.importorskip("torch")
    from m4mcli.training.checkpoint import load_checkpoint
    from m4mcli.training.loop import train

    for method, schedule in (("adamw", "plateau"), ("sgd", "onecycle"), ("rmsprop", "cosine")):
        how = [*TINY, f"optimizer.method={method}", f"optimizer.schedule={schedule}", "optimizer.patience=1"]
        recipe = read_recipe(find_recipe("folk-rnn"), (*how, "trainer.evaluate_every=2"))
        whole = load_checkpoint(train(recipe, scales, tmp_path / f"whole-{method}"))
        steps = iter(range(20))
        train(recipe, scales, tmp_path / f"parts-{method}", stop=lambda steps=steps: next(steps) == 5)  # type: ignore[misc]
        parts = load_checkpoint(train(recipe, scales, tmp_path / f"parts-{method}", resume=True))
        assert whole.facts == parts.facts
        assert all(torch.equal(whole.weights[name], parts.weights[name]) for name in whole.weights)
    wider = read_recipe(find_recipe("folk-rnn"), (*TINY, "network.width=48"))
    with pytest.raises(M4mError, match=r"network\.width = 32, the recipe says 48"):
        train(wider, scales, tmp_path / "parts-sgd", resume=True)


def test_a_run_stops_where_measurements_bring_nothing(tmp_path: Path, scales: Path) -> None:
    pytest.importorskip("torch")
    from m4mcli.training.checkpoint import load_checkpoint
    from m4mcli.training.loop import train

    settings = [*TINY, "optimizer.lr=0.0", "trainer.evaluate_every=1", "trainer.stop_after=3"]
    path = train(read_recipe(find_recipe("folk-rnn"), tuple(settings)), scales, tmp_path / "run")
    assert load_checkpoint(path).facts["step"] == 4


# Usage


def test_usage_of_sample(m4m: Run, examples: Path, tmp_path: Path) -> None:
    for arguments, status, said in (
        (("nothing",), 1, "no model 'nothing'"),
        (("harmonize-small",), 1, "a model for harmonize, not for sample"),
        (("m", "-n", "2"), 2, "-n needs a folder for the results; add --out-dir DIR"),
        (("m", "--out-dir", "x", "-o", "y.mid"), 2, "--out-dir and -o exclude each other"),
        (("m", "--beats", "3"), 2, "--beats is about a prompt, and there is none"),
    ):
        done = m4m("sample", *arguments)
        assert (done.returncode, done.stdout) == (status, b"")
        assert said in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1


def test_folders_without_music_are_said(tmp_path: Path, scales: Path) -> None:
    pytest.importorskip("torch")
    from m4mcli.training.loop import train

    (tmp_path / "empty").mkdir()
    recipe = read_recipe(find_recipe("multihead"))
    with pytest.raises(M4mError, match="empty: no music"):
        train(recipe, tmp_path / "empty", tmp_path / "run")
    sources = 'data.mix=[{make = "melody", sources = {other = 1.0}}]'
    with pytest.raises(M4mError, match="holds none of other; it holds scales"):
        train(read_recipe(find_recipe("multihead"), (sources,)), scales.parent, tmp_path / "run")


# Music to train on


def test_a_pack_serves_as_well(tmp_path: Path) -> None:
    corpus = Corpus(toy_pack(tmp_path / "pack"))
    assert len(corpus.select("train")) == 6
    assert corpus.select("valid", "elsewhere") == []
    score = corpus.score(0)
    assert score is not None
    assert [PARTS[name](score) is not None for name in PARTS] == [True] * 4
    tune = PARTS["melody"](score)
    assert tune is not None
    assert np.array_equal(tune.tracks[0].notes["onset"], melody(96)["frame"])
    assert score.time_signatures == (TimeSignature(0, 4, 4),)
    jig = replace(piece("jig", "train", 48, 0), bars=np.array([(f, 12, 6) for f in range(0, 48, 12)], PACK_BAR))
    assert unpacked(jig).time_signatures == (TimeSignature(0, 6, 8),)


def test_a_part_is_told_from_the_whole() -> None:
    notes = scale(60).tracks[0].notes
    drums, low = Track("", 0, True, notes), Track("Bass", 33, False, notes_array([(0, 960, 40, 80), (0, 240, 60, 80)]))
    band = Score(480, (low, Track("Melody", 0, False, notes), drums))
    found = {name: part(band) for name, part in PARTS.items()}
    assert all(found.values())
    counts = {name: score.note_count for name, score in found.items() if score is not None}
    both = len(notes) + 2
    # One pitch that two tracks begin together is one note of a piano.
    assert counts == {"whole": both + len(notes), "pitched": both, "melody": len(notes), "piano": both - 1}
    assert PARTS["melody"](Score(480, (low, drums))) is not None
    assert PARTS["melody"](Score(480, (low, low, drums))) is None
    assert PARTS["pitched"](Score(480, (drums,))) is None
    assert PARTS["piano"](Score(480)) is None
    assert PARTS["whole"](Score(480)) is None


def test_rates_rise_and_fall_as_the_schedule_says() -> None:
    pytest.importorskip("torch")
    from m4mcli.training.schedule import Standing, rate_at

    def rates(schedule: str, *settings: str) -> list[float]:
        how = (f"optimizer.schedule={schedule}", "optimizer.lr=1.0", "optimizer.steps=100", "optimizer.warmup=10")
        recipe = read_recipe(find_recipe("multihead"), (*how, *settings))
        return [rate_at(step, recipe) for step in range(101)]

    for schedule in ("linear", "cosine", "onecycle", "plateau"):
        found = rates(schedule)
        top = int(np.argmax(found))
        assert max(found) == pytest.approx(1.0, abs=0.03)
        assert found[:top] == sorted(found[:top])
        assert found[top:] == sorted(found[top:], reverse=True)
        assert (found[100] < 1e-4) == (schedule != "plateau")
    assert rates("onecycle")[30] == 1.0
    plan = read_recipe(find_recipe("multihead"), ("optimizer.schedule=plateau", "optimizer.patience=2")).optimizer
    standing = Standing()
    for nats in (3.0, 2.0, 2.5, 2.4, 2.1, 1.9):
        standing = standing.after(nats, plan)
    assert standing == Standing(1.9, 0, 0, plan.decay)
    assert Standing(**standing.facts()) == standing
    assert Standing().facts() == {}
