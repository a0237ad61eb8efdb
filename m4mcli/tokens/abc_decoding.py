"""From any ids whatever to music: what makes no sense where it stands is skipped and counted."""

from fractions import Fraction

from m4mcli.score.abc_assembly import assembled
from m4mcli.score.abc_fields import Key, VoiceInfo, parse_key, parse_metre
from m4mcli.score.abc_items import BarRest, Field, Head, Item, Line, Overlay, Sound, Symbol, Tie, Tuplet
from m4mcli.score.abc_measures import Voice
from m4mcli.score.abc_repeats import MOST_MEASURES
from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS
from m4mcli.score.score import Score
from m4mcli.tokens.abc_vocabulary import LOWEST_STEP, TUPLETS, VOCABULARY
from m4mcli.tokens.scheme import Tokens, TokenTrack

V = VOCABULARY
UNIT = Fraction(1, 4)
HEADER = ("Metre", "Tempo", "Key", "Voice", "Program", "Drums")
SOUNDS = ("Accidental", "Note", "Rest", "Open")
FIELDS = {"NewMetre": "M", "NewKey": "K", "NewTempo": "Q"}
LONGEST = 64
"""Quarters that a single sound or rest lasts at most."""


def decode(tokens: Tokens) -> tuple[Score, int]:
    """The piece that any ids are, and how many of them were skipped. All velocities are those of ABC."""
    reader = _Reader(tokens.ids.reshape(-1).tolist())
    reader.read()
    told = dict(enumerate(tokens.tracks))
    voices = []
    for number, voice in enumerate(reader.voices):
        voice.end()
        track = told.get(number, TokenTrack())
        voice.info = VoiceInfo(track.name, voice.info.program, voice.info.is_drum)
        voices.append(voice)
    sounding = [voice for voice in voices if voice.measures]
    if not sounding:
        return Score(tokens.tpq), reader.skipped
    score, _ = assembled(sounding, tpq=tokens.tpq)
    return score, reader.skipped


class _Reader:
    """The ids of a piece, read one after another."""

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids
        self.skipped = 0
        self.voices: list[Voice] = []
        self._kinds = [self._kind(i) for i in ids]
        self._at = 0
        self._metre = ""
        self._key = ""
        self._tempo = ""
        self._infos: list[VoiceInfo] = []
        self._declared = 0
        self._turn = 0
        self._notes = 0

    @staticmethod
    def _kind(token: int) -> str:
        return V.fields[int(V.kinds[token])].name if 0 <= token < V.size else ""

    def _label(self, at: int) -> str:
        field = V.fields[int(V.kinds[self.ids[at]])]
        return field.label(self.ids[at] - V.start(field.name))

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._kinds[at] if at < len(self._kinds) else ""

    def read(self) -> None:
        """Read to the end."""
        if self._peek() == "START":
            self._at += 1
        self._header()
        while self._at < len(self.ids):
            if self._peek() == "STOP":
                self.skipped += sum(kind != "PAD" for kind in self._kinds[self._at + 1 :])
                return
            self._next()

    def _skip(self, count: int = 1) -> None:
        self.skipped += count
        self._at += count

    def _header(self) -> None:
        """The fields at the beginning; of two that say the same, the first counts."""
        while (kind := self._peek()) in HEADER:
            label = self._label(self._at)
            if kind == "Metre" and not self._metre:
                self._metre = label
            elif kind == "Key" and not self._key:
                self._key = label
            elif kind == "Tempo" and not self._tempo:
                self._tempo = label
            elif kind == "Voice" and int(label) == self._declared + 1:
                self._infos = [*self._infos[: self._declared], VoiceInfo()]
                self._declared += 1
            elif kind in ("Program", "Drums") and self._kinds[self._at - 1 : self._at] not in (["Program"], ["Drums"]):
                info = VoiceInfo(program=int(label)) if kind == "Program" else VoiceInfo(is_drum=True)
                self._infos = [*self._infos[: max(self._declared - 1, 0)], info]
            else:
                self.skipped += 1
            self._at += 1
        metre = parse_metre(self._metre, None)
        key = parse_key(self._key, Key()) if self._key else Key()
        infos = self._infos or [VoiceInfo()]
        self.voices = [Voice(metre, key, UNIT, info) for info in infos]
        if self._tempo:
            self.voices[0].change("Q", f"1/4={self._tempo}")

    def _next(self) -> None:
        """One token, or several that belong together, of the body."""
        kind = self._peek()
        if kind == "Turn" and 1 <= int(self._label(self._at)) <= self._declared:
            self._turn = int(self._label(self._at)) - 1
            self._at += 1
        elif kind in FIELDS:
            label = self._label(self._at)
            self._take(Field(FIELDS[kind], f"1/4={label}" if kind == "NewTempo" else label), 1)
        elif kind == "Root":
            self._symbol()
        elif kind == "Tuplet" and self._peek(1) in SOUNDS:
            r = TUPLETS.index(self._label(self._at)) + 1
            self._take(Tuplet(3, 2, r), 1)
        elif kind in SOUNDS:
            self._sound()
        elif kind == "BarRest" and self._room(Fraction(LONGEST)):
            self._take(BarRest(1), 1)
        elif kind == "Overlay":
            self._take(Overlay(), 1)
        elif kind in ("Bar", "Row"):
            self._take(Line(False, 0, False), 1)
        else:
            self._skip()

    def _take(self, item: Item, count: int) -> None:
        self.voices[self._turn].take(item)
        self._at += count

    def _room(self, length: Fraction) -> bool:
        voice = self.voices[self._turn]
        return voice.reached + length <= MAX_QUARTERS and len(voice.measures) < MOST_MEASURES

    def _symbol(self) -> None:
        label, count = self._label(self._at), 1
        for kind, template in (("Quality", "{}"), ("Bass", "/{}")):
            if self._peek(count) == kind:
                label += template.format(self._label(self._at + count))
                count += 1
        if self._peek(count) == "Quote" and (count == 1 or label[0] != "N"):
            self._take(Symbol(label), count + 1)
        else:
            self._skip(count)

    def _sound(self) -> None:
        """A note, a chord or a rest with its length and its tie."""
        kind, count = self._peek(), 1
        heads: list[Head] = []
        if kind == "Open":
            while self._peek(count) in ("Accidental", "Note"):
                head, used = self._head(count)
                count += used
                if head is None:
                    break
                heads.append(head)
            if not heads or self._peek(count) != "Close":
                self._skip(count)
                return
            count += 1
        elif kind != "Rest":
            head, count = self._head(0)
            if head is None:
                self._skip(count)
                return
            heads.append(head)
        length = Fraction(1)
        if self._peek(count) == "Length":
            place = self.ids[self._at + count] - V.start("Length") + 1
            length = Fraction(place + (place > 1), 2)
            count += 1
        tie = bool(heads) and self._peek(count) == "Tie"
        count += tie
        if not self._room(length * UNIT) or self._notes + len(heads) > MAX_NOTES:
            self._skip(count)
            return
        self._notes += max(len(heads), 1)
        self._take(Sound(tuple(head._replace(length=length) for head in heads), length), count)
        if tie:
            self.voices[self._turn].take(Tie())

    def _head(self, at: int) -> tuple[Head | None, int]:
        """The note that begins so many tokens ahead, and how many tokens it has."""
        accidental = None
        used = 0
        if self._peek(at) == "Accidental":
            accidental = 2 - (self.ids[self._at + at] - V.start("Accidental"))
            used = 1
        if self._peek(at + used) != "Note":
            return None, used
        step = self.ids[self._at + at + used] - V.start("Note") + LOWEST_STEP
        return Head(step, accidental), used + 1
