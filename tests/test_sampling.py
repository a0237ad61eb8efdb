"""From logits to choices: top-k is a count, top-p a mass, min-p a ratio; one number decides one choice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.consensus import agreement, by_consensus, by_likelihood
from m4mcli.generation.request import Sample
from m4mcli.generation.sampling import Sampling, choose, kept, log_softmax

PROBABILITIES = np.array([[0.05, 0.4, 0.1, 0.25, 0.2]])
ALL = np.ones((1, 5), bool)


def keeps(sampling: Sampling, p: NDArray[np.float64] = PROBABILITIES) -> list[int]:
    return np.flatnonzero(kept(np.log(p), sampling)[0]).tolist()


@pytest.mark.parametrize(
    ("sampling", "left"),
    [
        (Sampling(), [0, 1, 2, 3, 4]),
        (Sampling(top_k=1), [1]),
        (Sampling(top_k=3), [1, 3, 4]),
        (Sampling(top_k=9), [0, 1, 2, 3, 4]),
        (Sampling(top_p=0.3), [1]),
        (Sampling(top_p=0.41), [1, 3]),
        (Sampling(top_p=0.64), [1, 3]),
        (Sampling(top_p=0.66), [1, 3, 4]),
        (Sampling(top_p=0.001), [1]),
        (Sampling(min_p=0.5), [1, 3, 4]),
        (Sampling(min_p=1.0), [1]),
        (Sampling(min_p=0.2), [1, 2, 3, 4]),
        (Sampling(top_k=2, min_p=0.2, top_p=0.9), [1, 3]),
    ],
)
def test_what_is_kept(sampling: Sampling, left: list[int]) -> None:
    assert keeps(sampling) == left


def test_ties_go_to_the_first() -> None:
    even = np.full((1, 4), 0.25)
    assert keeps(Sampling(top_k=2), even) == [0, 1]
    assert keeps(Sampling(top_p=0.5), even) == [0, 1]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_a_choice_is_the_inverse_of_the_distribution(temperature: float) -> None:
    n = 20_000
    uniforms = (np.arange(n) + 0.5) / n
    logits = np.repeat(np.log(PROBABILITIES), n, axis=0)
    values, _ = choose(logits, np.repeat(ALL, n, axis=0), Sampling(temperature=temperature), uniforms)
    heated = PROBABILITIES[0] ** (1 / temperature)
    np.testing.assert_allclose(np.bincount(values) / n, heated / heated.sum(), atol=1e-4)
    assert (np.diff(values) >= 0).all()


def test_temperature_0_takes_the_likeliest() -> None:
    for uniform in (0.0, 0.5, 0.999999):
        value, log_p = choose(np.log(PROBABILITIES), ALL, Sampling(temperature=0), np.array([uniform]))
        assert value.tolist() == [1]
        assert log_p[0] == pytest.approx(np.log(0.4))


def test_what_is_not_allowed_is_not_chosen_and_does_not_count() -> None:
    allowed = np.array([[True, False, True, False, False]])
    value, log_p = choose(np.log(PROBABILITIES), allowed, Sampling(), np.array([0.9]))
    assert value.tolist() == [2]
    assert log_p[0] == pytest.approx(np.log(0.1 / 0.15))
    value, _ = choose(np.log(PROBABILITIES), allowed, Sampling(temperature=0), np.array([0.0]))
    assert value.tolist() == [2]


def test_log_probabilities_are_those_of_temperature_1_before_anything_is_dropped() -> None:
    _, log_p = choose(np.log(PROBABILITIES), ALL, Sampling(temperature=0.3, top_p=0.5, top_k=2), np.array([0.99]))
    assert log_p[0] == pytest.approx(np.log(0.25)) or log_p[0] == pytest.approx(np.log(0.4))


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 3),
    st.floats(0.01, 1),
    st.integers(0, 8),
    st.floats(0, 1),
    st.sampled_from([0.0, 1e-300, 0.5, float(np.nextafter(1, 0))]),
)
def test_every_choice_is_allowed(
    seed: int, temperature: float, top_p: float, top_k: int, min_p: float, uniform: float
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=rng.choice((0.1, 5, 500)), size=(6, 7)).astype(np.float32)
    allowed = rng.random((6, 7)) < 0.4
    allowed[np.arange(6), rng.integers(0, 7, 6)] = True
    sampling = Sampling(temperature, top_p, top_k, min_p)
    values, log_p = choose(logits, allowed, sampling, np.full(6, uniform))
    assert allowed[np.arange(6), values].all()
    assert (np.isfinite(log_p) & (log_p <= 1e-12)).all()


def test_log_softmax_stands_large_logits() -> None:
    np.testing.assert_allclose(log_softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])), [[0, -1e4], [-np.log(2)] * 2])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperature": -0.1}, "--temperature"),
        ({"temperature": 100.0}, "--temperature"),
        ({"temperature": float("nan")}, "--temperature"),
        ({"top_p": 0.0}, "--top-p"),
        ({"top_p": 1.1}, "--top-p"),
        ({"top_k": -1}, "--top-k"),
        ({"min_p": -0.1}, "--min-p"),
        ({"min_p": 2.0}, "--min-p"),
    ],
)
def test_what_is_out_of_range_is_a_usage_error(changes: dict[str, float], said: str) -> None:
    with pytest.raises(M4mError, match=said) as refused:
        Sampling(**changes)  # type: ignore[arg-type]
    assert refused.value.status == 2


def sample(*chords: tuple[int, ...], log_likelihood: float = 0.0, choices: int = 1) -> Sample:
    rows = [(8 * i, 0, pitch, 8) for i, chord in enumerate(chords) for pitch in chord]
    return Sample(np.array(rows, FRAME_NOTE), log_likelihood, choices)


C, A_MINOR, F = (36, 40, 43), (45, 48, 52), (41, 45, 48)


def test_agreement_by_hand() -> None:
    found = agreement([sample(C, C), sample(C, A_MINOR), sample(C, C)], 16)
    # C E G and A C E have two of four pitch classes in common, half of the frames are the same.
    assert found[0, 1] == pytest.approx(((1 + 0.5) / 2 + 0.5 + 0.5) / 3)
    np.testing.assert_allclose(found, found.T)
    np.testing.assert_allclose(np.diag(found), 1)
    assert found[0, 2] == 1


def test_silence_agrees_with_silence() -> None:
    assert agreement([sample(), sample()], 8)[0, 1] == 1
    assert agreement([sample(), sample(C)], 8)[0, 1] == 0


def test_consensus_takes_what_most_agree_with() -> None:
    samples = [sample(F, F), sample(C, C), sample(C, A_MINOR), sample(C, C)]
    assert by_consensus(samples, 16) == [1, 3, 2, 0]
    assert by_consensus(samples[:1], 16) == [0]


def test_likelihood_is_counted_by_choice() -> None:
    samples = [sample(log_likelihood=-10, choices=5), sample(log_likelihood=-9, choices=9), sample(choices=0)]
    assert by_likelihood(samples) == [2, 1, 0]
