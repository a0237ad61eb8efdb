"""What is odd about a piece: what its reader had to mend, and what a musician would stumble over."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.inspection.beat import ENOUGH, beat_strength, in_three, off_grid, onsets, written_in
from m4mcli.inspection.places import Places
from m4mcli.score.clock import DEFAULT_MICROSECONDS, seconds_at
from m4mcli.score.container import counted
from m4mcli.score.read import Reading
from m4mcli.score.score import Score

NOT_MENDED = frozenset(("odd-tempo", "many-parts", "format-2"))
"""Warnings of the reader about what it left as it is."""

OFF_GRID = 0.2
"""Share of notes off the grid from which on that is odd."""

NO_BEAT = 0.2
THREE = 0.3
STUCK_QUARTERS, STUCK_TIMES = 32, 12
"""A note is stuck that lasts so many quarters and so many times longer than its track's median note."""

SLOWEST, FASTEST = 30.0, 300.0
LATE_SECONDS, SILENT_SECONDS = 20.0, 30.0
LATE_BARS = 8
PEDAL, DOWN = 64, 64


@dataclass(frozen=True)
class Oddity:
    """One thing that is odd: its name, what and where; whether `m4m check --fix` mends it."""

    name: str
    text: str
    mendable: bool = False


def oddities(reading: Reading) -> tuple[Oddity, ...]:
    """All that is odd about what was read, the reader's warnings first."""
    told = [warning.partition(": ") for warning in reading.warnings]
    found = [Oddity(name, text, name not in NOT_MENDED) for name, _, text in told]
    score = reading.score
    if not score.note_count:
        return (*found, Oddity("no-notes", "nothing sounds"))
    places = Places(score)
    return (*found, *_about_notes(score, places), *_about_tracks(score, places), *_about_time(score, places))


def struck_again(onset: NDArray[np.int64], end: NDArray[np.int64], key: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which notes begin while one of the same `key` sounds, or with it; of several that begin together all but one."""
    order = np.lexsort((-end, onset, key))
    o, e, k = onset[order], end[order], key[order].astype(np.int64)
    again = np.zeros(len(order), bool)
    if len(order):
        # Keys are laid end to end, so that one running maximum serves them all.
        apart = k * (int(end.max()) + 1)
        reach = np.maximum.accumulate(e + apart)[:-1] - apart[1:]
        again[order[1:]] = (k[1:] == k[:-1]) & ((o[1:] < reach) | (o[1:] == o[:-1]))
    return again


def stuck(onset: NDArray[np.int64], end: NDArray[np.int64], tpq: int) -> NDArray[np.bool_]:
    """Which notes of a track last so long that their end must have been lost."""
    length = end - onset
    if not len(length):
        return np.zeros(0, bool)
    return (length >= STUCK_QUARTERS * tpq) & (length >= STUCK_TIMES * max(1.0, float(np.median(length))))


def _about_notes(score: Score, places: Places) -> Iterator[Oddity]:
    for number, track in enumerate(score.tracks, 1):
        onset, end = track.notes["onset"], track.notes["onset"] + track.notes["duration"]
        for name, which, noun, what in (
            ("overlap", struck_again(onset, end, track.notes["pitch"]), "note", "struck while the same note sounds"),
            ("zero-length", end == onset, "note", "without length"),
            ("stuck-note", stuck(onset, end, score.tpq), "note", "very much longer than the others"),
        ):
            if which.any():
                first = places.named(int(onset[which].min()))
                count = counted(int(which.sum()), noun)
                yield Oddity(name, f"{count} of track {number} {what}, first in {first}", True)


def _about_tracks(score: Score, places: Places) -> Iterator[Oddity]:
    seen: dict[tuple[int, bool, bytes], int] = {}
    for number, track in enumerate(score.tracks, 1):
        if len(track.notes):
            notes = track.notes[["onset", "pitch"]].tolist()
            first = seen.setdefault((track.program, track.is_drum, repr(notes).encode()), number)
            if first != number:
                yield Oddity(
                    "doubled-track", f"track {number} plays what track {first} plays, with the same instrument"
                )
        pedal = track.controls[track.controls["number"] == PEDAL]
        if len(pedal) and pedal["value"][-1] >= DOWN:
            yield Oddity(
                "pedal-down", f"the pedal of track {number} stays down from {places.named(pedal['tick'][-1])} on"
            )


def _about_time(score: Score, places: Places) -> Iterator[Oddity]:
    begins = onsets(score)
    share = off_grid(begins)
    if len(begins) >= ENOUGH and beat_strength(begins) < NO_BEAT:
        yield Oddity("no-beat", "the notes follow no beat of the file: its tempo is not that of the music")
    elif share > OFF_GRID:
        yield Oddity("off-grid", f"{share:.0%} of the notes begin off the grid of 1/32 and 1/16t; try m4m quantize")
    elif (written := written_in(score)) and abs(lean := in_three(score)) > THREE:
        sounds = "three" if lean > 0 else "two"
        if sounds != written:
            metre = next((f"{s.numerator}/{s.denominator}" for s in score.time_signatures), "no metre, so 4/4")
            yield Oddity("metre", f"written in {metre}, but the accents are in {sounds}")
    tempo = _usual_tempo(score)
    if not SLOWEST <= tempo <= FASTEST:
        yield Oddity("tempo", f"{tempo:.4g} quarters a minute for most of the piece")
    yield from _silences(score, places)


def _usual_tempo(score: Score) -> float:
    """The tempo, in quarters a minute, that holds for the most beats."""
    tempos = {0: DEFAULT_MICROSECONDS} | {t.tick: t.microseconds for t in score.tempos if t.tick < score.end}
    edges = [*sorted(tempos), score.end]
    lasting: dict[int, int] = {}
    for tick, following in pairwise(edges):
        lasting[tempos[tick]] = lasting.get(tempos[tick], 0) + following - tick
    return 60e6 / max(lasting, key=lambda microseconds: lasting[microseconds])


def _silences(score: Score, places: Places) -> Iterator[Oddity]:
    notes = np.concatenate([track.notes for track in score.tracks])
    notes = notes[np.argsort(notes["onset"], kind="stable")]
    first = int(notes["onset"][0])
    if places.at(first)[0] - places.lowest >= LATE_BARS and seconds_at(score, np.array([first]))[0] > LATE_SECONDS:
        yield Oddity("late-start", f"the first note comes in {places.named(first)}")
    reach = np.maximum.accumulate(notes["onset"] + notes["duration"])[:-1]
    silent = seconds_at(score, notes["onset"][1:]) - seconds_at(score, reach)
    if len(silent) and silent.max() > SILENT_SECONDS:
        place = int(silent.argmax())
        yield Oddity(
            "long-silence", f"nothing sounds for {silent[place]:.0f} s from {places.named(int(reach[place]))} on"
        )
