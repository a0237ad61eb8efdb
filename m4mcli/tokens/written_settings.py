"""Settings as the command line writes them."""

import re
from dataclasses import replace

from m4mcli.errors import USAGE, M4mError
from m4mcli.theory.pitches import parse_range
from m4mcli.tokens.settings import M4M, Settings, Spans

SPAN = re.compile(r"(\d+)-(\d+):(\d+)")
LONGEST_BEATS, FINEST = 1024, 96
DEFAULT_LONGEST = 12


def written_settings(
    base: Settings | None = None,
    *,
    resolution: str | None = None,
    velocities: int | None = None,
    pitches: str | None = None,
    tempos: int | None = None,
    time_signatures: bool | None = None,
    key_signatures: bool | None = None,
    programs: bool | None = None,
    rests: bool | None = None,
    chords: bool | None = None,
) -> Settings:
    """The settings `base` (m4m's own unless given) with what is not None changed. Raises M4mError (status 2)."""
    changed: dict[str, object] = {
        "velocities": velocities,
        "tempos": tempos,
        "use_time_signatures": time_signatures,
        "key_signatures": key_signatures,
        "programs": programs,
        "rests": rests,
        "chords": chords,
    }
    if resolution is not None:
        changed["resolution"] = spans = parse_resolution(resolution)
        finest = max(n for _, _, n in spans)
        coarser = tuple((a, b, min(n, finest)) for a, b, n in (base or M4M).rest_resolution)
        changed["rest_resolution"] = coarser if all(finest % n == 0 for _, _, n in coarser) else spans
    if pitches is not None:
        low, high = parse_range(pitches)
        if low == high:
            raise M4mError(f"--pitches {pitches}: one pitch", "name the lowest and the highest, 21-108", USAGE)
        changed["pitches"] = (low, high)
    found = replace(base or M4M, **{name: value for name, value in changed.items() if value is not None})  # type: ignore[arg-type]
    if any(found.per_beat % n for _, _, n in found.resolution):
        raise M4mError("--resolution: one that does not divide the finest", "such as 0-4:8,4-12:4", USAGE)
    return found


def parse_resolution(text: str) -> Spans:
    """Positions to a beat: `8` for lengths up to 12 beats, or `0-4:8,4-12:4` from beat to beat. Raises M4mError."""
    if re.fullmatch(r"\d{1,3}", text):
        text = f"0-{DEFAULT_LONGEST}:{text}"
    spans: list[tuple[int, int, int]] = []
    for part in text.split(","):
        match = SPAN.fullmatch(part.strip())
        first, last, per_beat = map(int, match.groups()) if match else (0, 0, 0)
        follows = first == (spans[-1][1] if spans else 0)
        if not (follows and first < last <= LONGEST_BEATS and 1 <= per_beat <= FINEST):
            raise M4mError(f"not a resolution: {text!r}", "write 8, or 0-4:8,4-12:4 from beat 0 on", USAGE)
        spans.append((first, last, per_beat))
    return tuple(spans)
