"""A trained network as ONNX graphs that share one file of 8-bit weights, verified against torch before it is kept."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, external_data_helper, numpy_helper
from torch import Tensor, nn

from m4mcli.frames.harmony import FEATURES
from m4mcli.models.registry import read_model, write_hashes
from m4mcli.models.session import OnnxNetwork
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.steps import EncoderStep, FrameStep, NoteStep
from m4mcli.training.checkpoint import load_network
from m4mcli.training.torch_network import TorchNetwork
from m4mcli.training.verify import Piece, require_close, require_exact

OPSET = 23
DATA = "weights.data"
ALIGN = 64


@dataclass(frozen=True)
class Graph:
    """One step function, inputs to trace it with, the names of its inputs and outputs, and which axes are free."""

    module: nn.Module
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    free: tuple[Any, ...]


def graphs(model: Foundation) -> Iterator[tuple[str, Graph]]:
    """The graphs of a network: encoder (aligned form), frame_step, note_step."""
    c = model.config
    batch, frames, slots, past = 2, 3, 4, 5
    notes = torch.zeros(batch, frames, slots, 5, dtype=torch.int64)
    metre = torch.zeros(batch, frames, 3, dtype=torch.int64)
    # Two tensors: the tracer takes inputs that are one object for one input.
    kind, stream = (torch.zeros(batch, frames, dtype=torch.int64) for _ in range(2))
    position = torch.arange(frames).expand(batch, frames).contiguous()
    b, f, s, t, k = (torch.export.Dim(n) for n in ("batch", "frames", "slots", "past", "written"))
    if c.alignment == "aligned":
        free = ({0: b, 1: f, 2: s}, {0: b, 1: f}, {0: b, 1: f})
        names = ("notes", "metre", "position")
        yield "encoder", Graph(EncoderStep(model), (notes, metre, position), names, ("reference",), free)
    harmony = torch.zeros(batch, frames, 12, FEATURES)
    reference = torch.zeros(batch, frames, c.width)
    state = [torch.zeros(batch, c.heads, past, c.width // c.heads) for _ in range(2 * c.layers)]
    inputs = (notes, kind, stream, metre, harmony, position, reference, state, [])
    names = ("notes", "kind", "stream", "metre", "harmony", "position", "reference")
    rows: Any = {0: b, 1: f}
    free_frame = ({0: b, 1: f, 2: s}, rows, rows, rows, rows, rows, rows, [{0: b, 2: t} for _ in state], [])
    pasts = tuple(f"past_{i}" for i in range(len(state)))
    presents = tuple(f"present_{i}" for i in range(len(state)))
    yield "frame_step", Graph(
        FrameStep(model), inputs, names + pasts, ("hidden", "circles", *presents), free_frame
    )
    note_inputs = (
        torch.zeros(batch, 1, c.width),
        torch.zeros(batch, 12, c.circle),
        torch.zeros(batch, slots, 4, dtype=torch.int64),
        torch.zeros(batch, 3, dtype=torch.int64),
        torch.zeros(batch, 12, 3),
    )
    free_note = ({0: b}, {0: b}, {0: b, 1: k}, {0: b}, {0: b})
    names = ("hidden", "circles", "notes", "chosen", "classes")
    yield "note_step", Graph(
        NoteStep(model), note_inputs, names, ("instrument", "tone", "octave", "duration"), free_note
    )


def traced(graph: Graph) -> onnx.ModelProto:
    """A graph as an ONNX model in fp32."""
    program = torch.onnx.export(
        graph.module,
        graph.inputs,
        input_names=list(graph.names),
        output_names=list(graph.outputs),
        dynamic_shapes=graph.free,
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("the exporter gave no program")
    model = program.model_proto
    del model.graph.value_info[:]
    return model


def quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its weight MatMuls in 8 bits: blocks of 32, symmetric, integer arithmetic."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(model, block_size=32, is_symmetric=True, accuracy_level=4, bits=8)
    quantizer.process()
    out: onnx.ModelProto = quantizer.model.model
    return out


def store(models: dict[str, onnx.ModelProto], folder: Path) -> None:
    """Write the graphs with all larger tensors in one data file, each stored once however many graphs use it."""
    places: dict[bytes, tuple[int, int]] = {}
    with (folder / DATA).open("wb") as data:
        for name, model in models.items():
            for tensor in model.graph.initializer:
                raw = numpy_helper.to_array(tensor).tobytes()
                if len(raw) < 1024 or tensor.data_type == TensorProto.STRING:
                    continue
                if raw not in places:
                    data.seek(-(-data.tell() // ALIGN) * ALIGN)
                    places[raw] = (data.tell(), len(raw))
                    data.write(raw)
                tensor.ClearField("raw_data")
                for values in ("float_data", "int32_data", "int64_data"):
                    tensor.ClearField(values)
                tensor.raw_data = b""
                external_data_helper.set_external_data(tensor, DATA, *places[raw])
                tensor.ClearField("raw_data")
            (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def export_graphs(model: Foundation, folder: Path, *, bits: int = 8) -> None:
    """Write encoder.onnx, frame_step.onnx, note_step.onnx and weights.data into a folder. `bits` is 8 or 32."""
    model = model.eval()
    models = {name: traced(graph) for name, graph in graphs(model)}
    if bits == 8:
        models = {name: quantised(m) for name, m in models.items()}
    store(models, folder)


def export_model(
    checkpoint: Path, out: Path, *, pieces: list[Piece], card: str = "", recipe: Path | None = None
) -> dict[str, Any]:
    """Export a checkpoint as a model folder: verified graphs, model.json, recipe, card, hashes. Returns what was measured.

    The full-precision graphs must equal torch, the 8-bit ones come close to it; else nothing is written and M4mError raised.
    """
    model, facts = load_network(checkpoint)
    trained = TorchNetwork(model)
    recipe_facts = facts.get("recipe", {})
    described = {
        "m4m": 1,
        "task": recipe_facts.get("task", "continue"),
        "network": model.config.as_dict(),
        "window": recipe_facts.get("data", {}).get("frames", 384),
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_frames": facts.get("frames", 0),
    }
    measured: dict[str, Any] = {}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as work:
        for bits, check in ((32, require_exact), (8, require_close)):
            folder = Path(work) / str(bits)
            folder.mkdir()
            export_graphs(model, folder, bits=bits)
            (folder / "model.json").write_text(json.dumps(described, indent=1) + "\n")
            write_hashes(folder)
            found = check(trained, OnnxNetwork(read_model(folder)), pieces, out)
            measured[f"{bits} bit"] = {"largest_logit_difference": found.logits, "kl_nats": found.kl}
            measured["decisions"] = found.decisions
        if recipe is not None:
            shutil.copy(recipe, folder / "recipe.toml")
        if card:
            (folder / "card.md").write_text(card)
        for name in ("card.md", "metrics.json"):
            if (out / name).exists() and not (folder / name).exists():
                shutil.copy(out / name, folder / name)
        write_hashes(folder)
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    return measured
