"""The schemes that `m4m tokenize` knows, by name."""

from functools import lru_cache

from m4mcli.errors import USAGE, M4mError
from m4mcli.tokens.frames_scheme import FRAMES
from m4mcli.tokens.scheme import Scheme
from m4mcli.tokens.settings import M4M, Settings

NAMES = ("frames", "remi", "tsd", "midilike", "structured", "cpword", "octuple", "tpd", "mmt", "mmm", "abc")
MIDITOK = {"REMI": "remi", "TSD": "tsd", "MIDILike": "midilike", "Structured": "structured"} | {
    "CPWord": "cpword",
    "Octuple": "octuple",
}
"""MidiTok's names of the schemes that take settings."""


@lru_cache(maxsize=32)
def open_scheme(name: str, settings: Settings | None = None) -> Scheme:
    """The scheme of that name, with these settings if it takes any; m4m's own unless given.

    Raises M4mError for a name that there is none of and for settings that the scheme has no room for.
    """
    if name == "frames":
        return FRAMES
    if name == "tpd":
        from m4mcli.tokens.tpd import TPD

        return TPD
    if name == "mmt":
        from m4mcli.tokens.mmt import MMT

        return MMT
    if name == "mmm":
        from m4mcli.tokens.mmm import MMM

        return MMM
    if name == "abc":
        from m4mcli.tokens.abc_scheme import ABC

        return ABC
    if name == "cpword":
        from m4mcli.tokens.cpword import cpword_scheme

        return cpword_scheme(settings or M4M)
    if name == "octuple":
        from m4mcli.tokens.octuple import octuple_scheme

        return octuple_scheme(settings or M4M)
    if name in MIDITOK.values():
        from m4mcli.tokens.word_schemes import word_scheme

        return word_scheme(name, settings or M4M)
    raise M4mError(f"no scheme {name!r}", f"there are {', '.join(NAMES)}", USAGE)


def takes_settings(name: str) -> bool:
    """Whether the scheme can be set."""
    return name in MIDITOK.values()
