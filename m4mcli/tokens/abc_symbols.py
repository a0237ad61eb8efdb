"""Chord symbols in the scheme `abc`: a track of block chords that names them in its lyrics, as ABC writes chords."""

import re
from dataclasses import dataclass, field

import numpy as np

from m4mcli.errors import M4mError
from m4mcli.score.abc_chords import NAME, block
from m4mcli.score.score import Score, Track
from m4mcli.theory.chord_names import chord_symbol
from m4mcli.theory.chords import Chord, parse_chord
from m4mcli.tokens.abc_grid import Bars
from m4mcli.tokens.abc_vocabulary import BODIES, ROOTS, VOCABULARY

SYMBOL = re.compile(r"([A-G][#b]?)([^/]*|6/9|m6/9)(?:/([A-G][#b]?))?")
V = VOCABULARY


@dataclass(frozen=True)
class Symbols:
    """The symbols as ids by unit; the track (by number) that they stand for, and what is lost of it."""

    ids: dict[int, list[int]] = field(default_factory=dict)
    track: int | None = None
    warnings: tuple[str, ...] = ()


def symbols_of(score: Score, bars: Bars) -> tuple[Symbols, list[Track]]:
    """The chord symbols of a piece, and the tracks that are written as notes: all but that of the chords."""
    tracks = list(score.tracks)
    others = sum(len(track.notes) > 0 for track in tracks)
    for number, track in enumerate(tracks):
        spans = _spans(track) if others > 1 else None
        if spans is not None:
            found = Symbols(_ids(spans, score, bars), number, _losses(track, spans))
            return found, [t for i, t in enumerate(tracks) if i != number]
    return Symbols(), tracks


Span = tuple[int, int, list[int], Chord]
"""From, to (in ticks), the symbol's ids, the chord."""


def _spans(track: Track) -> list[Span] | None:
    """The chords of a track; None where its notes are not all of chords that it names and the scheme can."""
    if track.is_drum or not track.lyrics or not len(track.notes):
        return None
    notes = track.notes
    named = dict(track.lyrics)
    spans: list[Span] = []
    for onset in np.unique(notes["onset"]).tolist():
        here = notes[notes["onset"] == onset]
        lengths = np.unique(here["duration"]).tolist()
        classes = {pitch % 12 for pitch in here["pitch"].tolist()}
        chord = _chord(named.get(onset, ""))
        again = chord is None and onset not in named and spans and spans[-1][1] == onset
        if again:
            chord = spans[-1][3]
        if len(lengths) != 1 or chord is None or classes != set(chord.pitch_classes):
            return None
        if spans and spans[-1][1] > onset:
            return None
        end = onset + lengths[0]
        if again:
            spans[-1] = (spans[-1][0], end, *spans[-1][2:])
        elif (ids := _symbol(named[onset], chord)) is not None:
            spans.append((onset, end, ids, chord))
        else:
            return None
    return spans


def _chord(text: str) -> Chord | None:
    try:
        return parse_chord(text) if text else None
    except M4mError:
        return None


def _losses(track: Track, spans: list[Span]) -> tuple[str, ...]:
    wanted = sorted((start, end - start, pitch) for start, end, _, chord in spans for pitch in block(chord))
    if track.name == NAME and wanted == sorted(row[:3] for row in track.notes.tolist()):
        return ()
    return ("chord-symbols: the chords come back in block form",)


def _ids(spans: list[Span], score: Score, bars: Bars) -> dict[int, list[int]]:
    scale = 24 / score.tpq
    found: dict[int, list[int]] = {}
    silence = [V.start("Root") + len(ROOTS), V.id_of("Quote")]
    edges = [(start, ids) for start, _, ids, _ in spans]
    ends = {end for _, end, _, _ in spans} - {start for start, _, _, _ in spans}
    edges += [(end, silence) for end in ends]
    for tick, ids in sorted(edges, key=lambda edge: edge[0]):
        unit = int(bars.placed(np.array([tick * scale]))[0])
        if unit < bars.edges[-1]:
            found[unit] = ids
    return found


def _symbol(text: str, chord: Chord) -> list[int] | None:
    """The ids of a symbol as it is written, else as `chord_symbol` names the chord; None where neither has any."""
    for name in (text, chord_symbol(chord.pitch_classes, chord.bass)):
        match = SYMBOL.fullmatch(name)
        if match and match[1] in ROOTS and match[2] in ("", *BODIES):
            ids = [V.start("Root") + ROOTS.index(match[1])]
            ids += [V.start("Quality") + BODIES.index(match[2])] if match[2] else []
            ids += [V.start("Bass") + ROOTS.index(match[3])] if match[3] else []
            return [*ids, V.id_of("Quote")]
    return None
