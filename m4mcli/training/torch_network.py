"""The network's step functions computed by torch: the peer that the exported graphs are compared with."""

import numpy as np
import torch

from m4mcli.models.network import Floats, FrameInputs, Integers, Shape
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.steps import EncoderStep, FrameStep, NoteStep


class TorchNetwork:
    """A Network (m4mcli.models.network) over a torch module, in eager mode."""

    def __init__(self, model: Foundation, window: int = 384) -> None:
        c = model.config
        self._shape = Shape(c.width, c.layers, c.heads, c.circle, c.alignment, window)
        self._encoder, self._frame, self._note = EncoderStep(model), FrameStep(model), NoteStep(model)

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self._shape

    @torch.no_grad()
    def encode(self, notes: Integers, metre: Integers, position: Integers) -> Floats:
        """What the reference adds to each frame: (B, F, width)."""
        out = self._encoder(*(torch.as_tensor(np.array(x)) for x in (notes, metre, position)))
        return np.asarray(out.numpy())

    @torch.no_grad()
    def frame_step(self, inputs: FrameInputs, past: tuple[Floats, ...]) -> tuple[Floats, Floats, tuple[Floats, ...]]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), present keys and values."""
        fields = (torch.as_tensor(np.array(x)) for x in vars(inputs).values())
        hidden, circles, *present = self._frame(*fields, [torch.as_tensor(p) for p in past], [])
        return hidden.numpy(), circles.numpy(), tuple(p.numpy() for p in present)

    @torch.no_grad()
    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Logits of instrument, tone, octave, duration, each (B, values)."""
        arrays = (hidden[:, None], circles, notes, chosen, classes)
        first, tone, octave, duration = self._note(*(torch.as_tensor(np.array(x)) for x in arrays))
        return first.numpy(), tone.numpy(), octave.numpy(), duration.numpy()
