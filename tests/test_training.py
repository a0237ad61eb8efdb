"""Training: recipes, batches that come again, runs that go on to the same bits, checkpoints, the command."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, environment
from toy import band, chords, melody, toy_pack, toy_recipe, toy_sizes

from m4mcli.dataset.pack import Pack
from m4mcli.errors import M4mError
from m4mcli.frames.fields import END, MAX_NOTES
from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.training.batches import Batch, collate
from m4mcli.training.examples import lead_sheet, misremembered, spans, window
from m4mcli.training.progress import duration, line, reporting
from m4mcli.training.recipe import SHIPPED, as_toml, build_recipe, find_recipe, read_recipe
from m4mcli.training.sampler import Sampler
from m4mcli.training.tables import with_setting


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return Pack(toy_pack(tmp_path / "pack"))


def same_batch(a: Batch, b: Batch) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Batch))


# Recipes


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_reads_and_prints_as_itself(path: Path, tmp_path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    printed = tmp_path / "printed.toml"
    printed.write_text(as_toml(recipe))
    assert read_recipe(printed) == recipe
    assert build_recipe(json.loads(json.dumps(asdict(recipe)))) == recipe


def test_awkward_names_survive_printing(tmp_path: Path) -> None:
    recipe = toy_recipe('data.mix=[{make = "whole", sources = {"a b/\\"c\\"" = 1, "é" = 0.5}}]', 'name="\\n"')
    (tmp_path / "r.toml").write_text(as_toml(recipe), encoding="utf-8")
    assert read_recipe(tmp_path / "r.toml") == recipe


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimizer.lr=fast", "optimizer.lr is 'fast', not a number"),
        ("optimizer.steps=1.5", "optimizer.steps is 1.5, not a whole number"),
        ("optimizer.steps=true", "optimizer.steps is True, not a whole number"),
        ("trainer.compile=1", "trainer.compile is 1, not true or false"),
        ("name=3", "name is 3, not a word in quotes"),
        ("optimizer.rate=1", "optimizer.rate is unknown; known: average,"),
        ("colour=1", "colour is unknown"),
        ("network.alignment=sideways", "network.alignment is 'sideways'; it is one of: none, aligned, self, cross"),
        ("trainer.precision=fp8", "trainer.precision is 'fp8'"),
        ("optimizer.betas=[0.9]", "optimizer.betas must be a list of 2"),
        ("optimizer.betas=0.9", "optimizer.betas must be a list of 2"),
        ("data.mix=3", "data.mix must be a list"),
        ("data.mix=[3]", "data.mix must be a table"),
        ("data.mix=[{weight = 1}]", "data.mix lacks 'make'"),
        ("data.mix=[]", "data.mix is empty"),
        ('data.mix=[{make = "magic", sources = {a = 1}}]', "data.mix.make = 'magic' is unknown: one of lead_sheet"),
        ('data.mix=[{make = "whole"}]', "needs sources"),
        ('data.mix=[{make = "whole", sources = {a = "x"}}]', "data.mix.sources.a is 'x'"),
        ("network=3", "network must be a table"),
        ("network.heads=5", "network.width must be an even number for each of network.heads"),
        ("network.heads=0", "network.heads must be 1 or more"),
        ("optimizer.warmup=0", "optimizer.warmup must be 1 or more"),
        ("data.windows=0", "data.windows must be 1 or more"),
        ("adapter.rank=4", "adapter.rank needs a start"),
        ("adapter.rank=-1", "adapter.rank must be 0 or more"),
    ],
)
def test_what_makes_no_recipe_is_said_in_one_line(setting: str, said: str) -> None:
    with pytest.raises(M4mError) as refused:
        toy_recipe(setting)
    assert said in str(refused.value)
    assert refused.value.status == 2
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("setting", ["lr", "=1", "a..b=1", "name.x=1", "optimizer.lr="])
def test_what_makes_no_setting_is_said(setting: str) -> None:
    with pytest.raises(M4mError, match="--set") as refused:
        toy_recipe(setting)
    assert refused.value.status == 2


def test_settings_are_read_as_toml_and_words_as_words() -> None:
    recipe = toy_recipe("optimizer.lr=1", "network.alignment=self", 'name="a b"', "start=runs/x.safetensors")
    assert (recipe.optimizer.lr, getattr(recipe.network, "alignment", ""), recipe.name) == (1.0, "self", "a b")
    assert recipe.start == "runs/x.safetensors"
    values: dict[str, Any] = {"a": {"b": 1}}
    assert with_setting(values, "a.c=2") == {"a": {"b": 1, "c": 2}}
    assert values == {"a": {"b": 1}}


def test_a_recipe_is_found_by_file_before_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_recipe("toy").parent == SHIPPED
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy").write_text("name = 'mine'")
    assert find_recipe("toy") == Path("toy")
    with pytest.raises(M4mError, match="no such recipe; a file, or one of: chart-small"):
        find_recipe("tyo")


@pytest.mark.parametrize("content", [b"name = ", b"\xff", None])
def test_a_file_that_is_no_toml_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "r.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(M4mError, match=r"r\.toml: cannot read the recipe"):
        read_recipe(path)


def test_a_recipe_needs_a_name_and_a_task(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("seed = 1")
    with pytest.raises(M4mError, match="recipe: file lacks 'name' and 'task'"):
        read_recipe(tmp_path / "r.toml")


# Examples and batches


def test_the_same_seed_and_step_give_the_same_batch(pack: Pack) -> None:
    ours, again, other = (Sampler(pack, toy_recipe(f"seed={seed}")) for seed in (1, 1, 2))
    assert all(same_batch(ours.batch(step), again.batch(step)) for step in range(4))
    assert not same_batch(ours.batch(0), ours.batch(1))
    assert not same_batch(ours.batch(0), other.batch(0))


def test_validation_windows_are_always_the_same_and_never_trained_on(pack: Pack) -> None:
    first, second = (list(Sampler(pack, toy_recipe(f"seed={seed}")).validation(4)) for seed in (0, 5))
    assert [name for name, _ in first] == ["lead_sheet/tunes"]
    assert same_batch(collate(first[0][1]), collate(second[0][1]))
    assert len(first[0][1]) == 2


def test_a_part_of_a_source_belongs_to_it(pack: Pack) -> None:
    for row in pack.pieces:
        row["source"] = "tunes/old"
    assert Sampler(pack, toy_recipe()).batch(0).valid.any()


def test_a_pack_without_the_sources_is_said(pack: Pack) -> None:
    nothing = toy_recipe('data.mix=[{make = "whole", sources = {elsewhere = 1}}]')
    with pytest.raises(M4mError, match="holds none of its sources"):
        Sampler(pack, nothing)
    drums = toy_recipe('data.mix=[{make = "drums", sources = {tunes = 1}}]')
    with pytest.raises(M4mError, match="no piece of the pack gives an example of drums"):
        Sampler(pack, drums).batch(0)


def test_a_lead_sheet_does_not_depend_on_its_key(pack: Pack) -> None:
    rng, piece = np.random.default_rng(0), pack[0]
    higher = piece.notes.copy()
    higher["pitch"] += 5
    ours, theirs = lead_sheet(piece, rng), lead_sheet(replace(piece, notes=higher), rng)
    assert ours is not None
    assert theirs is not None
    assert ours.target.tobytes() == theirs.target.tobytes()
    assert ours.reference is not None
    assert theirs.reference is not None
    assert ours.reference.tobytes() == theirs.reference.tobytes()


def test_windows_and_spans_by_hand() -> None:
    notes = np.array([(0, 0, 60, 8), (6, 0, 62, 2), (20, 0, 64, 1)], FRAME_NOTE)
    assert window(notes, 4, 8)["frame"].tolist() == [-4, 2]
    assert window(notes, 4, 8, sounding_on=False)["frame"].tolist() == [2]
    hidden = spans(1000, 0.4, 48, np.random.default_rng(0))
    assert 0.2 < hidden.mean() < 0.6
    assert not spans(1000, 0.0, 48, np.random.default_rng(0)).any()


def test_misremembered_chords_keep_their_times() -> None:
    told = misremembered(chords(64), 1.0, np.random.default_rng(0))
    assert np.unique(told["frame"]).tolist() == np.unique(chords(64)["frame"]).tolist()
    assert told.tobytes() != chords(64).tobytes()
    assert misremembered(chords(64), 0.0, np.random.default_rng(0)).tobytes() == chords(64).tobytes()


def test_every_note_and_every_end_is_a_decision() -> None:
    from toy import example as toy_example

    music = toy_example(32, target=band(32))
    batch = collate([music, toy_example(16, given=False)])
    ends = batch.row_fields[:, 0] == END
    count = np.bincount(music.target["frame"], minlength=32)
    assert (~ends).sum() == len(batch.note_row) == len(music.target) + len(chords(16))
    assert ends.sum() == (count < MAX_NOTES).sum() + 16
    assert batch.valid.sum(axis=1).tolist() == [32, 16]
    assert batch.told.tolist() == [True, False]
    assert (np.diff(batch.row_frame) >= 0).all()
    assert batch.row_frame[batch.row_first].tolist() == batch.row_frame.tolist()
    assert batch.reference_frame.max() < 32
    assert len(melody(16)) > 0


# Progress


def test_a_report_is_one_line() -> None:
    facts: dict[str, Any] = {"step": 50, "frames": 9, "loss": 3.25, "steps_per_second": 2.0}
    assert line(facts, 100) == "step 50 of 100, 3.250 nats a note, 2.0 steps/s, 25 s to go"
    valid = {"step": 50, "valid": "lead_sheet/a", "nats_per_note": 1.5, "root_accuracy": 0.71, "root_nats": 0.9}
    assert line(valid, 100) == "step 50: lead_sheet/a 1.500 nats a note, root 0.710"
    assert line({"step": 0, "frames": 0}, 100) == ""
    assert line({"step": 7, "frames": 0}, 100) == "going on from step 7 of 100"
    assert (
        line({"step": 0, "frames": 0, "fresh": ("encoder", "inject")}, 100)
        == "not in the start, so new: encoder, inject"
    )
    assert [duration(s) for s in (0, 59.6, 3599, 3725)] == ["0 s", "1 min", "59 min", "1 h 2 min"]


def test_lines_come_now_and_then_and_measurements_always() -> None:
    said: list[str] = []
    with reporting(100, said.append) as report:
        for step in range(1, 60):
            report({"step": step, "frames": 0, "loss": 1.0, "steps_per_second": 1.0})
        valid = {"step": 59, "valid": "x", "nats_per_note": 1.0, "root_accuracy": 0.0, "root_nats": 0.0}
        report(valid)
        report({"step": 100, "frames": 0, "loss": 1.0, "steps_per_second": 1.0})
    assert [text.split(",")[0] for text in said] == ["step 1 of 100", "step 59: x 1.000 nats a note", "step 100 of 100"]
    with reporting(100, said.append, quiet=True) as report:
        report(valid)
    assert len(said) == 3


# The command, without torch


def test_the_composed_recipe_is_printed(m4m: Run) -> None:
    done = m4m("train", "toy", "--set", "optimizer.lr=0.5", "--print")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"lr = 0.5\n" in done.stdout
    assert b"weight_decay = 0.05\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no-such",), "no-such: no such recipe"),
        (("toy",), "--pack is missing"),
        (("toy", "--pack", "p"), "--out is missing"),
        (("toy", "--set", "x=1"), "recipe: x is unknown"),
        (("toy", "--max-minutes", "-1"), "invalid value for '--max-minutes'"),
    ],
)
def test_usage_errors(m4m: Run, arguments: tuple[str, ...], said: str) -> None:
    done = m4m("train", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env["PYTHONPATH"]])
    for arguments in (["train", "toy", "--pack", "p", "--out", "r"], ["export-onnx", "pyproject", "-o", "x"]):
        (tmp_path / "pyproject").touch()
        done = subprocess.run(
            [sys.executable, "-m", "m4mcli", *arguments], capture_output=True, cwd=tmp_path, env=env, check=False
        )
        assert done.returncode == 1
        assert done.stderr.decode().endswith("try: pip install 'm4m[train]'\n")


# Runs


class TestRuns:
    """What needs torch."""

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        torch = pytest.importorskip("torch")
        torch.set_num_threads(1)

    SHORT = ("optimizer.steps=6", "trainer.report_every=1", "trainer.evaluate_every=3", "trainer.save_every=3")

    def run(self, pack: Pack, folder: Path, *settings: str, **how: Any) -> Path:
        from m4mcli.training.loop import train

        return train(toy_recipe(*self.SHORT, *settings), pack, folder, **how)

    def metrics(self, folder: Path) -> list[dict[str, Any]]:
        return [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]

    def losses(self, folder: Path) -> list[tuple[int, float]]:
        return [(m["step"], m["loss"]) for m in self.metrics(folder) if "loss" in m]

    def assert_equal(self, a: Path, b: Path) -> None:
        import torch

        from m4mcli.training.checkpoint import load_checkpoint

        ours, theirs = load_checkpoint(a), load_checkpoint(b)
        for part in ("weights", "average", "moments"):
            x, y = getattr(ours, part), getattr(theirs, part)
            assert x.keys() == y.keys() != set()
            assert all(torch.equal(x[name], y[name]) for name in x), part
        assert ours.facts == theirs.facts

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_a_run_in_two_pieces_gives_the_same_bits(self, pack: Pack, tmp_path: Path, precision: str) -> None:
        setting = f"trainer.precision={precision}"
        whole = self.run(pack, tmp_path / "whole", setting)
        steps = iter(range(9))
        self.run(pack, tmp_path / "parts", setting, stop=lambda: next(steps) == 3)
        assert [step for step, _ in self.losses(tmp_path / "parts")] == [1, 2, 3]
        parts = self.run(pack, tmp_path / "parts", setting, resume=True)
        self.assert_equal(whole, parts)
        assert self.losses(tmp_path / "parts") == self.losses(tmp_path / "whole")

    def test_worker_processes_change_nothing(self, pack: Pack, tmp_path: Path) -> None:
        with pytest.warns() if sys.version_info >= (3, 12) else nullcontext():
            ahead = self.run(pack, tmp_path / "ahead", workers=2)
        self.assert_equal(self.run(pack, tmp_path / "plain"), ahead)

    @pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
    def test_compiled_blocks_keep_their_names(self) -> None:
        from m4mcli.networks.foundation import Foundation
        from m4mcli.training.learner import build

        compiled = build(toy_recipe("trainer.compile=true"), None, "cpu").model
        assert list(compiled.state_dict()) == list(Foundation(toy_sizes()).state_dict())
        assert compiled.blocks[0]._compiled_call_impl is not None

    def test_a_run_learns_and_says_so(self, pack: Pack, tmp_path: Path) -> None:
        told: list[dict[str, Any]] = []
        self.run(pack, tmp_path / "r", "optimizer.steps=30", "trainer.evaluate_every=15", report=told.append)
        losses = [loss for _, loss in self.losses(tmp_path / "r")]
        assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
        valid = [m for m in self.metrics(tmp_path / "r") if "valid" in m]
        assert [m["step"] for m in valid] == [15, 30]
        assert valid[1]["nats_per_note"] < valid[0]["nats_per_note"]
        assert set(valid[0]) >= {"nats_per_frame", "tone_nats", "root_accuracy", "root_nats"}
        assert len(told) == 1 + 30 + 2

    def test_a_run_that_exists_is_not_overwritten(self, pack: Pack, tmp_path: Path) -> None:
        path = self.run(pack, tmp_path / "r")
        before = path.read_bytes()
        with pytest.raises(M4mError, match="holds a run already; go on with --resume") as refused:
            self.run(pack, tmp_path / "r")
        assert refused.value.status == 2
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ("network.width=64", "network.width = 32, the recipe says 64"),
            ("network.alignment=cross", "network.alignment = aligned, the recipe says cross"),
        ],
    )
    def test_another_network_does_not_go_on(self, pack: Pack, tmp_path: Path, setting: str, said: str) -> None:
        self.run(pack, tmp_path / "r")
        with pytest.raises(M4mError, match=said):
            self.run(pack, tmp_path / "r", setting, resume=True)
        self.run(pack, tmp_path / "r", "network.dropout=0.2", "optimizer.steps=7", resume=True)

    def test_metrics_of_steps_done_again_are_dropped(self, pack: Pack, tmp_path: Path) -> None:
        self.run(pack, tmp_path / "r")
        before = (tmp_path / "r" / "metrics.jsonl").read_text()
        with (tmp_path / "r" / "metrics.jsonl").open("a") as f:
            f.write('{"step": 7, "loss": 1.0}\n{"step": 8, "lo')
        self.run(pack, tmp_path / "r", resume=True)
        assert (tmp_path / "r" / "metrics.jsonl").read_text() == before

    def test_a_run_that_diverges_ends_and_keeps_its_checkpoint(self, pack: Pack, tmp_path: Path) -> None:
        from m4mcli.training.checkpoint import load_checkpoint

        with pytest.raises(M4mError, match=r"the loss is (nan|inf) at step"):
            self.run(pack, tmp_path / "r", "optimizer.lr=1e30", "optimizer.clip=1e30", "trainer.save_every=1")
        saved = load_checkpoint(tmp_path / "r" / "checkpoint.safetensors")
        assert saved.facts["step"] < 6

    def test_a_gpu_that_is_not_there_is_said_before_anything_is_written(self, pack: Pack, tmp_path: Path) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
        with pytest.raises(M4mError, match="--device cuda: torch sees no GPU; use --device cpu"):
            self.run(pack, tmp_path / "r", device="cuda")
        assert not (tmp_path / "r").exists()

    def test_minutes_end_a_run(self, pack: Pack, tmp_path: Path) -> None:
        from m4mcli.training.checkpoint import load_checkpoint

        assert load_checkpoint(self.run(pack, tmp_path / "r", max_minutes=0)).facts["step"] == 0

    def test_another_form_of_alignment_trains_too(self, pack: Pack, tmp_path: Path) -> None:
        for form in ("none", "self", "cross"):
            self.run(pack, tmp_path / form, f"network.alignment={form}", "optimizer.steps=2")
            assert all(np.isfinite(loss) for _, loss in self.losses(tmp_path / form))

    # Checkpoints

    def test_shards_give_the_network_in_half_precision(self, pack: Pack, tmp_path: Path) -> None:
        import torch

        from m4mcli.training.checkpoint import load_network, save_shards

        model, facts = load_network(self.run(pack, tmp_path / "r"))
        paths = save_shards(model, tmp_path / "shards", 20_000, {"recipe": facts["recipe"]})
        assert len(paths) > 2
        assert max(path.stat().st_size for path in paths) < 30_000
        readable = (tmp_path / "r" / "metrics.jsonl").stat().st_mode
        assert {path.stat().st_mode for path in paths} == {readable}
        again, told = load_network(tmp_path / "shards")
        assert told["recipe"] == facts["recipe"]
        for name, value in model.state_dict().items():
            torch.testing.assert_close(again.state_dict()[name], value.half().float(), rtol=0, atol=0)
        paths[1].unlink()
        with pytest.raises(M4mError, match=r"of .* shards here"):
            load_network(tmp_path / "shards")

    def test_a_run_starts_from_a_checkpoint_and_from_shards(self, pack: Pack, tmp_path: Path) -> None:
        import torch

        from m4mcli.training.checkpoint import load_network, save_shards
        from m4mcli.training.learner import build

        path = self.run(pack, tmp_path / "r", "network.alignment=none")
        model, _ = load_network(path)
        warm = build(toy_recipe(f"start={path}"), None, "cpu")
        assert warm.fresh == ("encoder", "encoder_norm", "inject")
        theirs = warm.model.state_dict()
        assert all(torch.equal(theirs[name], value) for name, value in model.state_dict().items())
        save_shards(model, tmp_path / "shards")
        assert build(toy_recipe(f"start={tmp_path / 'shards'}"), None, "cpu").fresh == warm.fresh
        with pytest.raises(M4mError, match=r"is \(.*\), in the recipe \("):
            build(toy_recipe(f"start={path}", "network.width=64"), None, "cpu")

    @pytest.mark.parametrize("damage", ["missing", "cut short", "empty", "pickle", "other"])
    def test_what_is_no_checkpoint_is_said_and_never_unpickled(self, pack: Pack, tmp_path: Path, damage: str) -> None:
        from safetensors.torch import save_file

        from m4mcli.training.checkpoint import load_checkpoint

        path = tmp_path / "c.safetensors"
        if damage == "cut short":
            path.write_bytes(self.run(pack, tmp_path / "r").read_bytes()[:-9])
        elif damage == "empty":
            path.touch()
        elif damage == "pickle":
            path.write_bytes(pickle.dumps({"weights": 1}))
        elif damage == "other":
            import torch

            save_file({"x": torch.zeros(1)}, path)
        with pytest.raises(M4mError, match=r"c\.safetensors: (no such|not a readable) checkpoint") as refused:
            load_checkpoint(path)
        assert "\n" not in str(refused.value)

    # Adapters

    def test_an_adapter_trains_only_its_own_tensors(self, pack: Pack, tmp_path: Path) -> None:
        from m4mcli.training.checkpoint import fingerprint, load_adapter, load_network
        from m4mcli.training.learner import build

        base = self.run(pack, tmp_path / "base", "network.alignment=none")
        settings = ("network.alignment=self", f"start={base}", "adapter.rank=2", "optimizer.steps=12")
        whole = self.run(pack, tmp_path / "a", *settings)
        lora, facts = load_adapter(whole)
        assert facts["base"] == fingerprint(load_network(base)[0])
        assert facts["network"]["alignment"] == "self"
        assert all(tensor.abs().max() > 0 for tensor in lora.tensors())
        assert not any(p.requires_grad for p in build(toy_recipe(*settings), None, "cpu").model.parameters())
        assert whole.stat().st_size < base.stat().st_size
        steps = iter(range(20))
        self.run(pack, tmp_path / "b", *settings, stop=lambda: next(steps) == 5)
        self.assert_equal(whole, self.run(pack, tmp_path / "b", *settings, resume=True))
        valid = [m["nats_per_note"] for m in self.metrics(tmp_path / "a") if "valid" in m]
        assert valid[-1] < valid[0]
        with pytest.raises(M4mError, match="an adapter, not a network; its network is"):
            load_network(whole)
        with pytest.raises(M4mError, match="a network, not an adapter"):
            load_adapter(base)

    def test_an_adapter_goes_with_one_network_only(self, pack: Pack, tmp_path: Path) -> None:
        base = self.run(pack, tmp_path / "base")
        other = self.run(pack, tmp_path / "other", "seed=1")
        settings = ("adapter.rank=2", "optimizer.steps=2")
        self.run(pack, tmp_path / "a", f"start={base}", *settings)
        with pytest.raises(M4mError, match="is not the network that the adapter was begun on"):
            self.run(pack, tmp_path / "a", f"start={other}", *settings, resume=True)
        with pytest.raises(M4mError, match=r"adapter\.rank = 2, the recipe says 4"):
            self.run(pack, tmp_path / "a", f"start={base}", "adapter.rank=4", resume=True)
        with pytest.raises(M4mError, match="has no cross attention; an adapter needs a whole network"):
            self.run(pack, tmp_path / "c", f"start={base}", "network.alignment=cross", *settings)

    # The command

    def test_the_command_trains_goes_on_and_refuses(self, m4m: Run, tmp_path: Path) -> None:
        toy_pack(tmp_path / "pack")
        # Three processes that import torch: the slowest test here.
        command = ("train", "toy", "--pack", "pack", "--out", "run", "--set", "optimizer.steps=4")
        done = m4m(*command)
        assert (done.returncode, done.stdout) == (0, b""), done.stderr
        again = m4m(*command)
        assert again.returncode == 2
        assert again.stderr.startswith(b"m4m train: run holds a run already")
        more = m4m(*command, "--set", "optimizer.steps=10", "--resume")
        assert more.returncode == 0
        assert more.stderr.startswith(b"m4m train: going on from step 4 of 10\n")

    def test_ctrl_c_saves_and_exits_130(self, tmp_path: Path) -> None:
        from m4mcli.training.checkpoint import load_checkpoint

        toy_pack(tmp_path / "pack")
        command = [sys.executable, "-m", "m4mcli", "train", "toy", "--pack", "pack", "--out", "run"]
        command += ["--set", "optimizer.steps=100000", "--set", "trainer.report_every=1"]
        with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 60
            while not (tmp_path / "run" / "metrics.jsonl").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1].decode()
        assert process.returncode == 130
        assert said.endswith("m4m train: saved in run; go on with --resume\n")
        assert "Traceback" not in said
        saved = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors").facts["step"]
        assert saved == self.metrics(tmp_path / "run")[-1]["step"]
