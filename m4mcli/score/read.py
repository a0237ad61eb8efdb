"""The one door in: bytes from a file or stdin become a `Score`, whatever they are and however odd.

MIDI, MIDI in a RIFF wrapper, m4m JSON and ABC notation are told apart by content, never by name. The same bytes give
the same result. What the reader can mend it mends, saying so in a named warning (`unfinished-note: ...`); what it
cannot read it refuses in one line.
"""

import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

from m4mcli.errors import USAGE, M4mError
from m4mcli.score.container import (
    AGAIN,
    MAX_BYTES,
    MAX_NOTES,
    MAX_QUARTERS,
    STDIN,
    Container,
    open_container,
    recognise,
)
from m4mcli.score.json_form import score_from_json
from m4mcli.score.midi_form import decode_text, score_from_events
from m4mcli.score.score import Score
from m4mcli.score.walk import MAX_EVENTS, DamagedTrackError, Events, walk_track

LEAST_BYTES, READ_BYTES = 1 << 12, 1 << 20
ALIKE = 3
"""How many warnings of one name are told before the rest is counted."""


class BinarySource(Protocol):
    """What bytes are read from, piece by piece."""

    def read1(self, size: int = ..., /) -> bytes:
        """At most `size` bytes, none at the end."""


@dataclass(frozen=True)
class Reading:
    """What came in: the piece, its kind, the warnings, and the mended MIDI bytes that lossless writing starts from.

    `midi` is None for JSON and ABC. It holds every event that came in; a file without fault is byte for byte as it was.
    """

    score: Score
    midi: bytes | None
    kind: Literal["midi", "json", "abc"]
    warnings: tuple[str, ...]


def read_source(path: str | None, max_bytes: int = MAX_BYTES) -> tuple[bytes, str]:
    """The bytes of the file `path` (stdin where it is None or `-`) and its name for messages.

    Raises M4mError when it cannot be read or holds more than `max_bytes`; with status 2 when stdin is a terminal.
    """
    if path is None or path == "-":
        if sys.stdin is None:
            raise M4mError(f"{STDIN}: closed", "name a FILE or pipe one in", USAGE)
        if sys.stdin.isatty():
            raise M4mError("no input", "name a FILE or pipe one in", USAGE)
        try:
            descriptor = sys.stdin.fileno()
        except OSError:
            # No file of the system's, but bytes in memory, as between the steps of `m4m pipe`.
            return _limited(cast(BinarySource, sys.stdin.buffer), STDIN, max_bytes), STDIN
        with os.fdopen(descriptor, "rb", closefd=False) as source:
            return _limited(source, STDIN, max_bytes), STDIN
    try:
        with Path(path).open("rb") as source:
            # Room for the whole file, no more: a mebibyte for each of many small ones takes longer than their reading.
            size = os.fstat(source.fileno()).st_size
            return _limited(source, path, max_bytes, min(max(size + 1, LEAST_BYTES), READ_BYTES)), path
    except ValueError as error:
        raise M4mError(f"{path!a}: not a file name") from error
    except OSError as error:
        raise M4mError(f"{path}: {reason(error)}") from error


def _limited(source: BinarySource, name: str, max_bytes: int, at_once: int = READ_BYTES) -> bytes:
    # Piece by piece: one long read of a pipe that still flows would swallow Ctrl-C.
    data = bytearray()
    try:
        while len(data) <= max_bytes and (part := source.read1(at_once)):
            data += part
    except OSError as error:
        raise M4mError(f"{name}: {reason(error)}") from error
    if len(data) > max_bytes:
        raise M4mError(f"{name}: larger than {max_bytes / (1 << 20):g} MiB", "is it music?")
    return bytes(data)


def reason(error: OSError) -> str:
    """Why the system refused, in its own words, without the file's name."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def read_score(data: bytes, name: str) -> Reading:
    """The piece in `data`; `name` is used in messages.

    Bounds: 40,000 quarter notes, 1,000,000 notes, 1,024 tracks, 4,000,000 events. A piece without notes is read like
    any other. Raises M4mError for what is neither MIDI nor m4m JSON nor ABC, is damaged, or goes beyond the bounds.
    """
    kind = recognise(data, name)
    if kind != "midi":
        try:
            return _read_abc(data) if kind == "abc" else _read_json(data)
        except UnicodeDecodeError as error:
            raise M4mError(f"{name}: JSON that is not UTF-8 (byte {error.start})", AGAIN) from error
        except M4mError as error:
            raise M4mError(f"{name}: {error.message}", error.hint, error.status) from error
    container = open_container(data, name)
    tracks = walk_container(container, name)
    score, oddities = score_from_events(container.tpq, tracks, parallel=container.format != 2)
    mended = container.with_tracks(tuple(track.chunk for track in tracks))
    warnings = [*container.warnings, *(w for track in tracks for w in track.warnings), *oddities]
    return Reading(score, mended.to_bytes(), "midi", _folded(warnings))


def _read_json(data: bytes) -> Reading:
    return Reading(score_from_json(data.decode("utf-8-sig")), None, "json", ())


def _read_abc(data: bytes) -> Reading:
    from m4mcli.score.abc import read_tune

    score, warnings = read_tune(decode_text(data))
    return Reading(score, None, "abc", warnings)


def walk_container(container: Container, name: str) -> list[Events]:
    """The events of every track of a MIDI file, within the bounds of `read_score`; `name` is used in messages."""
    tracks: list[Events] = []
    budget, notes = MAX_EVENTS, 0
    for number, chunk in enumerate(container.tracks, 1):
        try:
            found = walk_track(chunk, number, MAX_QUARTERS * container.tpq, budget)
        except DamagedTrackError as error:
            raise M4mError(f"{name}: track {number} has {error}", AGAIN) from error
        budget -= found.count
        notes += len(found.notes) // 6
        if notes > MAX_NOTES:
            raise M4mError(f"{name}: more than the {MAX_NOTES} notes that m4m reads", "split it first")
        tracks.append(found)
    return tracks


def _folded(warnings: list[str]) -> tuple[str, ...]:
    """At most ALIKE warnings of each name, then how many more there are."""
    seen: Counter[str] = Counter()
    told = []
    for warning in warnings:
        name = warning.partition(":")[0]
        seen[name] += 1
        if seen[name] <= ALIKE:
            told.append(warning)
    told += [f"{name}: {n - ALIKE} more like it" for name, n in seen.items() if n > ALIKE]
    return tuple(told)
