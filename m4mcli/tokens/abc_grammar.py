"""The order of tokens in the scheme `abc`."""

from typing import NamedTuple

import numpy as np

from m4mcli.tokens.abc_vocabulary import MOST_VOICES, ROOTS, VOCABULARY
from m4mcli.tokens.grammar import Grammar, Mask, State

V = VOCABULARY
NAMES = tuple(field.name for field in V.fields)
SOUND = ("Accidental", "Note", "Rest", "Open")
HEADS = ("NewMetre", "NewKey", "NewTempo", "Root")
"""What may be told before a sound, in this order; the first two where a bar begins."""

HEADER = ("START", "Metre", "Tempo", "Key", "Voice", "Program", "Drums")


class At(NamedTuple):
    """Where a piece stands.

    The last field; how many voices are declared, and whose turn it is (0: nobody's yet); how many sounds a tuplet still
    has; how many notes of a chord there are (0: none is open); how far the marks before a sound are told; whether the
    line's bar has sounds yet; whether it is another line of the bar; whether a chord symbol is silence.
    """

    last: str = ""
    voices: int = 0
    turn: int = 0
    left: int = 0
    open: int = 0
    told: int = 0
    filled: bool = False
    overlay: bool = False
    silent: bool = False


class AbcGrammar(Grammar):
    """Header, then bar by bar all voices in turn, each with its lines; tuplets are whole."""

    def start(self) -> State:
        """The state before the first id."""
        return At()

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        return state[0] in ("STOP", "PAD")

    def allowed_next(self, state: State) -> Mask:
        """Which ids may come next."""
        at = At(*state)
        mask = np.zeros(V.size, np.bool_)
        for name in self._names(at):
            mask[V.span(name)] = True
        if mask[V.start("Voice")]:
            mask[V.span("Voice")] = False
            mask[V.start("Voice") + at.voices] = True
        if mask[V.start("Turn")]:
            mask[V.span("Turn")] = False
            mask[V.start("Turn") + at.turn] = True
        return mask

    def _names(self, at: At) -> tuple[str, ...]:
        if at.last in HEADER or not at.last:
            return self._header(at)
        match at.last:
            case "STOP" | "PAD":
                return ("PAD",)
            case "Row":
                return (*self._row(at), "STOP")
            case "Turn" | "NewMetre" | "NewKey" | "NewTempo":
                return self._bar(at)
            case "Root":
                return ("Quote",) if at.silent else ("Quality", "Bass", "Quote")
            case "Quality":
                return ("Bass", "Quote")
            case "Bass":
                return ("Quote",)
            case "Quote" | "Overlay":
                return (*SOUND, *self._tuplet(at))
            case "Tuplet":
                return SOUND
            case "Accidental":
                return ("Note",)
            case "Open":
                return ("Accidental", "Note")
            case "BarRest":
                return ("Bar",)
            case "Bar":
                return self._row(at) if at.turn < at.voices else ("Row",)
        return self._sounded(at)

    def _header(self, at: At) -> tuple[str, ...]:
        match at.last:
            case "":
                return ("START",)
            case "START":
                return ("Metre", "Tempo", "Key")
            case "Metre":
                return ("Tempo", "Key")
            case "Tempo":
                return ("Key",)
            case "Key":
                return ("Voice", "Program", "Drums", *self._row(at), "STOP")
        more = ("Voice",) if 0 < at.voices < MOST_VOICES else ()
        instrument = ("Program", "Drums") if at.last == "Voice" else ()
        return (*more, *instrument, *(self._row(at) if at.voices != 1 else ()))

    def _row(self, at: At) -> tuple[str, ...]:
        """What a bar begins with."""
        return ("Turn",) if at.voices else self._bar(at)

    def _bar(self, at: At) -> tuple[str, ...]:
        """What may stand where a bar of a voice begins, behind the marks that are told."""
        heads = HEADS if at.turn < 2 else HEADS[:2]
        rest = ("BarRest",) if at.told < 3 else ()
        return (*heads[at.told :], *rest, *SOUND, *self._tuplet(at))

    def _tuplet(self, at: At) -> tuple[str, ...]:
        return () if at.left else ("Tuplet",)

    def _sounded(self, at: At) -> tuple[str, ...]:
        """What may stand behind a note, a rest, their length, a tie."""
        if at.open:
            return ("Accidental", "Note", *(("Close",) if at.open > 1 else ()))
        length = ("Length",) if at.last in ("Note", "Rest", "Close") else ()
        tie = ("Tie",) if at.last in ("Note", "Close", "Length") and not at.silent else ()
        marks = HEADS[2:] if at.turn < 2 and not at.overlay else ()
        ends = () if at.left else ("Overlay", "Bar", "Tuplet")
        return (*length, *tie, *marks, *SOUND, *ends)

    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""
        at = At(*state)
        place = int(V.kinds[token])
        name, value = NAMES[place], token - V.offsets[place]
        at = at._replace(last=name)
        if name in HEADS:
            silent = name == "Root" and value == len(ROOTS)
            return at._replace(told=HEADS.index(name) + 1, silent=silent)
        match name:
            case "Voice":
                return at._replace(voices=at.voices + 1)
            case "Turn":
                return At(name, at.voices, value + 1)
            case "Tuplet":
                return at._replace(left=value + 1)
            case "Open":
                return at._replace(open=1, told=0)
            case "Note" if at.open:
                return at._replace(open=at.open + 1 if at.open < 3 else 3)
            case "Note" | "Rest" | "Close":
                return at._replace(left=max(at.left - 1, 0), open=0, told=0, silent=name == "Rest")
            case "Overlay":
                return at._replace(overlay=True, told=0)
            case "Row":
                return At(name, at.voices)
            case "Bar":
                return At(name, at.voices, at.turn)
        return at
