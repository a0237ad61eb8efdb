"""Bars and beats of a piece, in ticks, from its time signatures."""

from dataclasses import dataclass

from m4mcli.score.score import Score, TimeSignature

COMPOUND = (6, 9, 12, 15, 18, 21, 24)


@dataclass(frozen=True)
class Bar:
    """One bar: its first tick, its length in ticks, its time signature; `whole` is its length were it not cut short."""

    tick: int
    length: int
    numerator: int
    denominator: int
    whole: float | None = None

    @property
    def beat_length(self) -> float:
        """Ticks from beat to beat: the dotted note in compound metres (6/8, 9/8, 12/8), else the denominator's."""
        unit = (self.whole or self.length) / self.numerator
        return 3 * unit if self.denominator >= 8 and self.numerator in COMPOUND else unit

    def beats(self) -> list[int]:
        """The ticks of this bar's beats, the first being the downbeat."""
        count = max(1, round(self.length / self.beat_length))
        return [self.tick + round(i * self.beat_length) for i in range(count)]


def bars(score: Score, end: int | None = None, pickup: int = 0) -> tuple[Bar, ...]:
    """The bars that cover ticks 0 to `end` (the last note's end unless given), at least one.

    A time signature begins a new bar where it stands, so that a bar before it may be short: that is how a pickup or a
    metre change in mid-piece is written. `pickup` ticks before the first full bar make a short first bar; one that
    reaches to the second time signature or beyond ends there. Without a time signature the metre is 4/4.
    """
    end = score.end if end is None else end
    signatures = list({s.tick: s for s in score.time_signatures}.values()) or [TimeSignature(0, 4, 4)]
    if signatures[0].tick > 0:
        signatures.insert(0, TimeSignature(0, 4, 4))
    found: list[Bar] = []
    for i, s in enumerate(signatures):
        stop = signatures[i + 1].tick if i + 1 < len(signatures) else max(end, s.tick + 1)
        length = score.tpq * 4 * s.numerator / s.denominator
        tick, count = float(s.tick), 0
        if i == 0 and pickup:
            upbeat = min(pickup, stop - s.tick) if i + 1 < len(signatures) else pickup
            found.append(Bar(s.tick, upbeat, s.numerator, s.denominator, length))
            tick = float(s.tick + upbeat)
        whole, last = int(length), i + 1 == len(signatures)
        if whole == length > 0 and tick == int(tick):  # nearly always, and several times faster
            ticks = range(int(tick), stop, whole)
            found += [
                Bar(t, whole if last else min(whole, stop - t), s.numerator, s.denominator, length) for t in ticks
            ]
            continue
        first = tick
        while round(tick) < stop:
            count += 1
            following = first + count * length
            cut = following if last else min(following, stop)
            if round(cut) > round(tick):
                found.append(Bar(round(tick), round(cut) - round(tick), s.numerator, s.denominator, length))
            tick = following
    return tuple(found)
