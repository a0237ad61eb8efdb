"""Drum fills where the music turns: the last beats of a phrase are written once more, freely.

At the temperature at which a groove holds, the model repeats its bar for a whole song; at temperature 1 it plays fills
as drummers do, and loses the groove. So the groove is written first, and the fills into it, between what stays. A
cymbal crashes on the bar line behind a fill.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.canonical import pitch_class_histogram
from m4mcli.frames.fields import END, SIZES, thinned
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, FRAMES_PER_QUARTER
from m4mcli.generation.draw import Draw, draw_samples
from m4mcli.generation.request import Progress, Request, Sample
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network
from m4mcli.tasks.manner import InManner
from m4mcli.theory.drum_sounds import kind_of

SAMPLING = Sampling(temperature=1.0, top_p=0.95)
LEAN = 1.0
"""Nats by which an empty frame is less likely in a fill than the model holds, which has heard the groove for bars."""
SAMPLES = 4
"""Fills that are written for each turn; the one whose hits of snare and toms are nearest to FULLNESS is kept."""
FULLNESS = 0.6
"""Hits a frame of snare and toms in a fill that is one and is not a roll."""
AT_ONCE = 2
"""A drummer's hands."""
SHORTEST, LONGEST = 4, 8
"""Bars of a phrase: one ends where the music changes most from SHORTEST bars on, at the latest after LONGEST."""
EVEN = {4: 1.3, 8: 3.0}
"""How much more a change counts behind so many bars: eight are the rule."""
FILLERS = ("snare", "tom")
HELD = ("kick", "snare")
"""What a fill leaves of the groove: the foot, and the backbeat. Hands leave the hi-hat and the ride."""
CRASH = 49
STRUCK_BEFORE = ("hat", "ride")
"""What the hand that crashes would have struck."""
WEIGHTS = np.array([1.0, 1.0, 0.25, 0.05])
"""What counts as change: instruments, pitch classes, octaves of density, semitones of register."""


@dataclass(frozen=True)
class Bars:
    """The whole bars of a piece of frames: where each begins, and where the last ends."""

    edges: NDArray[np.int64]

    @classmethod
    def of(cls, metre: NDArray[np.integer]) -> "Bars":
        """The bars of a metre (length, 3)."""
        return cls(np.append(np.flatnonzero(metre[:, 0] == 0), len(metre)))

    def features(self, notes: NDArray[np.void]) -> list[NDArray[np.float64]]:
        """Of each bar, for FRAME_NOTE rows: instruments (129,), pitch classes (12,), density (1,), register (1,)."""
        found = []
        for start, stop in zip(self.edges[:-1], self.edges[1:], strict=True):
            own = notes[(notes["frame"] >= start) & (notes["frame"] < stop)]
            playing = np.bincount(own["instrument"], minlength=129)[:129] > 0
            density = np.log2(1 + len(own) / (stop - start) * FRAMES_PER_QUARTER)
            register = float(own["pitch"].mean()) if len(own) else 0.0
            classes = pitch_class_histogram(own)
            found.append(np.concatenate((playing, classes / (classes.sum() or 1), [density], [register])))
        return found


def turns(others: NDArray[np.void], metre: NDArray[np.integer], begin: NDArray[np.bool_]) -> list[int]:
    """The frames of the bar lines at which a phrase ends, in order, where the drums play on either side.

    `others` FRAME_NOTE rows of the music, `metre` (length, 3), `begin` (length,) the frames in which drums may begin.
    """
    bars = Bars.of(metre)
    lines = bars.edges[:-1]
    features = bars.features(others)
    changes = [_change(features[max(0, i - SHORTEST) : i], features[i : i + SHORTEST]) for i in range(len(lines))]
    found: list[int] = []
    first = 0
    for i in range(len(lines)):
        if not begin[lines[i]]:
            first = i + 1
        if i - first == LONGEST:
            weights = [changes[first + n] * EVEN.get(n, 1.0) for n in range(SHORTEST, LONGEST + 1)]
            first += SHORTEST + int(np.argmax(weights))
            found.append(int(lines[first]))
    return found


def _change(before: list[NDArray[np.float64]], after: list[NDArray[np.float64]]) -> float:
    """How much the music differs before and after a bar line; above 0 also where it does not."""
    if not before or not after:
        return 0.0
    apart = np.abs(np.mean(before, axis=0) - np.mean(after, axis=0))
    return 0.1 + float(WEIGHTS @ [apart[:129].sum(), apart[129:141].sum(), apart[141], apart[142]])


def with_fills(
    network: Network,
    request: Request,
    rules: Rules,
    how: Draw,
    groove: Sample,
    progress: Progress | None = None,
) -> Sample:
    """The drum part with a fill before each turn of the music, and a crash behind it, where the kit has such drums."""
    if request.reference is None or request.metre is None:
        return groove
    lines = turns(request.reference, request.metre, request.begin & ~request.fixed)
    if not lines:
        return groove
    zones = [_zone(line, request.metre) for line in lines]
    free = np.zeros(request.length, bool)
    for start, stop in zones:
        free[start:stop] = True
    kept = groove.notes[~free[groove.notes["frame"]]]
    again = replace(request, fixed=~free, fixed_notes=thinned(kept), start_by=None)
    sounds = tuple(sound for sound in rules.drum_sounds if kind_of(sound) in FILLERS)
    if not sounds:
        return groove
    hands = replace(rules, drum_sounds=sounds, at_most=AT_ONCE)
    lean = np.zeros(SIZES[0])
    lean[END] = -LEAN
    leaning = InManner(network, hands, lean)
    written = draw_samples(leaning, again, hands, replace(how, sampling=SAMPLING), SAMPLES, progress)
    held = groove.notes[free[groove.notes["frame"]] & _of_kinds(groove.notes, HELD)]
    fills = [_nearest([_within(s.notes, start, stop) for s in written], stop - start) for start, stop in zones]
    crashes = (
        [line for line, fill in zip(lines, fills, strict=True) if _fillers(fill)] if CRASH in rules.drum_sounds else []
    )
    joined = np.concatenate((crashing(kept, crashes), held, *fills))
    joined["duration"] = 1
    joined = np.unique(joined)
    return replace(groove, notes=joined)


def crashing(hits: NDArray[np.void], frames: list[int]) -> NDArray[np.void]:
    """The hits with a crash cymbal in these frames, in place of hi-hat and ride."""
    there = np.isin(hits["frame"], frames)
    cymbal = _of_kinds(hits, (*STRUCK_BEFORE, "crash"))
    crashes = np.zeros(len(frames), FRAME_NOTE)
    crashes["frame"], crashes["instrument"], crashes["pitch"], crashes["duration"] = frames, DRUMS, CRASH, 1
    return np.concatenate((hits[~(there & cymbal)], crashes))


def _nearest(choices: list[NDArray[np.void]], frames: int) -> NDArray[np.void]:
    return min(choices, key=lambda hits: abs(_fillers(hits) - FULLNESS * frames))


def _fillers(hits: NDArray[np.void]) -> int:
    return int(_of_kinds(hits, FILLERS).sum())


def _of_kinds(hits: NDArray[np.void], kinds: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.array([kind_of(int(sound)) in kinds for sound in hits["pitch"]], bool)


def _zone(line: int, metre: NDArray[np.integer]) -> tuple[int, int]:
    """The frames of a fill: the half bar before a turn."""
    return max(0, line - int(metre[line - 1, 1]) // 2), line


def _within(notes: NDArray[np.void], start: int, stop: int) -> NDArray[np.void]:
    return notes[(notes["frame"] >= start) & (notes["frame"] < stop)]
