"""Tables of systems and their figures: means over songs with standard errors, as text for people and as plain data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from m4mcli.evaluation.notes import Figures


@dataclass(frozen=True)
class Estimate:
    """Mean over songs, its standard error (None for a single song), and the number of songs that had the figure."""

    mean: float
    error: float | None
    songs: int


@dataclass(frozen=True)
class Row:
    """One system of a table: the songs and answers that it was measured on, how many were empty, its figures."""

    system: str
    songs: int
    answers: int
    empty: int
    figures: dict[str, Estimate | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Rows under a title. `about` says what was measured, for JSON; `warnings` what could not be."""

    title: str
    about: dict[str, object]
    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and standard error (sample deviation / root of n) of one value a song; None without values."""
    n = len(values)
    if not n:
        return None
    mean = math.fsum(values) / n
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1)) if n > 1 else 0.0
    return Estimate(mean, deviation / math.sqrt(n) if n > 1 else None, n)


def mean_figures(answers: Sequence[Figures]) -> Figures:
    """Mean of each figure over the answers to one song; answers without the figure do not count."""
    names = list(dict.fromkeys(name for figures in answers for name in figures))
    means: Figures = {}
    for name in names:
        values = [v for figures in answers if (v := figures.get(name)) is not None]
        means[name] = math.fsum(values) / len(values) if values else None
    return means


def row_of(system: str, songs: Sequence[Sequence[Figures]], columns: Sequence[str], empty: int = 0) -> Row:
    """The row of a system from the figures of every answer to every song."""
    means = [mean_figures(answers) for answers in songs]
    figures = {c: estimate([v for m in means if (v := m.get(c)) is not None]) for c in columns}
    return Row(system, len(songs), sum(map(len, songs)), empty, figures)


def as_text(table: Table) -> str:
    """The title and a line a system; each figure is the mean and, after ±, its standard error."""
    columns = list(dict.fromkeys(c for row in table.rows for c in row.figures))
    lines = [["system", "songs", "empty", *columns]]
    for row in table.rows:
        cells = [row.system, str(row.songs), f"{row.empty}/{row.answers}"]
        lines.append(cells + [cell(row.figures.get(c)) for c in columns])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [table.title]
    for name, *cells in lines:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        text.append("  ".join([name.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(text) + "\n"


def cell(value: Estimate | None) -> str:
    """A figure as the tables write it: mean, and its error where there is one; `-` without a value."""
    if value is None:
        return "-"
    return f"{value.mean:.3f}" + ("" if value.error is None else f"±{value.error:.3f}")


def as_data(table: Table) -> dict[str, object]:
    """The table as plain data for JSON: `about` and its rows, every figure with `mean`, `error` and `songs`.

    A figure is null where no song had it, an error where only one had.
    """
    rows = [
        {
            "system": row.system,
            "songs": row.songs,
            "answers": row.answers,
            "empty": row.empty,
            "figures": {
                name: None if e is None else {"mean": e.mean, "error": e.error, "songs": e.songs}
                for name, e in row.figures.items()
            },
        }
        for row in table.rows
    ]
    return {**table.about, "rows": rows}
