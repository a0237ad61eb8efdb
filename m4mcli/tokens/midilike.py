"""The scheme `midilike`: notes begin and end by tokens of their own, with steps in time between them.

    piece    (Rest* TimeShift* [TimeSig] [Tempo] [KeySig] event*)*
    event    [Program] NoteOff | [Program] Chord | [Program] NoteOn Velocity

Of several notes of one pitch the one that began first ends first. With the settings of MidiTok's MIDILike the ids are
MidiTok's. S. Oore et al., This time with feeling, 2018.
"""

import numpy as np

from m4mcli.tokens.decoding import (
    CHORD,
    DEFAULT_BEATS,
    DEFAULT_VELOCITY,
    DRUM_OFF,
    KEY,
    OFF,
    REST,
    SHIFT,
    SIGNATURE,
    TEMPO,
    Heads,
    Meanings,
    Notes,
    Words,
    fifo,
    note_starts,
    told_heads,
    use,
    use_programs,
)
from m4mcli.tokens.events import Writer
from m4mcli.tokens.music import within
from m4mcli.tokens.settings import Settings
from m4mcli.tokens.times import Times
from m4mcli.tokens.tsd import set_signatures, shifted_time, told_signatures
from m4mcli.tokens.vocabulary import Vocabulary
from m4mcli.tokens.words import more_fields, note_fields, shift_field, special_fields


def midilike_vocabulary(settings: Settings) -> Vocabulary:
    """The fields of the scheme, in MidiTok's order."""
    return Vocabulary(
        (
            *special_fields(settings),
            *note_fields(settings, on_off=True),
            shift_field(settings),
            *more_fields(settings, on_off=True),
        )
    )


def midilike_writer(settings: Settings) -> Writer:
    """What writes the rows of this scheme."""
    return Writer(midilike_vocabulary(settings), settings, "NoteOn", "DrumOn", "NoteOff", "DrumOff")


def midilike_read(words: Words, m: Meanings, room: int) -> tuple[Notes, Heads]:
    """The notes of a sequence, `room` at most, and what it says of the whole piece.

    A note that does not end lasts to the end of the sequence; none is shorter than a position.
    """
    set_signatures(words, m)
    starts = note_starts(words, m.settings, on_off=True)
    kind = words.kind[: words.count]
    use(words, SHIFT, REST, TEMPO, KEY, SIGNATURE, CHORD)
    begins = kind == CHORD
    begins[starts] = True
    ends, used_ends = starts, starts[:0]
    if m.settings.durations:
        ends, used_ends = fifo(words, starts, np.flatnonzero((kind == OFF) | (kind == DRUM_OFF)))
        words.used[used_ends] = True
        begins[used_ends] = True
    use_programs(words, m.settings, begins)
    # Rests begin where notes have ended, and there stands an end: they are steps in time like others.
    time = shifted_time(words, starts, np.zeros(len(starts), np.int64), m)
    kept = within(words, starts, time, m.settings, room)
    if len(kept) < len(starts):
        ends = ends[np.isin(starts, kept)]
    return _notes(words, kept, ends, time, m), told_heads(words, time, told_signatures(words, time))


def _notes(words: Words, starts: Times, ends: Times, time: Times, m: Meanings) -> Notes:
    onset = time[starts]
    position = m.beats[words.signature[starts]] // m.settings.per_beat
    if m.settings.durations:
        stop = np.where(ends >= 0, time[ends], time[-1] if len(time) else 0)
        duration = np.maximum(stop - onset, position)
    else:
        duration = (m.beats[words.signature[starts]] * DEFAULT_BEATS).astype(np.int64)
    velocity = words.value[starts + 1] if m.settings.velocities else np.full(len(starts), DEFAULT_VELOCITY)
    return Notes(onset, duration, words.value[starts], velocity, words.program[starts])
