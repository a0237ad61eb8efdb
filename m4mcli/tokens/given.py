"""What may be told of a piece before a model writes it: how it begins, and which ids it may not have.

Tunes in ABC have a metre and a key, pieces of several instruments have these.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.theory.instruments import instrument_name
from m4mcli.tokens.abc_vocabulary import KEYS, METRES
from m4mcli.tokens.abc_vocabulary import VOCABULARY as ABC
from m4mcli.tokens.coder import Coder, Rows
from m4mcli.tokens.mmt import INSTRUMENT, NOTES, PLAYER, TYPE
from m4mcli.tokens.vocabulary import Vocabulary

MODES = {"major": [k for k in KEYS if not k.endswith("m")], "minor": [k for k in KEYS if k.endswith("m")]}
PITCHES, DRUM_PITCHES = ("Pitch", "NoteOn"), ("PitchDrum", "DrumOn")
"""Fields of pitches, where drums have some of their own."""

DRUMS = 128
"""The number of the drums among instruments, behind the programs 0-127."""


@dataclass(frozen=True)
class Given:
    """`rows` (n, columns) that the piece begins with, and by column a mask of ids that it may not have."""

    rows: Rows
    barred: dict[int, NDArray[np.bool_]] = field(default_factory=dict)


def given_tune(coder: Coder, metre: str | None, key: str | None) -> Given:
    """A tune in a metre and a key: `6/8`; `Dm`, `major` or `minor`. Raises M4mError (status 2)."""
    if coder.scheme.name != "abc":
        raise M4mError("--metre and --key are for models over ABC", f"this one's tokens are {coder.scheme.name}", USAGE)
    ids = coder.lead.tolist()
    if metre is not None:
        if metre not in METRES:
            raise M4mError(f"--metre {metre} is none", "write 4/4, 3/4, 6/8", USAGE)
        ids.append(ABC.start("Metre") + METRES.index(metre))
    rows = np.array(ids, np.int64)[:, None]
    if key is None:
        return Given(rows)
    wanted = MODES.get(key, [key])
    if not set(wanted) <= set(KEYS):
        raise M4mError(f"--key {key} is none", "write G, Dm, F#m, major or minor", USAGE)
    barred = np.zeros(ABC.size, np.bool_)
    barred[ABC.span("Key")] = True
    # The first of them is no key.
    barred[[ABC.start("Key") + 1 + KEYS.index(name) for name in wanted]] = False
    return Given(rows, {0: barred})


def given_instruments(coder: Coder, instruments: Collection[int]) -> Given:
    """A piece for these instruments and no others, programs 0-127 and 128 for drums. Raises M4mError (status 2)."""
    lead = coder.lead[None]
    if coder.scheme.name == "mmt":
        if DRUMS in instruments:
            raise M4mError("--instruments: the scheme mmt has no drums", "name others", USAGE)
        marks = np.zeros((len(instruments) + 1, len(coder.sizes)), np.int64)
        marks[:-1, TYPE], marks[:-1, PLAYER], marks[-1, TYPE] = INSTRUMENT, np.array(sorted(instruments)) + 1, NOTES
        return Given(np.concatenate((lead, marks)))
    if "merges" in coder.facts():
        raise M4mError("--instruments: the model's ids are merged", "leave it out", USAGE)
    barred = {
        column: _other_players(table, instruments)
        for column, table in enumerate(coder.scheme.vocabulary.tables())
        if any(table.has(name) for name in ("Program", *PITCHES, *DRUM_PITCHES))
    }
    if not any(table.has("Program") for table in coder.scheme.vocabulary.tables()):
        raise M4mError(f"--instruments: {coder.scheme.name} tells none here", "leave it out", USAGE)
    return Given(lead, barred)


def _other_players(table: Vocabulary, instruments: Collection[int]) -> NDArray[np.bool_]:
    """The ids of a column with which others would play: their programs, and pitches of drums or of all but drums."""
    barred = np.zeros(table.size, np.bool_)
    drums = DRUMS in instruments
    silent = (*(() if drums else DRUM_PITCHES), *(PITCHES if drums and len(instruments) == 1 else ()))
    for name in silent:
        if table.has(name):
            barred[table.span(name)] = True
    if table.has("Program"):
        labels = next(f.labels for f in table.fields if f.name == "Program")
        barred[table.span("Program")] = True
        for instrument in instruments:
            label = str(-1 if instrument == DRUMS else instrument)
            if label not in labels:
                name = instrument_name(instrument % DRUMS, instrument == DRUMS)
                raise M4mError(f"--instruments: the model has no {name}", "name others", USAGE)
            barred[table.start("Program") + labels.index(label)] = False
    return barred
