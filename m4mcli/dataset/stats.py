"""What is in a pack: totals of each source and split, and how pieces, bars and notes are spread."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import Pack, with_facts, within
from m4mcli.errors import M4mError
from m4mcli.frames.frames import DRUMS
from m4mcli.theory.instruments import FAMILIES

Histogram = dict[str, int]
Line = dict[str, Any]

BARS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
TEMPI = (20, 40, 60, 80, 100, 120, 140, 160, 180, 200)
SHARES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
DURATIONS = (1, 2, 3, 4, 6, 8, 12, 16, 32)
VELOCITIES = (1, 16, 32, 48, 64, 80, 96, 112)
DENSITIES = (0, 1, 2, 4, 8, 16, 32, 64)
MOST_METRES = 12
TOTALS = ("pieces", "bars", "notes", "hours", "copies")
SHOWN = 5
"""Places of a spread that the table names."""


def statistics(pack: Pack, sources: Sequence[str] = (), splits: Sequence[str] = ()) -> dict[str, Any]:
    """Totals and spreads of the pieces of a pack, of some sources and splits (all unless given), for JSON.

    `totals` are those of each `source/split`; each of `spread` is a count of pieces (bars, tempo, key, metre, on_grid,
    instruments, density: notes to a bar) or of notes (octave, duration in 16ths, velocity) by what they are.
    Raises M4mError where there is no such piece.
    """
    chosen = [
        i
        for i, line in enumerate(with_facts(pack))
        if (not sources or any(within(line["source"], name) for name in sources))
        and (not splits or line["split"] in splits)
    ]
    if not chosen:
        raise M4mError("no such pieces in the pack", "m4m dataset stats without --source and --split shows what is")
    lines = [pack.pieces[i] for i in chosen]
    notes = _note_counts(pack, chosen)
    return {"totals": _totals(lines, chosen), "spread": _spread(lines) | _note_spread(*notes)}


def _totals(lines: Sequence[Line], numbers: Sequence[int]) -> dict[str, dict[str, float]]:
    totals: dict[str, dict[str, float]] = {}
    for number, line in zip(numbers, lines, strict=True):
        place = totals.setdefault(f"{line['source']}/{line['split']}", dict.fromkeys(TOTALS, 0))
        is_copy = int(line["copy_of"] != number)
        sizes = (1, line["bars"][1], line["notes"][1], line["seconds"] / 3600, is_copy)
        for name, size in zip(TOTALS, sizes, strict=True):
            place[name] += size
    for place in totals.values():
        place["hours"] = round(place["hours"], 2)
    return dict(sorted(totals.items()))


def _spread(lines: Sequence[Line]) -> dict[str, Histogram]:
    metres = Counter(max(line["metres"], key=line["metres"].__getitem__) for line in lines)
    keys = Counter(line["key"] or "none" for line in lines)
    families = [*FAMILIES, "Drums"]
    played = Counter(f for line in lines for f in {DRUMS // 8 if p == DRUMS else p // 8 for p in line["instruments"]})
    return {
        "bars": _binned((line["bars"][1] for line in lines), BARS),
        "tempo": _binned((line["tempo"] for line in lines), TEMPI),
        "metre": dict(metres.most_common(MOST_METRES)),
        "key": dict(sorted(keys.items(), key=lambda entry: (-entry[1], entry[0]))),
        "on_grid": _binned((100 * line["on_grid"] for line in lines), SHARES, "%"),
        "density": _binned((line["notes"][1] / max(1, line["bars"][1]) for line in lines), DENSITIES),
        "instruments": {name: played[i] for i, name in enumerate(families) if played[i]},
    }


def _binned(values: Iterable[float], edges: Sequence[int], unit: str = "") -> Histogram:
    """How many values lie from each edge to below the next; from the last on, and below the first."""
    found = np.bincount(np.searchsorted(edges, np.fromiter(values, float), side="right"), minlength=len(edges) + 1)
    return _labelled(found, edges, unit)


def _labelled(counts: NDArray[np.integer], edges: Sequence[int], unit: str = "") -> Histogram:
    names = [f"below {edges[0]}{unit}"]
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        last = None if high is None else high - 1
        names.append(
            f"{low}{unit}" if last == low else f"{low}{unit} and more" if last is None else f"{low}-{last}{unit}"
        )
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _note_counts(pack: Pack, chosen: Sequence[int]) -> tuple[NDArray[np.int64], ...]:
    """How many notes have each pitch (drums left out), duration and velocity; read piece by piece."""
    pitches, velocities = np.zeros(128, np.int64), np.zeros(256, np.int64)
    longest = DURATIONS[-1] + 1
    durations = np.zeros(longest, np.int64)
    for i in chosen:
        notes = pack[i].notes
        pitches += np.bincount(notes["pitch"][notes["instrument"] != DRUMS], minlength=128)
        durations += np.bincount(np.minimum(notes["duration"], longest - 1), minlength=longest)
        velocities += np.bincount(notes["velocity"], minlength=256)
    return pitches, durations, velocities


def _note_spread(
    pitches: NDArray[np.int64], durations: NDArray[np.int64], velocities: NDArray[np.int64]
) -> dict[str, Histogram]:
    octaves = {f"C{i - 1}-B{i - 1}": int(pitches[12 * i : 12 * i + 12].sum()) for i in range(11)}
    spread = {"octave": {name: count for name, count in octaves.items() if count}}
    for name, counts, edges in (("duration", durations, DURATIONS), ("velocity", velocities, VELOCITIES)):
        inside = np.searchsorted(edges, np.arange(len(counts)), side="right")
        spread[name] = _labelled(np.bincount(inside, weights=counts, minlength=len(edges) + 1).astype(int), edges)
    return spread


def stats_table(found: dict[str, Any]) -> str:
    """Totals and the commonest places of each spread, as lines of text."""
    totals = found["totals"]
    rows = [
        [name, *(f"{place[t]:g}" if t == "hours" else str(place[t]) for t in TOTALS)] for name, place in totals.items()
    ]
    lines = aligned([["source/split", *TOTALS], *rows])
    width = max(map(len, found["spread"]))
    for name, spread in found["spread"].items():
        whole = sum(found["totals"][p]["pieces"] for p in totals) if name in PIECES else sum(spread.values())
        best = sorted(spread.items(), key=lambda entry: -entry[1])[:SHOWN]
        lines.append(f"{name.ljust(width)}  " + ", ".join(f"{label} {count / whole:.0%}" for label, count in best))
    return "\n".join(lines) + "\n"


PIECES = ("instruments",)
"""Spreads whose counts are shares of the pieces, though one piece may count several times."""


def pack_table(manifest: dict[str, Any]) -> str:
    """Pieces, frames and notes of each source and split, groups, and the pack's hash, as lines of text."""
    heading = ["source/split", "pieces", "frames", "notes"]
    rows = [[name, *(str(n[k]) for k in heading[1:])] for name, n in sorted(manifest["sources"].items())]
    groups = "groups {groups}, copies {copies}".format(**manifest)
    return "\n".join([*aligned([heading, *rows]), groups, f"sha256 {manifest['sha256']}"]) + "\n"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    side: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * (len(widths) - 1)]
    return ["  ".join(s(cell, w) for s, cell, w in zip(side, row, widths, strict=True)) for row in rows]
