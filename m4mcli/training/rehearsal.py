"""What a model knew before: music that it writes itself, on which a style is not to change what it finds likely.

Each window costs half the mean squared change of the log likelihoods of its decisions, which for music drawn from the
model is, for small changes, the Kullback-Leibler divergence of the changed model from it. Unlike the likelihood of such
music this asks for no more than to stay, so that few windows do.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from m4mcli.dataset.pack import PackedPiece, pack_piece
from m4mcli.dataset.roles import roles
from m4mcli.frames.scored import score_of
from m4mcli.generation.generate import Request, generate
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.objective import FieldLosses, TensorBatch, field_losses
from m4mcli.score.metre import bars
from m4mcli.training.batches import collate
from m4mcli.training.examples import MAKERS, Augmentation, example
from m4mcli.training.feed import as_tensors, on_device
from m4mcli.training.recipe import Recipe

FRAMES = 128


@dataclass(frozen=True)
class Window:
    """A window of remembered music, and what its decisions cost the model as it was."""

    batch: TensorBatch
    before: Tensor


def written_pieces(network: Network, count: int, seed: int) -> list[PackedPiece]:
    """Pieces of eight bars that a model without a reference writes from nothing."""
    position = np.arange(FRAMES)
    metre = np.stack([position % 16, np.full_like(position, 16), np.full_like(position, 4)], axis=1)
    everywhere = np.ones(FRAMES, bool)
    request = Request(None, metre, FRAMES, everywhere, ~everywhere, start_by=0)
    samples = generate(network, request, Rules(), Sampling(temperature=1.0), seed=seed, samples=count)
    scores = (score_of(sample.notes) for sample in samples)
    return [
        pack_piece(score, bars(score), roles(score), name=f"{i}", source="remembered", split="train")
        for i, score in enumerate(scores)
    ]


def remembered(model: Foundation, pieces: list[PackedPiece], recipe: Recipe) -> list[Window]:
    """Windows of pieces as the recipe makes them; none where it makes nothing of such pieces."""
    rng = np.random.default_rng(recipe.seed)
    out = []
    for piece in pieces:
        for mix in recipe.data.mix:
            pair = MAKERS[mix.make](piece, rng)
            if pair is None:
                continue
            batch = on_device(as_tensors(collate([example(pair, recipe.data.frames, Augmentation(), rng)])), "cpu")
            with torch.no_grad():
                out.append(Window(batch, _decisions(field_losses(model, batch))))
    return out


def change(model: Foundation, window: Window) -> Tensor:
    """How far a model is from what it was, in nats a note."""
    now = _decisions(field_losses(model, window.batch))
    return 0.5 * (now - window.before).square().sum() / max(1, len(window.batch.note_row))


def _decisions(losses: FieldLosses) -> Tensor:
    return torch.cat((losses.instrument, losses.tone, losses.octave, losses.duration))
