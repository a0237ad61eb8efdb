"""From tokens of the scheme `frames` to music, whatever the tokens are."""

from dataclasses import dataclass

from m4mcli.frames.fields import DURATIONS
from m4mcli.frames.frames import DRUMS, FRAMES_PER_QUARTER, tick_of
from m4mcli.score.container import MAX_NOTES, MAX_QUARTERS, MAX_TRACKS
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.tokens.frames_vocabulary import FLATS, KEYS, VOCABULARY, parts_of
from m4mcli.tokens.scheme import Tokens, TokenTrack

DEFAULT_VELOCITY = 80
LAST_FRAME = FRAMES_PER_QUARTER * MAX_QUARTERS


@dataclass
class _Piece:
    """A piece while its tokens are read: times in frames, notes of each (instrument, voice)."""

    parts: dict[tuple[int, int], list[tuple[int, int, int, int]]]
    tempos: dict[int, int]
    time_signatures: dict[int, tuple[int, int]]
    key_signatures: dict[int, tuple[int, bool]]
    frame: int = 0
    notes: int = 0


def decode(tokens: Tokens) -> tuple[Score, int]:
    """The piece that any ids are, and how many of them were skipped.

    Skipped is what makes no sense where it stands (notes without pitch or duration, ids of no token, all behind STOP)
    and what goes beyond 40,000 quarter notes, 1,000,000 notes or 1,024 tracks. A note without VELOCITY has velocity 80.
    Tracks that `tokens.tracks` does not tell are added behind those that it does.
    """
    kinds, values = VOCABULARY.apart(tokens.ids)
    kinds.append("STOP")
    piece = _Piece({part: [] for part in parts_of(tokens.tracks)}, {}, {}, {})
    at = skipped = 0
    while kinds[at] != "STOP":
        used = _read(kinds, values, at, piece)
        skipped += 0 if used else 1
        at += used or 1
    skipped += sum(kind != "PAD" for kind in kinds[at + 1 : -1])
    return _score(piece, tokens), skipped


def _read(kinds: list[str], values: list[int], at: int, piece: _Piece) -> int:
    """Read what begins at one token into the piece; how many tokens it took, 0 where it makes no sense."""
    match kinds[at]:
        case "PAD" | "BAR":
            return 1
        case "START":
            return int(at == 0 or kinds[at - 1] == "PAD")
        case "END" if piece.frame < LAST_FRAME:
            piece.frame += 1
            return 1
        case "VOICE" | "INSTRUMENT":
            return _read_note(kinds, values, at, piece)
        case "TEMPO" if kinds[at + 1 : at + 4] == ["BYTE"] * 3 and any(values[at + 1 : at + 4]):
            piece.tempos[piece.frame] = int.from_bytes(bytes(values[at + 1 : at + 4]), "big")
            return 4
        case "NUMERATOR" if kinds[at + 1] == "DENOMINATOR":
            piece.time_signatures[piece.frame] = (values[at], 1 << values[at + 1])
            return 2
        case "KEY":
            minor, sharps = divmod(values[at], KEYS)
            piece.key_signatures[piece.frame] = (sharps - FLATS, bool(minor))
            return 1
    return 0


def _read_note(kinds: list[str], values: list[int], at: int, piece: _Piece) -> int:
    """Read a note, whose first token is VOICE or INSTRUMENT; how many tokens it took, 0 where it is none."""
    start = at
    voice = values[at] if kinds[at] == "VOICE" else 0
    at += kinds[at] == "VOICE"
    if kinds[at] != "INSTRUMENT" or kinds[at + 1] != "TONE":
        return 0
    instrument, pitch = values[at], values[at + 1] - 12
    at += 2
    if instrument != DRUMS:
        if pitch >= 0 or kinds[at] != "OCTAVE":
            return 0
        pitch += 12 * (values[at] + 1)
        at += 1
    duration = 0
    while kinds[at] == "DURATION":
        duration += int(DURATIONS[values[at]])
        at += 1
    duration = min(duration, LAST_FRAME - piece.frame)
    velocity = values[at] if kinds[at] == "VELOCITY" else DEFAULT_VELOCITY
    at += kinds[at] == "VELOCITY"
    part = (instrument, voice)
    room = piece.notes < MAX_NOTES and (part in piece.parts or len(piece.parts) < MAX_TRACKS)
    if not room or not duration or not 0 <= pitch <= 127:
        return 0
    piece.parts.setdefault(part, []).append((piece.frame, duration, pitch, velocity))
    piece.notes += 1
    return at - start


def _score(piece: _Piece, tokens: Tokens) -> Score:
    """The piece in ticks: the tracks that are told, then the others by instrument and voice."""

    def tick(frame: int) -> int:
        return tick_of(frame, tokens.tpq)

    told = list(zip(parts_of(tokens.tracks), tokens.tracks, strict=True))
    others = sorted(piece.parts.keys() - {part for part, _ in told})
    told += [((i, v), TokenTrack("", 0 if i == DRUMS else i, i == DRUMS)) for i, v in others]
    tracks = []
    for part, track in told:
        rows = [(tick(f), tick(f + d) - tick(f), pitch, loud) for f, d, pitch, loud in piece.parts[part]]
        tracks.append(Track(track.name, track.program, track.is_drum, notes_array(rows)))
    return Score(
        tokens.tpq,
        tuple(tracks),
        tuple(Tempo(tick(f), value) for f, value in piece.tempos.items()),
        tuple(TimeSignature(tick(f), *value) for f, value in piece.time_signatures.items()),
        tuple(KeySignature(tick(f), *value) for f, value in piece.key_signatures.items()),
    )
