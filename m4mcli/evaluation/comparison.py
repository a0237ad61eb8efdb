"""What was measured of sets of pieces, as text for people and as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from m4mcli.evaluation.copying import COPIED
from m4mcli.evaluation.corpora import COPIES, FIGURES, PAIRED, SECONDS, Copy, Corpus
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.overlap import VECTORS, Likeness
from m4mcli.evaluation.table import Estimate, estimate

SHOWN_RUNS = 3
"""How many of the longest shared runs the text lists."""

ALL = (*FIGURES, *COPIES, *PAIRED, *VECTORS)


@dataclass(frozen=True)
class Comparison:
    """Sets of pieces; the last of them is what the first is compared with, if `likenesses` has anything.

    `copies` are the longest runs that pieces of the first share with the last; `paired` has the figures of the notes of
    files that have one name in both. `warnings` say what could not be measured.
    """

    corpora: tuple[Corpus, ...]
    likenesses: dict[str, Likeness] = field(default_factory=dict)
    copies: tuple[Copy, ...] = ()
    paired: tuple[Figures, ...] = ()
    warnings: tuple[str, ...] = ()


def as_text(found: Comparison, names: Sequence[str]) -> str:
    """A table with a line for each of the named figures, and below it the longest shared runs."""
    columns = [corpus.means() for corpus in found.corpora]
    if found.paired:
        columns[0] = columns[0] | _paired(found.paired)
    compared = bool(found.likenesses)
    lines = [["figure", *short_names(found.corpora), *(["overlap", "divergence"] if compared else [])]]
    counts = [str(len(c.pieces)) for c in found.corpora]
    lines.append(["pieces", *counts, *(["", ""] if compared else [])])
    for name in names:
        likeness = found.likenesses.get(name)
        cells = [_cell(means.get(name)) for means in columns]
        if not any(cell != "-" for cell in cells) and likeness is None:
            continue
        alike = [f"{likeness.area:.3f}", f"{likeness.divergence:.3f}"] if likeness else ["-", "-"]
        lines.append([name, *cells, *(alike if compared else [])])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    ]
    runs = [copy for copy in found.copies[:SHOWN_RUNS] if copy.notes >= COPIED]
    return "\n".join([*text, *([""] if runs else []), *map(told, runs)]) + "\n"


def short_names(corpora: Sequence[Corpus]) -> list[str]:
    """The last parts of the sets' names, or the names themselves where those are not enough to tell them apart."""
    short = [Path(corpus.name).name or corpus.name for corpus in corpora]
    return short if len(set(short)) == len(short) else [corpus.name for corpus in corpora]


def told(copy: Copy) -> str:
    """A shared run in words."""
    moved = f", {abs(copy.semitones)} semitones {'above' if copy.semitones > 0 else 'below'}" if copy.semitones else ""
    return (
        f"{copy.notes} notes of {copy.file} from bar {copy.bar} are in {copy.source} from bar {copy.source_bar}{moved}"
    )


def _cell(value: Estimate | None) -> str:
    if value is None:
        return "-"
    return f"{value.mean:.3f}" + ("" if value.error is None else f"±{value.error:.3f}")


def _paired(figures: Sequence[Figures]) -> dict[str, Estimate | None]:
    return {name: estimate([v for one in figures if (v := one[name]) is not None]) for name in PAIRED}


def as_data(found: Comparison, names: Sequence[str]) -> dict[str, object]:
    """The same for JSON: for each set mean, error and number of pieces of each figure, and those of each piece."""
    data: dict[str, object] = {"sets": [_set_data(corpus, names) for corpus in found.corpora]}
    if found.likenesses:
        alike = {name: value for name, value in found.likenesses.items() if name in names}
        data["against"] = {
            name: {"overlap": value.area, "divergence": value.divergence} for name, value in alike.items()
        }
    if found.copies:
        data["runs"] = [vars(copy) for copy in found.copies]
    if found.paired:
        data["notes"] = {"within_seconds": SECONDS, "pairs": len(found.paired)} | {
            name: _estimate_data(value) for name, value in _paired(found.paired).items()
        }
    return data


def _set_data(corpus: Corpus, names: Sequence[str]) -> dict[str, object]:
    means = corpus.means()
    pieces = [
        {"file": p.file, "figures": {name: value for name, value in p.figures.items() if name in names}}
        for p in corpus.pieces
    ]
    figures = {name: _estimate_data(value) for name, value in means.items() if name in names}
    return {"name": corpus.name, "figures": figures, "pieces": pieces}


def _estimate_data(value: Estimate | None) -> dict[str, object] | None:
    return None if value is None else {"mean": value.mean, "error": value.error, "pieces": value.songs}
