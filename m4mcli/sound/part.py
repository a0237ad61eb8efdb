"""The bars of a piece that are to be heard."""

from m4mcli.errors import USAGE, M4mError
from m4mcli.inspection.places import Places
from m4mcli.score.excerpt import excerpt
from m4mcli.score.score import Score
from m4mcli.tasks.region import parse_bars


def bars_of(score: Score, text: str | None) -> Score:
    """The bars `text` names, such as `5-12`, as a piece; all of it for None. Raises M4mError (status 2) for others."""
    if text is None:
        return score
    ranges = parse_bars(text)
    if len(ranges) > 1:
        raise M4mError(f"--bars {text}: bars that stand together are needed", "write one range, 5-12", USAGE)
    places = Places(score)
    (first, last), highest = ranges[0], places.lowest + len(places.bars) - 1
    for bar in (first, last):
        if not places.lowest <= bar <= highest:
            raise M4mError(f"there is no bar {bar}", f"bars: {places.lowest}-{highest}", USAGE)
    begin, end = places.bars[first - places.lowest], places.bars[last - places.lowest]
    return excerpt(score, begin.tick, end.tick + end.length)
