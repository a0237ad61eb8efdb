"""A network over tokens computed by ONNX Runtime."""

from typing import Any

from m4mcli.errors import M4mError
from m4mcli.models.network import Floats, Integers
from m4mcli.models.registry import ModelFolder, verify
from m4mcli.models.session import Device, open_session
from m4mcli.models.token_model import TokenModel


class OnnxTokenModel(TokenModel):
    """A TokenModel over the graphs `row_step` and, for chained columns, `column_step` of a model folder."""

    def __init__(self, model: ModelFolder, device: Device = "cpu", threads: int = 1) -> None:
        verify(model.path)
        facts = model.facts
        try:
            tokens, state, chained = facts["tokens"], facts["state"], facts["chained"]
            super().__init__(tuple(tokens["sizes"]), facts["network"]["context"], state, chained)
        except (KeyError, TypeError) as e:
            raise M4mError(f"{model.path}: not a model over tokens") from e
        self._rows = open_session(model.path / "row_step.onnx", device, threads)
        self._columns: Any = open_session(model.path / "column_step.onnx", device, threads) if chained else None
        self._named = {i.name for i in self._rows.get_inputs()}

    @property
    def provider(self) -> str:
        """The execution provider that the sessions really got."""
        return str(self._rows.get_providers()[0])

    def run(self, rows: Integers, length: Integers, past: list[Floats]) -> list[Floats]:
        """Outputs of a step: see TokenModel."""
        feeds = {"rows": rows, "length": length} | {f"past_{i}": p for i, p in enumerate(past)}
        return list(self._rows.run(None, {name: x for name, x in feeds.items() if name in self._named}))

    def run_columns(self, hidden: Floats, chosen: Integers) -> list[Floats]:
        """Logits of the columns."""
        return list(self._columns.run(None, {"hidden": hidden, "chosen": chosen}))
