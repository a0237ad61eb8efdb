"""Work done side by side, whose steps of a network are made together: each comes to what it would alone."""

import threading
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from toy import FakeNetwork

from m4mcli.batch import Batch
from m4mcli.errors import M4mError
from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.draw import Draw
from m4mcli.generation.generate import Request, generate
from m4mcli.models.company import InCompany, side_by_side
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import OnnxNetwork
from m4mcli.options import Invocation
from m4mcli.score.score import Score, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.drums import DrumWish, drumify
from m4mcli.tasks.task import TASKS


class Counted:
    """A Network that counts the steps made of it, and the samples in each."""

    def __init__(self, network: Network) -> None:
        self.network, self.batches = network, list[int]()
        self.shape = network.shape

    def encode(self, *arrays: Any) -> Any:
        return self.network.encode(*arrays)

    def frame_step(self, inputs: Any, past: Any, memory: Any = ()) -> Any:
        self.batches.append(len(inputs.kind))
        return self.network.frame_step(inputs, past, memory)

    def note_step(self, *arrays: Any) -> Any:
        return self.network.note_step(*arrays)

    def note_rest(self, *arrays: Any) -> Any:
        return self.network.note_rest(*arrays)


def request(bars: int, bar: int) -> Request:
    """A scale to write chords to, on beats."""
    length = bars * bar
    notes = np.array([(2 * i, 0, 60 + (0, 2, 4, 5, 7, 9, 11)[i % 7], 2) for i in range(length // 2)], FRAME_NOTE)
    frames = np.arange(length)
    metre = np.stack([frames % bar, np.full(length, bar), np.full(length, 4)], axis=1)
    return Request(notes, metre, length, frames % 4 == 0, np.zeros(length, bool), start_by=0)


def written(network: Network, asked: Request, strictness: float = 1.0) -> list[Any]:
    task = TASKS["harmonize"]
    made = generate(network, asked, task.rules, task.sampling, samples=2, seed=5, strictness=strictness)
    return [(sample.notes.tolist(), sample.log_likelihood) for sample in made]


@pytest.mark.parametrize("strictness", [1.0, 1.5])
def test_each_comes_to_what_it_would_alone(strictness: float) -> None:
    """Lengths and metres differ, so that steps fall out of step and into it again."""
    plain = OnnxNetwork(find_model(None, "harmonize"))
    counted = Counted(plain)
    network = InCompany(counted, "CPUExecutionProvider")
    asked = [request(4, 16), request(3, 12), request(6, 16), request(2, 16)]
    alone = [written(plain, one, strictness) for one in asked]
    assert side_by_side([partial(written, network, one, strictness) for one in asked]) == alone
    assert max(counted.batches) == 8
    assert sum(counted.batches) > 3 * len(counted.batches)
    # Outside of company it is the network itself.
    assert written(network, asked[0], strictness) == alone[0]


def test_windows_that_are_opened_again() -> None:
    fake = FakeNetwork(32)
    network = InCompany(fake, "CPUExecutionProvider")
    asked = [request(5, 16), request(6, 12), request(9, 16)]
    alone = [written(fake, one) for one in asked]
    assert side_by_side([partial(written, network, one) for one in asked]) == alone


class Broken(FakeNetwork):
    """A network whose note decoder fails."""

    def note_step(self, *arrays: Any) -> Any:
        raise M4mError("no more memory")


def test_a_step_that_fails_fails_for_all_who_wait_for_it() -> None:
    network = InCompany(Broken(), "CPUExecutionProvider")
    told = []

    def work(asked: Request) -> str:
        try:
            written(network, asked)
        except M4mError as error:
            told.append(str(error))
            return "failed"
        return "written"

    assert side_by_side([partial(work, request(2, 16)) for _ in range(3)]) == ["failed"] * 3
    assert told == ["no more memory"] * 3


@pytest.mark.parametrize("error", [M4mError("told"), KeyboardInterrupt()])
def test_what_fails_is_raised_when_all_have_ended(error: BaseException) -> None:
    network, ended = InCompany(FakeNetwork(), "CPUExecutionProvider"), list[int]()

    def work(number: int) -> None:
        try:
            written(network, request(2, 16))
            if number == 1:
                raise error
        finally:
            ended.append(number)

    before = threading.active_count()
    with pytest.raises(type(error)):
        side_by_side([partial(work, i) for i in range(3)])
    assert sorted(ended) == [0, 1, 2]
    assert threading.active_count() == before


def tune(first: int, bars: int) -> bytes:
    rows = [(96 * i, 96, first + (0, 2, 4, 5, 7, 9, 11)[i % 7], 80) for i in range(4 * bars)]
    return score_to_midi(Score(96, (Track("Melody", notes=notes_array(rows)),)))


def test_files_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same bytes, and the same messages in the files' order."""
    files = [tmp_path / f"{name}.mid" for name in "abcd"]
    for i, file in enumerate(files):
        file.write_bytes(b"no music" if i == 2 else tune(60 + i, 2 + i))
    network = InCompany(OnnxNetwork(find_model(None, "drumify")), "CPUExecutionProvider")
    wish = DrumWish(Draw(TASKS["drumify"].sampling, seed=3), fills=False)

    def versions(run: Invocation, reading: Any, progress: Any) -> list[Any]:
        run.warn(f"{reading.score.note_count} notes")
        (track,) = drumify(reading.score, network, wish, progress)
        return [lambda run: run.write_added(reading, [track])]

    told = []
    for at_once in (1, 3):
        batch = Batch(Invocation("drumify"), tuple(map(str, files)), str(tmp_path / f"out{at_once}"))
        with pytest.raises(typer.Exit):
            batch.write_all(versions, "drums", at_once)
        told.append(capsys.readouterr().err)
    assert told[0] == told[1]
    beginnings = [f"warning: {files[0]}: 8", f"warning: {files[1]}: 12", f"{files[2]}: not", f"warning: {files[3]}: 20"]
    lines = told[0].splitlines()
    assert len(lines) == len(beginnings)
    assert all(line.startswith(f"m4m drumify: {b}") for line, b in zip(lines, beginnings, strict=True))
    one, three = ({p.name: p.read_bytes() for p in (tmp_path / f"out{n}").iterdir()} for n in (1, 3))
    assert one == three
    assert sorted(one) == [".m4m-manifest.jsonl", "a.mid", "b.mid", "d.mid"]
