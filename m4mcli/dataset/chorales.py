"""JSB chorales as JSON: lists of steps, each with the pitches that sound, as the field passes them round.

Boulanger-Lewandowski et al. (2012), "Modeling temporal dependencies in high-dimensional sequences"; in the forms of
github.com/czhuang/JSB-Chorales-dataset: `{"train": [[[74, 70, 65, 58], ...], ...], "valid": ..., "test": ...}`, or a
file for each split. A step is a 16th unless the name says quarter or 8th. A pitch that goes on is one note: whether it
was struck again is not told.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from m4mcli.dataset.tree import SPLITS
from m4mcli.errors import M4mError
from m4mcli.score.score import Score, TimeSignature, Track, notes_array

TPQ = 480
VELOCITY = 80
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
STEPS = {"quarter": 1, "8th": 2, "16th": 4}
"""Steps to a quarter note, by a word of the file's name."""

BEST = ("separated", "16th", "8th", "quarter")
"""Which of several files of the same chorales is read, by a word of its name."""

CHOIR = 52


def finest(files: Sequence[str]) -> list[str]:
    """Of files that hold the same chorales the best one; all of them where they are the splits."""
    whole = [f for f in files if PurePosixPath(f).stem not in SPLITS]
    for word in BEST:
        if chosen := [f for f in whole if word in f.lower()]:
            return chosen[:1]
    return whole[:1] or list(files)


def chorales_in(file: str, data: bytes) -> Iterator[tuple[str, int, str, str]]:
    """Split, number, form and JSON of each chorale of a file; nothing where it is of another kind.

    The form is `jsb-N`, N steps to a quarter note.
    """
    try:
        found = json.loads(data)
    except ValueError:
        return
    stem = PurePosixPath(file).stem
    word = re.search("quarter|8th|16th", stem.lower())
    form = f"jsb-{STEPS[word[0]] if word else 4}"
    splits = found if isinstance(found, dict) else {stem if stem in SPLITS else "": found}
    for split, pieces in splits.items():
        if split in (*SPLITS, "") and isinstance(pieces, list):
            for number, piece in enumerate(pieces):
                if _is_steps(piece):
                    yield split, number, form, json.dumps(piece)


def _is_steps(piece: Any) -> bool:
    return isinstance(piece, list) and bool(piece) and all(isinstance(step, list) for step in piece)


def chorale(text: str, steps: int) -> Score:
    """The chorale in a JSON list of steps, `steps` to a quarter note, in 4/4.

    Four voices where each step has four pitches (null, NaN or a negative number: silence), else one track of what
    sounds. Raises M4mError where a pitch is none.
    """
    rows = [[_pitch(p) for p in step] for step in json.loads(text)]
    if all(len(row) == len(VOICES) for row in rows):
        voices = [[{row[v]} - {-1} for row in rows] for v in range(len(VOICES))]
        parts = list(zip(VOICES, voices, strict=True))
    else:
        parts = [("Choir", [set(row) - {-1} for row in rows])]
    tracks = tuple(Track(name, CHOIR, notes=notes_array(_runs(sets, TPQ // steps))) for name, sets in parts)
    return Score(TPQ, tracks, time_signatures=(TimeSignature(0, 4, 4),))


def _pitch(value: Any) -> int:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return -1
    if isinstance(value, bool) or not isinstance(value, int | float) or value > 127 or value != int(value):
        raise M4mError(f"{value!r} is no pitch")
    return max(-1, int(value))


def _runs(sets: Sequence[set[int]], length: int) -> list[tuple[int, int, int, int]]:
    """Notes (onset, duration, pitch, velocity) of the pitches that sound in each step of so many ticks."""
    begun: dict[int, int] = {}
    notes = []
    for step, sounding in enumerate([*sets, set()]):
        for pitch in [p for p in begun if p not in sounding]:
            start = begun.pop(pitch)
            notes.append((start * length, (step - start) * length, pitch, VELOCITY))
        for pitch in sounding:
            begun.setdefault(pitch, step)
    return notes
