"""Melodies as dense as they are asked to be: a network that leans to more notes or to fewer, and how far it should."""

from dataclasses import dataclass, replace

import numpy as np

from m4mcli.frames.fields import DURATIONS, END
from m4mcli.frames.frames import FRAMES_PER_QUARTER
from m4mcli.generation.draw import Draw, draw_samples, within
from m4mcli.generation.request import Progress, Request, Sample
from m4mcli.generation.rules import Rules
from m4mcli.models.network import Floats, FrameInputs, Integers, Network, Past, Shape
from m4mcli.tasks.melody_choice import count, resting

ROUNDS, PROBES, NEAR, MOST_LEAN = 5, 2, 0.15, 8.0
"""How often a lean is tried for another density and with how many samples, the octaves by which it may miss it, and the
most nats it may have."""

MOST_RESTING = 0.1
"""Share of a melody in rests of more than two bars from which on it is not what was asked for."""

BUSIEST, TYPICAL = 2.25, 1.4
"""Notes a quarter: what nearly all melodies stay below, and what about half of them do (training songs of Nottingham
and POP909). A model that is lost over chords unlike those it knows runs on in sixteenths without end."""

ROUND_SEED = 40
"""The bit of a seed that tells one round of samples from the next."""


@dataclass(frozen=True)
class Paced:
    """A Network that leans to more notes, or (`lean` below 0) to fewer: the nats by which each is likelier to begin.

    By as many a duration of half the length is likelier, which is what lets more notes begin.
    """

    network: Network
    lean: float

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
        first = first.copy()
        first[:, END] -= np.float32(self.lean)
        return first, tone, state

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """Logits of octave and duration, each (B, values)."""
        octave, duration = self.network.note_rest(state, notes, chosen)
        return octave, duration - (self.lean * np.log2(DURATIONS)).astype(np.float32)


def paced_samples(
    network: Network, request: Request, rules: Rules, how: Draw, density: float, start: int, progress: Progress | None
) -> list[Sample]:
    """`how.best_of` samples without long rests from the frame `start` on, as dense as is usual times `density`.

    The first round tells what is usual, TYPICAL where that is more than BUSIEST; others search for the lean that gives
    the density. Where all samples rest, more are written that lean to more notes; if that does not help, there may be
    fewer, or ones that rest.
    """
    quarters = float(request.begin[start:].sum()) / FRAMES_PER_QUARTER
    searching = density != 1

    def round_of(number: int, lean: float, samples: int = how.best_of) -> list[Sample]:
        told, seed = within(progress, number, 2 + ROUNDS * searching), how.seed + (number << ROUND_SEED)
        leaning = Paced(network, lean) if lean else network
        return draw_samples(leaning, request, rules, replace(how, seed=seed), samples, told)

    pool, number = round_of(0, 0), 0
    while not (active := [s for s in pool if resting(s, request, start) <= MOST_RESTING]) and not searching:
        number += 1
        if number > ROUNDS or not request.begin[start:].any():
            break
        pool += round_of(number, float(number))
    usual = found = float(np.median([count(s, start) for s in active or pool]))
    if found > BUSIEST * quarters:
        usual, searching = TYPICAL * quarters, True
    if not searching:
        return active or pool
    target = max(1.0, density * usual)
    bounds, lean = [-MOST_LEAN, MOST_LEAN], float(np.log(target / max(1.0, found)))
    for number in range(1, ROUNDS + 1):
        made = round_of(number, lean, min(PROBES, how.best_of))
        pool += made
        median = float(np.median([count(s, start) for s in made]))
        if gap(median, target) <= NEAR:
            break
        bounds[int(median > target)] = lean
        lean = sum(bounds) / 2
    if how.best_of > PROBES:
        pool += round_of(ROUNDS + 1, lean)
    pool = [s for s in pool if resting(s, request, start) <= MOST_RESTING] or pool
    gaps = np.array([gap(count(s, start), target) for s in pool])
    return [s for s, far in zip(pool, gaps, strict=True) if far <= max(NEAR, gaps.min())]


def gap(count: float, target: float) -> float:
    """Octaves between two numbers of notes."""
    return float(abs(np.log2((count + 0.1) / (target + 0.1))))
