"""The one door out: a score as MIDI, new tracks beside untouched ones, and bytes to stdout or a file.

Channels: drums on 10, every melodic part on a channel of its own while there are free ones, then on one that plays the
same program, then on the one with the fewest notes, where the program is set anew before each onset.
"""

import errno
import os
import secrets
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from m4mcli.errors import USAGE, M4mError
from m4mcli.score.container import MAX_TPQ, Container, open_container
from m4mcli.score.encode import conductor_chunk, track_chunk
from m4mcli.score.midi_form import Programs, note_rows
from m4mcli.score.read import reason, walk_container
from m4mcli.score.score import DRUM_CHANNEL, Score, Track

STDOUT = "stdout"
BINARY = getattr(os, "O_BINARY", 0)
"""What Windows needs, so that no line ends are put in."""

MELODIC = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)


@dataclass
class Channels:
    """What the 16 channels are used for: the number of notes, the programs that sound, any use at all."""

    notes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(16), 0))
    programs: dict[int, set[int]] = field(default_factory=lambda: {channel: set() for channel in range(16)})
    used: set[int] = field(default_factory=set)

    def best_for(self, track: Track) -> int:
        """The channel on which `track` disturbs others least."""
        if track.is_drum:
            return DRUM_CHANNEL

        def disturbance(channel: int) -> tuple[bool, bool, bool, int]:
            same = self.programs[channel] == {track.program}
            return channel in self.used, self.notes[channel] > 0, not same, self.notes[channel]

        return min(MELODIC, key=disturbance)

    def take(self, channel: int, program: int, notes: int) -> None:
        """Note that `channel` now plays `notes` more notes with `program`."""
        self.used.add(channel)
        self.notes[channel] += notes
        if notes:
            self.programs[channel].add(program)


def score_to_midi(score: Score) -> bytes:
    """The score as a MIDI file of format 1: first tempos, signatures and markers, then a MIDI track for each part."""
    if not 1 <= score.tpq <= MAX_TPQ:
        raise M4mError(f"{score.tpq} ticks per quarter note do not fit MIDI", f"use 1 to {MAX_TPQ}")
    channels = Channels()
    chosen: dict[int, int] = {}
    for i, track in sorted(enumerate(score.tracks), key=lambda entry: _idle(entry[1])):
        chosen[i] = channels.best_for(track)
        channels.take(chosen[i], track.program, len(track.notes))
    chunks = [conductor_chunk(score)]
    for i, track in enumerate(score.tracks):
        shared = len(channels.programs[chosen[i]]) > 1
        chunks.append(track_chunk(track, chosen[i], every=shared))
    return Container(1, score.tpq, tuple(chunks)).to_bytes()


def _idle(track: Track) -> int:
    """0 for a part with notes, 1 with controllers or bends alone, 2 with neither: the order of choosing channels."""
    return 0 if len(track.notes) else 1 if len(track.controls) or len(track.bends) else 2


def append_tracks(midi: bytes, tracks: tuple[Track, ...]) -> bytes:
    """The MIDI file with `tracks` (in its ticks per quarter) added at the end, byte for byte the same before them.

    Only the header changes: the number of tracks, and format 0 or 2 becomes 1. Notes that stood in `midi` keep their
    programs even where a new part must share their channel. Raises M4mError where `midi` cannot be read.
    """
    container = open_container(midi, "the music")
    events = walk_container(container, "the music")
    programs = Programs(events)
    channels = Channels()
    for found in events:
        channels.used |= found.channels
        for channel, program in note_rows(found, programs)[:, :2].tolist():
            channels.take(channel, program, 1)
    chunks = list(container.tracks)
    for track in tracks:
        channel = channels.best_for(track)
        disturbs = bool(channels.programs[channel] - {track.program})
        chunks.append(track_chunk(track, channel, partial(programs.at, channel) if disturbs else None))
        channels.take(channel, track.program, len(track.notes))
    return replace(container, format=1, tracks=tuple(chunks)).to_bytes()


def write_output(data: bytes | str, path: str | None, *, force: bool = False) -> None:
    """Write the result to the file `path`, or to stdout where it is None or `-`.

    A file appears whole or not at all: it is written beside its place and moved there. What is no ordinary file (a
    device, a pipe) is written to directly. Raises M4mError where that fails, with status 2 where bytes would go to a
    terminal and `force` does not say so.
    """
    payload = data.encode() if isinstance(data, str) else data
    if path is None or path == "-":
        if sys.stdout is None:
            raise M4mError(f"{STDOUT}: closed", "use -o FILE")
        if isinstance(data, bytes) and not force and sys.stdout.isatty():
            raise M4mError(
                "MIDI is not written to a terminal", "redirect with > out.mid, use -o FILE, or --json", USAGE
            )
        _to_stdout(payload)
        return
    try:
        _to_file(payload, path)
    except ValueError as error:
        raise M4mError(f"{path!a}: not a file name") from error
    except OSError as error:
        raise M4mError(f"{path}: cannot write: {reason(error)}") from error


def _to_stdout(payload: bytes) -> None:
    """Write past Python's buffer, so that a failure is known here and not again when the interpreter exits."""
    stream = sys.stdout.buffer
    raw = getattr(stream, "raw", stream)
    try:
        sys.stdout.flush()
        rest = memoryview(payload)
        while rest:
            rest = rest[raw.write(rest) or 0 :]
        raw.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise M4mError(f"{STDOUT}: cannot write: {reason(error)}") from error


def _to_file(payload: bytes, path: str) -> None:
    mode = None
    with suppress(FileNotFoundError):
        mode = Path(path).stat().st_mode
    if mode is not None and not stat.S_ISREG(mode):
        # By the name that was given: what /dev/stdout stands for where that is a pipe has none of its own.
        with Path(path).open("wb") as special:
            special.write(payload)
        return
    target = Path(os.path.realpath(path))
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    scratch = target.with_name(f".m4m-{secrets.token_hex(6)}.tmp")
    try:
        # What others must not read of the old file they must not read of the new one while it is written.
        made = 0o666 if mode is None else 0o600
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, made), "wb") as out:
            out.write(payload)
        if mode is not None:
            scratch.chmod(stat.S_IMODE(mode))
        scratch.replace(target)
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise
