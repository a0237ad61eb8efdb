"""A musical end for bars that go on: the last of them that comes home, or a last bar that is brought home."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import DRUMS, in_order

EARLIEST = 0.5
"""A close is looked for in this last share of the new bars."""


def closed(notes: NDArray[np.void], lines: list[int], stop: int, key: tuple[int, bool]) -> tuple[NDArray[np.void], int]:
    """FRAME_NOTE rows (n > 0) that end on the tonic, and the frame at which they end.

    `lines` are the frames of the bar lines of the new bars, `stop` is where the last bar ends; `key` (tonic, minor).
    The end is the last bar line, in the later half, on which a tonic triad with the tonic lowest begins: what begins
    there is held to the end of its bar. Where there is none, each part's notes on the last bar line, or its last
    ones before that, move to the nearest tones of the triad.
    """
    ends = [*lines[1:], stop]
    for line, end in reversed(list(zip(lines, ends, strict=True))[int(len(lines) * EARLIEST) :]):
        if comes_home(notes[notes["frame"] == line], key):
            return _held(notes, line, end), end
    return _brought_home(notes, lines[-1], stop, key), stop


def triad(key: tuple[int, bool]) -> tuple[int, int, int]:
    """Pitch classes of the tonic triad of a key (tonic, minor)."""
    tonic, minor = key
    return tonic % 12, (tonic + (3 if minor else 4)) % 12, (tonic + 7) % 12


def comes_home(now: NDArray[np.void], key: tuple[int, bool]) -> bool:
    """Whether notes that begin together are tones of the tonic triad, the lowest of them the tonic."""
    pitched = now[now["instrument"] != DRUMS]
    if not len(pitched):
        return False
    return int(pitched["pitch"].min()) % 12 == key[0] % 12 and bool(np.isin(pitched["pitch"] % 12, triad(key)).all())


def _held(notes: NDArray[np.void], line: int, end: int) -> NDArray[np.void]:
    """What begins on the line held to the end, nothing behind it, and nothing that began before it beyond it."""
    kept = notes[notes["frame"] <= line].copy()
    last = kept["frame"] == line
    kept["duration"] = np.where(last, np.where(kept["instrument"] == DRUMS, 1, end - line), kept["duration"])
    kept["duration"] = np.where(last, kept["duration"], np.minimum(kept["duration"], line - kept["frame"]))
    return kept


def _brought_home(notes: NDArray[np.void], line: int, end: int, key: tuple[int, bool]) -> NDArray[np.void]:
    tones = np.array(triad(key))
    lowest = None
    last = []
    for instrument in np.unique(notes["instrument"]):
        own = notes[(notes["instrument"] == instrument) & (notes["frame"] <= line)]
        own = own if len(own) else notes[notes["instrument"] == instrument]
        now = own[own["frame"] == own["frame"].max()].copy()
        now["frame"] = line
        if instrument != DRUMS:
            now["pitch"] = [_nearest(int(p), tones) for p in now["pitch"]]
        last.append(now)
    final = np.concatenate(last)
    pitched = np.flatnonzero(final["instrument"] != DRUMS)
    if len(pitched):
        lowest = pitched[final["pitch"][pitched].argmin()]
        final["pitch"][lowest] = _nearest(int(final["pitch"][lowest]), tones[:1])
    return _held(in_order(np.concatenate((notes[notes["frame"] < line], final))), line, end)


def _nearest(pitch: int, tones: NDArray[np.integer]) -> int:
    """The pitch 0-127 nearest to one that is among the pitch classes; of two the lower."""
    places = np.arange(128)
    places = places[np.isin(places % 12, tones)]
    return int(places[np.abs(places - pitch).argmin()])
