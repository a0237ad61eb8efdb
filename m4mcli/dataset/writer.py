"""Packs written piece by piece, so that memory stays flat and a build that was stopped can go on."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from m4mcli.dataset.pack import PACK_BAR, PACK_NOTE, PackedPiece, read_lines

BLOCK_BYTES = 1 << 22
PROGRESS = "progress.json"


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

    def close(self, digest: Any = None) -> None:
        """Write the true header; with a `digest`, feed it all rows."""
        self._write_header()
        self.file.flush()
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
        self.notes = RowFile(folder / "notes.npy", PACK_NOTE, int(at.get("notes", 0)))
        self.bars = RowFile(folder / "bars.npy", PACK_BAR, int(at.get("bars", 0)))
        self.lines = _cut(folder / "pieces.jsonl", int(at.get("pieces_bytes", 0)))
        self.refusals = _cut(folder / "refused.jsonl", int(at.get("refused_bytes", 0)))

    def add(self, piece: PackedPiece) -> None:
        """Append a piece."""
        line = {"name": piece.name, "source": piece.source, "split": piece.split, "length": piece.length}
        line |= {"notes": [self.notes.rows, len(piece.notes)], "bars": [self.bars.rows, len(piece.bars)]}
        line["tracks"] = [asdict(track) for track in piece.tracks]
        self.notes.add(piece.notes)
        self.bars.add(piece.bars)
        self.lines.write(json.dumps(line).encode() + b"\n")

    def refuse(self, source: str, name: str, reason: str) -> None:
        """Note that a file was refused."""
        self.refusals.write(json.dumps({"source": source, "name": name, "reason": reason}).encode() + b"\n")

    def commit(self, done: int) -> None:
        """Make what was added so far, from the first `done` files, survive the end of the process."""
        for file in (self.notes.file, self.bars.file, self.lines, self.refusals):
            file.flush()
        self.done = done
        state = {
            "key": self.key,
            "done": done,
            "notes": self.notes.rows,
            "bars": self.bars.rows,
            "pieces_bytes": self.lines.tell(),
            "refused_bytes": self.refusals.tell(),
        }
        replace_text(self.folder / PROGRESS, json.dumps(state))

    def abandon(self) -> None:
        """Close the files as they are, for a later writer to go on."""
        for file in (self.notes.file, self.bars.file, self.lines, self.refusals):
            file.close()

    def finish(self) -> dict[str, Any]:
        """Close the pack; returns its manifest. `sha256` is that of all rows and of pieces.jsonl."""
        digest = hashlib.sha256()
        self.notes.close(digest)
        self.bars.close(digest)
        self.lines.close()
        self.refusals.close()
        digest.update((self.folder / "pieces.jsonl").read_bytes())
        pieces = read_lines(self.folder / "pieces.jsonl")
        counts = counted_sources(pieces)
        manifest = {"m4m": 1, "kind": "pack", "sources": counts, "sha256": digest.hexdigest()}
        (self.folder / PROGRESS).unlink(missing_ok=True)
        replace_text(self.folder / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        return manifest


def counted_sources(pieces: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Pieces, frames and notes of each `source/split`."""
    counts: dict[str, dict[str, int]] = {}
    for p in pieces:
        count = counts.setdefault(f"{p['source']}/{p['split']}", {"pieces": 0, "frames": 0, "notes": 0})
        for field, n in (("pieces", 1), ("frames", p["length"]), ("notes", p["notes"][1])):
            count[field] += n
    return counts


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
