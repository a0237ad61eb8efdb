"""What is in a folder of music: how much, and of which kinds."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from m4mcli.options import printable

SHOWN = 6
"""How many kinds of a thing are listed."""

Hits = Counter[str]


@dataclass
class Totals:
    """The files of a folder, added up one by one: `read` of them, and `failed` that cannot be read."""

    name: str
    read: int = 0
    failed: int = 0
    bars: int = 0
    seconds: float = 0.0
    notes: int = 0
    tempos: list[float] = field(default_factory=list)
    metres: Hits = field(default_factory=Counter)
    keys: Hits = field(default_factory=Counter)
    instruments: Hits = field(default_factory=Counter)
    warned: Hits = field(default_factory=Counter)

    def add(self, one: dict[str, Any]) -> None:
        """One more file, as `summarize` tells it: its main metre, first tempo and key, and each instrument once."""
        self.read += 1
        self.bars += one["bars"]
        self.seconds += one["seconds"]
        self.notes += one["notes"]
        self.tempos.append(one["tempos"][0]["bpm"])
        self.metres[_metre(one)] += 1
        self.keys.update(key["key"] for key in one["key_signatures"][:1])
        self.instruments.update({track["instrument"] for track in one["tracks"] if track["notes"]})
        self.warned.update({warning.partition(":")[0] for warning in one["warnings"]})

    def lines(self) -> list[str]:
        """The folder in words."""
        told = [
            printable(self.name),
            f"files   {self.read}" + (f", and {self.failed} unreadable" if self.failed else ""),
        ]
        if not self.read:
            return told
        hours, minutes = divmod(round(self.seconds / 60), 60)
        time = f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{self.seconds:.1f} s"
        told.append(f"length  {self.bars} bars, {time}, {self.notes} notes")
        told.append(f"metre   {_most(self.metres, self.read)}")
        tempos = sorted(self.tempos)
        told.append(f"tempo   {tempos[0]:g} to {tempos[-1]:g} bpm, median {tempos[len(tempos) // 2]:g}")
        if self.keys:
            told.append(f"key     {_most(self.keys, self.read)}")
        told.append(f"tracks  {_most(self.instruments, self.read)}")
        if self.warned:
            told.append(f"odd     {_most(self.warned, self.read)}")
        return told


def _metre(one: dict[str, Any]) -> str:
    """The metre that most bars of a file are in: the first may be that of an upbeat."""
    changes = one["time_signatures"]
    ends = [*(change["bar"] for change in changes[1:]), one["bars"] + 1]
    spans = Counter[str]()
    for change, end in zip(changes, ends, strict=True):
        spans[change["time"]] += max(end - change["bar"], 0)
    return spans.most_common(1)[0][0]


def _most(counts: Hits, of: int) -> str:
    """The commonest kinds with the share of the files that have them."""
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{name} {100 * count / of:.0f} %" for name, count in shown[:SHOWN]]
    more = f", and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(told) + more
