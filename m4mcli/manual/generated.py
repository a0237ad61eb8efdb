"""Generated files of the checkout: written, or with `--check` compared."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def finish(root: Path, wanted: Mapping[str, bytes], arguments: Sequence[str]) -> int:
    """Make the files below `root` what they should be, or with `--check` name those that are not; the exit status."""
    check = "--check" in arguments
    stale = [name for name, content in wanted.items() if not _holds(root / name, content)]
    for name in stale:
        if check:
            print(f"{name} is not what the code generates", file=sys.stderr)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(wanted[name])
    return 1 if stale and check else 0


def _holds(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() == content
