"""From the events of MIDI tracks to a `Score`: which notes, controllers and names make one part.

A part is what one MIDI track plays on one channel with one program. Program changes set the program of their channel
for every track that has none of its own before its note, as a synthesizer would take them. Controllers and bends go to
the part of their channel that sounds with them, or else next; on a channel whose notes are in another track, to that
part. Text is UTF-8, else Latin-1, so that nothing of it is lost.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.metas import KEY_SIGNATURE, LYRIC, MARKER, NAME, TEMPO, TIME_SIGNATURE
from m4mcli.score.score import (
    BEND,
    CONTROL,
    DRUM_CHANNEL,
    NOTE,
    KeySignature,
    Score,
    Tempo,
    TimeSignature,
    Track,
)
from m4mcli.score.walk import UNKNOWN, Events

SLOWEST_BPM, FASTEST_BPM = 5, 1000
PARTS_WORTH_A_WARNING = 16

Rows = NDArray[np.int64]


class Programs:
    """Which program each channel has at each tick, over all tracks."""

    def __init__(self, tracks: Sequence[Events]) -> None:
        changes = sorted((c for t in tracks for c in t.programs), key=lambda change: change[0])
        self.ticks: dict[int, list[int]] = {}
        self.programs: dict[int, list[int]] = {}
        for tick, channel, program in changes:
            self.ticks.setdefault(channel, []).append(tick)
            self.programs.setdefault(channel, []).append(program)

    def at(self, channel: int, tick: int) -> int:
        """The program of `channel` at `tick`, changes of that very tick included; 0 before any."""
        place = bisect_right(self.ticks.get(channel, []), tick)
        return self.programs[channel][place - 1] if place else 0


@dataclass
class Part:
    """One part while it is being put together: rows as in `Events`, without channel and program."""

    channel: int
    program: int
    notes: Rows
    controls: list[Rows] = field(default_factory=list)
    bends: list[Rows] = field(default_factory=list)


def score_from_events(tpq: int, tracks: Sequence[Events], parallel: bool = True) -> tuple[Score, list[str]]:
    """The piece that `tracks` hold, and warnings; not `parallel` (format 2): no track sets another's programs."""
    programs = Programs(tracks if parallel else ())
    parts = [_parts_with_notes(track, programs) for track in tracks]
    homes: dict[int, Part] = {}
    for part in (p for found in parts for p in found):
        homes.setdefault(part.channel, part)
    for track, found in zip(tracks, parts, strict=True):
        _place(track.controls, 5, programs, found, homes)
        _place(track.bends, 4, programs, found, homes)
    music = [t for track, found in zip(tracks, parts, strict=True) for t in _as_tracks(track, found, homes)]
    metas = [meta for track in tracks for meta in track.metas]
    score = Score(
        tpq,
        tuple(music),
        tuple(Tempo(tick, int.from_bytes(b[:3], "big")) for tick, b in _last_at_each_tick(metas, TEMPO)),
        tuple(TimeSignature(tick, b[0], 1 << b[1]) for tick, b in _last_at_each_tick(metas, TIME_SIGNATURE)),
        tuple(
            KeySignature(tick, (b[0] + 128) % 256 - 128, b[1] == 1)
            for tick, b in _last_at_each_tick(metas, KEY_SIGNATURE)
        ),
        _texts(metas, MARKER),
    )
    return score, _oddities(score, parts)


def decode_text(data: bytes) -> str:
    """Text of a file that does not name its encoding: UTF-8 where it is that, else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def known_programs(rows: Rows, programs: Programs) -> Rows:
    """The same rows (channel, program, tick, ...) with every UNKNOWN program looked up at the row's tick."""
    unknown = np.flatnonzero(rows[:, 1] == UNKNOWN)
    if not len(unknown):
        return rows
    rows = rows.copy()
    rows[unknown, 1] = [programs.at(int(row[0]), int(row[2])) for row in rows[unknown]]
    return rows


def note_rows(track: Events, programs: Programs) -> Rows:
    """The notes of a track as rows of (channel, program, onset, duration, pitch, velocity), programs known."""
    return known_programs(np.array(track.notes, np.int64).reshape(-1, 6), programs)


def _parts_with_notes(track: Events, programs: Programs) -> list[Part]:
    """The parts of one track that have notes, by channel, then program."""
    rows = note_rows(track, programs)
    keys = rows[:, 0] * 256 + rows[:, 1]
    return [Part(int(key) // 256, int(key) % 256, rows[keys == key, 2:]) for key in np.unique(keys)]


def _place(flat: Sequence[int], width: int, programs: Programs, parts: list[Part], homes: dict[int, Part]) -> None:
    """Give the controls (width 5) or bends (width 4) of one track to its `parts`, or to the channel's home."""
    rows = known_programs(np.array(flat, np.int64).reshape(-1, width), programs)
    keys = rows[:, 0] * 256 + rows[:, 1]
    for key in np.unique(keys):
        channel, program = divmod(int(key), 256)
        mine = rows[keys == key, 2:]
        noted = sorted((p for p in parts if p.channel == channel and len(p.notes)), key=_first_onset)
        exact = [p for p in noted if p.program == program]
        if exact or not noted:
            _give(exact[0] if exact else _home(channel, program, parts, homes), mine, width)
            continue
        chosen = np.searchsorted([_first_onset(p) for p in noted[:-1]], mine[:, 0])
        for i, part in enumerate(noted):
            _give(part, mine[chosen == i], width)


def _home(channel: int, program: int, parts: list[Part], homes: dict[int, Part]) -> Part:
    """The part that plays `channel` in another track; else a part without notes, made where there is none yet."""
    if channel in homes:
        return homes[channel]
    silent = [p for p in parts if p.channel == channel]
    if not silent:
        silent.append(Part(channel, program, np.zeros((0, 4), np.int64)))
        parts += silent
    return silent[0]


def _first_onset(part: Part) -> int:
    return int(part.notes[:, 0].min())


def _give(part: Part, rows: Rows, width: int) -> None:
    if len(rows):
        (part.controls if width == 5 else part.bends).append(rows)


def _as_tracks(track: Events, parts: list[Part], homes: dict[int, Part]) -> list[Track]:
    """The parts of one MIDI track as `Track`s; lyrics go with the first.

    A track without any part is kept if it has lyrics, or a name and a program on a channel that nobody plays.
    """
    names = [data for _, kind, data in track.metas if kind == NAME]
    name = decode_text(names[0]) if names else ""
    lyrics = _texts(track.metas, LYRIC)
    if not parts:
        idle = [(channel, program) for _, channel, program in track.programs if channel not in homes]
        if not lyrics and not (name and idle):
            return []
        channel, program = idle[0] if idle else (0, 0)
        return [Track(name, program, channel == DRUM_CHANNEL, lyrics=lyrics)]
    return [
        Track(
            name,
            part.program,
            part.channel == DRUM_CHANNEL,
            _structured(part.notes, NOTE, order=(2, 0)),
            _structured(_stacked(part.controls, 3), CONTROL, order=(0,)),
            _structured(_stacked(part.bends, 2), BEND, order=(0,)),
            lyrics if i == 0 else (),
        )
        for i, part in enumerate(parts)
    ]


def _stacked(blocks: list[Rows], width: int) -> Rows:
    return np.concatenate([np.zeros((0, width), np.int64), *blocks])


def _structured(rows: Rows, kind: np.dtype[np.void], order: tuple[int, ...]) -> NDArray[np.void]:
    """Rows as a structured array of `kind`, stably ordered by the columns `order`, the last one first."""
    rows = rows[np.lexsort([rows[:, column] for column in order])]
    out = np.zeros(len(rows), kind)
    for column, name in enumerate(kind.names or ()):
        out[name] = rows[:, column]
    return out


def _texts(metas: Sequence[tuple[int, int, bytes]], kind: int) -> tuple[tuple[int, str], ...]:
    found = [(tick, decode_text(data)) for tick, meta, data in metas if meta == kind]
    return tuple(sorted(found, key=lambda text: text[0]))


def _last_at_each_tick(metas: Sequence[tuple[int, int, bytes]], kind: int) -> list[tuple[int, bytes]]:
    """The meta events of one kind by tick; of several at one tick the last, as a player would end up with it."""
    return sorted({tick: data for tick, meta, data in metas if meta == kind}.items())


def _oddities(score: Score, parts: list[list[Part]]) -> list[str]:
    """Warnings about tempos that no one plays, and about tracks that fall into very many parts."""
    warnings = []
    for tempo in score.tempos:
        bpm = 60_000_000 / tempo.microseconds
        if not SLOWEST_BPM <= bpm <= FASTEST_BPM:
            warnings.append(f"odd-tempo: {bpm:.6g} bpm at tick {tempo.tick}")
    for number, found in enumerate(parts, 1):
        if len(found) > PARTS_WORTH_A_WARNING:
            warnings.append(f"many-parts: track {number} holds {len(found)} parts (channel and program)")
    return warnings
