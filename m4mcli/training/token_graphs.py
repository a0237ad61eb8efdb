"""The step functions of networks over tokens as ONNX graphs."""

from collections.abc import Iterator
from typing import Any

import torch

from m4mcli.networks.token_network import ColumnStep, RowStep, TokenNetwork
from m4mcli.training.graphs import BATCH, FRAMES, PAST, Graph


def token_graphs(model: TokenNetwork) -> Iterator[tuple[str, Graph]]:
    """The graphs of a network by name: row_step, and column_step where columns are chained."""
    batch, rows, past = (torch.export.Dim(name) for name in ("batch", "rows", "past"))
    state, columns = model.config.state(), len(model.sizes)
    grows = any(0 in sizes for sizes in state)
    given = torch.zeros(BATCH, FRAMES if grows else 1, columns, dtype=torch.int64)
    carried = [torch.zeros(BATCH, *(n or PAST for n in sizes)) for sizes in state]
    free: Any = {0: batch, 1: rows} if grows else {0: batch}
    carried_free = [{0: batch} | {axis: past for axis, n in enumerate(sizes, 1) if not n} for sizes in state]
    names = ("rows", "length", *(f"past_{i}" for i in range(len(state))))
    told = ("hidden",) if model.chained else tuple(f"logits_{i}" for i in range(columns))
    outputs = (*told, *(f"present_{i}" for i in range(len(state))))
    inputs = (given, torch.zeros(1, dtype=torch.int64), carried)
    yield "row_step", Graph(RowStep(model), inputs, names, outputs, (free, None, carried_free))
    if model.chained:
        inside = (torch.zeros(BATCH, 1, model.config.width), torch.zeros(BATCH, 1, columns, dtype=torch.int64))
        outputs = tuple(f"logits_{i}" for i in range(columns))
        yield "column_step", Graph(ColumnStep(model), inside, ("hidden", "chosen"), outputs, ({0: batch}, {0: batch}))
