"""The m4m JSON form of tokens, version 1: ids with the scheme that they belong to and what no id says.

    {"m4m": 1, "kind": "tokens", "scheme": "frames", "scheme_version": 1, "vocabulary": 1008, "tpq": 480,
     "tracks": [{"name": "Flute", "program": 73, "drums": false}],
     "ids": [1, ...]}

`vocabulary` is how many ids the scheme has; it, `tpq` and `tracks` may be left out. Schemes with settings also have
`config`, and `sequences` instead of `ids` where each track is one; `bpe` is there for merged ids. Where a token is a
row of ids, `ids` is a list of rows. `schemas/tokens.schema.json` says the same to machines. Read are also several such
objects, one to a line, and bare lists of ids.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.container import MAX_TPQ, MAX_TRACKS
from m4mcli.score.json_checks import Item, field, items, only_keys, parse, refuse, shown
from m4mcli.tokens.miditok_form import settings_from_miditok, settings_to_miditok
from m4mcli.tokens.scheme import DEFAULT_TPQ, Scheme, Tokens, TokenTrack
from m4mcli.tokens.schemes import NAMES, open_scheme, takes_settings
from m4mcli.tokens.settings import Settings

VERSION = 1
KEYS = (
    *("m4m", "kind", "scheme", "scheme_version", "config", "bpe", "ids", "sequences"),
    *("file", "vocabulary", "tpq", "tracks"),
)
HINT = "the form is described in commands/tokenize.md"
LARGEST_ID = 0x7FFFFFFF


def tokens_to_json(tokens: Tokens) -> str:
    """The tokens as JSON text, one frame, bar, row or step to a line as the scheme has it, a newline at the end."""
    scheme = open_scheme(tokens.scheme, tokens.settings)
    head = json.dumps(_head(tokens, scheme), ensure_ascii=False)[:-1]
    tracks = ",\n".join(json.dumps(_track(track), ensure_ascii=False) for track in tokens.tracks)
    listed = f"[\n{tracks}\n]" if tracks else "[]"
    if tokens.lengths is None:
        ids = f'"ids": [\n{_listed(tokens.ids, scheme)}\n]'
    else:
        sequences = ",\n".join(f"[\n{_listed(ids, scheme)}\n]" for ids in tokens.sequences)
        ids = f'"sequences": [\n{sequences}\n]' if sequences else '"sequences": []'
    return f'{head},\n"tracks": {listed},\n{ids}}}\n'


def _listed(ids: NDArray[np.int64], scheme: Scheme) -> str:
    if ids.ndim > 1:
        return ",\n".join(json.dumps(row) for row in ids.tolist())
    return ",\n".join(", ".join(map(str, line)) for line in _lines(ids, scheme))


def tokens_to_line(tokens: Tokens, file: str) -> str:
    """The tokens as one line of JSON that names the file they come from, a newline at the end."""
    whole = tokens_head(tokens, file)
    if tokens.lengths is None:
        whole["ids"] = tokens.ids.tolist()
    else:
        whole["sequences"] = [ids.tolist() for ids in tokens.sequences]
    return json.dumps(whole, ensure_ascii=False) + "\n"


def tokens_head(tokens: Tokens, file: str) -> Item:
    """All that the form says beside the ids."""
    head = _head(tokens, open_scheme(tokens.scheme, tokens.settings))
    return head | {"file": file, "tracks": [_track(t) for t in tokens.tracks]}


def _head(tokens: Tokens, scheme: Scheme) -> Item:
    named: Item = {"m4m": VERSION, "kind": "tokens", "scheme": scheme.name, "scheme_version": scheme.version}
    if tokens.settings is not None:
        named["config"] = settings_to_miditok(tokens.settings)
    if tokens.bpe:
        named["bpe"] = tokens.bpe
    return named | {"vocabulary": scheme.vocabulary.size, "tpq": tokens.tpq}


def _track(track: TokenTrack) -> Item:
    return {"name": track.name, "program": track.program, "drums": track.is_drum}


def _lines(ids: NDArray[np.int64], scheme: Scheme) -> Iterator[list[int]]:
    breaks = np.union1d(np.flatnonzero(ids == scheme.line_end) + 1, np.flatnonzero(ids == scheme.line_start))
    stops = [*breaks.tolist(), len(ids)]
    starts = [0, *stops]
    return (ids[start:stop].tolist() for start, stop in zip(starts, stops, strict=False) if stop > start)


def tokens_from_json(data: bytes, name: str, scheme: str, settings: Settings | None = None) -> list[Tokens]:
    """The pieces that token JSON holds; `scheme` and `settings` are those of bare lists of ids, `name` is for messages.

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
        return [_tokens(parse(one), scheme, settings) for one in texts]
    except M4mError as error:
        raise M4mError(f"{name}: {error.message}", error.hint or HINT, error.status) from error


def _is_json(text: str) -> bool:
    try:
        parse(text)
    except M4mError:
        return False
    return True


def _tokens(value: Any, scheme: str, settings: Settings | None) -> Tokens:
    if isinstance(value, list):
        opened = open_scheme(scheme, settings)
        return Tokens(opened.name, _checked_ids(value, "ids", opened), settings=opened.settings)
    if not isinstance(value, dict) or "m4m" not in value:
        refuse("not token JSON: no object with the key 'm4m', and no list of ids")
    if value.get("kind") != "tokens":
        refuse(f"m4m JSON of kind {shown(value.get('kind'))}, where 'tokens' is needed")
    only_keys(value, KEYS, "the top")
    if type(value["m4m"]) is not int or value["m4m"] != VERSION:
        refuse(f"token JSON of version {shown(value['m4m'])}, where this m4m reads version {VERSION}")
    opened = _opened(value)
    tracks = items(value, "tracks", "the top")
    if len(tracks) > MAX_TRACKS:
        refuse(f"{len(tracks)} tracks, more than the {MAX_TRACKS} that m4m reads")
    ids, lengths = _sequences(value, opened)
    return Tokens(
        opened.name,
        ids,
        field(value, "tpq", (1, MAX_TPQ), "the top", default=DEFAULT_TPQ),
        tuple(_token_track(track, f"tracks[{i}]") for i, track in enumerate(tracks)),
        lengths,
        opened.settings,
        field(value, "bpe", str, "the top", default=""),
    )


def _opened(value: Item) -> Scheme:
    """The scheme that the form names, with its settings."""
    name = field(value, "scheme", str, "the top")
    if name not in NAMES:
        refuse(f"tokens of the scheme {shown(name)}, where m4m knows {', '.join(NAMES)}")
    settings = None
    if "config" in value:
        if not takes_settings(name) or not isinstance(value["config"], dict):
            refuse(f"'config' of the top is {shown(value['config'])}, which the scheme {name} does not take")
        settings = settings_from_miditok(value["config"])
    known = open_scheme(name, settings)
    version = field(value, "scheme_version", (1, LARGEST_ID), "the top")
    if version != known.version:
        refuse(f"tokens of the scheme {known.name} in version {version}, where this m4m reads {known.version}")
    return known


def _sequences(value: Item, scheme: Scheme) -> tuple[NDArray[np.int64], tuple[int, ...] | None]:
    if "sequences" not in value:
        return _checked_ids(items(value, "ids", "the top", needed=True), "ids", scheme), None
    if "ids" in value:
        refuse("'ids' and 'sequences' together, where one is needed")
    listed = items(value, "sequences", "the top")
    if len(listed) > MAX_TRACKS:
        refuse(f"{len(listed)} sequences, more than the {MAX_TRACKS} tracks that m4m reads")
    found = []
    for i, one in enumerate(listed):
        if not isinstance(one, list):
            refuse(f"sequences[{i}] is {shown(one)}, where a list is needed")
        found.append(_checked_ids(one, f"sequences[{i}]", scheme))
    whole = np.concatenate(found) if found else _checked_ids([], "ids", scheme)
    return whole, tuple(map(len, found))


def _token_track(value: Any, at: str) -> TokenTrack:
    if not isinstance(value, dict):
        refuse(f"{at} is {shown(value)}, where an object is needed")
    only_keys(value, tuple(_track(TokenTrack())), at)
    return TokenTrack(
        field(value, "name", str, at, default=""),
        field(value, "program", (0, 127), at, default=0),
        field(value, "drums", bool, at, default=False),
    )


def _checked_ids(values: list[Any], at: str, scheme: Scheme) -> NDArray[np.int64]:
    """The ids; one that no vocabulary can hold becomes -1. Raises M4mError for what is no whole number."""
    columns = len(scheme.vocabulary.columns)
    if not columns:
        return _numbers(values, at)
    rows = np.zeros((len(values), columns), np.int64)
    for i, row in enumerate(values):
        if not isinstance(row, list) or len(row) != columns:
            refuse(f"{at}[{i}] is {shown(row)}, where a row of {columns} ids is needed")
        rows[i] = _numbers(row, f"{at}[{i}]")
    return rows


def _numbers(values: list[Any], at: str) -> NDArray[np.int64]:
    for i, value in enumerate(values):
        if type(value) is not int:
            refuse(f"{at}[{i}] is {shown(value)}, where a whole number is needed")
    return np.array([i if 0 <= i <= LARGEST_ID else -1 for i in values], np.int64)
