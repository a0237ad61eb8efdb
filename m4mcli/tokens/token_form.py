"""The m4m JSON form of tokens, version 1: ids with the scheme that they belong to and what no id says.

    {"m4m": 1, "kind": "tokens", "scheme": "frames", "scheme_version": 1, "vocabulary": 1008, "tpq": 480,
     "tracks": [{"name": "Flute", "program": 73, "drums": false}],
     "ids": [1, ...]}

`vocabulary` is how many ids the scheme has; it, `tpq` and `tracks` may be left out. `schemas/tokens.schema.json` says
the same to machines. Read are also several such objects, one to a line, and bare lists of ids.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.container import MAX_TPQ, MAX_TRACKS
from m4mcli.score.json_checks import Item, field, items, only_keys, parse, refuse, shown
from m4mcli.tokens.scheme import DEFAULT_TPQ, Scheme, Tokens, TokenTrack
from m4mcli.tokens.schemes import SCHEMES

VERSION = 1
NEEDED = ("m4m", "kind", "scheme", "scheme_version", "ids")
KEYS = (*NEEDED, "file", "vocabulary", "tpq", "tracks")
HINT = "the form is described in commands/tokenize.md"
LARGEST_ID = 0x7FFFFFFF


def tokens_to_json(tokens: Tokens) -> str:
    """The tokens as JSON text, one frame (or what the scheme begins a line with) to a line, a newline at the end."""
    scheme = SCHEMES[tokens.scheme]
    head = json.dumps(_head(tokens, scheme), ensure_ascii=False)[:-1]
    tracks = ",\n".join(json.dumps(_track(track), ensure_ascii=False) for track in tokens.tracks)
    ids = ",\n".join(", ".join(map(str, line)) for line in _lines(tokens.ids, scheme.line_end))
    listed = f"[\n{tracks}\n]" if tracks else "[]"
    return f'{head},\n"tracks": {listed},\n"ids": [\n{ids}\n]}}\n'


def tokens_to_line(tokens: Tokens, file: str) -> str:
    """The tokens as one line of JSON that names the file they come from, a newline at the end."""
    head = _head(tokens, SCHEMES[tokens.scheme])
    whole = head | {"file": file, "tracks": [_track(t) for t in tokens.tracks], "ids": tokens.ids.tolist()}
    return json.dumps(whole, ensure_ascii=False) + "\n"


def _head(tokens: Tokens, scheme: Scheme) -> Item:
    named = {"m4m": VERSION, "kind": "tokens", "scheme": scheme.name, "scheme_version": scheme.version}
    return named | {"vocabulary": scheme.vocabulary.size, "tpq": tokens.tpq}


def _track(track: TokenTrack) -> Item:
    return {"name": track.name, "program": track.program, "drums": track.is_drum}


def _lines(ids: NDArray[np.int64], line_end: int) -> Iterator[list[int]]:
    stops = [*(np.flatnonzero(ids == line_end) + 1).tolist(), len(ids)]
    starts = [0, *stops]
    return (ids[start:stop].tolist() for start, stop in zip(starts, stops, strict=False) if stop > start)


def tokens_from_json(data: bytes, name: str, scheme: str) -> list[Tokens]:
    """The pieces that token JSON holds; `scheme` is that of bare lists of ids, `name` is used in messages.

    Raises M4mError for anything that is not the token form; ids themselves may be any whole numbers.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise M4mError(f"{name}: not token JSON (no UTF-8)", "is it MIDI? leave out --decode") from error
    if not text.strip():
        raise M4mError(f"{name}: empty input", "did the command before it fail?")
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        texts = lines if _is_json(lines[0]) else [text]
        return [_tokens(parse(one), scheme) for one in texts]
    except M4mError as error:
        raise M4mError(f"{name}: {error.message}", HINT, error.status) from error


def _is_json(text: str) -> bool:
    try:
        parse(text)
    except M4mError:
        return False
    return True


def _tokens(value: Any, scheme: str) -> Tokens:
    if isinstance(value, list):
        return Tokens(scheme, _checked_ids(value))
    if not isinstance(value, dict) or "m4m" not in value:
        refuse("not token JSON: no object with the key 'm4m', and no list of ids")
    if value.get("kind") != "tokens":
        refuse(f"m4m JSON of kind {shown(value.get('kind'))}, where 'tokens' is needed")
    only_keys(value, KEYS, "the top")
    if type(value["m4m"]) is not int or value["m4m"] != VERSION:
        refuse(f"token JSON of version {shown(value['m4m'])}, where this m4m reads version {VERSION}")
    known = SCHEMES.get(field(value, "scheme", str, "the top"))
    if known is None:
        refuse(f"tokens of the scheme {shown(value['scheme'])}, where m4m knows {', '.join(SCHEMES)}")
    version = field(value, "scheme_version", (1, LARGEST_ID), "the top")
    if version != known.version:
        refuse(f"tokens of the scheme {known.name} in version {version}, where this m4m reads {known.version}")
    tracks = items(value, "tracks", "the top")
    if len(tracks) > MAX_TRACKS:
        refuse(f"{len(tracks)} tracks, more than the {MAX_TRACKS} that m4m reads")
    return Tokens(
        known.name,
        _checked_ids(items(value, "ids", "the top", needed=True)),
        field(value, "tpq", (1, MAX_TPQ), "the top", default=DEFAULT_TPQ),
        tuple(_token_track(track, f"tracks[{i}]") for i, track in enumerate(tracks)),
    )


def _token_track(value: Any, at: str) -> TokenTrack:
    if not isinstance(value, dict):
        refuse(f"{at} is {shown(value)}, where an object is needed")
    only_keys(value, tuple(_track(TokenTrack())), at)
    return TokenTrack(
        field(value, "name", str, at, default=""),
        field(value, "program", (0, 127), at, default=0),
        field(value, "drums", bool, at, default=False),
    )


def _checked_ids(values: list[Any]) -> NDArray[np.int64]:
    """The ids; one that no vocabulary can hold becomes -1. Raises M4mError for what is no whole number."""
    for i, value in enumerate(values):
        if type(value) is not int:
            refuse(f"ids[{i}] is {shown(value)}, where a whole number is needed")
    return np.array([i if 0 <= i <= LARGEST_ID else -1 for i in values], np.int64)
