"""The schemes that write words one after another as MidiTok does: `remi`, `tsd`, `midilike`, `structured`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from m4mcli.errors import M4mError
from m4mcli.score.container import counted
from m4mcli.score.score import Score
from m4mcli.tokens.decoding import Heads, Meanings, Notes, Words, meanings, words_of
from m4mcli.tokens.events import Ids, Writer
from m4mcli.tokens.grammar import Grammar
from m4mcli.tokens.gridded import Gridded, GridPart, gridded
from m4mcli.tokens.losses import without_tokens
from m4mcli.tokens.midilike import midilike_read, midilike_vocabulary, midilike_writer
from m4mcli.tokens.music import room_left, score_of
from m4mcli.tokens.remi import remi_ids, remi_read, remi_vocabulary
from m4mcli.tokens.scheme import Scheme, Tokens, TokenTrack
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.structured import (
    StructuredGrammar,
    structured_ids,
    structured_read,
    structured_settings,
    structured_vocabulary,
)
from m4mcli.tokens.times import Times
from m4mcli.tokens.tsd import shifted_ids, tsd_read, tsd_vocabulary
from m4mcli.tokens.vocabulary import Vocabulary
from m4mcli.tokens.word_grammar import WordGrammar

Write = Callable[[Gridded, Sequence[GridPart]], tuple[Ids, Times]]
Read = Callable[[Words, Meanings, int], tuple[Notes, Heads]]


@dataclass(frozen=True)
class WordScheme:
    """One of these schemes with its settings: how a sequence is written and read."""

    name: str
    settings: Settings
    vocabulary: Vocabulary
    meanings: Meanings
    write: Write
    read: Read
    binned: bool

    def encode(self, score: Score) -> tuple[Tokens, tuple[str, ...]]:
        """The tokens of a piece, and warnings."""
        s = self.settings
        grid = gridded(score, s, binned=self.binned)
        streams: list[Sequence[GridPart]] = [grid.parts] if s.single else [[part] for part in grid.parts]
        found = [self.write(grid, parts) for parts in streams or [()]]
        ids = [self._led(ids, parts) for (ids, _), parts in zip(found, streams or [()], strict=True)]
        tracks = [score.tracks[part.source] for part in grid.parts]
        tokens = Tokens(
            self.name,
            ids[0] if len(ids) == 1 else np.concatenate(ids),
            score.tpq,
            tuple(TokenTrack(t.name, t.program, t.is_drum) for t in tracks),
            None if s.single else tuple(map(len, ids)),
            s,
            bars=self._bars(grid, found),
        )
        return tokens, (*self._lost(score, grid), *without_tokens(score))

    def _led(self, ids: Ids, parts: Sequence[GridPart]) -> Ids:
        """The ids of one track behind its instrument, where that is told once."""
        if self.settings.single or not self.settings.program_changes or not parts:
            return ids
        program = self.vocabulary.start("Program") + self.settings.program_list.index(parts[0].program)
        return np.concatenate([np.array([program]), ids])

    def _bars(self, grid: Gridded, found: Sequence[tuple[Ids, Times]]) -> Ids:
        """The places at which bars begin in the ids: what BPE does not merge across."""
        ticks = grid.bar_ticks(grid.last)[1:]
        lead = int(self.settings.program_changes and not self.settings.single)
        places, before = [], 0
        for ids, time in found:
            inside = np.searchsorted(time, ticks)
            places.append(np.concatenate([np.zeros(1, np.int64), inside[inside < len(ids)] + lead]) + before)
            before += len(ids) + lead
        return np.concatenate(places)

    def _lost(self, score: Score, grid: Gridded) -> tuple[str, ...]:
        if not grid.dropped:
            return ()
        return (f"out-of-range: {grid.dropped} of {counted(score.note_count, 'note')} left out (see --pitches)",)

    def decode(self, tokens: Tokens) -> tuple[Score, int]:
        """The piece that any ids are, and how many of them were skipped."""
        s = self.settings
        found: list[Notes] = []
        heads: Heads | None = None
        skipped = 0
        flat = tokens.ids.reshape(-1)
        sequences = (flat,) if s.single or tokens.lengths is None else tokens.sequences
        for number, ids in enumerate(sequences):
            track = tokens.tracks[number] if number < len(tokens.tracks) and not s.single else TokenTrack()
            words = words_of(ids, self.meanings, DRUM_PROGRAM if track.is_drum else track.program)
            notes, told = self.read(words, self.meanings, room_left(found))
            skipped += words.cut + int((~words.used).sum())
            found.append(notes)
            heads = heads or told
        return score_of(tokens, s, found, heads or Heads([], [], [])), skipped


def word_scheme(name: str, settings: Settings) -> Scheme:
    """The scheme of that name with these settings. Raises M4mError for settings that it has no room for."""
    if not settings.durations and settings.rests:
        raise M4mError("rests need durations", "leave out --rests")
    made, grammar, breaks = _made(name, settings)
    v = made.vocabulary
    start = v.start(breaks)
    return Scheme(name, 1, v, -1, made.encode, made.decode, grammar, start, made.settings)


def _made(name: str, settings: Settings) -> tuple[WordScheme, Grammar, str]:
    if name == "structured":
        settings = structured_settings(settings)
        v = structured_vocabulary(settings)
        m = meanings(settings, v)

        def written(grid: Gridded, parts: Sequence[GridPart]) -> tuple[Ids, Times]:
            return structured_ids(grid, parts, settings, v)

        made = WordScheme(name, settings, v, m, written, structured_read, True)
        return made, StructuredGrammar(v, settings, m), "TimeShift"
    v = {"remi": remi_vocabulary, "tsd": tsd_vocabulary, "midilike": midilike_vocabulary}[name](settings)
    m = meanings(settings, v)
    writer = midilike_writer(settings) if name == "midilike" else Writer(v, settings)
    ids = remi_ids if name == "remi" else shifted_ids

    def write(grid: Gridded, parts: Sequence[GridPart]) -> tuple[Ids, Times]:
        return ids(grid, parts, writer)

    read = {"remi": remi_read, "tsd": tsd_read, "midilike": midilike_read}[name]
    made = WordScheme(name, settings, v, m, write, read, name != "midilike")
    grammar = WordGrammar(v, settings, m, bars=name == "remi", on_off=name == "midilike")
    return made, grammar, "Bar" if name == "remi" else "TimeShift"
