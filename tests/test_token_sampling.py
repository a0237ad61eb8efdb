"""The sampler of networks over tokens: the grammar is kept, each piece ends by itself, a seed says the same again."""

import re

import numpy as np
import pytest

from m4mcli.dataset.parts import key_shift
from m4mcli.errors import M4mError
from m4mcli.generation.sampling import Sampling
from m4mcli.generation.token_sampling import Asked, Written, sample
from m4mcli.models.network import Floats, Integers
from m4mcli.models.token_model import TokenModel
from m4mcli.score.score import Score, Track, notes_array
from m4mcli.score.transposition import moved_by
from m4mcli.tasks.token_piece import Wish, write_pieces
from m4mcli.tokens.abc_scheme import abc_text
from m4mcli.tokens.abc_vocabulary import KEYS
from m4mcli.tokens.coder import Coder, coder_of, open_coder, without_end
from m4mcli.tokens.scheme import Tokens
from m4mcli.tokens.schemes import NAMES

BAND = {"use_programs": True, "use_tempos": True}


ENDS = {"tsd": 4.0, "mmt": -2.0, "tpd": 1.0, "structured": 3.0, "mmm": 0.0, "octuple": 3.0}
"""How likely an end is made, so that pieces end early but not at once; those of other schemes end at once or hardly."""


class Chance(TokenModel):
    """Logits that depend on all rows so far, through a running sum; chained or not, with a cache or a state."""

    def __init__(self, coder: Coder, context: int = 0, *, chained: bool = False, end: float = 0.0) -> None:
        state = [[1, 0, 4]] if context else [[1, 4]]
        super().__init__(coder.sizes, context, state, chained)
        rng = np.random.default_rng(1)
        self.rows = rng.normal(size=(len(coder.sizes), 4))
        self.out = [rng.normal(size=(4, n)) for n in coder.sizes]
        self.end, self.last = end, coder.end
        self.longest = 0

    def run(self, rows: Integers, length: Integers, past: list[Floats]) -> list[Floats]:
        new = np.sin(rows @ self.rows)
        if self.context:
            before = past[0][:, 0, : int(length[0])].sum(axis=1, keepdims=True)
            present = new[:, None]
            self.longest = max(self.longest, int(length[0]) + rows.shape[1])
        else:
            before = past[0][:, :1]
            present = before + new
        hidden = np.cos(before + np.cumsum(new, axis=1)).astype(np.float32)
        told = [hidden] if self.chained else self.logits(hidden)
        return [*told, present.astype(np.float32)]

    def logits(self, hidden: Floats) -> list[Floats]:
        found: list[Floats] = [(3 * hidden @ out).astype(np.float32) for out in self.out]
        for x, last in zip(found, self.last.tolist(), strict=True):
            x[..., last] += self.end
        return found

    def run_columns(self, hidden: Floats, chosen: Integers) -> list[Floats]:
        told = np.where(chosen < 0, 0, chosen).sum(axis=-1, keepdims=True)
        return self.logits((hidden + 0.1 * told).astype(np.float32))


def coder_for(name: str) -> Coder:
    return open_coder(name, BAND if name in ("remi", "tsd", "midilike", "cpword", "octuple") else None)


def written(model: TokenModel, coder: Coder, length: int = 60, pieces: int = 6, **how: object) -> list[Written]:
    return sample(model, coder, Asked(coder.lead[None], length, Sampling(), **how), pieces)  # type: ignore[arg-type]


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_sampled_keeps_to_the_grammar_and_decodes_whole(name: str, chained: bool) -> None:
    coder = coder_for(name)
    notes = 0
    for piece in written(Chance(coder, chained=chained, end=-5.0), coder, 200):
        score, skipped = coder.score(piece.rows)
        assert skipped == 0
        notes += score.note_count
        assert (piece.rows[0] == coder.lead).all()
        assert len(piece.rows) <= 200
    # A note of MIDI-like tokens that sounds on is no place to end; by chance ABC declares voices and mmm metres.
    assert notes > 0 or name in ("midilike", "abc", "mmm")


def test_without_the_grammar_it_would_not() -> None:
    coder = coder_for("structured")
    pieces = written(Chance(coder), coder, grammar=False)
    assert sum(coder.score(piece.rows)[1] for piece in pieces) > 0


@pytest.mark.parametrize(("name", "end"), ENDS.items())
def test_an_end_ends_its_own_piece_alone(name: str, end: float) -> None:
    coder = coder_for(name)
    pieces = written(Chance(coder, end=end), coder, 60, 6)
    lengths = [len(piece.rows) for piece in pieces]
    assert len(set(lengths)) > 1
    for piece in pieces:
        ends = np.flatnonzero((piece.rows == coder.end).all(1))
        assert ends.tolist() == ([len(piece.rows) - 1] if piece.ended else [])
    apart = [Asked(coder.lead[None], 60, Sampling(), first=i) for i in range(0, 6, 2)]
    alone = [sample(Chance(coder, end=end), coder, asked, 1) for asked in apart]
    assert [len(found[0].rows) for found in alone] == lengths[::2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("context", [0, 32])
def test_a_length_always_ends_it(name: str, context: int) -> None:
    coder = coder_for(name)
    model = Chance(coder, context, end=-100.0)
    for length in (2, 31, 33, 70):
        pieces = written(model, coder, length, 2)
        assert all(len(piece.rows) <= length for piece in pieces)
        assert name != "structured" or all(length - 4 <= len(p.rows) and not p.ended for p in pieces)
    assert model.longest <= context or not context


def test_a_cache_and_reading_anew_say_the_same() -> None:
    coder = coder_for("mmt")
    model = Chance(coder, 256)
    (piece,) = written(model, coder, 200, 1)
    memory = model.begin(1)
    steps = [model.read(piece.rows[None, i : i + 1], memory) for i in range(len(piece.rows))]
    whole = model.read(piece.rows[None], model.begin(1))
    for column in range(len(coder.sizes)):
        apart = np.concatenate([step.told[column][0] for step in steps])
        assert np.allclose(apart, whole.told[column][0], atol=1e-5)


def test_the_same_seed_writes_the_same() -> None:
    coder = coder_for("remi")
    first, again, other = (written(Chance(coder, end=-5.0), coder, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a.rows, b.rows) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.rows, b.rows) for a, b in zip(first, other, strict=True))
    cold = [sample(Chance(coder), coder, Asked(coder.lead[None], 40, Sampling(0.0), s), 1)[0] for s in (1, 2)]
    assert np.array_equal(cold[0].rows, cold[1].rows)


# Prompts


def tune() -> Score:
    return Score(480, (Track("Tune", 73, False, notes_array([(240 * i, 240, 60 + i % 5, 80) for i in range(16)])),))


def scale() -> Score:
    steps = enumerate((0, 2, 4, 5, 7, 9, 11, 12))
    return Score(480, (Track("", 0, False, notes_array([(240 * i, 240, 60 + step, 80) for i, step in steps])),))


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_gone_on_from(name: str) -> None:
    coder = coder_for(name)
    wish = Wish(2, 240, prompt=tune(), beats=4)
    for piece in write_pieces(Chance(coder, end=-100.0), coder, wish):
        assert piece.skipped == 0
        notes = np.concatenate([track.notes for track in piece.score.tracks])
        opening = {(int(n["onset"]), int(n["pitch"])) for n in notes}
        assert {(240 * i, 60 + i % 5) for i in range(8)} <= opening
        assert len(notes) > 8 or name in ("midilike", "frames", "abc")


def test_a_model_of_one_key_goes_on_in_the_key_of_its_prompt() -> None:
    coder, found = coder_for("mmt"), []
    for up in (0, 2, 4):
        prompt = moved_by(scale(), up)
        assert key_shift(prompt) == -up
        (piece,) = write_pieces(Chance(coder, end=-100.0), coder, Wish(1, 60, prompt=prompt, one_key=True))
        pitches = piece.score.tracks[0].notes["pitch"].astype(int)
        assert pitches[:8].tolist() == [up + 60 + step for step in (0, 2, 4, 5, 7, 9, 11, 12)]
        found.append((pitches - up).tolist())
    inside = [i for i, p in enumerate(found[0]) if p < 120]
    assert len(inside) > 20
    assert all([other[i] for i in inside] == [found[0][i] for i in inside] for other in found[1:])


def test_a_prompt_too_long_and_one_without_the_part_are_refused() -> None:
    coder = coder_for("tpd")
    with pytest.raises(M4mError, match="the prompt has 17 rows, and the piece is to have 10; give a shorter prompt"):
        write_pieces(Chance(coder), coder, Wish(1, 10, prompt=tune()))
    drums = Score(480, (Track("", 0, True, tune().tracks[0].notes),))
    with pytest.raises(M4mError, match="the prompt has no part like pitched"):
        write_pieces(Chance(coder), coder, Wish(1, 100, prompt=drums, part="pitched"))
    many = coder_for("structured")
    with pytest.raises(M4mError, match="the prompt has 2 tracks, the model writes one"):
        write_pieces(Chance(many), many, Wish(1, 100, prompt=Score(480, tune().tracks * 2)))


def test_a_tune_is_in_the_metre_and_key_that_are_asked_for() -> None:
    coder = coder_for("abc")
    model = Chance(coder, end=-5.0)
    for key, allowed in (("Am", {"Am"}), ("minor", {k for k in KEYS if k.endswith("m")}), (None, {*KEYS, "none"})):
        for piece in write_pieces(model, coder, Wish(3, 60, metre="6/8", key=key, seed=2)):
            text = abc_text(Tokens("abc", piece.written))
            assert "\nM:6/8\n" in text
            assert re.findall(r"^K:(.*)$", text, re.MULTILINE)[0] in allowed
    for wish, said in (
        (Wish(metre="6/7"), "--metre 6/7 is none; write 4/4, 3/4, 6/8"),
        (Wish(key="H"), "--key H is none; write G, Dm, F#m, major or minor"),
        (Wish(key="C", prompt=tune()), "--prompt excludes --metre, --key and --instruments"),
    ):
        with pytest.raises(M4mError) as refused:
            write_pieces(model, coder, wish)
        assert said in str(refused.value)


@pytest.mark.parametrize("name", ["mmt", "octuple", "remi", "tsd", "cpword"])
def test_only_the_instruments_play_that_are_asked_for(name: str) -> None:
    coder, heard = coder_for(name), set()
    for piece in write_pieces(Chance(coder, end=-5.0), coder, Wish(12, 160, instruments=(0, 33))):
        assert piece.skipped == 0
        heard |= {(track.program, track.is_drum) for track in piece.score.tracks}
    assert heard <= {(0, False), (33, False)}
    assert heard


def test_instruments_that_a_model_does_not_tell_are_refused() -> None:
    for name, instruments, said in (
        ("tpd", (0,), "--instruments: tpd tells none here"),
        ("mmt", (0, 128), "--instruments: the scheme mmt has no drums"),
        ("structured", (0,), "--instruments: structured tells none here"),
    ):
        with pytest.raises(M4mError) as refused:
            write_pieces(Chance(coder_for(name)), coder_for(name), Wish(instruments=instruments))
        assert said in str(refused.value)
    with pytest.raises(M4mError, match="--metre and --key are for models over ABC; this one's tokens are tpd"):
        write_pieces(Chance(coder_for("tpd")), coder_for("tpd"), Wish(key="C"))


# Music as rows


@pytest.mark.parametrize("name", NAMES)
def test_music_becomes_rows_and_comes_back(name: str) -> None:
    coder = coder_for(name)
    (rows,) = coder.pieces(tune())
    assert rows.shape[1] == len(coder.sizes)
    assert (rows >= 0).all()
    assert (rows < np.array(coder.sizes)).all()
    assert (rows[0] == coder.lead).all()
    assert (rows[-1] == coder.end).all()
    assert len(without_end(rows, coder)) == len(rows) - 1
    state = coder.started()
    for token in rows[1:].reshape(-1).tolist():
        assert coder.grammar.allowed_next(state)[token]
        state = coder.grammar.step(state, token)
    score, skipped = coder.score(rows)
    assert skipped == 0
    back = np.concatenate([track.notes for track in score.tracks])
    assert back["pitch"].tolist() == tune().tracks[0].notes["pitch"].tolist()
    assert back["onset"].tolist() == tune().tracks[0].notes["onset"].tolist()
    assert coder_of(coder.facts(), "m").sizes == coder.sizes


def test_a_model_of_another_version_of_a_scheme_is_refused() -> None:
    facts = coder_for("tpd").facts() | {"version": 99}
    with pytest.raises(M4mError, match="m: made for another version of the scheme tpd; train it again"):
        coder_of(facts, "m")
    with pytest.raises(M4mError, match="the scheme tpd takes no config"):
        open_coder("tpd", {"num_velocities": 4})
    with pytest.raises(M4mError, match="the scheme remi has no BOS here"):
        _ = open_coder("remi", {"special_tokens": ["PAD"]}).lead
