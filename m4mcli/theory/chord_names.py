"""Name any set of pitch classes over a bass, as a chord symbol and as a Harte label.

Every set has a name, and `parse_chord` of the name gives the set and bass it was made from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from m4mcli.theory.chords import Chord, Degrees, natural, symbol_degrees

QUALITIES = (
    ("", "maj"), ("m", "min"), ("7", "7"), ("m7", "min7"), ("maj7", "maj7"), ("sus4", "sus4"), ("dim", "dim"),
    ("m7b5", "hdim7"), ("dim7", "dim7"), ("+", "aug"), ("sus2", "sus2"), ("6", "maj6"), ("m6", "min6"), ("5", "5"),
    ("7sus4", "sus4(b7)"), ("m(maj7)", "minmaj7"), ("9", "9"), ("m9", "min9"), ("maj9", "maj9"),
    ("add9", "maj(9)"), ("m(add9)", "min(9)"), ("7b9", "7(b9)"), ("7#9", "7(#9)"), ("7#5", "aug(b7)"),
    ("7b5", "7(*5,b5)"), ("maj7#5", "aug(7)"), ("maj7#11", "maj7(#11)"), ("7#11", "7(#11)"),
    ("7b13", "7(b13)"), ("13", "7(9,13)"), ("9sus4", "sus4(b7,9)"), ("6/9", "maj6(9)"), ("m6/9", "min6(9)"),
    ("11", "7(9,11)"), ("m11", "min7(9,11)"), ("maj13", "maj7(9,13)"), ("m13", "min7(9,13)"),
    ("7b9sus4", "sus4(b7,b9)"), ("13sus4", "sus4(b7,9,13)"), ("7alt", "aug(b7,b9,#9)"),
)  # fmt: skip
"""The qualities that chords are named by, commonest first: the symbol after the root and its Harte label."""

ADDED = {
    1: (9, -1), 2: (9, 0), 3: (9, 1), 4: (3, 0), 5: (11, 0), 6: (11, 1), 7: (5, 0), 8: (13, -1), 9: (13, 0),
    10: (7, -1), 11: (7, 0),
}  # fmt: skip
"""How an interval that the quality does not have is written: degree and accidental."""

ADDITION, ODD_ADDITION, NO_FIFTH, NO_THIRD, INVERSION = 3.0, 7.0, 3.0, 5.0, 2.05
FOREIGN_BASS, FOREIGN_BASS_OF_FOUR = 2.7, 5.5
"""What departing from a quality costs a name; each place down QUALITIES costs .1, under an inversion .15. Set so
that common chords keep their common names: C6 over C but Am7/E over E, F/G, D9sus4."""

_DEGREES = tuple(symbol_degrees(symbol) or {} for symbol, _ in QUALITIES)
_MASKS = tuple(sum(1 << s for semitones in d.values() for s in semitones) for d in _DEGREES)


def chord_symbol(pitch_classes: Iterable[int], bass: int, key: tuple[int, bool] | None = None) -> str:
    """The symbol of a set of pitch classes over a bass, spelt to a key (tonic, minor): `Eb/G`, `C7(13)`.

    The bass counts as one of the set. An empty set is `N.C.`; without a key it is spelt as in C major.
    """
    name = _name(pitch_classes, bass)
    if name is None:
        return "N.C."
    body = QUALITIES[name.quality][0]
    changes = [_addition(interval, _DEGREES[name.quality]) for interval in name.added]
    changes += [f"no{degree}" for degree in name.omitted]
    if changes:
        opened = body.removesuffix(")") + "," if body.endswith(")") else body + "("
        body = opened + ",".join(changes) + ")"
    return _fifths_name(name.root_fifths(key)) + body + ("/" + name.bass_name(key) if name.bass else "")


def harte_label(pitch_classes: Iterable[int], bass: int, key: tuple[int, bool] | None = None) -> str:
    """The Harte label of the same, in mir_eval's syntax: `Eb:maj/3`, `C:7(13)`; `N` for an empty set."""
    name = _name(pitch_classes, bass)
    if name is None:
        return "N"
    shorthand, _, listed = QUALITIES[name.quality][1].rstrip(")").partition("(")
    changes = listed.split(",") if listed else []
    changes += [_signed(*ADDED[interval]) for interval in name.added]
    changes += ["*" + _tone(_DEGREES[name.quality], degree) for degree in name.omitted]
    body = shorthand + (f"({','.join(changes)})" if changes else "")
    return f"{_fifths_name(name.root_fifths(key))}:{body}" + ("/" + _signed(*name.bass_degree) if name.bass else "")


def chord_of(pitch_classes: Iterable[int], bass: int) -> Chord | None:
    """The chord that `chord_symbol` names, which tells its root; None for an empty set."""
    classes = frozenset(p % 12 for p in pitch_classes)
    name = _name(classes, bass)
    return Chord(name.root, classes | {bass % 12}, bass % 12) if name else None


@dataclass(frozen=True)
class _Name:
    """A quality over a root, intervals added to it, degrees left out of it; the bass in semitones above the root."""

    root: int
    quality: int
    added: tuple[int, ...]
    omitted: tuple[int, ...]
    bass: int

    def root_fifths(self, key: tuple[int, bool] | None) -> int:
        # A diminished chord leads up to its goal and is spelt as the leading note: C#dim7, not Dbdim7.
        degrees = _DEGREES[self.quality]
        return _fifths(self.root, key, leading=degrees.get(3) == {3} and degrees.get(5) == {6})

    @property
    def bass_degree(self) -> tuple[int, int]:
        """Degree 1-7 and accidental of the bass."""
        for degree, semitones in _DEGREES[self.quality].items():
            if self.bass in semitones:
                return degree, (self.bass - natural(degree) + 6) % 12 - 6
        degree, accidental = ADDED[self.bass]
        return (degree - 1) % 7 + 1, accidental

    def bass_name(self, key: tuple[int, bool] | None) -> str:
        degree, accidental = self.bass_degree
        spelt = self.root_fifths(key) + (0, 2, 4, -1, 1, 3, 5)[degree - 1] + 7 * accidental
        is_chord_tone = _MASKS[self.quality] >> self.bass & 1
        if not (is_chord_tone and -8 <= spelt <= 12):
            spelt = _fifths(self.root + self.bass, key)
        return _fifths_name(spelt)


def _name(pitch_classes: Iterable[int], bass: int) -> _Name | None:
    """The cheapest name of all, the lower root where two cost the same."""
    tones = {p % 12 for p in pitch_classes}
    best: _Name | None = None
    if not tones:
        return best
    least = float("inf")
    for cost, quality, root, wanted in sorted(_candidates(tones | {bass % 12}, bass % 12)):
        if cost >= least:
            break
        omitted = _omitted(_DEGREES[quality], _MASKS[quality] & ~wanted)
        if omitted is None:
            continue
        added = tuple(i for i in range(12) if (wanted & ~_MASKS[quality]) >> i & 1)
        cost += sum(NO_FIFTH if degree == 5 else NO_THIRD for degree in omitted)
        cost += sum(ODD_ADDITION - ADDITION for i in added if i in (4, 7, 10, 11))
        if cost < least:
            least, best = cost, _Name(root, quality, added, omitted, (bass - root) % 12)
    return best


def _candidates(tones: set[int], bass: int) -> Iterator[tuple[float, int, int, int]]:
    """Least cost, quality, root, and the intervals that the name must make: all, or all but a foreign bass."""
    for root in tones:
        over = (bass - root) % 12
        whole = sum(1 << (p - root) % 12 for p in tones)
        for quality, mask in enumerate(_MASKS):
            place = quality / 10
            inverted = INVERSION + place / 2 if over else 0.0
            yield inverted + place + ADDITION * (whole & ~mask).bit_count(), quality, root, whole
            if over and not mask >> over & 1:
                foreign = FOREIGN_BASS if mask.bit_count() < 4 else FOREIGN_BASS_OF_FOUR
                rest = whole & ~(1 << over)
                yield foreign + place + ADDITION * (rest & ~mask).bit_count(), quality, root, rest


def _omitted(degrees: Degrees, missing: int) -> tuple[int, ...] | None:
    """Degrees left out for these intervals to be missing; None where the quality would no longer be told."""
    omitted = tuple(d for d in (3, 5) if 3 in degrees and any(missing >> s & 1 for s in degrees.get(d, ())))
    left_out = sum(1 << s for d in omitted for s in degrees[d])
    altered_fifth = 5 in omitted and degrees[5] != {7}
    return None if missing & ~left_out or altered_fifth else omitted


def _signed(degree: int, accidental: int) -> str:
    return ("#" * accidental or "b" * -accidental) + str(degree)


def _tone(degrees: Degrees, degree: int) -> str:
    (semitone,) = degrees[degree]
    return _signed(degree, semitone - natural(degree))


def _addition(interval: int, degrees: Degrees) -> str:
    """`13`, `addb9`: the `add` where the number alone would mean a seventh, or replace a tone of the quality."""
    degree, accidental = ADDED[interval]
    if 7 in degrees and degree > 7 and (degree - 1) % 7 + 1 not in degrees:
        return _signed(degree, accidental)
    return "add" + ("maj7" if interval == 11 else _signed(degree, accidental))


def _fifths(pitch_class: int, key: tuple[int, bool] | None, leading: bool = False) -> int:
    """Place of a pitch class on the line of fifths (C is 0): as in the key, else flat in major, sharp if leading."""
    tonic, minor = key or (0, False)
    signature = ((tonic + 3 * minor) * 7) % 12
    signature -= 12 if signature > (5 if minor else 6) else 0
    lowest = min(0, max(-7, signature - (2 if leading else 3 if minor else 5)))
    return lowest + (pitch_class * 7 - lowest) % 12


def _fifths_name(fifths: int) -> str:
    accidentals = (fifths + 1) // 7
    return "FCGDAEB"[(fifths + 1) % 7] + ("#" * accidentals or "b" * -accidentals)
