"""The schemes with settings: music on their grids comes back, any ids become music, masks and decoders agree."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from token_music import any_music, on_grid

from m4mcli.score.json_form import score_from_json, score_to_json
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.tokens.grammar import State
from m4mcli.tokens.scheme import Scheme, Tokens
from m4mcli.tokens.schemes import NAMES as ALL_NAMES
from m4mcli.tokens.schemes import open_scheme, takes_settings
from m4mcli.tokens.settings import M4M, Settings

WORDS = ("remi", "tsd", "midilike", "structured")
ROWS = ("cpword", "octuple")
NAMES = (*WORDS, *ROWS)
EXACT = replace(M4M, velocities=127)

VARIANTS: dict[str, Settings] = {
    "own": EXACT,
    "miditok": replace(Settings(), velocities=127),
    "changes": replace(EXACT, program_changes=True),
    "streams": replace(EXACT, one_stream=False, program_changes=True),
    "rests": replace(EXACT, rests=True),
    "chords": replace(EXACT, chords=True, chord_roots=True),
    "bars": replace(EXACT, bar_ends=True, trailing_bars=True, drum_pitches=None, key_signatures=False, tempos=0),
    "bare": replace(EXACT, use_time_signatures=False, tempos=0, key_signatures=False, rests=True),
}

SETTINGS = settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))


def heard(score: Score) -> list[list[tuple[int, ...]]]:
    return sorted(sorted(map(tuple, track.notes.tolist())) for track in score.tracks if len(track.notes))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", NAMES)
@SETTINGS
@given(data=st.data())
def test_music_on_the_grid_comes_back(name: str, variant: str, data: st.DataObject) -> None:
    scheme = open_scheme(name, VARIANTS[variant])
    assert scheme.settings is not None
    score = data.draw(on_grid(scheme.settings, overlaps=name != "midilike"))
    tokens, warnings = scheme.encode(score)
    assert warnings == ()
    assert all(scheme.grammar.refuses(ids) is None for ids in tokens.sequences)
    back, skipped = scheme.decode(tokens)
    assert skipped == 0
    changes = len(score.time_signatures) > 1
    if name == "structured" or (changes and (name == "octuple" or (name == "cpword" and scheme.settings.rests))):
        # It has no gap beyond its longest step; signatures that change in silence come late, or not at all.
        return
    assert heard(back) == heard(score)
    if name in WORDS and scheme.settings.single and score.note_count:
        assert score_to_json(back) == score_to_json(expected(score, scheme.settings))


def expected(score: Score, told: Settings) -> Score:
    """What is to come back: tracks with notes, heads that have tokens, no change that changes nothing."""
    tracks = tuple(track for track in score.tracks if len(track.notes))
    signatures = score.time_signatures if told.use_time_signatures else ()
    return replace(score, tracks=tracks, time_signatures=signatures)


SHORT = Score(
    480,
    (Track(notes=notes_array([(0, 1, 60, 1)] * 6)),),
    time_signatures=(TimeSignature(30, 6, 8), TimeSignature(31, 4, 4)),
)
"""Notes shorter than a position, on the fine ticks of a signature that falls away."""


@pytest.mark.parametrize("name", ALL_NAMES)
@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(score=any_music())
@example(score=SHORT)
def test_what_the_masks_forbid_does_not_occur(name: str, score: Score) -> None:
    for told in (M4M, Settings(), VARIANTS["streams"], VARIANTS["rests"]) if takes_settings(name) else (None,):
        scheme = open_scheme(name, told)
        tokens, _ = scheme.encode(score)
        for ids in tokens.sequences:
            place = scheme.grammar.refuses(ids)
            assert place is None, [scheme.vocabulary.names[i] for i in ids.ravel()[: place + 1]]
        assert scheme.decode(tokens)[1] == 0


SMALL = replace(
    EXACT,
    pitches=(60, 61),
    drum_pitches=(36, 37),
    resolution=((0, 1, 2),),
    rest_resolution=((0, 1, 2),),
    velocities=1,
    tempos=1,
    time_signatures=((1, 4), (1, 8)),
    key_signatures=False,
    program_list=(0, -1),
    chord_maps=(("maj", (0, 4, 7)),),
    most_bars=2,
)
SMALL_VARIANTS: dict[str, Settings] = {
    "own": SMALL,
    "changes": replace(SMALL, program_changes=True, tempos=0),
    "streams": replace(SMALL, one_stream=False, program_changes=True, tempos=0),
    "no programs": replace(SMALL, programs=False, tempos=0, time_signatures=((1, 4),)),
    "rests, chords": replace(SMALL, rests=True, chords=True, tempos=0, time_signatures=((1, 4),)),
    "no times": replace(SMALL, use_time_signatures=False, velocities=0, drum_pitches=None, bar_ends=True, rests=True),
}
AT_ONCE = 2
"""Notes that sound at once in the pieces of midilike that are tried: more of them bring no other kind of place."""

LONG = 60

Path = tuple[int, ...]


def bounded(state: State) -> bool:
    """Whether few notes sound: true of all states but midilike's."""
    notes = (*getattr(state, "sounding", ()), *getattr(state, "fresh", ()))
    return sum(int(count) for _, count in notes) <= AT_ONCE


def explored(scheme: Scheme) -> tuple[dict[State, Path], dict[State, dict[int, State]]]:
    """All states, the shortest way to each, and where each allowed id leads from there."""
    grammar = scheme.grammar
    ways: dict[State, Path] = {grammar.start(): ()}
    edges: dict[State, dict[int, State]] = {}
    waiting = deque(ways)
    while waiting:
        state = waiting.popleft()
        after = {int(i): grammar.step(state, int(i)) for i in np.flatnonzero(grammar.allowed_next(state))}
        edges[state] = {token: next_state for token, next_state in after.items() if bounded(next_state)}
        for token, next_state in edges[state].items():
            if next_state not in ways:
                ways[next_state] = (*ways[state], token)
                waiting.append(next_state)
    return ways, edges


def endings(scheme: Scheme, edges: dict[State, dict[int, State]]) -> dict[State, Path]:
    """For each state the shortest way from there to where a piece can be over."""
    before: dict[State, list[tuple[State, int]]] = {}
    for state, after in edges.items():
        for token, next_state in after.items():
            before.setdefault(next_state, []).append((state, token))
    found: dict[State, Path] = {state: () for state in edges if scheme.grammar.may_end(state)}
    waiting = deque(found)
    while waiting:
        next_state = waiting.popleft()
        for state, token in before.get(next_state, ()):
            if state not in found:
                found[state] = (token, *found[next_state])
                waiting.append(state)
    return found


def decodable(scheme: Scheme) -> Iterator[Path]:
    """Pieces in which each id that the masks allow follows each state, brought to their ends."""
    ways, edges = explored(scheme)
    ends = endings(scheme, edges)
    if scheme.name != "midilike":
        assert ends.keys() == edges.keys(), "a place from which there is no way to the end"
    untried = {state: [token for token, end in after.items() if end in ends] for state, after in edges.items()}
    for start in ends:
        while untried[start]:
            state, path = start, list(ways[start])
            while untried[state] and len(path) < LONG + len(ways[start]):
                token = untried[state].pop()
                path.append(token)
                state = edges[state][token]
            yield (*path, *ends[state])


@pytest.mark.parametrize("variant", SMALL_VARIANTS)
@pytest.mark.parametrize("name", NAMES)
def test_what_the_masks_allow_is_decoded_without_a_rest(name: str, variant: str) -> None:
    scheme = open_scheme(name, SMALL_VARIANTS[variant])
    for ids in decodable(scheme):
        score, skipped = scheme.decode(tokens_of(scheme, list(ids)))
        assert skipped == 0, [scheme.vocabulary.names[i] for i in ids]
        assert score_from_json(score_to_json(score)).note_count == score.note_count


@pytest.mark.parametrize("variant", ["own", "streams", "rests, chords"])
@pytest.mark.parametrize("name", WORDS)
def test_masks_are_as_wide_as_the_fields_they_allow(name: str, variant: str) -> None:
    """A published sampler let the ids of the next field through: masks end where fields end."""
    scheme = open_scheme(name, SMALL_VARIANTS[variant])
    v = scheme.vocabulary
    closed = {"Position", "TimeShift", "Rest", "NoteOff", "DrumOff", "Program"}
    _, edges = explored(scheme)
    for state in edges:
        mask = scheme.grammar.allowed_next(state)
        assert mask.shape == (v.size,)
        for field in v.fields:
            span = mask[v.span(field.name)]
            assert field.name in closed or span.all() or not span.any(), (state, field.name)


def tokens_of(scheme: Scheme, ids: list[int]) -> Tokens:
    width = len(scheme.vocabulary.columns)
    found = np.array(ids[: len(ids) // width * width] if width else ids, np.int64)
    return Tokens(scheme.name, found.reshape(-1, width) if width else found, settings=scheme.settings)


ANY_IDS = st.lists(st.one_of(st.integers(0, 60), st.integers(-(2**63), 2**63 - 1)), max_size=80)


@pytest.mark.parametrize("variant", ["own", "no programs", "rests, chords"])
@pytest.mark.parametrize("name", ROWS)
@SETTINGS
@given(data=st.data())
def test_any_rows_become_music(name: str, variant: str, data: st.DataObject) -> None:
    scheme = open_scheme(name, SMALL_VARIANTS[variant])
    sizes = [table.size for table in scheme.vocabulary.tables()]
    row = st.tuples(*(st.one_of(st.integers(0, size - 1), st.integers(-1, 1)) for size in sizes))
    rows = data.draw(st.lists(row, max_size=12))
    ids = [i for row in rows for i in row]
    score, skipped = scheme.decode(tokens_of(scheme, ids))
    assert 0 <= skipped <= len(rows) - score.note_count
    assert score_to_json(score_from_json(score_to_json(score))) == score_to_json(score)
    _, also = scheme.decode(tokens_of(scheme, [*ids, *[-1] * len(sizes)]))
    assert also == skipped + 1


@pytest.mark.parametrize("variant", SMALL_VARIANTS)
@pytest.mark.parametrize("name", WORDS)
@SETTINGS
@given(ids=ANY_IDS)
def test_any_ids_become_music(name: str, variant: str, ids: list[int]) -> None:
    scheme = open_scheme(name, SMALL_VARIANTS[variant])
    score, skipped = scheme.decode(tokens_of(scheme, ids))
    unknown = sum(not 0 <= i < scheme.vocabulary.size for i in ids)
    assert unknown <= skipped <= len(ids) - score.note_count
    _, also = scheme.decode(tokens_of(scheme, [*ids, -1]))
    assert also == skipped + 1
    assert score_to_json(score_from_json(score_to_json(score))) == score_to_json(score)
    again, _ = scheme.encode(score)
    assert scheme.decode(again)[1] == 0


def test_notes_of_wrong_order_are_skipped_and_counted() -> None:
    scheme = open_scheme("tsd", M4M)
    v = scheme.vocabulary
    names = {name: i for i, name in enumerate(v.names)}
    note = [names[n] for n in ("Program_0", "Pitch_60", "Velocity_99", "Duration_1.0.8")]
    for ids, notes, skipped in (
        (note, 1, 0),
        (note[1:], 1, 0),
        (note[:3], 0, 3),
        ([note[0], note[2], note[1], note[3]], 0, 4),
        ([*note, names["EOS_None"], *note], 1, 4),
        ([names["Program_-1"], *note[1:]], 0, 4),
        ([names["Program_-1"], names["PitchDrum_36"], *note[2:]], 1, 0),
        ([names["MASK_None"], names["PAD_None"], names["BOS_None"], *note], 1, 2),
    ):
        score, found = scheme.decode(tokens_of(scheme, ids))
        assert (score.note_count, found) == (notes, skipped), ids


def test_notes_that_do_not_end_last_to_the_end() -> None:
    scheme = open_scheme("midilike", M4M)
    names = {name: i for i, name in enumerate(scheme.vocabulary.names)}
    said = "Program_0 NoteOn_60 Velocity_99 TimeShift_1.0.8 Program_0 NoteOn_60 Velocity_51 TimeShift_2.0.8"
    ids = [names[word] for word in (f"{said} Program_0 NoteOff_60 TimeShift_1.0.8 Program_0 NoteOff_61").split()]
    score, skipped = scheme.decode(tokens_of(scheme, ids))
    assert score.tracks[0].notes.tolist() == [(0, 1440, 60, 99), (480, 1440, 60, 51)]
    assert skipped == 2


def test_structured_cuts_long_gaps_and_begins_with_its_first_step() -> None:
    scheme = open_scheme("structured", M4M)
    track = Track(notes=notes_array([(480, 480, 60, 79), (480, 240, 64, 79), (480 * 21, 480, 62, 79)]))
    tokens, _ = scheme.encode(Score(480, (track,)))
    said = [scheme.vocabulary.names[i] for i in tokens.ids[::5]]
    assert said == ["TimeShift_1.0.8", "TimeShift_0.0.1", "TimeShift_12.0.4"]
    back, _ = scheme.decode(tokens)
    assert back.tracks[0].notes["onset"].tolist() == [480, 480, 480 * 13]
