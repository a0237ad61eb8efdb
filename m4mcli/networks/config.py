"""Sizes of the foundation, apart from its code, so that recipes can be read without torch."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Alignment = Literal["none", "aligned", "self", "cross"]
"""How what is given reaches what is written: not at all, or in one of the three forms of function alignment."""


@dataclass(frozen=True)
class FoundationConfig:
    """Sizes of the network. `width` of the global part, `note_width` of the note decoder, `circle` channels."""

    width: int = 192
    layers: int = 3
    heads: int = 6
    encoder_layers: int = 4
    note_width: int = 192
    note_layers: int = 2
    circle: int = 40
    cross_rank: int = 64
    dropout: float = 0.1
    alignment: Alignment = "aligned"

    def as_dict(self) -> dict[str, Any]:
        """The sizes as plain values, for a checkpoint."""
        return asdict(self)
