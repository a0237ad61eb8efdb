"""The schemes that `m4m tokenize` knows, by name."""

from m4mcli.tokens.frames_scheme import FRAMES
from m4mcli.tokens.scheme import Scheme

SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in (FRAMES,)}
