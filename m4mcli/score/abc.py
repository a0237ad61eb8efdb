"""ABC notation: tunes as people write them, in text, as a `Score`.

The ABC standard 2.1 (C. Walshaw, 2011), and what older files have beside it. Repeats, endings and parts are written
out; each voice is a track; chord symbols become a track of block chords with the symbols as its lyrics. Grace notes,
ornaments, slurs and macros have no place in a score and are left out.
"""

import re
from collections.abc import Iterator

from m4mcli.errors import M4mError
from m4mcli.score.abc_assembly import assembled
from m4mcli.score.abc_fields import (
    Key,
    Metre,
    VoiceInfo,
    default_unit,
    parse_key,
    parse_metre,
    parse_midi,
    parse_unit,
    parse_voice,
)
from m4mcli.score.abc_items import Field, items
from m4mcli.score.abc_measures import Voice
from m4mcli.score.container import MAX_TRACKS, counted
from m4mcli.score.score import Score

TUNE = re.compile(r"^X:", re.MULTILINE)
MOST_CHARACTERS = 4 << 20
IN_BODY = "IKLMmNPQRrsTUVWw"
"""Letters of the fields that may stand as a line between lines of music; others are notes."""


def split_tunes(text: str) -> list[str]:
    """The tunes of a collection, each with the collection's own header before it."""
    lines = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    starts = [match.start() for match in TUNE.finditer(lines)]
    if not starts:
        return [lines] if lines.strip() else []
    header = "".join(f"{line}\n" for line in lines[: starts[0]].splitlines() if re.match(r"[A-Za-z]:|%%", line))
    return [header + lines[start:stop] for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True)]


def read_abc(text: str) -> Score:
    """The first tune of an ABC text. Raises M4mError where there is no tune, or it is beyond what m4m reads."""
    return read_tune(text)[0]


def read_tune(text: str) -> tuple[Score, tuple[str, ...]]:
    """The first tune of an ABC text, and warnings about what is left out. Raises M4mError as `read_abc` does."""
    tunes = split_tunes(text[: MOST_CHARACTERS + 1])
    if len(text) > MOST_CHARACTERS and len(tunes) < 2:
        raise M4mError(f"an ABC tune of more than {MOST_CHARACTERS >> 20} MiB", "split it first")
    if not tunes:
        raise M4mError("no ABC tune in it", "a tune begins with X:1")
    tune = _Tune()
    for line in _lines(tunes[0]):
        tune.read(line)
    score, warnings = assembled(tune.ended(), tune.parts, tune.title)
    more = [f"tunes: the first of {len(tunes)} is read"] if len(tunes) > 1 else []
    return score, (*more, *warnings)


def _lines(tune: str) -> Iterator[str]:
    """The lines without comments; a tune ends with an empty line behind its music."""
    has_music = False
    for raw in tune.splitlines():
        line = raw if raw.startswith("%%") else re.sub(r"(?<!\\)%.*", "", raw).rstrip()
        if not line.strip():
            if has_music and not raw.startswith("%"):
                return
            continue
        has_music |= not re.match(r"[A-Za-z+]:|%%", line)
        yield line


class _Tune:
    """A tune while it is read: its header, and its voices."""

    def __init__(self) -> None:
        self.title = ""
        self.parts = ""
        self._key: Key | None = None
        self._metre: Metre | None = None
        self._unit_told: str = ""
        self._tempo = ""
        self._common = VoiceInfo()
        self._told: dict[str, VoiceInfo] = {}
        self._voices: dict[str, Voice] = {}
        self._name = ""
        self._part = ""

    def read(self, line: str) -> None:
        """One more line."""
        if line.startswith("%%") or line.startswith("I:"):
            self._directive(line[2:].strip())
        elif re.match(r"[A-Za-z]:", line) and (self._key is None or line[0] in IN_BODY):
            self._field(line[0], line[2:].strip())
        elif self._key is not None:
            self._music(line)

    def ended(self) -> list[Voice]:
        """The voices that have music, in the order in which they were named."""
        for voice in self._voices.values():
            voice.end()
        found = [voice for voice in self._voices.values() if voice.measures]
        if not found:
            raise M4mError("an ABC tune without music", "a tune's music follows its K: field")
        return found

    def _voice(self) -> Voice:
        if self._name not in self._voices:
            if len(self._voices) == MAX_TRACKS:
                raise M4mError(f"more than the {counted(MAX_TRACKS, 'voice')} that m4m reads", "split it first")
            unit = parse_unit(self._unit_told) or default_unit(self._metre)
            info = self._told.get(self._name, self._common)
            voice = Voice(self._metre, self._key or Key(), unit, info, part=self._part)
            if self._tempo and not self._voices:
                voice.change("Q", self._tempo)
            self._voices[self._name] = voice
        return self._voices[self._name]

    def _directive(self, text: str) -> None:
        if not text.startswith("MIDI"):
            return
        words = text[4:].lstrip("= ")
        if self._key is None:
            self._common = parse_midi(words, self._common)
        else:
            voice = self._voice()
            voice.info = parse_midi(words, voice.info)

    def _field(self, letter: str, value: str) -> None:
        if letter == "V":
            self._switch(value)
        elif letter == "w":
            self._voice().sing(value)
        elif letter == "P" and self._key is not None:
            self._part = value[:1]
            for voice in self._voices.values():
                voice.change("P", value)
        elif self._key is not None:
            if letter in "KMLQ":
                self._voice().change(letter, value)
        elif letter == "K":
            self._key = parse_key(value, Key())
            self._common = parse_voice(value, self._common)
        else:
            self._header(letter, value)

    def _header(self, letter: str, value: str) -> None:
        match letter:
            case "T":
                self.title = self.title or value
            case "M":
                self._metre = parse_metre(value, self._metre)
            case "L":
                self._unit_told = value
            case "Q":
                self._tempo = value
            case "P":
                self.parts = value

    def _switch(self, value: str) -> None:
        """Another voice: from here on, or in the header what is told of it."""
        self._name, _, properties = value.partition(" ")
        if self._key is None:
            told = self._told.get(self._name, self._common)
            self._told[self._name] = parse_voice(properties, told)
        else:
            voice = self._voice()
            voice.info = parse_voice(properties, voice.info)

    def _music(self, line: str) -> None:
        begun: set[str] = set()
        for item in items(line):
            if isinstance(item, Field) and item.letter in "VIPw":
                if item.letter in "VP":
                    self._field(item.letter, item.value)
                elif item.letter == "I":
                    self._directive(item.value)
                continue
            voice = self._voice()
            if self._name not in begun:
                begun.add(self._name)
                voice.begin_line()
            voice.take(item)
