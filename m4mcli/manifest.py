"""What became of each of many files: a manifest of hashes, by which a run that was stopped goes on where it stood.

One JSON object to a line and file, sorted by name, with nothing of time, place or engine in it: the same files and
options give the same manifest.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from m4mcli import __version__
from m4mcli.errors import DONE
from m4mcli.stores import Store

SAVE_SECONDS = 2.0
"""A run that is killed has to make again what was made since the manifest was last saved."""


@dataclass(frozen=True)
class Entry:
    """One file: the hashes of its bytes and of the command, the exit status, results with their hashes, the failure."""

    file: str
    input: str
    command: str
    status: int = DONE
    outputs: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""

    def holds(self, data: bytes | None, command: str, folder: Store) -> bool:
        """Whether the same command has made results of the same bytes that are still there as they were."""
        return (
            self.status == DONE
            and self.command == command
            and data is not None
            and self.input == hashlib.sha256(data).hexdigest()
            and bool(self.outputs)
            and all(folder.hash(name) == told for name, told in self.outputs.items())
        )


def read_manifest(folder: Store, name: str) -> dict[str, Entry]:
    """The entries of a folder's manifest by file; lines that make no sense are passed over, as if never written."""
    found = {}
    for line in (folder.read(name) or b"").splitlines():
        try:
            entry = Entry(**json.loads(line))
            found[str(entry.file)] = entry
        except (ValueError, TypeError):
            continue
    return found


class Manifest:
    """The manifest of a folder while files are worked on. Entries of an earlier run stay until they are made again."""

    def __init__(self, folder: Store, name: str) -> None:
        self.folder, self.name = folder, name
        self.known = read_manifest(folder, name)
        self._lines = {file: _line(entry) for file, entry in self.known.items()}
        self._saved = time.monotonic()

    def add(self, entry: Entry) -> None:
        """One more file is done, or has failed."""
        self._lines[entry.file] = _line(entry)
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write it to its folder."""
        self.folder.write(self.name, "".join(self._lines[file] for file in sorted(self._lines)).encode())
        self._saved = time.monotonic()


def _line(entry: Entry) -> str:
    told = {name: value for name, value in asdict(entry).items() if name != "failure" or value}
    return json.dumps(told, ensure_ascii=False) + "\n"


def command_key(words: Sequence[str]) -> str:
    """What stands for a command and its options in a manifest: with m4m's version, models and files that are named."""
    from m4mcli.models.registry import available, file_hash, fingerprint

    values = [value for word in words if (value := word.partition("=")[2] or word)]
    named = {value: Path(value) for value in values}
    told = {
        "version": __version__,
        "words": list(words),
        "models": {name: fingerprint(path) for name, path in sorted(available().items())},
        "files": {name: file_hash(path) for name, path in named.items() if _is(path.is_file)},
        "folders": {name: fingerprint(path) for name, path in named.items() if _is(path.is_dir)},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _is(asked: Callable[[], bool]) -> bool:
    try:
        return asked()
    except (OSError, ValueError):
        return False
