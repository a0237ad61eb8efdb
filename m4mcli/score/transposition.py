"""Music in another key."""

from dataclasses import replace

import numpy as np

from m4mcli.score.score import KeySignature, Score, Track

LOWEST, HIGHEST = 0, 127


def transposed(score: Score, semitones: int) -> Score | None:
    """The music moved by semitones, its keys with it, drums as they are; None where a pitch would leave 0..127."""
    pitches = [t.notes["pitch"].astype(np.int64) for t in score.tracks if len(t.notes) and not t.is_drum]
    inside = all(p.min() + semitones >= LOWEST and p.max() + semitones <= HIGHEST for p in pitches)
    return moved_by(score, semitones) if inside else None


def moved_by(score: Score, semitones: int) -> Score:
    """The same of any music: a pitch that would leave 0..127 comes back by an octave."""
    if not semitones:
        return score
    keys = tuple(_key(key, semitones) for key in score.key_signatures)
    return replace(score, tracks=tuple(_moved(track, semitones) for track in score.tracks), key_signatures=keys)


def _moved(track: Track, semitones: int) -> Track:
    if track.is_drum or not len(track.notes):
        return track
    pitch = track.notes["pitch"].astype(np.int64) + semitones
    notes = track.notes.copy()
    notes["pitch"] = np.where(pitch < LOWEST, pitch + 12, np.where(pitch > HIGHEST, pitch - 12, pitch))
    return replace(track, notes=notes)


def _key(key: KeySignature, semitones: int) -> KeySignature:
    """A semitone up is seven fifths up; of the names of one key that with fewer signs, flats where they are as many."""
    return replace(key, fifths=(key.fifths + 7 * semitones + 6) % 12 - 6)
