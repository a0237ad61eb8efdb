"""Folders of music to a pack: files found, read in worker processes, refused with a reason, kept in a fixed order.

A source is a folder; its name is the source's name. `train/` and `valid/` below it decide the split; otherwise one file in ten is
for validation, by the hash of its path. A `manifest.jsonl` beside them may give `path`, `split` and `shift_quarters` (a
pickup: the music is moved so that the bars fall where they should).
"""

import hashlib
import json
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from m4mcli.dataset.pack import PackedPiece, pack_piece, write_pack
from m4mcli.errors import M4mError
from m4mcli.score.metre import bars
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, TimeSignature, Track

SPLITS = ("train", "valid", "test")
TIMEOUT_SECONDS = 30
ROLE_NAMES = {"melody": "melody", "chord": "chord", "chords": "chord"}


@dataclass(frozen=True)
class Item:
    """One file to pack: its path, its place below the source's folder, split, and quarters by which its music is moved."""

    path: Path
    name: str
    source: str
    split: str
    shift_quarters: float = 0.0


def find_items(folder: Path, pattern: str = "**/*.mid") -> list[Item]:
    """The music files of a source folder, in order of their names. Raises M4mError where there are none."""
    folder = folder.resolve()
    facts = _manifest(folder)
    items = []
    for path in sorted(folder.glob(pattern)):
        name = path.relative_to(folder).as_posix()
        head, _, rest = name.partition("/")
        split, inner = (head, rest) if head in SPLITS and rest else ("", name)
        fact = facts.get(inner, {})
        split = split or fact.get("split") or _split_of(name)
        items.append(Item(path, inner, folder.name, split, float(fact.get("shift_quarters") or 0)))
    if not items:
        raise M4mError(f"{folder}: no files like {pattern}", "name a folder of music, or give --glob")
    return items


def _manifest(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / "manifest.jsonl"
    if not path.exists():
        return {}
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {line["path"]: line for line in lines}
    except (ValueError, KeyError, TypeError) as e:
        raise M4mError(f"{path}: not a manifest: {e}") from e


def _split_of(name: str) -> str:
    return "valid" if hashlib.sha256(name.encode()).digest()[0] % 10 == 0 else "train"


def moved(score: Score, ticks: int) -> Score:
    """A score whose notes are `ticks` later, its bars counted from tick 0 on."""
    if not ticks:
        return score

    def later(track: Track) -> Track:
        notes = track.notes.copy()
        notes["onset"] += ticks
        return replace(track, notes=notes)

    signatures = tuple(replace(s, tick=s.tick + ticks if s.tick else 0) for s in score.time_signatures)
    return replace(score, tracks=tuple(later(t) for t in score.tracks), time_signatures=signatures)


def roles(score: Score) -> list[str]:
    """Each track's role: `melody`, `chord` or empty, by its name; else, where exactly one line and one chord track sound."""
    named = [ROLE_NAMES.get(t.name.strip().lower(), "") for t in score.tracks]
    if any(named):
        return named
    sounding = [i for i, t in enumerate(score.tracks) if len(t.notes) and not t.is_drum]
    if len(sounding) != 2:
        return named
    together = [len(score.tracks[i].notes) / len(np.unique(score.tracks[i].notes["onset"])) for i in sounding]
    line, chords = sorted(range(2), key=lambda k: together[k])
    if together[line] < 1.1 and together[chords] > 2.4:
        named[sounding[line]], named[sounding[chords]] = "melody", "chord"
    return named


def pack_item(item: Item) -> PackedPiece | str:
    """One file as a packed piece, or the reason why it is refused."""
    try:
        signal.alarm(TIMEOUT_SECONDS)
        score = read_score(item.path.read_bytes(), item.name).score
        score = moved(score, round(item.shift_quarters * score.tpq))
        if not score.note_count:
            return "no notes"
        signatures = score.time_signatures or (TimeSignature(0, 4, 4),)
        score = replace(score, time_signatures=signatures)
        return pack_piece(
            score, bars(score), roles(score), name=item.name, source=item.source, split=item.split
        )
    except M4mError as e:
        return str(e)
    except OSError as e:
        return e.strerror or str(e)
    except TimeoutError:
        return f"took longer than {TIMEOUT_SECONDS} s"
    finally:
        signal.alarm(0)


def _timed_out(number: int, frame: object) -> None:
    raise TimeoutError


def _start_worker() -> None:
    signal.signal(signal.SIGALRM, _timed_out)


def packed(items: list[Item], workers: int) -> Iterator[tuple[Item, PackedPiece | str]]:
    """Every item with its piece or its refusal, in the items' order, whatever the number of workers."""
    _start_worker()
    if workers == 1:
        yield from ((item, pack_item(item)) for item in items)
        return
    with ProcessPoolExecutor(workers, initializer=_start_worker) as pool:
        yield from zip(items, pool.map(pack_item, items, chunksize=32), strict=True)


@dataclass(frozen=True)
class Built:
    """What a build gave: the pack's manifest, and the refused files with their reasons."""

    manifest: dict[str, Any]
    refused: tuple[tuple[str, str], ...]


def build(folders: Iterable[Path], out: Path, *, pattern: str = "**/*.mid", workers: int | None = None) -> Built:
    """Pack folders of music. Writes OUT as m4mcli.dataset.pack says, and OUT/refused.jsonl. Same files, same hash."""
    items = [item for folder in folders for item in find_items(folder, pattern)]
    refused: list[tuple[str, str]] = []

    def pieces() -> Iterator[PackedPiece]:
        for item, piece in packed(items, workers or os.cpu_count() or 1):
            if isinstance(piece, str):
                refused.append((f"{item.source}/{item.name}", piece))
            else:
                yield piece

    manifest = write_pack(out, pieces())
    lines = [json.dumps({"path": path, "reason": reason}) + "\n" for path, reason in refused]
    (out / "refused.jsonl").write_text("".join(lines))
    return Built(manifest, tuple(refused))
