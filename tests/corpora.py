"""Music for the tests of corpora: melodies and drums by chance, saved as files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from m4mcli.dataset.pack import Pack
from m4mcli.score.score import Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi


def walk(seed: int, length: int = 40, shift: int = 0, stretch: int = 1) -> Score:
    """A melody by chance, the same for the same seed, in another key or at half the tempo."""
    rng = np.random.default_rng(seed)
    pitches = 60 + shift + np.cumsum(rng.integers(-4, 5, length)) % 24
    times = rng.choice([120, 240, 240, 480], length) * stretch
    onsets = np.concatenate(([0], np.cumsum(times[:-1])))
    rows = [(int(o), int(t), int(p), 80) for o, t, p in zip(onsets, times, pitches, strict=True)]
    return Score(480, (Track("Tune", 73, notes=notes_array(rows)),), (Tempo(0, 500_000),), (TimeSignature(0, 4, 4),))


def save(path: Path, score: Score) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(score_to_midi(score))


def lines_of(pack: Path) -> list[dict[str, Any]]:
    return Pack(pack).pieces


def drums_alone(seed: int) -> Score:
    rng = np.random.default_rng(seed)
    rows = [(i * 120, 60, int(p), 90) for i, p in enumerate(rng.choice([36, 38, 42, 46], 64))]
    return Score(480, (Track("Kit", 0, True, notes_array(rows)),))


def edited(score: Score) -> Score:
    """The piece with a bass and a few other notes, on another instrument."""
    notes = score.tracks[0].notes.copy()
    notes["pitch"][5::23] += 1
    bass = notes_array([(onset, 480, 40, 70) for onset in notes["onset"].tolist()[:40:4]])
    return replace(score, tracks=(Track("Organ", 19, notes=notes), Track("Bass", 33, notes=bass)))
