"""What is asked of generation, and what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.frames.frames import FRAME_NOTE

Progress = Callable[[int, int], None]
"""Told after each frame: frames done, frames in all."""

Written = Callable[[int, NDArray[np.void]], None]
"""Told after each frame that was written: its number, and the FRAME_NOTE rows that begin in it."""


@dataclass(frozen=True)
class Request:
    """What is to be written.

    `reference` FRAME_NOTE rows that are given (None: nothing); `metre` (length, 3) or None where it is not known;
    `begin` (length,) frames in which notes may begin; `fixed` (length,) frames whose notes are given by `fixed_notes`;
    `start_by` the frame by which the first note must have begun (None: it need not).
    """

    reference: NDArray[np.void] | None
    metre: NDArray[np.integer] | None
    length: int
    begin: NDArray[np.bool_]
    fixed: NDArray[np.bool_]
    fixed_notes: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, FRAME_NOTE))
    start_by: int | None = None


@dataclass(frozen=True)
class Sample:
    """A part that was written: FRAME_NOTE rows, the log likelihood of its free choices, and how many they were."""

    notes: NDArray[np.void]
    log_likelihood: float
    choices: int


class Piece:
    """One sample in the making."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.sounds_until = 0
        self.log_likelihood = 0.0
        self.choices = 0
        self._parts: list[NDArray[np.void]] = []
        self._sounding = np.zeros(0, FRAME_NOTE)
        self._sounding_from = 0

    def add(self, notes: NDArray[np.void]) -> None:
        """Write notes behind those that are there."""
        if len(notes):
            self._parts.append(notes)
            self._sounding = np.concatenate((self._sounding, notes))
            self.sounds_until = max(self.sounds_until, int((notes["frame"] + notes["duration"]).max()))

    @property
    def begun(self) -> bool:
        """Whether any note is written."""
        return bool(self._parts)

    def sounding_from(self, frame: int) -> NDArray[np.void]:
        """The notes that end behind a frame. Asked for later and later frames it takes no longer in a long piece."""
        if frame < self._sounding_from:
            self._sounding = self.notes
        self._sounding_from = frame
        self._sounding = self._sounding[self._sounding["frame"] + self._sounding["duration"] > frame]
        return self._sounding

    @property
    def notes(self) -> NDArray[np.void]:
        """All notes written so far."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0] if self._parts else np.zeros(0, FRAME_NOTE)
