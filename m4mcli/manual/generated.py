"""Generated files of the checkout: written, or with `--check` compared."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout. Only the generators look there; an installed m4m does not."""


def finish(wanted: Mapping[Path, bytes], arguments: Sequence[str]) -> int:
    """Make the files what they should be. With `--check`, name those that are not on standard error, and return 1."""
    stale = [path for path, content in wanted.items() if not path.exists() or path.read_bytes() != content]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not what the code generates", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted[path])
    return 1 if stale and "--check" in arguments else 0
