"""Figures of how a piece repeats and varies itself, after MusDr (Wu and Yang, "The jazz transformer on the front line",
2020).

Figures
  H1, H4                 entropy of the pitch classes in 1 bar, in 4 bars, in bits; mean over the windows with notes
  groove_similarity      1 less the share of 64ths of a bar on which bars differ in having an onset; mean over all pairs
  SI_short, SI_mid, SI_long
                         structureness: fitness of the best repeated segment of 3 to 8, 8 to 15, at least 15 seconds
  self_similarity        mean likeness of each bar to the most similar other: cosine of onsets by place and pitch class
  repeated_bars          share of the bars with notes that have the very notes of an earlier one

The fitness of a segment (M. Mueller, N. Jiang and P. Grosche, "A robust fitness measure for capturing repetitions in
music recordings", 2013) tells how well and how much of the piece its repetitions explain. MusDr hears rendered sound;
here the similarity is that of the pitch classes that the notes sound, frame by frame, of at most MOST_FRAMES equal
frames.
"""

import numpy as np
from numpy.typing import NDArray

from m4mcli.evaluation.descriptive import entropy
from m4mcli.evaluation.notes import Figures
from m4mcli.evaluation.stepped import PER_QUARTER, Stepped

MOST_FRAMES = 80
PLACES = 64
KEPT, PENALTY = 0.2, -2.0
"""Of the similarities the largest are kept, scaled to 0..1; the others become the penalty."""

SPANS = {"SI_short": (3.0, 8.0), "SI_mid": (8.0, 15.0), "SI_long": (15.0, float("inf"))}
FIGURES = ("H1", "H4", "groove_similarity", *SPANS, "self_similarity", "repeated_bars")

Matrix = NDArray[np.float64]


def structure(piece: Stepped) -> Figures:
    """FIGURES of a piece."""
    return {
        "H1": windowed_entropy(piece, 1),
        "H4": windowed_entropy(piece, 4),
        "groove_similarity": groove_similarity(piece),
        **structureness(piece),
        **_bar_likeness(piece),
    }


def _bar_of(piece: Stepped) -> NDArray[np.int64]:
    return np.searchsorted(piece.edges, piece.onset, side="right") - 1


def windowed_entropy(piece: Stepped, bars: int) -> float | None:
    """Mean entropy of the pitch classes in windows of so many bars; None without notes or bars enough."""
    count = len(piece.edges) - 1
    pitched = ~piece.drum
    table = np.zeros((count + 1, 12), np.int64)
    np.add.at(table, (np.minimum(_bar_of(piece)[pitched], count - 1) + 1, piece.pitch[pitched] % 12), 1)
    if count < bars:
        return None
    sums = np.cumsum(table, axis=0)
    found = [e for row in sums[bars:] - sums[: count + 1 - bars] if (e := entropy(row)) is not None]
    return float(np.mean(found)) if found else None


def groove_similarity(piece: Stepped) -> float | None:
    """Mean likeness of the onsets of all pairs of bars that have notes' time in them; None with fewer than two bars."""
    count = len(piece.edges) - 1
    if count < 2 or not piece.length:
        return None
    bar = np.clip(_bar_of(piece), 0, count - 1)
    width = np.diff(piece.edges)[bar]
    place = (piece.onset - piece.edges[bar]) * PLACES // width
    struck = np.zeros((count, PLACES), np.bool_)
    struck[bar, np.clip(place, 0, PLACES - 1)] = True
    filled = struck.sum(0)
    return float(1 - (filled * (count - filled)).sum() / (PLACES * count * (count - 1) / 2))


def _bar_likeness(piece: Stepped) -> Figures:
    count = len(piece.edges) - 1
    bar = np.clip(_bar_of(piece), 0, count - 1)
    place = np.clip((piece.onset - piece.edges[bar]) * 16 // np.diff(piece.edges)[bar], 0, 15)
    kind = np.where(piece.drum, 12 + piece.pitch, piece.pitch % 12)
    bars = np.unique(bar)
    if len(bars) < 2:
        return {"self_similarity": None, "repeated_bars": None}
    vectors = np.zeros((len(bars), 16 * 140))
    np.add.at(vectors, (np.searchsorted(bars, bar), place * 140 + kind), 1)
    vectors = vectors[:, vectors.any(0)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, 0)
    seen: set[bytes] = set()
    repeated = 0
    for one in bars.tolist():
        here = bar == one
        rows = np.stack([piece.onset[here] - piece.edges[one], piece.pitch[here], piece.drum[here]])
        told = rows[:, np.lexsort(rows)].astype(np.int64).tobytes()
        repeated += told in seen
        seen.add(told)
    return {"self_similarity": float(likeness.max(1).mean()), "repeated_bars": repeated / len(bars)}


def chroma(piece: Stepped) -> Matrix:
    """How long each pitch class sounds in each of at most MOST_FRAMES equal frames of whole quarters: (frames, 12)."""
    length = piece.length
    quarters = -(-length // PER_QUARTER)
    per_frame = PER_QUARTER * max(1, -(-quarters // MOST_FRAMES))
    frames = -(-length // per_frame)
    edges = np.zeros((12, length + 1))
    for onset, end, pitch in zip(piece.onset[~piece.drum], piece.end[~piece.drum], piece.pitches, strict=True):
        edges[pitch % 12, onset] += 1
        edges[pitch % 12, end] -= 1
    sounding = np.cumsum(edges, axis=1)[:, :length]
    padded = np.zeros((12, frames * per_frame))
    padded[:, :length] = sounding
    return np.asarray(padded.reshape(12, frames, per_frame).sum(2).T)


def structureness(piece: Stepped) -> Figures:
    """The largest fitness of the segments of each span of SPANS; None where the piece is too short to repeat one."""
    found: Figures = dict.fromkeys(SPANS)
    if not len(piece.pitches):
        return found
    frames = chroma(piece)
    scape = fitness(similarity(frames))
    seconds = piece.seconds / len(frames)
    lengths = np.arange(1, len(frames) + 1) * seconds
    for name, (low, high) in SPANS.items():
        inside = (lengths >= low) & (lengths < high) & (np.arange(1, len(frames) + 1) <= len(frames) // 2)
        if inside.any():
            found[name] = float(scape[inside].max())
    return found


def similarity(frames: Matrix) -> Matrix:
    """Cosine similarity of frames (n, 12) where it is large, else the penalty; the diagonal is 1."""
    norm = np.linalg.norm(frames, axis=1, keepdims=True)
    unit = np.divide(frames, norm, out=np.full_like(frames, 12**-0.5), where=norm > 0)
    likeness = unit @ unit.T
    least = np.quantile(likeness, 1 - KEPT)
    scaled = np.divide(likeness - least, 1 - least, out=np.ones_like(likeness), where=least < 1 - 1e-9)
    kept = np.where(likeness >= least, np.clip(scaled, 0, 1), PENALTY)
    np.fill_diagonal(kept, 1)
    return kept


def fitness(similar: Matrix) -> Matrix:
    """The fitness of each segment: (n, n) by its length less 1 and its first frame; 0 where there is none.

    For all segments at once: D[cell] is the best score of paths up to a row of the matrix, a cell being a column of a
    segment; beside it how many rows the paths cover and how many cells they have.
    """
    n = len(similar)
    lengths = np.repeat(np.arange(1, n + 1), np.arange(n, 0, -1))
    firsts = np.concatenate([np.arange(n - m + 1) for m in range(1, n + 1)])
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    cells = int(lengths.sum())
    segment = np.repeat(np.arange(len(lengths)), lengths)
    column = np.arange(cells) - starts[segment]
    source = firsts[segment] + column
    lasts = starts + lengths - 1
    low = -1e9
    waiting = np.zeros((3, len(lengths)))
    before, two = (np.tile(np.array([[low], [0.0], [0.0]]), (1, cells)) for _ in range(2))
    second, third = column >= 1, column >= 2
    for row in range(n):
        done = before[:, lasts]
        better = done[0] > waiting[0]
        waiting = np.where(better, done, waiting)
        now = np.tile(np.array([[low], [0.0], [0.0]]), (1, cells))
        now[:, starts] = waiting + np.array([[0.0], [1.0], [1.0]])
        for source_rows, shift, covered, allowed in (
            (before, 1, 1.0, second), (two, 1, 2.0, second), (before, 2, 1.0, third)
        ):  # fmt: skip
            score = np.full(cells, low)
            score[shift:] = source_rows[0, :-shift]
            take = allowed & (score > now[0])
            at = np.flatnonzero(take)
            now[0, at] = score[at]
            now[1, at] = source_rows[1, at - shift] + covered
            now[2, at] = source_rows[2, at - shift] + 1
        now[0] += similar[row, source]
        two, before = before, now
    final = before[:, lasts]
    whole = np.where(final[0] > waiting[0], final, waiting)
    score, covered, size = whole
    mean = np.clip((score - lengths) / np.maximum(size, 1), 0, None)
    share = np.clip((covered - lengths) / n, 0, None)
    both = mean + share
    value = np.divide(2 * mean * share, both, out=np.zeros(len(lengths)), where=both > 0)
    scape = np.zeros((n, n))
    scape[lengths - 1, firsts] = value
    return scape
