"""An unfinished pack put in order: files of an archive are read as they lie in it, and packed as in a folder.

What was read stays where it is until the pack is whole, so that a build that is stopped meanwhile loses nothing.
"""

import json
from operator import itemgetter
from pathlib import Path

import numpy as np

from m4mcli.dataset.pack import read_lines
from m4mcli.dataset.writer import DRAFTS, PackWriter

AT = "at"
"""Of the line of a piece or a refusal: the number of its file in the order of the pack."""


def in_order(read: PackWriter, folder: Path) -> PackWriter:
    """A pack in `folder` of what `read` holds, all of it committed, by AT, which is left out."""
    for rows in read.rows.values():
        rows.save_header()
    notes, bars, sketches = (np.load(read.folder / f"{name}.npy", mmap_mode="r") for name in read.rows)
    out = PackWriter(folder)
    with (read.folder / DRAFTS).open("rb") as drafts:
        places: list[tuple[int, int, int]] = []
        while draft := drafts.readline():
            places.append((json.loads(draft)[AT], drafts.tell() - len(draft), len(places)))
        for _, place, number in sorted(places):
            drafts.seek(place)
            line = json.loads(drafts.readline())
            del line[AT]
            (n0, n), (b0, b) = line["notes"], line["bars"]
            out.add_line(line, notes[n0 : n0 + n], bars[b0 : b0 + b], sketches[number : number + 1])
    for line in sorted(read_lines(read.folder / "refused.jsonl"), key=itemgetter(AT)):
        del line[AT]
        out.refuse(line)
    out.commit(read.done)
    return out
