"""ABC collections: one text with many tunes, each of which begins with its number, `X:`."""

import re
from collections import Counter
from collections.abc import Iterator

from m4mcli.score.abc import split_tunes

NUMBER = re.compile(r"^X:[ \t]*(\d*)", re.MULTILINE)


def tunes_in(text: str) -> Iterator[tuple[str, str]]:
    """Place and text of each tune of a collection; the place is its number, `12-2` for a second tune of that number."""
    seen: Counter[str] = Counter()
    for tune in split_tunes(text):
        match = NUMBER.search(tune)
        number = (match[1] if match else "") or "0"
        seen[number] += 1
        yield (number if seen[number] == 1 else f"{number}-{seen[number]}"), tune
