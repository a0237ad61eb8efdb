"""TOML tables as frozen dataclasses, and back: every value checked against its type, every fault told by its place."""

import json
import tomllib
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from m4mcli.errors import USAGE, M4mError

T = TypeVar("T")


def _wrong(place: str, what: str, hint: str = "") -> M4mError:
    return M4mError(f"recipe: {place} {what}", hint, USAGE)


def _value(value: Any, hint: Any, place: str) -> Any:
    """A value as its type hint wants it. Raises M4mError where it is of another kind."""
    if hint is Any:
        return value
    if isinstance(hint, UnionType):
        hint = _alternative(get_args(hint), value, place)
    if is_dataclass(hint):
        return build(hint, value, place)  # type: ignore[arg-type]
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise _wrong(place, f"is {value!r}", f"it is one of: {', '.join(get_args(hint))}")
        return value
    if get_origin(hint) is tuple:
        kind, *others = get_args(hint)
        if not isinstance(value, list | tuple) or (others != [...] and len(value) != 1 + len(others)):
            raise _wrong(place, "must be a list" + ("" if others == [...] else f" of {1 + len(others)}"))
        return tuple(_value(v, kind, place) for v in value)
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise _wrong(place, "must be a table")
        return {k: _value(v, get_args(hint)[1], f"{place}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "a word in quotes"}
        raise _wrong(place, f"is {value!r}, not {names[hint]}")
    return value


def _alternative(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    """Of several tables the one that the value's `kind` names; the one without a kind where it names none."""
    named = {get_args(get_type_hints(k)["kind"])[0] if "kind" in get_type_hints(k) else None: k for k in kinds}
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in named:
        raise _wrong(f"{place}.kind", f"is {kind!r}", f"it is one of: {', '.join(k for k in named if k)}")
    return named[kind]


def build(kind: type[T], values: Any, place: str = "") -> T:
    """A dataclass from a table. Raises M4mError for unknown names, missing ones, and values of another type."""
    if not isinstance(values, dict):
        raise _wrong(place, "must be a table")
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    where = f"{place}." if place else ""
    if unknown := sorted(set(values) - known):
        raise _wrong(where + unknown[0], "is unknown", f"known: {', '.join(sorted(known))}")
    try:
        return kind(**{name: _value(value, hints[name], where + name) for name, value in values.items()})
    except TypeError as e:
        missing = str(e).partition(": ")[2] or str(e)
        raise _wrong(place or "file", f"lacks {missing}") from e


def with_setting(values: dict[str, Any], setting: str) -> dict[str, Any]:
    """The recipe's table with one `a.b=value` set, the value written as in TOML (bare words are strings)."""
    path, _, text = setting.partition("=")
    if not text or not all(path.split(".")):
        raise M4mError(f"--set {setting}: no name and value", "write --set optimizer.lr=0.001", USAGE)
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables, name = path.split(".")
    out = dict(values)
    inner = out
    for table in tables:
        if not isinstance(inner.get(table, {}), dict):
            raise M4mError(f"--set {setting}: {table} is no table", status=USAGE)
        inner[table] = dict(inner.get(table, {}))
        inner = inner[table]
    inner[name] = value
    return out


def as_value(value: Any) -> str:
    """A value as it is written in TOML."""
    if value == {}:
        return "{}"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {as_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_value, value))}]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if name.isascii() and name.replace("-", "_").isidentifier() else json.dumps(name, ensure_ascii=False)
