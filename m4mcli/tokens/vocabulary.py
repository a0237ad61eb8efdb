"""A vocabulary: named fields of values, laid one after another on one range of ids."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Field:
    """One kind of token: `size` values, the first of which is `first`; `meaning` is what the page says of it.

    `labels` are the values as they are written, where they are no whole numbers one after another.
    """

    name: str
    size: int
    meaning: str
    first: int = 0
    labels: tuple[str, ...] = ()

    def label(self, place: int) -> str:
        """The value at a place, as it is written."""
        return self.labels[place] if self.labels else str(self.first + place)


def labelled(name: str, labels: tuple[str, ...], meaning: str) -> Field:
    """A field whose values are written as `labels`."""
    return Field(name, len(labels), meaning, labels=labels)


@dataclass(frozen=True)
class Vocabulary:
    """Fields in the order of their ids: the id of a value is its field's offset and the value's place in the field.

    With `columns` a token is a row of several ids, one in each column, and each column has ids of its own from 0:
    `columns` says how many of the fields, in order, belong to each.
    """

    fields: tuple[Field, ...]
    columns: tuple[int, ...] = ()

    @cached_property
    def size(self) -> int:
        """How many ids there are."""
        return sum(field.size for field in self.fields)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """The first id of each field."""
        return tuple(sum(field.size for field in self.fields[:i]) for i in range(len(self.fields)))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {field.name: i for i, field in reversed(list(enumerate(self.fields)))}

    def has(self, name: str) -> bool:
        """Whether there is a field of that name."""
        return name in self._places

    def start(self, name: str) -> int:
        """The first id of a field."""
        return self.offsets[self._places[name]]

    def span(self, name: str) -> slice:
        """All ids of a field."""
        start = self.start(name)
        return slice(start, start + self.fields[self._places[name]].size)

    def id_of(self, name: str, value: int | None = None) -> int:
        """The id of a field's value, of its first value unless given. Raises ValueError where there is none."""
        if name not in self._places:
            raise ValueError(f"no field {name}")
        field = self.fields[self._places[name]]
        place = 0 if value is None else value - field.first
        if not 0 <= place < field.size:
            raise ValueError(f"{name} has no value {value}")
        return self.start(name) + place

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """The field of each id, by place."""
        return np.repeat(np.arange(len(self.fields)), [field.size for field in self.fields])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Each id's token in full: `Pitch_60`."""
        return tuple(f"{field.name}_{field.label(i)}" for field in self.fields for i in range(field.size))

    def apart(self, ids: NDArray[np.integer]) -> tuple[list[str], list[int]]:
        """Each id's field and value; an id outside the vocabulary has the field "" and the value 0."""
        offsets = np.array(self.offsets)
        known = (ids >= 0) & (ids < self.size)
        place = np.where(known, np.searchsorted(offsets, ids, side="right") - 1, -1)
        first = np.array([field.first for field in self.fields])
        values = np.where(known, ids - offsets[place] + first[place], 0)
        names = [*(field.name for field in self.fields), ""]
        return [names[i] for i in place.tolist()], values.tolist()

    def tables(self) -> tuple["Vocabulary", ...]:
        """The vocabulary of each column; itself where tokens are single ids."""
        if not self.columns:
            return (self,)
        ends = np.cumsum(self.columns).tolist()
        return tuple(Vocabulary(self.fields[end - n : end]) for n, end in zip(self.columns, ends, strict=True))

    def page(self) -> str:
        """The vocabulary on one page: ids, field, values, meaning; a line a field, with a newline at the end."""
        rows = [("ids", "field", "values", "meaning")]
        for number, table in enumerate(self.tables()):
            for field, offset in zip(table.fields, table.offsets, strict=True):
                ids = f"{offset}-{offset + field.size - 1}" if field.size > 1 else str(offset)
                values = f"{field.label(0)}-{field.label(field.size - 1)}" if field.size > 1 else ""
                if field.labels and field.size > 1:
                    values = f"{field.label(0)}..{field.label(field.size - 1)}"
                rows.append((f"{number + 1}: {ids}" if self.columns else ids, field.name, values, field.meaning))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
        return "\n".join(line.rstrip() for line in lines) + "\n"
