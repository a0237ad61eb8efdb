"""Strict reading of JSON from strangers: every fault is one line that names its place, never a traceback."""

import json
from collections import Counter
from typing import Any, NoReturn

from m4mcli.errors import M4mError

HINT = "the score form is described in commands/formats.md"

Item = dict[str, Any]
Row = tuple[Any, ...]
Kind = tuple[int, int] | type[str] | type[bool]
"""What a value must be: an integer within bounds, text, or true or false."""

Fields = dict[str, Kind]


def parse(text: str) -> Any:
    """The value of a JSON text; raises M4mError for what is no JSON, NaN, a key that stands twice, or deep nesting."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        refuse(f"not JSON: {error.msg[:1].lower()}{error.msg[1:]} in line {error.lineno}, column {error.colno}")
    except RecursionError:
        refuse("JSON nested too deeply")
    except ValueError:
        refuse("JSON with a number of thousands of digits")


def _unique(pairs: list[tuple[str, Any]]) -> Item:
    item = dict(pairs)
    if len(item) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        refuse(f"the key {shown(twice)} stands twice in one object")
    return item


def _no_constant(word: str) -> NoReturn:
    refuse(f"{word} is not a number of JSON")


def refuse(message: str) -> NoReturn:
    """Raise M4mError with the hint where the form is described."""
    raise M4mError(message, HINT)


def shown(value: Any) -> str:
    """A value for a message: short, on one line, nothing a terminal would obey."""
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def only_keys(item: Item, keys: tuple[str, ...], at: str) -> None:
    """Raise M4mError if the object at `at` has a key beside `keys`."""
    for key in item:
        if key not in keys:
            refuse(f"{at} has the unknown key {shown(key)}")


def field(item: Item, key: str, kind: Kind, at: str, default: Any = None) -> Any:
    """The value of `key` in the object at `at`, `default` where it is absent; raises M4mError if it is not `kind`."""
    if key not in item:
        if default is None:
            refuse(f"{at} has no {key!r}")
        return default
    value = item[key]
    if not _fits([value], kind):
        refuse(f"{key!r} of {at} is {shown(value)}, where {_named(kind)} is needed")
    return value


def items(item: Item, key: str, at: str, needed: bool = False) -> list[Any]:
    """The list at `key`, empty where it is absent and not `needed`."""
    if needed and key not in item:
        refuse(f"{at} has no {key!r}")
    value = item.get(key, [])
    if not isinstance(value, list):
        refuse(f"{key!r} of {at} is {shown(value)}, where a list is needed")
    return value


def rows(item: Item, key: str, fields: Fields, at: str = "") -> list[Row]:
    """The list at `key`, whose objects must have exactly `fields`, as tuples in the order of `fields`."""
    found = items(item, key, at or "the top")
    path = f"{at}.{key}" if at else key
    for i, value in enumerate(found):
        if not isinstance(value, dict):
            refuse(f"{path}[{i}] is {shown(value)}, where an object is needed")
        if value.keys() != fields.keys():
            only_keys(value, tuple(fields), f"{path}[{i}]")
            refuse(f"{path}[{i}] has no {next(name for name in fields if name not in value)!r}")
    columns = [[value[name] for value in found] for name in fields]
    for (name, kind), column in zip(fields.items(), columns, strict=True):
        if not _fits(column, kind):
            i = next(i for i, value in enumerate(column) if not _fits([value], kind))
            field(found[i], name, kind, f"{path}[{i}]")
    return list(zip(*columns, strict=True))


def _fits(values: list[Any], kind: Kind) -> bool:
    """Whether every value is of `kind`; true and false are no integers, and 1.0 is none either."""
    if isinstance(kind, tuple):
        low, high = kind
        return set(map(type, values)) <= {int} and (not values or (low <= min(values) and max(values) <= high))
    return set(map(type, values)) <= {kind} and (kind is bool or all(map(_is_unicode, values)))


def _is_unicode(text: str) -> bool:
    """Whether `text` can be written as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _named(kind: Kind) -> str:
    if isinstance(kind, tuple):
        return f"an integer from {kind[0]} to {kind[1]}"
    return "whole Unicode text" if kind is str else "true or false"
