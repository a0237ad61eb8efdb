"""The scheme `mmm` (multi-track music machine): track after track, bars to be filled in behind them.

    piece   START Metre* track* fill* STOP    (a Metre for each bar)
    track   Track Program Density bar*        (as many as there are metres)
    bar     Bar onset* | FillIn
    fill    Fill Density onset*               (for each FillIn, in their order)
    onset   Position note+
    note    Pitch Duration | PitchDrum

Positions in 12ths of a quarter note, 32 durations; no velocities, tempi or keys. A Density is that of the track's bars
that have notes, those that are to be filled in among them; before a fill it is that of the bar, 0 for a silent one.
In a bar positions rise, and at a position pitches.

J. Ens and P. Pasquier, MMM: Exploring Conditional Multi-Track Music Generation with the Transformer, arXiv 2008.06048.
Lengths are told as in its authors' MIDI-GPT (2025), where MMM has NOTE_OFF: a bar that is filled in can neither leave
notes open nor close those of others. What ends where the next thing begins has no end of its own, and all tracks have
the same bars, in any metres.
"""

from m4mcli.tokens.mmm_crops import crop
from m4mcli.tokens.mmm_decoding import decode
from m4mcli.tokens.mmm_encoding import encode
from m4mcli.tokens.mmm_grammar import MmmGrammar
from m4mcli.tokens.mmm_vocabulary import FIRST, TRACK, VOCABULARY
from m4mcli.tokens.scheme import Scheme

MMM = Scheme("mmm", 1, VOCABULARY, -1, encode, decode, MmmGrammar(), FIRST[TRACK], crop=crop)
