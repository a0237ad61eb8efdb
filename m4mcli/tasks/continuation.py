"""Go on where a piece ends: more bars for the instruments that it has, on its own beat grid and in its own manner.

What the piece's last bars show bounds what is written: each instrument keeps its range, its number of voices and, on
average, how often it plays. Of several samples the one nearest to the piece is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.canonical import canonical_shift, pitch_class_histogram, shifted
from m4mcli.frames.fields import thinned
from m4mcli.frames.frames import DRUMS, frame_of, metre_frames, track_frames
from m4mcli.generation.generate import Progress, Request, Sample, Written, generate
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.models.company import InCompany
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device
from m4mcli.models.session import open_network as open_model
from m4mcli.score.metre import Bar, bars
from m4mcli.score.score import Score, Track
from m4mcli.tasks.close import closed
from m4mcli.tasks.drums import heard
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.manner import (
    InManner,
    Manner,
    drift,
    lean_to,
    manner_of,
    one_at_a_time,
    pitch_classes_apart,
    rhythm_apart,
    unlikeness,
)
from m4mcli.tasks.placement import placed
from m4mcli.tasks.task import TASKS
from m4mcli.theory.keys import estimate_key

TASK = TASKS["continue"]
REREAD_FRAMES = 160
"""Frames at the end of the piece that the model reads at most."""
RECENT_BARS = 8
"""An instrument that sounds in so many last bars is to sound in the new ones."""
ROUNDS = 4
"""How often samples are drawn until one has every instrument and is near enough to the piece."""
NEAR = 0.8
"""Unlikeness to the piece's last bars that is near enough."""
RHYTHM, AGREEMENT, SILENCE = 1.5, 2.0, 4.0
"""What being apart (0..1) from the rhythm heard, and from the pitch classes of the other samples, counts beside it, and
the share of bars in which nothing sounds: behind the last note of a whole piece a model likes to go on being silent."""


@dataclass(frozen=True)
class Commission:
    """What is to be written: how many bars, for which instruments (None: those of the piece), and how boldly.

    `end`: the bars come to a close, in the last of them or before. `written` is told each frame of the new bars as it
    comes; then one sample is drawn, and none is chosen.
    """

    length_bars: int = 8
    instruments: tuple[int, ...] | None = None
    sampling: Sampling = TASK.sampling
    best_of: int = TASK.best_of
    seed: int = 0
    end: bool = False
    written: Written | None = None


@dataclass(frozen=True)
class Continuation:
    """New tracks in the piece's ticks, its key (tonic, minor), and the instruments that wrote and did not write."""

    tracks: tuple[Track, ...]
    key: tuple[int, bool] | None
    instruments: tuple[int, ...]
    missing: tuple[int, ...]


def continuation(
    score: Score, network: Network, commission: Commission, progress: Progress | None = None
) -> Continuation:
    """Bars that begin at the bar line behind the piece's last note.

    Raises M4mError for a piece without notes, and where the model writes none.
    """
    if not score.note_count:
        raise M4mError("no notes to go on from", "give a piece with at least one note")
    if commission.length_bars < 1:
        raise M4mError("--bars must be 1 or more", status=USAGE)
    places, border = _new_bars(score, commission.length_bars)
    notes = track_frames(score.tracks, score.tpq)
    first, last = frame_of(border, score.tpq), frame_of(places[-1].tick + places[-1].length, score.tpq)
    made, manner = write_on(network, notes, metre_frames(places, score.tpq, last), first, commission, progress)
    if not len(made):
        raise M4mError("the model wrote rests alone", "try another --seed, or a higher --temperature")
    missing = tuple(i for i in manner.wanted if i not in made["instrument"])
    key = estimate_key(pitch_class_histogram(notes))
    if commission.end:
        lines = [f for bar in places if (f := frame_of(bar.tick, score.tpq)) >= first]
        made, _ = closed(made, lines, last, key or (0, False))
    return Continuation(_tracks(score, made, manner.rules, places), key, manner.rules.instruments, missing)


def write_on(
    network: Network,
    notes: NDArray[np.void],
    metre: NDArray[np.integer],
    border: int,
    commission: Commission,
    progress: Progress | None = None,
) -> tuple[NDArray[np.void], Manner]:
    """New notes from the frame `border` on, as FRAME_NOTE rows, and the manner in which they are written.

    `notes` (n > 0) are those of the whole piece before it, `metre` (frames, 3) is that of the piece and the new bars:
    it says how many frames are written, the commission's bars do not count. No note is left of a monophonic part where
    a later one begins.
    """
    shift = canonical_shift(notes)
    moved = shifted(notes, shift)
    lines = np.flatnonzero(metre[:border, 0] == 0).tolist()
    request, start = _request(moved, metre, border, lines)
    read_again = request.fixed_notes, int(request.fixed.sum())
    manner = manner_of(moved, read_again, next(iter(lines[-RECENT_BARS:]), 0), commission.instruments, shift)
    best = _best_sample(network, request, manner, _in_piece(commission, start, shift), progress)
    made = shifted(_new_notes(best, manner), -shift)
    made["frame"] += start
    owns = ((part, made[made["instrument"] == part.instrument]) for part in manner.rules.parts)
    voices = [one_at_a_time(own) if part.monophonic else own for part, own in owns]
    return np.concatenate([made[:0], *voices]), manner


def _in_piece(commission: Commission, start: int, shift: int) -> Commission:
    """The commission, told frames and pitches of the piece where the request's begin at `start` and are moved."""
    written = commission.written
    if written is None:
        return commission

    def told(frame: int, notes: NDArray[np.void]) -> None:
        own = shifted(notes, -shift)
        own["frame"] += start
        written(frame + start, own)

    return replace(commission, written=told)


def _new_bars(score: Score, count: int) -> tuple[tuple[Bar, ...], int]:
    """The bars of the piece and `count` more, and the tick at which the new ones begin."""
    last_bar = bars(score)[-1]
    border = last_bar.tick + last_bar.length
    return bars(score, round(border + count * (last_bar.whole or last_bar.length))), border


def _request(notes: NDArray[np.void], metre: NDArray[np.integer], first: int, lines: list[int]) -> tuple[Request, int]:
    """What is to be written from the frame `first` on, and the bar line, one of `lines`, from which on the piece is
    read again."""
    start = max((f for f in lines if f <= max(0, first - REREAD_FRAMES)), default=0)
    given = thinned(notes[(notes["frame"] >= start) & (notes["frame"] < first)])
    given["frame"] -= start
    length = len(metre) - start
    request = Request(
        reference=None,
        metre=metre[start:],
        length=length,
        begin=np.ones(length, bool),
        fixed=np.arange(length) < first - start,
        fixed_notes=given,
    )
    return request, start


def _best_sample(
    network: Network, request: Request, manner: Manner, commission: Commission, progress: Progress | None
) -> Sample:
    """The sample nearest to the piece; further rounds, from seeds that no user gives, while none is near."""
    lean, samples = lean_to(network, request, manner), list[Sample]()
    if commission.written is not None:
        guided, how = InManner(network, manner.rules, lean), commission.sampling
        (only,) = generate(
            guided, request, manner.rules, how, seed=commission.seed, progress=progress, written=commission.written
        )
        return only
    for number in range(ROUNDS):
        samples += generate(
            InManner(network, manner.rules, lean),
            request,
            manner.rules,
            commission.sampling,
            seed=commission.seed + (number << 48),
            samples=commission.best_of,
            progress=progress,
        )
        new, frames = [_new_notes(s, manner) for s in samples], request.length - manner.length_frames
        best = _nearest(new, request, manner)
        if not _missing(new[best], manner) and _far(new[best], request, manner) <= NEAR:
            break
        latest = new[-commission.best_of :]
        lean += np.mean([drift(notes, frames, manner.rates) for notes in latest], axis=0)
    return samples[best]


def _new_notes(sample: Sample, manner: Manner) -> NDArray[np.void]:
    new: NDArray[np.void] = sample.notes[sample.notes["frame"] >= manner.length_frames]
    return new


def _nearest(new: list[NDArray[np.void]], request: Request, manner: Manner) -> int:
    """The index of the notes with the fewest instruments missing, and of these the nearest to the piece.

    What counts is how unlike they are in density, pitch classes and shares, in rhythm and in silent bars, and how far
    their pitch classes are from those of all that was drawn: where these agree the piece is likely to go.
    """
    metre = request.metre
    assert metre is not None
    apart = pitch_classes_apart(new)

    def distance(i: int) -> tuple[int, float]:
        far = _far(new[i], request, manner) + AGREEMENT * apart[i]
        return _missing(new[i], manner), far + RHYTHM * rhythm_apart(new[i], manner.heard, metre)

    return min(range(len(new)), key=distance)


def _far(new: NDArray[np.void], request: Request, manner: Manner) -> float:
    """How unlike new notes are to those heard; 0 where they are like them, with no greater share of silent bars."""
    metre, border = request.metre, manner.length_frames
    assert metre is not None
    sounding, still_sounding = heard(manner.heard, metre)[:border].mean(), heard(new, metre)[border:].mean()
    silence = max(0.0, float(sounding - still_sounding))
    return unlikeness(new, request.length - border, manner.heard, manner.rates) + SILENCE * silence


def _missing(new: NDArray[np.void], manner: Manner) -> int:
    return sum(i not in new["instrument"] for i in manner.wanted)


def _tracks(score: Score, made: NDArray[np.void], rules: Rules, places: tuple[Bar, ...]) -> tuple[Track, ...]:
    stop = places[-1].tick + places[-1].length
    tracks = []
    for part in rules.parts:
        own = made[made["instrument"] == part.instrument]
        if not len(own):
            continue
        is_drum = part.instrument == DRUMS
        program = 0 if is_drum else part.instrument
        like = [t for t in score.tracks if t.is_drum == is_drum and (is_drum or t.program == program)]
        name = next((t.name for t in like if t.name), "")
        tracks.append(
            placed(
                own,
                score.tpq,
                name=f"{name} (continued)" if name else "Continued",
                program=like[0].program if like else program,
                velocities=lambda onsets: velocities(onsets, places, score),
                is_drum=is_drum,
                end=stop,
            )
        )
    return tuple(tracks)


def continuer(
    model: str | None,
    *,
    device: Device = "cpu",
    threads: int = 1,
    temperature: float = TASK.sampling.temperature,
    top_p: float = TASK.sampling.top_p,
    best_of: int = TASK.best_of,
    adapter: str | None = None,
) -> Callable[..., list[NDArray[np.void]]]:
    """The task as m4mcli.evaluation.continuation measures it, all in frames.

    The notes that are given, and every answer's new notes, are FRAME_NOTE rows, the metre is (given + written, 3).
    """
    network = open_network(model, device, threads, adapter)
    sampling = replace(TASK.sampling, temperature=temperature, top_p=top_p)

    def answers(
        notes: NDArray[np.void], metre: NDArray[np.integer], given: int, written: int, samples: int, seed: int
    ) -> list[NDArray[np.void]]:
        asked = [Commission(sampling=sampling, best_of=best_of, seed=seed + i) for i in range(samples)]
        return [write_on(network, notes, metre[: given + written], given, one)[0] for one in asked]

    return answers


def open_network(model: str | None, device: Device = "cpu", threads: int = 1, adapter: str | None = None) -> InCompany:
    """The network that ships for this task, or the named one, with its adapter for the task where it has one.

    `adapter` is the file of a style adapter to put on.
    """
    return open_model(find_model(model, TASK.name), TASK.name, device, threads, adapter)
