"""A plain tone for every instrument, made of a few harmonics and an envelope, so that music can be heard anywhere.

No instrument is imitated; what is struck or plucked dies away, what is bowed or blown lasts, drums are sweeps and
noise.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from m4mcli.score.score import Track
from m4mcli.sound.mixing import Instrument, Places, Samples
from m4mcli.theory.drum_sounds import kind_of

TABLE = 2048
SILENT_DECAYS = 7.0
"""After so many times its decay nothing of a note is heard."""


@dataclass(frozen=True)
class Voice:
    """How a family of instruments sounds: harmonics, seconds of attack, of decay to 1/e at C4 (0: none), of release."""

    harmonics: tuple[float, ...]
    attack: float
    decay: float
    release: float


STRUCK = Voice((1.0, 0.5, 0.28, 0.16, 0.08, 0.05), 0.004, 0.9, 0.12)
BELL = Voice((1.0, 0.1, 0.35, 0.05, 0.2), 0.002, 1.0, 0.4)
ORGAN = Voice((1.0, 0.7, 0.0, 0.4, 0.0, 0.0, 0.0, 0.2), 0.012, 0.0, 0.05)
PLUCKED = Voice((1.0, 0.6, 0.35, 0.22, 0.12, 0.08), 0.003, 0.5, 0.08)
BASS = Voice((1.0, 0.55, 0.3, 0.12, 0.05), 0.006, 1.2, 0.06)
BOWED = Voice((1.0, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08), 0.07, 0.0, 0.15)
BLOWN = Voice((1.0, 0.65, 0.5, 0.32, 0.2, 0.12), 0.03, 0.0, 0.08)
PIPE = Voice((1.0, 0.25, 0.12, 0.04), 0.04, 0.0, 0.08)
FAMILIES = (
    STRUCK, BELL, ORGAN, PLUCKED, BASS, BOWED, BOWED, BLOWN, BLOWN, PIPE, BLOWN, BOWED, BOWED, PLUCKED, BELL, PLUCKED,
)  # fmt: skip
"""The voice of each family of eight General MIDI programs."""

DRUM_SECONDS = {"kick": 0.35, "snare": 0.25, "hat": 0.09, "tom": 0.4, "ride": 0.7, "crash": 1.4, "percussion": 0.15}
OPEN_HAT, OPEN_HAT_SECONDS = 46, 0.4


def plain_instrument(track: Track) -> Instrument:
    """What plays a track."""
    return Drums() if track.is_drum else Tone(FAMILIES[track.program // 8])


@dataclass(frozen=True)
class Tone:
    """The tone of one voice."""

    voice: Voice

    def lasts(self, pitch: int, velocity: int, held: float) -> float:
        """See Instrument."""
        faded = SILENT_DECAYS * _decay(self.voice, pitch) if self.voice.decay else held
        return min(held, faded) + self.voice.release

    def samples(
        self, pitch: int, velocity: int, held: float, rate: int, low: int, high: int, bent: Places | None = None
    ) -> Samples:
        """See Instrument."""
        voice = self.voice
        k = np.arange(low, high)
        frequency = 440.0 * 2 ** ((pitch - 69) / 12)
        wave = _cycle(voice, pitch, rate)[
            ((k if bent is None else bent) * (frequency * TABLE / rate)).astype(np.int64) % TABLE
        ]
        t = (k / rate).astype(np.float32)
        level = np.minimum(1.0, t / voice.attack) * (velocity / 127) ** 1.5
        if voice.decay:
            level *= np.exp(-t / _decay(voice, pitch))
        level *= np.clip(1 - (t - held) / voice.release, 0.0, 1.0)
        return np.asarray((wave * level)[:, None], np.float32)


@dataclass(frozen=True)
class Drums:
    """The sounds of the drum channel."""

    def lasts(self, pitch: int, velocity: int, held: float) -> float:
        """See Instrument."""
        return _drum_seconds(pitch)

    def samples(
        self, pitch: int, velocity: int, held: float, rate: int, low: int, high: int, bent: Places | None = None
    ) -> Samples:
        """See Instrument."""
        return np.asarray((_drum(pitch, rate)[low:high] * (velocity / 127) ** 1.5)[:, None], np.float32)


def _decay(voice: Voice, pitch: int) -> float:
    """Seconds in which a note falls to 1/e: high ones are shorter."""
    return float(voice.decay * 2 ** ((60 - pitch) / 18))


@lru_cache(maxsize=1024)
def _cycle(voice: Voice, pitch: int, rate: int) -> Samples:
    """One period of a voice, without the harmonics that the rate cannot hold; higher notes are softer."""
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    angle = 2 * np.pi * np.arange(TABLE) / TABLE
    cycle = np.zeros(TABLE)
    for n, share in enumerate(voice.harmonics, 1):
        if n * frequency < 0.45 * rate:
            cycle += share * np.sin(n * angle)
    softer = min(1.0, (261.6 / frequency) ** 0.35)
    return np.asarray(cycle / sum(voice.harmonics) * 1.6 * softer, np.float32)


def _drum_seconds(pitch: int) -> float:
    return OPEN_HAT_SECONDS if pitch == OPEN_HAT else DRUM_SECONDS[kind_of(pitch)]


@lru_cache(maxsize=256)
def _drum(pitch: int, rate: int) -> Samples:
    """One hit on a drum."""
    kind, seconds = kind_of(pitch), _drum_seconds(pitch)
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(pitch).uniform(-1, 1, len(t))
    if kind == "kick":
        sound = np.sin(2 * np.pi * (48 * t + 5.5 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.1) * 1.5
    elif kind == "tom":
        base = 70 + 9 * (pitch - 41)
        sound = np.sin(2 * np.pi * (base * t + 3 * (1 - np.exp(-t / 0.05)))) * np.exp(-t / 0.14)
    elif kind == "snare":
        sound = (0.5 * np.sin(2 * np.pi * 185 * t) * np.exp(-t / 0.05)) + 0.7 * noise * np.exp(-t / 0.07)
    else:
        # The difference of neighbours leaves the high part of noise: metal.
        bright = np.diff(noise, prepend=0.0)
        sound = 0.4 * bright * np.exp(-t / (seconds / 4))
    return np.asarray(sound * np.minimum(1.0, (t[-1] - t) / 0.01), np.float32)
