"""From music to the tokens of the scheme `frames`."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.fields import DURATIONS
from m4mcli.frames.frames import DRUMS, FRAMES_PER_QUARTER, frame_of, tick_of
from m4mcli.score.container import counted
from m4mcli.score.metre import bars
from m4mcli.score.score import Score
from m4mcli.tokens.frames_vocabulary import END, FLATS, KEYS, VOCABULARY, VOICES, ids_of, parts_of
from m4mcli.tokens.scheme import Tokens, TokenTrack

START, STOP, BAR, TEMPO = map(VOCABULARY.id_of, ("START", "STOP", "BAR", "TEMPO"))
INSTRUMENT, TONE, OCTAVE, DURATION = map(ids_of, ("INSTRUMENT", "TONE", "OCTAVE", "DURATION"))
VOICE, VELOCITY, NUMERATOR, DENOMINATOR = map(ids_of, ("VOICE", "VELOCITY", "NUMERATOR", "DENOMINATOR"))
KEY, BYTE = map(ids_of, ("KEY", "BYTE"))

NOTE_ROW = np.dtype([(n, "i8") for n in ("frame", "instrument", "voice", "pitch", "duration", "velocity")])


def encode(score: Score) -> tuple[Tokens, tuple[str, ...]]:
    """The tokens of a piece, and warnings: what was moved to a 16th, what has no tokens."""
    rows, moved, merged = _note_rows(score)
    heads, moved_events = _heads(score)
    ends = int((rows["frame"] + rows["duration"]).max()) if len(rows) else 0
    length = max(ends, max(heads, default=-1) + 1)
    for bar in bars(score) if length else ():
        if (frame := frame_of(bar.tick, score.tpq)) < length:
            marks = heads.setdefault(frame, [])
            if marks[-1:] != [BAR]:
                marks.append(BAR)
    first = np.searchsorted(rows["frame"], np.arange(length + 1)).tolist()
    notes = rows.tolist()
    ids = [START]
    for frame in range(length):
        ids += heads.get(frame, ())
        for note in notes[first[frame] : first[frame + 1]]:
            ids += _note_ids(note)
        ids.append(END)
    tracks = tuple(TokenTrack(t.name, t.program, t.is_drum) for t in score.tracks)
    tokens = Tokens("frames", np.array([*ids, STOP], np.int64), score.tpq, tracks)
    return tokens, _encoding_warnings(score, moved, merged, moved_events)


def _note_rows(score: Score) -> tuple[NDArray[np.void], tuple[int, int], int]:
    """All notes in the order of their tokens, how many onsets and ends were moved, how many notes lost their voice."""
    parts, onsets, ends, merged = [np.zeros(0, NOTE_ROW)], 0, 0, 0
    for track, (instrument, voice) in zip(score.tracks, parts_of(score.tracks), strict=True):
        onset, stop = track.notes["onset"], track.notes["onset"] + track.notes["duration"]
        start, end = (
            np.floor(ticks * FRAMES_PER_QUARTER / score.tpq + 0.5).astype(np.int64) for ticks in (onset, stop)
        )
        part = np.zeros(len(onset), NOTE_ROW)
        part["frame"], part["duration"] = start, np.maximum(1, end - start)
        part["instrument"], part["voice"] = instrument, min(voice, VOICES - 1)
        part["pitch"], part["velocity"] = track.notes["pitch"], track.notes["velocity"]
        back = [np.floor(frames * score.tpq / FRAMES_PER_QUARTER + 0.5) for frames in (start, start + part["duration"])]
        onsets, ends = onsets + int((back[0] != onset).sum()), ends + int((back[1] != stop).sum())
        merged += len(part) if voice >= VOICES else 0
        parts.append(part)
    rows = np.concatenate(parts)
    rows = rows[np.lexsort((rows["pitch"], rows["voice"], rows["instrument"], rows["frame"]))]
    return rows, (onsets, ends), merged


def _note_ids(note: tuple[int, ...]) -> Iterator[int]:
    _, instrument, voice, pitch, duration, velocity = note
    if voice:
        yield VOICE[voice - 1]
    yield INSTRUMENT[instrument]
    if instrument == DRUMS:
        yield TONE[12 + pitch]
    else:
        yield TONE[pitch % 12]
        yield OCTAVE[pitch // 12]
    for place in reversed(range(len(DURATIONS))):
        while duration >= DURATIONS[place]:
            yield DURATION[place]
            duration -= int(DURATIONS[place])
    yield VELOCITY[velocity - 1]


def _heads(score: Score) -> tuple[dict[int, list[int]], int]:
    """Tokens of tempi and signatures by frame, and how many of them were moved or gave way to a later one."""
    found = [(t.tick, 0, [TEMPO, *(BYTE[b] for b in t.microseconds.to_bytes(3, "big"))]) for t in score.tempos]
    found += [
        (s.tick, 1, [NUMERATOR[s.numerator - 1], DENOMINATOR[s.denominator.bit_length() - 1]])
        for s in score.time_signatures
    ]
    found += [(k.tick, 2, [KEY[k.fifths + FLATS + KEYS * k.minor]]) for k in score.key_signatures]
    placed: dict[tuple[int, int], list[int]] = {}
    moved = 0
    for tick, kind, ids in sorted(found, key=lambda event: event[0]):
        frame = frame_of(tick, score.tpq)
        moved += tick_of(frame, score.tpq) != tick or (frame, kind) in placed
        placed[frame, kind] = ids
    heads: dict[int, list[int]] = {}
    for (frame, _), ids in sorted(placed.items()):
        heads.setdefault(frame, []).extend(ids)
    return heads, moved


def _encoding_warnings(score: Score, moved: tuple[int, int], merged: int, moved_events: int) -> tuple[str, ...]:
    lost = {
        "controller": sum(len(t.controls) for t in score.tracks),
        "pitch bend": sum(len(t.bends) for t in score.tracks),
        "lyric": sum(len(t.lyrics) for t in score.tracks),
        "marker": len(score.markers),
    }
    told = []
    if any(moved):
        where = f"{counted(moved[0], 'onset')} and {counted(moved[1], 'end')} of {counted(score.note_count, 'note')}"
        told.append(f"off-grid: {where} moved to the nearest 16th")
    if moved_events:
        told.append(f"off-grid: {counted(moved_events, 'tempo or signature')} moved to the nearest 16th")
    if any(lost.values()):
        told.append(f"without-tokens: {', '.join(counted(n, what) for what, n in lost.items() if n)} left out")
    if merged:
        told.append(f"many-tracks: {counted(merged, 'note')} of more than {VOICES} tracks with one instrument merged")
    return tuple(told)
