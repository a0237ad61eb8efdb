"""Written ABC music as measures: pitches from staff steps, keys and accidentals; times from lengths and tuplets."""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from m4mcli.errors import M4mError
from m4mcli.score.abc_fields import Key, Metre, VoiceInfo, parse_key, parse_metre, parse_tempo, parse_unit, parse_voice
from m4mcli.score.abc_items import (
    BarRest,
    Broken,
    Dynamic,
    Ending,
    Field,
    Head,
    Item,
    Left,
    Line,
    Overlay,
    Sound,
    Symbol,
    Tie,
    Tuplet,
)
from m4mcli.score.container import MAX_NOTES

SCALE = (0, 2, 4, 5, 7, 9, 11)
LOUD = 80
"""The velocity until a dynamic tells another."""

SYLLABLE = re.compile(r"\||\*|_|(?:\\-|[^\s|*_-])+-?|-")
IN_THE_TIME_OF = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""What a tuplet without its second number is; of 5, 7 and 9 the metre decides."""


class Played(NamedTuple):
    """A written note in quarters from the beginning of its measure; `tie`: it goes on in the next of its pitch."""

    onset: Fraction
    duration: Fraction
    pitch: int
    velocity: int
    tie: bool
    overlay: int


@dataclass
class Measure:
    """What stands between two bar lines, in quarters.

    `opens`: a repeated section begins here; `repeats`: how often it is played again from its end; `rounds`: the
    ending that begins here, `double`: a double bar line ends it; `part` is the part that it belongs to.
    """

    metre: Metre | None
    key: Key
    part: str = ""
    length: Fraction = Fraction(0)
    notes: list[Played] = field(default_factory=list)
    tempos: list[tuple[Fraction, int]] = field(default_factory=list)
    symbols: list[tuple[Fraction, str]] = field(default_factory=list)
    words: list[tuple[Fraction, str]] = field(default_factory=list)
    opens: bool = False
    repeats: int = 0
    rounds: tuple[int, ...] = ()
    double: bool = False


@dataclass
class Voice:
    """One voice while it is read; `reached` quarters of it are written so far."""

    metre: Metre | None
    key: Key
    unit: Fraction
    info: VoiceInfo = field(default_factory=VoiceInfo)
    measures: list[Measure] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    part: str = ""
    velocity: int = LOUD
    sung: list[tuple[Measure, Fraction]] = field(default_factory=list)
    reached: Fraction = Fraction(0)
    _now: Measure | None = None
    _at: Fraction = Fraction(0)
    _overlay: int = 0
    _accidentals: dict[int, int] = field(default_factory=dict)
    _heads: dict[int, int] = field(default_factory=dict)
    _tied: dict[int, dict[int, int]] = field(default_factory=dict)
    _tuplet: tuple[Fraction, int] = (Fraction(1), 0)
    _next: Fraction = Fraction(1)
    _last: tuple[int, Fraction] | None = None
    _opens: bool = False
    _rounds: tuple[int, ...] = ()
    _count: int = 0

    def take(self, item: Item) -> None:
        """One more item of this voice. Raises M4mError for more notes than m4m reads."""
        match item:
            case Sound():
                self._sound(item)
            case Line():
                self._line(item)
            case BarRest():
                self._rest(item.bars)
            case Ending():
                self._close()
                self._rounds = item.rounds
            case Tuplet():
                self._tuplet = self._ratio(item)
            case Broken():
                self._break(item.dots)
            case Tie():
                self._tie()
            case Overlay():
                self._measure()
                self._at, self._overlay, self._last = Fraction(0), self._overlay + 1, None
            case Symbol():
                self._measure().symbols.append((self._at, item.text))
            case Dynamic():
                self.velocity = item.velocity
            case Field():
                self.change(item.letter, item.value)
            case Left():
                self.left[item.what] = self.left.get(item.what, 0) + 1

    def change(self, letter: str, value: str) -> None:
        """What a field says from here on: key, metre, unit length, tempo, part."""
        if letter == "K":
            self.key = parse_key(value, self.key)
            self.info = parse_voice(value, self.info)
        elif letter == "M":
            self.metre = parse_metre(value, self.metre)
        elif letter == "L":
            self.unit = parse_unit(value) or self.unit
        elif letter == "P":
            self._close()
            self.part = value[:1]
        elif letter == "Q" and (tempo := parse_tempo(value, self.unit)) is not None:
            self._measure().tempos.append((self._at, tempo))
        if self._now is not None and not self._now.length:
            self._now.metre, self._now.key, self._now.part = self.metre, self.key, self.part

    def end(self) -> None:
        """The voice is over."""
        self._close()

    def _measure(self) -> Measure:
        if self._now is None:
            self._now = Measure(self.metre, self.key, self.part)
        return self._now

    def _reach(self, measure: Measure) -> None:
        """The measure lasts to where the voice now is."""
        if not measure.length:
            measure.opens, measure.rounds = self._opens, self._rounds
            self._opens, self._rounds = False, ()
            self.measures.append(measure)
        before, measure.length = measure.length, max(measure.length, self._at)
        self.reached += measure.length - before

    def _close(self) -> None:
        # A chord symbol or a tempo alone makes no measure: it goes with the next.
        if self._now is not None and self._now.length:
            self._now = None
            self._at, self._overlay, self._accidentals = Fraction(0), 0, {}

    def _line(self, line: Line) -> None:
        self._close()
        if self.measures:
            last = self.measures[-1]
            last.repeats = max(last.repeats, line.repeats)
            last.double |= line.double
        self._opens |= line.opens

    def _rest(self, bars: int) -> None:
        whole = (self.metre or Metre(4, 4)).quarters
        for number in range(bars):
            if number:
                self._close()
            measure = self._measure()
            self._at += whole
            self._reach(measure)
        self._last = None

    def _sound(self, sound: Sound) -> None:
        measure = self._measure()
        factor, left = self._tuplet
        if left:
            self._tuplet = (factor if left > 1 else Fraction(1), left - 1)
        factor *= self._next * self.unit
        self._next = Fraction(1)
        self._last = (len(measure.notes), self._at)
        pitches = [self._pitch(head) for head in sound.heads]
        for head, pitch in zip(sound.heads, pitches, strict=True):
            if 0 <= pitch <= 127:
                duration = head.length * factor
                measure.notes.append(Played(self._at, duration, pitch, self.velocity, head.tie, self._overlay))
        steps = [(head.step, pitch, head.tie) for head, pitch in zip(sound.heads, pitches, strict=True)]
        self._heads = {step: pitch for step, pitch, _ in steps}
        self._tied[self._overlay] = {step: pitch for step, pitch, tie in steps if tie}
        if sound.heads and not self._overlay:
            self.sung.append((measure, self._at))
        self._at += sound.length * factor
        self._reach(measure)
        self._count += len(sound.heads)
        if self._count > MAX_NOTES or len(self.measures) > MAX_NOTES:
            raise M4mError(f"more than the {MAX_NOTES} notes that m4m reads", "split it first")

    def _pitch(self, head: Head) -> int:
        """The MIDI pitch of a note; an accidental holds for its letter in all octaves to the end of the bar."""
        letter = head.step % 7
        if head.accidental is not None:
            self._accidentals[letter] = head.accidental
        elif head.step in (tied := self._tied.get(self._overlay, {})):
            return tied[head.step]
        alteration = self._accidentals.get(letter, self.key.alterations[letter])
        return SCALE[letter] + 12 * (head.step // 7) + alteration + self.info.shift

    def _tie(self) -> None:
        """The sound before goes on in the next."""
        if self.measures and self._last is not None:
            notes = self.measures[-1].notes
            for i in range(self._last[0], len(notes)):
                notes[i] = notes[i]._replace(tie=True)
            self._tied[self._overlay] = self._heads

    def _break(self, dots: int) -> None:
        """Lengthen the sound before and shorten the next, or the other way round."""
        if self._last is None or self._now is None or abs(dots) > 3:
            return
        short = Fraction(1, 2 ** abs(dots))
        before, self._next = (2 - short, short) if dots > 0 else (short, 2 - short)
        first, onset = self._last
        notes = self._now.notes
        for i in range(first, len(notes)):
            notes[i] = notes[i]._replace(duration=notes[i].duration * before)
        end = onset + (self._at - onset) * before
        if self._now.length == self._at:
            self._now.length = end
        self._at = end

    def _ratio(self, tuplet: Tuplet) -> tuple[Fraction, int]:
        """The factor of a tuplet's lengths, and how many sounds it has."""
        p = tuplet.p or 1
        q = tuplet.q or IN_THE_TIME_OF.get(p) or (3 if self.metre is not None and self.metre.compound else 2)
        return Fraction(q, p), tuplet.r or p

    def begin_line(self) -> None:
        """A line of music begins: words that follow it are for its own sounds."""
        self.sung = []

    def sing(self, text: str) -> None:
        """Lay a line of words (`w:`) under the last line's sounds; further lines are other verses and left out."""
        at = 0
        for sign in SYLLABLE.findall(text):
            if at >= len(self.sung):
                break
            measure, onset = self.sung[at]
            if sign == "|":
                while at < len(self.sung) and at and self.sung[at][0] is self.sung[at - 1][0]:
                    at += 1
                continue
            if sign not in ("*", "_", "-"):
                measure.words.append((onset, sign.replace("\\-", "-").replace("~", " ")))
            at += 1
        self.sung = []
