"""The example pieces of the manual: public-domain tunes, typed in here, as the MIDI files of `commands/examples/`.

`python -m m4mcli.manual.examples` writes the files; with `--check` it only compares them (status 1 if they differ).
A tune is a line of `PITCH:EIGHTHS`; `|` is for the reader's eye.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from m4mcli.manual.generated import finish
from m4mcli.score.score import KeySignature, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.theory.keys import parse_pitch_class

TPQ = 480
EIGHTH = TPQ // 2
ARTICULATION = 0.9
"""How much of its written length a note sounds."""

GREENSLEEVES = """
A4:1 | C5:2 D5:1 E5:1.5 F5:.5 E5:1 | D5:2 B4:1 G4:1.5 A4:.5 B4:1 | C5:2 A4:1 A4:1.5 G#4:.5 A4:1 | B4:2 G#4:1 E4:2
A4:1 | C5:2 D5:1 E5:1.5 F5:.5 E5:1 | D5:2 B4:1 G4:1.5 A4:.5 B4:1 | C5:1.5 B4:.5 A4:1 G#4:1.5 F#4:.5 G#4:1 | A4:6
| G5:3 G5:1.5 F#5:.5 E5:1 | D5:2 B4:1 G4:1.5 A4:.5 B4:1 | C5:2 A4:1 A4:1.5 G#4:.5 A4:1 | B4:2 G#4:1 E4:3
| G5:3 G5:1.5 F#5:.5 E5:1 | D5:2 B4:1 G4:1.5 A4:.5 B4:1 | C5:1.5 B4:.5 A4:1 G#4:1.5 F#4:.5 G#4:1 | A4:6
"""

ODE_TO_JOY = """
F#4:2 F#4:2 G4:2 A4:2 | A4:2 G4:2 F#4:2 E4:2 | D4:2 D4:2 E4:2 F#4:2 | F#4:3 E4:1 E4:4
| F#4:2 F#4:2 G4:2 A4:2 | A4:2 G4:2 F#4:2 E4:2 | D4:2 D4:2 E4:2 F#4:2 | E4:3 D4:1 D4:4
| E4:2 E4:2 F#4:2 D4:2 | E4:2 F#4:1 G4:1 F#4:2 D4:2 | E4:2 F#4:1 G4:1 F#4:2 E4:2 | D4:2 E4:2 A3:4
| F#4:2 F#4:2 G4:2 A4:2 | A4:2 G4:2 F#4:2 E4:2 | D4:2 D4:2 E4:2 F#4:2 | E4:3 D4:1 D4:4
"""


def tune(text: str, loud: int = 80) -> Track:
    """The track that a tune is, without name; the notes of each tick where they are written."""
    rows, tick = [], 0.0
    for word in text.replace("|", " ").split():
        name, _, eighths = word.partition(":")
        length = float(eighths) * EIGHTH
        pitch = parse_pitch_class(name[:-1]) + 12 * (int(name[-1]) + 1)
        rows.append((round(tick), round(length * ARTICULATION), pitch, loud))
        tick += length
    return Track(notes=notes_array(rows))


def greensleeves() -> Score:
    """A traditional English tune of the 16th century: A minor, 6/8, a pickup of one eighth."""
    return Score(
        TPQ,
        (replace(tune(GREENSLEEVES), name="Greensleeves", program=73),),
        (Tempo(0, 900_000),),
        (TimeSignature(0, 1, 8), TimeSignature(EIGHTH, 6, 8)),
        (KeySignature(0, 0, True),),
    )


def ode_to_joy() -> Score:
    """The theme of the last movement of Beethoven's ninth symphony, 1824: D major, 4/4."""
    return Score(
        TPQ,
        (replace(tune(ODE_TO_JOY), name="Ode to Joy", program=0),),
        (Tempo(0, 500_000),),
        (TimeSignature(0, 4, 4),),
        (KeySignature(0, 2, False),),
    )


def played() -> Score:
    """The Ode to Joy as somebody might play it: up to 44 ticks early or late, accents uneven."""
    score = ode_to_joy()
    notes = score.tracks[0].notes.copy()
    for i in range(len(notes)):
        notes["onset"][i] = max(0, notes["onset"][i] + (i * 37 % 23 - 11) * 4)
        notes["velocity"][i] = 64 + i * 29 % 40
    return replace(score, tracks=(replace(score.tracks[0], name="Played", notes=notes),))


EXAMPLES = {"greensleeves": greensleeves, "ode-to-joy": ode_to_joy, "played": played}


def main(arguments: Sequence[str], root: Path) -> int:
    """Write the example files in the checkout `root`, or check them; returns the exit status."""
    wanted = {f"commands/examples/{name}.mid": score_to_midi(make()) for name, make in EXAMPLES.items()}
    return finish(root, wanted, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path()))
