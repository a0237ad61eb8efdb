"""From the bytes of a corpus's file to a score, as the corpus means them.

form           what it is
(empty)        MIDI or m4m JSON, told by content
roland-drums   drums of a Roland TD kit, in General MIDI's numbers (Groove, E-GMD)
nes            the four voices of a game console, its noise as drums (NES-MDB)
jsb-N          a chorale as a JSON list of steps, N to a quarter note
abc            a tune in ABC notation
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.chorales import chorale
from m4mcli.score.metre import bars
from m4mcli.score.quick import read_notes
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, TimeSignature, Track

ROLAND = {22: 42, 26: 46, 58: 43}
"""Sounds of a Roland TD-11 that General MIDI has under other numbers: rims of hi-hats and of the third tom."""

KICK, SNARE, HAT = 36, 38, 42
NOISE = np.array([KICK] * 5 + [SNARE] * 6 + [HAT] * (128 - 11))
"""The drum sound of each pitch of the noise voice (1-16): low noise stands for a kick, high noise for a hi-hat."""


def read_form(data: bytes, form: str, name: str) -> Score:
    """The piece in `data`; `name` is used in messages. Raises M4mError for what cannot be read."""
    if form.startswith("jsb-"):
        return chorale(data.decode("utf-8"), int(form[4:]))
    if form == "abc":
        from m4mcli.score.abc import read_abc

        return read_abc(data.decode("utf-8"))
    score = read_notes(data) or read_score(data, name).score
    if form == "roland-drums":
        sounds = np.arange(128)
        sounds[list(ROLAND)] = list(ROLAND.values())
        return replace(score, tracks=tuple(_renamed(t, sounds) if t.is_drum else t for t in score.tracks))
    if form == "nes":
        return replace(score, tracks=tuple(_renamed(t, NOISE) if _is_noise(t) else t for t in score.tracks))
    return score


def _is_noise(track: Track) -> bool:
    return track.is_drum or track.name == "no"


def _renamed(track: Track, sounds: NDArray[np.int64]) -> Track:
    notes = track.notes.copy()
    notes["pitch"] = sounds[notes["pitch"]]
    return replace(track, notes=notes, is_drum=True)


def with_metre(score: Score) -> Score:
    """The score, in 4/4 where it has no time signature."""
    return score if score.time_signatures else replace(score, time_signatures=(TimeSignature(0, 4, 4),))


def moved(score: Score, ticks: int) -> Score:
    """A score whose notes are `ticks` later, its bars counted from tick 0 on.

    Where notes would then begin before tick 0, all is later by as many bars as it takes.
    """
    if not ticks:
        return score
    first = min((int(t.notes["onset"].min()) for t in score.tracks if len(t.notes)), default=0)
    bar = bars(score, 1)[0].length
    ticks += -(-max(0, -first - ticks) // bar) * bar

    def later(track: Track) -> Track:
        notes = track.notes.copy()
        notes["onset"] += ticks
        return replace(track, notes=notes)

    signatures = tuple(replace(s, tick=max(0, s.tick + ticks) if s.tick else 0) for s in score.time_signatures)
    return replace(score, tracks=tuple(later(t) for t in score.tracks), time_signatures=signatures)
