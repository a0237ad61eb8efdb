"""Where two pieces differ as music: notes added, gone, moved, changed; tempi, signatures, tracks.

Times are compared in quarters, so that the same music at another resolution is the same. Of two tracks that are
compared, a note of one is first looked for at the same start and pitch in the other; what is left, at the same pitch
at most WINDOW quarters away.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any, NamedTuple

from m4mcli.score.clock import DEFAULT_MICROSECONDS
from m4mcli.score.score import Score, Track

WINDOW = 1.0
NEAREST = 4
"""How many notes on each side are looked at for one that was moved."""


class Note(NamedTuple):
    """One note: times in ticks, pitch 0-127, velocity 1-127."""

    onset: int
    duration: int
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Pair:
    """A note of the first piece and what became of it in the second; each in its own piece's ticks."""

    before: Note
    after: Note


@dataclass(frozen=True)
class TrackDifference:
    """One track of both pieces, by index from 0 (None: there is none); what its notes and properties became.

    `properties` holds (what, before, after) of name and instrument; `others` (what, how many before, after) of
    controllers, bends and lyrics that differ.
    """

    first: int | None
    second: int | None
    added: tuple[Note, ...] = ()
    gone: tuple[Note, ...] = ()
    moved: tuple[Pair, ...] = ()
    changed: tuple[Pair, ...] = ()
    properties: tuple[tuple[str, Any, Any], ...] = ()
    others: tuple[tuple[str, int, int], ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        found = (self.added, self.gone, self.moved, self.changed, self.properties, self.others)
        return None not in (self.first, self.second) and not any(found)


@dataclass(frozen=True)
class Turn:
    """From a tick on (of the first piece's resolution) the pieces have another tempo, metre, key or marker."""

    what: str
    tick: int
    before: Any
    after: Any


@dataclass(frozen=True)
class Difference:
    """All differences of two pieces."""

    turns: tuple[Turn, ...]
    tracks: tuple[TrackDifference, ...]

    @property
    def same(self) -> bool:
        """Whether the pieces are the same music."""
        return not self.turns and all(track.same for track in self.tracks)


def difference(first: Score, second: Score, tolerance: float = 0.0) -> Difference:
    """Where two pieces differ. Times that differ by at most `tolerance` quarters count as the same."""
    whole = lcm(first.tpq, second.tpq)
    scales = whole // first.tpq, whole // second.tpq
    tracks = []
    for i, j in _track_pairs(first, second, scales):
        if i is None or j is None:
            track = first.tracks[i] if i is not None else second.tracks[j or 0]
            notes = tuple(Note(*row) for row in track.notes.tolist())
            tracks.append(TrackDifference(i, j, gone=() if i is None else notes, added=() if j is None else notes))
        else:
            pair = first.tracks[i], second.tracks[j]
            tracks.append(TrackDifference(i, j, *_notes(*pair, scales, whole, tolerance), *_rest(*pair, scales)))
    return Difference(tuple(_turns(first, second, scales)), tuple(tracks))


def _track_pairs(first: Score, second: Score, scales: tuple[int, int]) -> list[tuple[int | None, int | None]]:
    """Tracks that belong together, alike in notes, name, instrument and place, drums with drums; then those alone."""
    counts = [
        [Counter(((t.notes["onset"] * scale) * 128 + t.notes["pitch"]).tolist()) for t in score.tracks]
        for score, scale in ((first, scales[0]), (second, scales[1]))
    ]
    rated = []
    for i, one in enumerate(first.tracks):
        for j, other in enumerate(second.tracks):
            shared = (counts[0][i] & counts[1][j]).total()
            share = shared / max(len(one.notes), len(other.notes), 1)
            named = bool(one.name) and one.name == other.name
            alike = one.program == other.program or one.is_drum
            if one.is_drum == other.is_drum and (share or named or (alike and i == j)):
                rated.append((-(2 * share + 0.8 * named + 0.3 * alike + 0.1 * (i == j)), abs(i - j), i, j))
    found: list[tuple[int | None, int | None]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for *_, i, j in sorted(rated):
        if i not in taken[0] and j not in taken[1]:
            found.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    found.sort(key=lambda pair: pair[0] or 0)
    found += [(i, None) for i in range(len(first.tracks)) if i not in taken[0]]
    return found + [(None, j) for j in range(len(second.tracks)) if j not in taken[1]]


def _notes(
    one: Track, other: Track, scales: tuple[int, int], whole: int, tolerance: float
) -> tuple[tuple[Note, ...], tuple[Note, ...], tuple[Pair, ...], tuple[Pair, ...]]:
    """Notes added, gone, moved and changed."""
    before = [Note(*row) for row in one.notes.tolist()]
    after = [Note(*row) for row in other.notes.tolist()]
    there: dict[tuple[int, int], list[Note]] = defaultdict(list)
    for note in after:
        there[note.onset * scales[1], note.pitch].append(note)
    pairs, left = [], []
    for note in before:
        found = there.get((note.onset * scales[0], note.pitch))
        if not found:
            left.append(note)
            continue
        wanted = note.duration * scales[0], note.velocity
        exact = next((i for i, n in enumerate(found) if (n.duration * scales[1], n.velocity) == wanted), 0)
        pairs.append(Pair(note, found.pop(exact)))
    unmatched = [note for found in there.values() for note in found]
    moved = list(_moved(left, unmatched, scales, whole * WINDOW))
    slack = tolerance * whole
    kept = [p for p in moved if abs(p.after.onset * scales[1] - p.before.onset * scales[0]) > slack]
    near = [p for p in moved if abs(p.after.onset * scales[1] - p.before.onset * scales[0]) <= slack]
    changed = [
        p
        for p in pairs + near
        if p.before.velocity != p.after.velocity
        or abs(p.before.duration * scales[0] - p.after.duration * scales[1]) > slack
    ]
    gone = Counter(left) - Counter(p.before for p in moved)
    added = Counter(unmatched) - Counter(p.after for p in moved)
    return (
        tuple(sorted(added.elements())),
        tuple(sorted(gone.elements())),
        tuple(sorted(kept, key=lambda p: p.before)),
        tuple(sorted(changed, key=lambda p: p.before)),
    )


def _moved(before: Sequence[Note], after: Sequence[Note], scales: tuple[int, int], window: float) -> Iterator[Pair]:
    """Notes of one pitch that are near each other, the nearest first."""
    by_pitch: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for i, note in enumerate(after):
        by_pitch[note.pitch].append((note.onset * scales[1], i))
    for row in by_pitch.values():
        row.sort()
    rated = []
    for i, note in enumerate(before):
        row, here = by_pitch.get(note.pitch, []), note.onset * scales[0]
        place = bisect_left(row, (here, 0))
        for onset, j in row[max(0, place - NEAREST) : place + NEAREST]:
            if abs(onset - here) <= window:
                rated.append((abs(onset - here), i, j))
    taken: tuple[set[int], set[int]] = (set(), set())
    for _, i, j in sorted(rated):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            yield Pair(before[i], after[j])


def _rest(
    one: Track, other: Track, scales: tuple[int, int]
) -> tuple[tuple[tuple[str, Any, Any], ...], tuple[tuple[str, int, int], ...]]:
    """What differs in two tracks beside their notes."""
    values = (("name", one.name, other.name), ("program", one.program, other.program))
    sides = list(zip((one, other), scales, strict=True))
    events: dict[str, list[list[Any]]] = {
        "controllers": [[(r[0] * s, *r[1:]) for r in t.controls.tolist()] for t, s in sides],
        "bends": [[(r[0] * s, *r[1:]) for r in t.bends.tolist()] for t, s in sides],
        "lyrics": [[(tick * s, text) for tick, text in t.lyrics] for t, s in sides],
    }
    differing = [
        (what, (Counter(a) - Counter(b)).total(), (Counter(b) - Counter(a)).total()) for what, (a, b) in events.items()
    ]
    return tuple(v for v in values if v[1] != v[2]), tuple(d for d in differing if d[1] or d[2])


def _turns(first: Score, second: Score, scales: tuple[int, int]) -> Iterator[Turn]:
    """Where tempo, metre or key begin to differ, or differ in another way; and markers that only one has."""
    pairs = list(zip((first, second), scales, strict=True))
    kinds: tuple[tuple[str, Any, list[dict[int, Any]]], ...] = (
        ("tempo", DEFAULT_MICROSECONDS, [{t.tick * s: t.microseconds for t in p.tempos} for p, s in pairs]),
        (
            "time signature",
            (4, 4),
            [{t.tick * s: (t.numerator, t.denominator) for t in p.time_signatures} for p, s in pairs],
        ),
        ("key signature", None, [{t.tick * s: (t.fifths, t.minor) for t in p.key_signatures} for p, s in pairs]),
    )
    for what, default, courses in kinds:
        now: list[Any] = [default, default]
        told: tuple[Any, Any] | None = None
        for tick in sorted({0, *courses[0], *courses[1]}):
            now = [course.get(tick, value) for course, value in zip(courses, now, strict=True)]
            if now[0] != now[1] and (now[0], now[1]) != told:
                yield Turn(what, tick // scales[0], now[0], now[1])
            told = (now[0], now[1])
    one, other = (Counter((tick * s, text) for tick, text in p.markers) for p, s in pairs)
    for tick, text in sorted((one - other).elements()):
        yield Turn("marker", tick // scales[0], text, None)
    for tick, text in sorted((other - one).elements()):
        yield Turn("marker", tick // scales[0], None, text)
