"""Add a chord track to a piece: from its melody to a track in its own ticks, and the chords' names."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.canonical import pitch_class_histogram
from m4mcli.frames.frames import FRAME_NOTE, frame_of, metre_frames, track_frames
from m4mcli.generation.generate import Progress
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device, OnnxNetwork
from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import NOTE, Score, Track
from m4mcli.tasks.chord_track import ChordPart, ChordSpan, Melody, chord_spans, write_chord_parts
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.melody import Found
from m4mcli.tasks.placement import beat_ticks, frame_ticks, has_pickup, placed
from m4mcli.tasks.task import TASKS, Choice
from m4mcli.tasks.written_chords import fixed_ticks, parse_progression
from m4mcli.theory.chord_names import chord_symbol
from m4mcli.theory.keys import estimate_key

TASK = TASKS["harmonize"]


@dataclass(frozen=True)
class Wish:
    """What the user asks of a chord part beside the melody.

    `chords` is a written progression for fixed bars; `prompt` a score that holds the part's first bars; `per_bar` chord places
    in a bar (None: every beat); `key` (tonic, minor) instead of the estimated one.
    """

    chords: str | None = None
    prompt: Score | None = None
    per_bar: Literal[1, 2, 4] | None = None
    key: tuple[int, bool] | None = None
    program: int = TASK.program
    sampling: Sampling = TASK.sampling
    best_of: int = TASK.best_of
    choice: Choice = TASK.choice
    seed: int = 0
    count: int = 1


@dataclass(frozen=True)
class NamedChord:
    """A chord of the result: bar and beat from 1 (a pickup is bar 0), tick, symbol."""

    bar: int
    beat: float
    tick: int
    symbol: str


@dataclass(frozen=True)
class Harmonization:
    """A chord track in the piece's ticks, and its chords by name."""

    track: Track
    chords: tuple[NamedChord, ...]


@dataclass(frozen=True)
class Plan:
    """The melody as the model sees it, and where its frames lie in the piece."""

    melody: Melody
    fixed: list[ChordSpan]
    prompt_frames: int
    prompt_notes: NDArray[np.void]
    bars: tuple[Bar, ...]
    ticks: dict[int, int]
    end: int


def plan(score: Score, found: Found, wish: Wish) -> Plan:
    """Lay out a request: melody, metre, beats, fixed chords, prompt. Raises M4mError where the wish does not fit."""
    tpq = score.tpq
    end = int((found.notes["onset"] + found.notes["duration"]).max())
    places = bars(score, end)
    length = max(1, -(-end * 4 // tpq))
    notes = track_frames([Track(notes=found.notes)], tpq)
    ticks = beat_ticks(places, tpq, length, wish.per_bar)
    begin = np.zeros(length, bool)
    begin[list(ticks)] = True
    fixed, prompt, frames = [], np.zeros(0, NOTE), 0
    if wish.chords is not None:
        if wish.prompt is not None:
            raise M4mError("--chords and --prompt exclude each other", "give one of them", 2)
        spans = fixed_ticks(parse_progression(wish.chords), places, tpq)
        ticks |= frame_ticks((tick for a, b, _ in spans for tick in (a, b)), tpq)
        fixed = [_span(frame_of(a, tpq), min(frame_of(b, tpq), length), chord) for a, b, chord in spans]
        fixed = [s for s in fixed if s.stop > s.start]
    elif wish.prompt is not None:
        prompt, frames = _prompt(wish.prompt, tpq, length)
        fixed = chord_spans(track_frames([Track(notes=prompt)], tpq))
    first = int(notes["frame"].min())
    downbeats = [f for f in (frame_of(b.tick, tpq) for b in places) if first <= f < length]
    metre = _metre(places, tpq, length)
    melody = Melody(notes, metre, begin, downbeats[0] if downbeats else first, wish.key)
    return Plan(melody, fixed, frames, prompt, places, ticks, end)


def _span(start: int, stop: int, chord: object) -> ChordSpan:
    from m4mcli.theory.chords import Chord

    if isinstance(chord, Chord):
        return ChordSpan(start, stop, chord.pitch_classes, chord.bass)
    return ChordSpan(start, stop, frozenset(), 0)


def _prompt(prompt: Score, tpq: int, length: int) -> tuple[NDArray[np.void], int]:
    """The prompt's pitched notes in ticks of the piece, and the frame at which it ends."""
    parts = [t.notes for t in prompt.tracks if len(t.notes) and not t.is_drum]
    if not parts:
        raise M4mError("--prompt: the file has no pitched notes", "give a file with the part's first bars", 2)
    notes = np.concatenate(parts)
    scale = tpq / prompt.tpq
    onset = np.rint(notes["onset"] * scale).astype(np.int64)
    ends = np.rint((notes["onset"] + notes["duration"]) * scale).astype(np.int64)
    notes = notes.copy()
    notes["onset"], notes["duration"] = onset, np.maximum(1, ends - onset)
    return notes[np.lexsort((notes["pitch"], notes["onset"]))], min(length, frame_of(int(ends.max()), tpq))


def _metre(places: tuple[Bar, ...], tpq: int, length: int) -> NDArray[np.int32]:
    """Metre of each frame; a pickup counts as the end of a whole bar."""
    metre = metre_frames(places, tpq, length)
    if has_pickup(places, tpq):
        first, whole = (frame_of(b.tick + b.length, tpq) - frame_of(b.tick, tpq) for b in places[:2])
        metre[:first, 0] += whole - first
        metre[:first, 1] = whole
    return metre


def harmonize(
    score: Score, found: Found, network: Network, wish: Wish, progress: Progress | None = None
) -> list[Harmonization]:
    """Write `wish.count` chord parts under a melody of the score. The same seed gives the same parts."""
    layout = plan(score, found, wish)
    parts = write_chord_parts(
        network,
        layout.melody,
        layout.fixed,
        sampling=wish.sampling,
        prompt_frames=layout.prompt_frames,
        seed=wish.seed,
        count=wish.count,
        best_of=wish.best_of,
        choice=wish.choice,
        progress=progress,
    )
    key = wish.key or estimate_key(pitch_class_histogram(layout.melody.notes))
    return [_result(score, layout, part, wish, key) for part in parts]


def _result(
    score: Score, layout: Plan, part: ChordPart, wish: Wish, key: tuple[int, bool] | None
) -> Harmonization:
    notes = part.notes(wish.program)
    after = notes[notes["frame"] >= layout.prompt_frames] if layout.prompt_frames else notes
    if len(layout.prompt_notes) and len(after):
        lowest = _lowest_mean(layout.prompt_notes["onset"], layout.prompt_notes["pitch"])
        after["pitch"] += 12 * round((lowest - _lowest_mean(after["frame"], after["pitch"])) / 12)
    track = placed(
        after,
        score.tpq,
        name=TASK.track_name,
        program=wish.program,
        velocities=lambda onsets: velocities(onsets, layout.bars, score),
        ticks=layout.ticks,
        end=layout.end,
    )
    if len(layout.prompt_notes):
        begun = track.notes["onset"] >= layout.prompt_frames * score.tpq // 4
        track = replace(track, notes=np.concatenate((layout.prompt_notes, track.notes[begun])))
    return Harmonization(track, _named(score, layout, part, key))


def _lowest_mean(onsets: NDArray[np.integer], pitches: NDArray[np.integer]) -> float:
    return float(np.mean([pitches[onsets == o].min() for o in np.unique(onsets)]))


def _named(
    score: Score, layout: Plan, part: ChordPart, key: tuple[int, bool] | None
) -> tuple[NamedChord, ...]:
    named = []
    first = 0 if has_pickup(layout.bars, score.tpq) else 1
    starts = [b.tick for b in layout.bars]
    for span in part.spans:
        tick = layout.ticks.get(span.start, round(span.start * score.tpq / 4))
        index = max(0, int(np.searchsorted(starts, tick, side="right")) - 1)
        bar = layout.bars[index]
        beat = 1 + (tick - bar.tick) / (bar.length / bar.numerator)
        symbol = chord_symbol(span.pitch_classes, span.bass, key) if span.pitch_classes else "N.C."
        named.append(NamedChord(first + index, round(beat, 3), tick, symbol))
    return tuple(named)


def open_network(model: str | None, device: Device = "cpu", threads: int = 1) -> OnnxNetwork:
    """The network that ships for this task, or the named one."""
    return OnnxNetwork(find_model(model, TASK.name), device, threads)


def harmonizer(
    model: str | None,
    *,
    device: Device = "cpu",
    threads: int = 1,
    temperature: float = TASK.sampling.temperature,
    top_p: float = TASK.sampling.top_p,
    best_of: int = TASK.best_of,
) -> Callable[..., list[NDArray[np.void]]]:
    """The task as m4mcli.evaluation.harmonize measures it: melody, metre, prompt in, chord parts out, all in frames."""
    network = open_network(model, device, threads)
    sampling = replace(TASK.sampling, temperature=temperature, top_p=top_p)

    def answers(
        melody: NDArray[np.void],
        metre: NDArray[np.integer],
        prompt: NDArray[np.void],
        prompt_frames: int,
        samples: int,
        seed: int,
    ) -> list[NDArray[np.void]]:
        begin = metre[:, 0] % np.maximum(metre[:, 2], 1) == 0
        first = int(melody["frame"].min()) if len(melody) else 0
        downbeats = np.flatnonzero(metre[:, 0] == 0)
        due = downbeats[downbeats >= first]
        parts = write_chord_parts(
            network,
            Melody(melody.astype(FRAME_NOTE), metre, begin, int(due[0]) if len(due) else first),
            chord_spans(prompt) if len(prompt) else [],
            sampling=sampling,
            prompt_frames=prompt_frames,
            seed=seed,
            count=samples,
            best_of=best_of,
            choice=TASK.choice,
        )
        return [p.notes() for p in parts]

    return answers
