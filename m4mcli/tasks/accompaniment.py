"""Parts for several instruments to drums, and to whatever else is given: in frames.

The model was trained on drums with none or some of the other tracks given. What a prompt shows of an instrument bounds
its part, and its usual range where there is none. Parts begin where something is struck in what is given, or on a beat.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.canonical import pitch_class_histogram, shift_for, shifted
from m4mcli.frames.fields import END, SIZES, thinned
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order
from m4mcli.generation.draw import Draw, draw_samples, within
from m4mcli.generation.request import Progress, Request, Sample
from m4mcli.generation.rules import Rules
from m4mcli.models.network import Network
from m4mcli.models.registry import find_model
from m4mcli.models.session import Device, open_network
from m4mcli.tasks.drums import heard
from m4mcli.tasks.manner import InManner, Manner, part_like, unlikeness, usual_part
from m4mcli.tasks.parts import bounded
from m4mcli.tasks.steady import Steady
from m4mcli.tasks.task import TASKS
from m4mcli.theory.keys import estimate_key

TASK = TASKS["accompany"]
MOST = 6
"""Instruments that the model chooses at most, where none are named."""
FEWEST = 0.04
"""Share of the notes of its first bars that an instrument must have to be chosen."""
USUAL_PITCH = 59
"""The mean pitch of a band, where nothing that is given has one."""
FAMILY_RATES = (0.63, 0.24, 0.34, 0.57, 0.29, 0.29, 0.22, 0.22, 0.24, 0.22, 0.35, 0.17, 0.21, 0.48, 0.14, 0.1)
"""Notes a frame that an instrument of each General MIDI family of eight programs plays in songs: means."""
TRUST = 128
"""Frames of a prompt from which on it tells more about how often an instrument plays than its family does."""
AIM = 1.35
"""What is aimed at, in expected rates: less is reached, for parts begin only with what is given, or on a beat."""
BAND_RATE = 1.5
"""Notes a frame of a whole band, where its instruments are yet to be chosen."""
REHEARSAL, TRIALS = 96, 4
"""Frames that are written to choose instruments, and in how many samples."""
ROUNDS = 3
"""How often samples are drawn until no instrument is missing."""


@dataclass(frozen=True)
class Scene:
    """What is given, and who is to play to it. FRAME_NOTE rows, `metre` (length, 3).

    `prompt` holds the notes of the parts that begin before `prompt_frames`; `instruments` are programs 0-127 (none: the
    prompt's, else the model's choice); `key` (tonic, minor) is that of the parts, None: that of what is given.
    """

    given: NDArray[np.void]
    metre: NDArray[np.int32]
    prompt: NDArray[np.void]
    prompt_frames: int = 0
    instruments: tuple[int, ...] = ()
    key: tuple[int, bool] | None = None

    @property
    def pitched(self) -> NDArray[np.void]:
        """What tells the key: the pitched notes that are given, else those of the prompt."""
        given = self.given[self.given["instrument"] != DRUMS]
        return given if len(given) else self.prompt

    @property
    def likely_key(self) -> tuple[int, bool]:
        """The key that is told or estimated; C major where nothing tells one."""
        return self.key or estimate_key(pitch_class_histogram(self.pitched)) or (0, False)

    @property
    def shift(self) -> int:
        """Semitones to the canonical key and octave."""
        band = np.array([(0, 0, USUAL_PITCH, 1)], FRAME_NOTE)
        return shift_for(self.pitched if len(self.pitched) else band, self.likely_key)


@dataclass(frozen=True)
class Parts:
    """What was written: FRAME_NOTE rows, those of the prompt included, and the instruments that were to play."""

    notes: NDArray[np.void]
    instruments: tuple[int, ...]


def accompany(network: Network, scene: Scene, how: Draw, progress: Progress | None = None) -> list[Parts]:
    """The answers, each what the next seed alone would give. Raises M4mError where the model writes rests alone."""
    request, shift = _request(scene), scene.shift
    answers = []
    for i in range(how.count):
        one = replace(how, seed=how.seed + i, count=1)
        instruments = scene.instruments or tuple(np.unique(scene.prompt["instrument"]).tolist())
        instruments = instruments or _chosen(network, request, scene, one)
        manner = _manner(scene, instruments, shift)
        sample = _best(network, request, manner, one, within(progress, i, how.count))
        new = sample.notes[sample.notes["frame"] >= scene.prompt_frames]
        notes = shifted(bounded(new, manner.rules, request.length), -shift)
        answers.append(Parts(in_order(np.concatenate((scene.prompt, notes))), instruments))
    return answers


def _request(scene: Scene) -> Request:
    """Parts may begin in bars in which what is given sounds, up to its last onset, with an onset of it or on a beat."""
    length, shift = len(scene.metre), scene.shift
    frames = scene.given["frame"][scene.given["frame"] < length]
    struck = np.zeros(length, bool)
    struck[frames] = True
    beat = scene.metre[:, 0] % np.maximum(scene.metre[:, 2], 1) == 0
    begin = heard(scene.given, scene.metre) & (struck | beat) & (np.arange(length) <= frames.max(initial=0))
    return Request(
        reference=in_order(shifted(scene.given, shift)),
        metre=scene.metre,
        length=length,
        begin=begin,
        fixed=np.arange(length) < scene.prompt_frames,
        fixed_notes=thinned(in_order(shifted(scene.prompt, shift))),
    )


def _manner(scene: Scene, instruments: tuple[int, ...], shift: int) -> Manner:
    """Bounds of each instrument's part, and how often it is expected to play."""
    prompt, frames = shifted(scene.prompt, shift), scene.prompt_frames
    prompt = prompt[prompt["frame"] < frames]
    bounds = max(0, shift), min(127, 127 + shift)
    parts, rates = [], np.zeros(SIZES[0])
    for i in sorted(instruments):
        own = prompt[prompt["instrument"] == i]
        parts.append(part_like(own, i, bounds) if len(own) else usual_part(i, shift, bounds))
        rates[i] = AIM * (len(own) + TRUST * FAMILY_RATES[i // 8]) / (frames + TRUST)
    rules = Rules(tuple(sorted(instruments)), *bounds, parts=tuple(parts))
    return Manner(prompt, frames, rules, tuple(sorted(instruments)), rates)


def _chosen(network: Network, request: Request, scene: Scene, how: Draw) -> tuple[int, ...]:
    """The instruments that the model gives most notes in its first bars: none that is given, one of a family."""
    free = tuple(i for i in range(DRUMS) if i not in scene.given["instrument"]) or tuple(range(DRUMS))
    rules = Rules(free, max(0, scene.shift), min(127, 127 + scene.shift))
    rates = np.zeros(SIZES[0])
    rates[END] = BAND_RATE
    samples = draw_samples(Steady(network, rates), _rehearsal(request), rules, how, TRIALS)
    best = max(samples, key=lambda s: (len(s.notes) > 0, s.log_likelihood / max(1, s.choices)))
    programs, counts = np.unique(best.notes["instrument"], return_counts=True)
    if not len(programs):
        raise M4mError("the model wrote rests alone", "try another --seed, or name --instruments")
    order = programs[np.argsort(-counts, kind="stable")][: int((counts >= FEWEST * counts.sum()).sum())]
    families = {int(program) // 8: int(program) for program in order[::-1]}
    return tuple(families[family] for family in dict.fromkeys((order // 8).tolist()))[:MOST]


def _rehearsal(request: Request) -> Request:
    """The beginning of a request: what is given and REHEARSAL frames from where something may begin."""
    first = int(np.argmax(request.begin & ~request.fixed))
    stop = min(request.length, first + REHEARSAL)
    metre = None if request.metre is None else request.metre[:stop]
    return replace(request, metre=metre, length=stop, begin=request.begin[:stop], fixed=request.fixed[:stop])


def _best(network: Network, request: Request, manner: Manner, how: Draw, progress: Progress | None) -> Sample:
    """The sample with the fewest instruments missing, then the one nearest to what is expected, then the likeliest.

    As long as one is missing in all of them there are more, ROUNDS times at most.
    """
    playing = Steady(InManner(network, manner.rules), manner.rates)
    samples: list[Sample] = []
    for number in range(ROUNDS):
        seed = how.seed + (number << 48)
        samples += draw_samples(playing, request, manner.rules, replace(how, seed=seed), how.best_of, progress)
        best = min(samples, key=lambda sample: _distance(sample, request, manner))
        if not _distance(best, request, manner)[0]:
            break
    return best


def _distance(sample: Sample, request: Request, manner: Manner) -> tuple[int, float, float]:
    new = sample.notes[sample.notes["frame"] >= manner.length_frames]
    missing = sum(i not in new["instrument"] for i in manner.wanted)
    like = manner.heard if len(manner.heard) else new
    far = unlikeness(new, request.length - manner.length_frames, like, manner.rates)
    return missing, round(far, 1), -sample.log_likelihood / max(1, sample.choices)


def accompanist(
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
    """The task as evaluation measures it, all in frames.

    What is given, the prompt (notes that begin before `prompt_frames`) and every sample are FRAME_NOTE rows; the metre
    is (frames, 3). Raises M4mError where no such model is found.
    """
    network = open_network(find_model(model, TASK.name), TASK.name, device, threads, adapter)
    sampling = replace(TASK.sampling, temperature=temperature, top_p=top_p)

    def answers(
        given: NDArray[np.void],
        instruments: tuple[int, ...],
        metre: NDArray[np.integer],
        prompt: NDArray[np.void],
        prompt_frames: int,
        samples: int,
        seed: int,
    ) -> list[NDArray[np.void]]:
        pitched = tuple(i for i in instruments if i != DRUMS)
        scene = Scene(given, metre.astype(np.int32), prompt, prompt_frames, pitched)
        return [parts.notes for parts in accompany(network, scene, Draw(sampling, best_of, samples, seed, strictness))]

    return answers
