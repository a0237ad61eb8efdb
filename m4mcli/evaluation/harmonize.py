"""Measure chords under melodies: a harmonizer, the original chords and the baselines in one table.

Each song is cut to its first `length` frames and measured over the window [prompt_frames, end), where the end is that
of its melody or of the cut. Of several answers to a song the figures are averaged first; the table then has mean and
standard error over songs. An answer is empty if nothing sounds in the window.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import Pack, PackedPiece
from m4mcli.errors import M4mError
from m4mcli.evaluation.baselines import Baseline, baselines
from m4mcli.evaluation.counts import ChordCounts, count_chords, counted_baselines
from m4mcli.evaluation.melody_chord import FIGURES, all_figures
from m4mcli.evaluation.notes import Figures, pitch_classes
from m4mcli.evaluation.table import Row, Table, row_of
from m4mcli.evaluation.trials import LENGTH, SAMPLES, TRAINING, named_sources

PROMPT = 16
"""Frames of the original chords that are given."""


class Harmonizer(Protocol):
    """What writes chords: `samples` answers to a melody and the metre of its T frames, (T, 3).

    `prompt` holds the chord notes that begin before `prompt_frames`, with their full durations; it may be empty. An
    answer is the whole chord part in FRAME_NOTE, the prompt's chords included.
    """

    def __call__(
        self,
        melody: NDArray[np.void],
        metre: NDArray[np.int32],
        prompt: NDArray[np.void],
        prompt_frames: int,
        samples: int,
        seed: int,
        /,
    ) -> Sequence[NDArray[np.void]]:
        """The answers, the same for the same seed."""


@dataclass(frozen=True)
class Song:
    """A song as it is measured: melody and chords that begin before `end`, and the metre (end, 3)."""

    name: str
    melody: NDArray[np.void]
    chords: NDArray[np.void]
    metre: NDArray[np.int32]
    end: int

    def prompt(self, frames: int) -> NDArray[np.void]:
        """The chord notes that begin in the first `frames`."""
        return self.chords[self.chords["frame"] < frames]


def songs_of(pieces: Iterable[PackedPiece], *, prompt_frames: int = PROMPT, length: int = LENGTH) -> list[Song]:
    """The pieces that have melody and chords in the window; others are left out."""
    songs = []
    for piece in pieces:
        melody, chords = piece.part("melody"), piece.part("chord")
        if not len(melody) or not len(chords):
            continue
        end = min(length, int((melody["frame"] + melody["duration"]).max()))
        melody, chords = melody[melody["frame"] < end], chords[chords["frame"] < end]
        if end > prompt_frames and pitch_classes(chords, end)[prompt_frames:].any():
            songs.append(Song(piece.name, melody, chords, piece.metre()[:end], end))
    return songs


def evaluate_harmonize(
    harmonizer: Harmonizer | None,
    pieces: Iterable[PackedPiece],
    *,
    prompt_frames: int = PROMPT,
    length: int = LENGTH,
    samples: int = SAMPLES,
    seed: int = 0,
    name: str = "model",
    counted: Mapping[str, Baseline] | None = None,
) -> list[Row]:
    """The rows of the table: the original chords, the harmonizer (if there is one) as `name`, the baselines.

    `counted` holds baselines made from training songs. The harmonizer gets seed + i for the i-th song. Rows have the
    figures of melody_chord.FIGURES.
    """
    songs = songs_of(pieces, prompt_frames=prompt_frames, length=length)
    systems: dict[str, list[Sequence[NDArray[np.void]]]] = {"real": [[song.chords] for song in songs]}
    if harmonizer is not None:
        systems[name] = [
            harmonizer(song.melody, song.metre, song.prompt(prompt_frames), prompt_frames, samples, seed + i)
            for i, song in enumerate(songs)
        ]
    for system, baseline in (baselines(prompt_frames > 0) | dict(counted or {})).items():
        systems[system] = [
            [baseline(song.melody, song.metre, song.prompt(prompt_frames), prompt_frames)] for song in songs
        ]
    return [measure(system, songs, answers, prompt_frames) for system, answers in systems.items()]


def measure(
    system: str, songs: Sequence[Song], answers: Sequence[Sequence[NDArray[np.void]]], prompt_frames: int
) -> Row:
    """The row of one system from its answers to each song."""
    figures: list[list[Figures]] = []
    empty = 0
    for song, parts in zip(songs, answers, strict=True):
        figures.append([all_figures(song.melody, part, song.chords, prompt_frames, song.end) for part in parts])
        empty += sum(not f["cover"] for f in figures[-1])
    return row_of(system, figures, FIGURES, empty)


def harmonize_tables(
    pack: Pack,
    harmonizer: Harmonizer | None,
    *,
    sources: Sequence[str] = (),
    split: str = "valid",
    prompt_frames: int = PROMPT,
    samples: int = SAMPLES,
    songs: int | None = None,
    seed: int = 0,
    name: str = "model",
) -> Iterator[Table]:
    """For each source (all of the split, unless named) a table with the prompt and one without.

    `songs` limits each source to its first songs. Baselines are counted on the source's own training songs. Raises
    M4mError where a named source has no songs, or none can be measured.
    """
    done = 0
    for source in named_sources(pack, split, sources):
        pieces = list(islice(pack.select(split, [source]), songs))
        counts = count_chords(pack.select(TRAINING, [source])) if split != TRAINING else None
        for frames in dict.fromkeys((prompt_frames, 0)):
            rows = evaluate_harmonize(
                harmonizer,
                pieces,
                prompt_frames=frames,
                samples=samples,
                seed=seed,
                name=name,
                counted=counted_baselines(counts) if counts else {},
            )
            if rows[0].songs:
                about: dict[str, object] = {"source": source, "split": split, "prompt_frames": frames}
                about |= {"length": LENGTH, "samples": samples}
                prompt = f"prompt of {frames} frames" if frames else "no prompt"
                title = f"{source}, {split} songs, {prompt}"
                yield Table(title, about, tuple(rows), _warnings(source, len(pieces), rows[0].songs, counts))
                done += 1
    if not done:
        raise M4mError(f"no {split} songs with a melody and chords in the pack", "see m4m dataset build")


def _warnings(source: str, pieces: int, songs: int, counts: ChordCounts | None) -> tuple[str, ...]:
    warnings = []
    if songs < pieces:
        warnings.append(f"{source}: {pieces - songs} of {pieces} songs have no melody or no chords to measure")
    if counts is None:
        warnings.append(f"{source}: no training songs, so no counted baselines")
    return tuple(warnings)
