"""The task table: what each task reads, what it writes, under which rules and with which defaults. Data, not code."""

from dataclasses import dataclass
from typing import Literal

from m4mcli.frames.frames import DRUMS, frame_of
from m4mcli.generation.draw import Draw
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling
from m4mcli.score.score import Score
from m4mcli.theory.drum_sounds import STANDARD

Choice = Literal["consensus", "likelihood"]

LONG = 1600
"""Frames (a hundred bars of 4/4) of a part beyond which fewer samples of it are written, for the time they take."""
FEWEST = 3
"""Samples that a long part has at least: of two, none agrees more with the others."""


@dataclass(frozen=True)
class Task:
    """One task: its name, which finds its model, and how its part is written.

    `condition` says which tracks are given, `target` which part is written; `program` (0-127) plays it unless told;
    `best_of` samples are written for each answer and one is chosen by `choice`.
    """

    name: str
    condition: Literal["melody", "chords", "drums", "all", "none"]
    target: Literal["chords", "melody", "drums", "others", "all"]
    rules: Rules
    sampling: Sampling
    best_of: int = 1
    choice: Choice = "consensus"
    track_name: str = ""
    program: int = 0

    @property
    def draw(self) -> Draw:
        """How one answer is drawn unless the user asks for something else."""
        return Draw(self.sampling, self.best_of)

    def samples_for(self, score: Score) -> int:
        """How many samples are written for one answer to a piece unless the user says: fewer if it is LONG."""
        frames = frame_of(score.end, score.tpq)
        return self.best_of if frames <= LONG else max(FEWEST, self.best_of * LONG // frames)


TASKS = {
    task.name: task
    for task in (
        Task(
            name="harmonize",
            condition="melody",
            target="chords",
            rules=Rules(instruments=(0,), at_most=6, at_least=3, chords=True, continuous=True),
            sampling=Sampling(temperature=0.5, top_p=0.9),
            best_of=8,
            track_name="Chords",
        ),
        Task(
            name="melodize",
            condition="chords",
            target="melody",
            rules=Rules(instruments=(0,), at_most=1),
            sampling=Sampling(temperature=0.8, top_p=0.95),
            best_of=8,
            track_name="Melody",
        ),
        Task(
            name="drumify",
            condition="all",
            target="drums",
            rules=Rules(instruments=(DRUMS,), drum_sounds=STANDARD, at_most=5),
            sampling=Sampling(temperature=0.7, top_p=0.95),
            best_of=6,
            track_name="Drums",
        ),
        Task(
            name="accompany",
            condition="drums",
            target="others",
            rules=Rules(instruments=tuple(range(DRUMS))),
            sampling=Sampling(temperature=1.0, top_p=0.98),
            best_of=8,
            choice="likelihood",
        ),
        Task(
            name="infill",
            condition="all",
            target="all",
            rules=Rules(),
            sampling=Sampling(temperature=0.9, top_p=0.95),
            best_of=4,
            choice="likelihood",
        ),
        Task(
            name="continue",
            condition="none",
            target="all",
            rules=Rules(),
            sampling=Sampling(temperature=0.95, top_p=0.95),
            best_of=8,
            choice="likelihood",
        ),
    )
}
