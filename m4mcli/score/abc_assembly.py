"""Voices of an ABC tune as one `Score`: repeats written out, ties joined, bars and chord symbols laid down."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm

from m4mcli.errors import M4mError
from m4mcli.score.abc_chords import chord_track
from m4mcli.score.abc_fields import Key, Metre
from m4mcli.score.abc_measures import Measure, Played, Voice
from m4mcli.score.abc_repeats import playing_order
from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, MAX_TPQ, counted
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array

TPQ = 480
DENOMINATORS = (4, 8, 2, 16, 1, 32, 64)


@dataclass
class Line:
    """A voice as it is played, times in quarters from the beginning."""

    voice: Voice
    notes: list[list[Fraction | int]] = field(default_factory=list)
    measures: list[tuple[Fraction, Measure]] = field(default_factory=list)
    end: Fraction = Fraction(0)


def assembled(
    voices: Sequence[Voice], parts: str = "", title: str = "", tpq: int | None = None
) -> tuple[Score, tuple[str, ...]]:
    """The piece that the voices are, and warnings about what is left out. Raises M4mError beyond what m4m reads.

    `tpq`: ticks to the quarter; else so many that all times are whole, as far as MIDI has them.
    """
    lines = [_played(voice, parts) for voice in voices]
    if sum(len(line.notes) for line in lines) > MAX_NOTES:
        raise M4mError(f"more than the {MAX_NOTES} notes that m4m reads", "split it first")
    if max(line.end for line in lines) > MAX_QUARTERS:
        raise M4mError(f"longer than the {MAX_QUARTERS} quarter notes that m4m reads", "split it first")
    tpq = tpq or _resolution(lines)
    leader = max(lines, key=lambda line: line.end)
    tracks = [_track(line, tpq, title if len(lines) == 1 else "") for line in lines]
    symbols = sorted((start + at, text) for line in lines for start, m in line.measures for at, text in m.symbols)
    spans = [(_tick(at, tpq), text) for at, text in dict(symbols).items()]
    chords, unread = chord_track(spans, _tick(leader.end, tpq))
    score = Score(
        tpq,
        (*tracks, *chords),
        tuple(Tempo(tick, value) for tick, value in sorted(_tempos(lines, tpq).items())),
        _time_signatures(leader, tpq),
        _key_signatures(lines[0], tpq),
    )
    left = Counter[str]()
    for voice in voices:
        left.update(voice.left)
    warnings = [f"{what.replace(' ', '-')}: {n} left out" for what, n in left.items()]
    if unread:
        warnings.append(f"chord-symbols: {counted(len(unread), 'symbol')} not understood, such as {unread[0][:20]!r}")
    return score, tuple(warnings)


def _played(voice: Voice, parts: str) -> Line:
    """The voice with its repeats written out and its ties joined."""
    line = Line(voice)
    open_ties: list[tuple[int, Fraction, int, int]] = []
    for place in playing_order(voice.measures, parts):
        measure = voice.measures[place]
        line.measures.append((line.end, measure))
        for note in measure.notes:
            _add(line, note, open_ties)
        line.end += measure.length
        open_ties = [tie for tie in open_ties if tie[1] >= line.end]
    return line


def _add(line: Line, note: Played, ties: list[tuple[int, Fraction, int, int]]) -> None:
    """One more note, or more of a note that is tied; `ties` are (pitch, end, line of the measure, place)."""
    onset = line.end + note.onset
    fitting = [tie for tie in ties if tie[:3] == (note.pitch, onset, note.overlay)]
    end = onset + note.duration
    if fitting:
        ties.remove(fitting[0])
        place = fitting[0][3]
        line.notes[place][1] += note.duration
    else:
        place = len(line.notes)
        line.notes.append([onset, note.duration, note.pitch, note.velocity])
    if note.tie:
        ties.append((note.pitch, end, note.overlay, place))


def _resolution(lines: Sequence[Line]) -> int:
    """Ticks to the quarter with which all times are whole, as far as MIDI has them."""
    tpq = TPQ
    for line in lines:
        times = {t.denominator for note in line.notes for t in note[:2] if isinstance(t, Fraction)}
        for denominator in times | {start.denominator for start, _ in line.measures}:
            if (finer := lcm(tpq, denominator)) <= MAX_TPQ:
                tpq = finer
    return tpq


def _tick(quarters: Fraction | int, tpq: int) -> int:
    return round(quarters * tpq)


def _track(line: Line, tpq: int, title: str) -> Track:
    info = line.voice.info
    rows = []
    for onset, duration, pitch, velocity in line.notes:
        start = _tick(onset, tpq)
        rows.append((start, max(_tick(onset + duration, tpq) - start, 1), int(pitch), int(velocity)))
    words = sorted((_tick(start + at, tpq), text) for start, m in line.measures for at, text in m.words)
    return Track(info.name or title, info.program, info.is_drum, notes_array(rows), lyrics=tuple(words))


def _tempos(lines: Iterable[Line], tpq: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for line in lines:
        now = None
        for start, measure in line.measures:
            for at, value in measure.tempos:
                if value != now:
                    found.setdefault(_tick(start + at, tpq), value)
                now = value
    return found


def _key_signatures(line: Line, tpq: int) -> tuple[KeySignature, ...]:
    found: list[KeySignature] = []
    before = Key()
    for start, measure in line.measures:
        key = measure.key
        if key.fifths is not None and (key.fifths, key.minor) != (before.fifths, before.minor):
            found.append(KeySignature(_tick(start, tpq), key.fifths, key.minor))
        before = key
    return tuple(found)


def _time_signatures(line: Line, tpq: int) -> tuple[TimeSignature, ...]:
    """The metres, and one for each bar that is shorter or longer than its metre, such as a pickup.

    Two short measures with a repeat between them are one bar where they make one together. The last may be short.
    """
    found: list[TimeSignature] = []
    told: Metre | None = None
    at = 0
    measures = line.measures
    while at < len(measures):
        start, measure = measures[at]
        length, metre = measure.length, measure.metre
        at += 1
        if metre is None:
            told = None
            continue
        if at < len(measures) and length < metre.quarters and at > 1:
            _, following = measures[at]
            divided = measure.repeats or measure.double or following.opens
            if divided and following.metre == metre and length + following.length == metre.quarters:
                length += following.length
                at += 1
        if length != metre.quarters and not (at == len(measures) and length < metre.quarters):
            metre = _metre_of(length, metre)
        if metre is not None and metre != told:
            found.append(TimeSignature(_tick(start, tpq), metre.numerator, metre.denominator))
        told = metre
    return tuple(found)


def _metre_of(length: Fraction, metre: Metre) -> Metre | None:
    """The metre of a bar that lasts so long, in the beats of its own if they fit; None where none fits."""
    for denominator in (metre.denominator, *DENOMINATORS):
        beats = length * denominator / 4
        if beats.denominator == 1 and 1 <= beats <= 255:
            return Metre(int(beats), denominator)
    return None
