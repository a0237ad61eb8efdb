"""From packed pieces to training examples: which part is given, which is to be written, in which key and window."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.pack import PackedPiece
from m4mcli.frames.canonical import (
    as_one_instrument,
    block_chords,
    canonical_shift,
    chord_frames,
    pitch_class_histogram,
    shift_for,
    shifted,
)
from m4mcli.frames.frames import in_order
from m4mcli.theory.keys import estimate_key
from m4mcli.training.batches import Example


@dataclass(frozen=True)
class Augmentation:
    """Shares of training windows (0..1) that are changed, all 0 for validation.

    `other_key`: moved a second, fourth or fifth, as if the key had been misjudged. `no_metre`: metre not told.
    `hidden_history`: spans of what was written so far are not told. `wrong_history`: share of chords told wrongly.
    `hidden_reference`: spans of the reference are silent. `silent_reference`: all of it is, which teaches what is
    likely whatever is given. `from_start`: windows that begin at the piece's first bar.
    """

    other_key: float = 0.0
    no_metre: float = 0.0
    hidden_history: float = 0.0
    wrong_history: float = 0.0
    hidden_reference: float = 0.0
    silent_reference: float = 0.0
    from_start: float = 1.0


@dataclass(frozen=True)
class Pair:
    """A whole piece in canonical key: what is given (None: nothing), what is to be written, the metre.

    `asked` (length,) says which frames of the target are to be written; the others are known (None: all are).
    `chords`: the target is block chords in canonical register.
    """

    reference: NDArray[np.void] | None
    target: NDArray[np.void]
    metre: NDArray[np.int32]
    bars: NDArray[np.integer]
    length: int
    asked: NDArray[np.bool_] | None = None
    chords: bool = False


def lead_sheet(piece: PackedPiece, rng: np.random.Generator) -> Pair | None:
    """Melody given, chords to be written, both canonical; None where a part is missing."""
    return _chords_beside(piece, piece.part("melody"))


def _chords_beside(piece: PackedPiece, given: NDArray[np.void]) -> Pair | None:
    """FRAME_NOTE rows given as one instrument, the piece's chords to be written as blocks, in its key."""
    chords = piece.part("chord")
    if len(given) < 8 or len(chords) < 4:
        return None
    shift = canonical_shift(given)
    target = block_chords(chord_frames(shifted(chords, shift)))
    reference = as_one_instrument(shifted(given, shift))
    return Pair(reference, target, piece.metre(), piece.bars["frame"], piece.length, chords=True)


def melody_over_chords(piece: PackedPiece, rng: np.random.Generator) -> Pair | None:
    """Chords given, the melody to be written, in the chords' key, the melody in its canonical octave."""
    melody, chords = piece.part("melody"), piece.part("chord")
    if len(melody) < 8 or len(chords) < 4:
        return None
    reference = block_chords(chord_frames(shifted(chords, canonical_shift(chords))))
    key = estimate_key(pitch_class_histogram(chords))
    target = one_at_a_time(as_one_instrument(shifted(melody, shift_for(melody, key))))
    return Pair(reference, target, piece.metre(), piece.bars["frame"], piece.length)


def whole(piece: PackedPiece, rng: np.random.Generator) -> Pair | None:
    """Nothing given, the whole piece to be written, in canonical key."""
    notes = piece.of_tracks(range(len(piece.tracks)))
    if len(notes) < 32:
        return None
    return Pair(None, shifted(notes, canonical_shift(notes)), piece.metre(), piece.bars["frame"], piece.length)


def split(piece: PackedPiece, rng: np.random.Generator) -> Pair | None:
    """A random half of the tracks given, the others to be written."""
    tracks = [i for i in range(len(piece.tracks)) if (piece.notes["track"] == i).any()]
    if len(tracks) < 2:
        return None
    rng.shuffle(tracks)
    cut = int(rng.integers(1, len(tracks)))
    reference, target = piece.of_tracks(tracks[:cut]), piece.of_tracks(tracks[cut:])
    shift = canonical_shift(reference)
    bars = piece.bars["frame"]
    return Pair(shifted(reference, shift), shifted(target, shift), piece.metre(), bars, piece.length)


def drums(piece: PackedPiece, rng: np.random.Generator) -> Pair | None:
    """Other instruments given, in two of three pieces all of them, and the drums to be written."""
    kit = [i for i, t in enumerate(piece.tracks) if t.is_drum]
    pitched = [i for i in range(len(piece.tracks)) if i not in kit]
    if len(pitched) > 1 and rng.random() < 1 / 3:
        pitched = rng.choice(pitched, int(rng.integers(1, len(pitched))), replace=False).tolist()
    reference, target = piece.of_tracks(pitched), piece.of_tracks(kit)
    if len(reference) < 16 or len(target) < 16:
        return None
    reference = shifted(reference, canonical_shift(reference))
    return Pair(reference, target, piece.metre(), piece.bars["frame"], piece.length)


def others(piece: PackedPiece, rng: np.random.Generator) -> Pair | None:
    """Drums given, in half the pieces with some of the other instruments, and the rest to be written."""
    tracks = [i for i in range(len(piece.tracks)) if (piece.notes["track"] == i).any()]
    kit = [i for i in tracks if piece.tracks[i].is_drum]
    pitched = [i for i in tracks if i not in kit]
    if not kit or not pitched:
        return None
    rng.shuffle(pitched)
    given = int(rng.integers(1, len(pitched))) if len(pitched) > 1 and rng.random() < 0.5 else 0
    shift = canonical_shift(piece.of_tracks(pitched[:given] or pitched))
    reference = shifted(piece.of_tracks((*kit, *pitched[:given])), shift)
    target = shifted(piece.of_tracks(pitched[given:]), shift)
    return Pair(reference, target, piece.metre(), piece.bars["frame"], piece.length)


def masked(piece: PackedPiece, rng: np.random.Generator) -> Pair | None:
    """Spans of bars of all tracks, or of some, to be written; what is around them and beside them is given."""
    tracks = [i for i in range(len(piece.tracks)) if (piece.notes["track"] == i).any()]
    if not tracks or piece.length < 128:
        return None
    rng.shuffle(tracks)
    if len(tracks) > 1 and rng.random() < 0.5:
        tracks = tracks[: int(rng.integers(1, len(tracks)))]
    hidden = masked_bars(piece.bars["frame"], piece.length, rng)
    target = piece.of_tracks(tracks)
    aside = piece.of_tracks(i for i in range(len(piece.tracks)) if i not in tracks)
    reference = in_order(np.concatenate((aside, target[~hidden[np.clip(target["frame"], 0, piece.length - 1)]])))
    if not len(reference) or not len(target):
        return None
    shift = canonical_shift(reference)
    bars = piece.bars["frame"]
    return Pair(shifted(reference, shift), shifted(target, shift), piece.metre(), bars, piece.length, hidden)


def masked_bars(bars: NDArray[np.integer], length: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """True (length,) in spans of one to eight bars, from bar lines (frames), with two to ten bars between them."""
    hidden = np.zeros(length, bool)
    lines = [*sorted({int(b) for b in bars if 0 <= b < length}), length]
    at = int(rng.integers(0, 6))
    while at < len(lines) - 1:
        stop = min(at + int(rng.integers(1, 9)), len(lines) - 1)
        hidden[lines[at] : lines[stop]] = True
        at = stop + int(rng.integers(2, 11))
    return hidden


def one_at_a_time(notes: NDArray[np.void]) -> NDArray[np.void]:
    """A line: of notes that begin together the highest, each cut short where the next begins."""
    top = notes[np.lexsort((-notes["pitch"].astype(np.int64), notes["frame"]))]
    top = top[np.concatenate(([True], np.diff(top["frame"]) > 0))].copy()
    top["duration"][:-1] = np.minimum(top["duration"][:-1], np.diff(top["frame"]))
    return top


def chart(piece: PackedPiece, rng: np.random.Generator) -> Pair | None:
    """The pitched music given, in a third of the pieces that tell it the melody alone, and the chords to be written:
    labels as music. What is given does not hold the part that says them."""
    others = [i for i, t in enumerate(piece.tracks) if t.role != "chord" and not t.is_drum]
    tune = [i for i in others if piece.tracks[i].role == "melody"]
    return _chords_beside(piece, piece.of_tracks(tune if tune and rng.random() < 1 / 3 else others))


def window(notes: NDArray[np.void], start: int, length: int, *, sounding_on: bool = True) -> NDArray[np.void]:
    """Notes of frames start..start+length, counted from `start`; `sounding_on`: also those that began before."""
    ends = notes["frame"] + notes["duration"]
    after = ends > start if sounding_on else notes["frame"] >= start
    part = notes[after & (notes["frame"] < start + length)].copy()
    part["frame"] -= start
    return part


def spans(length: int, share: float, span: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """True inside random spans of about `span` frames that cover about `share` of `length` frames."""
    hidden = np.zeros(length, bool)
    for _ in range(round(share * length / span)):
        start = int(rng.integers(0, length))
        hidden[start : start + int(rng.integers(span // 2, 2 * span))] = True
    return hidden


def misremembered(notes: NDArray[np.void], share: float, rng: np.random.Generator) -> NDArray[np.void]:
    """Block chords of which a share is replaced by other chords of the same piece, their times kept."""
    onsets = np.unique(notes["frame"])
    if len(onsets) < 2:
        return notes
    parts = []
    for onset in onsets:
        chord = notes[notes["frame"] == onset]
        if rng.random() < share:
            other = notes[notes["frame"] == rng.choice(onsets)].copy()
            other["frame"], other["duration"] = onset, chord["duration"].max()
            chord = other
        parts.append(chord)
    return np.concatenate(parts)


def example(pair: Pair, frames: int, change: Augmentation, rng: np.random.Generator) -> Example:
    """One window of at most `frames` frames of a pair, from a bar line."""
    start = 0
    starts = pair.bars[pair.bars <= max(0, pair.length - frames // 2)]
    if len(starts) and rng.random() >= change.from_start:
        start = int(rng.choice(starts))
    length = min(frames, pair.length - start)
    reference = None if pair.reference is None else window(pair.reference, start, length)
    target = window(pair.target, start, length, sounding_on=False)
    history = window(pair.target, start, length)
    known = np.ones(length, bool)
    if rng.random() < change.other_key:
        step = int(rng.choice((-5, 5, 7, -7, 2, -2)))
        target, history = shifted(target, step), shifted(history, step)
        if pair.chords:
            target, history = (block_chords(chord_frames(x)) if len(x) else x for x in (target, history))
        reference = None if reference is None else shifted(reference, step)
    if rng.random() < change.hidden_history:
        known = ~spans(length, 0.4, 48, rng)
    elif len(history) and change.wrong_history:
        history = misremembered(history, change.wrong_history, rng)
    if reference is not None and rng.random() < change.hidden_reference:
        hidden = spans(length, 0.1, 10, rng)
        reference = reference[~hidden[np.clip(reference["frame"], 0, length - 1)]]
    if reference is not None and rng.random() < change.silent_reference:
        reference = reference[:0]
    metre = None if rng.random() < change.no_metre else pair.metre[start : start + length]
    asked = None if pair.asked is None else pair.asked[start : start + length]
    return Example(reference, target, history, known, metre, length, asked)


MAKERS: dict[str, Callable[[PackedPiece, np.random.Generator], Pair | None]] = {
    "lead_sheet": lead_sheet,
    "whole": whole,
    "split": split,
    "melody_over_chords": melody_over_chords,
    "drums": drums,
    "others": others,
    "masked": masked,
    "chart": chart,
}
"""Kinds of training example, by the name that a recipe calls them."""

TASK_OF = {
    "lead_sheet": "harmonize",
    "whole": "continue",
    "melody_over_chords": "melodize",
    "drums": "drumify",
    "others": "accompany",
    "masked": "infill",
}
"""The task of m4m that each kind of example is of; `split` is of none."""
