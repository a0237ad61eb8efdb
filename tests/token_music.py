"""Music for the tests of tokens: what lies on the schemes' grids, and what lies on none."""

from hypothesis import strategies as st

from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.tokens.gridded import MICROSECONDS, tempo_steps
from m4mcli.tokens.settings import Settings
from m4mcli.tokens.times import time_ticks

TPQ = 480
SIGNATURES = ((4, 4), (3, 4), (2, 4), (6, 8), (12, 8))


@st.composite
def metres(draw: st.DrawFn) -> tuple[tuple[TimeSignature, ...], int]:
    """Time signatures on bar lines, and the tick behind some bars of the last."""
    found: list[TimeSignature] = []
    tick = 0
    for n, d in draw(st.lists(st.sampled_from(SIGNATURES), min_size=1, max_size=3)):
        if not found or (found[-1].numerator, found[-1].denominator) != (n, d):
            found.append(TimeSignature(tick, n, d))
        tick += draw(st.integers(1, 3)) * TPQ * 4 * n // d
    return tuple(found), tick


@st.composite
def on_grid(draw: st.DrawFn, settings: Settings, *, overlaps: bool = True) -> Score:
    """Music that the settings can hold whole: positions, lengths, steps; one track for each instrument."""
    signatures, end = draw(metres())
    if not settings.use_time_signatures:
        signatures = ()
    low, high = settings.pitches

    def position() -> int:
        tick = draw(st.integers(0, end - 1))
        at = max((s for s in signatures if s.tick <= tick), key=lambda s: s.tick, default=TimeSignature(0, 4, 4))
        step = TPQ * 4 // at.denominator // settings.per_beat
        return at.tick + (tick - at.tick) // step * step

    def duration(onset: int) -> int:
        if not overlaps:
            # Where notes end by tokens of their own, they have to end on positions too.
            return max(position() - onset, 0) or end - onset
        at = max((s for s in signatures if s.tick <= onset), key=lambda s: s.tick, default=TimeSignature(0, 4, 4))
        beat = TPQ * 4 // at.denominator
        return int(draw(st.sampled_from(time_ticks(settings.resolution, beat).tolist())))

    tracks = []
    drums = settings.drum_pitches
    for program in draw(
        st.lists(st.sampled_from([-1, 0, 40, 127] if drums else [0, 40, 127]), unique=True, max_size=3)
    ):
        rows = {}
        for _ in range(draw(st.integers(1, 8))):
            onset = position()
            bounds = drums if program == -1 and drums else (low, high)
            velocity = draw(st.integers(1, 127))
            pitch = draw(st.integers(*bounds))
            rows[onset, pitch] = (onset, duration(onset), pitch, velocity)
        if not overlaps:
            rows = _apart(rows)
        tracks.append(Track(f"part {program}", max(program, 0), program == -1, notes_array(list(rows.values()))))
    tempos, keys = [], []
    if settings.tempos:
        microseconds = [round(MICROSECONDS / bpm) for bpm in tempo_steps(settings).tolist()]
        ticks = sorted({0, *(position() for _ in range(draw(st.integers(0, 2))))})
        tempos = [Tempo(tick, draw(st.sampled_from(microseconds))) for tick in ticks]
    if settings.key_signatures:
        ticks = sorted({0, *(position() for _ in range(draw(st.integers(0, 2))))})
        keys = [KeySignature(tick, draw(st.integers(-7, 7)), draw(st.booleans())) for tick in ticks]
    return Score(TPQ, tuple(tracks), tuple(tempos), signatures, tuple(keys))


def _apart(rows: dict[tuple[int, int], tuple[int, int, int, int]]) -> dict[tuple[int, int], tuple[int, int, int, int]]:
    """The notes without those that begin while one of their pitch sounds."""
    kept: dict[tuple[int, int], tuple[int, int, int, int]] = {}
    ends: dict[int, int] = {}
    for (onset, pitch), row in sorted(rows.items()):
        if onset >= ends.get(pitch, 0):
            kept[onset, pitch] = row
            ends[pitch] = onset + row[1]
    return kept


@st.composite
def any_music(draw: st.DrawFn) -> Score:
    """Music that lies on no grid: any ticks, overlaps, several parts of one instrument, changes in mid-bar."""
    ticks = st.integers(0, 6000)
    tracks = []
    for number in range(draw(st.integers(0, 4))):
        pitch = st.integers(0, 127)
        row = st.tuples(ticks, st.integers(1, 3000), st.one_of(pitch, st.integers(59, 62)), st.integers(1, 127))
        rows = draw(st.lists(row, max_size=8))
        drums = draw(st.booleans())
        program = 0 if drums else draw(st.sampled_from([0, 0, 40, 127]))
        tracks.append(Track(f"part {number}", program, drums, notes_array(rows)))

    def some(most: int) -> list[int]:
        # Some in the same bar, where only the last of them counts.
        return sorted(draw(st.sets(st.one_of(ticks, st.integers(0, 40)), max_size=most)))

    return Score(
        draw(st.sampled_from([480, 96, 100, 7])),
        tuple(tracks),
        tuple(Tempo(t, draw(st.integers(20_000, 4_000_000))) for t in some(3)),
        tuple(TimeSignature(t, *draw(st.sampled_from([*SIGNATURES, (7, 64), (5, 16), (33, 32)]))) for t in some(3)),
        tuple(KeySignature(t, draw(st.integers(-7, 7)), draw(st.booleans())) for t in some(2)),
    )
