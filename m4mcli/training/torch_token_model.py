"""The step functions of a network over tokens computed by torch: the peer of its exported graphs."""

import torch

from m4mcli.models.network import Floats, Integers
from m4mcli.models.token_model import TokenModel
from m4mcli.networks.token_network import ColumnStep, RowStep, TokenNetwork


class TorchTokenModel(TokenModel):
    """A TokenModel over a torch module, in eager mode."""

    def __init__(self, network: TokenNetwork) -> None:
        config = network.config
        super().__init__(network.sizes, config.context, config.state(), network.chained)
        self._rows, self._columns = RowStep(network.eval()), ColumnStep(network.eval())

    @torch.no_grad()
    def run(self, rows: Integers, length: Integers, past: list[Floats]) -> list[Floats]:
        """Outputs of a step: see TokenModel."""
        given = [torch.from_numpy(p) for p in past]
        return [x.numpy() for x in self._rows(torch.from_numpy(rows), torch.from_numpy(length), given)]

    @torch.no_grad()
    def run_columns(self, hidden: Floats, chosen: Integers) -> list[Floats]:
        """Logits of the columns."""
        return [x.numpy() for x in self._columns(torch.from_numpy(hidden), torch.from_numpy(chosen))]
