"""Rules: what the masks allow is legal, all that is legal is allowed, and frames drawn under them obey."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.fields import DURATIONS, END, MAX_NOTES, OCTAVES, SIZES, TONES
from m4mcli.frames.frames import DRUMS
from m4mcli.generation.rules import (
    PITCH,
    Last,
    Part,
    Rules,
    duration_mask,
    enough_above,
    instrument_mask,
    octave_mask,
    tone_mask,
)

Played = tuple[int, int]
"""Instrument and pitch (or drum sound)."""

RULES = {
    "anything": Rules(),
    "one instrument": Rules(instruments=(0,), at_most=6),
    "narrow": Rules(instruments=(0, 5), lowest=60, highest=62, at_least=3, at_most=5),
    "narrowest": Rules(instruments=(3, 7), lowest=60, highest=60, at_least=2, at_most=2),
    "drums": Rules(instruments=(DRUMS,), drum_sounds=(36, 38, 42), at_least=2),
    "drums and bass": Rules(instruments=(33, DRUMS), lowest=28, highest=40, drum_sounds=(36,), at_least=2, at_most=3),
    "chords": Rules(instruments=(0,), at_most=6, at_least=3, chords=True),
    "chords in a range": Rules(instruments=(0, 48), lowest=40, highest=52, at_most=4, at_least=3, chords=True),
    "full chords": Rules(instruments=(0,), at_most=12, at_least=12, chords=True, bass_octave=2),
}

RULES |= {
    "parts of their own": Rules(instruments=(0, 33), parts=(Part(0, 60, 72, 4), Part(33, 28, 40, 1))),
    "a part and others": Rules(instruments=(0, 33, DRUMS), at_least=2, at_most=4, parts=(Part(33, 28, 40, 1),)),
}


def last_of(written: list[Played]) -> Last:
    if not written:
        return Last()
    return Last(*written[-1], written[0][1], len(written), sum(i == written[-1][0] for i, _ in written))


def next_notes(rules: Rules, written: list[Played], *, must_begin: bool = False) -> tuple[set[Played], bool]:
    """What the masks allow behind some notes: the next notes, and whether the frame may end."""
    last = last_of(written)
    instruments = instrument_mask(rules, last, must_begin=must_begin, may_begin=True)
    allowed = set()
    for instrument in np.flatnonzero(instruments[:END]):
        tones = np.flatnonzero(tone_mask(rules, last, int(instrument)))
        assert len(tones), "an instrument that may play has something to play"
        for tone in tones:
            octaves = np.flatnonzero(octave_mask(rules, last, int(instrument), int(tone)))
            assert len(octaves), "a tone that may be played has an octave"
            allowed |= {(int(instrument), int(tone - 12 if instrument == DRUMS else tone + 12 * o)) for o in octaves}
    return allowed, bool(instruments[END])


def legal(rules: Rules, notes: list[Played], *, begun: bool = False) -> bool:
    """Whether a frame obeys the rules, told independently of the masks. `begun`: it may be the start of one."""
    if not notes:
        return True
    if len(notes) > rules.at_most or (not begun and len(notes) < rules.at_least):
        return False
    if any(a >= b for a, b in pairwise(notes)):
        return False
    for instrument, pitch in notes:
        if instrument not in rules.instruments:
            return False
        if instrument == DRUMS and pitch not in rules.drum_sounds:
            return False
        if instrument != DRUMS and not rules.lowest <= pitch <= min(127, rules.highest):
            return False
    for part in rules.parts:
        own = [pitch for instrument, pitch in notes if instrument == part.instrument]
        if len(own) > part.at_most:
            return False
        if part.instrument != DRUMS and any(not part.lowest <= pitch <= part.highest for pitch in own):
            return False
    if not rules.chords:
        return True
    pitches = [pitch for _, pitch in notes]
    one = len({instrument for instrument, _ in notes}) == 1 and notes[0][0] != DRUMS
    return one and pitches[0] // 12 == rules.bass_octave and pitches[-1] - pitches[0] < 12


def can_finish(rules: Rules, notes: list[Played], everything: list[Played]) -> bool:
    """Whether a legal frame begins with these notes: by trying what is lowest first."""
    if len(notes) >= rules.at_least:
        return True
    return any(
        legal(rules, [*notes, note], begun=True) and can_finish(rules, [*notes, note], everything)
        for note in everything
        if not notes or note > notes[-1]
    )


SMALL = {name: RULES[name] for name in ("narrow", "narrowest", "drums", "drums and bass")} | {
    "small chords": Rules(instruments=(0,), lowest=36, highest=52, at_most=4, at_least=3, chords=True),
    "chords at the top": Rules(instruments=(0,), lowest=36, highest=47, at_most=4, at_least=3, chords=True),
    "one or none": Rules(instruments=(1,), lowest=70, highest=71, at_most=1),
    "ranges": Rules(instruments=(1, 7), parts=(Part(1, 60, 63), Part(7, 50, 52))),
    "one each": Rules(instruments=(1, 7), at_most=5, parts=(Part(1, 60, 63, 1), Part(7, 50, 52, 1))),
    "one each at least": Rules(instruments=(1, 7), at_least=2, parts=(Part(1, 60, 63, 1), Part(7, 50, 52, 1))),
    "two and two": Rules(instruments=(1, 7), at_least=3, parts=(Part(1, 60, 63, 2), Part(7, 50, 53, 2))),
    "a part within the range": Rules(instruments=(1, 2), lowest=60, highest=64, parts=(Part(2, 63, 90, 2),)),
    "an empty part": Rules(instruments=(1, 2), lowest=60, highest=64, at_least=2, parts=(Part(2, 70, 90),)),
    "two drums": Rules(
        instruments=(5, DRUMS),
        drum_sounds=(36, 38, 42, 46),
        at_least=3,
        parts=(Part(5, 60, 61, 1), Part(DRUMS, at_most=2)),
    ),
}


def playable(rules: Rules, instrument: int) -> list[int]:
    """The pitches that can come into question, so that few frames are to be tried: a part's own and those beside."""
    for part in rules.parts:
        if part.instrument == instrument:
            return list(range(part.lowest - 1, part.highest + 2))
    return list(range(rules.lowest, rules.highest + 1))


@pytest.mark.parametrize("name", SMALL)
def test_the_masks_allow_what_is_legal_and_nothing_else(name: str) -> None:
    rules = SMALL[name]
    everything = [(i, p) for i in rules.instruments if i != DRUMS for p in playable(rules, i)]
    everything += [(DRUMS, s) for s in rules.drum_sounds if DRUMS in rules.instruments]
    seen, todo = 0, [[]]  # type: ignore[var-annotated]
    while todo:
        notes = todo.pop()
        seen += 1
        allowed, may_end = next_notes(rules, notes)
        right = {
            note
            for note in everything
            if legal(rules, [*notes, note], begun=True) and can_finish(rules, [*notes, note], everything)
        }
        assert allowed == right, notes
        assert may_end == legal(rules, notes), notes
        if seen < 1500:
            todo += [[*notes, note] for note in sorted(allowed)]
    assert seen > 2


@pytest.mark.parametrize("name", RULES)
def test_frames_drawn_under_the_masks_obey(name: str) -> None:
    rules, rng = RULES[name], np.random.default_rng(0)
    sizes = set()
    for number in range(400):
        notes: list[Played] = []
        must_begin = number % 2 == 0
        for _ in range(MAX_NOTES + 2):
            last = last_of(notes)
            mask = instrument_mask(rules, last, must_begin=must_begin, may_begin=True)
            instrument = int(rng.choice(np.flatnonzero(mask)))
            if instrument == END:
                break
            tone = int(rng.choice(np.flatnonzero(tone_mask(rules, last, instrument))))
            octave = int(rng.choice(np.flatnonzero(octave_mask(rules, last, instrument, tone))))
            notes.append((instrument, tone - 12 if instrument == DRUMS else tone + 12 * octave))
        else:
            pytest.fail("the frame does not end")
        assert legal(rules, notes), notes
        assert notes or not must_begin
        sizes.add(len(notes))
    assert max(sizes) <= rules.at_most
    assert min(sizes - {0}) >= rules.at_least


@pytest.mark.parametrize("may_begin", [True, False])
@pytest.mark.parametrize("must_begin", [True, False])
def test_when_a_frame_may_stay_empty(may_begin: bool, must_begin: bool) -> None:
    mask = instrument_mask(Rules(instruments=(0,)), Last(), must_begin=must_begin, may_begin=may_begin)
    assert mask[END] == (not must_begin or not may_begin)
    assert mask[0] == may_begin
    assert np.flatnonzero(mask).tolist() == [0] * may_begin + [END] * bool(mask[END])


def test_a_part_that_may_play_one_note_plays_no_second_where_the_count_is_untold() -> None:
    rules = Rules(instruments=(0, 5), parts=(Part(0, 60, 72, 1),))
    mask = instrument_mask(rules, Last(0, 60, 60, 1), must_begin=False, may_begin=True)
    assert np.flatnonzero(mask).tolist() == [5, END]


def test_shapes() -> None:
    rules = Rules()
    assert instrument_mask(rules, Last(), must_begin=False, may_begin=True).shape == (SIZES[0],)
    for instrument in (0, 127, DRUMS):
        assert tone_mask(rules, Last(), instrument).shape == (TONES,)
        assert octave_mask(rules, Last(), instrument, 0).shape == (OCTAVES,)


def test_every_note_of_midi_may_be_played_where_nothing_forbids_it() -> None:
    allowed, may_end = next_notes(Rules(), [])
    assert may_end
    assert len(allowed) == 129 * 128


@pytest.mark.parametrize("left", range(1, 70))
def test_no_duration_ends_behind_the_music(left: int) -> None:
    allowed = DURATIONS[duration_mask(left)]
    assert allowed.tolist() == [d for d in DURATIONS.tolist() if d <= left]


def test_the_shortest_duration_may_always_be_chosen() -> None:
    assert duration_mask(0).tolist() == [True] + [False] * 15


def above(left: NDArray[np.bool_], wanted: int, reach: int) -> list[int]:
    there = np.flatnonzero(left.reshape(-1))
    return [int(i) for i in there if sum(i < j < i + reach for j in there) >= wanted]


@pytest.mark.parametrize("wanted", [0, 1, 3, 11])
@pytest.mark.parametrize("reach", [12, 128])
def test_enough_above(wanted: int, reach: int) -> None:
    left = np.random.default_rng(0).random(PITCH.shape) < 0.5
    assert np.flatnonzero(enough_above(left, wanted, reach).reshape(-1)).tolist() == above(left, wanted, reach)


@pytest.mark.parametrize(
    "changes",
    [
        {"instruments": ()},
        {"lowest": 70, "highest": 60, "instruments": (0,)},
        {"instruments": (DRUMS,), "drum_sounds": (36,), "at_least": 2},
        {"at_least": 4, "at_most": 3},
        {"at_least": 0},
        {"instruments": (0, 1), "at_least": 3, "parts": (Part(0, at_most=1), Part(1, at_most=1))},
        {"instruments": (0,), "parts": (Part(0, 70, 60),)},
        {"instruments": (0,), "chords": True, "parts": (Part(0, 60, 70),)},
        {"instruments": (0,), "chords": True, "lowest": 48},
        {"instruments": (0,), "chords": True, "highest": 37, "at_least": 3},
    ],
)
def test_rules_that_leave_nothing_to_play_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(M4mError) as refused:
        Rules(**changes)  # type: ignore[arg-type]
    assert refused.value.status == 2
