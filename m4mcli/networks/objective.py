"""Teacher-forced log likelihoods of a batch under the foundation, in any of its alignment forms."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from m4mcli.frames.frames import DRUMS
from m4mcli.networks.foundation import REFERENCE, TARGET, Foundation
from m4mcli.networks.layers import Adapter


@dataclass(frozen=True)
class TensorBatch:
    """A Batch (m4mcli.training.batches) as tensors, fields of the same names and shapes."""

    history_frame: Tensor
    history_fields: Tensor
    reference_frame: Tensor
    reference_fields: Tensor
    metre: Tensor
    harmony: Tensor
    known: Tensor
    valid: Tensor
    told: Tensor
    row_frame: Tensor
    row_fields: Tensor
    row_first: Tensor
    note_row: Tensor
    classes: Tensor


@dataclass(frozen=True)
class FieldLosses:
    """Negative log likelihoods in nats: instrument or END of every row (r,); tone, octave, duration of note rows (m,).

    `tone_log` (m, 140) are the log probabilities of the tone field.
    """

    instrument: Tensor
    tone: Tensor
    octave: Tensor
    duration: Tensor
    tone_log: Tensor


def frame_vectors(model: Foundation, frame: Tensor, fields: Tensor, size: int, length: int) -> Tensor:
    """Sum of note vectors of each frame: (size, length, width)."""
    rows = model.note(fields)
    out = torch.zeros(size * length, model.config.width, device=rows.device, dtype=rows.dtype)
    return out.index_add(0, frame, rows).view(size, length, -1)


def delayed(x: Tensor, first: Tensor) -> Tensor:
    """x (batch, length, width) one frame later, `first` (width,) at the start."""
    return torch.cat((first.to(x.dtype).expand(x.shape[0], 1, -1), x[:, :-1]), dim=1)


@dataclass(frozen=True)
class Streams:
    """What the forms of alignment work on: frame vectors of target and reference, metre vectors, frame numbers.

    All (batch, length, width) but `position`, (batch, length). The reference is zeros where nothing is given.
    """

    target: Tensor
    reference: Tensor
    metre: Tensor
    position: Tensor


def hidden_states(
    model: Foundation, batch: TensorBatch, adapters: list[Adapter] | None = None
) -> tuple[Tensor, Tensor]:
    """Hidden state of every frame (B, T, width) and its circle (B, T, 12, circle)."""
    size, length = batch.valid.shape
    position = torch.arange(length, device=batch.valid.device).expand(size, length)
    history = frame_vectors(model, batch.history_frame, batch.history_fields, size, length)
    history = torch.where(batch.known[..., None], history, model.hidden_history.to(history.dtype))
    circles = model.circles(batch.harmony)
    metre = model.metre_vectors(batch.metre)
    target = (
        delayed(history, model.start) + metre + model.from_circle(circles.flatten(-2)) + model.stream.weight[TARGET]
    )
    form = model.config.alignment
    if form == "none":
        return model.run(target, position, None, adapters=adapters, causal=True)[0], circles
    reference = frame_vectors(model, batch.reference_frame, batch.reference_fields, size, length)
    streams = Streams(target, reference, metre, position)
    return FORMS[form](model, batch, streams, adapters), circles


def _aligned(model: Foundation, batch: TensorBatch, s: Streams, adapters: list[Adapter] | None) -> Tensor:
    """The reference through an encoder of its own, added frame by frame."""
    encoded = model.encode(s.reference, batch.metre, s.position, batch.valid[:, None, None, :])
    encoded = encoded * batch.told[:, None, None]
    x = s.target + model.injected(encoded, delayed(encoded, torch.zeros_like(encoded[0, 0])))
    return model.run(x, s.position, None, adapters=adapters, causal=True)[0]


def _prefixed(model: Foundation, batch: TensorBatch, s: Streams, adapters: list[Adapter] | None) -> Tensor:
    """The reference in front of the target, in one run, at the same frame numbers."""
    length = s.position.shape[1]
    prefix = (s.reference + s.metre + model.stream.weight[REFERENCE]) * batch.told[:, None, None]
    order = torch.arange(2 * length, device=prefix.device)
    seen = torch.cat((batch.valid & batch.told[:, None], torch.ones_like(batch.valid)), dim=1)
    # A position that may see nothing sees itself: attention over nothing has no value.
    mask = (order[:, None] >= order[None, :]) & (seen[:, None, None, :] | (order[:, None] == order[None, :]))
    position = torch.cat((s.position, s.position), dim=1)
    out, _, _ = model.run(torch.cat((prefix, s.target), dim=1), position, mask, adapters=adapters)
    return out[:, length:]


def _crossed(model: Foundation, batch: TensorBatch, s: Streams, adapters: list[Adapter] | None) -> Tensor:
    """The reference in a run of its own, each layer of which the target's attends to. Nothing given adds nothing."""
    prefix = s.reference + s.metre + model.stream.weight[REFERENCE]
    _, _, inputs = model.run(prefix, s.position, None, adapters=adapters, causal=True)
    told = batch.told[:, None, None, None]
    memory = [(keys, values * told) for keys, values in model.memory(inputs, s.position)]
    seen = batch.valid[:, None, None, :]
    return model.run(s.target, s.position, None, adapters=adapters, memory=memory, memory_mask=seen, causal=True)[0]


FORMS = {"aligned": _aligned, "self": _prefixed, "cross": _crossed}
"""The forms of alignment: (model, batch, streams, adapters) -> hidden states of the target."""


def field_losses(model: Foundation, batch: TensorBatch, adapters: list[Adapter] | None = None) -> FieldLosses:
    """Losses of every decision in the batch."""
    hidden, circles = hidden_states(model, batch, adapters)
    decoder = model.decoder
    fields = batch.row_fields
    notes = fields[batch.note_row]
    vectors = decoder.note(notes)
    rows = torch.zeros(len(fields), vectors.shape[-1], device=vectors.device, dtype=torch.float32)
    total = rows.index_copy(0, batch.note_row, vectors.float()).cumsum(0)
    before = F.pad(total, (0, 0, 1, 0))
    written = before[:-1] - before[batch.row_first]
    state = decoder.state(hidden.flatten(0, 1)[batch.row_frame], written.to(hidden.dtype))
    instrument = F.cross_entropy(decoder.field(state, 0).float(), fields[:, 0], reduction="none")
    state = state[batch.note_row] + decoder.chosen[0](notes[:, 0])
    circle = circles.flatten(0, 1)[batch.row_frame[batch.note_row]]
    tone_log = F.log_softmax(decoder.tone_logits(state, circle, batch.classes).float(), dim=-1)
    tone = -tone_log.gather(1, notes[:, 1:2]).squeeze(1)
    state = state + decoder.chosen[1](notes[:, 1])
    octave = F.cross_entropy(decoder.field(state, 2).float(), notes[:, 2], reduction="none")
    octave = octave * (notes[:, 0] != DRUMS)
    state = state + decoder.chosen[2](notes[:, 2])
    duration = F.cross_entropy(decoder.field(state, 3).float(), notes[:, 3], reduction="none")
    return FieldLosses(instrument, tone, octave, duration, tone_log)
