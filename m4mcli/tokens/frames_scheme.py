"""The scheme `frames`: each 16th-note frame as the decisions of m4m's own models, and what they leave out beside them.

    piece   START frame* STOP
    frame   [TEMPO BYTE BYTE BYTE] [NUMERATOR DENOMINATOR] [KEY] [BAR] note* END
    note    [VOICE] INSTRUMENT TONE [OCTAVE] DURATION+ [VELOCITY]

A note is the four fields of `m4mcli.frames.fields`: a frame's notes go by instrument, voice, pitch, and END (the
model's own, instrument 129) closes the frame. Drums have no OCTAVE. Durations of one note add up: 9 frames are 8 and 1.
VOICE stands before a note of the second, third, ... track with the same instrument. A tempo is three bytes of
microseconds a quarter, high byte first. BAR marks the first frame of a bar; the decoder does not need it.

Lossless for music on 16ths: notes with their velocities and tracks, tempi, time and key signatures. What is finer goes
to the nearest 16th. Controllers, pitch bends, lyrics and markers have no tokens.

`python -m m4mcli.tokens.frames_scheme` prints the vocabulary.
"""

import sys

from m4mcli.tokens.frames_decoding import decode
from m4mcli.tokens.frames_encoding import encode
from m4mcli.tokens.frames_grammar import FramesGrammar
from m4mcli.tokens.frames_vocabulary import END, VOCABULARY
from m4mcli.tokens.scheme import Scheme

FRAMES = Scheme("frames", 1, VOCABULARY, END, encode, decode, FramesGrammar())

if __name__ == "__main__":
    sys.stdout.write(VOCABULARY.page())
