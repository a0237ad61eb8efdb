"""The order of tokens in the scheme `mmm`."""

from typing import NamedTuple

import numpy as np

from m4mcli.tokens import mmm_vocabulary as v
from m4mcli.tokens.grammar import Grammar, Mask, State

HIGHEST = 127


class At(NamedTuple):
    """Where a piece stands.

    `kind` is the last id's field, `metres` those of its bars, `bars` how many of them the track has begun; `place` and
    `pitch` are the last in the bar that is written. `missing` are bars to be filled in, (place of the metre, drums), of
    which `filled` are; `drums` and `metre` are those of the bar. `silent` is told of a bar before its notes.
    """

    kind: int = -1
    metres: tuple[int, ...] = ()
    tracks: int = 0
    bars: int = 0
    drums: bool = False
    metre: int = 0
    place: int = -1
    pitch: int = -1
    missing: tuple[tuple[int, bool], ...] = ()
    filled: int = 0
    silent: bool = False


class MmmGrammar(Grammar):
    """Metres, tracks with a bar for each, then the bars to be filled in; in a bar nothing goes back."""

    def start(self) -> State:
        """The state before the first id."""
        return At()

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        return state[0] in (v.STOP, v.PAD)

    def allowed_next(self, state: State) -> Mask:
        """Which ids may come next."""
        at = At(*state)
        mask = np.zeros(v.VOCABULARY.size, np.bool_)
        for kind in self._kinds(at):
            span = mask[v.FIRST[kind] :][: v.VOCABULARY.fields[kind].size]
            if kind == v.POSITION:
                span[at.place + 1 : v.LENGTHS[at.metre] * v.PER_SIXTEENTH] = True
            elif kind in (v.PITCH, v.DRUM):
                span[at.pitch + 1 :] = True
            else:
                span[:] = True
        return mask

    def _kinds(self, at: At) -> tuple[int, ...]:
        note = v.DRUM if at.drums else v.PITCH
        match at.kind:
            case -1:
                return (v.START,)
            case v.START:
                return (v.METRE, v.STOP)
            case v.METRE:
                return (*((v.METRE,) if len(at.metres) < v.BARS else ()), v.TRACK, v.STOP)
            case v.TRACK:
                return (v.PROGRAM,)
            case v.PROGRAM | v.FILL:
                return (v.DENSITY,)
            case v.DENSITY if at.filled:
                return self._onward(at) if at.silent else (v.POSITION,)
            case v.BAR:
                return (v.POSITION, *self._onward(at))
            case v.POSITION:
                return (note,)
            case v.PITCH:
                return (v.DURATION,)
            case v.DURATION | v.DRUM:
                return (note, v.POSITION, *self._onward(at))
            case v.STOP | v.PAD:
                return (v.PAD,)
        return self._onward(at)

    def _onward(self, at: At) -> tuple[int, ...]:
        """What may follow behind a bar."""
        if not at.filled and at.bars < len(at.metres):
            return (v.BAR, v.FILL_IN)
        last = v.FILL if at.filled < len(at.missing) else v.STOP
        return (last,) if at.filled or at.tracks == v.TRACKS else (v.TRACK, last)

    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""
        at = At(*state)
        kind = int(v.KINDS[token])
        value, at = token - v.FIRST[kind], at._replace(kind=kind)
        match kind:
            case v.METRE:
                return at._replace(metres=(*at.metres, value))
            case v.TRACK:
                return at._replace(tracks=at.tracks + 1, bars=0)
            case v.PROGRAM:
                return at._replace(drums=value == v.DRUMS)
            case v.DENSITY:
                return at._replace(silent=bool(at.filled) and value == 0)
            case v.BAR:
                return at._replace(metre=at.metres[at.bars], bars=at.bars + 1, place=-1, pitch=-1)
            case v.FILL_IN:
                return at._replace(missing=(*at.missing, (at.metres[at.bars], at.drums)), bars=at.bars + 1)
            case v.FILL:
                metre, drums = at.missing[at.filled]
                return at._replace(metre=metre, drums=drums, filled=at.filled + 1, place=-1, pitch=-1)
            case v.POSITION:
                return at._replace(place=value, pitch=-1)
            case v.PITCH | v.DRUM:
                return at._replace(pitch=value)
        return at
