"""Find the melody of a piece: the track that is asked for, named so or most like one; of a thick part the top line."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.score.score import Score, Track

NAMED = (
    re.compile(r"melod(?!ic)|vocal|vox|\bsing|cant[oa]\b|chant\b|gesang|lyric", re.IGNORECASE),
    re.compile(r"\blead|voice|voix|stimme|sopran|solo|tune|theme|discant|superius", re.IGNORECASE),
)
"""What melody tracks are called, the surer names first."""

NAMED_OTHERWISE = re.compile(
    r"back|counter|harmon|chord|akkord|accomp|begleit|rhythm|comp\b|bass|drum|perc", re.IGNORECASE
)
"""A track called so is not the melody for its name, whatever else it is called."""

THICK = 0.15
"""Share of a part's sounding time with more than one pitch from which its top line is taken."""

PRESENT, FEW_PITCHES = 0.6, 4
BASS_PROGRAMS, EFFECT_PROGRAMS = range(32, 40), range(112, 128)
LISTED = 20


@dataclass(frozen=True)
class Found:
    """The melody: indices of its tracks in the score (from 0), its NOTE rows (n,) in ticks, what was done, in words.

    `skyline` tells that `notes` are the top line of a thick part: then `reason` is worth a warning.
    """

    indices: tuple[int, ...]
    reason: str
    notes: NDArray[np.void]
    skyline: bool = False


def find_melody(score: Score, choice: str | None = None) -> Found:
    """The melody of a piece: the track that `choice` names (number from 1, name, part of a name), or the likeliest.

    Without a choice a track named as a melody goes before the most melodic one: a single line, high, there throughout.
    Drums are never the melody. Of a part with several notes at once the top line is taken. Raises M4mError if there
    is nothing to choose from, or (status 2) if `choice` does not name one pitched track with notes.
    """
    if choice is not None:
        index, why = _chosen(score, choice), "as asked"
    else:
        index, why = _likeliest(score)
    track = score.tracks[index]
    label = f"melody: track {index + 1}{_quoted(track)}, {why}"
    thick = thickness(track.notes)
    if thick <= THICK:
        return Found((index,), label, track.notes)
    top = skyline(track.notes)
    told = f"{label}; it has several notes at once, so its top line was taken ({len(top)} of {len(track.notes)} notes)"
    return Found((index,), told, top, skyline=True)


def skyline(notes: NDArray[np.void]) -> NDArray[np.void]:
    """The top line of a part: NOTE rows (n,) in, NOTE rows (m,) out, in ticks, never two sounding at once.

    The highest note of each onset is taken, and ends when the next one taken begins. A note below one that still
    sounds is left out if that one covers half of it (it accompanies); if less, it goes on from it (a slurred line).
    Notes of which less than a quarter would be left are left out: the lower notes of a spread chord.
    """
    line: list[tuple[int, int, int, int]] = []
    order = np.lexsort((-notes["pitch"], notes["onset"]))
    last_onset = None
    for i in order:
        onset, duration, pitch = int(notes["onset"][i]), int(notes["duration"][i]), int(notes["pitch"][i])
        if onset == last_onset:
            continue
        last_onset = onset
        if line:
            before, index = line[-1], line[-1][3]
            held = before[0] + before[1] - onset
            if held > 0:
                if before[2] > pitch and 2 * held >= duration:
                    continue
                line[-1] = (before[0], onset - before[0], before[2], index)
                if line[-1][1] < int(notes["duration"][index]) / 4:
                    line.pop()
        line.append((onset, duration, pitch, int(i)))
    top: NDArray[np.void] = notes[[index for *_, index in line]]
    top["duration"] = [duration for _, duration, _, _ in line]
    return top


def thickness(notes: NDArray[np.void]) -> float:
    """Share 0-1 of the sounding time of a part, NOTE rows (n,), in which several pitches sound; 0 without notes."""
    if not len(notes):
        return 0.0
    ends = notes["onset"] + np.maximum(notes["duration"], 1)
    times = np.concatenate((notes["onset"], ends))
    steps = np.concatenate((np.ones(len(notes), np.int64), -np.ones(len(notes), np.int64)))
    order = np.argsort(times, kind="stable")
    sounding = np.cumsum(steps[order])[:-1]
    spans = np.diff(times[order])
    return float(spans[sounding > 1].sum() / max(1, spans[sounding > 0].sum()))


def _chosen(score: Score, choice: str) -> int:
    text = choice.strip()
    if text.isascii() and text.isdecimal():
        index = int(text) - 1
        if not 0 <= index < len(score.tracks):
            raise M4mError(f"there is no track {text}", f"tracks: {_listed(score)}", USAGE)
        return _pitched(score, index)
    names = [track.name.strip().casefold() for track in score.tracks]
    hits = [i for i, name in enumerate(names) if name == text.casefold()]
    hits = hits or [i for i, name in enumerate(names) if text and text.casefold() in name]
    if len(hits) != 1:
        what = f"{len(hits)} tracks are" if hits else "no track is"
        raise M4mError(f"{what} called {text!r}", f"name one, or give its number: {_listed(score)}", USAGE)
    return _pitched(score, hits[0])


def _pitched(score: Score, index: int) -> int:
    track = score.tracks[index]
    if track.is_drum or not len(track.notes):
        what = "is a drum track" if track.is_drum else "has no notes"
        raise M4mError(f"track {index + 1}{_quoted(track)} {what}", f"tracks: {_listed(score)}", USAGE)
    return index


def _likeliest(score: Score) -> tuple[int, str]:
    pitched = [i for i, track in enumerate(score.tracks) if len(track.notes) and not track.is_drum]
    if not pitched:
        what = "it has only drums" if score.note_count else "it has no notes"
        raise M4mError(f"nothing to harmonize: {what}", "a melody is needed: a track with pitched notes")
    if len(pitched) == 1:
        return pitched[0], "the only one with pitched notes"
    likeness = {i: _melodic(score, score.tracks[i]) for i in pitched}
    for pattern in NAMED:
        named = [i for i in pitched if _is_called(score.tracks[i].name, pattern)]
        if named:
            return max(named, key=lambda i: likeness[i]), "found by its name"
    return max(pitched, key=lambda i: likeness[i]), f"the most melodic of {len(pitched)}"


def _is_called(name: str, pattern: re.Pattern[str]) -> bool:
    return bool(pattern.search(name)) and not NAMED_OTHERWISE.search(name)


def _melodic(score: Score, track: Track) -> float:
    """How much a track is like a melody: one line, high, singable (narrow, in small steps), there through the piece.

    The weights were set by hand on songs whose melody is known, without their track names.
    """
    notes = track.notes
    pitches = notes["pitch"].astype(np.float64)
    height = float(np.average(pitches, weights=np.maximum(notes["duration"], 1)))
    lowest, highest = np.percentile(pitches, (5, 95))
    leap = float(np.abs(np.diff(pitches)).mean()) if len(pitches) > 1 else 0.0
    whole = 4 * score.tpq
    present = len(np.unique(notes["onset"] // whole)) / (score.end // whole + 1)
    value = 3 * (1 - thickness(notes)) + min(height - 60, 12) / 12 + 2 * min(present, PRESENT) / PRESENT
    value -= 0.3 * max(0.0, leap - 2) + 0.08 * max(0.0, highest - lowest - 14)
    value -= len(np.unique(pitches)) < FEW_PITCHES
    value -= 2.0 * (track.program in BASS_PROGRAMS or track.program in EFFECT_PROGRAMS)
    return float(value - bool(NAMED_OTHERWISE.search(track.name)))


def _quoted(track: Track) -> str:
    return f" {track.name.strip()!r}" if track.name.strip() else ""


def _listed(score: Score) -> str:
    lines = [
        f"{i + 1}{_quoted(t)} ({'drums' if t.is_drum else f'{len(t.notes)} notes'})" for i, t in enumerate(score.tracks)
    ]
    return ", ".join(lines[:LISTED]) + (", ..." if len(lines) > LISTED else "")
