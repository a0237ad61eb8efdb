"""Add a melody to chords: from the chords of a piece to a track in its own ticks, one note at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.frames import FRAME_NOTE, frame_of, tick_of, track_frames
from m4mcli.generation.draw import Draw
from m4mcli.generation.request import Progress
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device, open_network
from m4mcli.score.score import Score, Track
from m4mcli.tasks.chord_source import FoundChords
from m4mcli.tasks.chord_track import chord_spans
from m4mcli.tasks.dynamics import UNDER, velocities
from m4mcli.tasks.ground import Ground, swung_ticks
from m4mcli.tasks.manner import FAMILY_RANGES, PROGRAM_RANGES
from m4mcli.tasks.melody import find_melody, skyline
from m4mcli.tasks.melody_line import (
    Changes,
    Compass,
    compass_around,
    compass_between,
    compass_of,
    write_lines,
)
from m4mcli.tasks.placement import has_pickup, placed
from m4mcli.tasks.prompt import Prompt, prompt_of
from m4mcli.tasks.task import TASKS, Choice

TASK = TASKS["melodize"]

ABOVE = 1.1
"""A melody's loudness beside the chords'."""

HIGH = 2 / 3
"""Where in the range of its instrument the middle of a melody lies."""


@dataclass(frozen=True)
class MelodyWish:
    """What the user asks of a melody beside the chords.

    `compass` (lowest and highest MIDI pitch, None: an octave and a half about the middle of the instrument); `density`
    1 is as learnt, 2 has more notes, 0.5 fewer; `program` 0-127, None for that of the prompt, or the task's; `prompt` a
    score that holds the melody's first bars; `key` (tonic, minor) instead of the estimated one.
    """

    how: Draw = TASK.draw
    choice: Choice = TASK.choice
    compass: tuple[int, int] | None = None
    density: float = 1.0
    program: int | None = None
    prompt: Score | None = None
    key: tuple[int, bool] | None = None

    def __post_init__(self) -> None:
        if not 0.1 <= self.density <= 10:
            raise M4mError("--density must be from 0.1 to 10", "1 is as learnt", USAGE)


@dataclass(frozen=True)
class Melodization:
    """A melody in the piece's ticks, the chords' key (tonic, minor), its lowest and highest pitch, what is odd."""

    track: Track
    key: tuple[int, bool]
    compass: tuple[int, int]
    warnings: tuple[str, ...] = ()


def has_melody_part(score: Score) -> bool:
    """Whether a track with notes is already called as the one that this task writes."""
    ours = TASK.track_name.casefold()
    return any(len(track.notes) and track.name.strip().casefold() == ours for track in score.tracks)


def melodize(
    score: Score, found: FoundChords, network: Network, wish: MelodyWish, progress: Progress | None = None
) -> list[Melodization]:
    """`wish.how.count` melodies over chords of a score, each what the next seed alone would give.

    They begin with the chords, or in a pickup before them, and end with them. Raises M4mError (status 2) where the wish
    does not fit the piece.
    """
    ground, length = found.ground, found.end
    changes = Changes(found.spans, ground.metre[:length], _first(found), wish.key)
    prompt, thick = (None, False) if wish.prompt is None else _prompt(wish.prompt, ground, length)
    beginning = np.zeros(0, FRAME_NOTE)
    if prompt is not None:
        beginning = track_frames([Track(notes=prompt.notes)], ground.tpq)
        beginning = beginning[np.unique(beginning["frame"], return_index=True)[1]]
    program = wish.program
    if program is None:
        program = TASK.program if prompt is None else prompt.program
    compass = _compass(changes.likely_key, wish.compass, beginning, program)
    lines = write_lines(
        network,
        changes,
        compass,
        wish.how,
        prompt=beginning,
        prompt_frames=prompt.frames if prompt else 0,
        density=wish.density,
        choice=wish.choice,
        progress=progress,
    )
    warnings = []
    if thick:
        warnings.append("--prompt has several notes at once, so its top line was taken")
    if prompt is not None and prompt.frames >= length:
        warnings.append("the prompt covers all chords: nothing is left to write")
    ticks = swung_ticks(score, ground)
    return [
        Melodization(
            _track(line, score, ground, (length, ticks), prompt, program),
            changes.likely_key,
            (compass.lowest, compass.highest),
            tuple(warnings),
        )
        for line in lines
    ]


def _first(found: FoundChords) -> int:
    """The frame from which on a melody may begin: in a pickup that stands before the first chord, else with that."""
    start = next(s.start for s in found.spans if s.pitch_classes)
    ground = found.ground
    pickup = has_pickup(ground.bars, ground.tpq) and start <= frame_of(ground.bars[1].tick, ground.tpq)
    return 0 if pickup else start


def _prompt(prompt: Score, ground: Ground, length: int) -> tuple[Prompt, bool]:
    """The prompt's melody, in ticks of the piece, and whether it is the top line of a thick part."""
    try:
        found = find_melody(prompt)
    except M4mError as error:
        raise M4mError("--prompt: the file has no melody", "give a file with the melody's first bars") from error
    track = replace(prompt.tracks[found.indices[0]], notes=skyline(found.notes))
    return prompt_of(prompt, [track], ground.tpq, length), found.skyline


def _compass(key: tuple[int, bool], asked: tuple[int, int] | None, prompt: NDArray[np.void], program: int) -> Compass:
    if asked is not None:
        between = compass_between(key, *asked)
        return replace(between, shift=compass_of(key, prompt).shift) if len(prompt) else between
    if len(prompt):
        return compass_of(key, prompt)
    lowest, highest = PROGRAM_RANGES.get(program, FAMILY_RANGES[program // 8])
    return compass_around(key, lowest + HIGH * (highest - lowest))


def _track(
    line: NDArray[np.void],
    score: Score,
    ground: Ground,
    place: tuple[int, dict[int, int]],
    prompt: Prompt | None,
    program: int,
) -> Track:
    """A line as a track, behind the notes of the prompt if there is one; never two of its notes sound at once."""
    length, ticks = place
    track = placed(
        line[line["frame"] >= (prompt.frames if prompt else 0)],
        score.tpq,
        name=TASK.track_name,
        program=program,
        velocities=lambda onsets: _louder(velocities(onsets, ground.bars, score)),
        ticks=ticks,
        end=ticks.get(length, tick_of(length, score.tpq)),
    )
    notes = track.notes if prompt is None else np.concatenate((prompt.notes, track.notes))
    return replace(track, notes=apart(notes))


def _louder(velocity: NDArray[np.int64]) -> NDArray[np.int64]:
    louder: NDArray[np.int64] = np.minimum(127, np.rint(velocity * ABOVE / UNDER)).astype(np.int64)
    return louder


def apart(notes: NDArray[np.void]) -> NDArray[np.void]:
    """NOTE rows of a line in order, in ticks, each ended where the next begins; of those that begin together the first.

    Frames are apart by construction; their ticks need not be where the piece has few to a quarter.
    """
    kept: NDArray[np.void] = notes[np.unique(notes["onset"], return_index=True)[1]]
    kept["duration"][:-1] = np.minimum(kept["duration"][:-1], np.diff(kept["onset"]))
    return kept


def melodizer(
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
    """The task as m4mcli.evaluation.melodize measures it, all in frames.

    Chords and prompt are FRAME_NOTE rows (n,), the metre is (frames, 3). Out come so many samples, each FRAME_NOTE rows
    (m,). Raises M4mError where no such model is found.
    """
    network = open_network(find_model(model, TASK.name), TASK.name, device, threads, adapter)
    sampling = replace(TASK.sampling, temperature=temperature, top_p=top_p)

    def answers(
        chords: NDArray[np.void],
        metre: NDArray[np.integer],
        prompt: NDArray[np.void],
        prompt_frames: int,
        samples: int,
        seed: int,
    ) -> list[NDArray[np.void]]:
        changes = Changes(tuple(chord_spans(chords.astype(FRAME_NOTE))), metre)
        beginning = prompt.astype(FRAME_NOTE)
        if len(beginning):
            beginning = beginning[np.lexsort((-beginning["pitch"], beginning["frame"]))]
            beginning = beginning[np.unique(beginning["frame"], return_index=True)[1]]
        compass = _compass(changes.likely_key, None, beginning, TASK.program)
        how = Draw(sampling, best_of, samples, seed, strictness)
        return write_lines(network, changes, compass, how, prompt=beginning, prompt_frames=prompt_frames)

    return answers
