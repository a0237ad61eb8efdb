"""Schemes whose tokens are rows of ids, made from REMI's words: what `cpword` and `octuple` have in common.

A word of REMI is an id in one of the columns, by its name. Rows that end a piece, begin one or fill a batch have EOS,
BOS or PAD in all columns.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from m4mcli.score.score import Score
from m4mcli.tokens.decoding import DRUM, PITCH, Bools, Heads, Meanings, Notes
from m4mcli.tokens.grammar import Grammar, Mask, State
from m4mcli.tokens.music import room_left, score_of
from m4mcli.tokens.scheme import Scheme, Tokens, TokenTrack
from m4mcli.tokens.settings import DRUM_PROGRAM, Settings
from m4mcli.tokens.vocabulary import Field, Vocabulary
from m4mcli.tokens.words import special_fields

NONE = -1

Ids = NDArray[np.int64]
Read = Callable[["Rows", int, int], tuple[Notes, Heads, Bools]]
"""From rows, the program of the track, and the room for notes: notes, heads, and which rows made sense."""


def column_vocabulary(settings: Settings, columns: Sequence[Sequence[Field]]) -> Vocabulary:
    """A vocabulary of columns, each of which begins with the special tokens."""
    special = special_fields(settings)
    whole = [[*special, *fields] for fields in columns]
    return Vocabulary(tuple(field for fields in whole for field in fields), tuple(map(len, whole)))


@dataclass(frozen=True)
class Columns:
    """How REMI's words lie in columns: for each word its column and id there, for each id of a column its word."""

    names: tuple[tuple[str, ...], ...]
    column: Ids
    place: Ids
    words: tuple[Ids, ...]
    specials: int

    def of(self, field: str) -> int:
        """The column that has a field; -1 for none."""
        return next((c for c, names in enumerate(self.names) if f"{field}_" in _starts(names)), NONE)

    def id_of(self, column: int, name: str) -> int:
        """The id of a token in a column."""
        return self.names[column].index(name)


def _starts(names: tuple[str, ...]) -> set[str]:
    return {name.split("_")[0] + "_" for name in names}


def columns_of(v: Vocabulary, remi: Vocabulary, settings: Settings) -> Columns:
    """The columns of a vocabulary, with REMI's words by their names."""
    names = tuple(table.names for table in v.tables())
    column, place = np.full(remi.size, NONE), np.full(remi.size, NONE)
    specials = len(settings.special)
    for c, ours in enumerate(names):
        where = {name: i for i, name in enumerate(ours) if i >= specials}
        for word, name in enumerate(remi.names):
            if name in where and word >= specials:
                column[word], place[word] = c, where[name]
    words = tuple(np.full(len(ours) + 1, NONE) for ours in names)
    for word in np.flatnonzero(column >= 0).tolist():
        words[column[word]][place[word]] = word
    return Columns(names, column, place, words, specials)


@dataclass(frozen=True)
class Rows:
    """Rows up to the end of a piece: ids (n, columns), and how many stand behind it; which are no more than filling."""

    ids: Ids
    filling: Bools
    cut: int

    def words(self, columns: Columns, column: int) -> Ids:
        """REMI's words in a column; NONE for what is none."""
        table = columns.words[column]
        ids = self.ids[:, column]
        return table[np.where((ids < 0) | (ids >= len(table)), len(table) - 1, ids)]


def rows_of(ids: Ids, columns: Columns) -> Rows:
    """The rows apart: PAD is filling wherever it stands, BOS at the beginning, EOS at the end."""
    names = columns.names[0][: columns.specials]
    first = ids[:, 0]

    def whole(name: str) -> Bools:
        if name not in names:
            return np.zeros(len(ids), np.bool_)
        return np.asarray((ids == names.index(name)).all(1))

    filling, stops = whole("PAD_None"), np.flatnonzero(whole("EOS_None"))
    cut = 0
    if len(stops):
        cut = int((~filling[stops[0] + 1 :]).sum())
        ids, filling, first = ids[: stops[0] + 1], filling[: stops[0] + 1], first[: stops[0] + 1]
        filling[stops[0]] = True
    begins = np.flatnonzero(~filling)[:1]
    if len(begins) and "BOS_None" in names and (ids[begins[0]] == names.index("BOS_None")).all():
        filling[begins] = True
    return Rows(ids, filling, cut)


@dataclass(frozen=True)
class CompoundScheme:
    """A scheme of rows with its settings, over the REMI scheme that tells the same."""

    name: str
    settings: Settings
    vocabulary: Vocabulary
    columns: Columns
    meanings: Meanings
    remi: Scheme
    write: Callable[[Ids], Ids]
    read: Read

    def encode(self, score: Score) -> tuple[Tokens, tuple[str, ...]]:
        """The tokens of a piece, and warnings."""
        words, warnings = self.remi.encode(score)
        found = [self.write(ids) for ids in words.sequences]
        notes = sum(int(self.notes_of(ids)) for ids in words.sequences)
        lost = notes - sum(self.notes_in(rows) for rows in found)
        told = (f"too-long: {lost} of {notes} notes left out, behind bar {self.settings.most_bars}",) if lost else ()
        whole = np.concatenate(found) if len(found) != 1 else found[0]
        lengths = None if self.settings.single else tuple(map(len, found))
        tokens = replace(words, scheme=self.name, ids=whole, lengths=lengths, settings=self.settings, bars=whole[:0, 0])
        return tokens, (*told, *warnings)

    def notes_of(self, ids: Ids) -> int:
        """How many notes REMI's words have."""
        kind, _ = self.meanings.of(ids)
        return int(((kind == PITCH) | (kind == DRUM)).sum())

    def notes_in(self, rows: Ids) -> int:
        """How many notes rows have."""
        words = Rows(rows, np.zeros(len(rows), np.bool_), 0).words(self.columns, self.columns.of("Pitch"))
        return int((words >= 0).sum())

    def decode(self, tokens: Tokens) -> tuple[Score, int]:
        """The piece that any rows are, and how many of them were skipped."""
        width = len(self.vocabulary.columns)
        ids = tokens.ids if tokens.ids.ndim > 1 and tokens.ids.shape[1] == width else np.zeros((0, width), np.int64)
        skipped = len(tokens.ids) - len(ids)
        whole = replace(tokens, ids=ids)
        sequences = (ids,) if self.settings.single or tokens.lengths is None else whole.sequences
        found: list[Notes] = []
        heads: Heads | None = None
        for number, sequence in enumerate(sequences):
            track = tokens.tracks[number] if number < len(tokens.tracks) and not self.settings.single else TokenTrack()
            rows = rows_of(sequence, self.columns)
            program = DRUM_PROGRAM if track.is_drum else track.program
            notes, told, used = self.read(rows, program, room_left(found))
            skipped += rows.cut + int((~used & ~rows.filling).sum())
            found.append(notes)
            heads = heads or told
        return score_of(tokens, self.settings, found, heads or Heads([], [], [])), skipped


@dataclass(frozen=True)
class RowGrammar(Grammar):
    """Rows, column by column. The state is (ids of the row so far, what the scheme keeps of the rows before).

    A scheme says in `allowed` which ids a column may have, and in `after` what it keeps behind a row.
    """

    vocabulary: Vocabulary
    settings: Settings
    columns: Columns
    meanings: Meanings

    def start(self) -> State:
        """The state before the first id."""
        return ((), self.begin())

    @abstractmethod
    def begin(self) -> State:
        """What is kept before the first row; its first item names the last row."""

    @abstractmethod
    def complete(self, kept: State) -> bool:
        """Whether a piece can be over behind these rows."""

    @abstractmethod
    def allowed(self, row: tuple[int, ...], kept: State) -> Mask:
        """Which ids the next column of a row of music may have."""

    @abstractmethod
    def after(self, row: tuple[int, ...], kept: State) -> State:
        """What is kept behind a row of music."""

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        row, kept = state
        return not row and (kept[0] in ("EOS", "PAD") or self.complete(kept))

    def _special(self, name: str) -> int:
        names = self.columns.names[0][: self.columns.specials]
        return names.index(f"{name}_None") if f"{name}_None" in names else NONE

    def allowed_next(self, state: State) -> Mask:
        """Which ids of the next column may come next."""
        row, kept = state
        mask = np.zeros(len(self.columns.names[len(row)]), np.bool_)
        if row and row[0] < self.columns.specials:
            mask[row[0]] = True
            return mask
        if not row and kept[0] in ("EOS", "PAD"):
            mask[self._special("PAD")] = True
            return mask
        mask |= self.allowed(row, kept)
        if not row:
            if self.complete(kept) and self._special("EOS") >= 0:
                mask[self._special("EOS")] = True
            if kept == self.begin() and self._special("BOS") >= 0:
                mask[self._special("BOS")] = True
        return mask

    def step(self, state: State, token: int) -> State:
        """The state behind one more id that the mask allows."""
        row, kept = state
        row = (*row, int(token))
        if len(row) < len(self.columns.names):
            return (row, kept)
        if row[0] < self.columns.specials:
            name = self.columns.names[0][row[0]].split("_")[0]
            return ((), (name, *self.begin()[1:]))
        return ((), self.after(row, kept))

    def field(self, column: int, *names: str) -> Mask:
        """The ids of fields in a column."""
        return _named(self.columns.names[column], names)

    def values(self, column: int) -> Ids:
        """What each id of a column says."""
        return np.asarray(self.meanings.value[self.columns.words[column][:-1]], np.int64)

    def value(self, column: int, place: int) -> int:
        """What an id of a column says."""
        return int(self.meanings.value[self.columns.words[column][place]])


@lru_cache(maxsize=256)
def _named(tokens: tuple[str, ...], fields: tuple[str, ...]) -> Mask:
    mask = np.array([token.split("_")[0] in fields for token in tokens])
    mask.flags.writeable = False
    return mask
