"""Music as rows of ids for a network, and back: a scheme, and what stands before and behind a piece.

A row is (columns,), a single id being a row of one. A network first reads the `lead`, which no music is in, and writes
rows until it writes the `end`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.score import Score
from m4mcli.tokens.grammar import Grammar, State
from m4mcli.tokens.miditok_form import settings_from_miditok, settings_to_miditok
from m4mcli.tokens.scheme import DEFAULT_TPQ, Scheme, Tokens, TokenTrack
from m4mcli.tokens.schemes import open_scheme, takes_settings

Rows = NDArray[np.int64]

MARKS = {"tpd": ("PAD", "EOS"), "frames": ("START", "STOP"), "abc": ("START", "STOP"), "mmm": ("START", "STOP")}
"""Names of the fields that lead and end a piece, where they are not BOS and EOS."""

WRITTEN = ("frames", "mmt", "mmm", "abc")
"""Schemes that write lead and end themselves."""


@dataclass(frozen=True)
class Coder:
    """The way from music to rows and back, in one scheme."""

    scheme: Scheme

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many ids each column has."""
        return tuple(table.size for table in self.scheme.vocabulary.tables())

    @property
    def grammar(self) -> Grammar:
        """Which ids may come next."""
        return self.scheme.grammar

    def _mark(self, which: int) -> Rows:
        tables = self.scheme.vocabulary.tables()
        if self.scheme.name == "mmt":
            return np.array([(0, 4)[which]] + [0] * (len(tables) - 1), np.int64)
        name = MARKS.get(self.scheme.name, ("BOS", "EOS"))[which]
        if not all(table.has(name) for table in tables):
            raise M4mError(f"the scheme {self.scheme.name} has no {name} here", "its special tokens must be there")
        return np.array([table.id_of(name) for table in tables], np.int64)

    @cached_property
    def lead(self) -> Rows:
        """The row before a piece."""
        return self._mark(0)

    @cached_property
    def end(self) -> Rows:
        """The row behind a piece."""
        return self._mark(1)

    def started(self) -> State:
        """The grammar's state behind the lead."""
        state = self.grammar.start()
        if self.scheme.name != "tpd":
            for token in self.lead.tolist():
                state = self.grammar.step(state, token)
        return state

    def pieces(self, score: Score) -> list[Rows]:
        """Each sequence of a piece as rows (n, columns), from lead to end."""
        tokens, _ = self.scheme.encode(score)
        found = [ids.reshape(-1, len(self.sizes)) for ids in tokens.sequences]
        if self.scheme.name in WRITTEN:
            return found
        return [np.concatenate((self.lead[None], rows, self.end[None])) for rows in found]

    def part(self, rows: Rows, length: int, rng: np.random.Generator | None = None) -> Rows:
        """At most so many rows of a piece: its beginning, or what its scheme makes of it, by chance if it may."""
        crop = self.scheme.crop
        return rows[:length] if crop is None else crop(rows[:, 0], length, rng)[:, None]

    def score(self, rows: Rows, tpq: int = DEFAULT_TPQ, tracks: tuple[TokenTrack, ...] = ()) -> tuple[Score, int]:
        """The music that rows are, with or without lead and end, and how many of them were skipped."""
        edges = (rows == self.lead).all(1) | (rows == self.end).all(1)
        body = rows if self.scheme.name in WRITTEN else rows[~edges]
        ids = body if self.scheme.vocabulary.columns else body[:, 0]
        single = self.scheme.settings is None or self.scheme.settings.single
        lengths = None if single else (len(ids),)
        return self.scheme.decode(Tokens(self.scheme.name, ids, tpq, tracks, lengths, self.scheme.settings))

    def facts(self) -> dict[str, Any]:
        """What a model says of it, to be opened again by `open_coder`."""
        told: dict[str, Any] = {"scheme": self.scheme.name, "version": self.scheme.version, "sizes": [*self.sizes]}
        if self.scheme.settings is not None:
            told["config"] = settings_to_miditok(self.scheme.settings)
        return told


def open_coder(scheme: str, config: Mapping[str, Any] | None = None) -> Coder:
    """The coder of a scheme; `config` in MidiTok's words, for schemes that take it. Raises M4mError."""
    if not takes_settings(scheme):
        if config:
            raise M4mError(f"the scheme {scheme} takes no config", "leave tokens.config out")
        return Coder(open_scheme(scheme))
    return Coder(open_scheme(scheme, settings_from_miditok(config or {})))


def coder_of(facts: Mapping[str, Any], where: str) -> Coder:
    """The coder that a model's facts name. Raises M4mError where its ids mean something else now."""
    coder = open_coder(facts["scheme"], facts.get("config"))
    if coder.facts() != dict(facts):
        raise M4mError(f"{where}: made for another version of the scheme {facts['scheme']}", "train it again")
    return coder


def without_end(rows: Rows, coder: Coder) -> Rows:
    """The rows of a piece that is to go on."""
    return rows[:-1] if len(rows) and (rows[-1] == coder.end).all() else rows
