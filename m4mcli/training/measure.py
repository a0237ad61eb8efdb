"""How well a network tells validation windows: nats, and the first pitch class of each frame, a chord's root."""

import numpy as np
import torch

from m4mcli.frames.frames import DRUMS
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.layers import Adapter
from m4mcli.networks.objective import FieldLosses, field_losses
from m4mcli.training.batches import Example, collate
from m4mcli.training.feed import as_tensors, on_device

AT_ONCE = 8


def summed(losses: FieldLosses) -> torch.Tensor:
    """Nats per note of a batch, every decision counted."""
    total = losses.instrument.sum() + losses.tone.sum() + losses.octave.sum() + losses.duration.sum()
    return total / max(1, len(losses.tone))


@torch.no_grad()
def measure(
    model: Foundation, examples: list[Example], device: str = "cpu", adapters: list[Adapter] | None = None
) -> dict[str, float]:
    """Nats per note and per frame, and accuracy and nats of each frame's first pitch class (the root of a chord)."""
    sums = np.zeros(9)
    for start in range(0, len(examples), AT_ONCE):
        batch = collate(examples[start : start + AT_ONCE])
        losses = field_losses(model, on_device(as_tensors(batch), device), adapters)
        pitched = batch.row_fields[batch.note_row, 0] < DRUMS
        first = (batch.row_first[batch.note_row] == batch.note_row) & pitched
        tone = batch.row_fields[batch.note_row, 1]
        right = losses.tone_log.argmax(dim=1).cpu().numpy() == tone
        parts = [losses.instrument, losses.tone, losses.octave, losses.duration]
        nats = losses.tone.cpu().numpy()
        counts = (len(nats), batch.valid.sum(), first.sum(), nats[first].sum(), right[first].sum())
        sums += [*(float(x.sum()) for x in parts), *counts]
    notes = max(1.0, sums[4])
    return {
        "nats_per_note": sums[:4].sum() / notes,
        "nats_per_frame": sums[:4].sum() / max(1.0, sums[5]),
        "tone_nats": sums[1] / notes,
        "root_accuracy": sums[8] / max(1.0, sums[6]),
        "root_nats": sums[7] / max(1.0, sums[6]),
    }
