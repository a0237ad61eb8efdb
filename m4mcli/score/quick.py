"""A faster door for whole corpora: sound MIDI files through symusic.

Only what is sound goes through it; for anything else `read_quickly` says None, and `m4mcli.score.read` has the word.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, MAX_TRACKS, open_container
from m4mcli.score.score import BEND, CONTROL, NOTE, KeySignature, Score, Tempo, TimeSignature, Track

NOTE_COLUMNS = {"onset": "time", "duration": "duration", "pitch": "pitch", "velocity": "velocity"}
CONTROL_COLUMNS = {"tick": "time", "number": "number", "value": "value"}
BEND_COLUMNS = {"tick": "time", "value": "value"}
DENOMINATORS = {1 << power for power in range(7)}


def read_quickly(data: bytes) -> Score | None:
    """The piece in a MIDI file; None for what is no MIDI file, is damaged, odd, or beyond the bounds of `read_score`.

    Notes go by onset, those of one onset in the order of the file (`read_score`: by pitch), as MidiTok sees them. A
    note that does not end is left out.
    """
    from symusic import Score as Source

    if data[:4] != b"MThd":
        return None
    try:
        if open_container(data, "").warnings:
            return None
        source = Source.from_midi(data)
        score = _score(source)
    except (M4mError, RuntimeError, ValueError, OverflowError):
        return None
    return score if _in_bounds(score) else None


def _score(source: Any) -> Score:
    """symusic's piece as arrays. Raises ValueError for values that no file should have."""
    tracks = tuple(
        Track(
            track.name,
            int(track.program),
            bool(track.is_drum),
            _columns(track.notes.numpy(), NOTE, NOTE_COLUMNS),
            _columns(track.controls.numpy(), CONTROL, CONTROL_COLUMNS),
            _columns(track.pitch_bends.numpy(), BEND, BEND_COLUMNS),
            tuple((lyric.time, lyric.text) for lyric in track.lyrics),
        )
        for track in source.tracks
    )
    return Score(
        source.ticks_per_quarter,
        tracks,
        tuple(Tempo(tempo.time, tempo.mspq) for tempo in source.tempos),
        tuple(TimeSignature(s.time, s.numerator, s.denominator) for s in source.time_signatures),
        tuple(KeySignature(key.time, key.key, bool(key.tonality)) for key in source.key_signatures),
        tuple((marker.time, marker.text) for marker in source.markers),
    )


def _columns(found: dict[str, NDArray[np.integer]], form: np.dtype[np.void], names: dict[str, str]) -> NDArray[np.void]:
    rows = np.empty(len(found["time"]), form)
    for name, theirs in names.items():
        rows[name] = found[theirs]
    return rows


def _in_bounds(score: Score) -> bool:
    sound = all(s.numerator > 0 and s.denominator in DENOMINATORS for s in score.time_signatures)
    sound &= all(t.microseconds > 0 for t in score.tempos) and all(-7 <= k.fifths <= 7 for k in score.key_signatures)
    for track in score.tracks:
        notes = track.notes
        if len(notes):
            sound &= bool(notes["pitch"].min() >= 0 and notes["velocity"].min() > 0 and notes["duration"].min() > 0)
            sound &= bool((np.diff(notes["onset"]) >= 0).all() and notes["onset"][0] >= 0)
    in_size = score.note_count <= MAX_NOTES and len(score.tracks) <= MAX_TRACKS
    return sound and in_size and score.tpq > 0 and score.end <= MAX_QUARTERS * score.tpq
