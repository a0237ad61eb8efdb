"""A model folder's graphs back as a network for torch: its weights in 8 bits are all that is needed to train on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.models.eight_bits import widened
from m4mcli.models.registry import ModelFolder, verify
from m4mcli.models.stored import Stored, stored_tensors
from m4mcli.networks.config import FoundationConfig
from m4mcli.networks.foundation import Foundation

PREFIX = "model."
"""Of the names of parameters in the graphs that hold the whole network."""


@dataclass(frozen=True)
class Place:
    """Where a parameter lies in a graph: the name of its tensor, or of its matrix without `_Q8` and `_scales`."""

    graph: str
    tensor: str
    matrix: bool


@dataclass(frozen=True)
class Opened:
    """A network, and the places of its parameters in the graphs; one that several graphs read has several."""

    network: Foundation
    places: dict[str, tuple[Place, ...]]


def opened(model: ModelFolder) -> Opened:
    """The network of a model folder, its weights made wide again.

    Raises M4mError for a model over tokens, for one of a form that is not known here, and where graphs do not fit.
    """
    try:
        config = FoundationConfig(**model.facts["network"])
    except (TypeError, KeyError) as e:
        raise M4mError(f"{model.path}: not a foundation", "a model of continue, infill, harmonize") from e
    if config.alignment == "cross":
        raise M4mError(f"{model.path}: a model of the form cross", "one of the forms none, self or aligned")
    verify(model.path)
    network = Foundation(config)
    values: dict[str, NDArray[Any]] = {}
    places: dict[str, tuple[Place, ...]] = {}
    for graph, matrices in matrices_of(config).items():
        path = model.path / f"{graph}.onnx"
        stored = stored_tensors(path)
        found = {name.removeprefix(PREFIX): Place(graph, name, False) for name in stored}
        nodes = [node for node in onnx.load(path, load_external_data=False).graph.node if node.op_type == "MatMulNBits"]
        if len(nodes) != len(matrices):
            raise M4mError(f"{path}: {len(nodes)} matrices, {len(matrices)} expected", "export the model again")
        for node, name in zip(nodes, matrices, strict=True):
            found[f"{name}.weight"] = Place(graph, node.input[1].removesuffix("_Q8"), True)
        for name, parameter in network.named_parameters():
            if (place := found.get(name)) is not None:
                values[name] = _value(stored, place, tuple(parameter.shape), path)
                places[name] = (*places.get(name, ()), place)
    return Opened(_filled(network, values, model), places)


def _value(stored: dict[str, Stored], place: Place, shape: tuple[int, ...], path: Path) -> NDArray[Any]:
    if not place.matrix:
        value = stored[place.tensor].read()
    else:
        narrow = stored[f"{place.tensor}_Q8"].read()
        scales = stored[f"{place.tensor}_scales"].read().reshape(narrow.shape[:2])
        value = widened(narrow, scales, shape[1])
    if value.shape != shape:
        raise M4mError(f"{path}: {place.tensor} is {value.shape}, {shape} expected", "export the model again")
    return value


def _filled(network: Foundation, values: dict[str, NDArray[Any]], model: ModelFolder) -> Foundation:
    # What no graph reads of a network without a reference is never used: its stream, its encoder.
    missing = [name for name, _ in network.named_parameters() if name not in values]
    if missing:
        raise M4mError(f"{model.path}: its graphs lack {missing[0]}", "export the model again")
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in values.items()}, strict=False)
    return network.eval()


def matrices_of(config: FoundationConfig) -> dict[str, list[str]]:
    """The linears whose weights are matrices in 8 bits, by graph, in the order in which the graph computes them."""

    def blocks(name: str, count: int) -> list[str]:
        linears = ("attention.qkv", "attention.output", "wide", "narrow")
        return [f"{name}.{i}.{linear}" for i in range(count) for linear in linears]

    circle = ["circle.0.linear", "circle.1.linear", "from_circle"]
    found = {"frame_step": ["note.narrow", *circle, *blocks("blocks", config.layers)]}
    if config.alignment == "aligned":
        found["encoder"] = ["note.narrow", *blocks("encoder", config.encoder_layers), "inject"]

    def residual(name: str) -> list[str]:
        return [f"decoder.{name}.wide", f"decoder.{name}.narrow"]

    def field(i: int) -> list[str]:
        return [*residual(f"hidden.{i}"), f"decoder.heads.{i}"]

    trunk = [name for i in range(config.note_layers) for name in residual(f"trunk.{i}")]
    circle = ["decoder.circle.linear", "decoder.to_circle", "decoder.tone"]
    found["note_step"] = ["decoder.note.narrow", "decoder.enter", *trunk, *circle, *field(1), *field(0)]
    return found | {"note_rest": [*field(2), *field(3)]}
