"""Odd, damaged and hostile files, each made here: what a reader must take, mend or refuse."""

import gzip
import struct


def track(*events: str) -> bytes:
    """A track chunk of events in hex, each with its delta time."""
    body = bytes.fromhex("".join(events))
    return b"MTrk" + struct.pack(">I", len(body)) + body


def midi(*tracks: bytes, tpq: int = 96, format: int = 1, count: int | None = None) -> bytes:
    """A file of track chunks, with a header that may lie about their number."""
    return b"MThd" + struct.pack(">IHHH", 6, format, len(tracks) if count is None else count, tpq) + b"".join(tracks)


def score_json(onset: int, name: str = "") -> bytes:
    """A piece of one note as m4m JSON; what is not allowed is for the reader to find."""
    note = f'{{"onset": {onset}, "duration": 480, "pitch": 60, "velocity": 80}}'
    return f'{{"m4m": 1, "kind": "score", "tpq": 480, "tracks": [{{"name": "{name}", "notes": [{note}]}}]}}'.encode()


TUNE = ("00 90 3C 50", "60 80 3C 40", "00 90 40 50", "60 80 40 40", "00 90 43 50", "60 80 43 40")
END = "00 FF 2F 00"
FAR = "FF FF FF 7F"
"""The longest delta time that there is: more than two million quarters of 96 ticks."""

ODD = {
    "plain": (0, midi(track(*TUNE, END))),
    "format 2": (0, midi(track(*TUNE, END), track(*TUNE, END), format=2)),
    "format 9": (1, midi(track(*TUNE, END), format=9)),
    "no division": (1, midi(track(*TUNE, END), tpq=0)),
    "SMPTE division": (1, midi(track(*TUNE, END), tpq=0xE728)),
    "one tick to the quarter": (0, midi(track("00 90 3C 50 04 80 3C 40", END), tpq=1)),
    "the finest division": (0, midi(track("00 90 3C 50 81 FF 7F 80 3C 40", END), tpq=0x7FFF)),
    "too few tracks counted": (0, midi(track(*TUNE, END), track(*TUNE, END), count=1)),
    "too many tracks counted": (0, midi(track(*TUNE, END), count=60000)),
    "a thousand tracks": (0, midi(*[track("00 90 3C 50 10 80 3C 40", END)] * 1000)),
    "cut short": (0, midi(track(*TUNE, END))[:-9]),
    "a header alone": (1, midi()),
    "a track without events": (1, midi(track())),
    "no end of track": (0, midi(track(*TUNE))),
    "notes never released": (0, midi(track(*TUNE, "00 90 45 50", "60 90 47 50", END))),
    "notes released at once": (0, midi(track(*(f"18 90 {p} 50 00 80 {p} 40" for p in ("3C", "3E", "40", "41")), END))),
    "releases without notes": (1, midi(track("00 80 3C 40", "60 80 40 40", END))),
    "every pitch at once": (0, midi(track(*(f"00 90 {p:02X} 50" for p in range(128)), "60 B0 7B 00", END))),
    "one pitch over and over": (0, midi(track(*["00 90 3C 50 00 90 3C 60 30 80 3C 40 30 80 3C 40"] * 8, END))),
    "the lowest and the highest": (0, midi(track("00 90 00 01 60 80 00 40", "00 90 7F 7F 60 80 7F 40", END))),
    "no tempo at all": (0, midi(track("00 FF 51 03 00 00 00", *TUNE, END))),
    "a bar of no beats": (0, midi(track("00 FF 58 04 00 02 18 08", *TUNE, END))),
    "beats of 2^-200": (0, midi(track("00 FF 58 04 04 C8 18 08", *TUNE, END))),
    "bars of 255/1": (0, midi(track("00 FF 58 04 FF 00 18 08", *TUNE, END))),
    "bars of 1/64": (0, midi(track("00 FF 58 04 01 06 18 08", *TUNE, END))),
    "metre changes at every tick": (0, midi(track(*["01 FF 58 04 05 03 18 08"] * 300, *TUNE, END))),
    "an hour of rest": (0, midi(track("84 80 00 FF 01 00", "84 80 00 FF 01 00", *TUNE, "C1 00 FF 01 00", *TUNE, END))),
    "a rest without end": (1, midi(track(*TUNE, f"{FAR} FF 01 00", *TUNE, END))),
    "ticks beyond 32 bits": (1, midi(track(*[f"{FAR} FF 01 00"] * 20, *TUNE, END))),
    "drums alone": (1, midi(track("00 99 24 50", "60 89 24 40", END))),
    "terminal codes in a name": (0, midi(track("00 FF 03 09 1B 5B 32 4A 0A 4D 20 5B 62", *TUNE, END))),
    "system messages in mid track": (0, midi(track("00 F0 03 01 02 F7", *TUNE[:2], "00 F7 01 F8", *TUNE[2:], END))),
    "gzip": (1, gzip.compress(midi(track(*TUNE, END)), mtime=0)),
    "text": (1, b"Am | F | C | G\n"),
    "half of JSON": (1, b'{"m4m": 1, "kind": "score", "tpq": 480, "tracks": ['),
    "JSON of something else": (1, b"[1, 2, 3]"),
    "zeros": (1, bytes(1000)),
    "nothing": (1, b""),
    "a wrapper": (0, b"RIFF" + struct.pack("<I", 40) + b"RMIDdata" + struct.pack("<I", 999) + midi(track(*TUNE, END))),
    "behind a MacBinary header": (0, bytes(65) + b"MIDI" + bytes(59) + midi(track(*TUNE, END))),
    "a longer header": (
        0,
        midi(track(*TUNE, END)).replace(b"\0\0\0\x06", b"\0\0\0\x0a", 1).replace(b"MTrk", b"\0\0\0\0MTrk"),
    ),
    "a track that says it is empty": (0, midi(track(*TUNE, END))[:18] + bytes(4) + midi(track(*TUNE, END))[22:]),
    "a chunk of four gigabytes": (0, midi(track(*TUNE, END), b"XFIH\xff\xff\xff\xf0" + bytes(9))),
    "the end in mid track": (0, midi(track(*TUNE[:4], END, *TUNE))),
    "running status first": (1, midi(track("00 3C 50", *TUNE, END))),
    "running status after a meta event": (0, midi(track(*TUNE, "00 90 48 50 00 FF 01 00 30 48 00", END))),
    "a delta of forty bytes": (1, midi(track("80 " * 40 + "00 90 3C 50", END))),
    "text without end": (0, midi(track(*TUNE, "00 FF 01 FF FF FF 7F 41", END))),
    "system exclusive in packets": (0, midi(track("00 F0 03 43 12 00", *TUNE, "00 F7 03 12 34 F7", END))),
    "an escape that looks like a note": (0, midi(track(*TUNE[:2], "00 F7 03 90 3C 50", *TUNE[2:], END))),
    "an undefined status": (1, midi(track(*TUNE, "00 F4 00", END))),
    "values above 127": (0, midi(track("00 C0 FF", "00 B0 07 C8", "00 E0 FF FF", *TUNE, END))),
    "a program for each note": (0, midi(track(*(f"00 C0 {p:02X} 00 90 3C 50 30 80 3C 40" for p in range(128)), END))),
    "all channels": (0, midi(track(*(f"00 9{c:X} 3C 50 10 8{c:X} 3C 40" for c in range(16)), END))),
    "a thousand bends": (0, midi(track(*["00 E0 00 7F", "01 E0 7F 00"] * 500, *TUNE, END))),
    "a pedal never lifted": (0, midi(track("00 B0 40 7F", *TUNE, END))),
    "tempi of no length": (0, midi(track("00 FF 51 00", "00 FF 51 02 07 A1", *TUNE, END))),
    "the slowest tempo": (0, midi(track("00 FF 51 03 FF FF FF", *TUNE, END))),
    "a key of ninety sharps": (0, midi(track("00 FF 59 02 5A 01", *TUNE, END))),
    "a name of a megabyte": (0, midi(track("00 FF 03 BF FF 7F" + " 41" * 0xFFFFF, *TUNE, END))),
    "a name that is a path": (0, midi(track("00 FF 03 0C 2E 2E 2F 2E 2E 2F 74 6D 70 2F 78 00", *TUNE, END))),
    "a name in Shift-JIS": (0, midi(track("00 FF 03 06 83 73 83 41 83 6D", *TUNE, END))),
    "a name in rich's markup": (0, midi(track("00 FF 03 0B 5B 6C 69 6E 6B 3D 78 5D 5B 2F 5D", *TUNE, END))),
    "JSON nested deeply": (1, b'{"m4m": 1, "kind": "score", "tpq": 480, "tracks": ' + b"[" * 100_000),
    "JSON with a huge number": (1, b'{"m4m": 1, "kind": "score", "tpq": ' + b"9" * 5000 + b', "tracks": []}'),
    "JSON with 1e999": (1, b'{"m4m": 1, "kind": "score", "tpq": 1e999, "tracks": []}'),
    "JSON with NaN": (1, b'{"m4m": NaN, "kind": "score", "tpq": 480, "tracks": []}'),
    "JSON of wrong types": (1, b'{"m4m": 1, "kind": "score", "tpq": "480", "tracks": {"notes": null}}'),
    "JSON with notes before zero": (1, score_json(-1)),
    "JSON with notes beyond the end": (1, score_json(10**12)),
    "JSON with half a surrogate": (1, score_json(0, name="\\ud800")),
    "JSON": (0, score_json(0)),
    "tokens of no piece": (1, b'{"m4m": 1, "kind": "tokens", "scheme": "remi", "ids": [0, 99999999999, -1]}'),
}
"""The status of harmonize, and the file."""
