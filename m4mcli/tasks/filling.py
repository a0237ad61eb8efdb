"""Make regions of a piece new: from bars and tracks to notes in the piece's own ticks, track by track."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order, track_frames
from m4mcli.generation.draw import Draw, within
from m4mcli.generation.request import Progress
from m4mcli.generation.window import part_of
from m4mcli.score.replace_notes import Change, begins_in, clear_of
from m4mcli.score.score import NOTE, Score, Track
from m4mcli.tasks.around import BESIDE, CLOSE, Around
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.ground import Ground, ground_of, swung_ticks
from m4mcli.tasks.infill import Fill
from m4mcli.tasks.placement import placed
from m4mcli.tasks.region import Region, regions, tracks_called, tracks_near
from m4mcli.tasks.touch import touched

REACH = 4
"""Semitones over which a track is taken to play what is near to its notes, where several have one instrument."""


@dataclass(frozen=True)
class Commission:
    """What is to be made new: ranges of bars; tracks (text; None: those that sound around these); how it is drawn."""

    bars: tuple[tuple[int, int], ...]
    how: Draw
    tracks: str | None = None


@dataclass(frozen=True)
class Filling:
    """New notes of tracks of the piece, and the tracks that have none: (index, region)."""

    changes: tuple[Change, ...]
    silent: tuple[tuple[int, Region], ...]


@dataclass(frozen=True)
class Plan:
    """Which tracks (indices) are written in which regions of a piece, and its notes in frames, track by track.

    `kept` are the notes that stay, `stood` those that give way, `ticks` where notes of a frame begin and end;
    `instruments` are those that the model is told of each track: tracks of one program that are written are told as if
    they had programs akin to it, so that each goes on by itself.
    """

    score: Score
    ground: Ground
    regions: tuple[Region, ...]
    tracks: tuple[tuple[int, ...], ...]
    asked: bool
    kept: tuple[NDArray[np.void], ...]
    stood: tuple[NDArray[np.void], ...]
    ticks: dict[int, int]
    instruments: tuple[int, ...]

    def spans(self, track: int) -> tuple[tuple[int, int], ...]:
        """The stretches of ticks in which a track is written."""
        return tuple(r.ticks for r, tracks in zip(self.regions, self.tracks, strict=True) if track in tracks)


def plan(score: Score, commission: Commission) -> Plan:
    """What a commission means for a piece. Raises M4mError where it does not fit (status 2), or leaves nothing."""
    if not score.note_count:
        raise M4mError("no notes to write from", "give a piece with at least one note")
    ground = ground_of(score)
    where = regions(ground, commission.bars)
    if commission.tracks is not None:
        chosen = (tracks_called(score, commission.tracks),) * len(where)
    else:
        beside = BESIDE * score.tpq // 4
        chosen = tuple(tracks_near(score, r.ticks[0] - beside, r.ticks[1] + beside) for r in where)
    for region, tracks in zip(where, chosen, strict=True):
        if not tracks:
            raise M4mError(f"no track sounds around bars {region}", "name some with --tracks")
    instruments = apart(score, tuple(sorted({track for tracks in chosen for track in tracks})))
    of_track = [[r for r, tracks in zip(where, chosen, strict=True) if i in tracks] for i in range(len(score.tracks))]
    told = list(zip(score.tracks, instruments, of_track, strict=True))
    kept = tuple(_kept(*one, score.tpq) for one in told)
    stood = tuple(_stood(*one, score.tpq) for one in told)
    if not any(map(len, kept)):
        raise M4mError(
            "these are all notes of the piece: nothing is left to write from", "name fewer bars, or --tracks"
        )
    ticks = swung_ticks(score, ground)
    return Plan(score, ground, where, chosen, commission.tracks is not None, kept, stood, ticks, instruments)


def fillings(score: Score, fill: Fill, commission: Commission, progress: Progress | None = None) -> list[Filling]:
    """The answers, each what the next seed alone would give.

    Raises M4mError where the commission does not fit the piece, and where the model writes rests alone.
    """
    task, count = plan(score, commission), commission.how.count
    return [
        _filling(task, fill, replace(commission.how, seed=commission.how.seed + i, count=1), within(progress, i, count))
        for i in range(count)
    ]


def _filling(task: Plan, fill: Fill, how: Draw, progress: Progress | None) -> Filling:
    nothing = np.zeros(0, FRAME_NOTE)
    written = [nothing for _ in task.score.tracks]
    for number, (region, tracks) in enumerate(zip(task.regions, task.tracks, strict=True)):
        around = _around(task, written, region, tracks)
        (made,) = fill(around, how, within(progress, number, len(task.regions)))
        for track, notes in _shared_out(task, region, tracks, made):
            written[track] = np.concatenate((written[track], notes))
    if not any(map(len, written)):
        raise M4mError("the model wrote rests alone", "try another --seed, or a higher --temperature")
    changed = sorted({track for tracks in task.tracks for track in tracks})
    return Filling(tuple(_change(task, track, written[track]) for track in changed), tuple(_silent(task, written)))


def apart(score: Score, written: tuple[int, ...]) -> tuple[int, ...]:
    """The instrument of each track as the model is told: of tracks to be written that share a program each its own.

    The one with most notes keeps its program; another gets the nearest of the same family of eight that no track of the
    piece has, where there is none the nearest of all. Drums stay drums.
    """
    told = [_instrument(track) for track in score.tracks]
    taken, kept = set(told), set[int]()
    for index in sorted(written, key=lambda i: -len(score.tracks[i].notes)):
        own, free = told[index], [program for program in range(DRUMS) if program not in taken]
        if own in kept and own != DRUMS and free:
            told[index] = min(free, key=lambda program: (program // 8 != own // 8, abs(program - own)))
            taken.add(told[index])
        kept.add(own)
    return tuple(told)


def _kept(track: Track, instrument: int, where: list[Region], tpq: int) -> NDArray[np.void]:
    """FRAME_NOTE rows of the notes of a track that stay: none begins in a frame that is to be written."""
    spans = tuple(region.ticks for region in where)
    stay = track_frames([replace(track, notes=track.notes[~begins_in(track.notes["onset"], spans)])], tpq)
    for region in where:
        (first, last), middle = region.frames, sum(region.ticks) / 2
        inside = (stay["frame"] >= first) & (stay["frame"] < last)
        # Played a little early or late: it is in the region by its frame alone.
        early = inside & (stay["frame"] * tpq / 4 < middle)
        stay["duration"][early] += stay["frame"][early] - max(0, first - 1)
        stay["frame"][early] = max(0, first - 1)
        late = inside & ~early
        stay["duration"][late] = np.maximum(1, stay["duration"][late] - (last - stay["frame"][late]))
        stay["frame"][late] = last
    stay["instrument"] = instrument
    return in_order(stay)


def _stood(track: Track, instrument: int, where: list[Region], tpq: int) -> NDArray[np.void]:
    """FRAME_NOTE rows of the notes of a track that give way."""
    spans = tuple(region.ticks for region in where)
    gone = track_frames([replace(track, notes=track.notes[begins_in(track.notes["onset"], spans)])], tpq)
    gone["instrument"] = instrument
    return in_order(gone)


def _around(task: Plan, written: list[NDArray[np.void]], region: Region, tracks: tuple[int, ...]) -> Around:
    """What the model is told of a region, after what was written in those before it."""
    hidden = np.zeros(task.ground.length, bool)
    for other, theirs in zip(task.regions, task.tracks, strict=True):
        if set(theirs) & set(tracks):
            hidden[slice(*other.frames)] = True
    aside = [i for i in range(len(written)) if i not in tracks]
    instruments = tuple(sorted({task.instruments[i] for i in tracks}))
    return Around(
        aside=in_order(np.concatenate([np.zeros(0, FRAME_NOTE), *(x[i] for i in aside for x in (task.kept, written))])),
        kept=in_order(np.concatenate([task.kept[i] for i in tracks])),
        written=in_order(np.concatenate([written[i] for i in tracks])),
        instruments=instruments,
        metre=task.ground.metre,
        hidden=hidden,
        hole=region.frames,
        wanted=instruments if task.asked else (),
        stood=in_order(np.concatenate([task.stood[i] for i in tracks])),
    )


def _instrument(track: Track) -> int:
    return DRUMS if track.is_drum else track.program


def _shared_out(
    task: Plan, region: Region, tracks: tuple[int, ...], made: NDArray[np.void]
) -> Iterator[tuple[int, NDArray[np.void]]]:
    """The new notes of each track: of several with one instrument the one that plays most around the note's pitch.

    Such are drums, and more tracks than there are programs.
    """
    for instrument in sorted({task.instruments[i] for i in tracks}):
        own = made[made["instrument"] == instrument]
        several = [i for i in tracks if task.instruments[i] == instrument]
        claims = np.stack([_claim(task.kept[i], region, instrument) for i in several])
        owner = claims[:, own["pitch"]].argmax(axis=0)
        for place, track in enumerate(several):
            yield track, own[owner == place]


def _claim(notes: NDArray[np.void], region: Region, instrument: int) -> NDArray[np.float64]:
    """How much a track plays around each pitch (128,), beside the region if it plays there at all."""
    first, last = region.frames
    near = notes[(notes["frame"] >= first - BESIDE) & (notes["frame"] < last + BESIDE)]
    count = np.bincount((near if len(near) else notes)["pitch"], minlength=128)
    away = np.abs(np.arange(128)[:, None] - np.arange(128))
    reach = np.exp(-((away / (0.2 if instrument == DRUMS else REACH)) ** 2) / 2) + 1e-6 / (1 + away)
    claim: NDArray[np.float64] = reach @ count
    return claim


def _change(task: Plan, track: int, made: NDArray[np.void]) -> Change:
    """The new notes of a track in ticks; none begins outside of its spans or lasts beyond the one it begins in."""
    own, spans = task.score.tracks[track], task.spans(track)
    like = own.notes[~begins_in(own.notes["onset"], spans)]
    parts = []
    for region, tracks in zip(task.regions, task.tracks, strict=True):
        first, last = region.frames
        here = made[(made["frame"] >= first) & (made["frame"] < last)]
        if track not in tracks or not len(here):
            continue
        notes = placed(
            here,
            task.score.tpq,
            name=own.name,
            program=own.program,
            velocities=lambda onsets: velocities(onsets, task.ground.bars, task.score),
            ticks=task.ticks,
            is_drum=own.is_drum,
            end=region.ticks[1],
        ).notes
        notes = clear_of(notes[notes["onset"] >= region.ticks[0]], like)
        if len(like):
            notes["velocity"] = touched(notes, like, task.ground, own.is_drum)
        parts.append(notes)
    return Change(track, spans, np.concatenate(parts) if parts else np.zeros(0, NOTE))


def _silent(task: Plan, written: list[NDArray[np.void]]) -> Iterator[tuple[int, Region]]:
    """The tracks that are written in a region and have no note in it, though they sound beside it or were asked for."""
    for region, tracks in zip(task.regions, task.tracks, strict=True):
        first, last = region.frames
        for i in tracks:
            new = written[i]["frame"]
            if not ((new >= first) & (new < last)).any() and (task.asked or _sounds_beside(task.kept[i], region)):
                yield i, region


def _sounds_beside(notes: NDArray[np.void], region: Region) -> bool:
    first, last = region.frames
    return bool(len(part_of(notes, first - CLOSE, first)) and len(part_of(notes, last, last + CLOSE)))
