"""Transformer layers with rotary positions, an optional cache and optional low-rank adapters."""

from collections.abc import Mapping

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
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


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
        """x (batch, length, width); mask True where attention is allowed; past and present are keys and values."""
        b, t, width = x.shape
        qkv = adapted(x, self.qkv, "qkv", adapter).view(b, t, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = rotary(q, position), rotary(k, position)
        if past is not None:
            k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        y = y.transpose(1, 2).reshape(b, t, width)
        return adapted(y, self.output, "output", adapter), (k, v)


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
        """One block over x (batch, length, width); returns the new x and the present keys and values."""
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
