"""What of a piece a network over tokens is trained on, by the name that a recipe calls it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from m4mcli.dataset.roles import roles
from m4mcli.score.score import Score, Track
from m4mcli.score.transposition import moved_by
from m4mcli.theory.keys import estimate_key


def whole(score: Score) -> Score | None:
    """All tracks; None for silence."""
    return score if score.note_count else None


def pitched(score: Score) -> Score | None:
    """All tracks but drums; None where there are none."""
    return _only(score, [t for t in score.tracks if not t.is_drum])


def melody(score: Score) -> Score | None:
    """The track that is the melody, or the only one that sounds; None where no track can be told to be that."""
    sounding = [t for t in score.tracks if len(t.notes) and not t.is_drum]
    named = [t for t, role in zip(score.tracks, roles(score), strict=True) if role == "melody" and len(t.notes)]
    return _only(score, named[:1] or (sounding if len(sounding) == 1 else []))


def piano(score: Score) -> Score | None:
    """All tracks but drums as one piano part; of notes of one pitch that begin together the longest."""
    tracks = [t.notes for t in score.tracks if not t.is_drum and len(t.notes)]
    if not tracks:
        return None
    notes = np.concatenate(tracks)
    notes = notes[np.lexsort((-notes["duration"], notes["pitch"], notes["onset"]))]
    new = np.ones(len(notes), bool)
    new[1:] = (np.diff(notes["onset"]) > 0) | (np.diff(notes["pitch"]) != 0)
    return replace(score, tracks=(Track("Piano", 0, False, notes[new]),))


def _only(score: Score, tracks: list[Track]) -> Score | None:
    return replace(score, tracks=tuple(tracks)) if any(len(t.notes) for t in tracks) else None


PARTS: dict[str, Callable[[Score], Score | None]] = {
    "whole": whole,
    "pitched": pitched,
    "melody": melody,
    "piano": piano,
}
"""Kinds of part by name."""


def key_shift(score: Score) -> int:
    """Semitones, -5 to 6, that bring a piece to C major or A minor; 0 where no key can be told."""
    tracks = [t.notes for t in score.tracks if not t.is_drum]
    sounded = np.zeros(12)
    for notes in tracks:
        sounded += np.bincount(notes["pitch"] % 12, weights=notes["duration"], minlength=12)
    key = estimate_key(sounded)
    if key is None:
        return 0
    return (5 + (9 if key[1] else 0) - key[0]) % 12 - 5


def part_of(score: Score, name: str, *, one_key: bool) -> Score | None:
    """The part of a piece that a network reads, in C major or A minor where it knows one key; None: there is none."""
    part = PARTS[name](score)
    return part if part is None or not one_key else moved_by(part, key_shift(part))
