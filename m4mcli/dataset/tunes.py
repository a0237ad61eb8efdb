"""ABC collections: one text with many tunes, each of which begins with its number, `X:`."""

import re
from collections.abc import Iterator

TUNE = re.compile(r"^X:[ \t]*(\d*)[^\n]*$", re.MULTILINE)


def tunes_in(text: str) -> Iterator[tuple[str, str]]:
    """Place (`12`, a second tune of that number `12-2`) and text of each tune of a collection.

    What stands before the first tune, fields that hold for all of them, goes before each (ABC standard 2.1, 2.2.2).
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = list(TUNE.finditer(text))
    head = "".join(line for line in text[: starts[0].start()].splitlines(True) if line[1:2] == ":") if starts else ""
    seen: dict[str, int] = {}
    for i, match in enumerate(starts):
        stop = starts[i + 1].start() if i + 1 < len(starts) else len(text)
        number = match[1] or "0"
        seen[number] = seen.get(number, 0) + 1
        place = number if seen[number] == 1 else f"{number}-{seen[number]}"
        first, _, rest = text[match.start() : stop].rstrip().partition("\n")
        yield place, f"{first}\n{head}{rest}\n"
