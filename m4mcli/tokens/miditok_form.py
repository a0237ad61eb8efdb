"""Settings in the words of MidiTok 3.1: its `TokenizerConfig`, its tokenizer files.

Token JSON has `config`, what differs from MidiTok's defaults, so that the same words give the same ids in both.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from m4mcli.errors import USAGE, M4mError
from m4mcli.tokens.settings import ALL_PROGRAMS, DRUM_PROGRAM, Settings, Spans

PLAIN = {
    "num_velocities": "velocities",
    "tempo_range": "tempo_range",
    "log_tempos": "log_tempos",
    "use_time_signatures": "use_time_signatures",
    "use_key_signatures": "key_signatures",
    "use_programs": "programs",
    "one_token_stream_for_programs": "one_stream",
    "program_changes": "program_changes",
    "use_rests": "rests",
    "use_chords": "chords",
    "chord_tokens_with_root_note": "chord_roots",
    "remove_duplicated_notes": "unique_notes",
    "delete_equal_successive_tempo_changes": "unique_tempos",
    "delete_equal_successive_time_sig_changes": "unique_signatures",
    "encode_ids_split": "split",
}
"""MidiTok's name for a setting that is written as it is here."""

MANY = 1000
"""More steps of tempo, chords or special tokens than any tokenizer has."""

WITHOUT = ("use_sustain_pedals", "use_pitch_bends", "use_control_changes", "use_pitch_intervals")
EXTRA = {"use_bar_end_tokens": "bar_ends", "add_trailing_bars": "trailing_bars"}
HINT = "m4m has no such tokens; make a tokenizer without them"


def settings_from_miditok(config: Mapping[str, Any]) -> Settings:
    """The settings that MidiTok's configuration names. Raises M4mError for what m4m has no tokens for."""
    try:
        return _from_miditok({**config, **(config.get("additional_params") or {})})
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise M4mError(f"not a MidiTok configuration ({error})", "it is the 'config' of a tokenizer.json") from error


def _from_miditok(config: Mapping[str, Any]) -> Settings:
    for name in WITHOUT:
        if config.get(name):
            raise M4mError(f"the tokenizer has {name}", HINT)
    for name, value in config.items():
        if name.startswith("ac_") and value is True:
            raise M4mError(f"the tokenizer has attribute controls ({name})", HINT)
    found: dict[str, Any] = {}
    for name, here in (*PLAIN.items(), *EXTRA.items()):
        if name in config:
            found[here] = _checked(name, config[name], getattr(Settings(), here))
    if config.get("use_velocities") is False:
        found["velocities"] = 0
    if config.get("use_tempos"):
        found["tempos"] = int(config.get("num_tempos", 32))
    for name, here in (("pitch_range", "pitches"), ("drums_pitch_range", "drum_pitches")):
        if name in config:
            found[here] = _range(name, config[name])
    if config.get("use_pitchdrum_tokens") is False:
        found["drum_pitches"] = None
    for name, here in (("beat_res", "resolution"), ("beat_res_rest", "rest_resolution")):
        if name in config:
            found[here] = spans_of(config[name])
    if "time_signature_range" in config:
        found["time_signatures"] = _signatures(config["time_signature_range"])
    if "chord_maps" in config:
        found["chord_maps"] = tuple((str(k), tuple(map(int, v))) for k, v in config["chord_maps"].items())
    if config.get("chord_unknown") is not None:
        found["unknown_chords"] = _pair(config["chord_unknown"])
    if "programs" in config:
        # The order of MidiTok's ids is that of a Python set.
        found["program_list"] = tuple(set(map(int, config["programs"])))
    if "special_tokens" in config:
        found["special"] = tuple(t if "_" in t else f"{t}_None" for t in config["special_tokens"])
    found["durations"] = _durations(config)
    if config.get("max_bar_embedding") is not None:
        found["most_bars"] = int(config["max_bar_embedding"])
    return _sound(replace(Settings(), **found))


def _sound(s: Settings) -> Settings:
    """The settings. Raises ValueError for values that no tokenizer has: a file may say anything."""
    low, high = s.tempo_range
    bounds = {
        "num_velocities": 0 <= s.velocities <= 127,
        "num_tempos": 0 <= s.tempos <= MANY,
        "tempo_range": 1 <= low < high <= 10 * MANY,
        "programs": set(s.program_list) <= {DRUM_PROGRAM, *ALL_PROGRAMS} and len(s.program_list) > 0,
        "chord_unknown": s.unknown_chords is None or 0 <= s.unknown_chords[0] <= s.unknown_chords[1] <= 128,
        "chord_maps": len(s.chord_maps) <= MANY,
        "special_tokens": 0 < len(s.special) <= MANY,
        "max_bar_embedding": 1 <= s.most_bars <= 100 * MANY,
        "beat_res_rest": not s.rests or max(n for _, _, n in s.rest_resolution) <= s.per_beat,
        "encode_ids_split": s.split in ("bar", "beat", "no"),
    }
    for name, sound in bounds.items():
        if not sound:
            raise ValueError(name)
    return s


def _checked(name: str, value: Any, like: Any) -> Any:
    if isinstance(like, tuple):
        return tuple(map(int, value))
    if type(value) is not type(like):
        raise ValueError(f"{name}: {json.dumps(value)}")
    return value


def _pair(value: Any) -> tuple[int, int]:
    low, high = map(int, value)
    return low, high


def _range(name: str, value: Any) -> tuple[int, int]:
    low, high = _pair(value)
    if not 0 <= low < high <= 127:
        raise ValueError(f"{name}: {low}-{high}")
    return low, high


def spans_of(value: Mapping[Any, int]) -> Spans:
    """MidiTok's resolutions, whose keys are pairs of beats or, in JSON, `0_4`."""
    keys = [tuple(map(int, k.split("_"))) if isinstance(k, str) else k for k in value]
    spans = tuple((int(a), int(b), int(n)) for (a, b), n in zip(keys, value.values(), strict=True))
    if not spans or any(not 0 <= a < b <= 1024 or not 1 <= n <= 96 for a, b, n in spans):
        raise ValueError(f"beat_res: {json.dumps([list(s) for s in spans])}")
    return spans


def _signatures(value: Mapping[Any, Any]) -> tuple[tuple[int, int], ...]:
    found = [(int(n), int(d)) for d, numerators in value.items() for n in numerators]
    if not found or any(not 1 <= n <= 255 or d not in (1, 2, 4, 8, 16, 32, 64) for n, d in found):
        raise ValueError("time_signature_range")
    return tuple(found)


def _durations(config: Mapping[str, Any]) -> bool:
    told = config.get("use_note_duration_programs")
    if told is None or set(map(int, told)) >= {DRUM_PROGRAM, *ALL_PROGRAMS}:
        return True
    if told:
        raise M4mError("the tokenizer has durations for some programs alone", HINT)
    return False


def settings_to_miditok(settings: Settings) -> dict[str, Any]:
    """What differs from MidiTok's defaults, in its words: `settings_from_miditok` gives the settings again."""
    changed = {f.name for f in fields(Settings) if getattr(settings, f.name) != getattr(Settings(), f.name)}
    told: dict[str, Any] = {
        name: getattr(settings, here) for name, here in (*PLAIN.items(), *EXTRA.items()) if here in changed
    }
    if not settings.velocities:
        told = {k: v for k, v in told.items() if k != "num_velocities"} | {"use_velocities": False}
    if settings.tempos:
        told |= {"use_tempos": True, "num_tempos": settings.tempos}
    if "pitches" in changed:
        told["pitch_range"] = settings.pitches
    if settings.drum_pitches is None:
        told["use_pitchdrum_tokens"] = False
    elif "drum_pitches" in changed:
        told["drums_pitch_range"] = settings.drum_pitches
    for name, here in (("beat_res", "resolution"), ("beat_res_rest", "rest_resolution")):
        if here in changed:
            told[name] = {f"{a}_{b}": n for a, b, n in getattr(settings, here)}
    if "time_signatures" in changed:
        told["time_signature_range"] = _by_denominator(settings.time_signatures)
    if "chord_maps" in changed:
        told["chord_maps"] = dict(settings.chord_maps)
    if settings.unknown_chords is not None:
        told["chord_unknown"] = settings.unknown_chords
    if "program_list" in changed:
        told["programs"] = settings.program_list
    if "special" in changed:
        told["special_tokens"] = settings.special
    if not settings.durations:
        told["use_note_duration_programs"] = []
    if "most_bars" in changed:
        told["max_bar_embedding"] = settings.most_bars
    plain: dict[str, Any] = json.loads(json.dumps(told))
    return plain


def _by_denominator(signatures: tuple[tuple[int, int], ...]) -> dict[str, list[int]]:
    told: dict[str, list[int]] = {}
    for numerator, denominator in signatures:
        told.setdefault(str(denominator), []).append(numerator)
    return told


def settings_from_file(text: str, name: str) -> tuple[str, Settings]:
    """The scheme (MidiTok's class name) and settings of a MidiTok tokenizer file. Raises M4mError where it is none."""
    try:
        form = json.loads(text)
        tokenization, config = form["tokenization"], form["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise M4mError(f"{name}: not a MidiTok tokenizer file", "save one with tokenizer.save()", USAGE) from error
    try:
        settings = settings_from_miditok(config)
        if tokenization == "REMI" and config.get("max_bar_embedding") is not None:
            raise M4mError("the tokenizer numbers its bars (max_bar_embedding)", HINT)
        return str(tokenization), settings
    except M4mError as error:
        raise M4mError(f"{name}: {error.message}", error.hint) from error
