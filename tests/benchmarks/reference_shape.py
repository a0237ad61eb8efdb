"""A network of the shape of the reference system (ISMIR 2025) in torch, fp32, random weights: what a frame costs there.

112 M parameters: a causal decoder over frames of 12 layers and width 768, a local encoder over the 33 places of a
frame and a local decoder of 3 layers each, and adapters at six layers that attend to the 384 reference frames and
project them anew for each frame, as the published sampler does. Keys and values of what was written are cached, as they
are there.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

WIDTH, HEADS, FRAMES, PLACES, WORDS = 768, 12, 384, 33, 3331
RANK, LORA, ADAPTED = 256, 16, (0, 2, 4, 6, 8, 10)
Cache = tuple[Tensor, Tensor]


def split(x: Tensor, heads: int) -> Tensor:
    """(B, T, width) as (B, heads, T, size)."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


class Layer(nn.Module):
    """A layer with LoRA on queries and values."""

    def __init__(self, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.down = nn.Linear(WIDTH, 2 * LORA, bias=False)
        self.up_q, self.up_v = (nn.Linear(LORA, WIDTH, bias=False) for _ in range(2))
        self.first, self.second = nn.Linear(WIDTH, inner), nn.Linear(inner, WIDTH)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))

    def forward(self, x: Tensor, past: Cache | None, causal: bool, added: Tensor | None = None) -> tuple[Tensor, Cache]:
        """Hidden states, and the keys and values of all so far."""
        low = self.down(x)
        q = split(self.q(x) + self.up_q(low[..., :LORA]), self.heads)
        k = split(self.k(x), self.heads)
        v = split(self.v(x) + self.up_v(low[..., LORA:]), self.heads)
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        heard = scaled_dot_product_attention(q, k, v, is_causal=causal and x.shape[1] > 1)
        x = x + self.out(heard.transpose(1, 2).flatten(2))
        x = self.norms[0](x if added is None else x + added)
        return self.norms[1](x + self.second(gelu(self.first(x)))), (k, v)


class Adapter(nn.Module):
    """Low-rank attention of a layer's input to the reference's input of the same layer."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, RANK) for _ in range(3))
        self.place, self.out = nn.Linear(WIDTH, RANK), nn.Linear(RANK, WIDTH)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, reference: Tensor, places: Tensor, frame: int) -> Tensor:
        """What is added to the layer."""
        where = self.place(places)
        here = where[:, frame : frame + x.shape[1]]
        q, k, v = self.q(x) + here, self.k(reference) + where, self.v(reference) + where
        heard = scaled_dot_product_attention(split(q, 4), split(k, 4), split(v, 4))
        out: Tensor = self.gate * self.out(heard.transpose(1, 2).flatten(2))
        return out


class Reference(nn.Module):
    """The whole network."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WORDS)
        self.layers = nn.ModuleList(Layer(3072, HEADS) for _ in range(12))
        self.encoder = nn.ModuleList(Layer(768, 8) for _ in range(3))
        self.decoder = nn.ModuleList(Layer(768, 8) for _ in range(3))
        self.adapters = nn.ModuleList(Adapter() for _ in ADAPTED)

    def vectors(self, words: Tensor) -> Tensor:
        """Frames of words (F, PLACES) as vectors (1, F, width)."""
        x: Tensor = self.words(words)
        for layer in self.encoder:
            x, _ = layer(x, None, causal=False)
        return x[None, :, 0]

    def read(self, vectors: Tensor) -> list[Tensor]:
        """The reference's input of each layer that is adapted."""
        x, inputs = vectors, []
        for i, layer in enumerate(self.layers):
            if i in ADAPTED:
                inputs.append(x)
            x, _ = layer(x, None, causal=True)
        return inputs

    def frame(self, words: Tensor, past: list[Cache | None], inputs: list[Tensor], places: Tensor, frame: int) -> None:
        """Read a frame and write the next one, of one note: instrument, pitch with duration, and the end."""
        x = self.vectors(words)
        for i, layer in enumerate(self.layers):
            which = ADAPTED.index(i) if i in ADAPTED else None
            added = None if which is None else self.adapters[which](x, inputs[which], places, frame)
            x, past[i] = layer(x, past[i], causal=True, added=added)
        local: list[Cache | None] = [None] * len(self.decoder)
        for _ in range(3):
            for i, layer in enumerate(self.decoder):
                x, local[i] = layer(x, local[i], causal=True)
            chosen = torch.multinomial(self.head(x[:, -1]).softmax(-1), 1)
            x = self.words(chosen)


@dataclass(frozen=True)
class Cost:
    """CPU seconds: reading the reference of a piece, and writing a frame of one note."""

    reading: float
    frame: float


def seconds_per_frame(frames: int = 16, past: int = 192) -> Cost:
    """The costs on this machine, behind `past` frames that are written; the median of `frames`."""
    torch.manual_seed(0)
    model = Reference().eval()
    words = torch.randint(0, WORDS, (FRAMES, PLACES))
    places = torch.randn(1, FRAMES, WIDTH)
    with torch.no_grad():
        begin = time.process_time()
        inputs = model.read(model.vectors(words))
        reading = time.process_time() - begin
        size = WIDTH // HEADS
        caches: list[Cache | None] = [
            (torch.randn(1, HEADS, past, size), torch.randn(1, HEADS, past, size)) for _ in model.layers
        ]
        times = []
        for i in range(frames):
            begin = time.process_time()
            model.frame(words[i : i + 1], caches, inputs, places, past + i)
            times.append(time.process_time() - begin)
    return Cost(reading, sorted(times)[len(times) // 2])
