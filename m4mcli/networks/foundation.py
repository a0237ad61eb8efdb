"""The network behind every task: frames in, the next frame's notes out (arXiv 2506.15548, with changes).

    notes of frame t-1 --sum of note vectors--+
    metre of frame t -------------------------+--> global causal decoder --> h[t] --> note decoder --> notes of frame t
    harmony pictures of frame t --circle------+                                           |
    reference (aligned encoder, prefix, cross attention) --+       pitch-class logits <---+-- circle

A frame's vector is a sum over its notes, so it depends neither on their order nor on padding. The note decoder's state
is a sum over the notes already written in the frame, so it needs no cache. Pitch classes get their logits from the
canonical key *and* from a path that is equivariant to transposition.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m4mcli.frames.fields import SIZES, UNKNOWN_METRE
from m4mcli.frames.harmony import FEATURES
from m4mcli.networks.config import FoundationConfig
from m4mcli.networks.layers import Adapter, Block, CircleLinear, Residual, initialise, summed

TARGET, REFERENCE = 0, 1
"""Streams: what is written, and what is given."""


class NoteEmbedding(nn.Module):
    """A note's fields to a vector: sum of one embedding per field, then one hidden layer."""

    def __init__(self, fields: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.fields = nn.ModuleList(nn.Embedding(n, width) for n in fields)
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.narrow = nn.Linear(width, width)

    def forward(self, rows: Tensor) -> Tensor:
        """rows (..., fields) of values >= 0 -> (..., width)."""
        y: Tensor = self.narrow(F.gelu(self.norm(summed(self.fields, rows))))
        return y


class Foundation(nn.Module):
    """Global decoder over frames, reference encoder, note decoder."""

    def __init__(self, config: FoundationConfig) -> None:
        super().__init__()
        self.config = c = config
        self.note = NoteEmbedding((*SIZES, 2), c.width)
        self.start = nn.Parameter(torch.zeros(c.width))
        self.hidden_history = nn.Parameter(torch.zeros(c.width))
        self.metre = nn.ModuleList(nn.Embedding(UNKNOWN_METRE + 1, c.width) for _ in range(3))
        self.stream = nn.Embedding(2, c.width)
        self.circle = nn.ModuleList((CircleLinear(FEATURES, c.circle), CircleLinear(c.circle, c.circle)))
        self.from_circle = nn.Linear(12 * c.circle, c.width)
        rank = c.cross_rank if c.alignment == "cross" else 0
        self.blocks = nn.ModuleList(Block(c.width, c.heads, c.dropout, rank) for _ in range(c.layers))
        self.norm = nn.RMSNorm(c.width, eps=1e-6)
        if c.alignment == "aligned":
            self.encoder = nn.ModuleList(Block(c.width, c.heads, c.dropout) for _ in range(c.encoder_layers))
            self.encoder_norm = nn.RMSNorm(c.width, eps=1e-6)
            self.inject = nn.Linear(2 * c.width, c.width, bias=False)
        self.decoder = NoteDecoder(c)
        self.dropout = nn.Dropout(c.dropout)
        initialise(self)

    def metre_vectors(self, metre: Tensor) -> Tensor:
        """metre (batch, length, 3) -> (batch, length, width)."""
        return summed(self.metre, metre)

    def circles(self, harmony: Tensor) -> Tensor:
        """harmony (batch, length, 12, FEATURES) -> (batch, length, 12, circle), turning with the music."""
        first, second = self.circle
        y: Tensor = F.gelu(second(F.gelu(first(harmony))))
        return y

    def encode(self, frames: Tensor, metre: Tensor, position: Tensor, mask: Tensor | None) -> Tensor:
        """Reference vectors (batch, length, width) of the aligned form, from frame vectors of the reference.

        `mask` (batch, 1, 1, length) is False on padding.
        """
        x = self.dropout(frames + self.metre_vectors(metre))
        for block in self.encoder:
            x, _ = block(x, position, mask)
        y: Tensor = self.encoder_norm(x)
        return y

    def injected(self, reference: Tensor, before: Tensor) -> Tensor:
        """What the reference adds at frame t: from its vectors at t and at t - 1, so that a repeat can be matched."""
        y: Tensor = self.inject(torch.cat((reference, before), dim=-1))
        return y

    def run(
        self,
        x: Tensor,
        position: Tensor,
        mask: Tensor | None,
        past: list[tuple[Tensor, Tensor]] | None = None,
        adapters: list[Adapter] | None = None,
        memory: list[tuple[Tensor, Tensor]] | None = None,
        memory_mask: Tensor | None = None,
        causal: bool = False,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]], list[Tensor]]:
        """The global decoder: hidden states, keys and values of x, and each layer's input.

        With a `past` the mask is what m4mcli.networks.layers.behind adds to the scores.
        """
        x = self.dropout(x)
        present, inputs = [], []
        for i, block in enumerate(self.blocks):
            inputs.append(x)
            x, kv = block(
                x,
                position,
                mask,
                past[i] if past else None,
                adapters[i] if adapters else None,
                memory[i] if memory else None,
                memory_mask,
                causal,
            )
            present.append(kv)
        return self.norm(x), present, inputs

    def memory(self, inputs: list[Tensor], position: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of a reference run for each layer's cross attention."""
        return [block.cross.memory(x, position) for block, x in zip(self.blocks, inputs, strict=True)]  # type: ignore[union-attr,operator]


class NoteDecoder(nn.Module):
    """From a frame's hidden state to its notes, field by field: instrument or END, tone, octave, duration."""

    def __init__(self, c: FoundationConfig) -> None:
        super().__init__()
        w = c.note_width
        self.enter = nn.Linear(c.width, w)
        self.note = NoteEmbedding(SIZES, w)
        self.trunk = nn.ModuleList(Residual(w) for _ in range(c.note_layers))
        self.chosen = nn.ModuleList(nn.Embedding(n, w) for n in SIZES[:3])
        self.hidden = nn.ModuleList(Residual(w) for _ in SIZES)
        self.norms = nn.ModuleList(nn.RMSNorm(w, eps=1e-6) for _ in SIZES)
        self.heads = nn.ModuleList(nn.Linear(w, n) for n in SIZES)
        self.circle = CircleLinear(c.circle + 3, c.circle)
        self.to_circle = nn.Linear(w, c.circle)
        self.tone = nn.Linear(c.circle, 1)

    def state(self, hidden: Tensor, written: Tensor) -> Tensor:
        """hidden (..., width) and the sum of the vectors of the notes written so far (..., note_width) -> state."""
        x: Tensor = self.enter(hidden) + written
        for block in self.trunk:
            x = block(x)
        return x

    def field(self, state: Tensor, index: int) -> Tensor:
        """Logits of one field from the state with the fields chosen before it added."""
        y: Tensor = self.heads[index](self.norms[index](self.hidden[index](state)))
        return y

    def picked(self, values: Tensor) -> Tensor:
        """Vectors (rows, n, note_width) of the first n fields of a note, values (rows, n); zeros for -1."""
        tables = [table.weight for table in self.chosen[: values.shape[1]] if isinstance(table, nn.Embedding)]
        nothing = torch.zeros_like(tables[0][:1])
        starts = [1 + sum(len(t) + 1 for t in tables[:i]) for i in range(len(tables))]
        rows = values + torch.tensor(starts, device=values.device)
        return F.embedding(rows, torch.cat([part for table in tables for part in (nothing, table)]))

    def tone_circle(self, state: Tensor, circles: Tensor, classes: Tensor) -> Tensor:
        """Equivariant logits (rows, 12) of the pitch class.

        circles (rows, 12, circle) of the frame; classes (rows, 12, 3): written so far, last written, first written.
        """
        x = self.circle(torch.cat((circles, classes), dim=-1)) + self.to_circle(state)[..., None, :]
        y: Tensor = self.tone(F.gelu(x)).squeeze(-1)
        return y

    def tone_logits(self, state: Tensor, circles: Tensor, classes: Tensor) -> Tensor:
        """Logits of the tone field: the canonical head's, and the circle's on the 12 pitch classes."""
        circle = self.tone_circle(state, circles, classes)
        return self.field(state, 1) + F.pad(circle, (0, SIZES[1] - 12))
