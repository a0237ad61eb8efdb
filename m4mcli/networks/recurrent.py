"""The LSTM over tokens: folk-rnn (B. Sturm et al., arXiv 1604.08723), three layers over one-hot symbols."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m4mcli.networks.config import RecurrentConfig
from m4mcli.networks.token_network import Heads, TokenNetwork

THROUGH = 4.0
"""What makes up for an input gate and an output gate that are half open."""


def gated(sums: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
    """Output and cell (..., width) of an LSTM's layer from the sums of its four gates (..., 4 * width)."""
    take, forget, new, give = sums.chunk(4, dim=-1)
    carried = forget.sigmoid() * carried + take.sigmoid() * new.tanh()
    return give.sigmoid() * carried.tanh(), carried


def cell(lstm: nn.LSTM, name: str, x: Tensor, output: Tensor, carried: Tensor) -> tuple[Tensor, Tensor]:
    """Output and cell of one layer of an LSTM (`l0`, `l0_reverse`) after one more input; all (..., width).

    Written out, so that the products are those of plain matrices and can be exported in 8 bits.
    """
    w, u, a, b = (getattr(lstm, f"{part}_{name}") for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    return gated(F.linear(x, w) + F.linear(output, u) + (a + b), carried)


class Recurrent(TokenNetwork):
    """Rows in, logits of the next row out; what is carried are each layer's two states."""

    config: RecurrentConfig

    def __init__(self, config: RecurrentConfig, sizes: Sequence[int]) -> None:
        super().__init__(config, sizes)
        between = config.dropout if config.layers > 1 else 0.0
        self.lstm = nn.LSTM(sum(sizes), config.width, config.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(config.dropout)
        self.told = Heads(config.width, sizes)
        self._initialise()

    def _initialise(self) -> None:
        """What comes in is as strong in the last layer as in the first, and cells keep what they hold.

        The usual start is by the number of inputs, of which one in hundreds is a symbol, and each layer's two half-open
        gates let a quarter through: with three layers, what is learnt for long is how often each symbol comes. Forget
        gates begin open (R. Jozefowicz et al., 2015).
        """
        for name, weight in self.lstm.named_parameters():
            if name.startswith("weight_hh"):
                for gate in weight.chunk(4):
                    nn.init.orthogonal_(gate)
            elif name.startswith("weight_ih"):
                first = name == "weight_ih_l0"
                nn.init.normal_(weight, std=len(self.sizes) ** -0.5 if first else THROUGH * self.config.width**-0.5)
            else:
                nn.init.zeros_(weight)
                if name.startswith("bias_ih"):
                    nn.init.ones_(weight.chunk(4)[1])

    def _one_hot(self, rows: Tensor) -> Tensor:
        places = [torch.arange(n, device=rows.device) for n in self.sizes]
        hot = [(rows[..., i, None] == place) for i, place in enumerate(places)]
        return torch.cat(hot, dim=-1).float()

    def hidden(self, rows: Tensor) -> Tensor:
        """Rows (batch, length, columns) -> (batch, length, width)."""
        return self.dropout(self.lstm(self._one_hot(rows))[0])  # type: ignore[no-any-return]

    def heads(self, hidden: Tensor, following: Tensor) -> list[Tensor]:
        """Logits of each column of the rows that follow."""
        return self.told(hidden)  # type: ignore[no-any-return]

    def step(self, rows: Tensor, length: Tensor, past: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """One row behind those of the state: `past` are outputs and cells (batch, layers, width)."""
        x = self._one_hot(rows)
        outputs, cells = [], []
        for layer in range(self.config.layers):
            before = [array[:, layer : layer + 1] for array in past]
            x, carried = cell(self.lstm, f"l{layer}", x, *before)
            outputs.append(x)
            cells.append(carried)
        return x, [torch.cat(outputs, dim=1), torch.cat(cells, dim=1)]
