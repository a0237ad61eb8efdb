"""Is an exported network over tokens the one that was trained? Logits and sampled rows beside torch's."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from m4mcli.dataset.corpus import Corpus
from m4mcli.dataset.parts import part_of
from m4mcli.errors import USAGE, M4mError
from m4mcli.generation.sampling import Sampling, log_softmax
from m4mcli.generation.token_likelihood import stepped_logits
from m4mcli.generation.token_sampling import Asked, Rows, sample
from m4mcli.models.registry import read_model
from m4mcli.models.token_model import TokenModel
from m4mcli.models.token_session import OnnxTokenModel
from m4mcli.networks.token_network import TokenNetwork
from m4mcli.score.score import Score
from m4mcli.tokens.merged import opened_coder
from m4mcli.training.checkpoint import load_token_network
from m4mcli.training.graphs import trace_all
from m4mcli.training.recipe import build_recipe
from m4mcli.training.subject import Measured, Subject
from m4mcli.training.token_graphs import token_graphs
from m4mcli.training.torch_token_model import TorchTokenModel
from m4mcli.training.verify import Difference, require_small

WRITTEN_ROWS = 96
"""How many rows both write, at most."""


class TokenSubject(Subject):
    """A network over tokens, verified on pieces of music."""

    def __init__(self, checkpoint: Path, scores: list[Score]) -> None:
        self.model, self.facts = load_token_network(checkpoint)
        self.path, self.coder = checkpoint, opened_coder(self.facts["tokens"], str(checkpoint))
        context = self.model.config.context
        whole = [rows for score in scores for rows in self.coder.pieces(score) if len(rows) > 2]
        rows = [self.coder.part(x, context or len(x)) for x in whole]
        if not rows:
            raise M4mError(f"{checkpoint}: nothing to verify it on in {self.coder.scheme.name}", "give another --pack")
        self.pieces = rows

    @property
    def count(self) -> int:
        """How many sequences it is verified on."""
        return len(self.pieces)

    def traced(self, quiet: bool) -> dict[str, onnx.ModelProto]:
        """Its graphs."""
        return trace_all(token_graphs(self.model.eval()), quiet=quiet)

    def described(self) -> dict[str, Any]:
        """What model.json says."""
        recipe = self.facts["recipe"]
        mix = recipe["data"]["mix"][0]
        return about(self.model, self.facts["tokens"]) | {
            "task": recipe["task"],
            "part": mix["make"],
            "one_key": mix.get("one_key", False),
            "sampling": recipe.get("sampling", asdict(Sampling())),
            "trained_rows": self.facts.get("rows", 0),
        }

    def add_files(self, folder: Path) -> None:
        """Nothing belongs to the graphs."""

    def add_shards(self, folder: Path, shard_bytes: int) -> None:
        """Only the foundation is trained further from shards. Raises M4mError."""
        raise M4mError(f"{self.path}: a network over tokens has no shards", "leave --shards out", USAGE)

    def verified(self, bits: int, folder: Path, out: Path) -> Measured:
        """How far the exported network is from torch. Raises M4mError where it is too far."""
        trained, exported = TorchTokenModel(self.model), OnnxTokenModel(read_model(folder))
        found = compare(trained, exported, self.pieces)
        require_small(found, bits, out)
        if bits == 32 and not self.same(trained, exported):
            raise M4mError(f"{out}: the same seed gives other music than torch")
        return {"largest_logit_difference": found.logits, "kl_nats": found.kl, "decisions": found.decisions}

    def same(self, a: TokenModel, b: TokenModel) -> bool:
        """Whether two networks write the same rows from the same seed."""
        asked = Asked(self.coder.lead[None], WRITTEN_ROWS, Sampling(temperature=0.9, top_p=0.98))
        ours, theirs = (sample(model, self.coder, asked, 2) for model in (a, b))
        return all(np.array_equal(x.rows, y.rows) for x, y in zip(ours, theirs, strict=True))


def about(model: TokenNetwork, tokens: dict[str, Any]) -> dict[str, Any]:
    """What a session needs to know of a network and its tokens."""
    return {
        "m4m": 1,
        "network": model.config.as_dict(),
        "tokens": tokens,
        "state": model.config.state(),
        "chained": model.chained,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def compare(a: TokenModel, b: TokenModel, pieces: list[Rows]) -> Difference:
    """How far two networks' logits are apart on the same music."""
    largest, divergence, count = 0.0, 0.0, 0
    for rows in pieces:
        for x, y in zip(stepped_logits(a, rows), stepped_logits(b, rows), strict=True):
            largest = max(largest, float(np.abs(x - y).max(initial=0)))
            p, q = log_softmax(x), log_softmax(y)
            divergence += float((np.exp(p) * (p - q)).sum())
            count += len(x)
    return Difference(largest, divergence / max(1, count), count)


def validation_scores(checkpoint: Path, pack: Path, each: int = 4) -> list[Score]:
    """Validation pieces of a pack or folder, `each` of every kind and source. Raises M4mError where there are none."""
    _, facts = load_token_network(checkpoint)
    recipe = build_recipe(facts["recipe"])
    corpus = Corpus(pack, [source for mix in recipe.data.mix for source in mix.sources])
    found = []
    for mix in recipe.data.mix:
        for source in mix.sources or {"": 1.0}:
            for number in corpus.select("valid", source)[:each]:
                score = corpus.score(number)
                part = None if score is None else part_of(score, mix.make, one_key=mix.one_key)
                found += [] if part is None else [part]
    if not found:
        raise M4mError("the pack has no validation pieces of the recipe's sources", "leave --pack out")
    return found
