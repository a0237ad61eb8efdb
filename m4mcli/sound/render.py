"""A piece as a WAV file: with a soundfont where there is one, else with the plain tone."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m4mcli.errors import M4mError
from m4mcli.score.clock import seconds_at
from m4mcli.score.score import Score
from m4mcli.sound.font import font_instruments
from m4mcli.sound.mixing import BLOCK_SECONDS, Samples, sound_blocks
from m4mcli.sound.soundfonts import found
from m4mcli.sound.tone import plain_instrument
from m4mcli.sound.wave_file import wave_file

if TYPE_CHECKING:
    from m4mcli.generation.request import Progress

LONGEST_MINUTES = 30
"""How much is rendered at once: more would not fit into memory everywhere."""


def rendered(score: Score, soundfont: Path | None, rate: int = 44100, progress: "Progress | None" = None) -> bytes:
    """The piece as a WAV file. Raises M4mError for a piece that is too long or silent, or an unusable soundfont."""
    if not score.note_count:
        raise M4mError("no notes to be heard", "m4m info says what is there")
    seconds = float(seconds_at(score, np.array([score.end]))[0])
    if seconds > LONGEST_MINUTES * 60:
        length = f"{seconds / 60:.0f} minutes, longer than the {LONGEST_MINUTES} that are rendered at once"
        raise M4mError(length, "name a part of it with --bars")
    instrument = plain_instrument if soundfont is None else font_instruments(soundfont)
    blocks = sound_blocks(score, instrument, rate)
    return wave_file(_counted(blocks, int(seconds / BLOCK_SECONDS) + 1, progress), rate)


def chosen_soundfont(given: str | None) -> Path | None:
    """The soundfont that is used: the one that is given, else the first that is found, None for none.

    `none` asks for the plain tone.
    """
    if given is not None and given.lower() == "none":
        return None
    if given is None:
        fonts = found()
        return fonts[0] if fonts else None
    return Path(given)


def _counted(blocks: Iterator[Samples], of: int, progress: "Progress | None") -> Iterator[Samples]:
    for done, block in enumerate(blocks, 1):
        if progress is not None:
            progress(min(done, of), of)
        yield block
