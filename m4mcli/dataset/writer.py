"""Packs written piece by piece, so that memory stays flat and a build that was stopped can go on.

While a pack is written, the lines of its pieces are drafts, in a file of their own, with their sketches in another;
the last thing is to settle their splits and groups, which are known only when all pieces are.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from m4mcli.dataset.copies import SKETCH
from m4mcli.dataset.pack import PACK_BAR, PACK_NOTE, PackedPiece

BLOCK_BYTES = 1 << 22
PROGRESS, DRAFTS, SKETCHES = "progress.json", "drafts.jsonl", "sketches.npy"
VERSION = 1

Settle = Callable[[dict[str, Any], int], dict[str, Any]]
"""The line of a piece from its draft and its number."""


class RowFile:
    """A growing .npy file of rows of one kind; its header is right once it is closed."""

    def __init__(self, path: Path, kind: np.dtype[np.void], rows: int = 0) -> None:
        """Open the file, keeping its first `rows` rows."""
        self.kind, self.rows = kind, rows
        self.file: BinaryIO = path.open("r+b" if rows else "w+b")
        self._write_header()
        self.start = self.file.tell()
        self.file.truncate(self.start + rows * kind.itemsize)
        self.file.seek(0, os.SEEK_END)

    def _write_header(self) -> None:
        # numpy leaves room in the header for the number of rows to grow, so that its length does not change.
        self.file.seek(0)
        npy.write_array_header_1_0(
            self.file, {"descr": npy.dtype_to_descr(self.kind), "fortran_order": False, "shape": (self.rows,)}
        )

    def add(self, rows: NDArray[np.void]) -> None:
        """Append rows."""
        self.file.write(rows.astype(self.kind, copy=False).tobytes())
        self.rows += len(rows)

    def save_header(self) -> None:
        """Make the file whole as it stands; rows can still be added."""
        self._write_header()
        self.file.seek(0, os.SEEK_END)
        self.file.flush()

    def close(self, digest: Any = None) -> None:
        """Write the true header; with a `digest`, feed it all rows."""
        self.save_header()
        if digest is not None:
            self.file.seek(self.start)
            while block := self.file.read(BLOCK_BYTES):
                digest.update(block)
        self.file.close()


class PackWriter:
    """A pack while it is written to a folder.

    With a `key`, what an unfinished build with the same key has committed there is kept: `done` files need not be read
    again. A build that was killed leaves rows behind the last commit; they are cut off.
    """

    def __init__(self, folder: Path, key: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.json").unlink(missing_ok=True)
        self.folder, self.key = folder, key
        at = _committed(folder, key)
        self.done = int(at.get("done", 0))
        kinds = {"notes": PACK_NOTE, "bars": PACK_BAR, "sketches": SKETCH}
        self.rows = {name: RowFile(folder / f"{name}.npy", kind, int(at.get(name, 0))) for name, kind in kinds.items()}
        self.drafts = _cut(folder / DRAFTS, int(at.get("drafts_bytes", 0)))
        self.refusals = _cut(folder / "refused.jsonl", int(at.get("refused_bytes", 0)))

    def add(
        self, piece: PackedPiece, facts: Mapping[str, Any] | None = None, sketch: NDArray[np.void] | None = None
    ) -> None:
        """Append a piece, with what is known of it and the sketch of its music."""
        line: dict[str, Any] = {"name": piece.name, "source": piece.source, "split": piece.split}
        line |= {"length": piece.length, "notes": [], "bars": [], "tracks": [vars(track) for track in piece.tracks]}
        self.add_line(line | dict(facts or {}), piece.notes, piece.bars, sketch)

    def add_line(
        self, line: dict[str, Any], notes: NDArray[np.void], bars: NDArray[np.void], sketch: NDArray[np.void] | None
    ) -> None:
        """Append a piece by its line, in which the places of its rows are to be told."""
        line["notes"] = [self.rows["notes"].rows, len(notes)]
        line["bars"] = [self.rows["bars"].rows, len(bars)]
        self.rows["notes"].add(notes)
        self.rows["bars"].add(bars)
        if sketch is not None:
            self.rows["sketches"].add(sketch)
        self.drafts.write(json.dumps(line).encode() + b"\n")

    def refuse(self, line: Mapping[str, Any]) -> None:
        """Note that a file was refused: its source, its name, the reason."""
        self.refusals.write(json.dumps(line).encode() + b"\n")

    def commit(self, done: int) -> None:
        """Make what was added so far, from the first `done` files, survive the end of the process."""
        for file in self._files():
            file.flush()
        self.done = done
        state = {"key": self.key, "done": done, **{name: file.rows for name, file in self.rows.items()}}
        state |= {"drafts_bytes": self.drafts.tell(), "refused_bytes": self.refusals.tell()}
        replace_text(self.folder / PROGRESS, json.dumps(state))

    def abandon(self) -> None:
        """Close the files as they are, for a later writer to go on."""
        for file in self._files():
            file.close()

    def _files(self) -> Iterator[BinaryIO]:
        yield from (rows.file for rows in self.rows.values())
        yield from (self.drafts, self.refusals)

    def finish(self, settle: Settle | None = None, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Close the pack; returns its manifest, in which `about` stands too. `settle` has the last word on each line.

        `sha256` is that of all rows and of pieces.jsonl. What was committed is kept until the pack is whole.
        """
        digest = hashlib.sha256()
        for name, rows in self.rows.items():
            rows.close(digest if name != "sketches" else None)
        self.drafts.close()
        self.refusals.close()
        counts: dict[str, dict[str, int]] = {}
        scratch = self.folder / ".pieces.jsonl.tmp"
        with (self.folder / DRAFTS).open("rb") as drafts, scratch.open("wb") as lines:
            for number, draft in enumerate(drafts):
                line = json.loads(draft)
                line = settle(line, number) if settle is not None else line
                count_piece(counts, line)
                text = json.dumps(line).encode() + b"\n"
                digest.update(text)
                lines.write(text)
        scratch.replace(self.folder / "pieces.jsonl")
        manifest = {"m4m": VERSION, "kind": "pack", "sources": counts, **(about or {}), "sha256": digest.hexdigest()}
        replace_text(self.folder / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        for name in (PROGRESS, DRAFTS, SKETCHES):
            (self.folder / name).unlink(missing_ok=True)
        return manifest


def count_piece(counts: dict[str, dict[str, int]], line: Mapping[str, Any]) -> None:
    """Add a piece to the pieces, frames and notes of each `source/split`."""
    count = counts.setdefault(f"{line['source']}/{line['split']}", {"pieces": 0, "frames": 0, "notes": 0})
    for field, n in (("pieces", 1), ("frames", line["length"]), ("notes", line["notes"][1])):
        count[field] += n


def _committed(folder: Path, key: str) -> dict[str, Any]:
    """What the last commit with the same key says; empty without one."""
    try:
        state = json.loads((folder / PROGRESS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return state if key and isinstance(state, dict) and state.get("key") == key else {}


def _cut(path: Path, size: int) -> BinaryIO:
    """The file open for appending behind its first `size` bytes."""
    file = path.open("r+b" if size else "w+b")
    file.truncate(size)
    file.seek(size)
    return file


def replace_text(path: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all."""
    scratch = path.with_name(f".{path.name}.tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
