"""From tokens of the scheme `mmm` to music, whatever the tokens are."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from m4mcli.score.container import MAX_NOTES
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.tokens import mmm_vocabulary as v
from m4mcli.tokens.mmm_encoding import Bars
from m4mcli.tokens.mmt import DURATIONS
from m4mcli.tokens.scheme import Tokens, TokenTrack

VELOCITY = 64
DRUM_LENGTH = 3
"""Of a drum's note, in 12ths of a quarter note."""


@dataclass
class _Piece:
    """A piece while its ids are read: notes (onset, duration, pitch) of each track, in 12ths of a quarter note.

    `at` is the bar that is written, `of` its track, `place` the position in it; -1 for none.
    """

    metres: list[int] = field(default_factory=list)
    edges: list[int] = field(default_factory=lambda: [0])
    programs: list[int] = field(default_factory=list)
    notes: list[list[tuple[int, int, int]]] = field(default_factory=list)
    missing: deque[tuple[int, int]] = field(default_factory=deque)
    bars: int = 0
    of: int = -1
    at: int = -1
    place: int = -1
    count: int = 0

    def move_to(self, track: int, bar: int) -> None:
        """Begin to write a bar."""
        self.of, self.at, self.place = track, bar, -1


def decode(tokens: Tokens) -> tuple[Score, int]:
    """The piece that any ids are, and how many of them were skipped. All velocities are 64.

    Skipped is what makes no sense where it stands: a metre behind the first track, a bar too many, a position beyond
    its bar, a pitch without a position or of the wrong kind, a Fill for which no bar waits, ids of no token, all behind
    STOP; and what goes beyond 1,024 bars, 128 tracks or 1,000,000 notes.
    """
    ids = tokens.ids.reshape(-1)
    known = (ids >= 0) & (ids < v.VOCABULARY.size)
    kinds = np.where(known, v.KINDS[np.where(known, ids, 0)], -1).tolist()
    values = (ids - np.array([*v.FIRST, 0])[kinds]).tolist()
    stop = kinds.index(v.STOP) if v.STOP in kinds else len(kinds)
    skipped = sum(kind != v.PAD for kind in kinds[stop + 1 :])
    kinds, piece, at = [*kinds[:stop], -1, -1, -1], _Piece(), 0
    while at < stop:
        used = _read(kinds, values, at, piece)
        skipped += 0 if used else 1
        at += used or 1
    return _score(piece, tokens), skipped


def _read(kinds: list[int], values: list[int], at: int, piece: _Piece) -> int:
    """Read what begins at one id into the piece; how many ids it took, 0 where it makes no sense."""
    match kinds[at]:
        case v.PAD:
            return 1
        case v.START:
            return int(at == 0 or kinds[at - 1] == v.PAD)
        case v.METRE if not piece.programs and len(piece.metres) < v.BARS:
            piece.metres.append(values[at])
            piece.edges.append(piece.edges[-1] + int(v.LENGTHS[values[at]]) * v.PER_SIXTEENTH)
            return 1
        case v.TRACK if kinds[at + 1] == v.PROGRAM and len(piece.programs) < v.TRACKS:
            piece.programs.append(values[at + 1])
            piece.notes.append([])
            piece.bars, piece.of, piece.at, piece.place = 0, -1, -1, -1
            return 3 if kinds[at + 2] == v.DENSITY else 2
        case v.BAR | v.FILL_IN if piece.programs and piece.bars < len(piece.metres):
            track, bar = len(piece.programs) - 1, piece.bars
            piece.bars += 1
            if kinds[at] == v.BAR:
                piece.move_to(track, bar)
            else:
                piece.missing.append((track, bar))
                piece.move_to(-1, -1)
            return 1
        case v.FILL if piece.missing:
            piece.move_to(*piece.missing.popleft())
            return 2 if kinds[at + 1] == v.DENSITY else 1
        case v.POSITION if piece.at >= 0 and values[at] < piece.edges[piece.at + 1] - piece.edges[piece.at]:
            piece.place = values[at]
            return 1
        case v.PITCH | v.DRUM if piece.place >= 0 and piece.count < MAX_NOTES:
            return _read_note(kinds, values, at, piece)
    return 0


def _read_note(kinds: list[int], values: list[int], at: int, piece: _Piece) -> int:
    """Read a note; how many ids it took, 0 where it is none."""
    drums = kinds[at] == v.DRUM
    if drums != (piece.programs[piece.of] == v.DRUMS) or not (drums or kinds[at + 1] == v.DURATION):
        return 0
    duration = DRUM_LENGTH if drums else int(DURATIONS[values[at + 1]])
    piece.notes[piece.of].append((piece.edges[piece.at] + piece.place, duration, values[at]))
    piece.count += 1
    return 1 if drums else 2


def _score(piece: _Piece, tokens: Tokens) -> Score:
    """The piece in ticks; tracks have the names of those that are told, where these have their programs."""

    def tick(twelfth: int) -> int:
        return int(twelfth * tokens.tpq / v.PER_QUARTER + 0.5)

    tracks = []
    for number, (program, notes) in enumerate(zip(piece.programs, piece.notes, strict=True)):
        drums = program == v.DRUMS
        like = tokens.tracks[number] if number < len(tokens.tracks) else TokenTrack()
        same = drums == like.is_drum and (drums or program == like.program)
        track = like if same else TokenTrack("", 0 if drums else program, drums)
        rows = [(tick(o), max(1, tick(o + d) - tick(o)), pitch, VELOCITY) for o, d, pitch in notes]
        tracks.append(Track(track.name, track.program, drums, notes_array(sorted(rows))))
    edges = Bars(tuple(piece.metres)).edges.tolist()
    new = [i for i, metre in enumerate(piece.metres) if i == 0 or metre != piece.metres[i - 1]]
    signatures = tuple(TimeSignature(tick(edges[i]), *v.METRES[piece.metres[i]]) for i in new)
    return Score(tokens.tpq, tuple(tracks), time_signatures=signatures)
