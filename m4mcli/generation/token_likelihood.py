"""How likely music is under a network over tokens, read through its cache."""

import numpy as np

from m4mcli.generation.sampling import log_softmax
from m4mcli.generation.token_sampling import Rows
from m4mcli.models.network import Floats
from m4mcli.models.token_model import TokenModel

AT_ONCE = 16


def stepped_logits(model: TokenModel, rows: Rows, at_once: int = AT_ONCE) -> list[Floats]:
    """Logits (n - 1, ids) of each column for rows 1.. of a piece (n, columns), read some rows at a time."""
    memory, parts = model.begin(1), []
    step = at_once if model.context else 1
    for start in range(0, len(rows) - 1, step):
        stop = min(start + step, len(rows) - 1)
        ahead = model.read(rows[None, start:stop], memory)
        parts.append(ahead.all_logits(rows[None, start + 1 : stop + 1]))
    return [np.concatenate([part[i][0] for part in parts]) for i in range(len(model.sizes))]


def nats_of(model: TokenModel, rows: Rows) -> float:
    """Nats of rows 1.. of a piece, each id given all before it; no grammar helps."""
    nats = 0.0
    for column, logits in enumerate(stepped_logits(model, rows)):
        chosen = rows[1:, column]
        nats -= float(log_softmax(logits)[np.arange(len(chosen)), chosen].sum())
    return nats
