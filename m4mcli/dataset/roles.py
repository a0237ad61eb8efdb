"""Which tracks of a piece are its melody and its chords: the two parts of a lead sheet."""

import numpy as np

from m4mcli.score.score import Score, Track

ROLE_NAMES = {"melody": "melody", "chord": "chord", "chords": "chord"}


def roles(score: Score) -> list[str]:
    """Each track's role: `melody`, `chord` or empty.

    By the tracks' names where one of them is such a name; else, where exactly two tracks sound beside drums, by what
    they play: chords are blocks of three and more notes, a melody has clearly fewer at a time.
    """
    named = [ROLE_NAMES.get(t.name.strip().lower(), "") for t in score.tracks]
    if any(named):
        return named
    sounding = [i for i, t in enumerate(score.tracks) if len(t.notes) and not t.is_drum]
    if len(sounding) != 2:
        return named
    together = {i: notes_together(score.tracks[i]) for i in sounding}
    line, chords = sorted(sounding, key=lambda i: together[i])
    as_blocks = together[line] < together[chords] - 0.7 and _are_blocks(score.tracks[chords])
    if as_blocks or (together[line] < 1.1 and together[chords] > 2.4):
        named[line], named[chords] = "melody", "chord"
    return named


def notes_together(track: Track) -> float:
    """How many notes begin together, on average over a track's onsets."""
    return len(track.notes) / len(np.unique(track.notes["onset"]))


def _are_blocks(track: Track) -> bool:
    """Whether nine in ten onsets begin three or more notes, and in nine of ten all last equally long."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(track.notes["onset"])) + 1))
    count = np.diff(np.append(starts, len(track.notes)))
    durations = track.notes["duration"]
    level = np.maximum.reduceat(durations, starts) == np.minimum.reduceat(durations, starts)
    return bool((count >= 3).mean() >= 0.9 and level.mean() >= 0.9)
