"""ONNX Runtime sessions of a model folder. One thread unless told, nothing downloaded, nothing unpickled."""

import contextlib
import ctypes
import io
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.models.company import InCompany
from m4mcli.models.network import Floats, FrameInputs, Integers, Past, Shape
from m4mcli.models.registry import ModelFolder, verify
from m4mcli.models.style import read_style, styled

Device = Literal["cpu", "cuda", "auto"]
ENCODED = ("aligned", "cross")
"""Forms of alignment in which a graph of its own reads the reference."""

MAPPED, KEPT = 32 << 20, 256 << 20
"""Bytes from which an array is mapped for itself, and of freed memory that are kept."""


def import_runtime() -> Any:
    """The module onnxruntime, told to send nothing: its builds report their use to Microsoft unless this is set.

    Source: ONNX Runtime's Privacy.md, "Disabling Telemetry"; it is read at import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    keep_freed_memory()
    return onnxruntime


def keep_freed_memory() -> None:
    """Let the C library reuse what is freed, where it is glibc: keys and values grow with each step, and each array
    larger than those before would be mapped and cleared anew, a sixth of the time of a large model.

    Source: mallopt(3).
    """
    trim_threshold, mmap_threshold = -1, -3
    with contextlib.suppress(OSError, AttributeError, TypeError):
        tell = ctypes.CDLL(None).mallopt
        tell(mmap_threshold, MAPPED)
        tell(trim_threshold, KEPT)


def open_session(path: Path, device: Device, threads: int, weights: Mapping[str, NDArray[Any]] | None = None) -> Any:
    """An InferenceSession that really runs on the device. Raises M4mError where the file or device is not usable.

    `weights` take the place of the graph's own tensors of those names.
    """
    ort = import_runtime()
    options = ort.SessionOptions()
    # The session reads them where they are, so they have to last as long as it does.
    kept = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in (weights or {}).items()}
    for name, value in kept.items():
        options.add_initializer(name, value)
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Costs no time here, and the arena keeps the largest of every shape it has seen.
    options.enable_cpu_mem_arena = False
    # Where a provider's libraries are missing, its default logger tells at length.
    ort.set_default_logger_severity(4)
    providers = ["CPUExecutionProvider"]
    # Failures to load NVIDIA's libraries are printed on standard output, which is for music.
    with contextlib.redirect_stdout(io.StringIO()):
        if device != "cpu" and "CUDAExecutionProvider" in ort.get_available_providers():
            if hasattr(ort, "preload_dlls"):
                ort.preload_dlls()
            providers.insert(0, "CUDAExecutionProvider")
        try:
            session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as e:
            raise M4mError(f"{path}: not a usable ONNX model: {str(e).splitlines()[0]}") from e
    session.kept_weights = kept
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise M4mError("--device cuda: no CUDA session could be opened", "install m4m[cuda], or use --device cpu", 1)
    return session


def read_adapter(path: Path, wanted: dict[str, tuple[int | str, ...]]) -> dict[str, Floats]:
    """An adapter's arrays from an .npz file, as fp32. Raises M4mError where they are not the ones wanted.

    `wanted` gives the sizes of each array by name; a size that is a word (the rank) is free.
    """
    try:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise ValueError("one array, not an archive of them")
            arrays = {name: stored[name].astype(np.float32) for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as e:
        raise M4mError(f"{path}: not a readable adapter: {e}") from e
    if not wanted:
        raise M4mError(f"{path}: this model takes no adapter", "export it with --adapter")
    fits = arrays.keys() == wanted.keys() and all(
        len(arrays[name].shape) == len(sizes)
        and all(isinstance(n, str) or n == m for n, m in zip(sizes, arrays[name].shape, strict=True))
        for name, sizes in wanted.items()
    )
    if not fits:
        raise M4mError(f"{path}: an adapter of another model")
    return arrays


class OnnxNetwork:
    """A Network (m4mcli.models.network) computed by ONNX Runtime.

    `adapter` names the task whose adapter is put on; without it the folder's own network runs. `weights` are changed
    ones by graph, as m4mcli.models.style makes them.
    """

    def __init__(
        self,
        model: ModelFolder,
        device: Device = "cpu",
        threads: int = 1,
        adapter: str | Path | None = None,
        weights: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
    ) -> None:
        verify(model.path)
        n = model.facts["network"]
        known = model.facts.get("adapters", {})
        told = known.get(adapter, {}) if isinstance(adapter, str) else {}
        if isinstance(adapter, str) and not told:
            raise M4mError(f"{model.path}: no adapter for {adapter}", f"it has: {', '.join(known) or 'none'}")
        form = told.get("alignment", n["alignment"])
        self._shape = Shape(n["width"], n["layers"], n["heads"], n["circle"], form, model.facts["window"])
        names = [*(["encoder"] if form in ENCODED else []), "frame_step", "note_step", "note_rest"]
        changed = weights or {}
        if not (model.path / "note_rest.onnx").is_file():
            raise M4mError(f"{model.path}: exported by an earlier m4m", "export it again, or install the model again")
        self._sessions = {
            name: open_session(model.path / f"{name}.onnx", device, threads, changed.get(name)) for name in names
        }
        free = {i.name: tuple(i.shape) for i in self._sessions["frame_step"].get_inputs()}
        wanted = {name: sizes for name, sizes in free.items() if name.startswith("adapter_")}
        self._memory = {name: sizes for name, sizes in free.items() if name.startswith("memory_")}
        # Arrays of rank 0 add nothing.
        self._adapter = {
            name: np.zeros([0 if isinstance(s, str) else s for s in sizes], np.float32)
            for name, sizes in wanted.items()
        }
        if adapter is not None:
            path = model.path / told["file"] if isinstance(adapter, str) else adapter
            self._adapter = read_adapter(path, wanted)
        self._keeps_on = "cuda" if self.provider == "CUDAExecutionProvider" else ""
        self._open = partial(open_session, device=device, threads=threads)
        self._path = model.path

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self._shape

    @property
    def provider(self) -> str:
        """The execution provider that the sessions really got."""
        return str(self._sessions["frame_step"].get_providers()[0])

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        """What the reference gives to the target: see Network."""
        feeds = {"notes": notes, "metre": metre, "position": position}
        adapter = self._adapter if self._shape.alignment == "cross" else {}
        return tuple(self._sessions["encoder"].run(None, feeds | adapter))

    def frame_step(
        self, inputs: FrameInputs, past: Past, memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, Past]:
        """Hidden states (B, F, width), circles (B, F, 12, circle), and the past with these frames.

        On a GPU that stays there: OrtValues, which are given back as they are.
        """
        frames = inputs.kind.shape[1]
        known = {f"past_{i}": p for i, p in enumerate(past.arrays)}
        feeds = vars(inputs) | known | self._adapter | {"penalty": past.penalty(frames)}
        if self._memory and not memory:
            memory = tuple(self._nothing(sizes, len(inputs.kind)) for sizes in self._memory.values())
        feeds |= {f"memory_{i}": m for i, m in enumerate(memory)}
        session = self._sessions["frame_step"]
        if not self._keeps_on:
            hidden, circles, *own = session.run(None, feeds)
            return hidden, circles, past.followed(own)
        from m4mcli.models.binding import run_bound

        names = [f"own_{i}" for i in range(len(known))]
        (hidden, circles), added = run_bound(session, feeds, ("hidden", "circles"), names, self._keeps_on)
        told = known | dict(zip(names, added, strict=True)) | {"length": np.array([past.length], np.int64)}
        _, arrays = run_bound(self._append, told, (), [f"present_{i}" for i in range(len(known))], self._keeps_on)
        return hidden, circles, replace(past, arrays=tuple(arrays), length=past.length + frames)

    @cached_property
    def _append(self) -> Any:
        """The graph that puts keys and values behind others on a GPU, where nothing can be written in place."""
        return self._open(self._path / "append.onnx")

    @staticmethod
    def _nothing(sizes: tuple[int | str, ...], batch: int) -> Floats:
        """One frame of memory that adds nothing, its values being zero: attention over no frames has no value."""
        _, heads, _, size = sizes
        return np.zeros((batch, int(heads), 1, int(size)), np.float32)

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Logits of instrument and tone, and the note's state: see Network."""
        told = {"hidden": hidden[:, None], "circles": circles, "notes": notes, "classes": classes}
        told["chosen"] = chosen[:, None]
        first, tone, state = self._sessions["note_step"].run(None, told)
        return first[:, 0], tone[:, 0], state[:, 0]

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """Logits of octave and duration, each (B, values)."""
        octave, duration = self._sessions["note_rest"].run(None, {"state": state[:, None], "chosen": chosen})
        return octave[:, 0], duration[:, 0]


_kept: ContextVar[dict[Any, InCompany] | None] = ContextVar("kept", default=None)


@contextlib.contextmanager
def kept(networks: dict[Any, InCompany]) -> Iterator[None]:
    """Inside it a network that was opened before is the one of `networks`, where those are put that are opened."""
    before = _kept.set(networks)
    try:
        yield
    finally:
        _kept.reset(before)


def open_network(
    model: ModelFolder, task: str, device: Device = "cpu", threads: int = 1, style: str | None = None
) -> InCompany:
    """A model's network as it does a task: with the task's adapter where the model has one for it.

    `style` is the file of a style adapter to put on. Raises M4mError where that is not for this task and model.
    """
    adapter = task if task in model.facts.get("adapters", {}) else None
    networks, which = _kept.get(), (str(model.path.resolve()), adapter, device, threads, style)
    if networks is not None and which in networks:
        return networks[which]
    weights = None if style is None else styled(read_style(Path(style)), model, task)
    opened = OnnxNetwork(model, device, threads, adapter, weights)
    network = InCompany(opened, opened.provider)
    if networks is not None:
        networks[which] = network
    return network
