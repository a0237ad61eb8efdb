"""What an analysis found, in other forms: as music, as files that mir_eval reads, as a chord chart."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from m4mcli.analysis.chart import chart
from m4mcli.analysis.harte import harte, symbol
from m4mcli.score.container import open_container
from m4mcli.score.encode import conductor_chunk
from m4mcli.score.metre import bars
from m4mcli.score.score import NOTE, Score, Track
from m4mcli.tasks.analyze import PARTS, Analysis, Places
from m4mcli.tasks.dynamics import velocities
from m4mcli.tasks.placement import has_pickup
from m4mcli.tasks.voicing import Register
from m4mcli.theory.keys import key_name

CHORD_REGISTER = Register(36, 52)
CLICK = 8
"""A click lasts its beat divided by this."""

DOWNBEAT_SOUND, BEAT_SOUND = 76, 77
"""Wood blocks, high and low."""

DOWNBEAT_VELOCITY, BEAT_VELOCITY = 100, 70


def label_tracks(analysis: Analysis) -> tuple[Track, Track]:
    """The labels as music: block chords, their symbols as lyrics, and clicks on the beats."""
    chords = [c for c in analysis.chords if c.quality >= 0]
    rows = [
        (c.start, c.end - c.start, pitch) for c in chords for pitch in CHORD_REGISTER.pitches(c.pitch_classes, c.bass)
    ]
    notes = np.zeros(len(rows), NOTE)
    for name, column in zip(("onset", "duration", "pitch"), zip(*rows, strict=True), strict=False):
        notes[name] = column
    if rows:
        notes["velocity"] = velocities(notes["onset"], bars(analysis.score), analysis.score)
    words = tuple((c.start, symbol(c, analysis.key_at(c.start))) for c in chords)
    return Track("Chords", 0, notes=notes, lyrics=words), _metre_track(analysis)


def _metre_track(analysis: Analysis) -> Track:
    beats, first = analysis.grid.beat_ticks, analysis.grid.downbeat
    notes = np.zeros(len(beats), NOTE)
    notes["onset"] = beats
    notes["duration"] = np.maximum(1, np.diff(np.append(beats, analysis.score.end)) // CLICK)
    notes["pitch"] = np.where(first, DOWNBEAT_SOUND, BEAT_SOUND)
    notes["velocity"] = np.where(first, DOWNBEAT_VELOCITY, BEAT_VELOCITY)
    return Track("Metre", 0, True, notes)


def key_markers(analysis: Analysis) -> tuple[tuple[int, str], ...]:
    """A marker at each key: tick and name."""
    return tuple((s.start, key_name(*s.key)) for s in analysis.tonality.spans)


def chord_chart(analysis: Analysis) -> str:
    """The chords by bars, a pickup left out, so that the chart's bar 1 is the piece's first whole bar."""
    score = analysis.score
    places = Places(analysis.grid, score.end)
    counts = np.bincount(np.maximum(np.cumsum(analysis.grid.downbeat), 1))[1:].tolist()
    if len(counts) > 1:
        counts[-1] = max(counts[-1], counts[-2])
    entries: list[list[tuple[Fraction, str]]] = [[] for _ in counts]
    for c in analysis.chords:
        entries[places.bar(c.start) - 1].append((places.place(c.start), symbol(c, analysis.key_at(c.start))))
    own = list(zip(counts, entries, strict=True))
    if len(own) > 1 and has_pickup(bars(score), score.tpq):
        (_, upbeat), (count, first), *rest = own
        if upbeat and not any(place == 0 for place, _ in first):
            first = [(Fraction(0), upbeat[-1][1]), *first]
        own = [(count, first), *rest]
    return chart(own)


def with_markers(midi: bytes, tpq: int, markers: Sequence[tuple[int, str]]) -> bytes:
    """The MIDI file with one more track that holds these markers (tick, text), byte for byte the same before it."""
    container = open_container(midi, "the music")
    chunk = conductor_chunk(Score(tpq, markers=tuple(markers)))
    return replace(container, format=1, tracks=(*container.tracks, chunk)).to_bytes()


def lab_files(analysis: Analysis, parts: Sequence[str] = PARTS) -> dict[str, str]:
    """Suffix and text of the files of an analysis in the forms of mir_eval: labelled intervals of the chords and the
    local keys (`Bb:maj`), the piece's key (`Bb major`), one time a line for beats and downbeats. Seconds."""
    files: dict[str, str] = {}
    if "chords" in parts:
        spans = [(c.start, c.end, harte(c, analysis.key_at(c.start))) for c in analysis.chords]
        files["chords.lab"] = _intervals(analysis, spans)
    if "keys" in parts:
        keys = analysis.tonality.spans
        files["keys.lab"] = _intervals(analysis, [(s.start, s.end, _short_key(*s.key)) for s in keys])
        files["key.lab"] = "" if analysis.tonality.key is None else key_name(*analysis.tonality.key) + "\n"
    if "beats" in parts:
        grid = analysis.grid
        for name, ticks in (("beats.lab", grid.beat_ticks), ("downbeats.lab", grid.beat_ticks[grid.downbeat])):
            files[name] = "".join(f"{second:.3f}\n" for second in analysis.seconds(ticks))
    return files


def _short_key(tonic: int, minor: bool) -> str:
    name, mode = key_name(tonic, minor).split()
    return f"{name}:{mode[:3]}"


def _intervals(analysis: Analysis, spans: Sequence[tuple[int, int, str]]) -> str:
    starts, ends = analysis.seconds([span[0] for span in spans]), analysis.seconds([span[1] for span in spans])
    rows = zip(starts, ends, spans, strict=True)
    return "".join(f"{start:.3f}\t{end:.3f}\t{label}\n" for start, end, (_, _, label) in rows)
