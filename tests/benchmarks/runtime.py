"""ONNX Runtime in 8 bits against torch in eager mode with a cache: the same calls, the same weights, one thread each.

    python tests/benchmarks/runtime.py                                  # random weights of the recipe foundation-base
    python tests/benchmarks/runtime.py --recipe harmonize-small
    python tests/benchmarks/runtime.py --checkpoint runs/x/checkpoint.safetensors

Chords are written under a melody once, and every call of the network on the way is kept. The calls are then made again
by both runtimes in turn, the CPU time of each is taken (others may use the machine), and the best of the rounds counts.
Torch reads the same past in place and gets its other inputs ready made. A frame is one 16th of one sample.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from folders import guessing, model_folder

from m4mcli.frames.frames import FRAME_NOTE
from m4mcli.generation.generate import Request, generate
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import FrameInputs, Network, Shape
from m4mcli.models.registry import read_model
from m4mcli.models.session import OnnxNetwork
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.steps import EncoderStep, FrameStep, MemoryStep, NoteRest, NoteStep
from m4mcli.tasks.task import TASKS
from m4mcli.training.checkpoint import load_network

BARS, ROUNDS, BATCHES = 24, 5, (1, 8)
Call = tuple[str, tuple[Any, ...]]


class Recorder:
    """A network that keeps the calls made to it, without what one call hands to the next."""

    def __init__(self, network: Network) -> None:
        self.network, self.calls = network, list[Call]()

    @property
    def shape(self) -> Shape:
        return self.network.shape

    def encode(self, *arrays: Any) -> Any:
        self.calls.append(("encode", arrays))
        return self.network.encode(*arrays)

    def frame_step(self, inputs: FrameInputs, past: Any, memory: Any = ()) -> Any:
        first = past.length == 0
        self.calls.append(("first frames" if first else "frames", (inputs, memory)))
        return self.network.frame_step(inputs, past, memory)

    def note_step(self, *arrays: Any) -> Any:
        self.calls.append(("notes", arrays))
        return self.network.note_step(*arrays)

    def note_rest(self, *arrays: Any) -> Any:
        self.calls.append(("rest", arrays))
        return self.network.note_rest(*arrays)


def melody() -> Request:
    """24 bars of a melody in eighths, chords on beats."""
    length = 16 * BARS
    scale = np.array([60, 62, 64, 65, 67, 69, 71, 72])
    pitches = scale[np.random.default_rng(0).integers(0, 8, length // 2)]
    notes = np.array([(2 * i, 0, p, 2) for i, p in enumerate(pitches)], FRAME_NOTE)
    frames = np.arange(length)
    metre = np.stack([frames % 16, np.full(length, 16), np.full(length, 4)], axis=1)
    return Request(notes, metre, length, frames % 4 == 0, np.zeros(length, bool), start_by=0)


def recorded(network: Network, batch: int) -> list[Call]:
    """The calls that writing chords takes."""
    recorder = Recorder(network)
    generate(recorder, melody(), TASKS["harmonize"].rules, Sampling(0.7, 0.95), samples=batch)
    return recorder.calls


def in_onnx(network: OnnxNetwork, calls: list[Call]) -> Callable[[], None]:
    """The calls made by ONNX Runtime."""

    def run() -> None:
        past: Any = ()
        for name, arrays in calls:
            if name == "encode":
                network.encode(*arrays)
            elif name == "notes":
                network.note_step(*arrays)
            elif name == "rest":
                network.note_rest(*arrays)
            else:
                inputs, memory = arrays
                if name == "first frames":
                    past = network.shape.empty_past(len(inputs.kind))
                *_, past = network.frame_step(inputs, past, memory)

    return run


def in_torch(model: Foundation, shape: Shape, calls: list[Call]) -> Callable[[], None]:
    """The calls made by torch, their arrays turned into tensors beforehand."""

    def tensors(arrays: Any) -> list[torch.Tensor]:
        return [torch.as_tensor(np.array(x)) for x in arrays]

    frame, note, rest = FrameStep(model), NoteStep(model), NoteRest(model)
    encoder = EncoderStep(model) if shape.alignment == "aligned" else MemoryStep(model)
    ready: list[tuple[str, list[torch.Tensor], list[torch.Tensor]]] = []
    for name, arrays in calls:
        if name == "notes":
            hidden, circles, notes, chosen, classes = arrays
            ready.append((name, tensors((hidden[:, None], circles, notes, chosen[:, None], classes)), []))
        elif name == "rest":
            ready.append((name, tensors((arrays[0][:, None], arrays[2])), []))
        elif name == "encode":
            ready.append((name, tensors(arrays), []))
        else:
            ready.append((name, tensors(vars(arrays[0]).values()), tensors(arrays[1])))

    @torch.no_grad()
    def run() -> None:
        past = shape.empty_past(0)
        for name, given, memory in ready:
            if name == "encode":
                encoder(*given) if shape.alignment == "aligned" else encoder(*given, [])
            elif name == "notes":
                note(*given)
            elif name == "rest":
                rest(*given)
            else:
                if name == "first frames":
                    past = shape.empty_past(len(given[1]))
                # Tensors over the same memory, which is written in place.
                known = [torch.from_numpy(x) for x in past.arrays]
                _, _, *own = frame(*given, torch.from_numpy(past.penalty(given[1].shape[1])), known, memory, [])
                past = past.followed([x.numpy() for x in own])

    return run


def seconds(run: Callable[[], None]) -> float:
    """CPU seconds of the process."""
    start = time.process_time()
    run()
    return time.process_time() - start


def compare(model: Foundation, network: OnnxNetwork, batch: int) -> None:
    """Print frames per second of both, and how many times faster ONNX Runtime is."""
    calls = recorded(network, batch)
    runs = in_onnx(network, calls), in_torch(model, network.shape, calls)
    for run in runs:
        run()
    times = [[seconds(run) for run in runs] for _ in range(ROUNDS)]
    onnx, eager = (min(t[i] for t in times) for i in (0, 1))
    frames = 16 * BARS * batch
    spread = statistics.median(t[1] / t[0] for t in times)
    print(
        f"{batch} samples: onnx {frames / onnx:6.0f} frames/s, torch {frames / eager:6.0f} frames/s, "
        f"ratio {eager / onnx:.2f} (median of rounds {spread:.2f}); {len(calls)} calls"
    )


def main() -> None:
    """Print the comparison for a checkpoint, or for random weights of a recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="foundation-base")
    parser.add_argument("--checkpoint", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = load_network(given.checkpoint)[0].eval() if given.checkpoint else guessing(given.recipe)
    count = sum(p.numel() for p in model.parameters())
    print(f"{given.checkpoint or given.recipe}: {count / 1e6:.1f} M parameters, one thread, CPU time")
    with tempfile.TemporaryDirectory() as folder:
        network = OnnxNetwork(read_model(model_folder(model, Path(folder) / "model")))
        for batch in BATCHES:
            compare(model, network, batch)


if __name__ == "__main__":
    main()
