"""Chords that a track strikes, as MidiTok's chord tokens tell them: notes that begin and end together, root lowest."""

from m4mcli.theory.names import LETTERS
from m4mcli.tokens.gridded import Gridded, GridPart, sections
from m4mcli.tokens.settings import Settings

TOGETHER = 10
"""Notes among which a chord is looked for."""

FEWEST, MOST, WIDEST = 3, 5, 24


def chord_labels(settings: Settings) -> tuple[str, ...]:
    """The chords that have tokens: `C:maj`, or `maj` where roots are not told."""
    kinds = [name for name, _ in settings.chord_maps]
    if settings.unknown_chords is not None:
        kinds += [f"ukn{n}" if settings.chord_roots else str(n) for n in range(*settings.unknown_chords)]
    if not settings.chord_roots:
        return tuple(kinds)
    return tuple(f"{root}:{kind}" for kind in kinds for root in LETTERS)


def chords_of(part: GridPart, grid: Gridded, settings: Settings) -> list[tuple[int, int]]:
    """(tick, place among `chord_labels`) of the chords of a track.

    Chords follow one another: where the next is sought depends on the last, so that this walks from chord to chord.
    """
    known = {notes: place for place, (_, notes) in reversed(list(enumerate(settings.chord_maps)))}
    first_steps = next((n for first, last, n in settings.resolution if 0 in (first, last)), settings.resolution[0][2])
    stretches = sections(grid.signatures, grid.tpq)
    beats = stretches.beats[stretches.of(part.onset)].tolist()
    onsets, ends, pitches = part.onset.tolist(), part.end.tolist(), part.pitch.tolist()
    found, at, before = [], 0, -1
    while at < len(onsets):
        if onsets[at] == before:
            at += 1
            continue
        onset, end, half = onsets[at], ends[at], beats[at] // 2
        latest = onset + beats[at] / first_steps
        near = [i for i in range(at, min(at + TOGETHER, len(onsets))) if onsets[i] <= latest]
        if any(abs(ends[i] - end) > half for i in near):
            at += len(near)
            continue
        if end - onset <= half:
            near = [i for i in near if onsets[i] == onset]
        place = _kind(tuple(pitches[i] - pitches[at] for i in near), known, settings)
        if place is not None:
            found.append((onset, place * 12 + pitches[at] % 12 if settings.chord_roots else place))
        before = max(onsets[i] for i in near)
        at += len(near)
    return found


def _kind(notes: tuple[int, ...], known: dict[tuple[int, ...], int], settings: Settings) -> int | None:
    """The place of a chord's kind: known by its intervals, else by how many notes it has; None for no chord."""
    if not (FEWEST <= len(notes) <= MOST and notes[-1] <= WIDEST):
        return None
    if notes in known or settings.unknown_chords is None:
        return known.get(notes)
    low, high = settings.unknown_chords
    return len(settings.chord_maps) + len(notes) - low if low <= len(notes) < high else None
