"""The network as the step functions that generation calls: what is exported to ONNX, and runs in torch for comparison.

    encoder     reference frames of a window              -> what the reference adds to each frame (aligned form)
    frame_step  frames, past keys and values              -> hidden state and circle of each frame, present keys and values
    note_step   hidden state, circle, what is written     -> logits of the four fields of the next note

Inputs are padded where training is packed; both give the same numbers. B pieces, F frames, S note slots, T past frames.
"""

import torch
from torch import Tensor, nn

from m4mcli.networks.foundation import REFERENCE, TARGET, Foundation
from m4mcli.networks.layers import Adapter

FRAME, START, HIDDEN = 0, 1, 2
"""What a frame input is: the notes given, the start of the music, or a frame that is not told."""


def padded_vectors(model: Foundation, notes: Tensor) -> Tensor:
    """notes (B, F, S, 5), slots with instrument -1 empty -> frame vectors (B, F, width)."""
    used = (notes[..., :1] >= 0).to(torch.float32)
    return (model.note(notes.clamp(min=0)) * used).sum(-2)


class EncoderStep(nn.Module):
    """Aligned reference encoder of one window."""

    def __init__(self, model: Foundation) -> None:
        super().__init__()
        self.model = model

    def forward(self, notes: Tensor, metre: Tensor, position: Tensor) -> Tensor:
        """notes (B, F, S, 5), metre (B, F, 3), position (B, F) -> (B, F, width) to add to the target's frames."""
        x = self.model.encode(padded_vectors(self.model, notes), metre, position, None)
        before = torch.cat((torch.zeros_like(x[:, :1]), x[:, :-1]), dim=1)
        return self.model.injected(x, before)


class FrameStep(nn.Module):
    """Global decoder over new frames, given the past."""

    def __init__(self, model: Foundation, adapter_names: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.model = model
        self.adapter_names = adapter_names

    def adapters(self, tensors: tuple[Tensor, ...]) -> list[Adapter] | None:
        """Low-rank pairs per layer, from a flat tuple in the order layer, name, (a, b)."""
        if not self.adapter_names:
            return None
        pairs = [(tensors[i], tensors[i + 1]) for i in range(0, len(tensors), 2)]
        n = len(self.adapter_names)
        return [
            dict(zip(self.adapter_names, pairs[i * n : (i + 1) * n], strict=True))
            for i in range(len(self.model.blocks))
        ]

    def forward(
        self,
        notes: Tensor,
        kind: Tensor,
        stream: Tensor,
        metre: Tensor,
        harmony: Tensor,
        position: Tensor,
        reference: Tensor,
        past: list[Tensor],
        adapter: list[Tensor],
    ) -> tuple[Tensor, ...]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), then present keys and values of each layer.

        notes (B, F, S, 5) of the frame *before* each position; kind (B, F) of FRAME, START, HIDDEN; stream (B, F) of TARGET,
        REFERENCE; metre (B, F, 3); harmony (B, F, 12, FEATURES); position (B, F); reference (B, F, width) from the encoder,
        zeros where there is none; past: keys and values (B, heads, T, size) of each layer in turn.
        """
        m = self.model
        vectors = padded_vectors(m, notes)
        vectors = torch.where((kind == START)[..., None], m.start, vectors)
        vectors = torch.where((kind == HIDDEN)[..., None], m.hidden_history, vectors)
        circles = m.circles(harmony)
        x = vectors + m.metre_vectors(metre) + m.stream(stream) + reference
        x = x + m.from_circle(circles.flatten(-2)) * (stream == TARGET)[..., None]
        pairs = [(past[i], past[i + 1]) for i in range(0, len(past), 2)]
        before, new = past[0].shape[2], notes.shape[1]
        rows = torch.arange(new, device=x.device)[:, None] + before
        mask = torch.arange(before + new, device=x.device)[None, :] <= rows
        hidden, present, _ = m.run(x, position, mask, pairs, self.adapters(tuple(adapter)))
        return (hidden, circles, *[t for pair in present for t in pair])


class NoteStep(nn.Module):
    """Note decoder: all four fields' logits, each from the fields that are chosen already."""

    def __init__(self, model: Foundation) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(
        self, hidden: Tensor, circles: Tensor, notes: Tensor, chosen: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """hidden (B, 1, width), circles (B, 12, circle), notes (B, K, 4) written in this frame (instrument -1: empty slot),
        chosen (B, 3) instrument, tone, octave of the note being written (-1: not yet), classes (B, 12, 3).

        Returns logits of instrument (B, 130), tone (B, 140), octave (B, 11), duration (B, 16).
        """
        d = self.decoder
        used = (notes[..., :1] >= 0).to(torch.float32)
        written = (d.note(notes.clamp(min=0)) * used).sum(-2, keepdim=True)
        state = d.state(hidden, written)
        logits = [d.field(state, 0)]
        for i, table in enumerate(d.chosen):
            picked = chosen[:, i : i + 1]
            state = state + table(picked.clamp(min=0)) * (picked >= 0).to(torch.float32)[..., None]
            if i == 0:
                logits.append(d.tone_logits(state, circles[:, None], classes[:, None]))
            else:
                logits.append(d.field(state, i + 1))
        first, tone, octave, duration = (x.squeeze(1) for x in logits)
        return first, tone, octave, duration


__all__ = ["FRAME", "HIDDEN", "REFERENCE", "START", "TARGET", "EncoderStep", "FrameStep", "NoteStep"]
