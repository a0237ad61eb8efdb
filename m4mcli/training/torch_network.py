"""The network's step functions computed by torch: the peer that the exported graphs are compared with."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m4mcli.models.network import Floats, FrameInputs, Integers, Past, Shape
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.steps import EncoderStep, FrameStep, MemoryStep, NoteRest, NoteStep


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
        self._frame, self._note, self._rest = FrameStep(model), NoteStep(model), NoteRest(model)

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
        self, inputs: FrameInputs, past: Past, memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, Past]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), and the past with these frames."""
        fields = _tensors(vars(inputs).values())
        arrays = torch.from_numpy(past.penalty(inputs.kind.shape[1])), _tensors(past.arrays), _tensors(memory)
        hidden, circles, *own = self._frame(*fields, *arrays, self._adapter)
        return hidden.numpy(), circles.numpy(), past.followed([x.numpy() for x in own])

    @torch.no_grad()
    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Logits of instrument and tone, and the note's state: see Network."""
        first, tone, state = self._note(*_tensors((hidden[:, None], circles, notes, chosen[:, None], classes)))
        return first[:, 0].numpy(), tone[:, 0].numpy(), state[:, 0].numpy()

    @torch.no_grad()
    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """Logits of octave and duration, each (B, values)."""
        octave, duration = self._rest(*_tensors((state[:, None], chosen)))
        return octave[:, 0].numpy(), duration[:, 0].numpy()
