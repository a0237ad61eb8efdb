"""MusicVAE: a melody as a point in a space of a few hundred numbers, and back (A. Roberts et al., arXiv 1803.05428).

A bidirectional LSTM reads all events and tells mean and deviation of the point; an LSTM writes the events, told the
point (or what a conductor makes of it for each segment) with every event.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m4mcli.frames.melody_events import EVENTS
from m4mcli.networks.config import LatentConfig
from m4mcli.networks.recurrent import cell, gated

NOTHING = -1
"""What stands before the first event."""

APART, NARROW, LOUD = 5.0, -2.0, 0.4
"""At the start: by what the means are spread, what the deviation is the softplus of, the size of an event's weights."""

NARROWEST = 1e-4
"""The least deviation."""


@dataclass(frozen=True)
class Belief:
    """What is believed of the points of melodies: mean and deviation, both (batch, latent).

    Points are drawn, and the divergence is told, with this one deviation.
    """

    mean: Tensor
    deviation: Tensor

    def drawn(self) -> Tensor:
        """A point of each (batch, latent)."""
        return self.mean + self.deviation * torch.randn_like(self.deviation)

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from the standard normal distribution (batch,), in nats."""
        return 0.5 * (self.mean**2 + self.deviation**2 - 1 - 2 * self.deviation.log()).sum(-1)


@dataclass(frozen=True)
class Hands:
    """What the decoder carries: outputs and cells (batch, layers, width)."""

    outputs: Tensor
    cells: Tensor


def apart(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer over x (batch, width), each as a row of its own: so its product is exported as one that 8 bits serve."""
    told: Tensor = layer(x[:, None])[:, 0]
    return told


class Latent(nn.Module):
    """Events in, a belief out; a point in, events out. `vocabulary` events are told apart."""

    def __init__(self, config: LatentConfig, vocabulary: int = EVENTS) -> None:
        super().__init__()
        c = self.config = config
        self.vocabulary = vocabulary
        self.reader = nn.LSTM(vocabulary, c.encoder_width, c.encoder_layers, batch_first=True, bidirectional=True)
        self.mean = nn.Linear(2 * c.encoder_width, c.latent)
        self.deviation = nn.Linear(2 * c.encoder_width, c.latent)
        if c.segments > 1:
            self.conduct = nn.Linear(c.latent, 2 * c.conductor_layers * c.conductor_width)
            self.conductor = nn.LSTM(c.conductor_input, c.conductor_width, c.conductor_layers, batch_first=True)
            self.guide = nn.Linear(c.conductor_width, c.told)
        own = c.segments > 1 and not c.guide
        self.begin = nn.Identity() if own else nn.Linear(c.told, 2 * c.layers * c.width)
        self.writer = nn.LSTM(vocabulary + c.told, c.width, c.layers, batch_first=True)
        self.told = nn.Linear(c.width, vocabulary)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """Weights with which melodies are heard from the first step on.

        Points lie apart and are told narrowly, events count as much as what is carried, and what is carried is kept for
        as long as a segment lasts (C. Tallec and Y. Ollivier, arXiv 1804.11188).
        """
        self.mean.weight *= APART
        nn.init.constant_(self.deviation.bias, NARROW)
        lengths = {self.reader: self.config.events, self.writer: self.config.events // self.config.segments}
        for lstm, length in lengths.items():
            for name, parameter in lstm.named_parameters():
                if name.startswith("bias_hh"):
                    keep = parameter.view(4, -1)[1]
                    keep.copy_((1 + (length - 2) * torch.rand_like(keep)).log())
                elif name.startswith("weight_ih_l0"):
                    nn.init.normal_(parameter[:, : self.vocabulary], std=LOUD)

    def hot(self, events: Tensor) -> Tensor:
        """Events (...) -> (..., vocabulary); those below 0 are none."""
        return (events[..., None] == torch.arange(self.vocabulary, device=events.device)).float()

    def believed(self, last: Tensor) -> Belief:
        """The belief from where both directions of the reader end (batch, 2 * width)."""
        return Belief(apart(self.mean, last), F.softplus(apart(self.deviation, last)) + NARROWEST)

    def encode(self, events: Tensor) -> Belief:
        """What is believed of events (batch, length)."""
        _, (outputs, _) = self.reader(self.hot(events))
        return self.believed(torch.cat((outputs[-2], outputs[-1]), dim=-1))

    def guides(self, point: Tensor) -> Tensor:
        """What the decoder is told of each segment of points (batch, latent): (batch, segments, guide)."""
        c = self.config
        if c.segments == 1:
            return point[:, None]
        start = apart(self.conduct, point).tanh().view(-1, 2, c.conductor_layers, c.conductor_width)
        outputs, cells = ([array[:, i : i + 1] for i in range(c.conductor_layers)] for array in start.unbind(1))
        found = []
        for _ in range(c.segments):
            x = torch.zeros_like(point[:, None, :1]).expand(-1, -1, c.conductor_input)
            for layer in range(c.conductor_layers):
                x, cells[layer] = cell(self.conductor, f"l{layer}", x, outputs[layer], cells[layer])
                outputs[layer] = x
            found.append(self.guide(x)[:, 0])
        return torch.stack(found, dim=1)

    def hands(self, guide: Tensor) -> Hands:
        """What the decoder carries where a segment begins; guide (batch, guide)."""
        start = apart(self.begin, guide).tanh().view(-1, 2, self.config.layers, self.config.width)
        return Hands(start[:, 0], start[:, 1])

    def step(self, event: Tensor, guide: Tensor, hands: Hands) -> tuple[Tensor, Hands]:
        """Logits (batch, vocabulary) of the event behind `event` (batch,), and what is carried then."""
        x = torch.cat((self.hot(event), guide), dim=-1)[:, None]
        outputs, cells = [], []
        for layer in range(self.config.layers):
            before = [array[:, layer : layer + 1] for array in (hands.outputs, hands.cells)]
            x, carried = cell(self.writer, f"l{layer}", x, *before)
            outputs.append(x)
            cells.append(carried)
        return self.told(x)[:, 0], Hands(torch.cat(outputs, dim=1), torch.cat(cells, dim=1))

    def decode(self, point: Tensor, events: Tensor, own: float = 0.0) -> Tensor:
        """Logits (batch, length, vocabulary) of events (batch, length), each told those before it.

        A share `own` of those before are not the real ones but drawn from the logits (scheduled sampling,
        S. Bengio et al., arXiv 1506.03099). The same sums as in `step`, but what no event changes is summed once.
        """
        logits = []
        before = torch.full_like(events[:, 0], NOTHING)
        length = events.shape[1] // self.config.segments
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        told_by_both, told_by_outputs, *biases = (self.writer.get_parameter(name) for name in names)
        table, told_by_guide = told_by_both[:, : self.vocabulary], told_by_both[:, self.vocabulary :]
        table = F.pad(table.t(), (0, 0, 1, 0))
        bias = biases[0] + biases[1]
        for segment, guide in enumerate(self.guides(point).unbind(1)):
            start = self.hands(guide)
            outputs, cells = list(start.outputs.unbind(1)), list(start.cells.unbind(1))
            always = F.linear(guide, told_by_guide, bias)
            for place in range(segment * length, (segment + 1) * length):
                sums = F.embedding(before + 1, table) + always + F.linear(outputs[0], told_by_outputs)
                outputs[0], cells[0] = gated(sums, cells[0])
                for layer in range(1, self.config.layers):
                    x = outputs[layer - 1]
                    outputs[layer], cells[layer] = cell(self.writer, f"l{layer}", x, outputs[layer], cells[layer])
                told = self.told(outputs[-1])
                logits.append(told)
                before = self._mixed(events[:, place], told, own)
        return torch.stack(logits, dim=1)

    @staticmethod
    def _mixed(real: Tensor, told: Tensor, own: float) -> Tensor:
        """The real events (batch,), a share `own` of them replaced by draws from logits (batch, vocabulary)."""
        if not own:
            return real
        noise = -torch.empty_like(told).exponential_().log()
        drawn = (told.detach() + noise).argmax(-1)
        return torch.where(torch.rand(real.shape, device=real.device) < own, drawn, real)

    @torch.no_grad()
    def written(self, point: Tensor) -> Tensor:
        """The likeliest events (batch, events), each told those that were written before it."""
        found = []
        before = torch.full_like(point[:, 0], NOTHING, dtype=torch.int64)
        for guide in self.guides(point).unbind(1):
            hands = self.hands(guide)
            for _ in range(self.config.events // self.config.segments):
                told, hands = self.step(before, guide, hands)
                before = told.argmax(-1)
                found.append(before)
        return torch.stack(found, dim=1)


class ReadStep(nn.Module):
    """One layer of the reader, both directions at once, as exported.

    x (batch, 2, size): what the layer reads next from the front and from the back (events (batch, 2) of the first
    layer); outputs and cells (batch, 2, width) -> new outputs and cells.
    """

    def __init__(self, network: Latent, layer: int) -> None:
        super().__init__()
        self.network, self.layer = network, layer

    def forward(self, x: Tensor, outputs: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        given = x if self.layer else self.network.hot(x)
        found = [
            cell(
                self.network.reader, f"l{self.layer}{name}", *(array[:, i : i + 1] for array in (given, outputs, cells))
            )
            for i, name in enumerate(("", "_reverse"))
        ]
        return torch.cat([o for o, _ in found], dim=1), torch.cat([c for _, c in found], dim=1)


class Believe(nn.Module):
    """last (batch, 2 * width) -> mean and deviation (batch, latent), as exported."""

    def __init__(self, network: Latent) -> None:
        super().__init__()
        self.network = network

    def forward(self, last: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        belief = self.network.believed(last)
        return belief.mean, belief.deviation


class Guide(nn.Module):
    """point (batch, latent) -> guides (batch, segments, guide), outputs and cells (batch, segments, layers, width)."""

    def __init__(self, network: Latent) -> None:
        super().__init__()
        self.network = network

    def forward(self, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        guides = self.network.guides(point)
        hands = [self.network.hands(guide) for guide in guides.unbind(1)]
        return guides, torch.stack([h.outputs for h in hands], 1), torch.stack([h.cells for h in hands], 1)


class EventStep(nn.Module):
    """event (batch,), guide (batch, guide), outputs and cells (batch, layers, width) -> logits, new outputs, cells."""

    def __init__(self, network: Latent) -> None:
        super().__init__()
        self.network = network

    def forward(self, event: Tensor, guide: Tensor, outputs: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        logits, hands = self.network.step(event, guide, Hands(outputs, cells))
        return logits, hands.outputs, hands.cells
