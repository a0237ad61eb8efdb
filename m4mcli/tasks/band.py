"""Add tracks to drums and whatever else a piece has: from its ticks to frames, and back to its own beats."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.frames import FRAME_NOTE, track_frames
from m4mcli.generation.draw import Draw
from m4mcli.generation.request import Progress
from m4mcli.models.network import Network
from m4mcli.score.score import NOTE, Score, Track
from m4mcli.tasks.accompaniment import TASK, Parts, Scene, accompany
from m4mcli.tasks.drums import prompt_frames
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.ground import Ground, ground_of, swung_ticks
from m4mcli.tasks.placement import placed
from m4mcli.tasks.prompt import prompt_of
from m4mcli.theory.instruments import instrument_name


@dataclass(frozen=True)
class BandWish:
    """What the user asks of the parts.

    `instruments` are programs 0-127 in the order of the tracks (none: the prompt's, else the model's choice); `prompt`
    is a score that holds the parts' first bars; `key` (tonic, minor) in place of that of what is given.
    """

    how: Draw = TASK.draw
    instruments: tuple[int, ...] = ()
    prompt: Score | None = None
    key: tuple[int, bool] | None = None


@dataclass(frozen=True)
class Band:
    """New tracks in the piece's ticks, the instruments without a note, and the key (tonic, minor) of the parts."""

    tracks: tuple[Track, ...]
    missing: tuple[int, ...]
    key: tuple[int, bool]


def play_along(score: Score, network: Network, wish: BandWish, progress: Progress | None = None) -> list[Band]:
    """Tracks for `wish.how.count` answers, each what the next seed alone would give.

    Raises M4mError for a piece or a prompt without notes, and where the model writes rests alone.
    """
    if not score.note_count:
        raise M4mError("nothing to play to: the piece has no notes", "a track of drums is needed, or any other")
    ground = ground_of(score)
    opening = {} if wish.prompt is None else _opening(wish.prompt, wish.instruments, ground)
    notes = np.concatenate([np.zeros(0, NOTE), *(track.notes for track in opening.values())])
    first = prompt_frames(Track(notes=notes), ground) if len(notes) else 0
    scene = Scene(
        given=ground.notes,
        metre=ground.metre,
        prompt=track_frames(opening.values(), score.tpq) if opening else np.zeros(0, FRAME_NOTE),
        prompt_frames=first,
        instruments=wish.instruments,
        key=wish.key,
    )
    ticks = swung_ticks(score, ground)
    answers = accompany(network, scene, wish.how, progress)
    return [_band(score, ground, scene, parts, opening, ticks) for parts in answers]


def _opening(prompt: Score, instruments: tuple[int, ...], ground: Ground) -> dict[int, Track]:
    """The first bars of each part by its program, in ticks of the piece; of the named instruments, if any are named."""
    pitched = [t for t in prompt.tracks if len(t.notes) and not t.is_drum]
    pitched = [t for t in pitched if not instruments or t.program in instruments]
    if not pitched:
        what = " of these instruments" if instruments else ""
        raise M4mError(f"--prompt: the file has no pitched notes{what}", "give a file with the parts' first bars")
    opening = {}
    for program in dict.fromkeys(t.program for t in pitched):
        own = [t for t in pitched if t.program == program]
        notes = prompt_of(prompt, own, ground.tpq, ground.length).notes
        notes = notes[notes["onset"] < ground.end]
        notes["duration"] = np.minimum(notes["duration"], ground.end - notes["onset"])
        opening[program] = Track(own[0].name, program, notes=notes)
    return opening


def _band(
    score: Score, ground: Ground, scene: Scene, parts: Parts, opening: dict[int, Track], ticks: dict[int, int]
) -> Band:
    new = parts.notes[parts.notes["frame"] >= scene.prompt_frames]
    if not len(new) and not len(scene.prompt):
        raise M4mError("the model wrote rests alone", "try another --seed, or a higher --temperature")
    tracks = [_track(score, ground, new, program, opening.get(program), ticks) for program in parts.instruments]
    missing = tuple(i for i in parts.instruments if i not in new["instrument"])
    return Band(tuple(t for t in tracks if len(t.notes)), missing, scene.likely_key)


def _track(
    score: Score, ground: Ground, new: NDArray[np.void], program: int, opening: Track | None, ticks: dict[int, int]
) -> Track:
    track = placed(
        new[new["instrument"] == program],
        score.tpq,
        name=instrument_name(program),
        program=program,
        velocities=lambda onsets: velocities(onsets, ground.bars, score),
        ticks=ticks,
        end=ground.end,
    )
    if opening is None:
        return track
    return Track(opening.name or track.name, program, notes=np.concatenate((opening.notes, track.notes)))
