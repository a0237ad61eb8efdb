"""Which pieces belong together, and in which split each is: what belongs together stays together.

A split that a corpus declares is kept. A group of which only a part has one goes to that part's, the rarest first
(test, valid, train); a group without one goes where the hash of its music says, so that it stays there when other
pieces come and go.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.copies import Groups, copies
from m4mcli.errors import USAGE, M4mError

RAREST_FIRST = ("test", "valid", "train")
HASH_BITS = 32


@dataclass(frozen=True)
class Shares:
    """The shares of the splits, 0 to 1, where a corpus declares none."""

    train: float = 0.9
    valid: float = 0.1
    test: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Shares":
        """The shares in `80,10,10`: train, valid, test in parts of their sum. Raises M4mError (status 2)."""
        try:
            parts = [float(part) for part in text.split(",")]
            whole = sum(parts)
            if len(parts) != 3 or min(parts) < 0 or not 0 < whole < float("inf"):
                raise ValueError
        except ValueError:
            raise M4mError(f"--splits {text!r} are no shares", "write train,valid,test: 80,10,10", USAGE) from None
        return cls(*(part / whole for part in parts))

    def split_of(self, thash: str) -> str:
        """The split of music with this hash."""
        place = int(thash[: HASH_BITS // 4], 16) / (1 << HASH_BITS)
        if place < self.valid:
            return "valid"
        return "test" if place < self.valid + self.test else "train"


@dataclass(frozen=True)
class Draft:
    """What decides the split of a piece: its hash, the split and the group that the corpus declares, if any."""

    thash: str
    split: str = ""
    group: str = ""


@dataclass(frozen=True)
class Settled:
    """For each piece its split, the first piece of its group, and the first that is the same music.

    `torn` counts the groups that lie in several declared splits.
    """

    splits: tuple[str, ...]
    groups: NDArray[np.int64]
    copies: NDArray[np.int64]
    torn: int

    def facts(self, i: int) -> dict[str, Any]:
        """What a pack tells of piece `i`."""
        return {"split": self.splits[i], "group": int(self.groups[i]), "copy_of": int(self.copies[i])}


def settled(drafts: Sequence[Draft], sketches: NDArray[np.void], shares: Shares) -> Settled:
    """Groups and splits of pieces from what is known of each, and the rows SKETCH of their music."""
    same = copies([draft.thash for draft in drafts], sketches)
    groups = Groups(len(drafts))
    first: dict[str, int] = {}
    for i, draft in enumerate(drafts):
        groups.join(int(same[i]), i)
        if draft.group:
            groups.join(first.setdefault(draft.group, i), i)
    together = groups.firsts()
    declared: dict[int, set[str]] = {}
    least: dict[int, str] = {}
    for i, draft in enumerate(drafts):
        group = int(together[i])
        declared.setdefault(group, set()).update([draft.split] if draft.split else [])
        least[group] = min(least.get(group, draft.thash), draft.thash)
    rarest = {g: next((s for s in RAREST_FIRST if s in splits), "") for g, splits in declared.items()}
    by_hash = {g: rarest[g] or shares.split_of(least[g]) for g in declared}
    splits = tuple(draft.split or by_hash[int(together[i])] for i, draft in enumerate(drafts))
    return Settled(splits, together, same, sum(len(splits) > 1 for splits in declared.values()))


def drafts_in(lines: Iterable[bytes]) -> list[Draft]:
    """What decides the splits of pieces, from their lines in an unfinished pack."""
    found = (json.loads(line) for line in lines)
    return [Draft(line["thash"], line["split"], line["group"]) for line in found]
