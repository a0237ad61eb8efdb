"""The network as the step functions that generation calls: what is exported to ONNX, and runs in torch for comparison.

    encoder     reference frames of a window           -> what the reference adds to each frame (aligned form),
                                                          or keys and values for each layer (cross form)
    frame_step  frames, keys and values before them    -> hidden states, circles, the frames' keys and values
    note_step   hidden state, circle, what is written  -> logits of the next note's instrument and tone, its state
    note_rest   that state, what is chosen             -> logits of its octave and duration

In the self form frame_step reads the reference first, as frames of the stream REFERENCE, and the target behind them.

Inputs are padded where training is packed; both give the same numbers. B pieces, F frames, S note slots.
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
        penalty: Tensor,
        past: list[Tensor],
        memory: list[Tensor],
        adapter: list[Tensor],
    ) -> tuple[Tensor, ...]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), then the frames' keys and values of each layer.

        notes (B, F, S, 5) of the frame *before* each position, or in the stream REFERENCE at it; kind (B, F) of FRAME,
        START, HIDDEN; stream (B, F) of TARGET, REFERENCE; metre (B, F, 3); harmony (B, F, 12, FEATURES); position
        (B, F); reference (B, F, width) from the encoder, zeros where there is none; penalty (F, room + F) closes what
        a frame may not see of past and new frames; past: keys (B, heads, size, room) and values (B, heads, room, size)
        of each layer in turn; memory: those of the reference, or nothing; adapter: as MemoryStep.
        """
        m = self.model
        vectors = padded_vectors(m, notes)
        vectors = torch.where((kind == START)[..., None], m.start, vectors)
        vectors = torch.where((kind == HIDDEN)[..., None], m.hidden_history, vectors)
        circles = m.circles(harmony)
        x = vectors + m.metre_vectors(metre) + m.stream(stream) + reference
        x = x + m.from_circle(circles.flatten(-2)) * (stream == TARGET)[..., None]
        hidden, own, _ = m.run(x, position, penalty, paired(past), layered(adapter), paired(memory) if memory else None)
        return (hidden, circles, *[t for pair in own for t in pair])


class NoteStep(nn.Module):
    """Note decoder: the logits of instrument and tone, and the state from which `NoteRest` goes on."""

    def __init__(self, model: Foundation) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(
        self, hidden: Tensor, circles: Tensor, notes: Tensor, chosen: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of instrument (B, 1, 130) and tone (B, 1, 140), state (B, 1, note_width).

        hidden (B, 1, width), circles (B, 12, circle), notes (B, K, 4) written in this frame (instrument -1: empty
        slot), chosen (B, 1) instrument for which the tone is asked (-1: none), classes (B, 12, 3).
        """
        d = self.decoder
        used = (notes[..., :1] >= 0).to(torch.float32)
        state = d.state(hidden, (d.note(notes.clamp(min=0)) * used).sum(-2, keepdim=True))
        tone = d.tone_logits(state + d.picked(chosen), circles[:, None], classes[:, None])
        return d.field(state, 0), tone, state


class NoteRest(nn.Module):
    """Note decoder: the logits of octave and duration."""

    def __init__(self, model: Foundation) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(self, state: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of octave (B, 1, 11) and duration (B, 1, 16).

        state (B, 1, note_width) of the note, chosen (B, 3) instrument, tone, octave (-1: not yet, for the octave).
        """
        d = self.decoder
        instrument, tone, octave = torch.split(d.picked(chosen), 1, dim=1)
        state = state + instrument + tone
        return d.field(state, 2), d.field(state + octave, 3)


__all__ = [
    "FRAME",
    "HIDDEN",
    "REFERENCE",
    "START",
    "TARGET",
    "EncoderStep",
    "FrameStep",
    "MemoryStep",
    "NoteRest",
    "NoteStep",
]
