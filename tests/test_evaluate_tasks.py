"""What the generation tasks are measured by: trials, figures against plain computations, baselines, the command."""

import json
import math
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import toy
from conftest import Run
from numpy.typing import NDArray

from m4mcli import cli
from m4mcli.dataset.pack import PACK_BAR, PACK_NOTE, Pack, PackedPiece, PackedTrack, write_pack
from m4mcli.errors import M4mError
from m4mcli.evaluation import accompany, continuation, drumify, infill, melodize
from m4mcli.evaluation.borrowed import again, another_song, key_shift
from m4mcli.evaluation.groove import distances, groove_similarity, whole_bars
from m4mcli.evaluation.melody_counts import count_melodies, counted_melody
from m4mcli.evaluation.table import Row
from m4mcli.evaluation.trials import Study, Trial, rows, spread, study_tables
from m4mcli.frames.canonical import shifted
from m4mcli.frames.frames import DRUMS, FRAME_NOTE, in_order
from m4mcli.tasks.continuation import continuer

Notes = NDArray[np.void]
NOTHING = np.zeros(0, FRAME_NOTE)


def notes(*rows: tuple[int, int, int, int]) -> Notes:
    """Notes from (frame, instrument, pitch, duration)."""
    return in_order(np.array(list(rows), FRAME_NOTE))


def hits(*rows: tuple[int, int]) -> Notes:
    """Drums from (frame, sound)."""
    return notes(*((frame, DRUMS, sound, 1) for frame, sound in rows))


def packed(name: str, *parts: tuple[str, Notes], split: str = "valid", bars: list[tuple[int, int, int]]) -> PackedPiece:
    """A piece whose tracks have roles; bars are (frame, length, beat)."""
    tracks, merged = [], []
    for i, (role, part) in enumerate(parts):
        rows = np.zeros(len(part), PACK_NOTE)
        for field in FRAME_NOTE.names or ():
            rows[field] = part[field]
        rows["track"] = i
        merged.append(rows)
        is_drum = bool(len(part)) and bool((part["instrument"] == DRUMS).all())
        tracks.append(PackedTrack(role, 0, is_drum, role if role in ("melody", "chord") else ""))
    all_notes = np.concatenate(merged)
    length = int((all_notes["frame"] + all_notes["duration"]).max())
    return PackedPiece(name, "tunes", split, length, tuple(tracks), all_notes, np.array(bars, PACK_BAR))


def four_four(count: int, start: int = 0) -> list[tuple[int, int, int]]:
    return [(start + 16 * i, 16, 4) for i in range(count)]


def band(seed: int, count: int = 17, split: str = "valid") -> PackedPiece:
    """Anything with drums, so many bars."""
    every = toy.band(16 * count, seed)
    drums = every["instrument"] == DRUMS
    parts = ("Band", every[~drums]), ("Kit", every[drums])
    return packed(f"band {seed}", *parts, split=split, bars=four_four(count))


def lead_sheet(seed: int, count: int = 12, split: str = "valid") -> PackedPiece:
    length = 16 * count
    parts = ("melody", toy.melody(length, seed)), ("chord", toy.chords(length, seed))
    return packed(f"tune {seed}", *parts, split=split, bars=four_four(count))


def trial(given: Notes, truth: Notes, start: int, stop: int, length: int | None = None) -> Trial:
    return Trial("song", given, truth, toy.metre(length or stop), start, stop)


def means(row: Row) -> dict[str, float | None]:
    return {name: None if e is None else e.mean for name, e in row.figures.items()}


def made_of(part: Notes, start: int, stop: int) -> list[dict[str, int]]:
    """Notes of a window as plain dictionaries."""
    rows = [dict(zip(FRAME_NOTE.names or (), map(int, row), strict=True)) for row in part.tolist()]
    return [row for row in rows if start <= row["frame"] < stop]


# Rhythm, density, pitch classes


def test_bars_are_whole_where_they_are_neither_cut_by_the_window_nor_by_the_next_bar() -> None:
    metre = np.concatenate((toy.metre(20), toy.metre(32)))
    assert whole_bars(metre, 0, 52) == [(0, 16), (20, 16), (36, 16)]
    assert whole_bars(metre, 1, 51) == [(20, 16)]


def test_groove_is_the_share_of_places_that_two_bars_have_in_common() -> None:
    first, second, third = (0, 4, 8, 12), (0, 4, 8, 14), (0,)
    part = hits(*((16 * bar + at, 42) for bar, places in enumerate((first, second, third)) for at in places))
    assert groove_similarity(part, toy.metre(48), 0, 48) == (14 / 16 + 13 / 16) / 2
    assert groove_similarity(part, toy.metre(48), 2, 48) == 13 / 16
    assert groove_similarity(part, toy.metre(48), 20, 48) is None
    assert groove_similarity(NOTHING, toy.metre(48), 0, 48) is None


def test_bars_of_different_lengths_are_not_compared() -> None:
    metre = np.concatenate((toy.metre(16), toy.metre(12, 12), toy.metre(12, 12)))
    part = hits((0, 36), (16, 36), (28, 36), (29, 36))
    assert groove_similarity(part, metre, 0, 40) == 11 / 12


def test_distances_by_hand() -> None:
    real = notes((0, 0, 60, 4), (4, 0, 64, 4), (16, 0, 67, 4), (20, DRUMS, 36, 1))
    made = notes((0, 5, 72, 1), (8, 5, 72, 1))
    # C alone against a third each; places 0 and 8 against 0, 4, 0, 4; 2 notes against 4.
    found = distances(made, real, toy.metre(32))
    assert found["pitch_class_distance"] == pytest.approx(2 / 3)
    assert found["groove_distance"] == 1 / 2
    assert found["density_distance"] == pytest.approx(math.log2(5 / 3))
    assert set(distances(real, real, toy.metre(32)).values()) == {0}
    silence = distances(NOTHING, real, toy.metre(32))
    assert (silence["pitch_class_distance"], silence["groove_distance"]) == (1, 1)
    assert distances(made, hits((0, 36)), toy.metre(32))["pitch_class_distance"] is None


# Borrowed parts


def test_the_last_frames_come_again_cut_at_each_turn() -> None:
    part = notes((0, 0, 50, 4), (16, 0, 60, 4), (28, 0, 62, 8))
    copied = again(part, 16, 32, 60)
    assert copied.tolist() == [(32, 0, 60, 4), (44, 0, 62, 4), (48, 0, 60, 4)]
    assert len(again(part, 16, 32, 32)) == 0


@pytest.mark.parametrize(("tonic", "minor", "shift"), [(0, False, 0), (2, False, 2), (6, False, 6), (7, False, -5)])
def test_another_song_is_moved_to_the_key(tonic: int, minor: bool, shift: int) -> None:
    chords = toy.chords(64, 1)
    here, there = trial(chords, toy.melody(64), 16, 64), trial(shifted(chords, tonic), NOTHING, 16, 64)
    assert key_shift(here, there) == shift
    minor_chords = notes(*((f, 0, p, 8) for f in range(0, 64, 8) for p in (45, 48, 52)))
    assert key_shift(trial(minor_chords, NOTHING, 0, 64), trial(shifted(minor_chords, -3), NOTHING, 0, 64)) == -3


def test_another_song_has_such_bars_and_is_as_long_if_one_is() -> None:
    def song(pitch: int, stop: int, bar: int = 16) -> Trial:
        line = notes(*((f, 0, pitch + p, 4) for f, p in zip(range(0, stop, 4), (0, 4, 7, 0) * 99, strict=False)))
        return Trial(str(pitch), NOTHING, line, toy.metre(stop, bar), 16, stop)

    first, short, waltz, long = songs = (song(60, 64), song(60, 32), song(60, 64, 12), song(72, 80))
    (system,) = another_song(songs).values()
    assert system(first, 0)[0]["pitch"].min() == 72
    assert system(first, 0)[0]["frame"].max() < 64
    assert system(waltz, 0)[0]["pitch"].min() == 72
    assert system(short, 0)[0]["pitch"].min() == 72
    assert system(long, 0)[0]["frame"].max() == 60
    assert another_song(songs[:1]) == {}


def test_songs_are_spread_evenly() -> None:
    songs = [trial(NOTHING, NOTHING, 0, 16 + i) for i in range(10)]
    assert [t.stop - 16 for t in spread(songs, 4)] == [0, 2, 5, 7]
    assert spread(songs, 10) == spread(songs, None) == songs


# Melodies over chords


def plain_melody_figures(song: Trial, answer: Notes) -> dict[str, float]:
    """The figures of a melody over chords, from lists of notes alone."""
    start, stop = song.start, song.stop
    line = made_of(answer, start, stop)
    sounding: list[set[int]] = [set() for _ in range(stop)]
    own: list[set[int]] = [set() for _ in range(stop)]
    for roll, part in ((sounding, song.given), (own, answer)):
        for note in made_of(part, 0, stop):
            for t in range(note["frame"], min(stop, note["frame"] + note["duration"])):
                roll[t].add(note["pitch"])
    tones = [{p % 12 for p in now} for now in sounding]
    fit, resolved, over = 0, 0, 0
    for i, note in enumerate(line):
        if not tones[note["frame"]]:
            continue
        over += 1
        if note["pitch"] % 12 in tones[note["frame"]]:
            fit += 1
        elif i + 1 < len(line) and 0 < abs(line[i + 1]["pitch"] - note["pitch"]) <= 2:
            resolved += 1
    worth = {0: 1, 3: 1, 4: 1, 7: 1, 8: 1, 9: 1, 5: 0}
    heard = [(max(own[t]), tones[t]) for t in range(start, stop) if own[t] and tones[t]]
    consonance = [sum(worth.get((note - p) % 12, -1) for p in now) / len(now) for note, now in heard]
    scale = {n["pitch"] % 12 for part in (song.given, song.truth) for n in made_of(part, 0, stop)}
    onsets = sorted({n["frame"] for n in line})
    top = [max(n["pitch"] for n in line if n["frame"] == t) for t in onsets]
    return {
        "CTR": fit / over,
        "CTnCTR": (fit + resolved) / over,
        "PCS": sum(consonance) / len(consonance),
        "in_scale": sum(n["pitch"] % 12 in scale for n in line) / len(line),
        "density": len(line) / len(made_of(song.truth, start, stop)),
        "polyphonic": sum(len(own[t]) > 1 for t in onsets) / len(onsets),
        "interval": sum(abs(b - a) for a, b in pairwise(top)) / (len(top) - 1),
        "odd_16ths": sum(int(song.metre[t, 0]) % 2 for t in onsets) / len(onsets),
    }


@pytest.mark.parametrize("seed", range(6))
def test_figures_of_melodies_are_those_of_a_plain_computation(seed: int) -> None:
    song = melodize.trial_of(lead_sheet(seed))
    assert song is not None
    loose = toy.band(192, seed)
    answer = shifted(loose[loose["instrument"] == 48], 24)
    answer["instrument"] = 0
    for part in (song.truth, toy.melody(192, seed + 50), shifted(song.truth, 1), answer):
        whole = song.whole(part)
        found = melodize.figures(song, part)
        assert tuple(found) == melodize.FIGURES
        assert {k: v for k, v in found.items() if k != "MCTD"} == pytest.approx(plain_melody_figures(song, whole))


def test_a_melody_is_judged_behind_its_prompt_to_the_end_of_the_chords() -> None:
    piece = lead_sheet(3, 30)
    song = melodize.trial_of(piece)
    assert song is not None
    assert (song.start, song.stop, len(song.metre)) == (16, 384, 384)
    assert song.prompt["frame"].max() < 16
    figures = melodize.figures(song, song.truth)
    assert [figures[name] for name in ("in_scale", "density", "polyphonic")] == [1, 1, 0]
    assert melodize.figures(song, song.real) == figures
    silent = melodize.figures(song, NOTHING)
    assert (silent["density"], silent["in_scale"], silent["CTR"], silent["interval"]) == (0, None, None, None)
    assert melodize.trial_of(lead_sheet(3, 1)) is None
    assert melodize.trial_of(band(0)) is None


def test_notes_that_sound_together_are_told() -> None:
    chords = notes((0, 0, 48, 32), (0, 0, 52, 32), (0, 0, 55, 32))
    song = trial(chords, notes((0, 0, 60, 8), (16, 0, 62, 8), (24, 0, 64, 8)), 16, 32)
    answer = notes((16, 0, 60, 9), (24, 0, 62, 4), (29, 0, 72, 1), (29, 0, 64, 1))
    figures = melodize.figures(song, answer)
    assert figures["polyphonic"] == 2 / 3
    assert figures["interval"] == (2 + 10) / 2
    assert figures["odd_16ths"] == 1 / 3


def test_chord_tones_on_the_beats_are_chord_tones_on_beats() -> None:
    song = melodize.trial_of(lead_sheet(1))
    assert song is not None
    line = melodize.chord_tones(song)
    assert line["frame"].tolist() == list(range(16, 192, 4))
    assert melodize.figures(song, line)["CTR"] == 1
    assert (np.diff(line["pitch"]) != 0).all()
    assert np.abs(np.diff(line["pitch"])).max() <= 9


def test_the_chain_knows_the_successions_of_the_training_songs() -> None:
    tune = notes(*((4 * i, 0, (60, 64, 67)[i % 3], 3) for i in range(48)))
    chords = notes(*((f, 0, p, 16) for f in range(0, 192, 16) for p in (36, 40, 43)))
    songs = [
        packed("t", ("melody", shifted(tune, n)), ("chord", shifted(chords, n)), bars=four_four(12)) for n in (0, 2, 5)
    ]
    counts = count_melodies(songs)
    assert counts is not None
    song = melodize.trial_of(songs[1])
    assert song is not None
    line = counted_melody(counts, song, np.random.default_rng(0))
    # Each pitch has one that follows it, save for what all pitches are credited with.
    assert np.isin(line["pitch"], (62, 66, 69)).all()
    assert (np.diff(line["frame"]) == 4).all()
    assert (line["frame"][0], line["frame"][-1], set(line["duration"])) == (16, 188, {3})
    followed = Counter(pairwise(line["pitch"].tolist()))
    assert sum(followed[a, b] for a, b in ((62, 66), (66, 69), (69, 62))) > 0.8 * (len(line) - 1)
    same = counted_melody(counts, song, np.random.default_rng(0))
    assert (line == same).all()
    assert count_melodies([band(0)]) is None


# Drums to music


def plain_f1(ours: set[int], truth: set[int]) -> float:
    return 2 * len(ours & truth) / (len(ours) + len(truth)) if ours or truth else 1.0


@pytest.mark.parametrize("seed", range(6))
def test_figures_of_drums_are_those_of_a_plain_computation(seed: int) -> None:
    song = drumify.trial_of(band(seed))
    assert song is not None
    answer = toy.band(272, seed + 50)
    found = drumify.figures(song, answer)
    made, real = made_of(answer, 2, song.stop), made_of(song.truth, 2, song.stop)
    kits = {"kick": {35, 36}, "snare": {37, 38, 39, 40}, "hat": {42, 44, 46}, "any": set(range(128))}
    for kit, sounds in kits.items():
        ours = {n["frame"] for n in made if n["instrument"] == DRUMS and n["pitch"] in sounds}
        truth = {n["frame"] for n in real if n["pitch"] in sounds}
        assert found[f"F1_{kit}"] == pytest.approx(plain_f1(ours, truth))
    hit = {n["frame"] for n in made if n["instrument"] == DRUMS}
    others = {n["frame"] for n in made_of(song.given, min(hit), song.stop)}
    assert found["on_drum"] == pytest.approx(len(others & hit) / len(others))
    assert found["density"] == pytest.approx(len(made) / len(real))
    assert found["non_drum"] == pytest.approx(sum(n["instrument"] != DRUMS for n in made) / len(made))


def test_the_original_drums_are_their_own_measure() -> None:
    song = drumify.trial_of(band(1))
    assert song is not None
    figures = drumify.figures(song, song.truth)
    assert [figures[name] for name in (*drumify.FIGURES[:5], "non_drum")] == [1, 1, 1, 1, 1, 0]
    silent = drumify.figures(song, NOTHING)
    assert (silent["density"], silent["non_drum"], silent["on_drum"], silent["groove"]) == (0, None, 0, None)


def test_drums_are_measured_where_they_play_to_others_for_sixteen_bars() -> None:
    others = notes(*((8 * i, 0, 60, 8) for i in range(64)))
    beat = hits(*((8 * i, 36) for i in range(80)))
    song = drumify.trial_of(packed("a", ("", others), ("", beat), bars=four_four(40)))
    assert song is not None
    assert (song.start, song.stop, len(song.given), len(song.truth)) == (2, 384, 48, 48)
    shorter = drumify.trial_of(packed("b", ("", others[:32]), ("", beat), bars=four_four(40)))
    assert shorter is not None
    assert (shorter.stop, shorter.truth["frame"].max()) == (256, 248)
    for parts in ([others, beat[:16]], [beat], [others]):
        assert drumify.trial_of(packed("c", *(("", p) for p in parts), bars=four_four(40))) is None
    assert drumify.trial_of(packed("d", ("", others), ("", beat), bars=four_four(15))) is None


def test_the_commonest_bar_has_a_vote_of_each_piece_and_metre() -> None:
    rock = ((0, 36), (4, 40), (8, 35), (12, 38), (4, 44))
    waltz = ((0, 36), (4, 42), (8, 42))

    def piece(bars: int, length: int, pattern: tuple[tuple[int, int], ...]) -> PackedPiece:
        part = hits(*((length * i + at, p) for i in range(bars) for at, p in pattern))
        return packed(
            "t", ("", part), ("", notes((0, 0, 60, length * bars))), bars=[(i * length, length, 4) for i in range(bars)]
        )

    other = ((0, 36), (8, 36))
    bars = drumify.commonest_bars([piece(40, 16, other), piece(2, 16, rock), piece(3, 16, rock), piece(4, 12, waltz)])
    # Sounds of one kind are one: kick 36, snare 38, hi-hat 42.
    assert bars == {(16, 4): {(0, 36), (4, 38), (8, 36), (12, 38), (4, 42)}, (12, 4): set(waltz)}
    made = drumify.in_bars(bars, np.concatenate((toy.metre(16), toy.metre(24, 12), toy.metre(6, 6))))
    assert made[made["pitch"] == 38]["frame"].tolist() == [4, 12, 44]
    assert made[made["pitch"] == 42]["frame"].tolist() == [4, 20, 24, 32, 36, 44]


def test_every_onset_gets_a_hit() -> None:
    others = notes((0, 0, 60, 4), (4, 0, 62, 4), (6, 0, 62, 4), (8, 0, 62, 4), (8, 1, 40, 8))
    made = drumify.on_every_onset(trial(others, NOTHING, 0, 16))
    assert made["frame"].tolist() == [0, 0, 4, 4, 6, 8, 8]
    assert made["pitch"].tolist() == [36, 42, 38, 42, 42, 36, 42]
    assert set(made["instrument"]) == {DRUMS}


# Other instruments to drums


@pytest.mark.parametrize("seed", range(6))
def test_figures_of_accompaniments_are_those_of_a_plain_computation(seed: int) -> None:
    song = accompany.trial_of(band(seed))
    assert song is not None
    answer = toy.band(272, seed + 50)
    found = accompany.figures(song, answer)
    start, stop = song.start, song.stop
    assert (start, stop) == (32, int((song.given["frame"] + song.given["duration"]).max()))
    made = [n for n in made_of(answer, start, stop) if n["instrument"] != DRUMS]
    real = made_of(song.truth, start, stop)
    first = min(n["frame"] for n in made_of(song.given, 0, stop))
    hit = {n["frame"] for n in made_of(song.given, start, stop)}
    onsets = {n["frame"] for n in made if n["frame"] >= first}
    ours, theirs = (Counter(n["pitch"] % 12 for n in part) for part in (made, real))
    assert found["on_hit"] == pytest.approx(len(onsets & hit) / len(onsets))
    overlap = sum(min(ours[pc] / len(made), theirs[pc] / len(real)) for pc in range(12))
    assert found["pitch_class_overlap"] == pytest.approx(overlap)
    assert found["density"] == pytest.approx(len(made) / len(real))
    assert found["programs"] == len({n["instrument"] for n in made}) == 3


def test_whole_bars_of_the_prompt_are_repeated() -> None:
    part = notes(*((4 * i, 0, 60 + i, 4) for i in range(40)))
    waltz = Trial("w", NOTHING, part, toy.metre(96, 12), 32, 96)
    made = accompany.repeated_prompt(waltz)
    # Two bars of three quarters fit into 32 frames: those that end with the prompt.
    assert (made["pitch"] - 60).tolist() == [2, 3, 4, 5, 6, 7] * 2 + [2, 3, 4, 5]
    assert made["frame"].tolist() == list(range(32, 96, 4))


def test_the_accompanist_is_told_the_drums_the_instruments_and_the_prompt() -> None:
    asked: list[Any] = []

    song = accompany.trial_of(band(2))
    assert song is not None
    answers = [NOTHING, song.truth]

    def answer(*given: Any) -> list[Notes]:
        asked.append(given)
        return answers

    study = accompany.study(answer, samples=2, name="mine")
    found = {row.system: row for row in rows(study, [song], {}, seed=7)}
    ((drums, instruments, metre, prompt, frames, samples, seed),) = asked
    assert set(drums["instrument"]) == {DRUMS}
    assert instruments == (0, 33, 48)
    assert len(metre) == song.stop
    assert prompt["frame"].max() < 32
    assert (frames, samples, seed) == (32, 2, 7)
    assert (found["mine"].answers, found["mine"].empty) == (2, 1)
    assert means(found["mine"])["density"] == 0.5


# Bars behind, bars between


def test_the_first_whole_bars_from_the_first_note_on_without_a_pickup() -> None:
    part = notes(*((20 + 4 * i, 0, 60, 9) for i in range(-1, 80)))
    bars = [(0, 16, 4), (16, 4, 4), *four_four(20, 20)]
    found = continuation.first_bars(packed("a", ("", part), bars=bars), 3)
    assert found is not None
    taken, metre, lines = found
    assert lines == [0, 16, 32]
    assert (len(metre), metre[17].tolist()) == (48, [1, 16, 4])
    assert taken["frame"].tolist() == list(range(0, 48, 4))
    assert int((taken["frame"] + taken["duration"]).max()) == 48
    assert continuation.first_bars(packed("b", ("", part[:20]), bars=bars[:4]), 3) is None


def test_what_goes_on_is_given_half_and_judged_on_the_other() -> None:
    asked: list[Any] = []

    song = continuation.trial_of(band(4))
    assert song is not None
    answers = [song.truth]

    def answer(*given: Any) -> list[Notes]:
        asked.append(given)
        return answers

    study = continuation.study(answer, samples=1, name="seer")
    assert (song.start, song.stop, len(song.metre)) == (128, 256, 256)
    beside = study.baselines([song, *filter(None, (study.trial(band(5)),))], ())
    found = {row.system: means(row) for row in rows(study, [song], beside)}
    assert list(found) == ["real", "seer", "last bar again", "part of another song"]
    ((given, metre, frames, written, samples, seed),) = asked
    assert (len(metre), frames, written, samples, seed) == (256, 128, 128, 1, 0)
    assert int((given["frame"] + given["duration"]).max()) == 128
    assert found["seer"] == dict.fromkeys(continuation.FIGURES, 0)
    last = song.prompt[song.prompt["frame"] >= 112]
    copies = [{**n, "frame": n["frame"] + 16 * i} for i in range(1, 9) for n in made_of(last, 112, 128)]
    ours = Counter(n["pitch"] % 12 for n in copies if n["instrument"] != DRUMS)
    theirs = Counter(n["pitch"] % 12 for n in made_of(song.truth, 128, 256) if n["instrument"] != DRUMS)
    apart = sum(abs(ours[pc] / ours.total() - theirs[pc] / theirs.total()) for pc in range(12)) / 2
    assert found["last bar again"]["pitch_class_distance"] == pytest.approx(apart)


def test_pieces_that_are_too_short_or_silent_do_not_go_on() -> None:
    assert continuation.trial_of(band(0, 15)) is None
    assert continuation.trial_of(band(0, 16)) is not None
    early = notes(*((i, 0, 60, 1) for i in range(60)), (260, 0, 60, 1))
    assert continuation.trial_of(packed("a", ("", early), bars=four_four(17))) is None


@pytest.mark.parametrize("seed", range(4))
def test_figures_of_bars_between_are_those_of_a_plain_computation(seed: int) -> None:
    song = infill.trial_of(band(seed))
    assert song is not None
    assert (song.start, song.stop, len(song.metre)) == (96, 160, 256)
    assert not ((song.given["frame"] >= 96) & (song.given["frame"] < 160)).any()
    answer = toy.band(272, seed + 50)
    answer = answer[(answer["frame"] >= 80) & (answer["frame"] < 170)]
    found = infill.figures(song, answer)
    made, real = made_of(answer, 96, 160), made_of(song.truth, 96, 160)
    ours, theirs = ({(n["frame"], n["instrument"] == DRUMS, n["pitch"]) for n in part} for part in (made, real))
    assert found["note_F1"] == pytest.approx(2 * len(ours & theirs) / (len(ours) + len(theirs)))
    inside = [n for n in made if n["frame"] + n["duration"] <= 160]
    assert found["outside"] == pytest.approx(1 - len(inside) / len(answer))
    assert found["density"] == pytest.approx(len(made) / len(real))
    assert infill.figures(song, song.truth) == {"note_F1": 1, "pitch_class_overlap": 1, "density": 1, "outside": 0}
    assert infill.figures(song, NOTHING)["outside"] is None


def test_instruments_do_not_matter_to_the_notes_of_bars_between_but_drums_do() -> None:
    song = trial(NOTHING, notes((16, 0, 60, 4), (20, 0, 62, 4)), 16, 32, 48)
    assert infill.figures(song, notes((16, 40, 60, 4), (20, 40, 62, 4)))["note_F1"] == 1
    assert infill.figures(song, hits((16, 60), (20, 62)))["note_F1"] == 0


def test_what_stands_beside_a_hole_is_copied_into_it() -> None:
    around = notes((0, 0, 50, 4), (20, 0, 60, 4), (30, 0, 61, 8), (64, 0, 70, 4), (76, 0, 71, 30), (96, 0, 72, 1))
    song = trial(around, notes((32, 0, 65, 32)), 32, 64, 112)
    assert infill.before(song).tolist() == [(32, 0, 50, 4), (52, 0, 60, 4), (62, 0, 61, 2)]
    assert infill.behind(song).tolist() == [(32, 0, 70, 4), (44, 0, 71, 20)]


def test_the_infiller_is_asked_with_and_without_what_follows() -> None:
    asked: list[Any] = []

    def answer(*given: Any) -> list[Notes]:
        asked.append(given)
        return [NOTHING]

    study = infill.study(answer, samples=3, name="mine")
    song = study.trial(band(2))
    assert song is not None
    assert [row.system for row in rows(study, [song], {})] == ["real", "mine", "mine, not told what follows"]
    both, blind = asked
    assert [len(given[2]) for given in asked] == [256, 160]
    assert [given[1] for given in asked] == [(0, 33, 48, DRUMS)] * 2
    assert [given[3:] for given in asked] == [((96, 160), 3, 0)] * 2
    assert both[0]["frame"].max() >= 160
    assert blind[0]["frame"].max() < 96


# Tables


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bands and lead sheets to measure on, some of each for training, and one band that is too short."""
    folder = tmp_path_factory.mktemp("packs") / "pack"
    pieces = [band(i) for i in range(3)] + [lead_sheet(i, 17) for i in range(2)] + [band(7, 3)]
    training = [band(i, split="train") for i in (10, 11)] + [lead_sheet(i, 17, "train") for i in (10, 11)]
    write_pack(folder, [*pieces, *training])
    return folder


STUDIES: dict[str, Study] = {
    name: module.study()
    for name, module in (
        ("melodize", melodize),
        ("drumify", drumify),
        ("accompany", accompany),
        ("continue", continuation),
        ("infill", infill),
    )
}


@pytest.mark.parametrize(
    ("task", "songs", "systems"),
    [
        ("melodize", 2, ["chord tones on the beats", "part of another song", "first-order chain"]),
        ("drumify", 3, ["commonest bar", "a hit on every onset", "part of another song"]),
        ("accompany", 3, ["repeat the prompt", "part of another song"]),
        ("continue", 5, ["last bar again", "part of another song"]),
        ("infill", 5, ["bars before, again", "bars behind, first", "part of another song"]),
    ],
)
def test_every_task_has_a_table_with_its_baselines(pack: Path, task: str, songs: int, systems: list[str]) -> None:
    (table,) = study_tables(Pack(pack), STUDIES[task])
    assert [row.system for row in table.rows] == ["real", *systems]
    assert {(row.songs, row.empty) for row in table.rows} == {(songs, 0)}
    assert table.warnings == (f"tunes: {6 - songs} of 6 songs lack {STUDIES[task].needs}",)
    assert all(tuple(row.figures) == STUDIES[task].figures for row in table.rows)
    best = means(table.rows[0])
    for figure, ideal in (("F1_any", 1), ("density", 1), ("pitch_class_overlap", 1), ("groove_distance", 0)):
        assert best.get(figure, ideal) == pytest.approx(ideal)


def test_without_training_songs_nothing_is_counted(pack: Path) -> None:
    (table,) = study_tables(Pack(pack), STUDIES["drumify"], split="train", songs=1)
    assert [row.system for row in table.rows] == ["real", "a hit on every onset", "part of another song"]
    assert table.rows[0].songs == 1
    (table,) = study_tables(Pack(pack), accompany.study(prompt_frames=0))
    assert [row.system for row in table.rows] == ["real", "part of another song"]
    assert (table.about["prompt_frames"], table.title) == (0, "tunes, valid songs, no prompt")


def test_what_cannot_be_measured_is_told(pack: Path) -> None:
    with pytest.raises(M4mError, match="no valid songs of 'other' in the pack"):
        list(study_tables(Pack(pack), STUDIES["infill"], sources=["other"]))
    with pytest.raises(M4mError, match="no test songs with 16 bars with drums"):
        list(study_tables(Pack(pack), STUDIES["drumify"], split="test"))


# The command


@pytest.mark.parametrize("task", STUDIES)
def test_the_baselines_of_every_task_through_the_command(
    pack: Path, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["evaluate", task, "--pack", str(pack), "--baselines", "--json", "-q", "--samples", "1"]) == 0
    document = json.loads(capsys.readouterr().out)
    (table,) = document["tables"]
    assert (document["task"], table["source"], table["rows"][0]["system"]) == (task, "tunes", "real")
    assert tuple(table["rows"][-1]["figures"]) == STUDIES[task].figures


def test_only_the_metrics_that_are_asked_for(m4m: Run, pack: Path) -> None:
    done = m4m("evaluate", "drumify", "--pack", pack, "--baselines", "--metrics", "f1_snare, F1_kick", "-q")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[1].split() == ["system", "songs", "empty", "F1_kick", "F1_snare"]


ANSWERS = {
    "harmonize": "harmonize:harmonizer",
    "melodize": "melodize:melodizer",
    "drumify": "drums:drummer",
    "accompany": "accompaniment:accompanist",
    "continue": "continuation:continuer",
    "infill": "infill:infiller",
}


@pytest.mark.parametrize("task", ANSWERS)
def test_the_command_hands_the_model_what_was_asked(
    pack: Path, task: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: dict[str, Any] = {}
    asked: list[tuple[Any, ...]] = []

    def opened(model: str | None, **sampling: Any) -> Any:
        given.update(sampling, model=model)

        def answer(*arguments: Any) -> list[Notes]:
            asked.append(arguments)
            return [NOTHING] * 3

        return answer

    module, name = ANSWERS[task].split(":")
    stand_in = ModuleType(f"m4mcli.tasks.{module}")
    stand_in.__dict__[name] = opened
    monkeypatch.setitem(sys.modules, f"m4mcli.tasks.{module}", stand_in)
    arguments = ["evaluate", task, "--pack", str(pack), "--model", "mine", "--samples", "3", "-q"]
    # Of harmonize --songs counts pieces that cannot be measured too.
    arguments += [] if task == "harmonize" else ["--songs", "2"]
    strict = task != "continue"
    assert cli.run([*arguments, "--top-p", "0.5", *(["--strictness", "2"] if strict else [])]) == 0
    expected = {"model": "mine", "top_p": 0.5, "device": "cpu", "threads": 1}
    assert given == expected | ({"strictness": 2.0} if strict else {})
    assert [one[-2:] for one in asked[:2]] == [(3, 0), (3, 1)]
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert title.endswith(", strictness 2") == strict
    row = next(text for text in lines if text.startswith("mine"))
    assert row.split()[1:3] == ["2", "6/6"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["continue", "--prompt-frames", "8"], "--prompt-frames: continue is measured without a prompt"),
        (["infill", "--prompt-frames", "8"], "--prompt-frames: infill is measured without a prompt"),
        (["foundation", "--strictness", "2"], "--strictness: foundation is measured without it"),
        (["drumify", "--metrics", "CTR"], "no figure 'CTR'; its figures: F1_any, F1_kick"),
    ],
)
def test_options_that_a_task_does_not_have(
    pack: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["evaluate", *arguments, "--pack", str(pack), "--baselines"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert message in said.err


def test_figures_say_how_strictly_the_model_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pack(tmp_path / "short", [lead_sheet(1, 4)])
    command = ["evaluate", "harmonize", "--pack", str(tmp_path / "short"), "--samples", "1", "--best-of", "1"]
    found = []
    for asked in ([], ["--strictness", "1"], ["--strictness", "4"]):
        assert cli.run([*command, "--json", "-q", *asked]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert [f["tables"][0].get("strictness") for f in found] == [None, 1, 4]
    usual, same, strict = (f["tables"][0]["rows"][1]["figures"] for f in found)
    assert usual == same
    assert strict != usual


def test_the_prompt_is_as_usual_for_the_task_or_as_asked(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for task, frames in (("melodize", 16), ("drumify", 2), ("accompany", 32)):
        for asked in ([], ["--prompt-frames", "8"]):
            command = ["evaluate", task, "--pack", str(pack), "--baselines", "--json", "-q", "--samples", "1"]
            assert cli.run([*command, *asked]) == 0
            (table,) = json.loads(capsys.readouterr().out)["tables"]
            assert table["prompt_frames"] == (8 if asked else frames)


def test_the_continuer_writes_the_frames_that_are_asked_for() -> None:
    song = continuation.trial_of(lead_sheet(1, 17))
    assert song is not None
    answer = continuer(None, best_of=1)
    metre = song.metre[:160]
    first, again_ = (answer(song.prompt, metre, 128, 32, 2, 5) for _ in range(2))
    assert len(first) == 2
    assert [part.tobytes() for part in first] == [part.tobytes() for part in again_]
    for part in first:
        assert len(part)
        assert part["frame"].min() >= 128
        assert int((part["frame"] + part["duration"]).max()) <= 160
        assert set(part["instrument"]) == {0}
    moved = answer(shifted(song.prompt, 2), metre, 128, 32, 1, 5)[0]
    assert moved.tobytes() == shifted(first[0], 2).tobytes()


def test_every_model_stands_in_one_table(m4m: Run, tmp_path: Path) -> None:
    write_pack(tmp_path / "pack", [toy.piece("one", "valid", 96, 1), toy.piece("two", "train", 96, 2)])
    done = m4m("evaluate", "hub", "--pack", tmp_path / "pack", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    (table,) = json.loads(done.stdout)["tables"]
    rows = {row["system"]: row["figures"] for row in table["rows"]}
    assert table["source"] == "tunes"
    foundation = "foundation-small (continue)"
    assert rows[foundation]["parameters"]["mean"] == pytest.approx(7.184178)
    for name in (foundation, "multihead (tpd, melody)"):
        assert all(rows[name][figure] is not None for figure in rows[name])
        assert 0 < rows[name]["nats_per_note"]["mean"] < 10
    assert rows["harmonize-small (harmonize)"]["nats_per_note"] is None
    assert rows["real, melody"]["scale_consistency"]["mean"] == pytest.approx(1.0)
    assert rows["real, whole"]["notes_per_quarter"]["mean"] > rows["real, melody"]["notes_per_quarter"]["mean"]
    done = m4m("evaluate", "hub", "--temperature", "0.5")
    assert done.returncode == 2
    assert m4m("evaluate", "hub", "--model", "nobody").stderr.startswith(b"m4m evaluate: no model 'nobody'; known: ")
