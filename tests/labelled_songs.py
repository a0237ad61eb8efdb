"""A folder of labelled pieces, made here: block chords under broken ones, in four keys."""

from pathlib import Path

from m4mcli.score.score import KeySignature, Score, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.theory.names import LETTERS

TPQ = 96
BAR = 4 * TPQ
PROGRESSION = ((0, "maj", (0, 4, 7)), (9, "min", (0, 3, 7)), (5, "maj", (0, 4, 7)), (7, "7", (0, 4, 7, 10)))


def labelled_song(tonic: int, rounds: int = 2) -> tuple[Score, list[tuple[int, int, str]]]:
    """C Am F G7 in a major key, `rounds` times and the tonic: melody and chords, and the chords in quarters."""
    melody, block, names = [], [], []
    chords = [*PROGRESSION * rounds, PROGRESSION[0]]
    for i, (degree, quality, tones) in enumerate(chords):
        root = (tonic + degree) % 12
        melody += [(i * BAR + k * TPQ, TPQ, 60 + root + tones[(0, 1, 2, 1)[k]], 90) for k in range(4)]
        block += [(i * BAR, BAR, 36 + root, 70)] + [(i * BAR, BAR, 48 + root + tone, 70) for tone in tones]
        names.append((4 * i, 4 * i + 4, f"{LETTERS[root]}:{quality}"))
    tracks = (Track("", 73, notes=notes_array(melody)), Track("CHORD", 0, notes=notes_array(block)))
    signature = KeySignature(0, 0, False)
    return Score(TPQ, tracks, time_signatures=(TimeSignature(0, 4, 4),), key_signatures=(signature,)), names


def write_labelled(folder: Path) -> Path:
    """Write `nottingham` and `pop909`, two pieces in each split, below a folder."""
    for number, source in enumerate(("nottingham", "pop909")):
        for part, split in enumerate(("train", "valid")):
            (folder / source / split).mkdir(parents=True)
            for k in range(2):
                tonic = (5 * number + 7 * part + 2 * k) % 12
                score, names = labelled_song(tonic)
                end = names[-1][1]
                tables = {
                    "chords": "start_q\tend_q\tchord\n" + "".join(f"{a}\t{b}\t{name}\n" for a, b, name in names),
                    "keys": f"start_q\tend_q\tkey\n0\t{end}\t{LETTERS[tonic]}:maj\n",
                    "bars": "start_q\ttimesig\n" + "".join(f"{a}\t4/4\n" for a, _, _ in names),
                }
                stem = folder / source / split / f"song{k}"
                stem.with_suffix(".mid").write_bytes(score_to_midi(score))
                for what, text in tables.items():
                    Path(f"{stem}.{what}.tsv").write_text(text)
    return folder
