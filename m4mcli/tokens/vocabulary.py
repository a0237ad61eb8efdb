"""A vocabulary: named fields of values, laid one after another on one range of ids."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Field:
    """One kind of token: `size` values, the first of which is `first`; `meaning` is what the page says of it."""

    name: str
    size: int
    meaning: str
    first: int = 0


@dataclass(frozen=True)
class Vocabulary:
    """Fields in the order of their ids: the id of a value is its field's offset and the value's place in the field."""

    fields: tuple[Field, ...]

    @property
    def size(self) -> int:
        """How many ids there are."""
        return sum(field.size for field in self.fields)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The first id of each field."""
        return tuple(sum(field.size for field in self.fields[:i]) for i in range(len(self.fields)))

    def id_of(self, name: str, value: int | None = None) -> int:
        """The id of a field's value, of its first value unless given. Raises ValueError where there is none."""
        for field, offset in zip(self.fields, self.offsets, strict=True):
            if field.name == name:
                place = 0 if value is None else value - field.first
                if not 0 <= place < field.size:
                    raise ValueError(f"{name} has no value {value}")
                return offset + place
        raise ValueError(f"no field {name}")

    def apart(self, ids: NDArray[np.integer]) -> tuple[list[str], list[int]]:
        """Each id's field and value; an id outside the vocabulary has the field "" and the value 0."""
        offsets = np.array(self.offsets)
        known = (ids >= 0) & (ids < self.size)
        place = np.where(known, np.searchsorted(offsets, ids, side="right") - 1, -1)
        first = np.array([field.first for field in self.fields])
        values = np.where(known, ids - offsets[place] + first[place], 0)
        names = [*(field.name for field in self.fields), ""]
        return [names[i] for i in place.tolist()], values.tolist()

    def page(self) -> str:
        """The vocabulary on one page: ids, field, values, meaning; a line a field, with a newline at the end."""
        rows = [("ids", "field", "values", "meaning")]
        for field, offset in zip(self.fields, self.offsets, strict=True):
            last = field.first + field.size - 1
            values = f"{field.first}-{last}" if field.size > 1 else ""
            ids = f"{offset}-{offset + field.size - 1}" if field.size > 1 else str(offset)
            rows.append((ids, field.name, values, field.meaning))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in rows]
        return "\n".join(line.rstrip() for line in lines) + "\n"
