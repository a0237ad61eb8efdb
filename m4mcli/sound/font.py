"""Tracks played with a soundfont: samples at the pitch of their note, under their envelope and filter."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from m4mcli.score.score import Track
from m4mcli.sound.font_file import (
    ATTACK,
    ATTENUATION,
    COARSE,
    COARSE_TUNE,
    DECAY,
    DELAY,
    END,
    FILTER,
    FILTER_OPENS,
    FINE_TUNE,
    HOLD,
    LOOP_END,
    LOOP_START,
    LOOPED,
    MODES,
    PAN,
    RELEASE,
    ROOT,
    SCALE,
    START,
    SUSTAIN,
    FontFile,
    Zone,
    read_font,
)
from m4mcli.sound.mixing import Instrument, Places, Samples

SILENCE_DB = 100.0
"""Envelopes fall by so much in their decay and release times."""

INAUDIBLE_DB = 72.0
GAIN = 2.0
"""What brings the samples of common fonts to the loudness of the plain tone."""

OPEN_FILTER = 13500
CENT_ZERO = 8.176
"""Hz of absolute cent 0."""

ATTENUATION_SHARE = 0.4
"""How much of the attenuation counts that a font asks for: what the synthesizers did that fonts were made on."""


def font_instruments(path: Path) -> Callable[[Track], Instrument]:
    """What gives each track its instrument out of the font at `path`. Raises M4mError where that cannot be read."""
    font = read_font(path)
    return lambda track: FontInstrument(font, font.preset(track.program, track.is_drum))


@dataclass(frozen=True, eq=False)
class FontInstrument:
    """One preset of a font."""

    font: FontFile
    zones: tuple[Zone, ...]

    def lasts(self, pitch: int, velocity: int, held: float) -> float:
        """See Instrument."""
        return max((sound.lasts(held) for sound in self._sounds(pitch, velocity)), default=0.0)

    def samples(
        self, pitch: int, velocity: int, held: float, rate: int, low: int, high: int, bent: Places | None = None
    ) -> Samples:
        """See Instrument."""
        out = np.zeros((high - low, 2), np.float32)
        for sound in self._sounds(pitch, velocity):
            out += sound.samples(held, rate, low, high, bent)
        return out * np.float32(GAIN * (velocity / 127) ** 2)

    def _sounds(self, pitch: int, velocity: int) -> "Iterator[ZoneSound]":
        for i, zone in enumerate(self.zones):
            if zone.plays(pitch, velocity) and (sound := _zone_sound(self, i, pitch)):
                yield sound


@dataclass(frozen=True, eq=False)
class ZoneSound:
    """One sample at one pitch: its values, how many of them a second, its loop, its envelope in seconds and dB."""

    wave: Samples
    speed: float
    loop: tuple[int, int] | None
    delay: float
    attack: float
    hold: float
    decay: float
    sustain_db: float
    release: float
    sides: Samples

    def lasts(self, held: float) -> float:
        """Seconds until the sample is over or the envelope has fallen."""
        wave = np.inf if self.loop else len(self.wave) / self.speed
        level = self._db(np.array([held]))[0]
        released = held + self.release * max(0.0, INAUDIBLE_DB - level) / SILENCE_DB
        fallen = self.delay + self.attack + self.hold + self.decay * INAUDIBLE_DB / SILENCE_DB
        return float(min(wave, released, fallen if self.sustain_db >= INAUDIBLE_DB else np.inf))

    def samples(self, held: float, rate: int, low: int, high: int, bent: Places | None = None) -> Samples:
        """Samples of a note held for `held` seconds, as in Instrument."""
        t = np.arange(low, high) / rate
        played = t if bent is None else bent / rate
        place = np.maximum(played - self.delay, 0.0) * self.speed
        if self.loop:
            first, last = self.loop
            place = np.where(place < last, place, first + (place - first) % (last - first))
        index = np.minimum(place.astype(np.int64), len(self.wave) - 1)
        after = index + 1
        if self.loop:
            first, last = self.loop
            after = np.where(after >= last, np.maximum(first, after - (last - first)), after)
        share = (place - index).astype(np.float32)
        wave = self.wave[index] * (1 - share) + self.wave[np.minimum(after, len(self.wave) - 1)] * share
        at_end = float(self._db(np.array([held]))[0])
        falling = at_end + SILENCE_DB * (t - held) / max(self.release, 0.001)
        level = 10 ** (-np.where(t < held, self._db(t), np.minimum(falling, 200.0)) / 20)
        if self.attack > 0:
            level *= np.clip((t - self.delay) / self.attack, 0.0, 1.0)
        level *= (t >= self.delay) & ((place < len(self.wave)) if not self.loop else True)
        return np.asarray((wave * level)[:, None] * self.sides, np.float32)

    def _db(self, t: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """How far the envelope has decayed, in dB, while the note is held."""
        since = t - (self.delay + self.attack + self.hold)
        return np.clip(since / max(self.decay, 0.001) * SILENCE_DB, 0.0, self.sustain_db)


@lru_cache(maxsize=512)
def _zone_sound(instrument: FontInstrument, index: int, pitch: int) -> ZoneSound | None:
    """A zone at a pitch; None where its sample is empty."""
    zone, font = instrument.zones[index], instrument.font
    header = font.headers[zone.sample]
    edges = {g: zone.value(g) + 32768 * zone.value(COARSE[g]) for g in COARSE}
    start, end = max(0, header.start + edges[START]), min(header.end + edges[END], len(font.samples))
    if end - start < 2:
        return None
    root = zone.value(ROOT) if 0 <= zone.value(ROOT) <= 127 else header.key
    cents = (pitch - root) * zone.value(SCALE) + 100 * zone.value(COARSE_TUNE) + zone.value(FINE_TUNE) + header.cents
    speed = header.rate * 2 ** (cents / 1200)
    first, last = (
        getattr(header, n) + edges[g] - start for n, g in (("loop_start", LOOP_START), ("loop_end", LOOP_END))
    )
    looped = zone.value(MODES) & 3 in LOOPED and 0 <= first < last - 1 and last <= end - start
    wave: Samples = np.asarray(font.samples[start:end] / 32768, np.float32)
    cutoff = zone.value(FILTER) + max(0, zone.value(FILTER_OPENS))
    if cutoff < OPEN_FILTER:
        wave = _filtered(wave, CENT_ZERO * 2 ** (cutoff / 1200) / speed)
    gain = 10 ** (-ATTENUATION_SHARE * max(0, zone.value(ATTENUATION)) / 200)
    place = np.clip(zone.value(PAN) / 500, -1.0, 1.0)
    sides: Samples = np.asarray([gain * min(1.0, 1 - place), gain * min(1.0, 1 + place)], np.float32)
    delay, attack, hold, decay, release = (2 ** (zone.value(g) / 1200) for g in (DELAY, ATTACK, HOLD, DECAY, RELEASE))
    sustain = min(max(zone.value(SUSTAIN), 0) / 10, SILENCE_DB)
    delay = delay if delay > 0.002 else 0.0
    return ZoneSound(
        wave, speed, (first, last) if looped else None, delay, attack, hold, decay, sustain, release, sides
    )


def _filtered(wave: Samples, cutoff: float) -> Samples:
    """The wave without what lies above `cutoff` (in cycles a sample), falling by 12 dB an octave."""
    if cutoff >= 0.5:
        return wave
    spectrum = np.fft.rfft(wave)
    spectrum *= 1 / np.sqrt(1 + (np.arange(len(spectrum)) / len(wave) / cutoff) ** 4)
    return np.asarray(np.fft.irfft(spectrum, len(wave)), np.float32)
