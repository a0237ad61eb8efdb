"""A network from its sizes: the one place that knows which class computes which kind."""

from collections.abc import Sequence

from m4mcli.networks.config import DecoderConfig, TokenConfig
from m4mcli.networks.decoder import Decoder
from m4mcli.networks.recurrent import Recurrent
from m4mcli.networks.token_network import TokenNetwork


def token_network(config: TokenConfig, sizes: Sequence[int]) -> TokenNetwork:
    """The network over tokens of these sizes, its columns of `sizes` ids, with fresh weights."""
    return Decoder(config, sizes) if isinstance(config, DecoderConfig) else Recurrent(config, sizes)
