"""Is an exported model the network that was trained? Logits, likelihoods and sampled notes beside torch's."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.frames.frames import FRAME_NOTE, FRAMES_PER_QUARTER
from m4mcli.generation.generate import generate
from m4mcli.generation.likelihood import teacher_forced
from m4mcli.generation.request import Request
from m4mcli.generation.rules import Rules
from m4mcli.generation.sampling import Sampling, log_softmax
from m4mcli.models.network import Network
from m4mcli.score.score import NOTE, Score, TimeSignature, Track
from m4mcli.training.sampler import Sampler

LARGEST_DIFFERENCE = 2e-3
LARGEST_KL = 0.005
WRITTEN, WRITTEN_FRAMES = 4, 128
"""How many pieces both networks write, at most, and how much of each."""

TUNE = "60 60 67 67 69 69 67: 65 65 64 64 62 62 60: 67 67 65 65 64 64 62: 67 67 65 65 64 64 62:"
"""Ah! vous dirai-je, maman (traditional, before 1761): MIDI pitches, quarter notes, a colon makes a half note."""


@dataclass(frozen=True)
class Piece:
    """Music to verify on: what is given (or nothing) and a part to score, with metre (length, 3)."""

    reference: NDArray[np.void] | None
    part: NDArray[np.void]
    metre: NDArray[np.integer]

    def score(self) -> Score:
        """What is given and the part as two tracks, in frames."""
        parts = [p for p in (self.part, self.reference) if p is not None]
        return Score(FRAMES_PER_QUARTER, tuple(_track(p) for p in parts), time_signatures=(TimeSignature(0, 4, 4),))

    def request(self) -> Request:
        """All frames open, nothing fixed."""
        length = len(self.metre)
        return Request(self.reference, self.metre, length, np.ones(length, bool), np.zeros(length, bool))


def _track(part: NDArray[np.void]) -> Track:
    notes = np.full(len(part), 64, NOTE)
    for name, field in (("onset", "frame"), ("duration", "duration"), ("pitch", "pitch")):
        notes[name] = part[field]
    return Track(notes=notes)


@dataclass(frozen=True)
class Difference:
    """Largest difference of any logit, mean Kullback-Leibler divergence in nats per decision, decisions compared."""

    logits: float
    kl: float
    decisions: int


def tune() -> Piece:
    """A short tune with its tonic and dominant, for where no other music is at hand."""
    rows, frame = [], 0
    for word in TUNE.split():
        duration = 8 if word.endswith(":") else 4
        rows.append((frame, 0, int(word.rstrip(":")) + 12, duration))
        frame += duration
    chords = [(8 * i, 0, p, 8) for i, c in enumerate("CFCGCGC" * 2) for p in _triad(c) if 8 * i < frame]
    metre = np.stack([np.arange(frame) % 16, np.full(frame, 16), np.full(frame, 4)], axis=1)
    return Piece(np.array(rows, FRAME_NOTE), np.array(chords, FRAME_NOTE), metre)


def validation_pieces(sampler: Sampler, each: int = 4) -> list[Piece]:
    """Validation windows of a pack, `each` of every kind and source. Raises M4mError where there are none."""
    found = [e for _, examples in sampler.validation(each) for e in examples if e.metre is not None and e.length > 1]
    if not found:
        raise M4mError("the pack has no validation windows of the recipe's sources", "leave --pack out")
    return [Piece(e.reference, e.target, e.metre) for e in found if e.metre is not None]


def _triad(name: str) -> tuple[int, int, int]:
    root = {"C": 36, "F": 41, "G": 43}[name]
    return root, root + 4, root + 7


def compare(a: Network, b: Network, pieces: list[Piece]) -> Difference:
    """How far two networks' logits are apart on the same music."""
    largest, divergence, count = 0.0, 0.0, 0
    for piece in pieces:
        ours = teacher_forced(a, piece.request(), piece.part)
        theirs = teacher_forced(b, piece.request(), piece.part)
        for x, y in zip(ours.logits, theirs.logits, strict=True):
            largest = max(largest, float(np.abs(x - y).max(initial=0)))
            p, q = log_softmax(x), log_softmax(y)
            divergence += float((np.exp(p) * (p - q)).sum())
            count += len(x)
    return Difference(largest, divergence / max(1, count), count)


def same_notes(a: Network, b: Network, pieces: list[Piece], seed: int = 0) -> bool:
    """Whether two networks write the same notes from the same seed."""
    rules, sampling = Rules(at_most=4), Sampling(temperature=0.9, top_p=0.98)
    for piece in pieces:
        ours, theirs = (generate(n, piece.request(), rules, sampling, seed=seed)[0] for n in (a, b))
        if ours.notes.tobytes() != theirs.notes.tobytes():
            return False
    return True


def require_small(found: Difference, bits: int, folder: Path) -> None:
    """Full precision must give torch's logits, 8 bits nearly its distributions. Raises M4mError where they do not."""
    if bits == 32 and found.logits > LARGEST_DIFFERENCE:
        raise M4mError(f"{folder}: logits differ from torch by {found.logits:.2g} (at most {LARGEST_DIFFERENCE:g})")
    if bits == 8 and not found.kl <= LARGEST_KL:
        raise M4mError(f"{folder}: 8-bit weights cost {found.kl:.2g} nats a decision (at most {LARGEST_KL:g})")


def require_exact(trained: Network, exported: Network, pieces: list[Piece], folder: Path) -> Difference:
    """A full-precision export must give torch's logits and notes. Raises M4mError where it does not."""
    found = compare(trained, exported, pieces)
    require_small(found, 32, folder)
    # Torch takes a second or so for each bar that it writes.
    written = [replace(p, metre=p.metre[:WRITTEN_FRAMES]) for p in pieces[:: -(-len(pieces) // WRITTEN)]]
    if not same_notes(trained, exported, written):
        raise M4mError(f"{folder}: the same seed gives other notes than torch")
    return found


def require_close(trained: Network, exported: Network, pieces: list[Piece], folder: Path) -> Difference:
    """An 8-bit export must stay near torch's distributions. Raises M4mError where it does not."""
    found = compare(trained, exported, pieces)
    require_small(found, 8, folder)
    return found
