"""The network: nothing leaks from the future, cached is uncached, padding is nothing, transposing turns the circle."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from toy import band, example, request, toy_sizes

torch = pytest.importorskip("torch")

from m4mcli.frames.fields import END, HELD, active_fields  # noqa: E402
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order  # noqa: E402
from m4mcli.generation.likelihood import teacher_forced  # noqa: E402
from m4mcli.generation.request import Piece, Request  # noqa: E402
from m4mcli.generation.window import Window  # noqa: E402
from m4mcli.networks.adapter import ADAPTED, Lora, layered, tensor_names  # noqa: E402
from m4mcli.networks.config import Alignment  # noqa: E402
from m4mcli.networks.foundation import Foundation  # noqa: E402
from m4mcli.networks.layers import CircleLinear  # noqa: E402
from m4mcli.networks.objective import TensorBatch, field_losses, hidden_states  # noqa: E402
from m4mcli.training.batches import Example, collate  # noqa: E402
from m4mcli.training.feed import as_tensors, on_device  # noqa: E402
from m4mcli.training.torch_network import TorchNetwork  # noqa: E402

FORMS: tuple[Alignment, ...] = ("none", "aligned", "self", "cross")
LENGTH = 40
TOLERANCE = 1e-4

torch.set_num_threads(1)


def foundation(form: Alignment, seed: int = 0) -> Foundation:
    """A toy network in which every part matters: what starts at zero does not stay there."""
    torch.manual_seed(seed)
    model = Foundation(replace(toy_sizes(), alignment=form))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def adapter(model: Foundation, rank: int = 3) -> Lora:
    torch.manual_seed(1)
    lora = Lora(model.config, rank)
    with torch.no_grad():
        for tensor in lora.tensors():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return lora


def batch(*examples: Example) -> TensorBatch:
    return on_device(as_tensors(collate(list(examples))), "cpu")


def nats(model: Foundation, *examples: Example, lora: Lora | None = None) -> tuple[NDArray[np.float32], ...]:
    """Losses of each decision: instrument of every row, tone, octave and duration of every note."""
    with torch.no_grad():
        losses = field_losses(model, batch(*examples), None if lora is None else lora.adapters())
    return tuple(x.numpy() for x in (losses.instrument, losses.tone, losses.octave, losses.duration))


def states(model: Foundation, example: Example) -> NDArray[np.float32]:
    with torch.no_grad():
        hidden, circles = hidden_states(model, batch(example))
    return np.asarray(torch.cat((hidden, circles.flatten(-2)), dim=-1)[0].numpy())


def of(example: Example, length: int) -> Request:
    return request(length, example.reference, metre=example.metre)


@pytest.mark.parametrize("given", [True, False], ids=["given", "nothing given"])
@pytest.mark.parametrize("form", FORMS)
def test_steps_give_what_training_computes(form: Alignment, given: bool) -> None:
    model, music = foundation(form), example(LENGTH, given=given, target=band(LENGTH))
    trained = nats(model, music)
    decisions = teacher_forced(TorchNetwork(model, LENGTH), of(music, LENGTH), music.target)
    pitched = decisions.taken[0][decisions.taken[0] != END] < DRUMS
    kept = (trained[0], trained[1], trained[2][pitched], trained[3])
    for ours, theirs, taken in zip(kept, decisions.logits, decisions.taken, strict=True):
        log_p = torch.log_softmax(torch.as_tensor(theirs), dim=1).numpy()
        assert len(ours) == len(taken) > 0
        np.testing.assert_allclose(ours, -log_p[np.arange(len(taken)), taken], atol=TOLERANCE)
    assert decisions.nats() == pytest.approx([x.sum() for x in trained], abs=0.05)


@pytest.mark.parametrize("told", [True, False], ids=["metre", "no metre"])
@pytest.mark.parametrize("form", FORMS)
def test_frame_by_frame_is_all_at_once_is_training(form: Alignment, told: bool) -> None:
    model, music = foundation(form), example(LENGTH, told=told)
    network, piece = TorchNetwork(model, LENGTH), Piece(np.random.default_rng(0))
    piece.add(music.target)
    whole = np.concatenate(Window(network, of(music, LENGTH), 0, 1).read_to(LENGTH - 1, [piece])[0])
    window = Window(network, of(music, LENGTH), 0, 1)
    steps = np.concatenate([window.read_to(t, [piece])[0][0] for t in (*range(20), 23, 30, *range(31, LENGTH))])
    np.testing.assert_allclose(steps, whole, atol=TOLERANCE)
    np.testing.assert_allclose(whole, states(model, music)[:, : whole.shape[1]], atol=TOLERANCE)


@pytest.mark.parametrize("form", FORMS)
def test_a_frame_changes_nothing_up_to_itself(form: Alignment) -> None:
    model, music = foundation(form), example(LENGTH)
    before = states(model, music)
    for t in (0, 7, 16, LENGTH - 1):
        other = in_order(np.concatenate((music.target, np.array([(t, 9, 50, 3), (t, DRUMS, 38, 1)], FRAME_NOTE))))
        after = states(model, replace(music, target=other, history=other))
        np.testing.assert_array_equal(after[: t + 1], before[: t + 1])
        assert t + 1 == LENGTH or not np.array_equal(after[t + 1], before[t + 1])


@pytest.mark.parametrize("form", FORMS)
def test_a_note_changes_nothing_of_the_notes_before_it(form: Alignment) -> None:
    model = foundation(form)
    triad = [(3, 0, 40, 4), (3, 0, 44, 4), (3, 0, 47, 4), (3, 0, 52, 4)]
    music = example(8, target=np.array(triad, FRAME_NOTE))
    before = nats(model, music)
    rows = 3  # three frames without notes, an END each, come first
    for k in range(4):
        changed = [*triad[:k], (3, 0, triad[k][2] + 1, 6), *triad[k + 1 :]]
        after = nats(model, replace(music, target=np.array(changed, FRAME_NOTE), history=music.history))
        np.testing.assert_array_equal(after[0][: rows + k + 1], before[0][: rows + k + 1])
        for field in (1, 2, 3):
            np.testing.assert_array_equal(after[field][:k], before[field][:k])
        assert k == 3 or not np.array_equal(after[1][k + 1 :], before[1][k + 1 :])


@pytest.mark.parametrize("form", ["aligned", "self", "cross"])
def test_the_reference_matters_in_every_form(form: Alignment) -> None:
    model, music = foundation(form), example(LENGTH)
    assert music.reference is not None
    far = music.reference.copy()
    far["pitch"][far["frame"] >= 30] += 12
    changed = np.abs(states(model, replace(music, reference=far)) - states(model, music)).max(axis=1) > 1e-6
    assert changed[30:].all()
    # Octaves are not in the pictures of pitch classes: what is ahead is seen by way of the form alone.
    assert changed[:30].any()


@pytest.mark.parametrize("form", FORMS)
def test_padding_changes_nothing(form: Alignment) -> None:
    model = foundation(form)
    short, long = example(24, seed=1, target=band(24)), example(LENGTH, seed=2, given=False)
    together = nats(model, short, long)
    alone = [np.concatenate(pair) for pair in zip(nats(model, short), nats(model, long), strict=True)]
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_empty_slots_change_nothing() -> None:
    from m4mcli.networks.steps import padded_vectors

    notes = torch.randint(0, 2, (2, 3, 4, 5))
    wider = torch.cat((notes, torch.full((2, 3, 6, 5), -1)), dim=2)
    model = foundation("none")
    torch.testing.assert_close(padded_vectors(model, wider), padded_vectors(model, notes))


def test_the_circle_turns_with_the_music() -> None:
    torch.manual_seed(0)
    layer, x = CircleLinear(5, 7), torch.randn(2, 3, 12, 5)
    for turn in range(12):
        torch.testing.assert_close(layer(x.roll(turn, dims=-2)), layer(x).roll(turn, dims=-2))


def test_tone_logits_of_the_circle_turn_with_its_input() -> None:
    model = foundation("none")
    circles, classes = torch.randn(3, 12, model.config.circle), torch.randint(0, 2, (3, 12, 3)).float()
    state = torch.randn(3, model.config.note_width)
    logits = model.decoder.tone_circle(state, circles, classes)
    for turn in (1, 5, 11):
        turned = model.decoder.tone_circle(state, circles.roll(turn, 1), classes.roll(turn, 1))
        torch.testing.assert_close(turned, logits.roll(turn, 1))


def test_an_adapter_starts_as_no_change() -> None:
    model, music = foundation("self"), example(LENGTH)
    lora = Lora(model.config, 4)
    for ours, theirs in zip(nats(model, music, lora=lora), nats(model, music), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", FORMS)
def test_steps_with_an_adapter_give_what_training_computes(form: Alignment) -> None:
    model, music = foundation(form), example(LENGTH)
    lora = adapter(model)
    tensors = [t.detach() for t in lora.tensors()]
    decisions = teacher_forced(TorchNetwork(model, LENGTH, tensors), of(music, LENGTH), music.target)
    with_adapter = [x.sum() for x in nats(model, music, lora=lora)]
    assert decisions.nats() == pytest.approx(with_adapter, rel=1e-4)
    assert with_adapter != pytest.approx([x.sum() for x in nats(model, music)], rel=1e-3)


def test_adapter_tensors_are_named_in_order() -> None:
    lora = Lora(toy_sizes(), 2)
    names = tensor_names(2)
    assert list(lora.parts) == list(names)
    assert names[:3] == ("adapter_0_qkv_a", "adapter_0_qkv_b", "adapter_0_output_a")
    assert [tuple(layer) for layer in layered(lora.tensors()) or []] == [ADAPTED, ADAPTED]
    assert layered([]) is None


def test_held_notes_are_told_apart_from_new_ones() -> None:
    frame, fields = active_fields(np.array([(2, 0, 60, 3)], FRAME_NOTE), 8)
    assert frame.tolist() == [2, 3, 4]
    assert fields[:, 4].tolist() == [0, HELD, HELD]
