"""Transformer layers with rotary positions, an optional cache and optional low-rank adapters."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CROSS_HEADS = 4
"""Heads of the attention to a reference."""

Adapter = Mapping[str, tuple[Tensor, Tensor]]
"""Low-rank additions by the name of the linear they belong to: a (inputs, rank), b (rank, outputs)."""


def adapted(x: Tensor, linear: nn.Linear, name: str, adapter: Adapter | None) -> Tensor:
    """`linear(x)` plus the adapter's low-rank term of that name, where there is one (LoRA, arXiv 2106.09685)."""
    y: Tensor = linear(x)
    if adapter is not None and name in adapter:
        a, b = adapter[name]
        y = y + (x @ a) @ b
    return y


def rotary(x: Tensor, position: Tensor) -> Tensor:
    """Rotary positions (arXiv 2104.09864): x (batch, heads, length, size) turned by position (batch, length)."""
    half = x.shape[-1] // 2
    speed = torch.exp(torch.arange(half, device=x.device, dtype=torch.float32) * (-9.21034 / half))
    angle = position[:, None, :, None].float() * speed
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return x * torch.cat((cos, cos), dim=-1) + torch.cat((b, a), dim=-1) * torch.cat((-sin, sin), dim=-1)


def summed(tables: nn.ModuleList, rows: Tensor) -> Tensor:
    """The sum of a row's values as vectors, a table for each: rows (..., fields) of values >= 0 -> (..., width)."""
    weights = [table.weight for table in tables if isinstance(table, nn.Embedding)]
    firsts = [sum(len(w) for w in weights[:i]) for i in range(len(weights))]
    # One look-up for all: each costs more to ask for than to make.
    return F.embedding(rows + torch.tensor(firsts, device=rows.device), torch.cat(weights)).sum(-2)


def initialise(module: nn.Module) -> None:
    """Fan-in initialisation; what adds to the residual stream starts at half of it."""
    for name, child in module.named_modules():
        if isinstance(child, nn.Linear):
            gain = 0.5 if name.endswith(("output", "narrow")) else 1.0
            nn.init.normal_(child.weight, std=gain * child.in_features**-0.5)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
        elif isinstance(child, nn.Embedding):
            nn.init.normal_(child.weight, std=0.3)


NEVER = -1e9
"""A score that no attention is left of."""


def behind(q: Tensor, kv: tuple[Tensor, Tensor], past: Sequence[Tensor], penalty: Tensor) -> Tensor:
    """Attention of rows to those before them in a cache, and to each other: (batch, heads, rows, size).

    q (batch, heads, rows, size), and as the products want them keys (batch, heads, size, n) and values (batch, heads,
    n, size), of the rows themselves and of the cache's room. Neither is copied. What is added to the scores closes what
    a row may not see; it is (rows, room + rows), or has an axis of heads before these.
    """
    room = past[1].shape[2]
    # Scaled here and not at a product, into which ONNX Runtime would draw it: its kernel for one row has no scale.
    scores = torch.cat((q @ past[0], q @ kv[0]), dim=-1) * q.shape[-1] ** -0.5
    p = torch.softmax(scores + penalty, dim=-1)
    return p[..., :room] @ past[1] + p[..., room:] @ kv[1]


class Attention(nn.Module):
    """Multi-head attention of one stream to itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        mask: Tensor | None,
        past: tuple[Tensor, Tensor] | None = None,
        adapter: Adapter | None = None,
        causal: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (batch, length, width); the keys and values of x are given back, as `behind` takes them.

        `mask` is True where attention is allowed; with a `past`, the mask is what `behind` adds.
        """
        b, t, width = x.shape
        qkv = adapted(x, self.qkv, "qkv", adapter).view(b, t, 3 * self.heads, width // self.heads).transpose(1, 2)
        qk, v = torch.split(qkv, [2 * self.heads, self.heads], dim=1)
        q, k = rotary(qk, position).chunk(2, dim=1)
        kv = k.transpose(2, 3), v
        if past is None or mask is None:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        else:
            y = behind(q, kv, past, mask)
        y = y.transpose(1, 2).reshape(b, t, width)
        return adapted(y, self.output, "output", adapter), kv


class CrossAttention(nn.Module):
    """Low-rank attention of the target to the reference run of the same network; the gate starts at zero."""

    def __init__(self, width: int, rank: int, heads: int) -> None:
        super().__init__()
        self.heads, self.rank = heads, rank
        self.query = nn.Linear(width, rank, bias=False)
        self.key_value = nn.Linear(width, 2 * rank, bias=False)
        self.output = nn.Linear(rank, width, bias=False)
        self.gate = nn.Parameter(torch.zeros(1))

    def memory(self, reference: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (batch, heads, length, size) of the reference's hidden states (batch, length, width)."""
        b, t, _ = reference.shape
        k, v = self.key_value(reference).view(b, t, 2, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return rotary(k, position), v

    def forward(self, x: Tensor, position: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """x (batch, length, width); memory as `memory` gives it; mask True where the reference may be seen."""
        b, t, _ = x.shape
        q = rotary(self.query(x).view(b, t, self.heads, -1).transpose(1, 2), position)
        y = F.scaled_dot_product_attention(q, memory[0], memory[1], attn_mask=mask)
        out: Tensor = self.gate * self.output(y.transpose(1, 2).reshape(b, t, self.rank))
        return out


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, dropout: float, cross_rank: int = 0) -> None:
        super().__init__()
        self.norm_attention = nn.RMSNorm(width, eps=1e-6)
        self.attention = Attention(width, heads)
        self.norm_feed = nn.RMSNorm(width, eps=1e-6)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.cross = CrossAttention(width, cross_rank, CROSS_HEADS) if cross_rank else None

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        mask: Tensor | None = None,
        past: tuple[Tensor, Tensor] | None = None,
        adapter: Adapter | None = None,
        memory: tuple[Tensor, Tensor] | None = None,
        memory_mask: Tensor | None = None,
        causal: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One block over x (batch, length, width); returns the new x, and its keys and values."""
        y, present = self.attention(self.norm_attention(x), position, mask, past, adapter, causal)
        if self.cross is not None and memory is not None:
            y = y + self.cross(self.norm_attention(x), position, memory, memory_mask)
        x = x + self.dropout(y)
        y = adapted(F.gelu(adapted(self.norm_feed(x), self.wide, "wide", adapter)), self.narrow, "narrow", adapter)
        return x + self.dropout(y), present


class Residual(nn.Module):
    """Pre-norm two-layer perceptron with a residual connection."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., width) -> (..., width)."""
        y: Tensor = x + self.narrow(F.gelu(self.wide(self.norm(x))))
        return y


class CircleLinear(nn.Module):
    """A linear map over the circle of 12 pitch classes that turns with its input (a group convolution).

    (..., 12, inputs) -> (..., 12, outputs): every output class sees all classes by their interval from it.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(12 * inputs, outputs)
        turn = (torch.arange(12)[:, None] + torch.arange(12)[None, :]) % 12
        self.register_buffer("turn", turn.reshape(-1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., 12, inputs) -> (..., 12, outputs)."""
        turned = torch.index_select(x, -2, self.get_buffer("turn"))
        y: Tensor = self.linear(turned.reshape(*x.shape[:-2], 12, 12 * x.shape[-1]))
        return y
