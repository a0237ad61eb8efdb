"""The key of a piece and its modulations, from notes alone: key signatures are not read.

Bars are scored for the 24 keys and settled over the piece, as chords are; the piece's own key is told from the whole,
its first and its last bar and its local keys: once from all notes, once from the top line alone, and the two opinions
are averaged. A chord foreign to the key, or an accompaniment that dwells off the tonic, misleads the first alone.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m4mcli.analysis.beat_grid import BeatGrid
from m4mcli.analysis.chain import marginals, steadiest
from m4mcli.analysis.chord_recognition import Harmony, recognize_chords
from m4mcli.analysis.key_features import STREAMS, bar_streams, key_pictures
from m4mcli.analysis.rotating_network import RotatingNetwork
from m4mcli.models.registry import find_model, read_arrays
from m4mcli.score.score import Score, Track

Array = NDArray[np.float32]

KEYS = 24
"""A key's number is its tonic, 12 more in minor."""

WEIGHTS = "keys.npz"
WHOLE_NETWORKS = 5
"""Networks of the whole piece's key, trained alike from different beginnings: one alone errs by chance."""

TOLL = 0.5
"""What a modulation must gain, in bars for which the key is then right."""


@dataclass(frozen=True)
class KeySpan:
    """A key (tonic 0-11 and mode) from tick `start` to `end`, and its mean probability over that time."""

    start: int
    end: int
    tonic: int
    minor: bool
    probability: float

    @property
    def key(self) -> tuple[int, bool]:
        """Tonic and whether the mode is minor."""
        return self.tonic, self.minor


@dataclass(frozen=True)
class Tonality:
    """The key of a piece (tonic, minor) with its probability, and its keys in order, without gaps.

    `key` is None, and `spans` empty, where no pitch sounds.
    """

    key: tuple[int, bool] | None
    probability: float
    spans: tuple[KeySpan, ...]


@dataclass(frozen=True)
class KeyModel:
    """The weights: `local` scores a bar for major and minor seen from a tonic, the networks of `whole` the piece, by
    their mean; `moves` (2, 2, 12 semitones up) score modulations."""

    local: RotatingNetwork
    whole: tuple[RotatingNetwork, ...]
    moves: Array


def shipped_model() -> KeyModel:
    """The weights that come with m4m."""
    weights = read_arrays(find_model(None, "analyze"), WEIGHTS)
    whole = tuple(RotatingNetwork.of(weights, f"whole{i}_") for i in range(WHOLE_NETWORKS))
    return KeyModel(RotatingNetwork.of(weights, "local_"), whole, np.asarray(weights["moves"], np.float32))


def find_keys(score: Score, grid: BeatGrid, harmony: Harmony, model: KeyModel | None = None) -> Tonality:
    """The key of a piece and its modulations from its notes and the chords that were recognized on its beats."""
    units = harmony.units
    if not len(units) or all(t.is_drum or not len(t.notes) for t in score.tracks):
        return Tonality(None, 0.0, ())
    model = model or shipped_model()
    odds, local = _opinion(model, score, harmony)
    top = top_line(score)
    if top.note_count < sum(len(t.notes) for t in score.tracks if not t.is_drum):
        odds = (odds + _opinion(model, top, recognize_chords(top, grid))[0]) / 2
    best = int(odds.argmax())
    path = steadiest(local, TOLL)
    ticks = np.append(units.ticks[:-1][np.diff(units.bar, prepend=-1) > 0], units.ticks[-1])
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    spans = tuple(
        KeySpan(int(ticks[a]), int(ticks[b]), int(path[a] % 12), bool(path[a] >= 12), float(local[a:b, path[a]].mean()))
        for a, b in pairwise(edges.tolist())
    )
    return Tonality((best % 12, best >= 12), float(odds[best]), spans)


def top_line(score: Score) -> Score:
    """The highest of the notes that begin at each tick, drums left out, as the only track of the piece."""
    notes = np.concatenate([t.notes for t in score.tracks if not t.is_drum])
    notes = notes[np.lexsort((-notes["pitch"], notes["onset"]))]
    line = notes[np.diff(notes["onset"], prepend=-1) > 0]
    return replace(score, tracks=(Track(notes=line),))


def _opinion(model: KeyModel, score: Score, harmony: Harmony) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The probability of each key for the whole piece (KEYS,) and in each bar (bars, KEYS)."""
    streams, length = bar_streams(score, harmony.units, harmony.probabilities)
    local = local_probabilities(model, streams, length)
    seen = whole_pictures(streams, length, local)
    answers = np.mean([network.answers(*seen)[0].T.ravel().astype(np.float64) for network in model.whole], axis=0)
    odds = np.exp(answers - answers.max())
    return odds / odds.sum(), local


def local_probabilities(model: KeyModel, streams: Array, length: Array) -> NDArray[np.float64]:
    """The probability of each key in each bar (bars, KEYS)."""
    answers = model.local.answers(*key_pictures(streams, length))
    fit = answers.transpose(0, 2, 1).reshape(-1, KEYS)
    tonics = np.arange(12)
    up = (tonics[None, :] - tonics[:, None]) % 12
    moves = model.moves[:, :, up].transpose(0, 2, 1, 3).reshape(KEYS, KEYS)
    return marginals(fit, np.zeros(len(fit)), moves)


def whole_pictures(streams: Array, length: Array, local: NDArray[np.floating]) -> tuple[Array, Array]:
    """The pictures of a whole piece (1, P, 12), without scalars (1, 0): the streams over the piece, in its first and
    its last bar that sound, and the local keys there, major and minor."""
    fixed, _ = key_pictures(streams, length)
    sounding = np.flatnonzero(streams[:, 0].sum(axis=1) > 0)
    first, last = (sounding[0], sounding[-1]) if len(sounding) else (0, -1)
    modes = np.asarray(local, np.float32).reshape(-1, 2, 12)
    weights = length / length.sum()
    mean = (modes * weights[:, None, None]).sum(axis=0)
    made = np.concatenate((fixed[0, -3 * STREAMS :], mean, modes[first], modes[last]))
    return made[None].astype(np.float32), np.zeros((1, 0), np.float32)
