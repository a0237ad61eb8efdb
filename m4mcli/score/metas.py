"""MIDI's meta events: their type bytes, which of them matter to a score, and what their bytes may be."""

NAME, LYRIC, MARKER, TEMPO, SMPTE_OFFSET, TIME_SIGNATURE, KEY_SIGNATURE = 0x03, 0x05, 0x06, 0x51, 0x54, 0x58, 0x59
OPAQUE = 0x7F
"""Sequencer-specific: what no other program looks into."""

KEPT = frozenset((NAME, LYRIC, MARKER, TEMPO, TIME_SIGNATURE, KEY_SIGNATURE))
SHORTEST = {0x20: 1, TEMPO: 3, SMPTE_OFFSET: 5, TIME_SIGNATURE: 4, KEY_SIGNATURE: 2}
"""Fewest bytes of a meta event that other readers need; 0x20 is the channel prefix."""

END_OF_TRACK = b"\xff\x2f\x00"
LONGEST = 0x0FFFFFFF
"""The largest number of a variable-length quantity."""


def variable_length(value: int) -> bytes:
    """`value` (0 to LONGEST) as a MIDI variable-length quantity; raises ValueError beyond that."""
    if not 0 <= value <= LONGEST:
        raise ValueError(f"{value} has no variable-length form")
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def number_at(data: bytes, at: int) -> tuple[int, int]:
    """The variable-length quantity at `at`, and the place after it. Raises IndexError where it breaks off."""
    value = 0
    while True:
        byte = data[at]
        value, at = value << 7 | byte & 0x7F, at + 1
        if byte < 0x80:
            return value, at


def meta(kind: int, payload: bytes) -> bytes:
    """A meta event without its delta time."""
    return bytes((0xFF, kind)) + variable_length(len(payload)) + payload


def is_sensible(kind: int, payload: bytes) -> bool:
    """Whether a meta event is long enough and, a time signature aside, holds values that can be."""
    if len(payload) < SHORTEST.get(kind, 0):
        return False
    if kind == TEMPO:
        return any(payload[:3])
    if kind == KEY_SIGNATURE:
        fifths = payload[0] - 256 if payload[0] > 127 else payload[0]
        return -7 <= fifths <= 7 and payload[1] <= 1
    if kind == SMPTE_OFFSET:
        return payload[0] >> 5 <= 3 and payload[1] <= 59 and payload[2] <= 59 and payload[4] <= 99
    return not (kind == 0x00 and len(payload) == 1)


def is_metre(payload: bytes) -> bool:
    """Whether the bytes of a time signature say beats of a whole note to a 64th; cadenzas have 129/4 and the like."""
    return payload[0] >= 1 and payload[1] <= 6
