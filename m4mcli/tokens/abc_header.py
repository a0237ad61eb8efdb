"""What is told of a tune before its first note: rows that a writer of ABC begins with, and the keys it may choose."""

import numpy as np
from numpy.typing import NDArray

from m4mcli.errors import USAGE, M4mError
from m4mcli.tokens.abc_vocabulary import KEYS, METRES, VOCABULARY

MODES = {"major": [k for k in KEYS if not k.endswith("m")], "minor": [k for k in KEYS if k.endswith("m")]}


def tune_start(metre: str | None) -> NDArray[np.int64]:
    """The rows (n, 1) of a tune that begins, its metre told if one is given. Raises M4mError (status 2)."""
    ids = [VOCABULARY.id_of("START")]
    if metre is not None:
        if metre not in METRES:
            raise M4mError(f"--metre {metre} is none", "write 4/4, 3/4, 6/8", USAGE)
        ids.append(VOCABULARY.start("Metre") + METRES.index(metre))
    return np.array(ids, np.int64)[:, None]


def other_keys(key: str | None) -> NDArray[np.bool_]:
    """The ids of the keys that a tune may not have, which is to be in `key`: a key, major or minor. Raises M4mError."""
    barred = np.zeros(VOCABULARY.size, np.bool_)
    if key is None:
        return barred
    wanted = MODES.get(key, [key])
    start = VOCABULARY.start("Key") + 1
    if not set(wanted) <= set(KEYS):
        raise M4mError(f"--key {key} is none", "write G, Dm, F#m, major or minor", USAGE)
    barred[VOCABULARY.span("Key")] = True
    barred[[start + KEYS.index(name) for name in wanted]] = False
    return barred
