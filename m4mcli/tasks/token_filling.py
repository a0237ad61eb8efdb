"""Fill a hole by a model over tokens that knows bars to be filled in (scheme `mmm`): in frames, as tasks/infill does.

The bars around the hole are told track by track, those to be written as FillIn; the model writes them behind all
tracks, some bars at a time, each after the best of those before.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.canonical import canonical_shift, shifted
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, FRAMES_PER_QUARTER, in_order
from m4mcli.generation.draw import AT_ONCE, Draw, within
from m4mcli.generation.request import Progress
from m4mcli.generation.token_sampling import Asked, Written, sample
from m4mcli.models.token_model import TokenModel
from m4mcli.tasks.around import Around, manner_around
from m4mcli.tasks.fitness import distance
from m4mcli.tasks.manner import Manner
from m4mcli.tasks.parts import bounded
from m4mcli.tasks.told_bars import ToldBars, Window, told_bars
from m4mcli.tokens import mmm_vocabulary as v
from m4mcli.tokens.coder import Coder
from m4mcli.tokens.mmt import DURATIONS

SCHEME = "mmm"


@dataclass(frozen=True)
class TokenFiller:
    """A model that fills holes, and how many notes a quarter note it is asked for (None: as it likes).

    With `one_key` it is told all music in C major or A minor.
    """

    model: TokenModel
    coder: Coder
    density: float | None = None
    one_key: bool = False

    def __call__(self, around: Around, how: Draw, progress: Progress | None = None) -> list[NDArray[np.void]]:
        """For each answer the notes (FRAME_NOTE rows) that begin in the hole, none of them lasting beyond it."""
        shift = canonical_shift(around.reference) if self.one_key else 0
        around = around.moved(shift)
        manner = manner_around(around, shift)
        made = []
        for i in range(how.count):
            one, new = replace(how, seed=how.seed + i, count=1), around.written[:0]
            start, stop = around.hole
            while start < stop:
                told = within(progress, i * (stop - around.hole[0]) + start, how.count * (stop - around.hole[0]))
                now = replace(around, written=in_order(np.concatenate((around.written, new))), hole=(start, stop))
                notes, start = self._best(now, manner, one, told)
                new = np.concatenate((new, notes))
            inside = new[(new["frame"] >= around.hole[0]) & (new["frame"] < stop)]
            made.append(shifted(bounded(inside, manner.rules, stop), -shift))
        return made

    def _best(
        self, around: Around, manner: Manner, how: Draw, progress: Progress | None
    ) -> tuple[NDArray[np.void], int]:
        """The best notes for the first bars of a hole, and the frame behind these.

        The best are likely, lack no instrument, and are as dense as what is around, unless a density is asked for. What
        stood there before comes back only where nothing else was drawn.
        """
        told = told_bars(around)
        window = told.window(around.hole, self.model.context)
        if window is None:
            return around.written[:0], around.hole[1]
        part = replace(around, hole=(int(told.edges[window.hole[0]]), int(told.edges[window.hole[1]])))
        asked = self._asked(told, window, how)
        found: list[Written] = []
        for first in range(0, how.best_of, AT_ONCE):
            now = replace(asked, first=first)
            share = within(progress, first // AT_ONCE, -(-how.best_of // AT_ONCE))
            found += sample(self.model, self.coder, now, min(AT_ONCE, how.best_of - first), share)
        judged = []
        for written in found:
            if written.ended:
                notes = self._notes(told, window, written)
                missing, far = distance(notes, part, manner)
                likely = written.log_likelihood / max(1, len(written.rows) - len(asked.prompt))
                judged.append((likely - missing - (far if self.density is None else 0.0), notes))
        new = [entry for entry in judged if not part.stood_so(entry[1])] or judged
        best = max(new, key=lambda entry: entry[0])[1] if new else around.written[:0]
        return best, part.hole[1]

    def _asked(self, told: ToldBars, window: Window, how: Draw) -> Asked:
        """What is asked of the sampler: the window up to its first bar to be filled in, and what may not come."""
        part = told.sheet.part(window.first, window.last, window.lines)
        own = np.array([i in told.own for i in window.lines])
        hidden = np.zeros((len(part.lines), len(part.metres)), np.bool_)
        hidden[own, window.hole[0] - window.first : window.hole[1] - window.first] = True
        levels = part.levels()
        barred = np.zeros(self.coder.sizes[0], np.bool_)
        barred[v.FIRST[v.TRACK]] = True
        # A frame is three 12ths long.
        barred[v.VOCABULARY.span("Position")] = np.arange(v.VOCABULARY.fields[v.POSITION].size) % v.PER_SIXTEENTH > 0
        barred[v.VOCABULARY.span("Duration")] = DURATIONS % v.PER_SIXTEENTH > 0
        if self.density is not None:
            level = int(v.nearest_rate(self.density)) if self.density > 0 else 0
            barred[v.VOCABULARY.span("Density")] = np.arange(len(v.RATES)) != level
            levels = [level if mine else other for mine, other in zip(own.tolist(), levels, strict=True)]
        prompt = part.head(hidden, levels)[:, None]
        return Asked(prompt, len(prompt) + 2 * self.model.context, how.sampling, how.seed, barred={0: barred})

    def _notes(self, told: ToldBars, window: Window, written: Written) -> NDArray[np.void]:
        """The notes that were written in the window's hole."""
        score, _ = self.coder.score(written.rows, FRAMES_PER_QUARTER)
        start, (first, last) = told.edges[window.first], (told.edges[bar] for bar in window.hole)
        parts = [np.zeros(0, FRAME_NOTE)]
        for line, track in zip(window.lines, score.tracks, strict=True):
            if line in told.own:
                part = np.zeros(len(track.notes), FRAME_NOTE)
                part["frame"], part["pitch"] = track.notes["onset"] + start, track.notes["pitch"]
                part["instrument"] = DRUMS if track.is_drum else track.program
                part["duration"] = track.notes["duration"]
                parts.append(part[(part["frame"] >= first) & (part["frame"] < last)])
        return in_order(np.concatenate(parts))
