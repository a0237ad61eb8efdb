"""A person's own files as a pack to learn from, a part of them held out; and other music, which nobody's style is."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from m4mcli.dataset.build import Plan, Report, build_items
from m4mcli.dataset.pack import Pack, PackedPiece, is_pack, pack_piece, with_facts
from m4mcli.dataset.roles import roles
from m4mcli.dataset.sources import find_items
from m4mcli.errors import M4mError
from m4mcli.manual.examples import greensleeves, ode_to_joy
from m4mcli.score.metre import bars
from m4mcli.score.score import Score
from m4mcli.training.verify import tune

HELD_OUT = 0.2
"""Share of the pieces that are held out, where the folder does not say which."""


Refused = tuple[tuple[str, str], ...]
"""Names and faults of the files left out."""


def own_pack(folder: Path, work: Path, report: Report | None = None) -> tuple[Pack, Refused]:
    """The music of a folder, packed to `work`, or a pack as it is.

    `train` and `valid` in the folder are the splits; else a fifth of the pieces is held out as `valid`, so that pieces
    that are the same music, or nearly, are on one side. Raises M4mError for music without two pieces that differ.
    """
    pack, refused, splits = _packed_folder(folder, work, report)
    if not {"train", "valid"} <= splits:
        hold_out(pack)
    return pack, refused


def other_pack(folder: Path, work: Path, report: Report | None = None) -> tuple[Pack, Refused]:
    """Music that is not learnt from: `valid` of a folder or pack that has it, else all of it as `valid`."""
    pack, refused, splits = _packed_folder(folder, work, report)
    if "valid" not in splits:
        for line in pack.pieces:
            line["split"] = "valid"
    return pack, refused


def _packed_folder(folder: Path, work: Path, report: Report | None) -> tuple[Pack, Refused, set[str]]:
    """A pack, what is left out of it, and the splits that somebody chose."""
    if is_pack(folder):
        pack = Pack(folder)
        return pack, (), {line["split"] for line in pack.pieces}
    items = find_items(folder)
    refused = build_items(items, work, Plan(), report).refused
    pack = Pack(work)
    return pack, refused, {line["split"] for line in pack.pieces} if any(item.split for item in items) else set()


def hold_out(pack: Pack) -> None:
    """Deal out a pack's pieces anew, in memory: whole groups, in an order by hash, until a fifth is held out.

    The largest group is learnt from in any case.
    """
    groups: dict[int, list[str]] = {}
    for line in with_facts(pack):
        groups.setdefault(line["group"], []).append(hashlib.sha256(line["thash"].encode()).hexdigest())
    if len(groups) < 2:
        raise M4mError(f"{pack.pieces[0]['name']}: one piece, or the same again", "two different ones are the least")
    largest = max(groups, key=lambda group: (len(groups[group]), min(groups[group])))
    held: set[int] = set()
    count = 0
    for group in sorted(groups.keys() - {largest}, key=lambda group: min(groups[group])):
        if held and count + len(groups[group]) > HELD_OUT * len(pack):
            break
        held.add(group)
        count += len(groups[group])
    for line in pack.pieces:
        line["split"] = "valid" if line["group"] in held else "train"


def neutral_pieces() -> Iterator[PackedPiece]:
    """The tunes that ship with m4m, all of them public domain."""
    for name, score in (("twinkle", tune().score()), ("ode-to-joy", ode_to_joy()), ("greensleeves", greensleeves())):
        yield _packed(score, name)


def _packed(score: Score, name: str) -> PackedPiece:
    return pack_piece(score, bars(score), roles(score), name=name, source="neutral", split="valid")
