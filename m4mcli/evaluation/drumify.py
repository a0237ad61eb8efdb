"""Measure drums to music: a drummer, the original drums and the baselines in one table.

Each song is cut to its first LENGTH frames, or where the other instruments end, and measured from the end of the prompt
on. Figures are those of m4mcli.evaluation.drums, and

  non_drum  share of the notes that are no drums
  on_drum   share of the other instruments' onset frames, from the first hit on, that hold a hit
  groove    bar-to-bar groove similarity of the drums
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.evaluation.borrowed import another_song
from m4mcli.evaluation.drums import KITS, accompaniment, drums_against
from m4mcli.evaluation.groove import groove_similarity, whole_bars
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.trials import LENGTH, SAMPLES, Notes, Study, System, Trial
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order

FIGURES = ("F1_any", "F1_kick", "F1_snare", "F1_hat", "density", "non_drum", "on_drum", "groove")
PROMPT = 2
"""Frames of the original drums that are given."""

FEWEST_BARS = 16
FEWEST_HITS = 16
KICK, SNARE, HAT = 36, 38, 42


class Drummer(Protocol):
    """What writes drums: `samples` answers to the other instruments and the metre of the T frames, (T, 3).

    `prompt` holds the drum notes of the first `prompt_frames`; it may be empty. All notes are FRAME_NOTE rows.
    """

    def __call__(
        self,
        others: Notes,
        metre: NDArray[np.int32],
        prompt: Notes,
        prompt_frames: int,
        samples: int,
        seed: int,
        /,
    ) -> Sequence[Notes]:
        """The answers, the same for the same seed."""


def study(
    drummer: Drummer | None = None, *, prompt_frames: int = PROMPT, samples: int = SAMPLES, name: str = "model"
) -> Study:
    """Drums to the other instruments, after a prompt of so many frames."""

    def ask(trial: Trial, seed: int) -> Sequence[Notes]:
        assert drummer is not None
        return drummer(trial.given, trial.metre, trial.prompt, trial.start, samples, seed)

    return Study(
        FIGURES,
        f"{FEWEST_BARS} bars with drums and other instruments",
        lambda piece: trial_of(piece, prompt_frames),
        figures,
        {} if drummer is None else {name: ask},
        _baselines,
        {"prompt_frames": prompt_frames, "length": LENGTH, "samples": samples},
        f"prompt of {prompt_frames} frames" if prompt_frames else "no prompt",
    )


def trial_of(piece: PackedPiece, prompt_frames: int = PROMPT) -> Trial | None:
    """The other instruments given, the drums to be written; None where either plays too little."""
    notes = piece.of_tracks(range(len(piece.tracks)))
    drums, others = notes[notes["instrument"] == DRUMS], notes[notes["instrument"] != DRUMS]
    if len(piece.bars) < FEWEST_BARS or not len(others):
        return None
    stop = min(LENGTH, int((others["frame"] + others["duration"]).max()))
    drums, others = drums[drums["frame"] < stop], others[others["frame"] < stop]
    if (drums["frame"] >= prompt_frames).sum() < FEWEST_HITS:
        return None
    return Trial(piece.name, others, drums, piece.metre()[:stop], prompt_frames, stop)


def figures(trial: Trial, answer: Notes) -> Figures:
    """Every figure of FIGURES for one answer."""
    made = trial.made(answer)
    hits = made[made["instrument"] == DRUMS]
    on_drum = accompaniment(trial.given, hits, trial.given, trial.start)["on_hit"] if len(hits) else 0.0
    return drums_against(made, trial.real, trial.start) | {
        "non_drum": float((made["instrument"] != DRUMS).mean()) if len(made) else None,
        "on_drum": on_drum,
        "groove": groove_similarity(hits, trial.metre, trial.start, trial.stop),
    }


def _baselines(trials: Sequence[Trial], training: Iterable[PackedPiece]) -> dict[str, System]:
    bars = commonest_bars(training)
    counted: dict[str, System] = {"commonest bar": lambda trial, _: [in_bars(bars, trial.metre)]} if bars else {}
    return counted | {"a hit on every onset": lambda trial, _: [on_every_onset(trial)]} | another_song(trials)


Pattern = frozenset[tuple[int, int]]
"""Place in the bar and drum sound of every hit."""


def commonest_bars(pieces: Iterable[PackedPiece]) -> dict[tuple[int, int], Pattern]:
    """The commonest bar of drums for every length of the bar and the beat, in frames; one vote a piece.

    Bars are told apart by their kicks, snares and hi-hats; a piece votes for its own commonest bar with any of them.
    """
    votes: dict[tuple[int, int], Counter[Pattern]] = {}
    for piece in pieces:
        notes = piece.of_tracks(range(len(piece.tracks)))
        own: dict[tuple[int, int], Counter[Pattern]] = {}
        metre = piece.metre()
        for (begin, length), pattern in _bars_of(notes[notes["instrument"] == DRUMS], metre):
            own.setdefault((length, int(metre[begin, 2])), Counter())[pattern] += 1
        for kind, bars in own.items():
            votes.setdefault(kind, Counter())[_first(bars)] += 1
    return {kind: _first(bars) for kind, bars in votes.items()}


def _first(bars: Counter[Pattern]) -> Pattern:
    return min(bars, key=lambda pattern: (-bars[pattern], sorted(pattern)))


def _bars_of(drums: Notes, metre: NDArray[np.int32]) -> list[tuple[tuple[int, int], Pattern]]:
    """Every whole bar (first frame, length) that has a kick, snare or hi-hat, and its pattern."""
    sound = np.zeros(128, np.int64)
    for name, plain in (("kick", KICK), ("snare", SNARE), ("hat", HAT)):
        sound[list(KITS[name])] = plain
    frames, sounds = drums["frame"].astype(np.int64), sound[drums["pitch"]]
    order = np.argsort(frames, kind="stable")
    frames, sounds = frames[order], sounds[order]
    found = []
    for begin, length in whole_bars(metre, 0, len(metre)):
        a, b = np.searchsorted(frames, (begin, begin + length))
        hits = zip((frames[a:b] - begin).tolist(), sounds[a:b].tolist(), strict=True)
        if pattern := frozenset((at, drum) for at, drum in hits if drum):
            found.append(((begin, length), pattern))
    return found


def in_bars(bars: dict[tuple[int, int], Pattern], metre: NDArray[np.int32]) -> Notes:
    """The pattern of each bar's kind, that of 4/4 cut to other bars, over the frames of a metre."""
    plain = bars.get((16, 4)) or next(iter(bars.values()))
    rows = [
        (frame, DRUMS, drum, 1)
        for frame, (place, length, beat) in enumerate(metre.tolist())
        for at, drum in bars.get((length, beat), plain)
        if at == place
    ]
    return in_order(np.array(rows, FRAME_NOTE))


def on_every_onset(trial: Trial) -> Notes:
    """A hi-hat on every onset of the others; on the beats also kick and snare by turns."""
    rows = []
    for frame in np.unique(trial.given["frame"]).tolist():
        place, _, beat = trial.metre[frame].tolist()
        rows.append((frame, DRUMS, HAT, 1))
        if place % max(1, beat) == 0:
            rows.append((frame, DRUMS, SNARE if place // max(1, beat) % 2 else KICK, 1))
    return in_order(np.array(rows, FRAME_NOTE))
