"""The step functions of an autoencoder over melodies computed by torch: the peer of its exported graphs."""

import torch

from m4mcli.models.latent_model import Carried, Guides, LatentModel
from m4mcli.models.network import Floats, Integers
from m4mcli.networks.latent import Believe, EventStep, Guide, Latent, ReadStep


class TorchLatentModel(LatentModel):
    """A LatentModel over a torch module, in eager mode."""

    def __init__(self, network: Latent) -> None:
        super().__init__(network.config.as_dict())
        self._read = [ReadStep(network.eval(), layer) for layer in range(self.reader_layers)]
        self._believe, self._guide, self._step = Believe(network), Guide(network), EventStep(network)

    @torch.no_grad()
    def read(self, layer: int, x: Floats | Integers, carried: Carried) -> Carried:
        """One step of a layer of the reader."""
        given = (torch.from_numpy(a) for a in (x, carried.outputs, carried.cells))
        outputs, cells = self._read[layer](*given)
        return Carried(outputs.numpy(), cells.numpy())

    @torch.no_grad()
    def believe(self, last: Floats) -> tuple[Floats, Floats]:
        """Mean and deviation."""
        mean, deviation = self._believe(torch.from_numpy(last))
        return mean.numpy(), deviation.numpy()

    @torch.no_grad()
    def guide(self, points: Floats) -> Guides:
        """What the decoder is told."""
        guides, outputs, cells = self._guide(torch.from_numpy(points))
        return Guides(guides.numpy(), Carried(outputs.numpy(), cells.numpy()))

    @torch.no_grad()
    def step(self, event: Integers, guide: Floats, carried: Carried) -> tuple[Floats, Carried]:
        """Logits of the next event."""
        given = (torch.from_numpy(a) for a in (event, guide, carried.outputs, carried.cells))
        logits, outputs, cells = self._step(*given)
        return logits.numpy(), Carried(outputs.numpy(), cells.numpy())
