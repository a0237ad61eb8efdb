"""Keys: estimate a tonic from pitch classes, read and write key names."""

import re

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError

# Krumhansl and Kessler (1982), probe-tone ratings for C major and C minor.
MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])

PROFILES = np.array([[np.roll(p - p.mean(), tonic) for tonic in range(12)] for p in (MAJOR_PROFILE, MINOR_PROFILE)])
PROFILE_SQUARES = (PROFILES**2).sum(axis=2)
"""The centred profile of each mode and tonic (2, 12, 12), and the sum of its squares."""

NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SHARP_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLAT_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")


def key_scores(histogram: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlation of a pitch-class histogram (12,) with the 24 key profiles: (2, 12), major then minor, by tonic."""
    h = np.asarray(histogram, dtype=np.float64)
    h = h - h.mean()
    norms = np.sqrt((h**2).sum() * PROFILE_SQUARES)
    scores = np.zeros((2, 12))
    np.divide(PROFILES @ h, norms, out=scores, where=norms > 1e-12)
    return scores


def estimate_key(histogram: NDArray[np.floating]) -> tuple[int, bool] | None:
    """The tonic (0-11) and whether the mode is minor; None where no key stands out (silence, a symmetrical set)."""
    scores = key_scores(histogram).ravel()
    order = np.argsort(scores)
    if scores[order[-1]] - scores[order[-2]] < 1e-9:
        return None
    best = int(order[-1])
    return best % 12, best >= 12


def parse_pitch_class(text: str) -> int:
    """The pitch class 0-11 of a name such as `F#`, `Bb`, `Cb`, `f♯`. Raises M4mError."""
    match = re.fullmatch(r"([A-Ga-g])([#♯b♭]*)", text.strip())
    if not match:
        raise M4mError(f"not a note name: {text!r}", "write C, F#, Bb, ...", USAGE)
    letter, signs = match.groups()
    shift = sum(1 if s in "#♯" else -1 for s in signs)
    return (NATURALS[letter.upper()] + shift) % 12


def parse_key(text: str) -> tuple[int, bool]:
    """Tonic and mode of `C`, `Am`, `F# minor`, `Bb:maj`, `e min`. Raises M4mError."""
    match = re.fullmatch(r"\s*([A-Ga-g][#♯b♭]*)\s*[:\s-]?\s*(major|maj|minor|min|m|M|)\s*", text)
    if not match:
        raise M4mError(f"not a key: {text!r}", "write C, Am, 'F# minor' or Bb:maj", USAGE)
    name, mode = match.groups()
    return parse_pitch_class(name), mode in ("m", "min", "minor")


def key_name(tonic: int, minor: bool) -> str:
    """`Eb major`, `F# minor`: spelt with the fewer accidentals."""
    flats = {1, 3, 5, 8, 10} if not minor else {0, 2, 3, 5, 7, 10}
    names = FLAT_NAMES if tonic in flats else SHARP_NAMES
    return f"{names[tonic]} {'minor' if minor else 'major'}"
