"""The tables of figures in the model cards `models/*/card.md`, from the `metrics.json` beside them, and all models'
side by side on the page `commands/models.md`, from `models/hub.json`.

`python -m m4mcli.manual.cards` rewrites what stands between `<!-- generated: figures -->` and `<!-- end -->`; with
`--check` it only says whether that is current (status 1 if not, or if there is no `metrics.json`). That
file is what `m4m evaluate --json` wrote.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from m4mcli.evaluation.hub import SIZES
from m4mcli.manual.generated import finish

PAGE, TABLE = "commands/models.md", "models/hub.json"
"""Where all models stand side by side, and what `m4m evaluate hub --json` measured of them."""

BLOCK = re.compile(r"(<!-- generated: figures -->\n).*?(<!-- end -->)", re.DOTALL)


def rows(table: dict[str, Any]) -> Iterator[list[str]]:
    """Heading, rule and one line a system."""
    columns = list(dict.fromkeys(c for row in table["rows"] for c in row["figures"]))
    yield ["system", "songs", "empty answers", *columns]
    yield ["---"] * (3 + len(columns))
    for row in table["rows"]:
        cells = [_cell(row["figures"].get(c)) for c in columns]
        yield [row["system"], str(row["songs"]), f"{row['empty']} of {row['answers']}", *cells]


def _cell(value: dict[str, Any] | None) -> str:
    if value is None:
        return "-"
    error = "" if value["error"] is None else f" ± {value['error']:.3f}"
    return f"{value['mean']:.3f}{error}"


def heading(table: dict[str, Any]) -> str:
    """What a table was measured on, from its plain values."""
    about = {k: v for k, v in table.items() if k != "rows" and not isinstance(v, dict | list)}
    return ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in about.items())


def figures(metrics: dict[str, Any]) -> str:
    """All tables of a metrics.json as Markdown."""
    parts = []
    for table in metrics.get("tables", []):
        lines = ["| " + " | ".join(cells) + " |" for cells in rows(table)]
        parts.append(f"\n{heading(table)}\n\n" + "\n".join(lines) + "\n")
    return "".join(parts) + "\n"


def side_by_side(metrics: dict[str, Any]) -> str:
    """What all models are, once, and under each source how likely its music is and what they write, without errors."""
    first = metrics["tables"][0]
    parts = [_plain([row for row in first["rows"] if row["figures"]["megabytes"]], SIZES)]
    for table in metrics["tables"]:
        written = [name for name in first["rows"][0]["figures"] if name not in SIZES]
        said = [row for row in table["rows"] if any(row["figures"][name] for name in written)]
        parts.append(f"\n{heading(table)}, {max(row['songs'] for row in said)} songs\n{_plain(said, written)}")
    return "".join(parts) + "\n"


def _plain(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    lines = [["model", *(column.replace("_", " ") for column in columns)], ["---"] * (1 + len(columns))]
    for row in rows:
        found = [row["figures"][column] for column in columns]
        lines.append([row["system"], *("-" if value is None else f"{value['mean']:.3g}" for value in found)])
    return "\n" + "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def main(arguments: Sequence[str], root: Path) -> int:
    """Write or check the cards below `root`, and the page of all models."""
    wanted = {}
    for page in (root / PAGE,) if (root / TABLE).exists() else ():
        made = side_by_side(json.loads((root / TABLE).read_text("utf-8")))
        wanted[PAGE] = BLOCK.sub(rf"\g<1>{made}\g<2>", page.read_text("utf-8")).encode()
    for card in sorted((root / "models").glob("*/card.md")):
        metrics = card.with_name("metrics.json")
        if not metrics.exists():
            print(
                f"{metrics.relative_to(root).as_posix()} is missing: a card prints only what was measured",
                file=sys.stderr,
            )
            return 1
        made = figures(json.loads(metrics.read_text("utf-8")))
        text = BLOCK.sub(rf"\g<1>{made}\g<2>", card.read_text("utf-8"))
        wanted[card.relative_to(root).as_posix()] = text.encode()
    return finish(root, wanted, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path()))
