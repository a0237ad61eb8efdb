"""The file around the music: tells what the bytes are, and finds the MIDI tracks in them.

It mends what a file can survive (lying counts and lengths, foreign chunks, a RIFF wrapper) and says so in warnings; it
refuses, in one line, what is not a MIDI file of ticks per quarter note. It does not look inside the tracks: `walk`
does.
"""

import re
from dataclasses import dataclass, replace
from struct import pack, unpack_from
from typing import Literal

from m4mcli.errors import M4mError
from m4mcli.score.metas import END_OF_TRACK

MAX_BYTES = 64 << 20
MAX_TRACKS = 1024
MAX_STRAYS = 1000
MAX_NOTES = 1_000_000
MAX_QUARTERS = 40_000
MAX_TPQ = 0x7FFF
CHUNK_HEADER = 8
AGAIN = "export it again from the program that made it"
STDIN = "stdin"
"""What standard input is called in messages."""

Kind = Literal["midi", "json", "abc"]

SURE_START = b"MThd\0\0\0"
SOUGHT = 1024
"""A MIDI header may stand this far into the file, behind what a transfer put before it (MacBinary: 128 bytes)."""

TEXT_SHARE = 0.8
ZEROS, TEXT, UNKNOWN = "zero bytes", "text", "unknown data"

STRANGERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "gzip data", "try: gunzip -c {name} | m4m ..."),
    (b"BZh", "bzip2 data", "try: bunzip2 -c {name} | m4m ..."),
    (b"\xfd7zXZ", "xz data", "try: xz -dc {name} | m4m ..."),
    (b"PK\x03\x04", "a zip archive", "unpack it first"),
    (b"SMF2CLIP", "a MIDI 2.0 clip", "convert it to a standard MIDI file first"),
    (b"RIFF", "a RIFF file without MIDI, such as WAV", "m4m reads notes, not sound"),
    (b"OggS", "Ogg sound", "m4m reads notes, not sound"),
    (b"fLaC", "FLAC sound", "m4m reads notes, not sound"),
    (b"ID3", "MP3 sound", "m4m reads notes, not sound"),
    (b"%PDF", "a PDF", "m4m reads MIDI, m4m JSON and ABC"),
    (b"MTrk", "a MIDI track without its file header", AGAIN),
)
"""What a file that is neither MIDI nor JSON starts with, what it is, and what to do about it."""

TEXTS: tuple[tuple[str, str, str], ...] = (
    (r"\s*<(!doctype html|html|head|body)", "HTML", "was the download a web page?"),
    (r"\s*<(\?xml|score-)", "XML, such as MusicXML", "export it as MIDI first"),
)
ABC = re.compile(rb"%abc|.*?^X:[ \t]*\d+[ \t]*$", re.MULTILINE | re.DOTALL)
"""ABC notation: somewhere near the beginning, a tune has its number on a line."""


@dataclass(frozen=True)
class Container:
    """The tracks of a MIDI file: format 0-2, ticks per quarter, the bytes of each track, what was mended."""

    format: int
    tpq: int
    tracks: tuple[bytes, ...]
    warnings: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The file again, with a header that tells the truth; several tracks make a format 0 file format 1."""
        kind = 1 if self.format == 0 and len(self.tracks) > 1 else self.format
        header = b"MThd" + pack(">IHHH", 6, kind, len(self.tracks), self.tpq)
        return header + b"".join(b"MTrk" + pack(">I", len(t)) + t for t in self.tracks)

    def with_tracks(self, tracks: tuple[bytes, ...], warnings: tuple[str, ...] = ()) -> "Container":
        """The same file with other track bytes and more warnings."""
        return replace(self, tracks=tracks, warnings=self.warnings + warnings)


def recognise(data: bytes, name: str) -> Kind:
    """Whether `data` is MIDI (plain or in a RIFF wrapper), JSON or ABC, by its content.

    Raises M4mError for anything else, naming what it looks like.
    """
    if not data:
        raise M4mError(f"{name}: empty input", "did the command before it fail?")
    if data[:4] == b"MThd" or (data[:4] == b"RIFF" and data[8:12] == b"RMID"):
        return "midi"
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if start[:1] in (b"{", b"["):
        return "json"
    looks, hint = _looks_like(data)
    if SURE_START in data[:SOUGHT] and looks in (TEXT, UNKNOWN, ZEROS):
        return "midi"
    if looks in (TEXT, UNKNOWN) and ABC.match(data[:SOUGHT].replace(b"\r", b"\n")):
        return "abc"
    if name == STDIN:
        hint = hint.replace(" -c {name}", "").replace(" -dc {name}", " -d").replace("{name}", "-")
    raise M4mError(f"{name}: not a MIDI file ({looks})", hint.format(name=name))


def _looks_like(data: bytes) -> tuple[str, str]:
    for magic, looks, hint in STRANGERS:
        if data.startswith(magic):
            return looks, hint
    head = data[:512]
    if b"MThd".startswith(head):
        return f"cut off after {counted(len(data), 'byte')}", AGAIN
    text = head.decode("utf-8-sig", "ignore")
    for pattern, looks, hint in TEXTS:
        if re.match(pattern, text, re.IGNORECASE):
            return looks, hint
    if not head.strip(b"\0"):
        return ZEROS, AGAIN
    printable = sum(32 <= byte < 127 or byte in b"\t\n\r\f" for byte in head)
    if printable > TEXT_SHARE * len(head):
        return TEXT, "m4m reads MIDI, m4m JSON and ABC"
    return UNKNOWN, "m4m reads MIDI, m4m JSON and ABC"


def open_container(data: bytes, name: str) -> Container:
    """The tracks of the MIDI file `data`, with warnings for what was mended; `name` is used in messages.

    Raises M4mError where there is no header, no track, a division that is not ticks per quarter, or more than
    MAX_TRACKS tracks.
    """
    data = _unwrapped(data, name)
    before = max(data.find(SURE_START, 0, SOUGHT), 0)
    data = data[before:]
    length, kind, count, division = _header(data, name)
    tracks, warnings = _chunks(data, CHUNK_HEADER + length, name)
    if before:
        warnings.insert(0, f"leading-bytes: {counted(before, 'byte')} before the MIDI header ignored")
    if not tracks:
        raise M4mError(f"{name}: no tracks in it", AGAIN)
    if count != len(tracks):
        warnings.insert(0, f"track-count: the header says {counted(count, 'track')}, the file has {len(tracks)}")
    if kind == 0 and len(tracks) > 1:
        warnings.append(f"format-0: one track expected, {len(tracks)} found; read as format 1")
    if kind == 2:
        warnings.append(
            f"format-2: {len(tracks)} independent sequences, read as if they sounded together; "
            "m4m check --fix --piece N takes one of them"
        )
    return Container(kind, division, tuple(tracks), tuple(warnings))


def sequence(midi: bytes, number: int, name: str) -> bytes:
    """One of the independent sequences of a format 2 file, counted from 1, as a file of format 0.

    Raises M4mError where the file is of another format, or has fewer sequences.
    """
    container = open_container(midi, name)
    if container.format != 2:
        raise M4mError(f"{name}: MIDI format {container.format}, which holds one piece", "leave --piece out")
    if number > len(container.tracks):
        raise M4mError(f"{name}: no sequence {number}", f"it has {len(container.tracks)}")
    return Container(0, container.tpq, (container.tracks[number - 1],)).to_bytes()


def _unwrapped(data: bytes, name: str) -> bytes:
    """The MIDI file inside a RIFF RMID wrapper, or `data` itself."""
    if data[:4] != b"RIFF":
        return data
    position = 12
    while position + CHUNK_HEADER <= len(data):
        kind, size = unpack_from("<4sI", data, position)
        position += CHUNK_HEADER
        if kind == b"data":
            return data[position : position + size]
        position += size + size % 2
    raise M4mError(f"{name}: a RIFF MIDI file without its data", AGAIN)


def _header(data: bytes, name: str) -> tuple[int, int, int, int]:
    """Header length, format, number of tracks, ticks per quarter."""
    if len(data) < 14 or data[:4] != b"MThd":
        raise M4mError(f"{name}: not a MIDI file (header cut off after {counted(len(data), 'byte')})", AGAIN)
    length, kind, count, division = unpack_from(">IHHH", data, 4)
    if length < 6:
        raise M4mError(f"{name}: MIDI header of {length} bytes, where 6 are needed", AGAIN)
    if kind > 2:
        raise M4mError(f"{name}: MIDI format {kind}, where only 0, 1 and 2 exist", AGAIN)
    if division == 0:
        raise M4mError(f"{name}: zero ticks per quarter note, so that nothing has a time", AGAIN)
    if division & 0x8000:
        fps, parts = 256 - (division >> 8), division & 0xFF
        raise M4mError(
            f"{name}: times in SMPTE frames ({fps} a second x {parts}), not in beats",
            "export it again with a PPQ (ticks per quarter note) time base",
        )
    return length, kind, count, division


def _chunks(data: bytes, position: int, name: str) -> tuple[list[bytes], list[str]]:
    """The track chunks from `position` on, and warnings; a length that runs past the end stops at the next track.

    Bytes that are no chunk belong to the track before them if that lacks its end, else to nothing.
    """
    tracks: list[bytes] = []
    warnings: list[str] = []
    if position > len(data):
        warnings.append(f"header-length: the header claims {position - CHUNK_HEADER} bytes; the next track was sought")
        position = _next_track(data, 14)
    while position < len(data):
        if len(warnings) > MAX_STRAYS:
            raise M4mError(f"{name}: more than {MAX_STRAYS} chunks that are no tracks", AGAIN)
        kind, start = data[position : position + 4], position + CHUNK_HEADER
        if start > len(data) or not re.fullmatch(rb"[ -~]{4}", kind):
            end = _next_track(data, position + 1)
            if tracks and not tracks[-1].endswith(END_OF_TRACK):
                warnings.append(f"track-length: track {len(tracks)} is longer than the {len(tracks[-1])} bytes it says")
                tracks[-1] += data[position:end]
            else:
                where = f"after track {len(tracks)}" if tracks else "before the first track"
                warnings.append(f"stray-bytes: {counted(end - position, 'byte')} {where} ignored")
            position = end
            continue
        (size,) = unpack_from(">I", data, position + 4)
        position = start + size if start + size <= len(data) else _next_track(data, start)
        if kind != b"MTrk":
            chunk = counted(position - start, "byte")
            warnings.append(f"alien-chunk: chunk {kind.decode()!r} of {chunk} ignored")
            continue
        if len(tracks) == MAX_TRACKS:
            raise M4mError(f"{name}: more than the {MAX_TRACKS} tracks that m4m reads", "split it first")
        swallowed = data.find(END_OF_TRACK + b"MTrk", start, position + 3)
        if swallowed >= 0:
            position = swallowed + len(END_OF_TRACK)
        if position < start + size:
            warnings.append(f"cut-short: track {len(tracks) + 1} has {position - start} of its {size} bytes")
        tracks.append(data[start:position])
    return tracks, warnings


def _next_track(data: bytes, position: int) -> int:
    """Where the next track begins, else the end of the data."""
    found = data.find(b"MTrk", position)
    return found if found >= 0 else len(data)


def counted(number: int, noun: str) -> str:
    """`number` of what `noun` names, for a message: 1 note, 2 notes."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
