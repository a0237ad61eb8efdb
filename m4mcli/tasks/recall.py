"""Bring back what the piece plays elsewhere, as far as it repeats itself: a cache beside the network's own choices.

After the continuous cache of Grave, Joulin and Usunier (2017, arXiv 1612.04426): the probability of a note is a mixture
of the network's and of what stands a number of bars away. How much a distance counts follows from how well the piece
repeats at that distance, and from how well it has foretold what was written lately.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.fields import END, ONSET, SIZES, note_fields
from m4mcli.frames.frames import DRUMS, in_order
from m4mcli.generation.sampling import log_softmax
from m4mcli.generation.window import REFERENCE
from m4mcli.models.network import Floats, FrameInputs, Integers, Network, Past, Shape

SHARE = 0.6
"""Of the choice, what falls to the cache in a piece that repeats itself note for note."""
SHARPNESS = 6.0
"""How much better a distance counts at which the piece repeats itself better: nats from no note alike to all alike."""
LATELY = 16.0
"""Frames after which what a distance foretold counts 1/e."""
DOUBT = 0.3
"""What is left of a distance's weight in a frame for each note that was written there and is not found."""
NEARBY = 64.0
"""Frames from what is written at which a repetition counts 1/e for how well the piece repeats itself there."""

Note = tuple[int, int, int, int]
"""Instrument, tone, octave, index of the duration."""


@dataclass(frozen=True)
class Cache:
    """What stands where, and at which distances it may come again.

    `rows` are the notes (FRAME_NOTE), `notes` those of each frame, in order; `known` (length,) tells where they are
    known; `lags` (L,) are distances in frames, back or (negative) ahead, and `alike` (L,) how much of the piece is the
    same at them, 0..1.
    """

    rows: NDArray[np.void]
    notes: tuple[tuple[Note, ...], ...]
    known: NDArray[np.bool_]
    lags: tuple[int, ...]
    alike: NDArray[np.float64]

    def at(self, frame: int, lag: int) -> tuple[Note, ...] | None:
        """The notes so far from a frame; None where they are not known."""
        place = frame - self.lags[lag]
        return self.notes[place] if 0 <= place < len(self.known) and self.known[place] else None

    def repetition(self, lag: int, start: int, stop: int) -> NDArray[np.void] | None:
        """What stands at a distance from the frames from `start` to before `stop`, moved there (FRAME_NOTE rows).

        None where not all of it is known, or nothing sounds there.
        """
        places = np.arange(start, stop) - self.lags[lag]
        if places[0] < 0 or places[-1] >= len(self.known) or not self.known[places].all():
            return None
        rows = self.rows[(self.rows["frame"] >= places[0]) & (self.rows["frame"] <= places[-1])].copy()
        rows["frame"] += self.lags[lag]
        return rows if len(rows) else None


def cache_of(notes: NDArray[np.void], metre: NDArray[np.integer], known: NDArray[np.bool_], start: int) -> Cache:
    """The cache of FRAME_NOTE rows for what is to be written from the frame `start` on.

    `metre` is (length, 3), `known` (length,) tells where the notes are known; distances are those of bar lines.
    """
    length = len(metre)
    ordered = in_order(notes[(notes["frame"] >= 0) & (notes["frame"] < length)])
    where = np.split(note_fields(ordered), np.searchsorted(ordered["frame"], np.arange(1, length)))
    frames = tuple(tuple(tuple(note) for note in rows.tolist()) for rows in where)
    lines = np.flatnonzero(metre[:, 0] == 0)
    first = lines[lines >= start][:1]
    lags = tuple(int(lag) for lag in (first[0] - lines if len(first) else ()) if lag)
    near = np.exp(-np.abs(np.arange(length) - start) / NEARBY)
    alike = np.array([_alike(frames, known, near, metre, lag) for lag in lags])
    return Cache(ordered, frames, known, lags, alike)


def _alike(
    frames: tuple[tuple[Note, ...], ...],
    known: NDArray[np.bool_],
    near: NDArray[np.float64],
    metre: NDArray[np.integer],
    lag: int,
) -> float:
    """F1 of the onsets of known frames and those at a distance, by instrument and pitch."""
    same = total = 0.0
    for frame in range(max(0, lag), min(len(frames), len(frames) + lag)):
        other = frame - lag
        if known[frame] and known[other] and metre[frame, 0] == metre[other, 0]:
            here, there = ({note[:3] for note in frames[place]} for place in (frame, other))
            same += 2 * len(here & there) * near[frame]
            total += (len(here) + len(there)) * near[frame]
    return same / total if total else 0.0


@dataclass(frozen=True)
class Recalling:
    """A Network whose choices are mixed with those of a cache, for one window that begins where the cache does.

    How well each distance foretold each sample is carried behind the other network's cache, the frame and the weights
    of the distances behind its hidden states.
    """

    network: Network
    cache: Cache
    share: float = SHARE

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
        """Hidden states (B, F, width + 2 + L), circles, and the past with what was foretold (B, L)."""
        if inputs.stream.flat[0] == REFERENCE:
            return self.network.frame_step(inputs, past, memory)
        past, carried = past.taken()
        hidden, circles, past = self.network.frame_step(inputs, past, memory)
        foretold = np.zeros((len(hidden), len(self.cache.lags)), np.float32) if carried is None else carried
        told = []
        for place in range(hidden.shape[1]):
            frame = int(inputs.position[0, place])
            foretold = self._after(foretold, frame - 1, inputs.notes[:, place])
            told.append(self._weights(foretold, frame))
        return np.concatenate((hidden, np.stack(told, axis=1)), axis=-1), circles, past.carrying(foretold)

    def _after(self, foretold: Floats, frame: int, notes: Integers) -> Floats:
        """What was foretold (B, L) after a frame with the notes (B, S, 5): F1 from -1 to 1, older frames less."""
        after = foretold * np.float32(np.exp(-1 / LATELY))
        for row, written in enumerate(notes):
            here = {tuple(note[:3]) for note in written.tolist() if note[0] >= 0 and note[4] == ONSET}
            for lag in range(len(self.cache.lags)):
                there = self.cache.at(frame, lag)
                if there is not None and (here or there):
                    same = len(here & {note[:3] for note in there})
                    after[row, lag] += 4 * same / (len(here) + len(there)) - 1
        return after

    def _weights(self, foretold: Floats, frame: int) -> Floats:
        """The frame, the share of the cache and the weights of the distances: (B, 2 + L)."""
        told = np.zeros((len(foretold), 2 + len(self.cache.lags)), np.float32)
        told[:, 0] = frame
        possible = np.array([self.cache.at(frame, lag) is not None for lag in range(len(self.cache.lags))], bool)
        if possible.any():
            weights = np.where(possible, np.exp(SHARPNESS * self.cache.alike + foretold), 0)
            weights /= weights.sum(axis=1, keepdims=True)
            told[:, 1] = np.minimum(0.95, self.share * weights @ self.cache.alike)
            told[:, 2:] = weights
        return told

    def note_step(
        self, hidden: Floats, circles: Floats, notes: Integers, chosen: Integers, classes: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Logits of instrument and tone, mixed, and the note's state with what was carried."""
        hidden, told = np.split(hidden, [-2 - len(self.cache.lags)], axis=1)
        first, tone, state = self.network.note_step(hidden, circles, notes, chosen, classes)
        first = self._mixed(first, told, notes, chosen[:, None][:, :0])
        # Without an instrument nothing is asked of the tone.
        tone = self._mixed(tone, told * (chosen >= 0)[:, None], notes, chosen[:, None])
        return first, tone, np.concatenate((state, told), axis=1)

    def note_rest(self, state: Floats, notes: Integers, chosen: Integers) -> tuple[Floats, Floats]:
        """Logits of octave and duration, each (B, values), of which those that are chosen next are mixed."""
        state, told = np.split(state, [-2 - len(self.cache.lags)], axis=1)
        octave, duration = self.network.note_rest(state, notes, chosen)
        known = (chosen[:, 2] >= 0)[:, None]
        return self._mixed(octave, told * ~known, notes, chosen[:, :2]), self._mixed(
            duration, told * known, notes, chosen
        )

    def _mixed(self, logits: Floats, told: Floats, notes: Integers, chosen: Integers) -> Floats:
        """Logits of the field behind those that are `chosen`, mixed with what the distances say, where they do."""
        out = logits.copy()
        for row, (frame, share, *weights) in enumerate(told.tolist()):
            if share > 0:
                so_far = [tuple(note) for note in notes[row].tolist() if note[0] >= 0]
                votes = self._votes(int(frame), weights, so_far, tuple(chosen[row].tolist()))
                p = (1 - share * votes.sum()) * np.exp(log_softmax(logits[row])) + share * votes
                out[row] = np.log(np.maximum(p, 1e-12))
        return out

    def _votes(
        self, frame: int, weights: list[float], written: list[Any], picked: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """What the distances say of the next field, after the notes `written` in the frame and the fields `picked`."""
        votes = np.zeros(SIZES[len(picked)])
        last = _place(written[-1]) if written else (-1, -1)
        for lag, weight in enumerate(weights):
            there = self.cache.at(frame, lag)
            if there is None or not weight:
                continue
            found = {note[:3] for note in there}
            weight *= DOUBT ** sum(note[:3] not in found for note in written)
            left = [note for note in there if _place(note) > last and note[: len(picked)] == picked]
            if left:
                votes[left[0][len(picked)]] += weight
            elif not picked:
                votes[END] += weight
        return votes


def _place(note: Note) -> tuple[int, int]:
    """Instrument and pitch, by which the notes of a frame are ordered."""
    instrument, tone, octave, _ = note
    return instrument, tone if instrument == DRUMS else tone + 12 * octave
