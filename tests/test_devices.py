"""Keys and values that stay on the device: the same numbers as through the host; and on a GPU, where there is one."""

from typing import Any

import numpy as np
import pytest

from m4mcli.errors import M4mError
from m4mcli.generation.generate import Request, generate
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import OnnxNetwork, import_runtime, open_network
from m4mcli.tasks.task import TASKS

FRAMES = 24


def asked() -> Request:
    """Chords to nothing, on beats."""
    frames = np.arange(FRAMES)
    metre = np.stack([frames % 16, np.full(FRAMES, 16), np.full(FRAMES, 4)], axis=1)
    return Request(None, metre, FRAMES, frames % 4 == 0, np.zeros(FRAMES, bool), start_by=0)


def written(network: Network) -> list[tuple[Any, int]]:
    task = TASKS["harmonize"]
    found = generate(network, asked(), task.rules, task.sampling, samples=2)
    return [(sample.notes.tolist(), sample.choices) for sample in found]


def test_values_that_are_kept_are_those_that_are_copied() -> None:
    model = find_model(None, "harmonize")
    plain, keeping = (OnnxNetwork(model) for _ in range(2))
    keeping._keeps_on = "cpu"
    assert written(keeping) == written(plain)


def test_on_a_gpu_a_piece_is_written() -> None:
    if "CUDAExecutionProvider" not in import_runtime().get_available_providers():
        pytest.skip("this ONNX Runtime knows no GPU")
    try:
        network = open_network(find_model(None, "harmonize"), "harmonize", "cuda")
    except M4mError as error:
        pytest.skip(str(error))
    assert network.provider == "CUDAExecutionProvider"
    assert all(choices > 0 for _, choices in written(network))
