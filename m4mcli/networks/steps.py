"""The network as the step functions that generation calls: what is exported to ONNX, and runs in torch for comparison.

    encoder     reference frames of a window           -> what the reference adds to each frame (aligned form),
                                                          or keys and values for each layer (cross form)
    frame_step  frames, past keys and values           -> hidden states, circles, present keys and values
    note_step   hidden state, circle, what is written  -> logits of the four fields of the next note

In the self form frame_step reads the reference first, as frames of the stream REFERENCE, and the target behind them.

Inputs are padded where training is packed; both give the same numbers. B pieces, F frames, S note slots, T past frames.
"""

import torch
from torch import Tensor, nn

from m4mcli.networks.adapter import layered
from m4mcli.networks.foundation import REFERENCE, TARGET, Foundation

FRAME, START, HIDDEN = 0, 1, 2
"""What a frame input is: the notes given, the start of the music, or a frame that is not told."""


def padded_vectors(model: Foundation, notes: Tensor) -> Tensor:
    """notes (B, F, S, 5), slots with instrument -1 empty -> frame vectors (B, F, width)."""
    used = (notes[..., :1] >= 0).to(torch.float32)
    vectors: Tensor = (model.note(notes.clamp(min=0)) * used).sum(-2)
    return vectors


def paired(tensors: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of each layer in turn, as pairs."""
    return [(tensors[i], tensors[i + 1]) for i in range(0, len(tensors), 2)]


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


class MemoryStep(nn.Module):
    """The reference's run in the cross form."""

    def __init__(self, model: Foundation) -> None:
        super().__init__()
        self.model = model

    def forward(self, notes: Tensor, metre: Tensor, position: Tensor, adapter: list[Tensor]) -> tuple[Tensor, ...]:
        """notes (B, F, S, 5), metre (B, F, 3), position (B, F) -> keys and values (B, heads, F, size) of each layer.

        adapter: low-rank pairs as `m4mcli.networks.adapter.tensor_names` orders them, or nothing.
        """
        m = self.model
        x = padded_vectors(m, notes) + m.metre_vectors(metre) + m.stream.weight[REFERENCE]
        count = notes.shape[1]
        order = torch.arange(count, device=x.device)
        _, _, inputs = m.run(x, position, order[None, :] <= order[:, None], adapters=layered(adapter))
        return tuple(t for pair in m.memory(inputs, position) for t in pair)


class FrameStep(nn.Module):
    """Global decoder over new frames, given the past."""

    def __init__(self, model: Foundation) -> None:
        super().__init__()
        self.model = model

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
        memory: list[Tensor],
        adapter: list[Tensor],
    ) -> tuple[Tensor, ...]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), then present keys and values of each layer.

        notes (B, F, S, 5) of the frame *before* each position, or in the stream REFERENCE at it; kind (B, F) of FRAME,
        START, HIDDEN; stream (B, F) of TARGET, REFERENCE; metre (B, F, 3); harmony (B, F, 12, FEATURES); position
        (B, F); reference (B, F, width) from the encoder, zeros where there is none; past: keys and values
        (B, heads, T, size) of each layer in turn; memory: those of the reference, or nothing; adapter: as MemoryStep.
        """
        m = self.model
        vectors = padded_vectors(m, notes)
        vectors = torch.where((kind == START)[..., None], m.start, vectors)
        vectors = torch.where((kind == HIDDEN)[..., None], m.hidden_history, vectors)
        circles = m.circles(harmony)
        x = vectors + m.metre_vectors(metre) + m.stream(stream) + reference
        x = x + m.from_circle(circles.flatten(-2)) * (stream == TARGET)[..., None]
        before, new = past[0].shape[2], notes.shape[1]
        rows = torch.arange(new, device=x.device)[:, None] + before
        mask = torch.arange(before + new, device=x.device)[None, :] <= rows
        hidden, present, _ = m.run(
            x, position, mask, paired(past), layered(adapter), paired(memory) if memory else None
        )
        return (hidden, circles, *[t for pair in present for t in pair])


class NoteStep(nn.Module):
    """Note decoder: all four fields' logits, each from the fields that are chosen already."""

    def __init__(self, model: Foundation) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(
        self, hidden: Tensor, circles: Tensor, notes: Tensor, chosen: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of instrument (B, 130), tone (B, 140), octave (B, 11), duration (B, 16).

        hidden (B, 1, width), circles (B, 12, circle), notes (B, K, 4) written in this frame (instrument -1: empty
        slot), chosen (B, 3) instrument, tone, octave of the note being written (-1: not yet), classes (B, 12, 3).
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


__all__ = ["FRAME", "HIDDEN", "REFERENCE", "START", "TARGET", "EncoderStep", "FrameStep", "MemoryStep", "NoteStep"]
