"""The parts of the benchmark: starting, tasks by batch, whole processes, runtimes, reading and tokenizing."""

import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import files
import numpy as np
from figures import Figure, cpu_seconds
from pieces import LENGTHS, SECONDS_PER_BAR, song
from process import least

from m4mcli import cli
from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.generate import Request, generate
from m4mcli.models.registry import find_model
from m4mcli.models.session import open_network
from m4mcli.tasks.task import TASKS

M4M = [sys.executable, "-m", "m4mcli"]
COMMANDS = ("harmonize", "drumify", "analyze", "quantize", "tokenize")
IMPORTS = ("typer", "numpy", "onnxruntime")


@dataclass(frozen=True)
class Sizes:
    """How much is measured: batches, lengths by name, bars that tasks write, rounds, files, sizes of corpora.

    `folder` holds the music that is tokenized and packed; songs are made for it where there is none.
    """

    batches: tuple[int, ...] = (1, 4, 16, 64)
    lengths: tuple[str, ...] = tuple(LENGTHS)
    bars: int = 24
    rounds: int = 3
    files: int = 200
    corpora: tuple[int, ...] = (1_000, 10_000, 100_000)
    folder: Path | None = None


QUICK = Sizes(batches=(1, 4), lengths=("short",), bars=4, rounds=1, files=20, corpora=(400,))
Part = Callable[[Sizes], Iterator[Figure]]


def start(sizes: Sizes) -> Iterator[Figure]:
    """Processes that do nothing but start, beside Python alone; then the opening of a model, beside its first frame."""
    bare = [sys.executable, "-c", "pass"]
    imports = [[sys.executable, "-c", f"import {name}"] for name in IMPORTS]
    runs = least([bare, *imports, [*M4M, "--help"], [*M4M, "harmonize", "--help"]], max(2, sizes.rounds))
    names = ("python", *(f"import {name}" for name in IMPORTS), "m4m --help", "m4m harmonize --help")
    for name, (cpu, _, peak) in zip(names, runs, strict=True):
        yield Figure("start", f"{name}, {peak:.0f} MB", 1000 * cpu, "ms CPU", "time of typer", runs[1][0] / cpu)
    helps = dict(zip(cli.COMMANDS, least([[*M4M, name, "--help"] for name in cli.COMMANDS], sizes.rounds), strict=True))
    slowest = max(helps, key=lambda name: helps[name][0])
    cpu, _, peak = helps[slowest]
    name = f"slowest of {len(helps)}: m4m {slowest} --help, {peak:.0f} MB"
    yield Figure("start", name, 1000 * cpu, "ms CPU", "time of typer", runs[1][0] / cpu)
    model = find_model(None, "harmonize")
    opened = cpu_seconds(lambda: open_network(model, "harmonize"), sizes.rounds)
    yield Figure("start", "opening harmonize's model", 1000 * opened, "ms CPU", "time of typer", runs[1][0] / opened)


def request(task: str, bars: int) -> Request:
    """What a task is asked: a melody in eighths, over it chords on beats or other parts in any 16th."""
    length = 16 * bars
    pitches = np.random.default_rng(0).choice([60, 62, 64, 65, 67, 69, 71, 72], length // 2)
    notes = np.array([(2 * i, 0, p, 2) for i, p in enumerate(pitches)], FRAME_NOTE)
    frames = np.arange(length)
    metre = np.stack([frames % 16, np.full(length, 16), np.full(length, 4)], axis=1)
    begin = frames % (4 if task == "harmonize" else 1) == 0
    return Request(None if task == "continue" else notes, metre, length, begin, np.zeros(length, bool), start_by=0)


def tasks(sizes: Sizes) -> Iterator[Figure]:
    """Frames and notes a second of each task with the model that ships, by batch; and the time to the first note."""
    for name, task in TASKS.items():
        asked, alone = request(name, sizes.bars), 0.0
        began = time.process_time()
        network = open_network(find_model(None, name), name)
        first: list[float] = []

        def heard(_: int, notes: object, first: list[float] = first) -> None:
            if len(notes) and not first:  # type: ignore[arg-type]
                first.append(time.process_time())

        generate(network, asked, task.rules, task.sampling, written=heard)
        sounding = first[0] - began if first else float("nan")
        yield Figure("tasks", f"{name}: opening to first note", 1000 * sounding, "ms CPU")
        for batch in sizes.batches:
            begin = time.process_time()
            samples = generate(network, asked, task.rules, task.sampling, samples=batch)
            seconds = time.process_time() - begin
            speed = batch * asked.length / seconds
            alone = alone or speed
            yield Figure("tasks", f"{name}: batch {batch}", speed, "frames/s", "batch 1", speed / alone)
            yield Figure("tasks", f"{name}: batch {batch}", sum(len(s.notes) for s in samples) / seconds, "notes/s")


def processes(sizes: Sizes) -> Iterator[Figure]:
    """Commands from process start to the file written, beside the length of the music."""
    with tempfile.TemporaryDirectory() as folder:
        for length in sizes.lengths:
            source, out = Path(folder) / f"{length}.mid", str(Path(folder) / "out")
            source.write_bytes(song(LENGTHS[length]))
            rounds = sizes.rounds if length == "short" else 1
            for command in COMMANDS:
                suffix = ".json" if command in ("analyze", "tokenize") else ".mid"
                ((cpu, wall, peak),) = least([[*M4M, command, "-q", str(source), "-o", out + suffix]], rounds)
                what, music = f"{command}, {length}", SECONDS_PER_BAR * LENGTHS[length]
                yield Figure("process", f"{what}, {peak:.0f} MB", cpu, "s CPU", "real time", music / cpu)
                yield Figure("process", what, wall, "s wall", "real time", music / wall)


def runtimes(sizes: Sizes) -> Iterator[Figure]:
    """The steps of a network in ONNX Runtime beside torch eager with a cache, and beside the reference's shape."""
    import torch
    from folders import guessing, model_folder
    from reference_shape import seconds_per_frame
    from runtime import BARS, in_onnx, in_torch, recorded

    from m4mcli.models.registry import read_model
    from m4mcli.models.session import OnnxNetwork

    torch.set_num_threads(1)
    batches = [b for b in sizes.batches if b <= 16]
    theirs = seconds_per_frame(frames=8)
    for recipe in ("harmonize-small", "foundation-base") if sizes.rounds > 1 else ("harmonize-small",):
        with tempfile.TemporaryDirectory() as folder:
            model = guessing(recipe)
            network = OnnxNetwork(read_model(model_folder(model, Path(folder) / "model")))
            for batch in batches:
                calls = recorded(network, batch)
                runs = in_onnx(network, calls), in_torch(model, network.shape, calls)
                ours, eager = (cpu_seconds(run, sizes.rounds) for run in runs)
                frames = 16 * BARS * batch
                what = f"{recipe}: steps, batch {batch}"
                yield Figure("runtime", what, frames / ours, "frames/s", "torch eager", eager / ours)
                if batch == 1:
                    ratio = theirs.frame * frames / ours
                    yield Figure("runtime", what, 1000 * ours / frames, "ms/frame", "the reference's frame", ratio)
                    whole = (theirs.reading + theirs.frame * frames) / ours
                    yield Figure("runtime", f"{recipe}: {BARS} bars", ours, "s CPU", "the reference's piece", whole)


def reading(sizes: Sizes) -> Iterator[Figure]:
    """Reading a file beside mido, pretty_midi and symusic; tokenizing beside MidiTok. What is not installed is told."""
    import io

    from m4mcli.score.read import read_score

    data = song(LENGTHS["song"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.mid"
        path.write_bytes(data)
        ours = cpu_seconds(lambda: read_score(data, ""), max(3, sizes.rounds))

        def mido() -> object:
            from mido import MidiFile

            return MidiFile(file=io.BytesIO(data))

        def pretty_midi() -> object:
            from pretty_midi import PrettyMIDI  # type: ignore[import-untyped,import-not-found,unused-ignore]

            return PrettyMIDI(str(path))

        def symusic() -> object:
            from symusic import Score

            return Score.from_midi(data)

        for peer in (mido, pretty_midi, symusic):
            yield from _beside("read a song of 5 minutes", ours, peer, sizes)

    def miditok() -> object:
        import miditok
        from symusic import Score

        warnings.simplefilter("ignore")
        return miditok.REMI().encode(Score.from_midi(data))

    from m4mcli.score.quick import read_quickly
    from m4mcli.tokens.schemes import open_scheme
    from m4mcli.tokens.settings import Settings

    def remi() -> object:
        return open_scheme("remi", Settings()).encode(read_quickly(data) or read_score(data, "").score)

    remi()
    yield from _beside("tokenize it (REMI)", cpu_seconds(remi, max(3, sizes.rounds)), miditok, sizes)


def _beside(what: str, ours: float, peer: Callable[[], object], sizes: Sizes) -> Iterator[Figure]:
    try:
        peer()
    except ModuleNotFoundError as error:
        yield Figure("reading", f"{what}; {error.name} is not installed", 1000 * ours, "ms CPU")
        return
    theirs = cpu_seconds(peer, max(3, sizes.rounds))
    yield Figure("reading", what, 1000 * ours, "ms CPU", peer.__name__, theirs / ours)


def tokens(sizes: Sizes) -> Iterator[Figure]:
    """Tokenizing many files beside MidiTok."""
    yield from files.tokens(sizes.folder, sizes.files, sizes.rounds)


def dataset(sizes: Sizes) -> Iterator[Figure]:
    """Packing many files beside symusic's reading and the encoding alone."""
    yield from files.dataset(sizes.folder, sizes.files, sizes.rounds)


def corpus(sizes: Sizes) -> Iterator[Figure]:
    """Tokenizing folders of up to 100,000 files: time, memory, cores."""
    yield from files.corpus(sizes.corpora)


PARTS: dict[str, Part] = {
    "start": start,
    "tasks": tasks,
    "process": processes,
    "runtime": runtimes,
    "reading": reading,
    "tokens": tokens,
    "dataset": dataset,
    "corpus": corpus,
}
