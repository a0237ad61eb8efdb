"""Where soundfonts are: $M4M_SOUNDFONT, and the folders in which systems keep them. Nothing is ever fetched."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from m4mcli.errors import M4mError

VARIABLE = "M4M_SOUNDFONT"
SUFFIXES = (".sf2",)
SYSTEM = (
    "/usr/share/sounds/sf2",
    "/usr/share/sounds/sf3",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
    "/opt/homebrew/share/soundfonts",
    "/Library/Audio/Sounds/Banks",
)


def folders() -> Iterator[Path]:
    """The folders that are looked through, the user's own first."""
    home = Path.home()
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    yield from (data / "soundfonts", data / "sounds" / "sf2", home / "Library" / "Audio" / "Sounds" / "Banks")
    # What symusic was told to download on another occasion.
    if sys.platform == "win32":
        yield Path(os.environ.get("LOCALAPPDATA", home)) / "symusic" / "soundfont"
    yield home / "Library" / "Application Support" / "soundfont" if sys.platform == "darwin" else data / "soundfont"
    yield from map(Path, SYSTEM)


def found() -> list[Path]:
    """Every soundfont there is, the one that is used first. Raises M4mError where $M4M_SOUNDFONT names none."""
    named = os.environ.get(VARIABLE)
    if named:
        own = [Path(named)] if Path(named).is_file() else list(_inside(Path(named)))
        if not own:
            raise M4mError(f"{VARIABLE}={named}: no soundfont there", "name an .sf2 file, or unset it")
        return own
    return [path for folder in folders() for path in _inside(folder)]


def _inside(folder: Path) -> Iterator[Path]:
    """The soundfonts in a folder: a system's default first, then what is called General MIDI."""

    def rank(path: Path) -> tuple[bool, bool, str]:
        name = path.name.lower()
        return "default" not in name, "gm" not in name and "general" not in name, name

    try:
        yield from sorted((p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()), key=rank)
    except OSError:
        return
