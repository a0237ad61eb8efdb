"""Music in another key."""

from dataclasses import replace

import numpy as np

from m4mcli.score.score import KeySignature, Score, Track


def transposed(score: Score, semitones: int) -> Score | None:
    """The music moved by semitones, its keys with it, drums as they are; None where a pitch would leave 0..127."""
    if not semitones:
        return score
    moved = [_moved(track, semitones) for track in score.tracks]
    tracks = tuple(track for track in moved if track is not None)
    if len(tracks) < len(moved):
        return None
    keys = tuple(_key(key, semitones) for key in score.key_signatures)
    return replace(score, tracks=tracks, key_signatures=keys)


def _moved(track: Track, semitones: int) -> Track | None:
    if track.is_drum or not len(track.notes):
        return track
    pitch = track.notes["pitch"].astype(np.int64) + semitones
    if pitch.min() < 0 or pitch.max() > 127:
        return None
    notes = track.notes.copy()
    notes["pitch"] = pitch
    return replace(track, notes=notes)


def _key(key: KeySignature, semitones: int) -> KeySignature:
    """A semitone up is seven fifths up; of the names of one key that with fewer signs, flats where they are as many."""
    return replace(key, fifths=(key.fifths + 7 * semitones + 6) % 12 - 6)
