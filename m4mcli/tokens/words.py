"""The fields that `remi`, `tsd`, `midilike` and `structured` have in common, in the order of MidiTok's ids."""

from m4mcli.tokens.chords import chord_labels
from m4mcli.tokens.gridded import tempo_steps, velocity_steps
from m4mcli.tokens.settings import Settings
from m4mcli.tokens.times import labels
from m4mcli.tokens.vocabulary import Field, labelled

SPECIAL = {
    "PAD": "nothing: fills a row of a batch",
    "BOS": "the piece begins",
    "EOS": "the piece ends",
    "MASK": "what a model is to guess",
}


def special_fields(settings: Settings) -> list[Field]:
    """A field for each special token."""
    parts = [token.rsplit("_", 1) for token in settings.special]
    return [labelled(kind, (label,), SPECIAL.get(kind, "a special token")) for kind, label in parts]


def note_fields(settings: Settings, *, on_off: bool = False) -> list[Field]:
    """Pitches, velocities and durations; with `on_off` beginnings and ends of notes."""
    low, high = settings.pitches
    count = high - low + 1
    fields = []
    if on_off:
        fields.append(Field("NoteOn", count, "a note of this MIDI pitch begins", first=low))
        if settings.durations:
            fields.append(Field("NoteOff", count, "the note of this pitch that began first ends", first=low))
    else:
        fields.append(Field("Pitch", count, "MIDI pitch of a note", first=low))
    if settings.velocities:
        steps = tuple(map(str, velocity_steps(settings.velocities).tolist()))
        fields.append(labelled("Velocity", steps, "how loud the note is"))
    if settings.durations and not on_off:
        fields.append(labelled("Duration", labels(settings.resolution), "beats.positions.positions to a beat"))
    return fields


def shift_field(settings: Settings) -> Field:
    """Steps in time."""
    return labelled("TimeShift", labels(settings.resolution), "time goes on by beats.positions.positions to a beat")


def more_fields(settings: Settings, *, on_off: bool = False) -> list[Field]:
    """Drums, chords, rests, tempi, instruments and signatures, as far as the settings have tokens for them."""
    fields = []
    if settings.drum_pitches is not None:
        low, high = settings.drum_pitches
        names = (
            (("DrumOn", "a drum is struck"), ("DrumOff", "its sound ends")) if on_off else (("PitchDrum", "a drum"),)
        )
        fields += [Field(name, high - low + 1, f"{meaning}, by its MIDI pitch", first=low) for name, meaning in names]
    if settings.chords:
        fields.append(labelled("Chord", chord_labels(settings), "the next notes of the track make this chord"))
    if settings.rests:
        fields.append(labelled("Rest", labels(settings.rest_resolution), "silence from the last note's end on"))
    if settings.tempos:
        steps = tuple(map(str, tempo_steps(settings).tolist()))
        fields.append(labelled("Tempo", steps, "quarter notes a minute"))
    if settings.programs:
        fields.append(program_field(settings))
    if settings.use_time_signatures:
        fields.append(signature_field(settings))
    if settings.key_signatures:
        keys = tuple(f"{fifths}:{minor}" for fifths in range(-7, 8) for minor in (0, 1))
        fields.append(labelled("KeySig", keys, "sharps (less than 0: flats):1 in minor"))
    return fields


def program_field(settings: Settings) -> Field:
    """Instruments."""
    return labelled("Program", tuple(map(str, settings.program_list)), "General MIDI program from 0; -1 drums")


def signature_field(settings: Settings) -> Field:
    """Time signatures."""
    return labelled("TimeSig", tuple(f"{n}/{d}" for n, d in settings.time_signatures), "time signature")
