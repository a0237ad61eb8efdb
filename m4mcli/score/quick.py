"""A faster door for whole corpora: sound MIDI files through symusic.

Only what is sound goes through it; for anything else `read_quickly` and `read_notes` say None, and `m4mcli.score.read`
has the word. symusic drops notes that never end: `read_notes` ends every pitch of every track for it, far behind the
track, and moves what ended there back to the track's end, where `read_score` ends it.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, MAX_TRACKS, Container, open_container
from m4mcli.score.heads import Head, head, marked, program_told, programs_clear
from m4mcli.score.metas import END_OF_TRACK, LONGEST, NAME, meta, variable_length
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
    notes_array,
)

THEIRS = {"onset": "time", "tick": "time"}
"""What symusic calls by another name than m4m."""

DENOMINATORS = {1 << power for power in range(7)}
LOST = "\N{REPLACEMENT CHARACTER}"
"""What stands in a name for bytes that are not UTF-8."""

FAR = LONGEST
"""How many ticks behind the end of its track a note is ended that does not end."""

LATER = variable_length(FAR) + meta(0x01, b"")
ENDS = [b"\0" + bytes((0x80 | c,)) + b"\0".join(bytes((pitch, 64)) for pitch in range(128)) for c in range(16)]
"""An event FAR behind the one before it; ends of all pitches of a channel at that tick."""

NAMED = bytes((0xFF, NAME))

FEW = 24
"""Of how many changes symusic keeps those of one tick in the order of the file."""

Told = TypeVar("Told", Tempo, TimeSignature, KeySignature)

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

    They are those of `read_score`, but that drums may have another program. None as for `read_quickly`, and where notes
    may have a program that another track sets, or that is set at the same time behind them.
    """
    opened = _opened(data, HARMLESS, ended=True)
    if opened is None:
        return None
    container, source = opened
    score = _whole(source, notes_alone=True)
    score = None if score is None else _ended(score)
    if score is None or not _in_bounds(score, shortest=0):
        return None
    lost = any(LOST in track.name for track in score.tracks)
    lost |= any(chunk.count(NAMED) > 1 for chunk in container.tracks)
    untold = any(not t.program and not t.is_drum and len(t.notes) for t in score.tracks)
    heads = [head(chunk) for chunk in container.tracks] if lost or untold else []
    if untold and not _programs_told(container, heads, sum(len(track.notes) > 0 for track in score.tracks)):
        return None
    renamed = _renamed(score, container.tracks, heads) if lost else score
    return None if renamed is None else _told_once(renamed)


def _programs_told(container: Container, heads: Sequence[Head], parts: int) -> bool:
    """Whether notes with program 0 have it by their own track's word, or for want of any."""
    from symusic import Score as Source

    chunks = container.tracks
    if programs_clear(chunks, heads, parts):
        return True
    if len(chunks) > 127:
        return False
    tracks = tuple(marked(chunk, number) for number, chunk in enumerate(chunks, 1))
    source: Any = Source.from_midi(container.with_tracks(tracks).to_bytes())
    for track in source.tracks:
        if track.program or track.is_drum or len(track.notes) < 2:
            continue
        notes = track.notes.numpy()
        marks = np.flatnonzero((notes["time"] == 0) & (notes["duration"] == 0))
        if len(marks) != 1:
            return False
        number, channel = int(notes["velocity"][marks[0]]), int(notes["pitch"][marks[0]])
        if not program_told(chunks, heads, number - 1, channel):
            return False
    return True


def _with_ends(container: Container) -> Container | None:
    """The file with ends for all notes FAR behind each track, and again as far behind; None where that is unsure."""
    if container.tpq * MAX_QUARTERS >= FAR:
        return None
    tracks = []
    for track in container.tracks:
        if track.find(END_OF_TRACK) != len(track) - len(END_OF_TRACK):
            return None
        # A status that is none, but a part of a time or of text, ends nothing.
        ends = LATER + b"".join(ENDS[channel] for channel in range(16) if 0x90 | channel in track)
        tracks.append(track[:-3] + LATER[4:] + ends + ends + b"\0" + END_OF_TRACK)
    return container.with_tracks(tuple(tracks))


def _ended(score: Score) -> Score | None:
    """The score with the ends that lie far behind at the ends of their tracks; None where a pitch needed them twice."""
    if score.end < FAR:
        return score
    for track in score.tracks:
        notes = track.notes
        late = np.flatnonzero(notes["duration"] >= FAR - notes["onset"])
        notes["duration"][late] -= FAR
        if ((notes["onset"] + notes["duration"])[late] >= FAR).any():
            return None
    return replace(score)


def _told_once(score: Score) -> Score | None:
    """The score with one tempo, time and key signature at a tick, the last; None where the last is not known."""
    tempos, metres, keys = _once(score.tempos), _once(score.time_signatures), _once(score.key_signatures)
    if tempos is None or metres is None or keys is None:
        return None
    return replace(score, tempos=tempos, time_signatures=metres, key_signatures=keys)


def _once(told: tuple[Told, ...]) -> tuple[Told, ...] | None:
    last = {one.tick: one for one in told}
    if len(last) == len(told):
        return told
    return tuple(last.values()) if len(told) < FEW or len(last) == len({*told}) else None


def _renamed(score: Score, chunks: Sequence[bytes], heads: Sequence[Head]) -> Score | None:
    """The score with the first name of each track, where symusic has the last, and cannot decode it unless it is UTF-8.

    None where it is not clear which track has which.
    """
    names: dict[str, str] = {}
    for chunk, one in zip(chunks, heads, strict=True):
        at = chunk.rfind(NAMED) + len(NAMED)
        theirs = chunk[at + 1 : at + 1 + chunk[at]].decode("utf-8", "replace") if at >= len(NAMED) else ""
        if names.setdefault(theirs, decode_text(one.name)) != decode_text(one.name):
            return None
    if any(track.name not in names for track in score.tracks):
        return None
    return replace(score, tracks=tuple(replace(t, name=names[t.name]) for t in score.tracks))


def _opened(data: bytes, harmless: Sequence[str] = (), *, ended: bool = False) -> tuple[Container, Any] | None:
    """A MIDI file, and symusic's piece; None where anything but what is harmless is odd.

    With `ended` the piece's notes all end, those that do not by themselves FAR behind their track.
    """
    from symusic import Score as Source

    if data[:4] != b"MThd":
        return None
    try:
        container = open_container(data, "")
        if any(warning.partition(":")[0] not in harmless for warning in container.warnings):
            return None
        whole = _with_ends(container) if ended else container
        if whole is None:
            return None
        as_it_was = whole is container and not container.warnings
        return container, Source.from_midi(data if as_it_was else whole.to_bytes())
    except (M4mError, RuntimeError, ValueError, OverflowError):
        return None


def _whole(source: Any, *, notes_alone: bool = False) -> Score | None:
    """symusic's piece as arrays; None where it holds values that no file should have."""
    try:
        return _score(source, notes_alone)
    except (ValueError, OverflowError):
        return None


def _score(source: Any, notes_alone: bool) -> Score:
    found = [track.notes.numpy() for track in source.tracks]
    rows = notes_array()
    if found:
        # Of all tracks at once, and the tracks are cut out of them: a few times faster than track by track.
        rows = _columns({name: np.concatenate([one[name] for one in found]) for name in found[0]}, NOTE)
    stops = [0, *accumulate(len(one["time"]) for one in found)]
    tracks = tuple(
        Track(track.name, int(track.program), bool(track.is_drum), rows[start:stop])
        for track, start, stop in zip(source.tracks, stops[:-1], stops[1:], strict=True)
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
        controls=_columns(theirs.controls.numpy(), CONTROL),
        bends=_columns(theirs.pitch_bends.numpy(), BEND),
        lyrics=tuple((lyric.time, lyric.text) for lyric in theirs.lyrics),
    )


def _columns(found: dict[str, NDArray[np.integer]], form: np.dtype[np.void]) -> NDArray[np.void]:
    rows = np.empty(len(found["time"]), form)
    for name in form.names or ():
        rows[name] = found[THEIRS.get(name, name)]
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
