"""Training in several processes as torchrun starts them, and the loggers of a run."""

import multiprocessing
import socket
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from toy import toy_pack, toy_recipe

from m4mcli.cli import explain

torch = pytest.importorskip("torch")

ONE_STEP = ("optimizer.method=sgd", "optimizer.steps=1", "optimizer.clip=1000000.0", "optimizer.warmup=1")
PLAIN = ("network.dropout=0.0", "optimizer.lr=0.01", "optimizer.decay=0.0", "optimizer.weight_decay=0.0")


def _member(rank: int, port: int, pack: Path, out: Path) -> None:
    """What torchrun does for each process, without the seconds that it takes to start one."""
    import os

    from m4mcli.training.loop import train

    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train(toy_recipe(*ONE_STEP, *PLAIN), pack, out)


def has_loopback() -> bool:
    """Whether processes of this machine reach each other: not where networking is off to its last interface."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        try:
            socket.create_connection(server.getsockname(), 1).close()
        except OSError:
            return False
    return True


@pytest.mark.skipif(not has_loopback(), reason="needs the loopback interface")
def test_two_processes_take_the_mean_step_of_two_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from m4mcli.training.checkpoint import load_checkpoint
    from m4mcli.training.frame_lesson import FrameLesson
    from m4mcli.training.loop import train

    pack = toy_pack(tmp_path / "pack")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    both = tmp_path / "both"
    members = [fork.Process(target=_member, args=(rank, port, pack, both), daemon=True) for rank in range(2)]
    for member in members:
        member.start()
    for member in members:
        member.join(60)
        member.kill()
    assert [member.exitcode for member in members] == [0, 0]
    team = load_checkpoint(both / "checkpoint.safetensors")
    first = load_checkpoint(train(toy_recipe(*ONE_STEP, *PLAIN), pack, tmp_path / "first"))
    made = FrameLesson.tensors
    monkeypatch.setattr(FrameLesson, "tensors", lambda lesson, step: made(lesson, step + 1))
    second = load_checkpoint(train(toy_recipe(*ONE_STEP, *PLAIN), pack, tmp_path / "second"))
    assert team.facts["frames"] == first.facts["frames"] + second.facts["frames"]
    for name, weight in team.weights.items():
        torch.testing.assert_close(weight, (first.weights[name] + second.weights[name]) / 2, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(first.weights[name], second.weights[name]) for name in first.weights)


def test_a_run_tells_its_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from m4mcli.training.loop import train

    told: list[tuple[dict[str, float], int]] = []
    begun: dict[str, Any] = {}
    ended: list[bool] = []

    def init(**about: Any) -> SimpleNamespace:
        begun.update(about)
        return SimpleNamespace(log=lambda line, step: told.append((line, step)), finish=lambda: ended.append(True))

    module = ModuleType("wandb")
    module.__dict__["init"] = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    how = ("optimizer.steps=2", "trainer.report_every=1", "trainer.evaluate_every=2", "trainer.logger=wandb")
    train(toy_recipe(*how), toy_pack(tmp_path / "pack"), tmp_path / "run")
    assert begun["project"] == "m4m"
    assert begun["config"]["optimizer"]["steps"] == 2
    assert [step for _, step in told] == [1, 2, 2]
    assert told[0][0].keys() >= {"loss", "lr"}
    assert any(name.startswith("valid/") and name.endswith("/nats_per_note") for name in told[-1][0])
    assert ended == [True]
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_logger_that_is_not_installed_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from m4mcli.training.loggers import open_logger

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ModuleNotFoundError) as error:
        open_logger(toy_recipe("trainer.logger=wandb"), tmp_path)
    assert explain(error.value)[1] == "needs wandb, which is not installed; try: pip install 'm4m[wandb]'"
