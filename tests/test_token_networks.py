"""Networks over tokens: their published sizes, no look ahead, and steps that say what whole windows say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from m4mcli.generation.token_likelihood import stepped_logits
from m4mcli.networks.config import DecoderConfig, RecurrentConfig, TokenConfig, read_config
from m4mcli.tokens.coder import open_coder
from m4mcli.training.recipe import SHIPPED, as_toml, read_recipe

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from m4mcli.networks.build import token_network  # noqa: E402
from m4mcli.networks.token_network import TokenNetwork  # noqa: E402
from m4mcli.training.torch_token_model import TorchTokenModel  # noqa: E402

RECIPES = {path.stem: read_recipe(path) for path in sorted(SHIPPED.glob("*.toml"))}
TOKEN_RECIPES = {name: recipe for name, recipe in RECIPES.items() if recipe.tokens.scheme}
SIZES = (7, 11, 5)


def small(config: TokenConfig) -> TokenConfig:
    """A network of the same kind with few weights."""
    if isinstance(config, RecurrentConfig):
        return replace(config, width=16, layers=2)
    return replace(
        config,
        width=16,
        layers=2,
        heads=2,
        head_width=12 if config.head_width else 0,
        context=64,
        column_layers=min(config.column_layers, 2),
        feed=24 if config.feed else 0,
        column_feed=8 if config.column_feed else 0,
    )


SMALL = {
    name: small(recipe.network)
    for name, recipe in TOKEN_RECIPES.items()
    if isinstance(recipe.network, DecoderConfig | RecurrentConfig)
}
"""Every recipe's network over tokens."""


def network(config: TokenConfig, sizes: tuple[int, ...] = SIZES) -> TokenNetwork:
    """With weights far enough from zero that every path shows."""
    torch.manual_seed(0)
    made: TokenNetwork = token_network(config, sizes).eval()
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made


def rows(length: int = 20, pieces: int = 2) -> Tensor:
    rng = np.random.default_rng(2)
    made: Tensor = torch.from_numpy(np.stack([rng.integers(0, n, (pieces, length)) for n in SIZES], axis=-1))
    return made


WIDER = ("network.width=256", "network.layers=6", "network.heads=8")
WIDEST = ("network.width=512", "network.layers=6", "network.heads=8")
PUBLISHED: tuple[tuple[str, tuple[str, ...], tuple[int, ...], float], ...] = (
    ("folk-rnn", (), (137,), 5.64),
    ("gpt2-remi", (), (), 3.8),
    ("gpt2-tsd", (), (), 3.8),
    ("gpt2-remi", ("network.width=600", "network.heads=12", "network.layers=12"), (), 53.4),
    ("mmt-1m", (), (), 1.07),
    ("mmt-7m", (), (), 6.86),
    ("mmt-20m", (), (), 20.01),
    ("mmt-20m", (), (5, 257, 13, 129, 33, 65), 19.94),
    ("mmm", (), (), 20.5),
    ("multihead", (), (), 0.83),
    ("multihead", WIDER, (), 6.39),
    ("multihead", WIDEST, (), 19.06),
    ("structured", (), (), 0.96),
    ("structured", WIDER, (), 6.65),
    ("structured", WIDEST, (), 19.6),
    ("event-llama-234m", (), (425,) * 8, 233.8),
)
"""Recipes, settings, the sizes of a vocabulary where the published one is another, millions of parameters."""


@pytest.mark.parametrize(("name", "settings", "sizes", "millions"), PUBLISHED)
def test_a_network_has_the_published_size(
    name: str, settings: tuple[str, ...], sizes: tuple[int, ...], millions: float
) -> None:
    recipe = read_recipe(SHIPPED / f"{name}.toml", settings)
    assert isinstance(recipe.network, DecoderConfig | RecurrentConfig)
    with torch.device("meta"):
        made = token_network(recipe.network, sizes or open_coder(recipe.tokens.scheme, recipe.tokens.config).sizes)
    assert sum(p.numel() for p in made.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_the_structured_vocabulary_has_the_published_size() -> None:
    tokens = TOKEN_RECIPES["structured"].tokens
    assert open_coder(tokens.scheme, tokens.config).sizes == (676,)
    assert open_coder("mmt").sizes == (5, 257, 13, 129, 33, 129)


@pytest.mark.parametrize("name", SMALL)
def test_no_row_is_told_from_itself_or_from_what_follows(name: str) -> None:
    made, given = network(SMALL[name]), rows()
    before = made(given)
    for place in (1, 7, 19):
        changed = given.clone()
        changed[:, place] = (changed[:, place] + 1) % torch.tensor(SIZES)
        after = made(changed)
        # Logits t tell row t + 1; in chained columns they may know the columns before, never their own.
        for column, (x, y) in enumerate(zip(before, after, strict=True)):
            known = place if made.chained and column else place + 1
            assert torch.equal(x[:, : known - 1], y[:, : known - 1])
            if place < 19:
                assert not torch.allclose(x[:, place:], y[:, place:], atol=1e-5)


def test_chained_columns_know_the_columns_before_them_alone() -> None:
    made, given = network(SMALL["event-llama"]), rows()
    before = made(given)
    for column in range(len(SIZES)):
        changed = given.clone()
        changed[:, 7, column] = (changed[:, 7, column] + 1) % SIZES[column]
        same = [torch.allclose(x[:, 6], y[:, 6], atol=1e-5) for x, y in zip(before, made(changed), strict=True)]
        assert same == [later <= column for later in range(len(SIZES))]


@pytest.mark.parametrize("name", SMALL)
def test_steps_say_what_whole_windows_say(name: str) -> None:
    made, given = network(SMALL[name]), rows(40)
    whole = made(given)
    model = TorchTokenModel(made)
    for size in (1, 7, 40):
        for piece in range(2):
            stepped = stepped_logits(model, given[piece].numpy(), size)
            for x, y in zip(stepped, whole, strict=True):
                assert np.allclose(x, y[piece].detach().numpy(), atol=2e-5)


@pytest.mark.parametrize("name", SMALL)
def test_blocks_of_queries_say_what_whole_windows_say(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m4mcli.networks.decoder.BLOCK", 8)
    made, given = network(SMALL[name]), rows(21)
    whole = made(given)
    # As under autocast, but in full precision.
    monkeypatch.setattr("m4mcli.networks.decoder.torch.is_autocast_enabled", lambda kind: True)
    for x, y in zip(made(given), whole, strict=True):
        assert torch.allclose(x, y, atol=1e-5)


def test_attention_divides_by_the_root_of_a_heads_width() -> None:
    """A published one divides by the width itself."""
    config = DecoderConfig(width=16, layers=1, heads=2, head_width=12, bias=False, context=64)
    (block,) = network(config).blocks  # type: ignore[misc]
    x = torch.randn(1, 9, 16)
    q, k, v = block.attention.qkv(x).view(9, 3, 2, 12).permute(1, 2, 0, 3)
    seen = torch.tril(torch.ones(9, 9)).bool()
    shares = torch.softmax((q @ k.transpose(1, 2) / 12**0.5).masked_fill(~seen, float("-inf")), dim=-1)
    by_hand = block.attention.output((shares @ v).transpose(0, 1).flatten(1))
    assert torch.allclose(block.attention(x)[0], by_hand, atol=1e-5)


@pytest.mark.parametrize("name", ["folk-rnn", "mmm-small"])
def test_chance_is_in_the_sampler_alone(name: str) -> None:
    """A published sampler takes the likeliest of a network in training, whose dropout is all its chance."""
    made, given = network(replace(SMALL[name], dropout=0.5)).train(), rows()[0].numpy()
    first, again = (stepped_logits(TorchTokenModel(made), given) for _ in range(2))
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))


@pytest.mark.parametrize("name", SMALL)
def test_sampling_keeps_no_graph_of_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers that keep one grow by gigabytes."""
    made = network(SMALL[name])
    inner, seen = made.step, []

    def step(*given: Any) -> Any:
        seen.append(torch.is_grad_enabled())
        return inner(*given)

    monkeypatch.setattr(made, "step", step)
    stepped_logits(TorchTokenModel(made), rows()[0].numpy(), 10)
    assert seen
    assert not any(seen)


def test_what_a_network_is_made_from_stays_as_it_is() -> None:
    """A published one sets the number of beats of the encoding that it is given."""
    sizes, recipe = list(open_coder("mmt").sizes), TOKEN_RECIPES["mmt-1m"]
    before = as_toml(recipe)
    with torch.device("meta"):
        assert isinstance(recipe.network, DecoderConfig)
        for context in (64, 1024):
            made = token_network(replace(recipe.network, context=context), sizes)
            assert [head.out_features for head in made.told.columns] == sizes  # type: ignore[union-attr]
    assert sizes == list(open_coder("mmt").sizes) == [5, 257, 13, 129, 33, 129]
    assert as_toml(recipe) == before


@pytest.mark.parametrize("name", SMALL)
def test_what_fills_a_batch_changes_nothing(name: str) -> None:
    made, given = network(SMALL[name]), rows(12)
    filled = torch.cat((given, torch.full((2, 5, 3), -1)), dim=1)
    for x, y in zip(made(given), made(filled), strict=True):
        assert torch.allclose(x, y[:, :11], atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_sizes_read_back(name: str) -> None:
    assert read_config(SMALL[name].as_dict()) == SMALL[name]
