"""An autoencoder over melodies computed by ONNX Runtime."""

from m4mcli.errors import M4mError
from m4mcli.models.latent_model import Carried, Guides, LatentModel
from m4mcli.models.network import Floats, Integers
from m4mcli.models.registry import ModelFolder, verify
from m4mcli.models.session import Device, open_session


class OnnxLatentModel(LatentModel):
    """A LatentModel over the graphs `read_N`, `believe`, `guide` and `event_step` of a model folder."""

    def __init__(self, model: ModelFolder, device: Device = "cpu", threads: int = 1) -> None:
        verify(model.path)
        try:
            super().__init__(model.facts["network"])
        except (KeyError, TypeError) as e:
            raise M4mError(f"{model.path}: not a model of melodies as points") from e
        names = (*(f"read_{layer}" for layer in range(self.reader_layers)), "believe", "guide", "event_step")
        self._sessions = {name: open_session(model.path / f"{name}.onnx", device, threads) for name in names}

    @property
    def provider(self) -> str:
        """The execution provider that the sessions really got."""
        return str(self._sessions["event_step"].get_providers()[0])

    def read(self, layer: int, x: Floats | Integers, carried: Carried) -> Carried:
        """One step of a layer of the reader."""
        feeds = {"x": x, "outputs": carried.outputs, "cells": carried.cells}
        return Carried(*self._sessions[f"read_{layer}"].run(None, feeds))

    def believe(self, last: Floats) -> tuple[Floats, Floats]:
        """Mean and deviation."""
        mean, deviation = self._sessions["believe"].run(None, {"last": last})
        return mean, deviation

    def guide(self, points: Floats) -> Guides:
        """What the decoder is told."""
        guides, outputs, cells = self._sessions["guide"].run(None, {"point": points})
        return Guides(guides, Carried(outputs, cells))

    def step(self, event: Integers, guide: Floats, carried: Carried) -> tuple[Floats, Carried]:
        """Logits of the next event."""
        feeds = {"event": event, "guide": guide, "outputs": carried.outputs, "cells": carried.cells}
        logits, outputs, cells = self._sessions["event_step"].run(None, feeds)
        return logits, Carried(outputs, cells)
