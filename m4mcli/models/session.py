"""ONNX Runtime sessions of a model folder. One thread unless told, nothing downloaded, nothing unpickled."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from m4mcli.errors import M4mError
from m4mcli.models.network import Floats, FrameInputs, Integers, Shape
from m4mcli.models.registry import ModelFolder, verify

Device = Literal["cpu", "cuda", "auto"]
GRAPHS = ("encoder", "frame_step", "note_step")


def open_session(path: Path, device: Device, threads: int) -> Any:
    """An InferenceSession that really runs on the device. Raises M4mError where the file or the device is not usable."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in ort.get_available_providers():
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        providers.insert(0, "CUDAExecutionProvider")
    try:
        session = ort.InferenceSession(str(path), options, providers=providers)
    except Exception as e:
        raise M4mError(f"{path}: not a usable ONNX model: {str(e).splitlines()[0]}") from e
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise M4mError("--device cuda: no CUDA session could be opened", "install m4m[cuda], or use --device cpu", 1)
    return session


class OnnxNetwork:
    """A Network (m4mcli.models.network) computed by ONNX Runtime."""

    def __init__(self, model: ModelFolder, device: Device = "cpu", threads: int = 1) -> None:
        verify(model.path)
        n = model.facts["network"]
        self._shape = Shape(
            n["width"], n["layers"], n["heads"], n["circle"], n["alignment"], model.facts["window"]
        )
        names = GRAPHS if self._shape.alignment == "aligned" else GRAPHS[1:]
        self._sessions = {
            name: open_session(model.path / f"{name}.onnx", device, threads) for name in names
        }

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self._shape

    @property
    def provider(self) -> str:
        """The execution provider that the sessions really got."""
        return str(self._sessions["frame_step"].get_providers()[0])

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> Floats:
        """What the reference adds to each frame: (B, F, width)."""
        inputs = {"notes": notes, "metre": metre, "position": position}
        (out,) = self._sessions["encoder"].run(None, inputs)
        return np.asarray(out)

    def frame_step(self, inputs: FrameInputs, past: tuple[Floats, ...]) -> tuple[Floats, Floats, tuple[Floats, ...]]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), present keys and values."""
        feeds = dict(vars(inputs)) | {f"past_{i}": p for i, p in enumerate(past)}
        hidden, circles, *present = self._sessions["frame_step"].run(None, feeds)
        return hidden, circles, tuple(present)

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Logits of instrument, tone, octave, duration, each (B, values)."""
        inputs = {
            "hidden": hidden[:, None],
            "circles": circles,
            "notes": notes,
            "chosen": chosen,
            "classes": classes,
        }
        first, tone, octave, duration = self._sessions["note_step"].run(None, inputs)
        return first, tone, octave, duration
