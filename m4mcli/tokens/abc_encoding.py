"""From music to the ids of the scheme `abc`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from m4mcli.score.abc_fields import Key, parse_key
from m4mcli.score.container import counted
from m4mcli.score.score import Score, Track
from m4mcli.tokens.abc_grid import Bars, bars_of, on_grid
from m4mcli.tokens.abc_layers import bar_pieces, divided, layers
from m4mcli.tokens.abc_spelling import Accidentals, Piece, spelt, written
from m4mcli.tokens.abc_symbols import Symbols, symbols_of
from m4mcli.tokens.abc_vocabulary import BPM, KEYS, METRES, MOST_VOICES, VOCABULARY, length_id
from m4mcli.tokens.losses import without_tokens
from m4mcli.tokens.scheme import Tokens, TokenTrack

V = VOCABULARY
MICROSECONDS = 60_000_000
C_MAJOR = 7


@dataclass(frozen=True)
class Heads:
    """What is told beside notes: by bar the metre and the key that begin there, by unit the tempo; by bar the key."""

    metres: dict[int, int]
    keys: dict[int, int]
    tempos: dict[int, int]
    sounding: tuple[int, ...]
    metre_lengths: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """A voice: its track, and the pieces of its lines in each bar."""

    track: Track
    lines: list[list[list[Piece]]] = field(default_factory=list)


def encode(score: Score) -> tuple[Tokens, tuple[str, ...]]:
    """The tokens of a piece, and warnings: what was moved, what was left out."""
    bars = bars_of(score)
    symbols, tracks = symbols_of(score, bars)
    tracks = [track for track in tracks if len(track.notes)]
    parts, moved = [], 0
    for track in tracks[:MOST_VOICES]:
        start, stop, wrong = on_grid(bars, track.notes["onset"], track.notes["duration"], score.tpq)
        moved += wrong
        notes = zip(start.tolist(), stop.tolist(), track.notes["pitch"].tolist(), strict=True)
        edges = bars.edges.tolist()
        parts.append(Part(track, [bar_pieces(line, edges) for line in layers(notes)]))
    heads, lost = _heads(score, bars)
    ids, places = [*_header(heads, parts)], []
    count = len(bars.edges) - 1 if parts else 0
    for bar in range(count):
        places.append(len(ids))
        ids += _row(bar, bars, parts, heads, symbols)
    ids.append(V.id_of("STOP"))
    told = tuple(TokenTrack(p.track.name, p.track.program, p.track.is_drum) for p in parts)
    tokens = Tokens("abc", np.array(ids, np.int64), score.tpq, told, bars=np.array(places, np.int64))
    return tokens, (*_warnings(score, moved, tracks[MOST_VOICES:]), *lost, *symbols.warnings, *_without(score, symbols))


def _warnings(score: Score, moved: int, left: Sequence[Track]) -> Iterator[str]:
    if moved:
        yield f"off-grid: {moved} of {counted(score.note_count, 'note')} moved to 32nds or triplets"
    if left:
        yield f"too-many-tracks: {counted(len(left), 'track')} left out"


def _without(score: Score, symbols: Symbols) -> tuple[str, ...]:
    if symbols.track is None:
        return without_tokens(score)
    bare = [replace(t, lyrics=()) if i == symbols.track else t for i, t in enumerate(score.tracks)]
    return without_tokens(replace(score, tracks=tuple(bare)))


def _heads(score: Score, bars: Bars) -> tuple[Heads, tuple[str, ...]]:
    """What the piece tells beside its notes, and a warning about what the scheme cannot tell so."""
    at = {tick: bar for bar, tick in enumerate(bars.ticks)}
    metres, keys, lost = {}, {}, []
    for s in score.time_signatures:
        label = f"{s.numerator}/{s.denominator}"
        if s.tick in at and label in METRES:
            metres[at[s.tick]] = METRES.index(label)
    before = None
    for k in score.key_signatures:
        bar = int(np.searchsorted(bars.ticks, k.tick))
        place = 2 * (k.fifths + 7) + k.minor
        if bar < len(bars.ticks) and place != before:
            keys[bar] = place
        before = place
        if bar >= len(bars.ticks) or bars.ticks[bar] != k.tick:
            lost.append("a key")
    tempos, rounded = _tempos(score, bars)
    sounding, now = [], C_MAJOR * 2
    lengths, length = [], 0
    for bar in range(len(bars.ticks)):
        now = keys.get(bar, now)
        sounding.append(now)
        if bar in metres:
            n, d = METRES[metres[bar]].split("/")
            length = 96 * int(n) // int(d)
        lengths.append(length)
    warnings = [f"key-signatures: {counted(len(lost), 'change')} moved to the next bar line"] if lost else []
    if rounded:
        warnings.append(f"tempi: {rounded} of {len(score.tempos)} rounded or moved")
    return Heads(metres, keys, tempos, tuple(sounding), tuple(lengths)), tuple(warnings)


def _tempos(score: Score, bars: Bars) -> tuple[dict[int, int], int]:
    """Beats a minute by unit, and how many are not told exactly."""
    found: dict[int, int] = {}
    rounded = 0
    ticks = np.array([t.tick for t in score.tempos], np.int64)
    exact = ticks * 24 / score.tpq
    units = bars.placed(exact) if len(ticks) else ticks
    for tempo, unit, place in zip(score.tempos, units.tolist(), exact.tolist(), strict=True):
        bpm = min(max(round(MICROSECONDS / tempo.microseconds), BPM.start), BPM.stop - 1)
        rounded += round(MICROSECONDS / bpm) != tempo.microseconds or abs(unit - place) > 1e-6
        if unit < bars.edges[-1]:
            found[unit] = bpm
    before = None
    for unit in sorted(found):
        if found[unit] == before:
            del found[unit]
        else:
            before = found[unit]
    return found, rounded


def _header(heads: Heads, parts: Sequence[Part]) -> Iterator[int]:
    yield V.id_of("START")
    if 0 in heads.metres:
        yield V.start("Metre") + heads.metres[0]
    if 0 in heads.tempos:
        yield V.id_of("Tempo", heads.tempos[0])
    yield V.start("Key") + (heads.keys[0] + 1 if 0 in heads.keys else 0)
    for number, part in enumerate(parts):
        if len(parts) > 1:
            yield V.start("Voice") + number
        if part.track.is_drum:
            yield V.id_of("Drums")
        elif part.track.program:
            yield V.id_of("Program", part.track.program)


def _row(bar: int, bars: Bars, parts: Sequence[Part], heads: Heads, symbols: Symbols) -> Iterator[int]:
    """A bar of all voices."""
    start, stop = int(bars.edges[bar]), int(bars.edges[bar + 1])
    marks = {t - start: [V.id_of("NewTempo", bpm)] for t, bpm in heads.tempos.items() if start <= t < stop and t}
    for unit, ids in symbols.ids.items():
        if start <= unit < stop:
            marks[unit - start] = [*marks.get(unit - start, ()), *ids]
    for number, part in enumerate(parts):
        if len(parts) > 1:
            yield V.start("Turn") + number
        if bar and bar in heads.metres:
            yield V.start("NewMetre") + heads.metres[bar]
        if bar and bar in heads.keys:
            yield V.start("NewKey") + heads.keys[bar]
        lines = [line[bar] for line in part.lines]
        while lines and not lines[-1]:
            lines.pop()
        told = marks if number == 0 else {}
        if not lines and not told and stop - start == heads.metre_lengths[bar]:
            yield V.id_of("BarRest")
        else:
            silence = [Piece(0, stop - start, ())]
            yield from _voice_bar([line or silence for line in lines or [[]]], told, heads.sounding[bar])
        yield V.id_of("Bar")
    yield V.id_of("Row")


def _voice_bar(lines: list[list[Piece]], marks: dict[int, list[int]], key: int) -> Iterator[int]:
    fifths, minor = key // 2 - 7, key % 2 == 1
    accidentals = Accidentals(parse_key(KEYS[key], Key()))
    for number, line in enumerate(lines):
        pieces, told = line, dict[int, list[int]]()
        if number:
            yield V.id_of("Overlay")
            accidentals.next_line()
        elif marks:
            pieces, moved = divided(line, marks)
            for place in sorted(marks):
                told[moved[place]] = _together(told.get(moved[place], []), marks[place])
        for one in written(pieces):
            yield from told.pop(one.begin, ())
            if one.tuplet:
                yield V.start("Tuplet") + one.tuplet - 1
            yield from _sound(one.pitches, accidentals, fifths, minor)
            if (length := length_id(one.halves)) is not None:
                yield length
            if one.tie:
                yield V.id_of("Tie")


def _together(before: list[int], more: list[int]) -> list[int]:
    """Marks of two places that have become one: the later tempo and the later symbol."""
    tempo = V.span("NewTempo")

    def parts(ids: list[int]) -> tuple[list[int], list[int]]:
        first = [i for i in ids if tempo.start <= i < tempo.stop]
        return first, [i for i in ids if i not in first]

    one, other = parts(before), parts(more)
    return [*(other[0] or one[0]), *(other[1] or one[1])]


def _sound(pitches: tuple[int, ...], accidentals: Accidentals, fifths: int, minor: bool) -> Iterator[int]:
    if not pitches:
        yield V.id_of("Rest")
    if len(pitches) > 1:
        yield V.id_of("Open")
    for pitch in pitches:
        step, alteration = spelt(pitch, fifths, minor)
        if accidentals.needed(step, alteration):
            yield V.start("Accidental") + 2 - alteration
        yield V.start("Note") + step - 1
    if len(pitches) > 1:
        yield V.id_of("Close")
