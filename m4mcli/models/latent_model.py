"""What is needed of an autoencoder over melodies, whichever runtime computes it: events to a belief, and back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from m4mcli.models.network import Floats, Integers

BEFORE = -1
"""The event before the first one."""


@dataclass(frozen=True)
class Carried:
    """What an LSTM carries: outputs and cells, of one shape."""

    outputs: Floats
    cells: Floats


@dataclass(frozen=True)
class Guides:
    """What the decoder is told: guides (B, segments, guide), and what it carries where each segment begins."""

    guides: Floats
    begin: Carried


class LatentModel(ABC):
    """Step functions over numpy arrays; `sizes` are those of the network (m4mcli.networks.config.LatentConfig)."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        self.events, self.latent, self.segments = sizes["events"], sizes["latent"], sizes["segments"]
        self.reader_layers, self.reader_width = sizes["encoder_layers"], sizes["encoder_width"]

    @abstractmethod
    def read(self, layer: int, x: Floats | Integers, carried: Carried) -> Carried:
        """One step of a layer of the reader, in both directions: see m4mcli.networks.latent.ReadStep."""

    @abstractmethod
    def believe(self, last: Floats) -> tuple[Floats, Floats]:
        """Mean and deviation (B, latent) from where the reader ends (B, 2 * width)."""

    @abstractmethod
    def guide(self, points: Floats) -> Guides:
        """What the decoder is told of points (B, latent)."""

    @abstractmethod
    def step(self, event: Integers, guide: Floats, carried: Carried) -> tuple[Floats, Carried]:
        """Logits (B, vocabulary) behind events (B,), and what is carried then."""

    def encode(self, events: Integers) -> tuple[Floats, Floats]:
        """Mean and deviation (B, latent) of the points of events (B, length)."""
        x: Any = np.asarray(events, np.int64)
        length = x.shape[1]
        for layer in range(self.reader_layers):
            nothing = np.zeros((len(x), 2, self.reader_width), np.float32)
            carried, found = Carried(nothing, nothing), []
            for place in range(length):
                carried = self.read(layer, np.stack((x[:, place], x[:, length - 1 - place]), axis=1), carried)
                found.append(carried.outputs)
            outputs = np.stack(found, axis=1)
            x = np.concatenate((outputs[:, :, 0], outputs[:, ::-1, 1]), axis=-1)
        return self.believe(np.concatenate((carried.outputs[:, 0], carried.outputs[:, 1]), axis=-1))
