"""The beats that corpora tell beside their MIDI files: asap's `NAME_annotations.txt`, pop909's `beat_midi.txt`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError

POP909 = "beat_midi.txt"
SCORE = "midi_score.mid"
"""The name of the score among asap's performances of a piece."""


def beat_file_of(midi: Path) -> Path | None:
    """The file that tells the beats of a performance, if there is one."""
    for path in (midi.with_name(f"{midi.stem}_annotations.txt"), midi.with_name(POP909)):
        if path.exists():
            return path
    return None


def read_beats(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Beats in seconds, and which of them are downbeats. Raises M4mError for a file of another form."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    try:
        times = np.array([float(row[0]) for row in rows])
        if path.name == POP909:
            return times, np.array([float(row[2]) > 0 for row in rows], np.bool_)
        return times, np.array([row[2].split(",")[0] == "db" for row in rows], np.bool_)
    except (IndexError, ValueError) as error:
        raise M4mError(f"{path}: no list of beats", "it needs a time and the kind of beat in each line") from error
