"""Corpora to a pack: files read in worker processes, refused with a reason, kept in a fixed order.

A build works in the folder `OUT.building`, which becomes OUT when it is whole. Started again after it was stopped, it
goes on behind its last commit. The same files give the same pack, whatever the number of workers.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from m4mcli.dataset import ordering
from m4mcli.dataset.pack import is_pack, read_lines
from m4mcli.dataset.sources import Item, find_items, key_of, reading_order, with_bytes
from m4mcli.dataset.splits import Settled, Shares, drafts_in, settled
from m4mcli.dataset.worker import TIMEOUT_SECONDS, Packer, Read
from m4mcli.dataset.writer import DRAFTS, PROGRESS, SKETCHES, PackWriter
from m4mcli.errors import M4mError
from m4mcli.parallel import available_processors, in_order

FORM = 4
"""Changes when the same file becomes another packed piece, so that no unfinished build of before goes on."""

COMMIT_FILES = 512
"""Files after which what was packed is made to survive the end of the process."""

KILLED = "ended the process that read it, twice"

Report = Callable[[int, int], None]
"""Told after each file: how many are done, of how many."""


@dataclass(frozen=True)
class Built:
    """What a build gave: the pack's manifest, names and reasons of the refused files, files done by an earlier run."""

    manifest: dict[str, Any]
    refused: tuple[tuple[str, str], ...]
    resumed: int = 0


@dataclass(frozen=True)
class Plan:
    """How files are packed: worker processes (one a processor unless given), seconds a file, shares of the splits."""

    workers: int | None = None
    timeout: float = TIMEOUT_SECONDS
    shares: Shares = field(default_factory=Shares)


def build(folders: Iterable[Path], out: Path, plan: Plan | None = None, report: Report | None = None) -> Built:
    """Pack folders of music, each a source: `build_items` of what `find_items` finds in them."""
    items = [item for folder in folders for item in find_items(folder)]
    return build_items(items, out, plan or Plan(), report)


def build_items(items: Sequence[Item], out: Path, plan: Plan, report: Report | None = None) -> Built:
    """Pack files to the folder OUT, with the refused ones in OUT/refused.jsonl. Same files, same hash.

    Raises M4mError where OUT exists and is no pack, where a file is named twice, and where not one file can be packed.
    """
    check_out(out)
    if len({(item.path, item.member, item.name) for item in items}) < len(items):
        raise M4mError("the same files are named twice", "name each folder once")
    place = out.with_name(f"{out.name}.building")
    _check_place(place)
    order = reading_order(items)
    writers = [PackWriter(place, key_of(items, (FORM, plan.timeout)))]
    resumed = writers[0].done
    try:
        _pack(writers[0], items, order, plan, report)
        packed = bool(writers[0].rows["sketches"].rows)
        if packed and not _is_given(order):
            writers.append(ordering.in_order(writers[0], place / "ordered"))
        manifest = _finish(writers[-1], plan.shares) if packed else {}
    finally:
        for writer in writers:
            writer.abandon()
    whole = writers[-1].folder
    refused = read_lines(whole / "refused.jsonl")
    if packed:
        put(whole, out)
    if not packed or whole != place:
        shutil.rmtree(place)
    if not packed:
        hint = f"{refused[0]['name']}: {refused[0]['reason']}"
        raise M4mError(f"none of {len(items)} files can be packed", hint)
    return Built(manifest, tuple((line["name"], line["reason"]) for line in refused), resumed)


def _is_given(order: Sequence[int]) -> bool:
    """Whether an order of items is that in which they were given."""
    return order == list(range(len(order)))


def _pack(writer: PackWriter, items: Sequence[Item], order: Sequence[int], plan: Plan, report: Report | None) -> None:
    """Read what is not yet done, and add it to the pack, all of it committed; other order than given is told."""
    given = _is_given(order)
    left = order[writer.done :]
    done = writer.done
    jobs = with_bytes([items[i] for i in left])
    found = in_order(Packer(plan.timeout), jobs, plan.workers or available_processors(), lambda job: KILLED)
    for i, read in zip(left, found, strict=True):
        at = {} if given else {ordering.AT: i}
        if isinstance(read, Read):
            writer.add(read.piece, read.facts | at, read.sketch)
        else:
            writer.refuse({"source": items[i].source, "name": items[i].name, "reason": read} | at)
        done += 1
        if done % COMMIT_FILES == 0:
            writer.commit(done)
        if report is not None:
            report(done, len(items))
    writer.commit(done)


def _finish(writer: PackWriter, shares: Shares) -> dict[str, Any]:
    """Settle groups and splits, and close the pack."""
    with (writer.folder / DRAFTS).open("rb") as lines:
        drafts = drafts_in(lines)
    writer.rows["sketches"].save_header()
    found = settled(drafts, np.load(writer.folder / SKETCHES), shares)

    def settle(line: dict[str, Any], number: int) -> dict[str, Any]:
        return line | found.facts(number)

    return writer.finish(settle, about_groups(found))


def about_groups(found: Settled) -> dict[str, int]:
    """What a manifest says of near-duplicates and groups."""
    count = len(found.splits)
    copies = count - len(np.unique(found.copies))
    return {"pieces": count, "groups": len(np.unique(found.groups)), "copies": copies, "torn_groups": found.torn}


def check_out(out: Path) -> None:
    """Raise M4mError where a pack cannot be put to OUT."""
    if out.exists() and not (out.is_dir() and (is_pack(out) or not any(out.iterdir()))):
        raise M4mError(f"{out}: exists and is not a pack", "name a new folder with --out")
    if not out.name:
        raise M4mError(f"{out}: no name for a pack", "name a new folder with --out")


def _check_place(place: Path) -> None:
    if place.exists() and not (place.is_dir() and (not any(place.iterdir()) or (place / "notes.npy").exists())):
        raise M4mError(f"{place}: is in the way and is no unfinished pack", "move it, or name another --out")


def put(place: Path, out: Path) -> None:
    """Move the finished pack to its name; an older one there makes room only now."""
    (place / PROGRESS).unlink(missing_ok=True)
    if out.exists():
        old = out.with_name(f"{out.name}.replaced")
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
        place.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    else:
        place.rename(out)
