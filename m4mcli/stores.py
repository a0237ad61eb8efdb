"""Folders that hold music and results: on a disk, or wherever fsspec reaches (`s3://...`, `memory://...`).

A store is named by a path or a URL and hands out bytes by name; it can be pickled, so that any process may open it.
"""

import glob
import hashlib
import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m4mcli.errors import USAGE, M4mError

MUSIC = (".mid", ".midi", ".kar", ".json", ".abc")
"""Files that are looked for in folders."""

MAGIC = "*?["


@dataclass(frozen=True)
class Store:
    """A folder: `place` is a path, or a URL for fsspec."""

    place: str

    @property
    def remote(self) -> bool:
        """Whether fsspec is needed."""
        return "://" in self.place

    def at(self, name: str) -> str:
        """Where a file of the folder is."""
        return posixpath.join(self.place, name) if self.remote else os.path.join(self.place, name)  # noqa: PTH118

    def read(self, name: str) -> bytes | None:
        """The bytes of a file of the folder; None where there is none."""
        try:
            return read_bytes(self.at(name))
        except FileNotFoundError:
            return None

    def hash(self, name: str) -> str:
        """SHA-256 of a file of the folder in hex; nothing where there is none."""
        data = self.read(name)
        return "" if data is None else digest(data)

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the folder, whole or not at all. Raises M4mError where that fails."""
        if self.remote:
            with _open(self.at(name), "wb") as out:
                out.write(data)
            return
        from m4mcli.score.write import write_output

        try:
            Path(self.at(name)).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise M4mError(f"{self.at(name)}: cannot write: {(error.strerror or str(error)).lower()}") from error
        write_output(data, self.at(name))


@dataclass(frozen=True)
class Source:
    """A file to be worked on: where it is, and its name under the folder that its pattern begins with."""

    place: str
    name: str


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def read_bytes(place: str) -> bytes:
    """The bytes of a path or URL. Raises OSError, and M4mError where fsspec is needed and missing."""
    if "://" in place:
        with _open(place, "rb") as file:
            return bytes(file.read())
    return Path(place).read_bytes()


def sources(patterns: Sequence[str]) -> list[Source]:
    """What paths, folders, patterns (`corpus/**/*.mid`) and URLs of them name, each file once, sorted.

    Raises M4mError (status 2) where one names nothing, and where two files would have one name.
    """
    found: dict[str, Source] = {}
    for pattern in patterns:
        here = list(_remote(pattern) if "://" in pattern else _local(pattern))
        if not here:
            raise M4mError(f"{pattern}: no such files", "quote a pattern: 'corpus/**/*.mid'", USAGE)
        found |= {source.place: source for source in here}
    names: dict[str, str] = {}
    for source in found.values():
        if (other := names.setdefault(source.name, source.place)) != source.place:
            raise M4mError(f"{other} and {source.place}: their results would have one name", status=USAGE)
    return sorted(found.values(), key=lambda source: source.name)


def _local(pattern: str) -> Iterator[Source]:
    path = Path(pattern)
    if path.is_dir():
        inside = (p for p in path.rglob("*") if p.suffix.lower() in MUSIC and p.is_file())
        yield from (Source(str(p), p.relative_to(path).as_posix()) for p in inside)
    elif path.exists() or not any(c in pattern for c in MAGIC):
        yield Source(pattern, path.name)
    else:
        root = _fixed(pattern)
        for match in map(Path, glob.glob(pattern, recursive=True)):  # noqa: PTH207
            if match.is_file():
                yield Source(str(match), match.relative_to(root).as_posix())


def _remote(pattern: str) -> Iterator[Source]:
    files, path = _system(pattern)
    if any(c in path for c in MAGIC):
        root, matches = _fixed(path), files.glob(path)
    elif files.isdir(path):
        root, matches = path, [p for p in files.find(path) if p.lower().endswith(MUSIC)]
    else:
        root, matches = posixpath.dirname(path), [path]
    for match in matches:
        if not files.isdir(match):
            yield Source(files.unstrip_protocol(match), posixpath.relpath(match, root or "."))


def _fixed(pattern: str) -> str:
    """The folders of a pattern in front of the first that is one itself."""
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if any(c in part for c in MAGIC))
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else ".")


def _system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise M4mError(f"{url}: needs fsspec", "try: pip install 'm4m[cluster]'") from error
    try:
        files, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise M4mError(f"{url}: {error}", "install what fsspec needs for it", USAGE) from error
    return files, str(path)


def _open(url: str, mode: str) -> Any:
    files, path = _system(url)
    if "w" in mode:
        files.makedirs(posixpath.dirname(path), exist_ok=True)
    return files.open(path, mode)
