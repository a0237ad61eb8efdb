"""Networks over merged ids: what they read is the same music, what they write keeps the scheme's order."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_adapt import scale

from m4mcli.errors import M4mError
from m4mcli.score.write import score_to_midi
from m4mcli.tokens.bpe import read_merges, train
from m4mcli.tokens.coder import Coder
from m4mcli.tokens.merged import MergedCoder, merged_coder, opened_coder
from m4mcli.tokens.miditok_form import settings_from_miditok
from m4mcli.tokens.schemes import open_scheme

tokenizers = pytest.importorskip("tokenizers")
SCHEMES = ("tsd", "remi")


def merges(folder: Path, scheme: str) -> Path:
    """Merges learnt from scales."""
    opened = open_scheme(scheme, settings_from_miditok({"use_time_signatures": False}))
    pieces = [opened.encode(scale(root))[0] for root in range(57, 62)]
    path = folder / f"{scheme}.json"
    path.write_text(train(pieces, opened, opened.vocabulary.size + 40), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
def test_merged_rows_are_fewer_and_the_same_music(tmp_path: Path, scheme: str) -> None:
    path = merges(tmp_path, scheme)
    coder = merged_coder(str(path), scheme)
    plain, theirs = Coder(coder.scheme), read_merges(str(path))
    assert coder.sizes == (theirs.size,)
    for root in (57, 66):
        (rows,), (own,) = coder.pieces(scale(root)), plain.pieces(scale(root))
        assert len(rows) < (0.6 if root == 57 else 0.9) * len(own)
        found, expected = coder.score(rows), plain.score(own)
        assert np.array_equal(found[0].tracks[0].notes, expected[0].tracks[0].notes)
        assert found[1] == 0
        # `tokenizers` merges the same ids into the same words.
        tokens = theirs.applied(coder.scheme.encode(scale(root))[0])
        ours = [tuple(coder._expanded[i]) for i in rows[1:-1, 0].tolist()]
        assert ours == [tuple(theirs.flat[theirs.starts[i] : theirs.starts[i + 1]]) for i in tokens.ids.tolist()]
    again = opened_coder(json.loads(json.dumps(coder.facts())), "model")
    assert isinstance(again, MergedCoder)
    assert again.pairs == coder.pairs


@pytest.mark.parametrize("scheme", SCHEMES)
def test_merged_ids_keep_the_order_of_their_scheme(tmp_path: Path, scheme: str) -> None:
    coder = merged_coder(str(merges(tmp_path, scheme)), scheme)
    (rows,) = coder.pieces(scale(60))
    state = coder.started()
    for row in rows[1:, 0].tolist():
        assert coder.grammar.allowed_next(state)[row]
        state = coder.grammar.step(state, row)
    rng = np.random.default_rng(0)
    for _ in range(5):
        state, written = coder.started(), [int(coder.lead[0])]
        while len(written) < 60:
            mask = coder.grammar.allowed_next(state)
            own = coder.scheme.grammar.allowed_next(state)
            assert np.array_equal(mask[: len(own)], own)
            chosen = int(rng.choice(np.flatnonzero(mask)))
            if chosen == coder.end[0]:
                break
            state = coder.grammar.step(state, chosen)
            written.append(chosen)
        flat = [i for row in written[1:] for i in coder._expanded[row]]
        state = coder.started()
        for i in flat:
            assert coder.scheme.grammar.allowed_next(state)[i]
            state = coder.scheme.grammar.step(state, i)


def test_a_network_is_trained_on_merged_ids_and_writes_them(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from m4mcli.tasks.token_piece import Wish, write_pieces
    from m4mcli.training.checkpoint import load_token_network
    from m4mcli.training.loop import train as train_recipe
    from m4mcli.training.recipe import find_recipe, read_recipe
    from m4mcli.training.torch_token_model import TorchTokenModel

    for root in range(57, 62):
        path = tmp_path / "scales" / ("valid" if root == 60 else "train") / f"{root}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(score_to_midi(scale(root)))
    sizes = ("network.width=32", "network.layers=1", "network.heads=2", "data.windows=2", "data.rows=64")
    how = ("optimizer.steps=2", "trainer.evaluate_every=2", f"tokens.bpe='{merges(tmp_path, 'tsd')}'")
    recipe = read_recipe(find_recipe("gpt2-tsd"), (*sizes, *how))
    train_recipe(recipe, tmp_path / "scales", tmp_path / "run")
    network, facts = load_token_network(tmp_path / "run" / "best.safetensors")
    (tmp_path / "tsd.json").unlink()
    coder = opened_coder(facts["tokens"], "run")
    assert network.sizes == coder.sizes
    for prompt in (None, scale(60)):
        (piece,) = write_pieces(TorchTokenModel(network), coder, Wish(1, 60, prompt=prompt, beats=4))
        assert piece.skipped == 0
        assert prompt is None or piece.score.tracks[0].notes["pitch"][:8].tolist() == [60, 62, 64, 65, 67, 69, 71, 72]


def test_a_file_without_merges_is_refused(tmp_path: Path) -> None:
    path = merges(tmp_path, "tsd")
    with pytest.raises(M4mError, match="a tokenizer of the kind TSD, the recipe says remi"):
        merged_coder(str(path), "remi")
    form = json.loads(path.read_text())
    del form["_model"]
    path.write_text(json.dumps(form))
    with pytest.raises(M4mError, match="no merges that m4m can use; make some with m4m tokenize --train-bpe"):
        merged_coder(str(path), "tsd")
    with pytest.raises(M4mError, match="not a readable tokenizer"):
        merged_coder(str(tmp_path / "missing.json"), "tsd")
