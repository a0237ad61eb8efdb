"""SoundFont 2 files: which samples sound for a program, key and velocity (SoundFont Technical Specification 2.04).

Read are presets, instruments, their zones and generators, and 16-bit samples. Modulators and low-frequency oscillators
are not; a modulation envelope that opens the filter counts as open. Damaged files are refused; nothing is read beyond
their end.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from struct import error as StructError
from struct import iter_unpack, unpack_from

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError

INSTRUMENT, KEYS, VELOCITIES, SAMPLE = 41, 43, 44, 53
START, END, LOOP_START, LOOP_END = 0, 1, 2, 3
COARSE = {START: 4, END: 12, LOOP_START: 45, LOOP_END: 50}
FILTER, FILTER_OPENS, PAN, ATTENUATION, COARSE_TUNE, FINE_TUNE = 8, 11, 17, 48, 51, 52
DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE = 33, 34, 35, 36, 37, 38
MODES, SCALE, ROOT = 54, 56, 58
LOOPED = (1, 3)
SIGNED_DEFAULTS = {FILTER: 13500, DELAY: -12000, ATTACK: -12000, HOLD: -12000, DECAY: -12000, RELEASE: -12000,
                   SCALE: 100, ROOT: -1}  # fmt: skip
NOT_ADDED = {KEYS, VELOCITIES, INSTRUMENT, SAMPLE, MODES, ROOT, *COARSE, *COARSE.values()}
"""Generators of an instrument that those of a preset do not change."""

DRUM_BANK = 128
ROM = 0x8000
COMPRESSED = 0x10
"""The kind of a sample that is stored as Ogg Vorbis (.sf3)."""

Generators = dict[int, int]


@dataclass(frozen=True)
class Zone:
    """One sample as a preset plays it: the keys and velocities that it is for, its generators, its sample's number."""

    keys: tuple[int, int]
    velocities: tuple[int, int]
    generators: tuple[tuple[int, int], ...]
    sample: int

    def value(self, generator: int) -> int:
        """A generator's amount, in the units of the specification."""
        return dict(self.generators).get(generator, SIGNED_DEFAULTS.get(generator, 0))

    def plays(self, key: int, velocity: int) -> bool:
        """Whether it sounds for a key and velocity."""
        return self.keys[0] <= key <= self.keys[1] and self.velocities[0] <= velocity <= self.velocities[1]


@dataclass(frozen=True)
class SampleHeader:
    """Where a sample lies in the file's samples, its loop, its rate, the key (and cents) that it was recorded at."""

    start: int
    end: int
    loop_start: int
    loop_end: int
    rate: int
    key: int
    cents: int


@dataclass(frozen=True)
class FontFile:
    """A soundfont: zones by (bank, program), sample headers, all samples as 16-bit integers."""

    zones: dict[tuple[int, int], tuple[Zone, ...]]
    headers: tuple[SampleHeader, ...]
    samples: NDArray[np.int16]

    def preset(self, program: int, is_drum: bool) -> tuple[Zone, ...]:
        """The zones of a program; where the font lacks it, those of the nearest thing that it has."""
        bank = DRUM_BANK if is_drum else 0
        wanted = [(bank, program), (bank, 0), (bank, program // 8 * 8)] if is_drum else [
            (bank, program), (bank, program // 8 * 8), (bank, 0)]  # fmt: skip
        return next((self.zones[key] for key in wanted if key in self.zones), next(iter(self.zones.values())))


def read_font(path: Path) -> FontFile:
    """The soundfont in a file. Raises M4mError where it cannot be read or is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise M4mError(f"{path}: {(error.strerror or str(error)).lower()}", "name an .sf2 file") from error
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise M4mError(f"{path}: not a soundfont", "name an .sf2 file")
    try:
        return _parsed(data, path)
    except (StructError, KeyError, IndexError, ValueError) as error:
        raise M4mError(f"{path}: a damaged soundfont, or one of another kind", "name an .sf2 file") from error


def _parsed(data: bytes, path: Path) -> FontFile:
    chunks = dict(_chunks(data, 12, len(data)))
    raw = chunks[b"smpl"]
    if any(row[-1] & COMPRESSED for row in iter_unpack("<20s5IBbHH", chunks[b"shdr"])):
        raise M4mError(f"{path}: an .sf3 soundfont, whose samples are compressed", "name an .sf2 file")
    samples = np.frombuffer(raw[: len(raw) // 2 * 2], "<i2")
    headers = []
    for row in iter_unpack("<20s5IBbHH", chunks[b"shdr"]):
        start, end, loop_start, loop_end, rate, key, cents, _, kind = row[1:]
        if kind & ROM or not 0 <= start <= end <= len(samples):
            start = end = 0
        headers.append(SampleHeader(start, end, loop_start, loop_end, max(rate, 1), key if key < 128 else 60, cents))
    instruments = _grouped(chunks, b"inst", "<20sH", b"ibag", b"igen")
    presets = _grouped(chunks, b"phdr", "<20sHHHIII", b"pbag", b"pgen")
    zones: dict[tuple[int, int], tuple[Zone, ...]] = {}
    for row, lists in presets:
        found = tuple(_preset_zones(lists, [lists for _, lists in instruments], len(headers)))
        if found:
            zones.setdefault((row[2], row[1]), found)
    if not zones:
        raise ValueError("no preset")
    return FontFile(dict(sorted(zones.items())), tuple(headers), samples)


def _chunks(data: bytes, position: int, end: int) -> list[tuple[bytes, bytes]]:
    """All chunks from `position` on, those in lists too."""
    found: list[tuple[bytes, bytes]] = []
    while position + 8 <= end:
        name, size = unpack_from("<4sI", data, position)
        start, stop = position + 8, min(position + 8 + size, end)
        found += _chunks(data, start + 4, stop) if name == b"LIST" else [(name, data[start:stop])]
        position = start + size + size % 2
    return found


def _grouped(
    chunks: dict[bytes, bytes], head: bytes, form: str, bag: bytes, generators: bytes
) -> list[tuple[tuple[int, ...], list[Generators]]]:
    """Each preset or instrument: its header, and the generators of its zones."""
    heads = list(iter_unpack(form, chunks[head]))
    bags = [row[0] for row in iter_unpack("<HH", chunks[bag])]
    amounts = list(iter_unpack("<Hh", chunks[generators]))
    place = 3 if len(heads[0]) > 2 else 1
    found = []
    for row, following in pairwise(heads):
        edges = bags[row[place] : following[place] + 1]
        found.append((row, [dict(amounts[a:b]) for a, b in pairwise(edges)]))
    return found


def _preset_zones(lists: list[Generators], instruments: list[list[Generators]], samples: int) -> list[Zone]:
    found = []
    whole: Generators = {}
    for i, own in enumerate(lists):
        if INSTRUMENT not in own:
            whole = own if i == 0 else whole
            continue
        outer = whole | own
        common: Generators = {}
        for j, inner in enumerate(instruments[own[INSTRUMENT]]):
            if SAMPLE not in inner:
                common = inner if j == 0 else common
                continue
            if not 0 <= inner[SAMPLE] < samples:
                raise ValueError("no such sample")
            found.append(_zone(outer, common | inner))
    return found


def _zone(outer: Generators, inner: Generators) -> Zone:
    """An instrument's zone in a preset's: ranges are cut to both, amounts add up."""
    ranges = []
    for kind in (KEYS, VELOCITIES):
        spans = [((g.get(kind, 0x7F00) & 0xFF), (g.get(kind, 0x7F00) >> 8 & 0xFF)) for g in (outer, inner)]
        ranges.append((max(low for low, _ in spans), min(high for _, high in spans)))
    amounts = dict(inner)
    for generator, amount in outer.items():
        if generator not in NOT_ADDED:
            amounts[generator] = amounts.get(generator, SIGNED_DEFAULTS.get(generator, 0)) + amount
    return Zone(ranges[0], ranges[1], tuple(sorted(amounts.items())), inner[SAMPLE])
