"""The parts of the benchmark that take many files: tokenizing, packing, a corpus of tiny ones."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import corpus as tiny
from figures import Figure
from pieces import song

from m4mcli.parallel import available_processors

BARS = (16, 24, 40, 64, 96)
"""Lengths of the songs that are made where no folder is given."""


@contextmanager
def music(folder: Path | None, count: int) -> Iterator[Path]:
    """The folder, or one with so many songs."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as made:
        songs = [song(bars) for bars in BARS]
        for number in range(count):
            (Path(made) / f"{number:04}.mid").write_bytes(songs[number % len(songs)])
        yield Path(made)


def tokens(folder: Path | None, count: int, rounds: int) -> Iterator[Figure]:
    """REMI and TSD encoded and decoded beside MidiTok, reading counted as encoding."""
    from tokens import rates

    warnings.simplefilter("ignore")
    with music(folder, count) as place:
        files = [path.read_bytes() for path in sorted(place.rglob("*.mid"))[:count]]
    for scheme in ("remi", "tsd"):
        (encoded, theirs, decoded, theirs_back), equal = rates(scheme, files, rounds)
        what = f"{scheme}, {equal} of {len(files)} alike"
        yield Figure("tokens", f"{what}: encode", encoded, "files/s", "MidiTok", encoded / theirs)
        yield Figure("tokens", f"{what}: decode", decoded, "files/s", "MidiTok", decoded / theirs_back)


def dataset(folder: Path | None, count: int, rounds: int) -> Iterator[Figure]:
    """`m4m dataset build` beside symusic's reading and the encoding alone, on one core."""
    from dataset import measured, some

    with music(folder, count) as place:
        items = some(place, count)
        _, _, everything, built = measured(items, rounds)
    what = "symusic and encoding"
    yield Figure("dataset", f"build, {len(items)} files", len(items) / built, "files/s", what, everything / built)


def corpus(sizes: tuple[int, ...]) -> Iterator[Figure]:
    """`m4m tokenize` over folders of tiny files by their number; the last of them on one core and on all."""
    with tempfile.TemporaryDirectory() as folder:
        done, first = 0, 0.0
        for size in sizes:
            tiny.make(Path(folder), done, size)
            done = size
            cpu, wall, memory, _ = tiny.tokenized(Path(folder), "remi", None)
            first = first or size / cpu
            what = f"{size} files, {memory:.0f} MiB"
            yield Figure("corpus", what, size / cpu, "files/s CPU", f"{sizes[0]} files", size / cpu / first)
            if size == sizes[0]:
                alone = tiny.tokenized(Path(folder), "remi", 1)[1]
                cores = f"{size} files on {available_processors()} cores"
                yield Figure("corpus", cores, size / wall, "files/s wall", "one core", alone / wall)
