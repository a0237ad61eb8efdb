"""Chords as a musician writes them down, `Dm7 | G7 | Cmaj7 / A7b9 |`, as a chord track: of an empty piece, or on a
piece's own bars."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.frames import frame_of
from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.placement import frame_ticks, has_pickup, placed
from m4mcli.tasks.voicing import Register, chord_rows
from m4mcli.tasks.written_chords import WrittenBar, fixed_ticks, parse_progression
from m4mcli.theory.chords import Chord

TPQ = 480
TEMPO = 120.0
REGISTER = Register(40, 52)
"""Where written chords lie: basses from E2, the tones above them from E3, out of the way of a melody."""

TRACK_NAME = "Chords"
"""What the track is called; `m4m harmonize` calls its own so."""


@dataclass(frozen=True)
class ChordSheet:
    """A written progression, repeated to fill `length_bars` (None: as written).

    `quarters_per_minute`, `time` (numerator, denominator) and `key` (tonic, minor) are those of the piece that is made
    of it alone; None: 120, 4/4, no key signature. Raises M4mError (status 2) for what cannot be read.
    """

    chords: str
    length_bars: int | None = None
    quarters_per_minute: float | None = None
    time: tuple[int, int] | None = None
    key: tuple[int, bool] | None = None

    def __post_init__(self) -> None:
        self.written()

    def written(self) -> tuple[WrittenBar, ...]:
        """The bars, as many as are wanted; in each of them a dot is the chord before, going on."""
        once = [bar if bar.shares else replace(bar, shares=(None,)) for bar in parse_progression(self.chords)]
        if once[0].shares[0] is None:
            raise M4mError("bar 1 of the chords begins with a chord that goes on", "write a chord, or N.C.", USAGE)
        count = self.length_bars or len(once)
        return tuple(replace(once[i % len(once)], number=i + 1) for i in range(count))

    def score(self) -> Score:
        """The chords as a piece of their own."""
        numerator, denominator = self.time or (4, 4)
        microseconds = round(60_000_000 / (self.quarters_per_minute or TEMPO))
        empty = Score(
            TPQ,
            tempos=(Tempo(0, microseconds),),
            time_signatures=(TimeSignature(0, numerator, denominator),),
            key_signatures=() if self.key is None else (KeySignature(0, signature_fifths(*self.key), self.key[1]),),
        )
        return empty.with_track(self.track(empty))

    def track(self, score: Score) -> Track:
        """The chords on the bars of a piece, from its first whole one on, beyond its end if they are longer."""
        written = self.written()
        places = _enough_bars(score, len(written))
        return chord_track(fixed_ticks(written, places, score.tpq), score, places)


def chord_track(spans: Sequence[tuple[int, int, Chord | None]], score: Score, places: Sequence[Bar]) -> Track:
    """Chords (start tick, stop tick, None: silence) in block form, as loud as fits a piece with these bars.

    Raises M4mError where nothing sounds.
    """
    tpq = score.tpq
    rows = chord_rows(
        ((frame_of(a, tpq), frame_of(b, tpq), c.pitch_classes, c.bass) for a, b, c in spans if c), REGISTER, 0
    )
    if not len(rows):
        raise M4mError("the chords are all silence", "write at least one chord", USAGE)
    return placed(
        rows,
        tpq,
        name=TRACK_NAME,
        program=0,
        velocities=lambda onsets: velocities(onsets, places, score),
        ticks=frame_ticks((tick for a, b, _ in spans for tick in (a, b)), tpq),
    )


def _enough_bars(score: Score, count: int) -> tuple[Bar, ...]:
    """The bars of a piece, and more of the last one's kind until so many are there beside a pickup."""
    places = bars(score)
    while (missing := count - len(places) + has_pickup(places, score.tpq)) > 0:
        last = places[-1]
        places = bars(score, round(last.tick + last.length + missing * (last.whole or last.length)))
    return places


def signature_fifths(tonic: int, minor: bool) -> int:
    """Sharps, or as a negative number flats, of a key's signature, from -5 to 6."""
    return (7 * (tonic + 3 * minor) + 5) % 12 - 5


def parse_time(text: str) -> tuple[int, int]:
    """Numerator and denominator of a time signature such as `3/4`. Raises M4mError (status 2)."""
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{1,2})\s*", text)
    numerator, denominator = (int(n) for n in match.groups()) if match else (0, 0)
    if not (numerator and denominator and denominator & (denominator - 1) == 0 and denominator <= 32):
        raise M4mError(f"not a time signature: {text!r}", "write 4/4, 3/4, 6/8, ...", USAGE)
    return numerator, denominator
