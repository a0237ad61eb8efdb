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


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of a causal transformer over tokens (kind `decoder`): GPT-2, MMT and their kin.

    `head_width` of each head (0: width / heads); `context` rows are the most it reads at once; `positions` are learnt,
    told as a penalty on distance (alibi), or turned into queries and keys (rotary); `bias`: the attention has biases.
    `column_layers` above 0: the ids of a row are told one after another by so many layers of their own.
    `feed` is the inner width of the perceptrons (0: 4 times the width), `column_feed` that of the column layers (0: as
    the others'); `gated`: each is multiplied by a second map under a SiLU, as Llama's are (arXiv 2002.05202).
    """

    kind: Literal["decoder"] = "decoder"
    width: int = 256
    layers: int = 4
    heads: int = 4
    head_width: int = 0
    context: int = 1024
    positions: Literal["learned", "alibi", "rotary"] = "learned"
    bias: bool = True
    column_layers: int = 0
    feed: int = 0
    column_feed: int = 0
    gated: bool = False
    dropout: float = 0.1

    @property
    def size(self) -> int:
        """Width of a head."""
        return self.head_width or self.width // self.heads

    def state(self) -> list[list[int]]:
        """Sizes of each layer's keys and values, for one piece; 0 for the axis that grows with the rows read."""
        return [[self.heads, self.size, 0], [self.heads, 0, self.size]] * self.layers

    def as_dict(self) -> dict[str, Any]:
        """The sizes as plain values, for a checkpoint."""
        return asdict(self)


@dataclass(frozen=True)
class RecurrentConfig:
    """Sizes of an LSTM over tokens (kind `recurrent`), as folk-rnn is one. It reads any length."""

    kind: Literal["recurrent"] = "recurrent"
    width: int = 512
    layers: int = 3
    dropout: float = 0.5
    context: int = 0

    def state(self) -> list[list[int]]:
        """Sizes of what is carried from row to row, for one piece."""
        return [[self.layers, self.width]] * 2

    def as_dict(self) -> dict[str, Any]:
        """The sizes as plain values, for a checkpoint."""
        return asdict(self)


@dataclass(frozen=True)
class LatentConfig:
    """Sizes of a variational autoencoder over melodies (kind `latent`), as MusicVAE is one.

    `events` are read and written, `latent` numbers tell them. `segments` above 1: a conductor of `conductor_layers`
    layers of `conductor_width` tells each segment in `guide` numbers, and the decoder begins anew with each: with
    a map of them, or if `guide` is 0 with as many numbers as it carries. The conductor reads `conductor_input` zeros.
    """

    kind: Literal["latent"] = "latent"
    events: int = 32
    latent: int = 256
    encoder_width: int = 512
    encoder_layers: int = 1
    width: int = 256
    layers: int = 2
    segments: int = 1
    conductor_width: int = 1024
    conductor_layers: int = 2
    conductor_input: int = 1
    guide: int = 512

    @property
    def told(self) -> int:
        """Numbers that guide the decoder."""
        if self.segments == 1:
            return self.latent
        return self.guide or 2 * self.layers * self.width

    def as_dict(self) -> dict[str, Any]:
        """The sizes as plain values, for a checkpoint."""
        return asdict(self)


TokenConfig = DecoderConfig | RecurrentConfig
NetworkConfig = FoundationConfig | TokenConfig | LatentConfig
KINDS: dict[str, type[TokenConfig | LatentConfig]] = {
    "decoder": DecoderConfig,
    "recurrent": RecurrentConfig,
    "latent": LatentConfig,
}
"""The kinds of network by name; the foundation has no kind."""


def read_config(values: dict[str, Any]) -> NetworkConfig:
    """The sizes that a checkpoint tells. Raises TypeError or KeyError where they are of no network."""
    kind: type[NetworkConfig] = KINDS[values["kind"]] if "kind" in values else FoundationConfig
    return kind(**values)
