"""What the schemes that MidiTok has as well can be set to."""

from dataclasses import dataclass

Spans = tuple[tuple[int, int, int], ...]
"""Resolutions: (first beat, last beat, positions to a beat) of each span of lengths."""

ALL_PROGRAMS = tuple(range(128))
DRUM_PROGRAM = -1
CHORD_MAPS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("min", (0, 3, 7)),
    ("maj", (0, 4, 7)),
    ("dim", (0, 3, 6)),
    ("aug", (0, 4, 8)),
    ("sus2", (0, 2, 7)),
    ("sus4", (0, 5, 7)),
    ("7dom", (0, 4, 7, 10)),
    ("7min", (0, 3, 7, 10)),
    ("7maj", (0, 4, 7, 11)),
    ("7halfdim", (0, 3, 6, 10)),
    ("7dim", (0, 3, 6, 9)),
    ("7aug", (0, 4, 8, 11)),
    ("9maj", (0, 4, 7, 10, 14)),
    ("9min", (0, 4, 7, 10, 13)),
)
"""MidiTok's chord qualities: semitones above the lowest note."""


@dataclass(frozen=True)
class Settings:
    """What has tokens, and how finely. The defaults are MidiTok's.

    `resolution` is for lengths and positions, `rest_resolution` for rests. `velocities` and `tempos` are numbers of
    steps, 0 for none. `programs` says that notes are told with their instruments; `one_stream`, that all tracks then
    make one sequence. `program_changes` tells an instrument only where it changes.
    """

    pitches: tuple[int, int] = (21, 109)
    drum_pitches: tuple[int, int] | None = (27, 88)
    resolution: Spans = ((0, 4, 8), (4, 12, 4))
    velocities: int = 32
    durations: bool = True
    tempos: int = 0
    tempo_range: tuple[int, int] = (40, 250)
    log_tempos: bool = False
    time_signatures: tuple[tuple[int, int], ...] = (
        *((n, 8) for n in (3, 12, 6)),
        *((n, 4) for n in (5, 6, 3, 2, 1, 4)),
    )
    use_time_signatures: bool = True
    key_signatures: bool = False
    programs: bool = False
    program_list: tuple[int, ...] = (*ALL_PROGRAMS, DRUM_PROGRAM)
    one_stream: bool = True
    program_changes: bool = False
    rests: bool = False
    rest_resolution: Spans = ((0, 1, 8), (1, 2, 4), (2, 12, 2))
    chords: bool = False
    chord_maps: tuple[tuple[str, tuple[int, ...]], ...] = CHORD_MAPS
    chord_roots: bool = False
    unknown_chords: tuple[int, int] | None = None
    unique_notes: bool = False
    unique_tempos: bool = False
    unique_signatures: bool = False
    bar_ends: bool = False
    trailing_bars: bool = False
    most_bars: int = 60
    split: str = "bar"
    special: tuple[str, ...] = ("PAD_None", "BOS_None", "EOS_None", "MASK_None")

    @property
    def single(self) -> bool:
        """Whether a piece is one sequence; else each track is."""
        return self.programs and self.one_stream

    @property
    def per_beat(self) -> int:
        """Positions to a beat."""
        return max(per_beat for _, _, per_beat in self.resolution)

    @property
    def signatures(self) -> tuple[tuple[int, int], ...]:
        """The time signatures that can be told: 4/4 alone where they have no tokens."""
        return self.time_signatures if self.use_time_signatures else ((4, 4),)

    @property
    def whole_note(self) -> int:
        """Ticks of a whole note in decoded music."""
        return 4 * self.per_beat * max(max(d for _, d in self.signatures) // 4, 1)

    def beat(self, denominator: int) -> int:
        """Ticks of a beat in decoded music, under a signature of this denominator."""
        return self.whole_note // denominator


M4M = Settings(
    pitches=(0, 127), drum_pitches=(0, 127), tempos=32, key_signatures=True, programs=True, program_changes=False
)
"""m4m's own defaults: every pitch, and a piece in one sequence that tells instruments, tempi and signatures."""
