"""The colours of a piano roll, told apart by people with any colour vision and in print."""

PALETTE = ("#3b6fb6", "#e07b39", "#3a9278", "#c0455a", "#7a62b3", "#b8912a", "#4aa3c7", "#a3568f", "#6b7f3a", "#7d6152")
"""For the tracks of a piece, in their order."""

GIVEN = ("#3b6fb6", "#3a9278", "#7a62b3", "#4aa3c7", "#5b6b8c", "#6b7f3a")
NEW = ("#e07b39", "#c0455a", "#b8912a", "#a3568f")
"""Cool colours for what was given and warm ones for what is new, where a piece has both."""

DRUMS = "#56606e"
INK, GREY, PALE = "#1f2630", "#78828f", "#a9b1bc"
PAPER, LANE, BLACK_KEYS, BEAT, BAR, OCTAVE = "#ffffff", "#f7f8fa", "#eef0f4", "#e3e6eb", "#b9c0ca", "#dfe3e9"


def mixed(colour: str, other: str, share: float) -> str:
    """`share` (0-1) of a colour `#rrggbb` mixed into another one: what a translucent mark looks like on it."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))
