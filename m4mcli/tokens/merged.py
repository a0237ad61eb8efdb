"""Merged ids for a network: those that often stand together are one id, learnt by `m4m tokenize --train-bpe`.

The file is MidiTok's (m4mcli.tokens.bpe), of which the pairs are taken in their order; a model carries these, so that
it needs neither the file nor the package `tokenizers`. Merged ids are numbered behind the scheme's own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from m4mcli.errors import M4mError
from m4mcli.score.score import Score
from m4mcli.tokens.bpe import splits
from m4mcli.tokens.coder import Coder, Rows, coder_of, open_coder
from m4mcli.tokens.grammar import Grammar, Mask, State
from m4mcli.tokens.miditok_form import settings_from_file
from m4mcli.tokens.scheme import DEFAULT_TPQ, TokenTrack
from m4mcli.tokens.schemes import MIDITOK, open_scheme

Pair = tuple[int, int]
HELD = 50_000
"""Stretches whose merged ids are kept, and states of the grammar whose masks are."""


def expansions(base: int, pairs: Sequence[Pair]) -> list[tuple[int, ...]]:
    """The scheme's own ids that each id stands for, merged ones behind the `base` own ones."""
    found: list[tuple[int, ...]] = [(i,) for i in range(base)]
    for a, b in pairs:
        found.append(found[a] + found[b])
    return found


@dataclass(frozen=True)
class MergedCoder(Coder):
    """The way from music to merged ids and back."""

    pairs: tuple[Pair, ...]

    @cached_property
    def _base(self) -> int:
        return self.scheme.vocabulary.size

    @cached_property
    def _expanded(self) -> list[tuple[int, ...]]:
        return expansions(self._base, self.pairs)

    @cached_property
    def _merge(self) -> Any:
        ranks = {pair: i for i, pair in enumerate(self.pairs)}
        return lru_cache(HELD)(lambda ids: merged(ids, ranks, self._base))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many ids there are."""
        return (self._base + len(self.pairs),)

    @cached_property
    def grammar(self) -> Grammar:
        """Which ids may come next."""
        return MergedGrammar(self.scheme.grammar, self._expanded)

    def pieces(self, score: Score) -> list[Rows]:
        """Each sequence of a piece as rows (n, 1), from lead to end; within bars ids are merged, never across."""
        tokens, _ = self.scheme.encode(score)
        settings = self.scheme.settings
        assert settings is not None
        found = []
        for ids, split in zip(tokens.sequences, splits(tokens, settings), strict=True):
            body = [i for part in np.split(ids, split) for i in self._merge(tuple(part.tolist()))]
            found.append(np.array([self.lead[0], *body, self.end[0]], np.int64)[:, None])
        return found

    def score(self, rows: Rows, tpq: int = DEFAULT_TPQ, tracks: tuple[TokenTrack, ...] = ()) -> tuple[Score, int]:
        """The music that rows are, and how many of the scheme's own ids were skipped."""
        own = [i for merged_id in rows[:, 0].tolist() for i in self._expanded[merged_id]]
        return super().score(np.array(own, np.int64)[:, None], tpq, tracks)

    def facts(self) -> dict[str, Any]:
        """What a model says of it, to be opened again by `opened_coder`."""
        return super().facts() | {"sizes": [*self.sizes], "merges": [[a, b] for a, b in self.pairs]}


def merged(ids: tuple[int, ...], ranks: Mapping[Pair, int], base: int) -> tuple[int, ...]:
    """Ids with the pairs merged, the first learnt pair first."""
    out = list(ids)
    while len(out) > 1:
        rank = min((ranks.get(pair, len(ranks)) for pair in pairwise(out)), default=len(ranks))
        if rank == len(ranks):
            break
        i, short = 0, []
        while i < len(out):
            hit = i + 1 < len(out) and ranks.get((out[i], out[i + 1])) == rank
            short.append(base + rank if hit else out[i])
            i += 2 if hit else 1
        out = short
    return tuple(out)


@dataclass
class Node:
    """Where some first ids of expansions lead: the merged ids that end here, and the ids that may follow."""

    ends: list[int] = field(default_factory=list)
    after: "dict[int, Node]" = field(default_factory=dict)


class MergedGrammar(Grammar):
    """The order of a scheme for merged ids: one may come where all that it stands for may, one after another."""

    def __init__(self, own: Grammar, expanded: list[tuple[int, ...]]) -> None:
        self.own, self.expanded = own, expanded
        self.root = Node()
        for merged_id, ids in enumerate(expanded):
            node = self.root
            for i in ids:
                node = node.after.setdefault(i, Node())
            node.ends.append(merged_id)
        self.mask = lru_cache(HELD)(self._mask)

    def start(self) -> State:
        """The state before the first id."""
        return self.own.start()

    def allowed_next(self, state: State) -> Mask:
        """Which ids may come next."""
        return self.mask(state)

    def step(self, state: State, token: int) -> State:
        """The state behind one more id."""
        for i in self.expanded[token]:
            state = self.own.step(state, i)
        return state

    def may_end(self, state: State) -> bool:
        """Whether a piece can be over here."""
        return self.own.may_end(state)

    def _mask(self, state: State) -> Mask:
        mask = np.zeros(len(self.expanded), np.bool_)
        mask[list(self._open(self.root, state))] = True
        return mask

    def _open(self, node: Node, state: State) -> Iterator[int]:
        allowed = self.own.allowed_next(state)
        for i, following in node.after.items():
            if allowed[i]:
                yield from following.ends
                if following.after:
                    yield from self._open(following, self.own.step(state, i))


def merged_coder(path: str, scheme: str) -> MergedCoder:
    """The coder of a file of `m4m tokenize --train-bpe`, which has the settings too. Raises M4mError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise M4mError(f"{path}: not a readable tokenizer", "make one with m4m tokenize --train-bpe") from e
    tokenization, settings = settings_from_file(text, path)
    if MIDITOK.get(tokenization) != scheme:
        raise M4mError(f"{path}: a tokenizer of the kind {tokenization}, the recipe says {scheme}", "name another")
    opened = open_scheme(scheme, settings)
    form = json.loads(text)
    try:
        named = {name: i for i, name in enumerate(opened.vocabulary.names)}
        pairs = _pairs(json.loads(form["_model"])["model"]["merges"], named, form["_vocab_base_byte_to_token"])
    except (KeyError, TypeError, ValueError) as e:
        raise M4mError(f"{path}: no merges that m4m can use", "make some with m4m tokenize --train-bpe") from e
    return MergedCoder(opened, pairs)


def _pairs(merges: list[Any], named: Mapping[str, int], characters: Mapping[str, str]) -> tuple[Pair, ...]:
    """The merges as pairs of ids, in order."""
    ids = {byte: named[token] for byte, token in characters.items() if token in named}
    pairs: list[Pair] = []
    for told in merges:
        a, b = told.split(" ") if isinstance(told, str) else told
        pairs.append((ids[a], ids[b]))
        ids[a + b] = len(named) + len(pairs) - 1
    return tuple(pairs)


def opened_coder(facts: Mapping[str, Any], where: str) -> Coder:
    """The coder that a model's facts name. Raises M4mError where its ids mean something else now."""
    if "merges" not in facts:
        return coder_of(facts, where)
    own = open_coder(facts["scheme"], facts.get("config"))
    coder = MergedCoder(own.scheme, tuple((int(a), int(b)) for a, b in facts["merges"]))
    if coder.facts() != dict(facts):
        raise M4mError(f"{where}: made for another version of the scheme {facts['scheme']}", "train it again")
    return coder


def planned_coder(scheme: str, config: Mapping[str, Any], bpe: str) -> Coder:
    """The coder that a recipe names: of a scheme and its config, or of a file of merges. Raises M4mError."""
    return merged_coder(bpe, scheme) if bpe else open_coder(scheme, config)
