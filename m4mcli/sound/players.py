"""What plays sound here: programs that play a WAV file, and MIDI ports."""

import shutil
from typing import NamedTuple


class Player(NamedTuple):
    """A program on PATH and its arguments before the file's name."""

    path: str
    arguments: tuple[str, ...]


PROGRAMS = {
    "pw-play": (),
    "paplay": (),
    "aplay": ("-q",),
    "afplay": (),
    "play": ("-q",),
    "ffplay": ("-nodisp", "-autoexit", "-loglevel", "error"),
    "mpv": ("--no-video", "--really-quiet"),
}
"""Programs that play a WAV file, the first that is there is taken, and what they are told."""


def players() -> dict[str, Player]:
    """The players that are on PATH, by name."""
    there = {name: shutil.which(name) for name in PROGRAMS}
    return {name: Player(path, PROGRAMS[name]) for name, path in there.items() if path}


def output_ports() -> list[str]:
    """The names of the MIDI ports that can be played to; none where mido has no backend for them."""
    import mido

    try:
        return list(mido.get_output_names())
    except Exception:
        # Whatever a backend fails with (not installed, no sound system), there are no ports then.
        return []
