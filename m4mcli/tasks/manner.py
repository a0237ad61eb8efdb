"""What a piece's last bars show of its manner, as bounds on what goes on from it.

Each instrument keeps its range, its number of voices and, on average, how often it plays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.canonical import pitch_class_histogram
from m4mcli.frames.fields import END, MAX_NOTES, SIZES
from m4mcli.frames.frames import DRUMS
from m4mcli.generation.likelihood import teacher_forced
from m4mcli.generation.request import Request
from m4mcli.generation.rules import Last, Part, Rules, instrument_mask
from m4mcli.generation.window import part_of
from m4mcli.models.network import Floats, FrameInputs, Integers, Network, Past, Shape

FIFTH = 7
CHORDAL = frozenset((*range(0, 32), 46, *range(48, 56), *range(88, 96), 104, 105, 106, 107))
"""Programs that play four notes at once where the piece does not tell: keyboards, mallets, guitars, ensembles, pads."""
FAMILY_RANGES = (
    *((36, 84), (60, 96), (36, 84), (40, 79), (28, 52), (48, 88), (43, 79), (46, 79)),
    *((49, 81), (60, 91), (55, 84), (43, 79), (43, 79), (48, 79), (48, 79), (48, 79)),
)
"""Lowest and highest pitch of the sixteen General MIDI families of eight programs, where the piece does not tell."""
PROGRAM_RANGES = {41: (48, 79), 42: (36, 69), 43: (28, 55), 47: (40, 57), 57: (40, 70), 58: (28, 58), 67: (36, 69)}
PROGRAM_RANGES |= {70: (34, 67)}
"""Those of single programs that lie lower than their family: viola, cello, ..., bassoon."""
KIT = (35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 53, 54, 56, 57)
"""Drum sounds where the piece has none: those of a drum kit."""


@dataclass(frozen=True)
class Manner:
    """What the piece's last bars show: `heard` FRAME_NOTE rows in `length_frames`, and the rules they give.

    `rates` (130,) are the notes per frame expected of each instrument, `wanted` those that are to play at all.
    """

    heard: NDArray[np.void]
    length_frames: int
    rules: Rules
    wanted: tuple[int, ...]
    rates: NDArray[np.float64]


def manner_of(
    notes: NDArray[np.void],
    read_again: tuple[NDArray[np.void], int],
    recent: int,
    asked: tuple[int, ...] | None,
    shift: int,
) -> Manner:
    """The manner of a piece that was moved by `shift` semitones to the canonical key.

    `notes` are FRAME_NOTE rows of all of it, `read_again` those of its last frames and how many these are; what sounds
    behind the frame `recent` is to go on; the instruments `asked` for play in place of the piece's own.
    """
    given, length = read_again
    instruments = asked or tuple(sorted({int(i) for i in notes["instrument"]}))
    late = notes[notes["frame"] + notes["duration"] > recent]
    wanted = asked or tuple(i for i in instruments if i in late["instrument"])
    bounds = max(0, shift), min(127, 127 + shift)
    parts = []
    for i in instruments:
        own = given[given["instrument"] == i]
        own = own if len(own) else notes[notes["instrument"] == i]
        parts.append(part_like(own, i, bounds) if len(own) else usual_part(i, shift, bounds))
    sounds = tuple(sorted({int(p) for p in notes["pitch"][notes["instrument"] == DRUMS]})) or KIT
    return Manner(
        given,
        length,
        Rules(instruments=instruments, lowest=bounds[0], highest=bounds[1], drum_sounds=sounds, parts=tuple(parts)),
        wanted,
        rates_like(given, length, instruments),
    )


def rates_like(heard: NDArray[np.void], length: int, instruments: tuple[int, ...]) -> NDArray[np.float64]:
    """Notes per frame (130,) of each instrument as heard in `length` frames; of others the mean of those heard."""
    counts = np.bincount(heard["instrument"], minlength=SIZES[0]).astype(np.float64)
    usual = counts[counts > 0].mean() if len(heard) else 1.0
    rates = np.zeros(SIZES[0])
    playing = list(instruments)
    rates[playing] = np.where(counts[playing] > 0, counts[playing], usual) / length
    return rates


def part_like(own: NDArray[np.void], instrument: int, bounds: tuple[int, int]) -> Part:
    """The part of an instrument as FRAME_NOTE rows (n > 0) show it: a fifth more range, as many voices.

    As many of its notes may begin at once as begin in 95 of 100 of its onsets. It is monophonic where that is one and
    at most one note in twenty begins more than a frame before another ends.
    """
    lowest, highest = np.clip([own["pitch"].min() - FIFTH, own["pitch"].max() + FIFTH], *bounds).tolist()
    frames, counts = np.unique(own["frame"], return_counts=True)
    at_most = min(MAX_NOTES, int(np.percentile(counts, 95, method="inverted_cdf")))
    ends = np.maximum.accumulate((own["frame"] + own["duration"])[np.argsort(own["frame"], kind="stable")])
    before = np.searchsorted(np.sort(own["frame"]), frames, side="left")
    overlaps = (ends[np.maximum(before - 1, 0)] > frames + 1) & (before > 0)
    monophonic = instrument != DRUMS and at_most == 1 and bool(overlaps.mean() <= 0.05)
    return Part(instrument, lowest, highest, at_most, monophonic)


def usual_part(instrument: int, shift: int, bounds: tuple[int, int]) -> Part:
    """The part of an instrument that the piece does not have, moved as the piece is."""
    if instrument == DRUMS:
        return Part(DRUMS, at_most=3)
    usual = np.array(PROGRAM_RANGES.get(instrument, FAMILY_RANGES[instrument // 8])) + shift
    lowest, highest = np.clip(usual, *bounds).tolist()
    chordal = instrument in CHORDAL
    return Part(instrument, lowest, highest, 4 if chordal else 1, not chordal)


@dataclass(frozen=True)
class InManner:
    """A Network whose choice of the next instrument is that of another one, brought to the piece at hand.

    What the other network gives to instruments that do not play goes to those that do, so that it still says when
    something begins; `lean` (130,) is added to that, and instruments that have their `at_most` notes in the frame wait.
    """

    network: Network
    rules: Rules
    lean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(SIZES[0]))

    @property
    def shape(self) -> Shape:
        """Sizes."""
        return self.network.shape

    def encode(self, notes: Integers, metre: Integers, position: Integers) -> tuple[Floats, ...]:
        """As the other network."""
        return self.network.encode(notes, metre, position)

    def frame_step(
        self, inputs: FrameInputs, past: Past, memory: tuple[Floats, ...] = ()
    ) -> tuple[Floats, Floats, Past]:
        """As the other network."""
        return self.network.frame_step(inputs, past, memory)

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Logits of instrument and tone, and the note's state."""
        first, tone, state = self.network.note_step(hidden, circles, notes, chosen, classes)
        first = gathered(first, self.rules.instruments) + self.lean.astype(np.float32)
        for part in self.rules.parts:
            full = (notes[..., 0] == part.instrument).sum(axis=1) >= part.at_most
            first[full, part.instrument] = -1e9
        return first, tone, state

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """As the other network."""
        return self.network.note_rest(state, notes, chosen)


def gathered(logits: Floats, instruments: tuple[int, ...]) -> Floats:
    """Instrument logits (r, 130) in which `instruments` together hold what all instruments held."""
    playing = list(instruments)
    held = np.logaddexp.reduce(logits[:, :END], axis=1) - np.logaddexp.reduce(logits[:, playing], axis=1)
    out = logits.copy()
    out[:, playing] += held[:, None]
    return out


def lean_to(network: Network, request: Request, manner: Manner) -> NDArray[np.float64]:
    """What to add to instrument logits (130,) for the model to expect of each as many notes as the piece has.

    Fitted to the piece's own last frames, as class priors are adjusted to a new population (Saerens et al. 2002).
    """
    length = min(manner.length_frames, network.shape.window)
    skipped = manner.length_frames - length
    heard = part_of(manner.heard, skipped, manner.length_frames)
    heard = heard[heard["frame"] >= 0]
    metre = None if request.metre is None else request.metre[skipped : manner.length_frames]
    nothing = np.zeros(length, bool)
    if not len(heard):
        return np.zeros(SIZES[0])
    decisions = teacher_forced(network, Request(None, metre, length, ~nothing, nothing), heard)
    taken = decisions.taken[0]
    may, before = np.zeros((len(taken), SIZES[0]), bool), END
    for row, now in enumerate(taken):
        last = Last(int(before), -1, -1, 1) if before != END else Last()
        may[row] = instrument_mask(manner.rules, last, must_begin=False, may_begin=True)
        before = now
    target = manner.rates.copy()
    target[END] = 1
    kept = np.isin(taken, [*manner.rules.instruments, END])
    return fitted(gathered(decisions.logits[0], manner.rules.instruments)[kept], may[kept], target / target.sum())


def fitted(logits: Floats, may: NDArray[np.bool_], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Offsets (k,), at most 8 either way, that bring the mean of softmax(logits (r, k)) where `may` to the target."""
    offsets = np.zeros(len(target))
    open_logits = np.where(may, logits.astype(np.float64), -np.inf)
    for _ in range(60):
        moved = open_logits + offsets
        p = np.exp(moved - moved.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        slope = target - p.mean(axis=0) - 1e-4 * offsets
        offsets = np.clip(offsets + np.clip(slope / ((p * (1 - p)).mean(axis=0) + 1e-3), -1, 1) / 2, -8, 8)
    return offsets


def unlikeness(new: NDArray[np.void], frames: int, heard: NDArray[np.void], rates: NDArray[np.float64]) -> float:
    """0 for music of so many frames that is like the music heard.

    Octaves between its onset density and that of the `rates`, and the distances (0..1 each) of pitch classes from those
    heard and of the instruments' shares from the rates.
    """
    density = abs(np.log2((len(new) + 1) / (rates.sum() * frames + 1)))
    classes = _apart(pitch_class_histogram(new), pitch_class_histogram(heard))
    shares = np.bincount(new["instrument"], minlength=len(rates)).astype(np.float64)
    return float(density + classes + _apart(shares, rates))


def rhythm_apart(new: NDArray[np.void], heard: NDArray[np.void], metre: NDArray[np.integer]) -> float:
    """How far (0..1) the onsets of new notes are from those heard in their places in the bar; metre (frames, 3)."""
    place = metre[:, 0]
    new_places, heard_places = (place[np.unique(notes["frame"])] for notes in (new, heard))
    size = int(place.max()) + 1
    return _apart(*(np.bincount(at, minlength=size).astype(np.float64) for at in (new_places, heard_places)))


def pitch_classes_apart(parts: Sequence[NDArray[np.void]]) -> NDArray[np.float64]:
    """How far (n,) the pitch classes of each of n parts are (0..1) from those of the parts, on average."""
    shares = [pitch_class_histogram(part) for part in parts]
    return np.array([np.mean([_apart(one, other) for other in shares]) for one in shares])


def drift(new: NDArray[np.void], frames: int, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nats (130,) by which each instrument, and END, should be likelier for so many frames to have the rates."""
    counts = np.bincount(new["instrument"], minlength=len(rates))
    off: NDArray[np.float64] = np.log((rates * frames + 0.5) / (counts + 0.5))
    nats = np.where(rates > 0, np.clip(off, -1.5, 1.5), 0)
    nats[END] = np.clip(np.log((len(new) + 0.5) / (rates.sum() * frames + 0.5)), -1.5, 1.5)
    return nats


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.abs(a / (a.sum() or 1) - b / (b.sum() or 1)).sum() / 2)


def one_at_a_time(notes: NDArray[np.void]) -> NDArray[np.void]:
    """Notes of a monophonic part, in order, each cut short where the next one begins."""
    cut = notes.copy()
    cut["duration"][:-1] = np.minimum(notes["duration"][:-1], np.diff(notes["frame"]))
    return cut
