"""Many pieces of tokens in one .npz file, written and read piece by piece.

In it: `ids.npy`, the ids of all pieces one after another (n,) or (n, columns), 32 bits; `starts.npy`, where each piece
begins in them, and their end; `pieces.jsonl`, for each piece a line of token JSON without its ids (with `lengths`
where its tracks are sequences of their own). `numpy.load` reads the arrays.
"""

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.tokens.scheme import Tokens
from m4mcli.tokens.token_form import tokens_from_json, tokens_head

COPIED = 1 << 20
HINT = "was it written by m4m tokenize --npz?"


class PackedWriter:
    """Takes pieces one by one and keeps them on disk; `finish` puts the archive together."""

    def __init__(self) -> None:
        self._ids = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as pieces come
        self._pieces = tempfile.TemporaryFile()  # noqa: SIM115
        self._starts = [0]
        self._columns = 0

    def add(self, tokens: Tokens, file: str) -> None:
        """One more piece."""
        self._columns = tokens.ids.shape[1] if tokens.ids.ndim > 1 else 0
        self._ids.write(np.ascontiguousarray(tokens.ids, "<i4").tobytes())
        self._starts.append(self._starts[-1] + len(tokens.ids))
        head = tokens_head(tokens, file)
        if tokens.lengths is not None:
            head["lengths"] = list(tokens.lengths)
        self._pieces.write((json.dumps(head, ensure_ascii=False) + "\n").encode())

    def finish(self, out: IO[bytes]) -> None:
        """Write the archive."""
        shape = (self._starts[-1], self._columns) if self._columns else (self._starts[-1],)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with _member(archive, "ids.npy") as member:
                header = {"descr": "<i4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(member, header)
                _copy(self._ids, member)
            with _member(archive, "starts.npy") as member:
                np.lib.format.write_array(member, np.array(self._starts, np.int64))
            with _member(archive, "pieces.jsonl") as member:
                _copy(self._pieces, member)

    def close(self) -> None:
        """Let go of what is on disk."""
        self._ids.close()
        self._pieces.close()


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    # Without the time of now: the same pieces are to give the same bytes, whenever they are written.
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return archive.open(info, "w", force_zip64=True)


def _copy(source: IO[bytes], out: IO[bytes]) -> None:
    source.seek(0)
    while part := source.read(COPIED):
        out.write(part)


def is_packed(data: bytes) -> bool:
    """Whether the bytes are such a file."""
    return data[:4] == b"PK\x03\x04"


def read_packed(data: bytes, name: str) -> Iterator[Tokens]:
    """The pieces of such a file, `name` is used in messages. Raises M4mError where it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            ids, starts = (np.load(io.BytesIO(archive.read(f"{n}.npy")), allow_pickle=False) for n in ("ids", "starts"))
            lines = archive.read("pieces.jsonl").decode().splitlines()
        _check(ids, starts, len(lines))
    # RuntimeError is what zipfile raises for a password, and for a compression that it does not know.
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, RuntimeError) as error:
        raise M4mError(f"{name}: not a packed token file", HINT) from error
    for line, start, stop in zip(lines, starts.tolist(), starts[1:].tolist(), strict=False):
        yield _piece(line, ids[start:stop].astype(np.int64), name)


def _check(ids: NDArray[Any], starts: NDArray[Any], pieces: int) -> None:
    whole = ids.dtype.kind in "iu" and ids.ndim in (1, 2) and starts.dtype.kind in "iu" and starts.ndim == 1
    if (
        not whole
        or len(starts) != pieces + 1
        or starts[0] != 0
        or starts[-1] != len(ids)
        or (np.diff(starts) < 0).any()
    ):
        raise ValueError("arrays that do not fit together")


def _piece(line: str, ids: NDArray[np.int64], name: str) -> Tokens:
    try:
        head = json.loads(line)
        lengths = head.pop("lengths", None)
    except (ValueError, AttributeError) as error:
        raise M4mError(f"{name}: not a packed token file", HINT) from error
    if lengths is None:
        head["ids"] = ids.tolist()
    else:
        stops = np.cumsum(lengths).tolist()
        head["sequences"] = [ids[stop - n : stop].tolist() for n, stop in zip(lengths, stops, strict=True)]
    (tokens,) = tokens_from_json(json.dumps(head).encode(), name, "")
    return tokens
