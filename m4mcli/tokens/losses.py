"""What tokens cannot hold of a piece, in words."""

from m4mcli.score.container import counted
from m4mcli.score.score import Score


def without_tokens(score: Score) -> tuple[str, ...]:
    """The warning about events for which no scheme has tokens; none where there are none."""
    lost = {
        "controller": sum(len(t.controls) for t in score.tracks),
        "pitch bend": sum(len(t.bends) for t in score.tracks),
        "lyric": sum(len(t.lyrics) for t in score.tracks),
        "marker": len(score.markers),
    }
    if not any(lost.values()):
        return ()
    return (f"without-tokens: {', '.join(counted(n, what) for what, n in lost.items() if n)} left out",)
