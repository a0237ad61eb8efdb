"""Where the files of a corpus lie: in a folder, or in an archive that is read in place.

An archive is a tar, compressed or not, or a zip, told by its content. It is read from its beginning to its end, never
unpacked. Its files have the order of a folder's, whichever they lie in.
"""

import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from m4mcli.errors import M4mError
from m4mcli.score.container import MAX_BYTES
from m4mcli.score.read import read_source, reason

SPLITS = ("train", "valid", "test")
ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tar", ".tgz", ".txz", ".zip")


@dataclass(frozen=True)
class Tree:
    """The files of a folder or an archive: names below it with `/` between folders, and how to read one.

    The names are in order. `prefix` is the folder that all files of an archive share; it is no part of the names.
    `places` tells for each name how many files lie before it in the archive.
    """

    path: Path
    names: tuple[str, ...]
    read: Callable[[str], bytes]
    is_archive: bool = False
    prefix: str = ""
    places: Mapping[str, int] = field(default_factory=dict)


def source_name(path: Path) -> str:
    """What a corpus is called: the folder's name, or the archive's without its ending."""
    name = path.resolve().name
    ending = next((e for e in ENDINGS if path.is_file() and name.lower().endswith(e)), "")
    return name[: len(name) - len(ending)]


def open_tree(path: Path) -> Tree:
    """The files of a folder or an archive, in order of their names.

    Raises M4mError for what is neither, and for an archive that is damaged.
    """
    if not path.exists():
        raise M4mError(f"{path}: no such folder", "name a folder of music, or an archive")
    path = path.resolve()
    if path.is_dir():
        return Tree(path, tuple(_walked(path)), lambda name: read_source(str(path / name))[0])
    if not _is_archive(path):
        raise M4mError(f"{path.name}: neither a folder nor an archive", "name a folder of music, a tar or a zip")
    members = [name for name, _ in _members(path)]
    prefix = _shared(members)
    places: dict[str, int] = {}
    for place, name in enumerate(members):
        places.setdefault(name.removeprefix(prefix), place)
    return Tree(path, tuple(sorted(places)), lambda name: _first(path, prefix + name), True, prefix, places)


def read_each(tree: Tree, names: Sequence[str]) -> dict[str, bytes]:
    """The bytes of files by name; an archive is read once for all of them."""
    if not tree.is_archive:
        return {name: tree.read(name) for name in names}
    lying = sorted(names, key=lambda name: tree.places[name])
    return dict(zip(lying, contents(tree.path, [tree.prefix + name for name in lying]), strict=True))


def contents(path: Path, names: Sequence[str]) -> Iterator[bytes]:
    """The bytes of files of an archive, `names` being in its order; of one beyond MAX_BYTES one byte more than that.

    Raises M4mError where the archive is damaged.
    """
    wanted = iter(names)
    name = next(wanted, None)
    for found, read in _members(path):
        if name is None:
            return
        if found == name:
            yield read()
            name = next(wanted, None)
    if name is not None:
        raise M4mError(f"{path.name}: {name} is no longer in it", "was the archive changed meanwhile?")


def _walked(folder: Path) -> list[str]:
    found = []
    for place, _, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        found += [(below / file).as_posix() for file in files]
    return sorted(found)


def _is_archive(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path) or zipfile.is_zipfile(path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def _first(path: Path, name: str) -> bytes:
    return next(contents(path, [name]))


def _shared(names: Sequence[str]) -> str:
    """The folders that all names begin with, down to one that is a split."""
    prefix = ""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1 or level[0] in SPLITS:
            break
        prefix += f"{level[0]}/"
    return prefix


def _members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and content of each file of an archive, from its beginning to its end."""
    with _told(path):
        yield from _tarred(path) if tarfile.is_tarfile(path) else _zipped(path)


def _tarred(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                yield member.name.removeprefix("./"), partial(stream.read, MAX_BYTES + 1)


def _zipped(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as stream:
                    yield member.filename, partial(stream.read, MAX_BYTES + 1)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Failures of the archive in one line."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise M4mError(f"{path.name}: a damaged archive ({error})", "fetch it again") from error
    except RuntimeError as error:
        # What zipfile raises for a password, and, as a subclass, for a compression that it does not know.
        what = "an archive that is encrypted or packed in an unknown way"
        raise M4mError(f"{path.name}: {what}", "unpack it, and name the folder") from error
    except OSError as error:
        raise M4mError(f"{path.name}: {reason(error)}") from error
