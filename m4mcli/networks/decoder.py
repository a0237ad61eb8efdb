"""The causal transformer over tokens: GPT-2 (A. Radford et al., 2019), MMT (H.-W. Dong et al., 2023) and their kin."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m4mcli.networks.config import DecoderConfig
from m4mcli.networks.layers import NEVER, behind, initialise, rotary
from m4mcli.networks.token_network import Embedding, Heads, TokenNetwork

BLOCK = 128
"""Queries at a time, where attention is computed in blocks."""


class CachedAttention(nn.Module):
    """Causal self-attention that reads a window, or some rows behind those of a cache."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        inner = config.heads * config.size
        self.config = config
        self.qkv = nn.Linear(config.width, 3 * inner, bias=config.bias)
        self.output = nn.Linear(inner, config.width, bias=config.bias)
        if config.positions == "alibi":
            slopes = 2.0 ** (-8.0 * torch.arange(1, config.heads + 1) / config.heads)
            self.register_buffer("slopes", slopes[:, None, None], persistent=False)

    def _split(self, x: Tensor, position: Tensor, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
        c, (b, t, _) = self.config, x.shape
        parts = self.qkv(x).view(b, t, 3, c.heads, c.size)
        if scale != 1.0:
            parts = parts * torch.tensor([scale, 1.0, 1.0])[:, None, None]
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        if c.positions == "rotary":
            q, k = rotary(q, position), rotary(k, position)
        return q, k, v

    def _joined(self, y: Tensor) -> Tensor:
        out: Tensor = self.output(y.transpose(1, 2).flatten(2))
        return out

    def _penalty(self, query: Tensor, key: Tensor, allowed: Tensor) -> Tensor:
        """What is added to the scores (heads or 1, queries, keys), from positions and whether the key may be seen."""
        closed = torch.where(allowed, 0.0, NEVER)
        if self.config.positions != "alibi":
            return closed[None]
        return closed - self.get_buffer("slopes") * (query[:, None] - key[None]).float()

    def forward(self, x: Tensor) -> Tensor:
        """A whole window x (batch, length, width)."""
        place = torch.arange(x.shape[1], device=x.device)
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            return self._joined(self._in_blocks(*self._split(x, place[None], self.config.size**-0.5)))
        q, k, v = self._split(x, place[None])
        if self.config.positions != "alibi":
            return self._joined(F.scaled_dot_product_attention(q, k, v, is_causal=True))
        penalty = self._penalty(place, place, place[:, None] >= place[None]).to(q.dtype)
        return self._joined(F.scaled_dot_product_attention(q, k, v, attn_mask=penalty))

    def _in_blocks(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention with some queries at a time, each block over the keys before its end.

        In bfloat16 on a processor products of matrices are so much faster than the fused kernel that this takes half
        its time.
        """
        found = []
        for start in range(0, q.shape[2], BLOCK):
            stop = min(start + BLOCK, q.shape[2])
            key = torch.arange(stop)
            query = key[start:]
            scores = q[:, :, start:stop] @ k[:, :, :stop].transpose(2, 3)
            scores = scores + self._penalty(query, key, query[:, None] >= key[None]).to(scores.dtype)
            found.append(torch.softmax(scores, dim=-1, dtype=scores.dtype) @ v[:, :, :stop])
        return torch.cat(found, dim=2)

    def step(self, x: Tensor, length: Tensor, past: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Rows x (batch, rows, width) behind the first `length` of the cached keys and values; and their own.

        The cache is longer than what it holds: see `behind`.
        """
        now = length + torch.arange(x.shape[1], device=x.device)
        then = torch.arange(past[1].shape[2], device=x.device)
        q, k, v = self._split(x, now[None])
        k = k.transpose(2, 3)
        known = (then < length)[None].expand(now.shape[0], -1)
        allowed = torch.cat((known, now[:, None] >= now[None]), dim=1)
        return self._joined(behind(q, (k, v), past, self._penalty(now, torch.cat((then, now)), allowed))), k, v


class DecoderBlock(nn.Module):
    """Attention and a perceptron, each behind a norm and beside a residual."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.norm_attention, self.norm_feed = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.attention = CachedAttention(config)
        inner = config.feed or 4 * config.width
        self.wide, self.narrow = nn.Linear(config.width, inner), nn.Linear(inner, config.width)
        self.gate = nn.Linear(config.width, inner) if config.gated else None
        self.dropout = nn.Dropout(config.dropout)

    def _rest(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.dropout(attended)
        y = self.norm_feed(x)
        inner = F.gelu(self.wide(y)) if self.gate is None else F.silu(self.gate(y)) * self.wide(y)
        out: Tensor = x + self.dropout(self.narrow(inner))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """A whole window x (batch, length, width)."""
        return self._rest(x, self.attention(self.norm_attention(x)))

    def step(self, x: Tensor, length: Tensor, past: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Rows behind those of a cache, and their own keys and values."""
        y, k, v = self.attention.step(self.norm_attention(x), length, past)
        return self._rest(x, y), k, v


class Columns(nn.Module):
    """The ids of a row told one after another: a small transformer over the row's hidden state and its ids so far.

    As in the event models of SkyTNT's midi-model (2024): one network over events, one over the tokens of an event.
    """

    def __init__(self, config: DecoderConfig, sizes: Sequence[int]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, config.width) for n in sizes[:-1])
        own = replace(config, feed=config.column_feed or config.feed)
        self.blocks = nn.ModuleList(DecoderBlock(own) for _ in range(config.column_layers))
        self.norm = nn.LayerNorm(config.width)
        self.heads = Heads(config.width, sizes)

    def forward(self, hidden: Tensor, following: Tensor) -> list[Tensor]:
        """hidden (batch, length, width), following (batch, length, columns) -> logits of each column."""
        told = [table(following[..., i].clamp(min=0)) for i, table in enumerate(self.tables)]
        x = torch.stack([hidden, *told], dim=2)
        wide = x.shape
        x = x.flatten(0, 1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x).view(wide)
        return [head(x[:, :, i]) for i, head in enumerate(self.heads.columns)]


class Decoder(TokenNetwork):
    """Rows in, logits of the next row out; the columns told at once, or one after another (`column_layers`)."""

    config: DecoderConfig

    def __init__(self, config: DecoderConfig, sizes: Sequence[int]) -> None:
        super().__init__(config, sizes)
        self.embedding = Embedding(sizes, config.width)
        self.position = nn.Embedding(config.context, config.width) if config.positions == "learned" else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.told = Columns(config, sizes) if config.column_layers else Heads(config.width, sizes)
        initialise(self)

    @property
    def chained(self) -> bool:
        """Whether a column's logits depend on the row's ids in the columns before."""
        return self.config.column_layers > 0

    def _embedded(self, rows: Tensor, position: Tensor) -> Tensor:
        x: Tensor = self.embedding(rows)
        if self.position is not None:
            x = x + self.position(position)
        return self.dropout(x)  # type: ignore[no-any-return]

    def hidden(self, rows: Tensor) -> Tensor:
        """Rows (batch, length, columns) -> (batch, length, width)."""
        x = self._embedded(rows, torch.arange(rows.shape[1], device=rows.device))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)  # type: ignore[no-any-return]

    def heads(self, hidden: Tensor, following: Tensor) -> list[Tensor]:
        """Logits of each column of the rows that follow."""
        if isinstance(self.told, Columns):
            return self.told(hidden, following)  # type: ignore[no-any-return]
        return self.told(hidden)  # type: ignore[no-any-return]

    def step(self, rows: Tensor, length: Tensor, past: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """As `hidden`, behind `length` cached rows; `past` has keys and values by layer."""
        x = self._embedded(rows, length + torch.arange(rows.shape[1], device=rows.device))
        present: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            x, k, v = block.step(x, length, past[2 * i : 2 * i + 2])  # type: ignore[operator]
            present += [k, v]
        return self.norm(x), present
