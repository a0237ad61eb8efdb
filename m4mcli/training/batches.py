"""Examples to arrays: what a training step takes, packed so that nothing is spent on padding inside frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.decisions import row_classes, target_rows
from m4mcli.frames.fields import END, UNKNOWN_METRE, active_fields, metre_fields
from m4mcli.frames.harmony import FEATURES, REFERENCE_FEATURES, history_features, reference_features

FREE_METRE = (0, 16, 4)
"""What stands for the metre where it is not told: 16 frames from here on."""


@dataclass(frozen=True)
class Example:
    """One window of music: `target` is to be written given `reference` (None: nothing given), over `length` frames.

    `history` is the target as the model is told it, which training may corrupt; `known` (length,) says which of its
    frames are told. `metre` (length, 3) is None where it is not told. `asked` (length,) says which frames are to be
    written, where it is not all of them.
    """

    reference: NDArray[np.void] | None
    target: NDArray[np.void]
    history: NDArray[np.void]
    known: NDArray[np.bool_]
    metre: NDArray[np.integer] | None
    length: int
    asked: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Batch:
    """B examples of T frames. Rows are packed; `*_frame` is b * T + t of each row.

    history_fields and reference_fields (n, 5); metre (B, T, 3); harmony (B, T, 12, FEATURES); known, valid (B, T);
    told (B,) whether there is a reference; row_fields (r, 4), END rows with zeros behind END; note_row (m,) index into
    the rows of the notes; classes (m, 12, 3) of each note row.
    """

    history_frame: NDArray[np.int64]
    history_fields: NDArray[np.int64]
    reference_frame: NDArray[np.int64]
    reference_fields: NDArray[np.int64]
    metre: NDArray[np.int64]
    harmony: NDArray[np.float32]
    known: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    told: NDArray[np.bool_]
    row_frame: NDArray[np.int64]
    row_fields: NDArray[np.int64]
    row_first: NDArray[np.int64]
    note_row: NDArray[np.int64]
    classes: NDArray[np.float32]


def collate(examples: list[Example]) -> Batch:
    """Pack examples of any lengths; shorter ones are padded at their end and `valid` says so."""
    size, length = len(examples), max(e.length for e in examples)
    metre = np.full((size, length, 3), UNKNOWN_METRE, np.int64)
    harmony = np.zeros((size, length, 12, FEATURES), np.float32)
    known = np.zeros((size, length), bool)
    valid = np.zeros((size, length), bool)
    packed: dict[str, list[NDArray[np.int64]]] = {k: [] for k in ("hf", "hx", "rf", "rx", "wf", "wx")}
    for b, e in enumerate(examples):
        t = e.length
        valid[b, :t], known[b, :t] = True, e.known
        told = e.metre if e.metre is not None else np.tile(np.array(FREE_METRE), (t, 1))
        if e.metre is not None:
            metre[b, :t] = metre_fields(e.metre)
        harmony[b, :t, :, REFERENCE_FEATURES:] = history_features(e.history, t, e.known)
        frame, fields = active_fields(e.history, t)
        seen = e.known[frame]
        packed["hf"].append(frame[seen] + b * length)
        packed["hx"].append(fields[seen])
        if e.reference is not None:
            harmony[b, :t, :, :REFERENCE_FEATURES] = reference_features(e.reference, told, t)
            frame, fields = active_fields(e.reference, t)
            packed["rf"].append(frame + b * length)
            packed["rx"].append(fields)
        frame, fields = target_rows(e.target, t)
        if e.asked is not None:
            frame, fields = frame[e.asked[frame]], fields[e.asked[frame]]
        packed["wf"].append(frame + b * length)
        packed["wx"].append(fields)
    empty = {k: np.zeros((0, 5) if k[1] == "x" else 0, np.int64) for k in packed}
    rows = {k: np.concatenate(v) if v else empty[k] for k, v in packed.items()}
    first, classes = row_classes(rows["wf"], rows["wx"])
    note_row = np.flatnonzero(rows["wx"][:, 0] != END)
    told_any = np.array([e.reference is not None for e in examples])
    return Batch(
        rows["hf"], rows["hx"], rows["rf"], rows["rx"], metre, harmony, known, valid, told_any,
        rows["wf"], rows["wx"], first, note_row, classes[note_row],
    )  # fmt: skip
