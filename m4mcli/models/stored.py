"""The weights in an ONNX graph, read without the package onnx: only their names and places are looked at.

Source: onnx.proto of ONNX 1.18 (ModelProto.graph, GraphProto.initializer, TensorProto), and the encoding of protocol
buffers (protobuf.dev/programming-guides/encoding).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError

GRAPH, INITIALIZER = 7, 5
DIMS, KIND, NAME, RAW, EXTERNAL = 1, 2, 8, 9, 13
KINDS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 2: np.dtype("u1"), 7: np.dtype("<i8")}
"""Kinds of tensor that are read; those of others are left out."""


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies: `offset` bytes into a file, or into the graph itself."""

    file: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self) -> NDArray[Any]:
        """The tensor. Raises M4mError where the file does not hold it."""
        count = int(np.prod(self.shape, dtype=np.int64))
        try:
            found = np.fromfile(self.file, self.dtype, count, offset=self.offset)
        except OSError as e:
            raise M4mError(f"{self.file}: {e.strerror}", "install the model again") from e
        if len(found) != count:
            raise M4mError(f"{self.file}: too short", "install the model again")
        return found.reshape(self.shape)


def stored_tensors(graph: Path) -> dict[str, Stored]:
    """The tensors of a graph by name, in order. Raises M4mError for a file that is no graph."""
    data = graph.read_bytes()
    try:
        model = Message(data, 0, len(data))
        return {name: tensor for part in model.inner(GRAPH) for name, tensor in _tensors(part, graph)}
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as e:
        raise M4mError(f"{graph}: not a readable ONNX graph", "install the model again") from e


def _tensors(graph: "Message", path: Path) -> Iterator[tuple[str, Stored]]:
    for tensor in graph.inner(INITIALIZER):
        kind = KINDS.get(next(tensor.numbers(KIND), 0))
        name = next(tensor.texts(NAME), "")
        shape = tuple(tensor.numbers(DIMS))
        if kind is None:
            continue
        places = dict(_pair(entry) for entry in tensor.inner(EXTERNAL))
        if places:
            yield name, Stored(path.parent / Path(places["location"]).name, int(places["offset"]), shape, kind)
        for raw in tensor.inner(RAW):
            yield name, Stored(path, raw.start, shape, kind)


def _pair(entry: "Message") -> tuple[str, str]:
    return next(entry.texts(1), ""), next(entry.texts(2), "")


@dataclass(frozen=True)
class Message:
    """A message of a protocol buffer: the bytes from `start` to `stop`."""

    data: bytes
    start: int
    stop: int

    def fields(self) -> Iterator[tuple[int, int, int]]:
        """Number of each field and what it holds: (value, -1) of a number, else (start, stop)."""
        at = self.start
        while at < self.stop:
            key, at = _varint(self.data, at)
            number, wire = key >> 3, key & 7
            if wire == 0:
                value, at = _varint(self.data, at)
                yield number, value, -1
                continue
            size, at = _varint(self.data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            if at + size > self.stop:
                raise ValueError("a field longer than its message")
            yield number, at, at + size
            at += size

    def inner(self, wanted: int) -> Iterator["Message"]:
        """The fields of a number that are messages or bytes."""
        return (Message(self.data, start, stop) for number, start, stop in self.fields() if number == wanted)

    def texts(self, wanted: int) -> Iterator[str]:
        """The fields of a number that are texts."""
        return (self.data[part.start : part.stop].decode() for part in self.inner(wanted))

    def numbers(self, wanted: int) -> Iterator[int]:
        """The fields of a number that are whole numbers, one by one or packed."""
        for number, start, stop in self.fields():
            if number != wanted:
                continue
            if stop == -1:
                yield start
            while start < stop:
                value, start = _varint(self.data, start)
                yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
