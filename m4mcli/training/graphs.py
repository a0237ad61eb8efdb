"""The step functions as ONNX graphs that share one file of weights, each tensor in it once."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from torch import Tensor, nn

from m4mcli.frames.harmony import FEATURES
from m4mcli.models.session import import_runtime
from m4mcli.networks.adapter import Lora, tensor_names
from m4mcli.networks.config import FoundationConfig
from m4mcli.networks.foundation import Foundation
from m4mcli.networks.layers import CROSS_HEADS
from m4mcli.networks.steps import EncoderStep, FrameStep, MemoryStep, NoteRest, NoteStep

OPSET = 23
DATA = "weights.data"
ALIGN = 64
SMALL = 1024
"""Tensors of fewer bytes stay in their graph."""

BATCH, FRAMES, SLOTS, PAST, GIVEN, RANK = 2, 3, 4, 5, 6, 7
"""Sizes to trace with, all different."""


AXES = {"start": 0, "axis_2": 2, "axis_3": 3}
"""Constants of the graph that appends."""


@dataclass(frozen=True)
class Graph:
    """One step function, inputs to trace it with, the names of its inputs and outputs, and which axes are free."""

    module: nn.Module
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    free: tuple[Any, ...]


def _axes() -> dict[str, Any]:
    return {name: torch.export.Dim(name) for name in ("batch", "frames", "slots", "room", "given", "rank", "written")}


def _adapter(c: FoundationConfig, wanted: bool, rank: Any) -> tuple[list[Tensor], tuple[str, ...], list[Any]]:
    """An adapter's tensors to trace with, their names, and their free axis."""
    if not wanted:
        return [], (), []
    names = tensor_names(c.layers)
    tensors = [t.detach() for t in Lora(c, RANK).tensors()]
    return tensors, names, [{1 if name.endswith("a") else 0: rank} for name in names]


def graphs(model: Foundation, *, adapter: bool = False) -> Iterator[tuple[str, Graph]]:
    """The graphs of a network by name: encoder (where its form has one), frame_step, note_step, note_rest.

    With `adapter` the tensors of a low-rank adapter of any rank are inputs.
    """
    c, axes = model.config, _axes()
    if c.alignment in ("aligned", "cross"):
        yield "encoder", _encoder(model, axes, adapter)
    yield "frame_step", _frame_step(model, axes, adapter)
    b: Any = {0: axes["batch"]}
    inputs = (
        torch.zeros(BATCH, 1, c.width),
        torch.zeros(BATCH, 12, c.circle),
        torch.zeros(BATCH, SLOTS, 4, dtype=torch.int64),
        torch.zeros(BATCH, 1, dtype=torch.int64),
        torch.zeros(BATCH, 12, 3),
    )
    names = ("hidden", "circles", "notes", "chosen", "classes")
    free = (b, b, b | {1: axes["written"]}, b, b)
    yield "note_step", Graph(NoteStep(model), inputs, names, ("instrument", "tone", "state"), free)
    rest = (torch.zeros(BATCH, 1, c.note_width), torch.zeros(BATCH, 3, dtype=torch.int64))
    yield "note_rest", Graph(NoteRest(model), rest, ("state", "chosen"), ("octave", "duration"), (b, b))


def _encoder(model: Foundation, axes: dict[str, Any], adapter: bool) -> Graph:
    notes = torch.zeros(BATCH, FRAMES, SLOTS, 5, dtype=torch.int64)
    metre = torch.zeros(BATCH, FRAMES, 3, dtype=torch.int64)
    inputs = (notes, metre, torch.arange(FRAMES).expand(BATCH, FRAMES).contiguous())
    rows: Any = {0: axes["batch"], 1: axes["frames"]}
    free = ({**rows, 2: axes["slots"]}, rows, rows)
    names = ("notes", "metre", "position")
    if model.config.alignment == "aligned":
        return Graph(EncoderStep(model), inputs, names, ("reference",), free)
    tensors, adapter_names, adapter_free = _adapter(model.config, adapter, axes["rank"])
    outputs = tuple(f"memory_{i}" for i in range(2 * model.config.layers))
    return Graph(MemoryStep(model), (*inputs, tensors), names + adapter_names, outputs, (*free, adapter_free))


def _frame_step(model: Foundation, axes: dict[str, Any], adapter: bool) -> Graph:
    c, wide, size = model.config, (BATCH, FRAMES), model.config.width // model.config.heads
    # Two tensors: the tracer takes inputs that are one object for one input.
    kind, stream = (torch.zeros(wide, dtype=torch.int64) for _ in range(2))
    count = 2 * c.layers
    memories = count if c.alignment == "cross" else 0
    tensors, adapter_names, adapter_free = _adapter(c, adapter, axes["rank"])
    inputs = (
        torch.zeros(*wide, SLOTS, 5, dtype=torch.int64),
        kind,
        stream,
        torch.zeros(*wide, 3, dtype=torch.int64),
        torch.zeros(*wide, 12, FEATURES),
        torch.arange(FRAMES).expand(wide).contiguous(),
        torch.zeros(*wide, c.width),
        torch.zeros(FRAMES, PAST + FRAMES),
        [torch.zeros(BATCH, c.heads, *sizes) for sizes in ((size, PAST), (PAST, size)) * c.layers],
        [torch.zeros(BATCH, CROSS_HEADS, GIVEN, c.cross_rank // CROSS_HEADS) for _ in range(memories)],
        tensors,
    )
    b = axes["batch"]
    rows: Any = {0: b, 1: axes["frames"]}
    past = [{0: b, 3: axes["room"]}, {0: b, 2: axes["room"]}] * c.layers
    given: Any = {0: b, 2: axes["given"]}
    sight = {0: axes["frames"], 1: torch.export.Dim.AUTO}
    free = ({**rows, 2: axes["slots"]}, *[rows] * 6, sight, past, [given] * memories, adapter_free)
    names = (
        *("notes", "kind", "stream", "metre", "harmony", "position", "reference", "penalty"),
        *(f"past_{i}" for i in range(count)),
        *(f"memory_{i}" for i in range(memories)),
        *adapter_names,
    )
    outputs = ("hidden", "circles", *(f"own_{i}" for i in range(count)))
    return Graph(FrameStep(model), inputs, names, outputs, free)


@contextlib.contextmanager
def hushed(quiet: bool) -> Iterator[None]:
    """Keep what the exporter and the quantiser print, log and warn to themselves."""
    if not quiet:
        yield
        return
    level = logging.root.manager.disable
    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)


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
    # Names of source files and functions: most of a graph's bytes, and of no use to who runs it.
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.initializer,
        *model.graph.input,
        *model.graph.output,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


def quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its weight MatMuls in 8 bits: blocks of 32, symmetric, integer arithmetic."""
    import_runtime()
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
                if len(raw) < SMALL or tensor.data_type == TensorProto.STRING:
                    continue
                if raw not in places:
                    data.seek(-(-data.tell() // ALIGN) * ALIGN)
                    places[raw] = (data.tell(), len(raw))
                    data.write(raw)
                for values in ("float_data", "int32_data", "int64_data"):
                    tensor.ClearField(values)
                # It takes only a tensor that holds raw data.
                tensor.raw_data = b""
                external_data_helper.set_external_data(tensor, DATA, *places[raw])
                tensor.ClearField("raw_data")
            (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def trace_all(named: Iterable[tuple[str, Graph]], *, quiet: bool = True) -> dict[str, onnx.ModelProto]:
    """Graphs in fp32, by name."""
    with hushed(quiet):
        return {name: traced(graph) for name, graph in named}


def append_graph(layers: int) -> onnx.ModelProto:
    """The graph that puts each layer's keys and values of new frames behind the first `length` of those before.

    For devices, in whose memory nothing is written in place: past_i and own_i in, present_i out.
    """
    nodes, given, out = [], [helper.make_tensor_value_info("length", TensorProto.INT64, [1])], []
    for i in range(2 * layers):
        names, axis = (f"past_{i}", f"own_{i}", f"present_{i}"), 3 - i % 2
        nodes.append(helper.make_node("Slice", [names[0], "start", "length", f"axis_{axis}"], [f"known_{i}"]))
        nodes.append(helper.make_node("Concat", [f"known_{i}", names[1]], [names[2]], axis=axis))
        *ins, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in names)
        given += ins
        out.append(made)
    constants = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in AXES.items()]
    return helper.make_model(
        helper.make_graph(nodes, "append", given, out, constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )


def trace(model: Foundation, *, adapter: bool = False, quiet: bool = True) -> dict[str, onnx.ModelProto]:
    """All graphs of a network in fp32, by name."""
    traced_graphs = trace_all(graphs(model.eval(), adapter=adapter), quiet=quiet)
    return traced_graphs | {"append": append_graph(model.config.layers)}


def write_graphs(models: dict[str, onnx.ModelProto], folder: Path, *, bits: int = 8, quiet: bool = True) -> None:
    """Write traced graphs and weights.data into a folder, in 8 or 32 bits. The graphs given stay as they are."""
    copies = {}
    for name, model in models.items():
        copies[name] = onnx.ModelProto()
        copies[name].CopyFrom(model)
    if bits == 8:
        with hushed(quiet):
            copies = {name: quantised(model) for name, model in copies.items()}
    store(copies, folder)


def export_graphs(model: Foundation, folder: Path, *, bits: int = 8, adapter: bool = False) -> None:
    """Write a network's graphs and weights.data into a folder. `bits` is 8 or 32."""
    write_graphs(trace(model, adapter=adapter), folder, bits=bits)
