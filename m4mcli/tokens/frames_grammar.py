"""The order of tokens in the scheme `frames`."""

from typing import NamedTuple

import numpy as np

from m4mcli.frames.frames import DRUMS
from m4mcli.tokens.frames_vocabulary import VOCABULARY
from m4mcli.tokens.grammar import Grammar, Mask, State

HEADS = ("TEMPO", "NUMERATOR", "KEY", "BAR")
NOTE = ("VOICE", "INSTRUMENT", "END")
NAMES = tuple(field.name for field in VOCABULARY.fields)
HIGHEST = 127


class At(NamedTuple):
    """Where a piece stands: the last field and its value, which heads are told, what the note begun is so far."""

    kind: str = ""
    value: int = 0
    told: int = 0
    bytes_left: int = 0
    zero: bool = True
    drums: bool = False
    tone: int = 0


class FramesGrammar(Grammar):
    """Heads before notes, a note's fields in their order, END behind each frame."""

    def start(self) -> State:
        """The state before the first id."""
        return At()

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        return state[0] in ("STOP", "PAD")

    def allowed_next(self, state: State) -> Mask:
        """Which ids may come next."""
        at = At(*state)
        mask = np.zeros(VOCABULARY.size, np.bool_)
        for name in self._names(at):
            mask[VOCABULARY.span(name)] = True
        if at.kind == "INSTRUMENT":
            tones = mask[VOCABULARY.span("TONE")]
            tones[:12], tones[12:] = not at.drums, at.drums
        if at.kind == "TONE" and not at.drums:
            mask[VOCABULARY.span("OCTAVE")] = np.arange(at.tone, 12 * 11, 12)[: 10 + 1] <= HIGHEST
        if at.kind == "DURATION":
            mask[VOCABULARY.span("DURATION")][at.value + 1 :] = False
        if at.bytes_left == 1 and at.zero:
            mask[VOCABULARY.start("BYTE")] = False
        return mask

    def _names(self, at: At) -> tuple[str, ...]:
        if at.bytes_left:
            return ("BYTE",)
        match at.kind:
            case "":
                return ("START",)
            case "START" | "END":
                return (*HEADS, *NOTE, "STOP")
            case "NUMERATOR":
                return ("DENOMINATOR",)
            case "VOICE":
                return ("INSTRUMENT",)
            case "INSTRUMENT":
                return ("TONE",)
            case "TONE":
                return ("DURATION",) if at.drums else ("OCTAVE",)
            case "OCTAVE":
                return ("DURATION",)
            case "DURATION":
                return ("DURATION", "VELOCITY", *NOTE)
            case "VELOCITY":
                return NOTE
            case "STOP" | "PAD":
                return ("PAD",)
        return (*HEADS[at.told :], *NOTE)

    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""
        at = At(*state)
        place = int(VOCABULARY.kinds[token])
        name, value = NAMES[place], token - VOCABULARY.offsets[place]
        if name == "BYTE":
            return at._replace(kind=name, bytes_left=at.bytes_left - 1, zero=at.zero and not value)
        at = at._replace(kind=name, value=value if name == "DURATION" else 0)
        if name in HEADS:
            bytes_left = 3 if name == "TEMPO" else 0
            return at._replace(told=HEADS.index(name) + 1, bytes_left=bytes_left, zero=True)
        if name == "INSTRUMENT":
            return at._replace(drums=value == DRUMS)
        if name == "TONE":
            return at._replace(tone=value)
        return At(name) if name in ("END", "STOP", "PAD") else at
