"""Drum fills: where a phrase ends, what they change, and that the kit and --no-fills are kept to."""

import numpy as np
from conftest import Run
from test_drumify import TPQ, drums_of, piece

from m4mcli.frames.frames import DRUMS, FRAME_NOTE
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.fills import crashing, turns
from m4mcli.theory.drum_sounds import kind_of

BAR = 16
QUICK = ("--best-of", "1", "--only")


def metre(bars: int) -> np.ndarray:
    return np.array([(frame % BAR, BAR, 4) for frame in range(bars * BAR)])


def chords(*bars: tuple[int, int]) -> np.ndarray:
    """One note a bar: its instrument and pitch."""
    return np.array([(BAR * i, program, pitch, BAR) for i, (program, pitch) in enumerate(bars)], FRAME_NOTE)


def everywhere(bars: int) -> np.ndarray:
    return np.ones(bars * BAR, bool)


def test_a_phrase_ends_where_the_music_changes() -> None:
    music = chords(*[(0, 60)] * 5, *[(48, 67)] * 7)
    assert turns(music, metre(12), everywhere(12)) == [5 * BAR]


def test_music_that_never_changes_turns_every_eight_bars() -> None:
    assert turns(chords(*[(0, 60)] * 20), metre(20), everywhere(20)) == [8 * BAR, 16 * BAR]


def test_short_music_has_no_turn() -> None:
    assert turns(chords(*[(0, 60)] * 8), metre(8), everywhere(8)) == []


def test_a_phrase_begins_anew_behind_silence() -> None:
    begin = everywhere(24)
    begin[6 * BAR : 10 * BAR] = False
    assert turns(chords(*[(0, 60)] * 24), metre(24), begin) == [18 * BAR]


def test_a_crash_takes_the_place_of_hat_and_ride() -> None:
    rows = [(0, DRUMS, 36, 1), (0, DRUMS, 42, 1), (2, DRUMS, 42, 1), (4, DRUMS, 51, 1)]
    made = crashing(np.array(rows, FRAME_NOTE), [0, 4])
    assert sorted((int(n["frame"]), int(n["pitch"])) for n in made) == [(0, 36), (0, 49), (2, 42), (4, 49)]


def test_fills_change_the_half_bar_before_a_turn_and_its_bar_line_alone(m4m: Run) -> None:
    song = score_to_midi(piece(20))
    plain = drums_of(m4m("drumify", *QUICK, "--no-fills", stdin=song).stdout)
    done = m4m("drumify", *QUICK, stdin=song)
    assert m4m("drumify", *QUICK, stdin=song).stdout == done.stdout
    filled = drums_of(done.stdout)

    def hits(notes: np.ndarray) -> set[tuple[float, int]]:
        return {(n["onset"] / TPQ, int(n["pitch"])) for n in notes}

    changed = {at for at, _ in hits(plain) ^ hits(filled)}
    lines = {round(at) for at, sound in hits(filled) - hits(plain) if kind_of(sound) == "crash"}
    assert lines
    assert all(line % 4 == 0 for line in lines)
    assert all(any(line - 2 <= at <= line for line in lines) for at in changed)
    struck = [kind_of(s) for at, s in hits(filled) if any(line - 2 <= at < line for line in lines)]
    assert set(struck) <= {"kick", "snare", "tom"}


def test_a_kit_without_snare_and_toms_has_no_fills(m4m: Run) -> None:
    song = score_to_midi(piece(20))
    kit = ("--kit", "hat,ride")
    assert (
        m4m("drumify", *QUICK, *kit, stdin=song).stdout == m4m("drumify", *QUICK, *kit, "--no-fills", stdin=song).stdout
    )


def test_a_small_kit_is_kept_to(m4m: Run) -> None:
    made = drums_of(m4m("drumify", *QUICK, "--kit", "kick,snare,hat", stdin=score_to_midi(piece(20))).stdout)
    assert {kind_of(int(s)) for s in made["pitch"]} <= {"kick", "snare", "hat"}
