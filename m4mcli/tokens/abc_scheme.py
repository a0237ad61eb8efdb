"""The scheme `abc`: pieces of ABC 2.1 text, which one behind the other are a tune that any ABC program reads.

    piece   START [Metre] [Tempo] Key ([Program | Drums] | (Voice [Program | Drums])+) row* STOP
    row     ([Turn] [NewMetre] [NewKey] bar Bar)+ Row            (a turn for each voice)
    bar     BarRest | line (Overlay line)*
    line    ([NewTempo] [symbol] [Tuplet] sound)+
    sound   (note | Open note note+ Close) [Length] [Tie] | Rest [Length]
    note    [Accidental] Note
    symbol  Root [Quality] [Bass] Quote

The bars of all voices stand side by side. Notes are spelt by the key, accidentals hold to the end of the bar. Repeats
are written out. A track of block chords that names them in its lyrics is written as chord symbols.

Lossless for music on 32nds and triplet 16ths: notes without their velocities, time signatures, tempi in whole beats a
minute, key signatures at bar lines, chord symbols.
"""

import re

from m4mcli.tokens.abc_decoding import decode
from m4mcli.tokens.abc_encoding import encode
from m4mcli.tokens.abc_grammar import AbcGrammar
from m4mcli.tokens.abc_vocabulary import TEXTS, VOCABULARY
from m4mcli.tokens.scheme import Scheme, Tokens

ABC = Scheme("abc", 1, VOCABULARY, VOCABULARY.id_of("Row"), encode, decode, AbcGrammar())


def abc_text(tokens: Tokens, number: int = 1) -> str:
    """The tune that the ids are, as text with its number and the names of its tracks. Unknown ids are left out."""
    text = "".join(TEXTS[i] for i in tokens.ids.reshape(-1).tolist() if 0 <= i < len(TEXTS))
    names = [re.sub(r'[\s"%\]]+', " ", track.name).strip() for track in tokens.tracks]
    title = names[0] if len(names) == 1 else ""
    text = text.replace("X:1\n", f"X:{number}\nT:{title}\n", 1)
    for voice, name in enumerate(names, 1):
        if name:
            text = text.replace(f"\nV:{voice}\n", f'\nV:{voice} name="{name}"\n', 1)
    return text
