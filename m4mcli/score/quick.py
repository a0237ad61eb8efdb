"""A faster door for whole corpora: sound MIDI files through symusic.

Only what is sound goes through it; for anything else `read_quickly` and `read_notes` say None, and `m4mcli.score.read`
has the word.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, MAX_TRACKS, open_container
from m4mcli.score.heads import Head, head, programs_unclear
from m4mcli.score.midi_form import decode_text
from m4mcli.score.score import (
    BEND,
    CONTROL,
    NOTE,
    KeySignature,
    Score,
    Tempo,
    TimeSignature,
    Track,
    joined,
)

NOTE_COLUMNS = {"onset": "time", "duration": "duration", "pitch": "pitch", "velocity": "velocity"}
CONTROL_COLUMNS = {"tick": "time", "number": "number", "value": "value"}
BEND_COLUMNS = {"tick": "time", "value": "value"}
DENOMINATORS = {1 << power for power in range(7)}
LOST = "\N{REPLACEMENT CHARACTER}"
"""What stands in a name for bytes that are not UTF-8."""

HARMLESS = ("track-count", "alien-chunk", "stray-bytes", "leading-bytes", "header-length", "format-0")
"""Warnings after which a file's tracks are as they were."""


def read_quickly(data: bytes) -> Score | None:
    """The piece in a MIDI file; None for what is no MIDI file, is damaged, odd, or beyond the bounds of `read_score`.

    Notes go by onset, those of one onset in the order of the file (`read_score`: by pitch), as MidiTok sees them. A
    note that does not end is left out.
    """
    opened = _opened(data)
    score = None if opened is None else _whole(opened[1])
    return score if score is not None and _in_bounds(score, shortest=1) else None


def read_notes(data: bytes) -> Score | None:
    """The notes, tempi and signatures of a MIDI file, without controllers, bends and words, for corpora.

    The notes are those of `read_score`, but that those which never end are left out. None as for `read_quickly`, and
    where notes may have a program that another track sets, or that is set at the same time behind them.
    """
    opened = _opened(data, HARMLESS)
    if opened is None:
        return None
    chunks, source = opened
    score = _whole(source, notes_alone=True)
    if score is None or not _in_bounds(score, shortest=0):
        return None
    lost = any(LOST in track.name for track in score.tracks)
    untold = any(not t.program and not t.is_drum and len(t.notes) for t in score.tracks)
    heads = [head(chunk) for chunk in chunks] if lost or untold else []
    if untold and programs_unclear(chunks, heads):
        return None
    return _renamed(score, heads) if lost else score


def _renamed(score: Score, heads: Sequence[Head]) -> Score | None:
    """The score with the names that symusic could not decode; None where it is not clear whose they are."""
    names = {one.name.decode("utf-8", "replace"): decode_text(one.name) for one in heads}
    if any(LOST in track.name and track.name not in names for track in score.tracks):
        return None
    return replace(score, tracks=tuple(replace(t, name=names.get(t.name, t.name)) for t in score.tracks))


def _opened(data: bytes, harmless: Sequence[str] = ()) -> tuple[tuple[bytes, ...], Any] | None:
    """The tracks of a MIDI file as bytes, and symusic's piece; None where anything but what is harmless is odd."""
    from symusic import Score as Source

    if data[:4] != b"MThd":
        return None
    try:
        container = open_container(data, "")
        if any(warning.partition(":")[0] not in harmless for warning in container.warnings):
            return None
        return container.tracks, Source.from_midi(container.to_bytes() if container.warnings else data)
    except (M4mError, RuntimeError, ValueError, OverflowError):
        return None


def _whole(source: Any, *, notes_alone: bool = False) -> Score | None:
    """symusic's piece as arrays; None where it holds values that no file should have."""
    try:
        return _score(source, notes_alone)
    except (ValueError, OverflowError):
        return None


def _score(source: Any, notes_alone: bool) -> Score:
    tracks = tuple(
        Track(track.name, int(track.program), bool(track.is_drum), _columns(track.notes.numpy(), NOTE, NOTE_COLUMNS))
        for track in source.tracks
    )
    if not notes_alone:
        tracks = tuple(_with_rest(track, theirs) for track, theirs in zip(tracks, source.tracks, strict=True))
    return Score(
        source.ticks_per_quarter,
        tracks,
        tuple(Tempo(tempo.time, tempo.mspq) for tempo in source.tempos),
        tuple(TimeSignature(s.time, s.numerator, s.denominator) for s in source.time_signatures),
        tuple(KeySignature(key.time, key.key, bool(key.tonality)) for key in source.key_signatures),
        () if notes_alone else tuple((marker.time, marker.text) for marker in source.markers),
    )


def _with_rest(track: Track, theirs: Any) -> Track:
    return replace(
        track,
        controls=_columns(theirs.controls.numpy(), CONTROL, CONTROL_COLUMNS),
        bends=_columns(theirs.pitch_bends.numpy(), BEND, BEND_COLUMNS),
        lyrics=tuple((lyric.time, lyric.text) for lyric in theirs.lyrics),
    )


def _columns(found: dict[str, NDArray[np.integer]], form: np.dtype[np.void], names: dict[str, str]) -> NDArray[np.void]:
    rows = np.empty(len(found["time"]), form)
    for name, theirs in names.items():
        rows[name] = found[theirs]
    return rows


def _in_bounds(score: Score, shortest: int) -> bool:
    sound = all(s.numerator > 0 and s.denominator in DENOMINATORS for s in score.time_signatures)
    sound &= all(t.microseconds > 0 for t in score.tempos) and all(-7 <= k.fifths <= 7 for k in score.key_signatures)
    in_size = score.note_count <= MAX_NOTES and len(score.tracks) <= MAX_TRACKS
    if sound and in_size and score.note_count:
        notes = joined(score.tracks)
        least = {"onset": 0, "pitch": 0, "velocity": 1, "duration": shortest}
        sound = all(int(notes[field].min()) >= value for field, value in least.items())
        falls = np.flatnonzero(notes["onset"][1:] < notes["onset"][:-1]) + 1
        # Onsets may fall only where the next track begins.
        sound &= {*falls.tolist()} <= {*np.cumsum([len(track.notes) for track in score.tracks]).tolist()}
    return sound and in_size and score.tpq > 0 and score.end <= MAX_QUARTERS * score.tpq
