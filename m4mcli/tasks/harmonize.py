"""Add a chord track to a piece: from its melody to a track in its own ticks, and the chords' names."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAME_NOTE, tick_of
from m4mcli.generation.draw import within
from m4mcli.generation.generate import Progress
from m4mcli.generation.sampling import Sampling
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device, open_network
from m4mcli.score.metre import Bar
from m4mcli.score.score import Score, Track
from m4mcli.tasks.chord_track import ChordPart, ChordSpan, Melody, chord_spans, merged, write_chord_parts
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.layout import Layout, lay_out
from m4mcli.tasks.melody import Found
from m4mcli.tasks.placement import has_pickup, placed
from m4mcli.tasks.task import TASKS, Choice
from m4mcli.tasks.voicing import chord_rows, register_like
from m4mcli.theory.chord_names import chord_symbol

TASK = TASKS["harmonize"]


@dataclass(frozen=True)
class Wish:
    """What the user asks of a chord part beside the melody.

    `chords` is a written progression for fixed bars; `prompt` a score that holds the part's first bars; `per_bar` chord
    places in a bar (None: every beat); `key` (tonic 0-11, minor) instead of the estimated one; `program` 0-127, None
    for that of the prompt, or the task's; `best_of` samples for each of `count` answers; `strictness` as in
    m4mcli.generation.guidance.
    """

    chords: str | None = None
    prompt: Score | None = None
    per_bar: Literal[1, 2, 4] | None = None
    key: tuple[int, bool] | None = None
    program: int | None = None
    sampling: Sampling = TASK.sampling
    best_of: int = TASK.best_of
    choice: Choice = TASK.choice
    seed: int = 0
    count: int = 1
    strictness: float = 1.0


@dataclass(frozen=True)
class NamedChord:
    """A chord of the result: bar and beat from 1 (a pickup is bar 0), tick of the piece, lead sheet symbol."""

    bar: int
    beat: float
    tick: int
    symbol: str


@dataclass(frozen=True)
class Harmonization:
    """A chord track in the piece's ticks, its chords by name, the melody's key (tonic, minor), and what is odd."""

    track: Track
    chords: tuple[NamedChord, ...]
    key: tuple[int, bool]
    warnings: tuple[str, ...] = ()


def has_chord_part(score: Score) -> bool:
    """Whether a track with notes is already called as the one that this task writes."""
    ours = TASK.track_name.casefold()
    return any(len(track.notes) and track.name.strip().casefold() == ours for track in score.tracks)


def harmonize(
    score: Score, found: Found, network: Network, wish: Wish, progress: Progress | None = None
) -> list[Harmonization]:
    """Write `wish.count` chord parts, in ticks, under a melody of the score, each what the next seed alone would give.

    Raises M4mError (status 2) where the wish does not fit the piece.
    """
    layout = lay_out(score, found.notes, chords=wish.chords, prompt=wish.prompt, per_bar=wish.per_bar, key=wish.key)
    return [
        _result(score, layout, wish, _part(layout, network, wish, wish.seed + i, within(progress, i, wish.count)))
        for i in range(wish.count)
    ]


def _part(layout: Layout, network: Network, wish: Wish, seed: int, progress: Progress | None) -> ChordPart:
    (part,) = write_chord_parts(
        network,
        layout.melody,
        layout.fixed,
        sampling=wish.sampling,
        prompt_frames=layout.prompt_frames,
        rests=layout.rests,
        seed=seed,
        best_of=wish.best_of,
        choice=wish.choice,
        strictness=wish.strictness,
        progress=progress,
    )
    return part


def _result(score: Score, layout: Layout, wish: Wish, part: ChordPart) -> Harmonization:
    """The part's chords as notes, behind those of the prompt if there is one, and their names."""
    spans = merged(part.spans, layout.struck)
    prompt, register, program = layout.prompt, part.register, TASK.program
    if prompt is not None:
        register, program = register_like(prompt.notes["onset"], prompt.notes["pitch"]), prompt.program
    program = program if wish.program is None else wish.program
    track = placed(
        chord_rows((astuple(s) for s in spans if s.start >= layout.prompt_frames), register, program),
        score.tpq,
        name=TASK.track_name,
        program=program,
        velocities=lambda onsets: velocities(onsets, layout.bars, score),
        ticks=layout.ticks,
        end=layout.end,
    )
    if prompt is not None:
        track = replace(track, notes=np.concatenate((prompt.notes, track.notes)))
    covered = layout.prompt_frames >= len(layout.melody.begin)
    warnings = ("the prompt covers the whole melody: nothing is left to write",) if covered else ()
    return Harmonization(track, _named(layout, spans), layout.melody.likely_key, warnings)


def _named(layout: Layout, spans: tuple[ChordSpan, ...]) -> tuple[NamedChord, ...]:
    pickup = has_pickup(layout.bars, layout.tpq)
    starts = [bar.tick for bar in layout.bars]
    named = []
    for span in spans:
        tick = layout.ticks.get(span.start, tick_of(span.start, layout.tpq))
        index = max(0, int(np.searchsorted(starts, tick, side="right")) - 1)
        beat = _beat(layout.bars[index], tick, layout.bars[1] if pickup and index == 0 else None)
        symbol = chord_symbol(span.pitch_classes, span.bass, layout.melody.likely_key)
        named.append(NamedChord(index + (not pickup), beat, tick, symbol))
    return tuple(named)


def _beat(bar: Bar, tick: int, following: Bar | None) -> float:
    """The beat, from 1, of a tick in a bar; in a pickup it is that of the whole bar that the `following` one is."""
    metre = following or bar
    whole = metre.whole or metre.length
    start = bar.tick + bar.length - whole if following else bar.tick
    return round(1 + (tick - start) / (whole / metre.numerator), 3)


def harmonizer(
    model: str | None,
    *,
    device: Device = "cpu",
    threads: int = 1,
    temperature: float = TASK.sampling.temperature,
    top_p: float = TASK.sampling.top_p,
    best_of: int = TASK.best_of,
    strictness: float = 1.0,
    adapter: str | None = None,
) -> Callable[..., list[NDArray[np.void]]]:
    """The task as m4mcli.evaluation.harmonize measures it, all in frames.

    Melody and prompt are FRAME_NOTE rows (n,), the metre is (frames, 3): position in the bar, length of the bar, length
    of the beat, in frames. Out come so many samples, each FRAME_NOTE rows (m,). Raises M4mError where no such model is
    found.
    """
    network = open_network(find_model(model, TASK.name), TASK.name, device, threads, adapter)
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
            strictness=strictness,
        )
        return [p.notes() for p in parts]

    return answers
