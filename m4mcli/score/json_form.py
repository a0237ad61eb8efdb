"""The m4m JSON form of a score, version 1: one object, one note or event a line, lossless for all that `Score` holds.

    {"m4m": 1, "kind": "score", "tpq": 480,
     "tempos": [{"tick": 0, "microseconds": 500000}], ...
     "tracks": [{"name": "Flute", "program": 73, "drums": false,
                 "notes": [{"onset": 0, "duration": 480, "pitch": 60, "velocity": 80}], ...}]}

All times are integers in ticks, `tpq` to the quarter note. `m4m`, `kind`, `tpq` and `tracks` must be there; lists that
are left out are empty, a track's name is "", its program 0, its drums false. Keys that the form does not know are
refused, so that a typing error does not pass for an absence. `schemas/score.schema.json` says the same to machines.
"""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, MAX_TPQ, MAX_TRACKS
from m4mcli.score.json_checks import Fields, Item, Row, field, items, only_keys, parse, refuse, rows, shown
from m4mcli.score.score import (
    BEND,
    CONTROL,
    KeySignature,
    Score,
    Tempo,
    TimeSignature,
    Track,
    notes_array,
)

VERSION = 1
BYTE = (0, 127)
TOP_KEYS = ("m4m", "kind", "tpq", "tempos", "time_signatures", "key_signatures", "markers", "tracks")
TRACK_KEYS = ("name", "program", "drums", "notes", "controls", "bends", "lyrics")
TEMPO: Fields = {"microseconds": (1, 0xFFFFFF)}
TIME_SIGNATURE: Fields = {"numerator": (1, 255), "denominator": (1, 64)}
KEY_SIGNATURE: Fields = {"fifths": (-7, 7), "minor": bool}
TEXT: Fields = {"text": str}
NOTE_FIELDS: Fields = {"pitch": BYTE, "velocity": (1, 127)}
CONTROL_FIELDS: Fields = {"number": BYTE, "value": BYTE}
BEND_FIELDS: Fields = {"value": (-8192, 8191)}


def score_to_json(score: Score) -> str:
    """The score as JSON text: stable key order, integers for ticks, a newline at the end."""
    tracks = ",\n".join(_track_text(track) for track in score.tracks)
    parts = [
        f'"m4m": {VERSION}, "kind": "score", "tpq": {score.tpq}',
        _listed("tempos", ({"tick": t.tick, "microseconds": t.microseconds} for t in score.tempos)),
        _listed(
            "time_signatures",
            ({"tick": s.tick, "numerator": s.numerator, "denominator": s.denominator} for s in score.time_signatures),
        ),
        _listed(
            "key_signatures",
            ({"tick": s.tick, "fifths": s.fifths, "minor": s.minor} for s in score.key_signatures),
        ),
        _listed("markers", ({"tick": tick, "text": text} for tick, text in score.markers)),
        f'"tracks": [\n{tracks}\n]' if tracks else '"tracks": []',
    ]
    return "{" + ",\n".join(parts) + "}\n"


def _track_text(track: Track) -> str:
    head = {"name": track.name, "program": track.program, "drums": track.is_drum}
    parts = [
        json.dumps(head, ensure_ascii=False, default=int)[1:-1],
        _listed("notes", _rows(track.notes)),
        _listed("controls", _rows(track.controls)),
        _listed("bends", _rows(track.bends)),
        _listed("lyrics", ({"tick": tick, "text": text} for tick, text in track.lyrics)),
    ]
    return "{" + ",\n".join(parts) + "}"


def _rows(array: NDArray[np.void]) -> Iterable[Item]:
    names = array.dtype.names or ()
    return (dict(zip(names, row, strict=True)) for row in array.tolist())


def _listed(key: str, items: Iterable[Item]) -> str:
    lines = ",\n".join(json.dumps(item, ensure_ascii=False, default=int) for item in items)
    return f'"{key}": [\n{lines}\n]' if lines else f'"{key}": []'


def score_from_json(text: str) -> Score:
    """The score that `text` holds; raises M4mError, naming the place, for anything that is not the score form."""
    top = parse(text)
    if not isinstance(top, dict) or "m4m" not in top:
        refuse("not m4m JSON: no object with the key 'm4m'")
    if type(top["m4m"]) is not int or top["m4m"] != VERSION:
        refuse(f"m4m JSON of version {shown(top['m4m'])}, where this m4m reads version {VERSION}")
    if top.get("kind") != "score":
        refuse(f"m4m JSON of kind {shown(top.get('kind'))}, where 'score' is needed")
    only_keys(top, TOP_KEYS, "the top")
    tpq: int = field(top, "tpq", (1, MAX_TPQ), "the top")
    tracks = items(top, "tracks", "the top", needed=True)
    if len(tracks) > MAX_TRACKS:
        refuse(f"{len(tracks)} tracks, more than the {MAX_TRACKS} that m4m reads")
    last = MAX_QUARTERS * tpq
    when: Fields = {"tick": (0, last)}
    score = Score(
        tpq,
        tuple(_track(track, f"tracks[{i}]", last) for i, track in enumerate(tracks)),
        tuple(Tempo(*row) for row in _by_tick(rows(top, "tempos", when | TEMPO))),
        tuple(TimeSignature(*row) for row in _by_tick(_time_signatures(top, when))),
        tuple(KeySignature(*row) for row in _by_tick(rows(top, "key_signatures", when | KEY_SIGNATURE))),
        tuple(_by_tick(rows(top, "markers", when | TEXT))),
    )
    if score.note_count > MAX_NOTES:
        refuse(f"{score.note_count} notes, more than the {MAX_NOTES} that m4m reads")
    return score


def _time_signatures(top: Item, when: Fields) -> list[Row]:
    found = rows(top, "time_signatures", when | TIME_SIGNATURE)
    for i, (_, _, denominator) in enumerate(found):
        if denominator & (denominator - 1):
            refuse(f"'denominator' of time_signatures[{i}] is {denominator}, where 1, 2, 4, 8, 16, 32 or 64 is needed")
    return found


def _track(value: Any, at: str, last: int) -> Track:
    if not isinstance(value, dict):
        refuse(f"{at} is {shown(value)}, where an object is needed")
    only_keys(value, TRACK_KEYS, at)
    when: Fields = {"tick": (0, last)}
    notes = rows(value, "notes", {"onset": (0, last), "duration": (0, last)} | NOTE_FIELDS, at)
    for i, (onset, duration, _, _) in enumerate(notes):
        if onset + duration > last:
            refuse(f"{at}.notes[{i}] ends at tick {onset + duration}, later than the {last} that m4m reads")
    return Track(
        field(value, "name", str, at, default=""),
        field(value, "program", BYTE, at, default=0),
        field(value, "drums", bool, at, default=False),
        notes_array(notes),
        np.array(_by_tick(rows(value, "controls", when | CONTROL_FIELDS, at)), CONTROL),
        np.array(_by_tick(rows(value, "bends", when | BEND_FIELDS, at)), BEND),
        tuple(_by_tick(rows(value, "lyrics", when | TEXT, at))),
    )


def _by_tick(found: list[Row]) -> list[Row]:
    return sorted(found, key=lambda row: row[0])
