"""The network's step functions computed by torch: the peer that the exported graphs are compared with."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m4mcli.models.network import Floats, FrameInputs, Integers, Shape
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.steps import EncoderStep, FrameStep, MemoryStep, NoteStep


def _tensors(arrays: Iterable[NDArray[Any]]) -> list[Tensor]:
    return [torch.as_tensor(np.array(x)) for x in arrays]


class TorchNetwork:
    """A Network (m4mcli.models.network) over a torch module, in eager mode.

    `window` frames at a time; `adapter` tensors in the order of `m4mcli.networks.adapter.tensor_names`, or none.
    """

    def __init__(self, model: Foundation, window: int = 384, adapter: list[Tensor] | None = None) -> None:
        c = model.config
        self._shape = Shape(c.width, c.layers, c.heads, c.circle, c.alignment, window)
        self._adapter = adapter or []
        self._encoder, self._memory = EncoderStep(model), MemoryStep(model)
        self._frame, self._note = FrameStep(model), NoteStep(model)

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self._shape

    @torch.no_grad()
    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        """What the reference gives to the target: see Network."""
        given = _tensors((notes, metre, position))
        if self._shape.alignment == "aligned":
            return (self._encoder(*given).numpy(),)
        return tuple(x.numpy() for x in self._memory(*given, self._adapter))

    @torch.no_grad()
    def frame_step(
        self, inputs: FrameInputs, past: tuple[Floats, ...], memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, tuple[Floats, ...]]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), present keys and values."""
        fields = _tensors(vars(inputs).values())
        hidden, circles, *present = self._frame(*fields, _tensors(past), _tensors(memory), self._adapter)
        return hidden.numpy(), circles.numpy(), tuple(p.numpy() for p in present)

    @torch.no_grad()
    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Logits of instrument, tone, octave, duration, each (B, values)."""
        arrays = _tensors((hidden[:, None], circles, notes, chosen, classes))
        first, tone, octave, duration = self._note(*arrays)
        return first.numpy(), tone.numpy(), octave.numpy(), duration.numpy()
