"""A faster door for whole corpora: sound MIDI files through symusic.

Only what is sound goes through it; for anything else `read_quickly` and `read_notes` say None, and `m4mcli.score.read`
has the word. symusic drops notes that never end: `read_notes` ends every pitch of every track for it, far behind the
track, and moves what ended there back to the track's end, where `read_score` ends it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, MAX_TRACKS, Container, open_container
from m4mcli.score.file_order import Told, in_file_order
from m4mcli.score.followed import follow
from m4mcli.score.foreign_programs import Place, places_of, with_foreign_programs
from m4mcli.score.heads import Head, head, programs_clear
from m4mcli.score.metas import END_OF_TRACK, LONGEST, NAME, meta, variable_length
from m4mcli.score.midi_form import decode_text
from m4mcli.score.misread import metas_of, read_alike
from m4mcli.score.score import (
    BEND,
    CONTROL,
    NOTE,
    KeySignature,
    Score,
    Tempo,
    TimeSignature,
    Track,
    notes_array,
)

THEIRS = {"onset": "time", "tick": "time"}
"""What symusic calls by another name than m4m."""

DENOMINATORS = {1 << power for power in range(7)}
MODES = {0: False, 1: True}
"""Whether a key is minor, by the number of its mode."""

LOST = "\N{REPLACEMENT CHARACTER}"
"""What stands in a name for bytes that are not UTF-8."""

FAR = LONGEST
"""How many ticks behind the end of its track a note is ended that does not end."""

MOST_ENDS = 6
"""How many ends of a pitch there is room for before symusic's ticks are at their end."""

LATER = variable_length(FAR) + meta(0x01, b"")
ENDS = [b"\0" + bytes((0x80 | c,)) + b"\0".join(bytes((pitch, 64)) for pitch in range(128)) for c in range(16)]
"""An event FAR behind the one before it; ends of all pitches of a channel at that tick."""

LONG_TIME = re.compile(rb"[\x80-\xff]{3}")
"""What a time of 4 bytes begins with."""

NAMED = bytes((0xFF, NAME))

FEW = 24
"""Of how many changes symusic keeps those of one tick in the order of the file."""

NO_CONTROLS, NO_BENDS = np.zeros(0, CONTROL), np.zeros(0, BEND)

HARMLESS = ("track-count", "alien-chunk", "stray-bytes", "leading-bytes", "header-length", "format-0")
"""Warnings after which a file's tracks are as they were."""


def read_quickly(data: bytes) -> Score | None:
    """The piece in a MIDI file; None for what is no MIDI file, is damaged, odd, or beyond the bounds of `read_score`.

    Notes go by onset, those of one onset in the order of the file (`read_score`: by pitch), as MidiTok sees them. A
    note that does not end is left out.
    """
    opened = _opened(data)
    return None if opened is None else _whole(opened)


def read_notes(data: bytes) -> Score | None:
    """The notes, tempi and signatures of a MIDI file, without controllers, bends and words, for corpora.

    They are those of `read_score`, but that drums may have another program. None as for `read_quickly`, and where notes
    may have a program that is set at the same time behind them.
    """
    opened = _opened(data, HARMLESS, ends=2)
    score = None if opened is None else _whole(opened)
    if opened is not None and score is None:
        opened = _opened(data, HARMLESS, ends=MOST_ENDS)
        score = None if opened is None else _whole(opened)
    if opened is None or score is None:
        return None
    chunks = opened.container.tracks
    lost = any(LOST in track.name for track in score.tracks)
    lost |= any([meta[:1] for meta in metas].count(NAMED[1:]) > 1 for metas in opened.metas)
    untold = any(not t.program and not t.is_drum and len(t.notes) for t in score.tracks)
    heads = [head(chunk) for chunk in chunks] if lost or untold else []
    parts = sum(len(track.notes) > 0 for track in score.tracks)
    foreign = untold and not programs_clear(chunks, heads, parts)
    if lost or foreign:
        places = places_of(opened.whole, score)
        named = score if not lost or places is None else _renamed(score, chunks, heads, places)
        if places is None or named is None:
            return None
        score = with_foreign_programs(chunks, heads, places, named) if foreign else named
    return None if score is None else _told_once(score, chunks)


def _with_ends(container: Container, metas: Sequence[Sequence[bytes]], times: int) -> Container | None:
    """The file with ends for all notes FAR behind each track, each `times` as far behind; None where that is unsure."""
    if container.tpq * MAX_QUARTERS >= FAR:
        return None
    tracks = []
    for track, found in zip(container.tracks, metas, strict=True):
        if found.count(END_OF_TRACK[1:]) != 1 or not track.endswith(END_OF_TRACK):
            return None
        # A status that is none, but a part of a time or of text, ends nothing.
        ends = LATER + b"".join(ENDS[channel] for channel in range(16) if 0x90 | channel in track)
        tracks.append(track[:-3] + LATER[4:] + ends * times + b"\0" + END_OF_TRACK)
    return container.with_tracks(tuple(tracks))


def _told_once(score: Score, chunks: Sequence[bytes]) -> Score | None:
    """The score with one tempo, time and key signature at a tick, the last; None where the last is not known."""
    tempos = _once(score.tempos, chunks)
    metres, keys = _once(score.time_signatures, chunks), _once(score.key_signatures, chunks)
    if tempos is None or metres is None or keys is None:
        return None
    if (tempos, metres, keys) == (score.tempos, score.time_signatures, score.key_signatures):
        return score
    return replace(score, tempos=tempos, time_signatures=metres, key_signatures=keys)


def _once(told: tuple[Told, ...], chunks: Sequence[bytes]) -> tuple[Told, ...] | None:
    last = {one.tick: one for one in told}
    if len(last) == len(told):
        return told
    if len(told) < FEW or len(last) == len({*told}):
        return tuple(last.values())
    filed = in_file_order(told, chunks)
    return None if filed is None else tuple({one.tick: one for one in filed}.values())


def _renamed(score: Score, chunks: Sequence[bytes], heads: Sequence[Head], places: Sequence[Place]) -> Score | None:
    """The score with the first name of each track, where symusic has the last, and cannot decode it unless it is UTF-8.

    None where a name may come behind the head of its track.
    """
    if any(one.name is None and NAMED in chunk for chunk, one in zip(chunks, heads, strict=True)):
        return None
    names = iter([decode_text(heads[number].name or b"") for number, _ in places])
    return replace(score, tracks=tuple(replace(t, name=next(names)) for t in score.tracks if len(t.notes)))


@dataclass(frozen=True)
class _Opened:
    """A MIDI file, the same as symusic was given it, with how many ends for each pitch, and symusic's piece.

    `metas` is what `metas_of` finds in each track. With `ends` only its notes, tempi and signatures are wanted.
    """

    container: Container
    whole: Container
    ends: int
    metas: list[list[bytes]]
    source: Any


def _opened(data: bytes, harmless: Sequence[str] = (), ends: int = 0) -> _Opened | None:
    """A MIDI file opened; None where anything but what is harmless is odd.

    With `ends` the notes of a pitch that do not end by themselves, fewer than so many, end FAR behind their track, and
    again as far.
    """
    from symusic import Score as Source

    if data[:4] != b"MThd":
        return None
    try:
        container = open_container(data, "")
        if any(warning.partition(":")[0] not in harmless for warning in container.warnings):
            return None
        metas = [metas_of(chunk) for chunk in container.tracks]
        if not all(map(read_alike, container.tracks, metas)):
            return None
        whole = _with_ends(container, metas, ends) if ends else container
        if whole is None:
            return None
        as_it_was = whole is container and not container.warnings
        source = Source.from_midi(data if as_it_was else whole.to_bytes())
        return _Opened(container, whole, ends, metas, source)
    except (M4mError, RuntimeError, ValueError, OverflowError):
        return None


def _whole(opened: _Opened) -> Score | None:
    """symusic's piece as arrays; None where it holds values that no file should have.

    Notes that end FAR behind their track end with it.
    """
    try:
        rows, stops = _rows(opened.source)
        if opened.ends:
            rows = _ended(rows, opened)
        score = _score(opened.source, rows, stops, notes_alone=opened.ends > 0)
    except (ValueError, OverflowError, KeyError):
        return None
    return score if _in_bounds(score, rows, stops, shortest=0 if opened.ends else 1) else None


def _rows(source: Any) -> tuple[NDArray[np.void], list[int]]:
    """The notes of all tracks, and where those of each begin and the last end: a few times faster than one by one."""
    found = [track.notes.numpy() for track in source.tracks]
    stops = [0, *accumulate(len(one["time"]) for one in found)]
    if not found:
        return notes_array(), stops
    return _columns({name: np.concatenate([one[name] for one in found]) for name in found[0]}, NOTE), stops


def _ended(rows: NDArray[np.void], opened: _Opened) -> NDArray[np.void]:
    """Notes with the ends that lie FAR behind moved back.

    Raises ValueError where a pitch needed all of them, and where some may lie there by themselves.
    """
    end = rows["onset"] + rows["duration"]
    if end.max(initial=0) >= FAR:
        times = end // FAR
        rows["duration"] -= times * FAR
        if times.max() >= opened.ends or _may_be_far(opened.container):
            raise ValueError(times)
    return rows


def _may_be_far(container: Container) -> bool:
    """Whether an event of the file may lie as far behind as the ends that were added."""
    followed = [follow(chunk) for chunk in container.tracks if LONG_TIME.search(chunk)]
    return any(one is None or one.end > MAX_QUARTERS * container.tpq for one in followed)


def _score(source: Any, rows: NDArray[np.void], stops: Sequence[int], *, notes_alone: bool) -> Score:
    tracks = tuple(
        Track(track.name, int(track.program), bool(track.is_drum), rows[start:stop], NO_CONTROLS, NO_BENDS)
        for track, start, stop in zip(source.tracks, stops[:-1], stops[1:], strict=True)
    )
    if not notes_alone:
        tracks = tuple(_with_rest(track, theirs) for track, theirs in zip(tracks, source.tracks, strict=True))
    return Score(
        source.ticks_per_quarter,
        tracks,
        tuple(Tempo(tempo.time, tempo.mspq) for tempo in source.tempos),
        tuple(TimeSignature(s.time, s.numerator, s.denominator) for s in source.time_signatures),
        tuple(
            KeySignature(key.time, key.key, MODES[key.tonality])
            for key in source.key_signatures
            # One of a mode that is none is not used, and told by the guarded reader.
            if not notes_alone or key.tonality in MODES
        ),
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


def _in_bounds(score: Score, rows: NDArray[np.void], stops: Sequence[int], shortest: int) -> bool:
    """Whether a score, whose tracks have the rows between the `stops`, is one that `read_score` would read."""
    sound = all(s.numerator > 0 and s.denominator in DENOMINATORS for s in score.time_signatures)
    sound &= all(t.microseconds > 0 for t in score.tempos) and all(-7 <= k.fifths <= 7 for k in score.key_signatures)
    if not sound or len(rows) > MAX_NOTES or len(score.tracks) > MAX_TRACKS or score.tpq <= 0:
        return False
    if not len(rows):
        return True
    onsets = np.ascontiguousarray(rows["onset"])
    least = {"pitch": 0, "velocity": 1, "duration": shortest}
    if onsets.min() < 0 or any(rows[field].min() < value for field, value in least.items()):
        return False
    # Onsets may fall only where the next track begins.
    falls = np.flatnonzero(onsets[1:] < onsets[:-1]) + 1
    return {*falls.tolist()} <= {*stops} and int((onsets + rows["duration"]).max()) <= MAX_QUARTERS * score.tpq
