"""The tables of figures in the model cards `models/*/card.md`, from the `metrics.json` beside them.

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

from m4mcli.manual.generated import finish

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


def main(arguments: Sequence[str], root: Path) -> int:
    """Write or check the cards below `root`."""
    wanted = {}
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
