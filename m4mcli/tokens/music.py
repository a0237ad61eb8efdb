"""Decoded notes and heads as a `Score`, within what m4m reads."""

from collections.abc import Callable, Sequence

import numpy as np

from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS
from m4mcli.score.score import NOTE, KeySignature, Score, Tempo, TimeSignature, Track
from m4mcli.tokens.decoding import PAD, Bools, Heads, Notes, Words
from m4mcli.tokens.scheme import Tokens, TokenTrack
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.times import Times


def within(words: Words, starts: Times, time: Times, settings: Settings, room: int) -> Times:
    """The notes that lie in the first 40,000 quarter notes and for which there is room; the others become unused."""
    limit = settings.whole_note // 4 * MAX_QUARTERS
    if words.count and time[-1] >= limit:
        late = time >= limit
        words.used[late & (words.kind[: words.count] != PAD)] = False
        starts = starts[~late[starts]]
    if len(starts) > room:
        words.used[starts[room:]] = False
    return starts[:room]


def score_of(tokens: Tokens, settings: Settings, found: Sequence[Notes], heads: Heads) -> Score:
    """The piece: `found` are the notes of each sequence; in a single stream its instruments become tracks."""
    scale = tokens.tpq / (settings.whole_note // 4)
    last = MAX_QUARTERS * tokens.tpq

    def ticks(values: Times) -> Times:
        return np.asarray(np.minimum(np.floor(values * scale + 0.5), last), np.int64)

    def tick(value: int) -> int:
        return min(int(value * scale + 0.5), last)

    tracks = []
    if settings.single:
        (notes,) = found
        told = {DRUM_PROGRAM if t.is_drum else t.program: t for t in reversed(tokens.tracks)}
        others = sorted(set(np.unique(notes.program).tolist()) - told.keys(), key=lambda p: (p < 0, p))
        order = [*reversed(told), *others]
        for program in order:
            track = told.get(program) or TokenTrack("", max(program, 0), program == DRUM_PROGRAM)
            tracks.append(_track(track, notes, ticks, notes.program == program))
    else:
        for number, notes in enumerate(found):
            track = tokens.tracks[number] if number < len(tokens.tracks) else _guessed(notes)
            tracks.append(_track(track, notes, ticks, None))
    signatures = {tick(t): settings.signatures[place] for t, place in heads.signatures}
    return Score(
        tokens.tpq,
        tuple(tracks),
        tuple(Tempo(t, value) for t, value in sorted({tick(t): value for t, value in heads.tempos}.items())),
        tuple(TimeSignature(t, n, d) for t, (n, d) in sorted(signatures.items())),
        tuple(
            KeySignature(t, place // 2 - 7, place % 2 == 1)
            for t, place in sorted({tick(t): place for t, place in heads.keys}.items())
        ),
    )


def _guessed(notes: Notes) -> TokenTrack:
    program = int(notes.program[0]) if len(notes.program) else 0
    return TokenTrack("", max(program, 0), program == DRUM_PROGRAM)


def _track(track: TokenTrack, notes: Notes, ticks: Callable[[Times], Times], which: Bools | None) -> Track:
    """The notes of one track, ordered by onset, then pitch."""
    columns = (notes.onset, notes.duration, notes.pitch, notes.velocity)
    onset, duration, pitch, velocity = columns if which is None else (column[which] for column in columns)
    start = ticks(onset)
    made = np.empty(len(onset), NOTE)
    order = np.argsort((start << 7) + pitch, kind="stable")
    made["onset"] = start[order]
    made["duration"] = np.maximum(ticks(onset + duration) - start, 1)[order]
    made["pitch"], made["velocity"] = pitch[order], velocity[order]
    return Track(track.name, track.program, track.is_drum, made)


def room_left(found: Sequence[Notes]) -> int:
    """How many more notes a piece may have."""
    return MAX_NOTES - sum(len(notes.onset) for notes in found)
