"""Drums to music: a part for a drum kit, in the piece's own ticks, silent where the music is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.frames.canonical import canonical_shift, shifted
from m4mcli.frames.fields import END, SIZES, thinned
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, frame_of, tick_of, track_frames
from m4mcli.generation.consensus import drum_consensus
from m4mcli.generation.draw import Draw, draw, within
from m4mcli.generation.generate import Progress, Request, Sample
from m4mcli.generation.rules import Rules
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device
from m4mcli.models.session import open_network as open_model
from m4mcli.score.score import Score, Track
from m4mcli.tasks.drum_dynamics import drum_velocities
from m4mcli.tasks.fills import with_fills
from m4mcli.tasks.ground import Ground, ground_of, swung_ticks
from m4mcli.tasks.manner import InManner
from m4mcli.tasks.placement import has_pickup, placed
from m4mcli.tasks.prompt import prompt_of
from m4mcli.tasks.task import TASKS
from m4mcli.theory.drum_sounds import kind_of

TASK = TASKS["drumify"]
ROUNDS = 4
"""How often a part is drawn until it has a hit for each bar."""
LATEST_BAR = 4
"""The bar, from 0, of those to be written in which something sounds, by which the drums have begun."""
OFTEN = 0.5
"""Hits a bar of each of kick, snare and cymbals in a part that is whole."""
LEAN, CHOICE = 0.15, 12
"""To be twice as busy: nats by which a frame's end is made less likely (more would derail the model), and the samples,
at least, of which the one nearest to that is kept."""
MATTERS = {"kick": 3, "snare": 3, "crash": 2, "tom": 1, "hat": 1, "ride": 1}
"""How much each kind of drum matters where a part is to be sparser, beside its place in the bar."""
LOUDER = 10.0
"""Velocity that twice the intensity adds."""


@dataclass(frozen=True)
class DrumWish:
    """What the user asks of a drum part.

    `kit` are the sounds that may be hit; `intensity` 1 is as learnt, 2 busier and louder, 0.5 sparser and softer;
    `first_bar`, `last_bar` (from 1, a pickup is bar 0) bound it; `prompt` is a score that holds its first bars; `fills`
    are written where the music turns.
    """

    how: Draw = TASK.draw
    kit: tuple[int, ...] = TASK.rules.drum_sounds
    intensity: float = 1.0
    first_bar: int | None = None
    last_bar: int | None = None
    prompt: Score | None = None
    fills: bool = True

    def __post_init__(self) -> None:
        if not 0.1 <= self.intensity <= 10:
            raise M4mError("--intensity must be from 0.1 to 10", "1 is as learnt", USAGE)
        if not self.kit:
            raise M4mError("--kit is empty", "name drums, such as kick,snare,hat", USAGE)


def drumify(score: Score, network: Network, wish: DrumWish, progress: Progress | None = None) -> list[Track]:
    """Drum tracks, in ticks, for a piece, `wish.how.count` of them.

    Drums that the piece has outside the bars to be written are gone on from. Raises M4mError for a piece without
    pitched notes, and (status 2) for bars that it does not have.
    """
    ground = ground_of(score)
    if not (ground.notes["instrument"] != DRUMS).any():
        what = "it has only drums" if len(ground.notes) else "it has no notes"
        raise M4mError(f"nothing to play drums to: {what}", "a piece with pitched notes is needed")
    first, stop = _asked(ground, wish)
    given = track_frames([t for t in score.tracks if t.is_drum], score.tpq)
    prompt = None if wish.prompt is None else _prompt(wish.prompt, ground)
    if prompt is not None:
        given, first = track_frames([prompt], score.tpq), max(first, prompt_frames(prompt, ground))
    request, start = drum_request(ground.notes, ground.metre, given, first, stop)
    rules = replace(TASK.rules, drum_sounds=wish.kit)
    parts = 2 if wish.fills else 1
    samples = _samples(network, request, wish.how, rules, wish.intensity, within(progress, 0, parts))
    if wish.fills:
        samples = _filled(network, request, rules, wish.how, samples, within(progress, 1, parts))
    made = [moved(sample.notes, start) for sample in samples]
    return [_track(notes[notes["frame"] >= first], score, ground, wish, stop, prompt) for notes in made]


def moved(notes: NDArray[np.void], frames: int) -> NDArray[np.void]:
    """FRAME_NOTE rows so many frames later."""
    later = notes.copy()
    later["frame"] += frames
    return later


def _samples(
    network: Network, request: Request, how: Draw, rules: Rules, intensity: float, progress: Progress | None
) -> list[Sample]:
    """The answers; one that is hardly there is drawn again, hits being e times likelier each time."""
    first, busy = int(request.begin.argmax()), max(0.0, float(np.log2(intensity)))
    enough = float((request.begin & (request.metre[:, 0] == 0)).sum()) if request.metre is not None else 1.0
    choose = partial(_chosen, first=first, enough=enough, intensity=intensity)
    answers = []
    for i in range(how.count):
        one = replace(how, count=1, seed=how.seed + i, best_of=max(how.best_of, CHOICE) if busy else how.best_of)
        for more in range(ROUNDS):
            lean = np.zeros(SIZES[0])
            lean[END] = -LEAN * busy - more
            told = within(progress, i, how.count)
            (sample,) = draw(InManner(network, rules, lean), request, rules, one, choose, told)
            if (sample.notes["frame"] >= first).sum() >= enough:
                break
        answers.append(sample)
    return answers


def _filled(
    network: Network, request: Request, rules: Rules, how: Draw, samples: list[Sample], progress: Progress | None
) -> list[Sample]:
    return [
        with_fills(network, request, rules, replace(how, seed=how.seed + i), sample, within(progress, i, len(samples)))
        for i, sample in enumerate(samples)
    ]


def _chosen(samples: list[Sample], first: int, enough: float, intensity: float) -> int:
    """The index of the part that is kept, among those with `enough` hits from the frame `first` on, if there are any.

    With an intensity above 1 it is the one that is nearest to so many times as busy as parts usually are.
    """
    there = [i for i, s in enumerate(samples) if (s.notes["frame"] >= first).sum() >= enough] or range(len(samples))
    parts = [samples[i] for i in there]
    if intensity <= 1:
        return there[drum_consensus(parts, enough * OFTEN)]
    counts = np.array([max(1, len(s.notes)) for s in parts])
    return there[int(np.abs(np.log(counts / (intensity * np.median(counts)))).argmin())]


def sparser(hits: NDArray[np.void], metre: NDArray[np.integer], share: float) -> NDArray[np.void]:
    """A share (0..1) of the hits of a part, FRAME_NOTE rows: what matters least goes first, in all bars alike.

    Kick and snare matter more than cymbals and percussion, beats more than what stands between them.
    """
    place, beat = (metre[hits["frame"], i] for i in (0, 2))
    weight = np.select([place == 0, place % beat == 0, 2 * place % beat == 0], [3, 2, 1], 0)
    kinds = np.array([MATTERS.get(kind_of(int(sound)), 0) for sound in hits["pitch"]])
    groups = np.stack((weight + kinds, weight, place, kinds), axis=1)
    kept = np.ones(len(hits), bool)
    for group in np.unique(groups, axis=0)[:-1]:
        if kept.sum() <= share * len(hits):
            break
        kept &= ~(groups == group).all(axis=1)
    return hits[kept]


def drum_request(
    notes: NDArray[np.void], metre: NDArray[np.integer], given: NDArray[np.void], first: int, stop: int
) -> tuple[Request, int]:
    """Drums to the pitched ones of `notes` (FRAME_NOTE rows), in frames first..stop; `given` drums stand before them.

    Returns the request and the frame of the piece at which it begins. Where no drums are given before `first` that is
    where it begins: drums that have been silent so long would go on to be so. They have begun by the bar
    LATEST_BAR.
    """
    pitched = notes[notes["instrument"] != DRUMS]
    before = given[given["frame"] < first]
    begin = heard(pitched, metre)
    begin[:first] = False
    entries = np.flatnonzero(begin & (metre[:, 0] == 0))
    start = 0 if len(before) else first
    length = stop - start
    inside = (pitched["frame"] + pitched["duration"] > start) & (pitched["frame"] < stop)
    reference = shifted(pitched, canonical_shift(pitched))[inside]
    reference["frame"] -= start
    request = Request(
        reference=reference,
        metre=metre[start:stop],
        length=length,
        begin=begin[start:stop],
        fixed=np.arange(start, stop) < first,
        fixed_notes=thinned(before),
        start_by=int(entries[min(LATEST_BAR, len(entries) - 1)]) - start if len(entries) else 0,
    )
    return request, start


def heard(notes: NDArray[np.void], metre: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Frames (length,) of bars in which something sounds."""
    length = len(metre)
    edges = np.zeros(length + 1, np.int64)
    np.add.at(edges, np.minimum(notes["frame"], length), 1)
    np.add.at(edges, np.minimum(notes["frame"] + notes["duration"], length), -1)
    sounds = np.cumsum(edges[:-1]) > 0
    bar = np.cumsum(metre[:, 0] == 0)
    sounding: NDArray[np.bool_] = np.bincount(bar, weights=sounds, minlength=int(bar.max(initial=0)) + 1)[bar] > 0
    return sounding


def _asked(ground: Ground, wish: DrumWish) -> tuple[int, int]:
    """The frames from and to which drums are to be written."""
    pickup = has_pickup(ground.bars, ground.tpq)
    starts = [*ground.bar_frames, ground.length]
    lowest, highest = int(not pickup), len(ground.bars) - int(pickup)
    first = lowest if wish.first_bar is None else wish.first_bar
    last = highest if wish.last_bar is None else wish.last_bar
    if not lowest <= first <= last <= highest:
        raise M4mError(f"no bars {first} to {last}", f"the piece has bars {lowest} to {highest}", USAGE)
    return starts[first - lowest], starts[last - lowest + 1]


def _prompt(prompt: Score, ground: Ground) -> Track:
    tracks = [t for t in prompt.tracks if t.is_drum and len(t.notes)]
    if not tracks:
        raise M4mError("--prompt: the file has no drums", "give a file with the drums of the first bars")
    return Track(TASK.track_name, is_drum=True, notes=prompt_of(prompt, tracks, ground.tpq, ground.length).notes)


def prompt_frames(prompt: Track, ground: Ground) -> int:
    """The frame from which on a part goes on behind its prompt: that of the bar line behind the last hit, if near."""
    last = frame_of(int(prompt.notes["onset"].max()), ground.tpq)
    following = next((f for f in ground.bar_frames if f > last), ground.length)
    return min(following, ground.length)


def _track(
    made: NDArray[np.void], score: Score, ground: Ground, wish: DrumWish, stop: int, prompt: Track | None
) -> Track:
    if not len(made):
        raise M4mError("the model wrote rests alone", "try another --seed, or a higher --intensity")
    made["duration"] = 1
    if wish.intensity < 1:
        made = sparser(made, ground.metre, wish.intensity)
    track = placed(
        made,
        score.tpq,
        name=TASK.track_name,
        program=0,
        velocities=lambda onsets: np.ones(len(onsets), np.int64),
        ticks=swung_ticks(score, ground),
        is_drum=True,
        end=tick_of(stop, score.tpq),
    )
    notes = track.notes.copy()
    louder = LOUDER * float(np.log2(wish.intensity))
    notes["velocity"] = drum_velocities(notes["onset"], notes["pitch"], ground.bars, score, louder)
    if prompt is not None:
        notes = np.concatenate((prompt.notes, notes))
    return replace(track, notes=notes)


def drummer(
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
    """The task as m4mcli.evaluation.drumify measures it, all in frames.

    The others, the prompt and every sample are FRAME_NOTE rows, the metre is (frames, 3).
    """
    network = open_model(find_model(model, TASK.name), TASK.name, device, threads, adapter)
    sampling = replace(TASK.sampling, temperature=temperature, top_p=top_p)

    def answers(
        others: NDArray[np.void],
        metre: NDArray[np.integer],
        prompt: NDArray[np.void],
        prompt_frames: int,
        samples: int,
        seed: int,
    ) -> list[NDArray[np.void]]:
        request, start = drum_request(others.astype(FRAME_NOTE), metre, prompt, prompt_frames, len(metre))
        how = Draw(sampling, best_of, samples, seed, strictness)
        drawn = _samples(network, request, how, TASK.rules, 1.0, None)
        return [moved(s.notes, start) for s in _filled(network, request, TASK.rules, how, drawn, None)]

    return answers
