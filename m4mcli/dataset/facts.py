"""What a pack tells of each piece beside its notes: for filters and statistics, and to find the same music again.

hash       of the notes as they are packed: frame, instrument, pitch, duration
thash      of the notes, whatever the instruments, the key and the silence before them
on_grid    share of onsets on a 16th or on an eighth triplet; by chance it would be about a quarter
tempo      quarter notes to the minute, as most of the piece has it
seconds    length as the tempi have it
key        as the pitch classes have it (Krumhansl and Kessler), or none where none stands out
metres     bars of each time signature
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.canonical import pitch_class_histogram
from m4mcli.frames.frames import DRUMS
from m4mcli.score.clock import DEFAULT_MICROSECONDS
from m4mcli.score.metre import Bar
from m4mcli.score.score import Score
from m4mcli.theory.keys import estimate_key, key_name

PARTS = 96
"""Parts of a quarter note in which the grid is told."""

NEAR = 2
"""How many parts before and behind a line are on it."""

ON_LINE = np.zeros(PARTS, np.bool_)
ON_LINE[[(line + part) % PARTS for line in (0, 24, 32, 48, 64, 72) for part in range(-NEAR, NEAR)]] = True

HASH_DIGITS = 32


def facts_of(score: Score, bars: Sequence[Bar], notes: NDArray[np.void]) -> dict[str, Any]:
    """The facts of a piece; `notes` are its packed notes."""
    key = estimate_key(pitch_class_histogram(notes))
    metres = Counter((bar.numerator, bar.denominator) for bar in bars)
    tempo, seconds = main_tempo(score)
    return {
        "hash": exact_hash(notes),
        "thash": transposed_hash(notes),
        "on_grid": round(on_grid(score), 4),
        "tempo": round(tempo, 2),
        "seconds": round(seconds, 2),
        "key": None if key is None else key_name(*key),
        "metres": {f"{numerator}/{denominator}": count for (numerator, denominator), count in metres.items()},
        "instruments": sorted({DRUMS if t.is_drum else t.program for t in score.tracks if len(t.notes)}),
    }


def exact_hash(notes: NDArray[np.void]) -> str:
    """A hash of frame, instrument, pitch and duration of packed notes, whatever the tracks that play them."""
    low = notes["pitch"].astype(np.int64) << 16 | np.minimum(notes["duration"], 0xFFFF)
    return _digest(notes["frame"].astype(np.int64) << 32 | notes["instrument"].astype(np.int64) << 24 | low)


def transposed_hash(notes: NDArray[np.void]) -> str:
    """A hash of packed notes that neither transposition, instruments nor silence before the first note change.

    Drums keep their sounds, and are told from the pitched notes.
    """
    drums = notes["instrument"] == DRUMS
    pitch = notes["pitch"].astype(np.int64)
    if not drums.all():
        pitch = np.where(drums, pitch + 128, pitch - pitch[~drums].min())
    frame = notes["frame"].astype(np.int64)
    rows = np.sort((frame - frame.min()) << 32 | pitch << 16 | np.minimum(notes["duration"], 0xFFFF))
    return _digest(rows[np.diff(rows, prepend=-1) != 0])


def _digest(rows: NDArray[np.int64]) -> str:
    return hashlib.sha256(rows.astype("<i8", copy=False).tobytes()).hexdigest()[:HASH_DIGITS]


def on_grid(score: Score) -> float:
    """The share of onsets that are on a 16th or on an eighth triplet of the file's own beats; 1 without notes."""
    if not score.note_count:
        return 1.0
    onsets = np.concatenate([track.notes["onset"] for track in score.tracks])
    return float(ON_LINE[onsets * PARTS // score.tpq % PARTS].mean())


def main_tempo(score: Score) -> tuple[float, float]:
    """The tempo in which most ticks lie, in quarter notes to the minute, and the seconds that all of them take."""
    tempos = {0: DEFAULT_MICROSECONDS} | {t.tick: t.microseconds for t in score.tempos}
    ticks, end = sorted(tempos), score.end
    lasting: Counter[int] = Counter()
    for tick, following in zip(ticks, [*ticks[1:], end], strict=True):
        lasting[tempos[tick]] += max(0, min(following, end) - tick)
    quarters = sum(microseconds * count for microseconds, count in lasting.items()) / score.tpq
    return 60e6 / max(lasting, key=lambda rate: lasting[rate]), quarters / 1e6
