"""Many files: the same bytes in any number of processes, what was stopped goes on, a bad file costs itself alone."""

import json
import os
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Run

from m4mcli.commands import map as map_command
from m4mcli.errors import M4mError
from m4mcli.mapping import engines
from m4mcli.mapping.engines import LocalEngine, RayEngine
from m4mcli.mapping.mapped import Mapped, Plan, mapped
from m4mcli.mapping.work import Chain, Job, Outcome, Work
from m4mcli.options import Invocation
from m4mcli.parallel import in_order
from m4mcli.score.score import Score, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.stores import Source, Store, sources

QUICK = ("--best-of", "1", "--no-fills")


def tune(first: int, bars: int = 2) -> bytes:
    """Quarters up a scale."""
    rows = [(96 * i, 96, first + (0, 2, 4, 5, 7, 9, 11)[i % 7], 80) for i in range(4 * bars)]
    return score_to_midi(Score(96, (Track("Melody", notes=notes_array(rows)),)))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Three tunes, one of them in a folder of its own, and a file that is none."""
    folder = tmp_path / "corpus"
    (folder / "deep").mkdir(parents=True)
    for i, name in enumerate(("a.mid", "deep/b.mid", "c.mid")):
        (folder / name).write_bytes(tune(60 + i))
    (folder / "bad.mid").write_bytes(b"no music")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def stamps(folder: Path) -> dict[str, int]:
    """When each result was written."""
    return {p.name: p.stat().st_mtime_ns for p in folder.rglob("*.mid")}


def test_any_number_of_processes_gives_the_same_bytes_and_what_was_stopped_goes_on(m4m: Run, corpus: Path) -> None:
    files = [str(corpus / name) for name in ("a.mid", "bad.mid", "c.mid", "deep/b.mid")]
    folder = corpus.parent
    told = []
    for jobs in ("1", "2"):
        done = m4m("drumify", *QUICK, *files, "--out-dir", f"out{jobs}", "--jobs", jobs)
        assert (done.returncode, done.stdout) == (1, b"")
        told.append(done.stderr)
    assert told[0] == told[1]
    assert told[0].startswith(f"m4m drumify: {files[1]}: not a MIDI file".encode())
    assert told[0].count(b"\n") == 1
    one = contents(folder / "out1")
    assert contents(folder / "out2") == one
    assert sorted(one) == [".m4m-manifest.jsonl", "a.mid", "b.mid", "c.mid"]

    before = stamps(folder / "out1")
    (folder / "out1/c.mid").write_bytes(b"damaged")
    (corpus / "deep/b.mid").write_bytes(tune(50))
    again = m4m("drumify", *QUICK, *files, "--out-dir", "out1", "--resume", "-v")
    assert again.returncode == 1
    assert b"1 of 4 files were done before" in again.stderr
    after = stamps(folder / "out1")
    assert [name for name in before if before[name] == after[name]] == ["a.mid"]
    now = contents(folder / "out1")
    assert now["c.mid"] == one["c.mid"]
    assert now["b.mid"] != one["b.mid"]

    assert m4m("drumify", *QUICK, "--seed", "1", files[0], files[2], "--out-dir", "out1", "--resume").returncode == 0
    assert min(stamps(folder / "out1")[name] for name in ("a.mid", "c.mid")) > max(after.values())


def test_analyses_come_in_the_order_of_the_files(m4m: Run, corpus: Path) -> None:
    files = [str(corpus / name) for name in ("c.mid", "bad.mid", "a.mid")]
    outs = [m4m("analyze", "--jsonl", "--only", "keys", *files, "--jobs", jobs) for jobs in ("1", "2")]
    assert [done.returncode for done in outs] == [1, 1]
    assert outs[0].stdout == outs[1].stdout
    assert [json.loads(line)["file"] for line in outs[0].stdout.splitlines()] == [files[0], files[2]]


def test_a_random_seed_is_drawn_once(m4m: Run, corpus: Path) -> None:
    files = [str(corpus / name) for name in ("a.mid", "c.mid")]
    done = m4m("drumify", *QUICK, "--seed", "random", *files, "--out-dir", "out", "--jobs", "2")
    (line,) = done.stderr.decode().splitlines()
    seed = line.removeprefix("m4m drumify: seed ")
    assert m4m("drumify", *QUICK, "--seed", seed, files[1]).stdout == (corpus.parent / "out/c.mid").read_bytes()


def test_resume_needs_a_folder(m4m: Run, corpus: Path) -> None:
    done = m4m("analyze", "--resume", str(corpus / "a.mid"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"m4m analyze: --resume goes on with a folder of results; add --out-dir DIR\n"


def test_map_writes_what_the_chain_writes(m4m: Run, corpus: Path) -> None:
    chain = "quantize --grid 1/4 | drumify --best-of 1 --no-fills"
    done = m4m("map", chain, f"{corpus}/**/*.mid", "--out", "out", "--jobs", "1")
    assert (done.returncode, done.stdout) == (1, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("m4m map: bad.mid: quantize: stdin: not a MIDI file")
    made = contents(corpus.parent / "out")
    assert sorted(made) == ["a.mid", "c.mid", "deep/b.mid", "manifest.jsonl"]
    assert made["deep/b.mid"] == m4m("pipe", chain, str(corpus / "deep/b.mid")).stdout
    entries = [json.loads(line) for line in made["manifest.jsonl"].splitlines()]
    assert [(e["file"], e["status"]) for e in entries] == [
        ("a.mid", 0),
        ("bad.mid", 1),
        ("c.mid", 0),
        ("deep/b.mid", 0),
    ]

    before = stamps(corpus.parent / "out")
    (corpus / "bad.mid").write_bytes(tune(55))
    done = m4m("map", chain, str(corpus), "--out", "out", "--jobs", "1", "--resume", "-v")
    assert (done.returncode, done.stderr) == (0, b"m4m map: 1 made, 3 done before, 0 failed\n")
    assert stamps(corpus.parent / "out") == before | {"bad.mid": stamps(corpus.parent / "out")["bad.mid"]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["drumify -o x.mid", "corpus", "--out", "out"], "-o within m4m map"),
        (["drumify --seed random", "corpus", "--out", "out"], "--seed random within m4m map"),
        (["no-such", "corpus", "--out", "out"], "no such command"),
        (["drumify --kitt x", "corpus", "--out", "out"], "--kit"),
        (["quantize", "none/*.mid", "--out", "out"], "no such files"),
        (["quantize", "corpus", "--out", "corpus"], "lies there itself"),
        (["quantize", "corpus/a.mid", "corpus/c.mid", "corpus/a.json", "--out", "out"], "would have one name"),
        (["quantize", "corpus", "--out", "out", "--suffix", "mid"], "--suffix"),
        (["quantize", "corpus", "--out", "out", "--address", "auto"], "--engine ray"),
    ],
)
def test_what_cannot_be_mapped(m4m: Run, corpus: Path, arguments: list[str], told: str) -> None:
    (corpus / "a.json").write_text("{}")
    done = m4m("map", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert told in done.stderr.decode()
    assert not (corpus.parent / "out").exists()


def test_folders_by_url(corpus: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    for path in (corpus / "a.mid", corpus / "deep/b.mid"):
        files.pipe(f"/{corpus}/songs/{path.relative_to(corpus)}", path.read_bytes())
    try:
        url = f"memory://{corpus}"
        plan = Plan(Chain.parsed("quantize --grid 1/4"), (f"{url}/songs/**/*.mid",), f"{url}/out")
        assert mapped(plan, LocalEngine(1), Invocation("map")) == Mapped(2, 0, 0)
        assert sorted(files.find(f"/{corpus}/out")) == [
            f"{corpus}/out/{name}" for name in ("a.mid", "deep/b.mid", "manifest.jsonl")
        ]
        found = sources([f"file://{corpus}/**/*.mid"])
        assert [s.name for s in found] == ["a.mid", "bad.mid", "c.mid", "deep/b.mid"]
        assert Store(f"file://{corpus}").read("a.mid") == tune(60)
    finally:
        files.rm(f"/{corpus}", recursive=True)


def killing(flag: Path, job: Job) -> Outcome:
    """What ends its process the first time, on the file c.mid."""
    if job.source.name == "c.mid" and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work_in(flag.parent)(job)


def work_in(folder: Path) -> Work:
    return Work(Chain((("quantize",),)), Store(str(folder / "out")), "key")


def jobs_of(corpus: Path) -> list[Job]:
    return [Job(source) for source in sources([str(corpus)])]


def test_a_lost_process_costs_no_file(corpus: Path) -> None:
    work = work_in(corpus.parent)
    jobs = jobs_of(corpus)
    flaky = partial(killing, corpus.parent / "killed")
    outcomes = list(in_order(flaky, jobs, 2, work.lost, chunk=1))
    assert [(o.entry.file, o.entry.status) for o in outcomes] == [
        ("a.mid", 0),
        ("bad.mid", 1),
        ("c.mid", 0),
        ("deep/b.mid", 0),
    ]


class RayLostError(Exception):
    """Stands for ray.exceptions.RayError."""


class FakeRay:
    """As much of Ray as the engine uses: tasks are run when they are waited for, the last one handed over first."""

    exceptions = SimpleNamespace(RayError=RayLostError)

    def __init__(self, lost: Sequence[str]) -> None:
        self.lost, self.most, self.options = lost, 0, dict[str, Any]()
        self.waiting = list[tuple[Work, Job]]()

    def remote(self, **options: Any) -> Any:
        self.options = options
        return lambda function: SimpleNamespace(remote=lambda work, job: self.hand_over(function, work, job))

    def hand_over(self, function: Any, work: Work, job: Job) -> tuple[Any, Work, Job]:
        return (function, work, job)

    def put(self, value: Any) -> Any:
        return value

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1.0}

    def wait(self, references: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        self.most = max(self.most, len(references))
        return references[-num_returns:], references[:-num_returns]

    def get(self, reference: tuple[Any, Work, Job]) -> Outcome:
        function, work, job = reference
        if job.source.name in self.lost:
            raise RayLostError
        done: Outcome = function(work, job)
        return done


def test_what_ray_is_asked_for(corpus: Path) -> None:
    ray = FakeRay(lost=["c.mid"])
    outcomes = list(RayEngine(retries=5)._run(ray, work_in(corpus.parent), jobs_of(corpus)))
    assert ray.options["max_retries"] == 5
    assert ray.most == 2
    assert sorted(o.entry.file for o in outcomes) == ["a.mid", "bad.mid", "c.mid", "deep/b.mid"]
    assert {o.entry.file: o.entry.failure for o in outcomes}["c.mid"].startswith("the processes that worked on it")
    assert sorted(contents(corpus.parent / "out")) == ["a.mid", "deep/b.mid"]


def test_without_ray_the_local_engine_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "ray_is_here", lambda: False)
    assert map_command._engine(Invocation("map"), "ray", None, 3, 2) == LocalEngine(3)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("the local engine works instead; pip install 'm4m[cluster]'")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mid").write_bytes(tune(60))
    with pytest.raises(M4mError, match="one name"):
        sources([str(tmp_path / "x"), str(tmp_path / "y")])
    assert sources([f"{tmp_path}/*/a.mid"]) == [Source(f"{tmp_path}/{x}/a.mid", f"{x}/a.mid") for x in "xy"]
