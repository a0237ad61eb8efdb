"""Byte pair encoding: ids that often stand together become one. Needs the package `tokenizers`.

The file is MidiTok's: a tokenizer JSON with the scheme, its settings, the base vocabulary, a character for each of its
ids, and the merges as `tokenizers` keeps them. Ids are merged within a bar, never across, unless the settings say
otherwise.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.tokens.miditok_form import settings_from_file, settings_to_miditok
from m4mcli.tokens.scheme import Scheme, Tokens
from m4mcli.tokens.schemes import MIDITOK, open_scheme
from m4mcli.tokens.settings import Settings

Ids = NDArray[np.int64]

FIRST_CHARACTER = 33
"""MidiTok's: the characters below are control characters and the space."""

WORD_START = "\N{LOWER ONE EIGHTH BLOCK}"
HASH_DIGITS = 16


@dataclass(frozen=True)
class Merges:
    """Learnt merges for a scheme: `model` is a `tokenizers.Tokenizer`.

    `characters` are those of the scheme's ids; the merged id i stands for `flat[starts[i]:starts[i + 1]]`.
    """

    hash: str
    scheme: str
    settings: Settings
    model: Any
    characters: Ids
    flat: Ids
    starts: Ids

    @property
    def size(self) -> int:
        """How many ids there are with the merges."""
        return len(self.starts) - 1

    def applied(self, tokens: Tokens) -> Tokens:
        """The same music in merged ids. Raises M4mError for tokens of another scheme or other settings."""
        if tokens.scheme != self.scheme or tokens.settings != self.settings:
            raise M4mError(f"merges for {self.scheme}, tokens of {tokens.scheme}", "give the settings of the merges")
        cuts = splits(tokens, self.settings)
        merged = [
            self.model.encode(list(_texts(ids, self.characters, split)), is_pretokenized=True).ids
            for ids, split in zip(tokens.sequences, cuts, strict=True)
        ]
        whole = np.array([i for ids in merged for i in ids], np.int64)
        lengths = None if tokens.lengths is None else tuple(map(len, merged))
        return replace(tokens, ids=whole, lengths=lengths, bpe=self.hash, bars=tokens.bars[:0])

    def undone(self, tokens: Tokens) -> Tokens:
        """The tokens in the scheme's own ids; an id that there is none of becomes -1."""
        found = [self._expanded(ids) for ids in tokens.sequences]
        whole = np.concatenate(found) if found else tokens.ids
        lengths = None if tokens.lengths is None else tuple(map(len, found))
        return replace(tokens, ids=whole, lengths=lengths, bpe="")

    def _expanded(self, ids: Ids) -> Ids:
        known = np.where((ids < 0) | (ids >= self.size), self.size, ids)
        starts = np.concatenate([self.starts[:-1], self.starts[-1:]])
        counts = np.concatenate([np.diff(self.starts), np.ones(1, np.int64)])
        flat = np.concatenate([self.flat, np.full(1, -1)])
        count = counts[known]
        offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return np.asarray(flat[np.repeat(starts[known], count) + offset], np.int64)


def splits(tokens: Tokens, settings: Settings) -> list[Ids]:
    """Where each sequence is cut: at its bars, or nowhere."""
    lengths = (len(tokens.ids),) if tokens.lengths is None else tokens.lengths
    ends = np.cumsum(lengths)
    if settings.split != "bar":
        return [ids[:0] for ids in tokens.sequences]
    return [
        np.unique(tokens.bars[(tokens.bars > end - n) & (tokens.bars < end)] - (end - n))
        for n, end in zip(lengths, ends.tolist(), strict=True)
    ]


def _texts(ids: Ids, characters: Ids, split: Ids) -> Iterator[str]:
    """Each stretch between cuts as text, a character an id."""
    for part in np.split(characters[ids], split):
        if len(part):
            yield part.astype("<u4").tobytes().decode("utf-32-le")


def _library() -> Any:
    import tokenizers

    return tokenizers


def train(pieces: Iterable[Tokens], scheme: Scheme, size: int) -> str:
    """A MidiTok tokenizer file with merges learnt from these pieces, until there are `size` ids.

    Raises M4mError where the scheme has no single ids, or as many ids already.
    """
    settings = scheme.settings
    if settings is None or scheme.vocabulary.columns:
        raise M4mError(f"merges are not for the scheme {scheme.name}", f"take {', '.join(MIDITOK.values())}", USAGE)
    base = scheme.vocabulary.size
    if size <= base:
        raise M4mError(f"--train-bpe {size}: the scheme has {base} ids itself", "give a larger number", USAGE)
    library = _library()
    characters = np.arange(base) + FIRST_CHARACTER
    alphabet = {chr(c): i for i, c in enumerate(characters.tolist())}
    model = library.models.BPE(vocab=alphabet, merges=[], continuing_subword_prefix="", end_of_word_suffix="")
    tokenizer = library.Tokenizer(model)
    trainer = library.trainers.BpeTrainer(
        vocab_size=size,
        show_progress=False,
        special_tokens=[chr(FIRST_CHARACTER + i) for i in range(len(settings.special))],
        initial_alphabet=list(alphabet),
    )
    texts = (
        list(_texts(ids, characters, split))
        for tokens in pieces
        for ids, split in zip(tokens.sequences, splits(tokens, settings), strict=True)
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    names = scheme.vocabulary.names
    form = {
        "config": _whole_config(settings),
        "tokenization": {here: theirs for theirs, here in MIDITOK.items()}[scheme.name],
        "miditok_version": "3.1.0",
        "hf_tokenizers_version": library.__version__,
        "_vocab_base": {name: i for i, name in enumerate(names)},
        "_model": tokenizer.to_str(),
        "_vocab_base_byte_to_token": {chr(c): name for c, name in zip(characters.tolist(), names, strict=True)},
    }
    return json.dumps(form, ensure_ascii=False, indent=1) + "\n"


def _whole_config(settings: Settings) -> dict[str, Any]:
    """The configuration as MidiTok reads it from a file, which misses some keys where they are not there."""
    signatures: dict[str, list[int]] = {}
    for numerator, denominator in settings.time_signatures:
        signatures.setdefault(str(denominator), []).append(numerator)
    told = {"time_signature_range": signatures, "additional_params": {}} | settings_to_miditok(settings)
    extra = {k: told.pop(k) for k in ("use_bar_end_tokens", "add_trailing_bars", "max_bar_embedding") if k in told}
    return told | {"additional_params": extra}


@lru_cache(maxsize=4)
def read_merges(path: str) -> Merges:
    """The merges of a MidiTok tokenizer file. Raises M4mError where it has none that m4m can use."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise M4mError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    text = data.decode("utf-8", "replace")
    tokenization, settings = settings_from_file(text, path)
    if tokenization not in MIDITOK:
        raise M4mError(f"{path}: a tokenizer of the kind {tokenization}", f"m4m has {', '.join(MIDITOK)}")
    form = json.loads(text)
    if "_model" not in form:
        raise M4mError(f"{path}: no merges in this tokenizer", "make some with m4m tokenize --train-bpe")
    if settings.split == "beat":
        raise M4mError(f"{path}: ids merged within beats", "m4m merges within bars, or anywhere")
    scheme = open_scheme(MIDITOK[tokenization], settings)
    try:
        return _merges(form, scheme, hashlib.sha256(data).hexdigest()[:HASH_DIGITS])
    except ModuleNotFoundError:
        raise
    except Exception as error:
        # `tokenizers` raises bare Exceptions for a file that it cannot read.
        raise M4mError(f"{path}: merges that cannot be read ({error})", "make them anew with --train-bpe") from error


def _merges(form: dict[str, Any], scheme: Scheme, digest: str) -> Merges:
    model = _library().Tokenizer.from_str(form["_model"])
    if json.loads(form["_model"])["model"]["type"] != "BPE":
        raise ValueError("no BPE")
    named = {name: i for i, name in enumerate(scheme.vocabulary.names)}
    known = {byte: named[token] for byte, token in form["_vocab_base_byte_to_token"].items() if token in named}
    characters = np.full(scheme.vocabulary.size, ord(" "), np.int64)
    for byte, i in known.items():
        characters[i] = ord(byte)
    size = model.get_vocab_size()
    parts = [[known.get(c, -1) for c in (model.id_to_token(i) or "").removeprefix(WORD_START)] for i in range(size)]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(part) for part in parts])])
    flat = np.array([i for part in parts for i in part], np.int64)
    assert scheme.settings is not None
    return Merges(digest, scheme.name, scheme.settings, model, characters, flat, starts)
