"""What is exported: a trained network of some kind, its graphs, and how these are verified."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import onnx

Measured = dict[str, Any]


class Subject(ABC):
    """A network with the facts of its checkpoint."""

    facts: dict[str, Any]

    @property
    @abstractmethod
    def count(self) -> int:
        """How many pieces it is verified on."""

    @abstractmethod
    def traced(self, quiet: bool) -> dict[str, onnx.ModelProto]:
        """Its graphs in fp32, by name."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What model.json says of it."""

    @abstractmethod
    def verified(self, bits: int, folder: Path, out: Path) -> Measured:
        """How far the graphs in a folder are from torch. Raises M4mError, naming `out`, where it is too far."""

    @abstractmethod
    def add_shards(self, folder: Path, shard_bytes: int) -> None:
        """Write the weights for torch."""

    @abstractmethod
    def add_files(self, folder: Path) -> None:
        """Write what belongs to the graphs."""
